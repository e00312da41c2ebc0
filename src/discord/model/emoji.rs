//! What do people express themselves with? Emojis, stickers, sounds.

use compact_str::CompactString;

use super::{Guild, Role, StickerPack, User};
use crate::id::Id;

object! {
    /// A guild's or an application's emoji.
    ///
    /// <https://docs.discord.com/developers/resources/emoji#emoji-object>
    pub struct Emoji {
        id: Option<Id<Emoji>> = nullable,
        name: Option<CompactString> = nullable,
        /// Who may use it; everyone where empty.
        roles: Vec<Id<Role>> = sparse,
        /// Who uploaded it.
        user: Option<Box<User>> = optional,
        require_colons: Option<bool> = optional,
        managed: bool = sparse,
        animated: bool = sparse,
        /// False where the guild lost the boosts for it.
        available: Option<bool> = optional,
    }
}

object! {
    /// An emoji in use: a custom one by its id, a standard one by its characters as `name`.
    ///
    /// <https://docs.discord.com/developers/resources/emoji#emoji-object>
    pub struct PartialEmoji {
        id: Option<Id<Emoji>> = nullable,
        /// `None` where a custom emoji was deleted.
        name: Option<CompactString> = nullable,
        animated: bool = sparse,
    }
}

object! {
    /// A sticker of a guild or of Discord.
    ///
    /// <https://docs.discord.com/developers/resources/sticker#sticker-object>
    pub struct Sticker {
        id: Id<Sticker> = required,
        name: CompactString = required,
        description: Option<CompactString> = nullable,
        /// What it is found by.
        tags: CompactString = default,
        kind as "type": StickerKind = required,
        format_type: StickerFormat = required,
        /// False where the guild lost the boosts for it.
        available: Option<bool> = optional,
        guild_id: Option<Id<Guild>> = optional,
        user: Option<Box<User>> = optional,
        pack_id: Option<Id<StickerPack>> = optional,
        sort_value: Option<u32> = optional,
    }
}

object! {
    /// What is needed to show a sticker.
    ///
    /// <https://docs.discord.com/developers/resources/sticker#sticker-item-object>
    pub struct StickerItem {
        id: Id<Sticker> = required,
        name: CompactString = required,
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
        name: CompactString = required,
        sound_id: Id<SoundboardSound> = required,
        /// From 0 to 1.
        volume: f64 = required,
        emoji_id: Option<Id<Emoji>> = nullable,
        emoji_name: Option<CompactString> = nullable,
        guild_id: Option<Id<Guild>> = optional,
        /// False where the guild lost the boosts for it.
        available: bool = default,
        user: Option<Box<User>> = optional,
    }
}
