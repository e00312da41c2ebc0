//! What do people express themselves with? Emojis, stickers, sounds.

use compact_str::CompactString;

use super::{Guild, Role, StickerPack, User};
use crate::id::Id;

object! {
    /// A guild's or an application's emoji.
    ///
    /// <https://docs.discord.com/developers/resources/emoji#emoji-object>
    pub struct Emoji {
        id: Option<Id<Emoji>> = loose_nullable,
        name: Option<CompactString> = loose_nullable,
        /// Who may use it; everyone where empty.
        roles: Vec<Id<Role>> = loose_sparse,
        /// Who uploaded it.
        user: Option<Box<User>> = optional,
        require_colons: Option<bool> = loose,
        managed: bool = loose_sparse,
        animated: bool = loose_sparse,
        /// False where the guild lost the boosts for it.
        available: Option<bool> = loose,
    }
}

object! {
    /// An emoji in use: a custom one by its id, a standard one by its characters as `name`.
    ///
    /// <https://docs.discord.com/developers/resources/emoji#emoji-object>
    pub struct PartialEmoji {
        id: Option<Id<Emoji>> = loose_nullable,
        /// `None` where a custom emoji was deleted.
        name: Option<CompactString> = loose_nullable,
        animated: bool = loose_sparse,
    }
}

object! {
    /// A sticker of a guild or of Discord.
    ///
    /// <https://docs.discord.com/developers/resources/sticker#sticker-object>
    pub struct Sticker {
        id: Id<Sticker> = required,
        name: CompactString = loose_default,
        description: Option<CompactString> = loose_nullable,
        /// What it is found by.
        tags: CompactString = loose_default,
        kind as "type": StickerKind = required,
        format_type: Option<StickerFormat> = nullable,
        /// False where the guild lost the boosts for it.
        available: Option<bool> = loose,
        guild_id: Option<Id<Guild>> = loose,
        user: Option<Box<User>> = optional,
        pack_id: Option<Id<StickerPack>> = loose,
        sort_value: Option<u32> = loose,
    }
}

object! {
    /// What is needed to show a sticker.
    ///
    /// <https://docs.discord.com/developers/resources/sticker#sticker-item-object>
    pub struct StickerItem {
        id: Id<Sticker> = required,
        name: CompactString = loose_default,
        format_type: StickerFormat = required,
    }
}

int_enum! {
    /// Whose sticker it is.
    ///
    /// <https://docs.discord.com/developers/resources/sticker#sticker-object-sticker-types>
    pub enum StickerKind {
        Standard = 1,
        Guild = 2,
    }
}

int_enum! {
    /// The format of a sticker's file.
    ///
    /// <https://docs.discord.com/developers/resources/sticker#sticker-object-sticker-format-types>
    pub enum StickerFormat {
        Png = 1,
        Apng = 2,
        Lottie = 3,
        Gif = 4,
    }
}

object! {
    /// A sound to play in voice channels.
    ///
    /// <https://docs.discord.com/developers/resources/soundboard#soundboard-sound-object>
    pub struct SoundboardSound {
        name: CompactString = loose_default,
        sound_id: Id<SoundboardSound> = required,
        /// From 0 to 1.
        volume: f64 = loose_default,
        emoji_id: Option<Id<Emoji>> = loose_nullable,
        emoji_name: Option<CompactString> = loose_nullable,
        guild_id: Option<Id<Guild>> = loose,
        /// False where the guild lost the boosts for it.
        available: bool = loose_default,
        user: Option<Box<User>> = optional,
    }
}
