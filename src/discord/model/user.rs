//! Who is it? Users.

use compact_str::CompactString;

use super::Guild;
use super::{ImageHash, Sku};
use crate::id::Id;

object! {
    /// A user, as anyone sees it.
    ///
    /// <https://docs.discord.com/developers/resources/user#user-object>
    pub struct User {
        id: Id<User> = required,
        /// The name, unique except for webhooks and old bots.
        username: CompactString = loose_default,
        /// Four digits, or `0` for accounts with a unique name.
        discriminator: CompactString = loose_default,
        /// The name to show; for bots the application's.
        global_name: Option<CompactString> = loose_nullable,
        avatar: Option<ImageHash> = loose_nullable,
        bot: bool = loose_sparse,
        /// Whether it is Discord itself.
        system: bool = loose_sparse,
        banner: Option<ImageHash> = loose,
        /// The banner's colour as 0xRRGGBB.
        accent_color: Option<u32> = loose,
        public_flags: Option<UserFlags> = optional,
        avatar_decoration_data: Option<Box<AvatarDecoration>> = optional,
        collectibles: Option<Box<Collectibles>> = optional,
        primary_guild: Option<Box<PrimaryGuild>> = optional,
    }
}

object! {
    /// The bot's own user, with what only it may see.
    ///
    /// <https://docs.discord.com/developers/resources/user#user-object>
    pub struct CurrentUser {
        id: Id<User> = required,
        username: CompactString = loose_default,
        discriminator: CompactString = loose_default,
        global_name: Option<CompactString> = loose_nullable,
        avatar: Option<ImageHash> = loose_nullable,
        bot: bool = loose_sparse,
        system: bool = loose_sparse,
        /// Whether the owner has two-factor authentication.
        mfa_enabled: Option<bool> = loose,
        banner: Option<ImageHash> = loose,
        accent_color: Option<u32> = loose,
        locale: Option<CompactString> = loose,
        /// Whether the e-mail address has been verified.
        verified: Option<bool> = loose,
        email: Option<CompactString> = loose,
        flags: Option<UserFlags> = optional,
        premium_type: Option<PremiumType> = optional,
        public_flags: Option<UserFlags> = optional,
        avatar_decoration_data: Option<Box<AvatarDecoration>> = optional,
        collectibles: Option<Box<Collectibles>> = optional,
        primary_guild: Option<Box<PrimaryGuild>> = optional,
    }
}

object! {
    /// What is drawn around an avatar.
    ///
    /// <https://docs.discord.com/developers/resources/user#avatar-decoration-data-object>
    pub struct AvatarDecoration {
        /// Empty where it was not there.
        asset: ImageHash = loose_default,
        sku_id: Option<Id<Sku>> = loose_nullable,
    }
}

object! {
    /// What a user has collected and shows.
    ///
    /// <https://docs.discord.com/developers/resources/user#collectibles>
    pub struct Collectibles {
        nameplate: Option<Nameplate> = loose,
    }
}

object! {
    /// What is drawn behind a name.
    ///
    /// <https://docs.discord.com/developers/resources/user#nameplate>
    pub struct Nameplate {
        sku_id: Option<Id<Sku>> = loose_nullable,
        /// The path of the image on the CDN.
        asset: CompactString = loose_default,
        label: CompactString = loose_default,
        /// The background's colour, by name.
        palette: CompactString = loose_default,
    }
}

object! {
    /// The guild whose tag a user shows beside the name.
    ///
    /// <https://docs.discord.com/developers/resources/user#user-object-user-primary-guild>
    pub struct PrimaryGuild {
        identity_guild_id: Option<Id<Guild>> = loose_nullable,
        /// `None` where Discord took the tag away.
        identity_enabled: Option<bool> = loose_nullable,
        tag: Option<CompactString> = loose_nullable,
        badge: Option<ImageHash> = loose_nullable,
    }
}

flags! {
    /// Badges and states of an account.
    ///
    /// <https://docs.discord.com/developers/resources/user#user-object-user-flags>
    pub struct UserFlags: number {
        STAFF = 0,
        PARTNER = 1,
        HYPESQUAD = 2,
        BUG_HUNTER_LEVEL_1 = 3,
        HYPESQUAD_ONLINE_HOUSE_1 = 6,
        HYPESQUAD_ONLINE_HOUSE_2 = 7,
        HYPESQUAD_ONLINE_HOUSE_3 = 8,
        PREMIUM_EARLY_SUPPORTER = 9,
        TEAM_PSEUDO_USER = 10,
        BUG_HUNTER_LEVEL_2 = 14,
        VERIFIED_BOT = 16,
        VERIFIED_DEVELOPER = 17,
        CERTIFIED_MODERATOR = 18,
        BOT_HTTP_INTERACTIONS = 19,
        ACTIVE_DEVELOPER = 22,
    }
}

int_enum! {
    /// Which Nitro a user pays for.
    ///
    /// <https://docs.discord.com/developers/resources/user#user-object-premium-types>
    pub enum PremiumType {
        None = 0,
        NitroClassic = 1,
        Nitro = 2,
        NitroBasic = 3,
    }
}
