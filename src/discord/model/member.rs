//! Who is in a guild? Members.

use compact_str::CompactString;

use super::{AvatarDecoration, Collectibles, Guild, ImageHash, Permissions, Role, Timestamp, User};
use crate::id::Id;

object! {
    /// A member of a guild.
    ///
    /// <https://docs.discord.com/developers/resources/guild#guild-member-object>
    pub struct Member {
        /// Absent where the user stands beside the member, as in messages.
        user: Option<User> = optional,
        nick: Option<CompactString> = loose,
        avatar: Option<ImageHash> = loose,
        banner: Option<ImageHash> = loose,
        roles: Vec<Id<Role>> = loose_default,
        /// `None` for guests, who came by an invite to a voice channel.
        joined_at: Option<Timestamp> = loose_nullable,
        /// When the user began to boost the guild.
        premium_since: Option<Timestamp> = loose,
        deaf: bool = loose_default,
        mute: bool = loose_default,
        flags: MemberFlags = default,
        /// Whether the member has yet to accept the guild's rules.
        pending: bool = loose_sparse,
        /// With overwrites of the channel; only in interactions.
        permissions: Option<Permissions> = optional,
        /// The end of a timeout; may lie in the past.
        communication_disabled_until: Option<Timestamp> = loose,
        avatar_decoration_data: Option<Box<AvatarDecoration>> = optional,
        collectibles: Option<Box<Collectibles>> = optional,
    }
}

object! {
    /// A new member, or one that joined again without having left.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-member-add>
    pub struct GuildMemberAdd {
        guild_id: Id<Guild> = required,
        user: User = required,
        nick: Option<CompactString> = loose,
        avatar: Option<ImageHash> = loose,
        banner: Option<ImageHash> = loose,
        roles: Vec<Id<Role>> = loose_default,
        joined_at: Option<Timestamp> = loose_nullable,
        premium_since: Option<Timestamp> = loose,
        deaf: bool = loose_default,
        mute: bool = loose_default,
        flags: MemberFlags = default,
        pending: bool = loose_sparse,
        communication_disabled_until: Option<Timestamp> = loose,
        avatar_decoration_data: Option<Box<AvatarDecoration>> = optional,
        collectibles: Option<Box<Collectibles>> = optional,
    }
}

object! {
    /// A member as it is after a change.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-member-update>
    pub struct GuildMemberUpdate {
        guild_id: Id<Guild> = required,
        user: User = required,
        nick: Option<CompactString> = loose,
        avatar: Option<ImageHash> = loose_nullable,
        banner: Option<ImageHash> = loose_nullable,
        roles: Vec<Id<Role>> = loose_default,
        joined_at: Option<Timestamp> = loose_nullable,
        premium_since: Option<Timestamp> = loose,
        deaf: Option<bool> = loose,
        mute: Option<bool> = loose,
        flags: Option<MemberFlags> = optional,
        pending: Option<bool> = loose,
        communication_disabled_until: Option<Timestamp> = loose,
        avatar_decoration_data: Option<Box<AvatarDecoration>> = optional,
        collectibles: Option<Box<Collectibles>> = optional,
    }
}

object! {
    /// A user left a guild, or was kicked or banned.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-member-remove>
    pub struct GuildMemberRemove {
        guild_id: Id<Guild> = required,
        user: User = required,
    }
}

flags! {
    /// What a member did and what is withheld.
    ///
    /// <https://docs.discord.com/developers/resources/guild#guild-member-object-guild-member-flags>
    pub struct MemberFlags: number {
        /// Left and joined again.
        DID_REJOIN = 0,
        COMPLETED_ONBOARDING = 1,
        /// Need not pass the guild's verification.
        BYPASSES_VERIFICATION = 2,
        STARTED_ONBOARDING = 3,
        /// Can only reach the voice channel of the invite.
        IS_GUEST = 4,
        STARTED_HOME_ACTIONS = 5,
        COMPLETED_HOME_ACTIONS = 6,
        /// The name is blocked by `AutoMod`.
        AUTOMOD_QUARANTINED_USERNAME = 7,
        DM_SETTINGS_UPSELL_ACKNOWLEDGED = 9,
        /// The guild's tag is blocked by `AutoMod`.
        AUTOMOD_QUARANTINED_GUILD_TAG = 10,
    }
}
