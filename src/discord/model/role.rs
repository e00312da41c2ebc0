//! What may one do? Roles and permissions.

use compact_str::CompactString;

use super::{ImageHash, Integration, SkuSubscriptionListing, User};
use crate::id::Id;

object! {
    /// A role of a guild.
    ///
    /// <https://docs.discord.com/developers/topics/permissions#role-object>
    pub struct Role {
        id: Id<Role> = required,
        name: CompactString = loose_default,
        /// Deprecated by `colors`; 0xRRGGBB.
        color: u32 = loose_default,
        colors: Option<RoleColors> = optional,
        /// Whether its members are listed apart.
        hoist: bool = loose_default,
        icon: Option<ImageHash> = loose,
        unicode_emoji: Option<CompactString> = loose,
        /// Higher is more powerful; equal positions are ordered by id.
        position: i64 = loose_default,
        permissions: Permissions = default,
        /// Whether an integration manages it.
        managed: bool = loose_default,
        mentionable: bool = loose_default,
        tags: Option<Box<RoleTags>> = optional,
        flags: RoleFlags = default,
    }
}

object! {
    /// A role's colours as 0xRRGGBB.
    ///
    /// <https://docs.discord.com/developers/topics/permissions#role-object-role-colors-object>
    pub struct RoleColors {
        primary_color: u32 = loose_default,
        /// Makes it a gradient.
        secondary_color: Option<u32> = loose_nullable,
        /// Makes it holographic.
        tertiary_color: Option<u32> = loose_nullable,
    }
}

object! {
    /// What a role belongs to.
    ///
    /// <https://docs.discord.com/developers/topics/permissions#role-object-role-tags-structure>
    pub struct RoleTags {
        bot_id: Option<Id<User>> = loose,
        integration_id: Option<Id<Integration>> = loose,
        /// Whether it is the guild's booster role.
        premium_subscriber: bool = marker,
        subscription_listing_id: Option<Id<SkuSubscriptionListing>> = loose,
        available_for_purchase: bool = marker,
        /// Whether it is linked to connections of users.
        guild_connections: bool = marker,
    }
}

flags! {
    /// What is special about a role.
    ///
    /// <https://docs.discord.com/developers/topics/permissions#role-object-role-flags>
    pub struct RoleFlags: number {
        /// Members can take it in onboarding.
        IN_PROMPT = 0,
    }
}

flags! {
    /// What one may do.
    ///
    /// <https://docs.discord.com/developers/topics/permissions#permissions-bitwise-permission-flags>
    pub struct Permissions: text {
        CREATE_INSTANT_INVITE = 0,
        KICK_MEMBERS = 1,
        BAN_MEMBERS = 2,
        /// All permissions, whatever overwrites say.
        ADMINISTRATOR = 3,
        MANAGE_CHANNELS = 4,
        MANAGE_GUILD = 5,
        ADD_REACTIONS = 6,
        VIEW_AUDIT_LOG = 7,
        PRIORITY_SPEAKER = 8,
        STREAM = 9,
        VIEW_CHANNEL = 10,
        SEND_MESSAGES = 11,
        SEND_TTS_MESSAGES = 12,
        MANAGE_MESSAGES = 13,
        EMBED_LINKS = 14,
        ATTACH_FILES = 15,
        READ_MESSAGE_HISTORY = 16,
        MENTION_EVERYONE = 17,
        USE_EXTERNAL_EMOJIS = 18,
        VIEW_GUILD_INSIGHTS = 19,
        CONNECT = 20,
        SPEAK = 21,
        MUTE_MEMBERS = 22,
        DEAFEN_MEMBERS = 23,
        MOVE_MEMBERS = 24,
        USE_VAD = 25,
        CHANGE_NICKNAME = 26,
        MANAGE_NICKNAMES = 27,
        MANAGE_ROLES = 28,
        MANAGE_WEBHOOKS = 29,
        MANAGE_GUILD_EXPRESSIONS = 30,
        USE_APPLICATION_COMMANDS = 31,
        REQUEST_TO_SPEAK = 32,
        MANAGE_EVENTS = 33,
        MANAGE_THREADS = 34,
        CREATE_PUBLIC_THREADS = 35,
        CREATE_PRIVATE_THREADS = 36,
        USE_EXTERNAL_STICKERS = 37,
        SEND_MESSAGES_IN_THREADS = 38,
        USE_EMBEDDED_ACTIVITIES = 39,
        MODERATE_MEMBERS = 40,
        VIEW_CREATOR_MONETIZATION_ANALYTICS = 41,
        USE_SOUNDBOARD = 42,
        CREATE_GUILD_EXPRESSIONS = 43,
        CREATE_EVENTS = 44,
        USE_EXTERNAL_SOUNDS = 45,
        SEND_VOICE_MESSAGES = 46,
        SET_VOICE_CHANNEL_STATUS = 48,
        SEND_POLLS = 49,
        USE_EXTERNAL_APPS = 50,
        PIN_MESSAGES = 51,
        BYPASS_SLOWMODE = 52,
    }
}
