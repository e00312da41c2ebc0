//! Where do people meet? Guilds.

use compact_str::CompactString;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess},
};

use super::{
    Application, Channel, Emoji, ImageHash, Member, Permissions, Presence, Role, ScheduledEvent,
    SoundboardSound, StageInstance, Sticker, Timestamp, User, VoiceState,
};
use crate::{
    codec::json::{Decode, Reader, Refused},
    id::Id,
};

object! {
    /// A guild.
    ///
    /// From `joined_at` on the fields come in `GUILD_CREATE` only.
    /// <https://docs.discord.com/developers/resources/guild#guild-object>
    pub struct Guild, slots GuildSlots {
        id: Id<Guild> = required,
        name: CompactString = loose_default,
        icon: Option<ImageHash> = loose_nullable,
        splash: Option<ImageHash> = loose_nullable,
        discovery_splash: Option<ImageHash> = loose_nullable,
        owner_id: Id<User> = required,
        /// Deprecated.
        region: Option<CompactString> = loose,
        afk_channel_id: Option<Id<Channel>> = loose_nullable,
        /// In seconds.
        afk_timeout: u32 = loose_default,
        widget_enabled: Option<bool> = loose,
        widget_channel_id: Option<Id<Channel>> = loose,
        verification_level: VerificationLevel = required,
        default_message_notifications: DefaultMessageNotifications = required,
        explicit_content_filter: ExplicitContentFilter = required,
        roles: Vec<Role> = default,
        emojis: Vec<Emoji> = default,
        /// What the guild can do: an open set of texts.
        features: Vec<CompactString> = loose_default,
        mfa_level: MfaLevel = required,
        /// The bot that created the guild.
        application_id: Option<Id<Application>> = loose_nullable,
        system_channel_id: Option<Id<Channel>> = loose_nullable,
        system_channel_flags: SystemChannelFlags = default,
        rules_channel_id: Option<Id<Channel>> = loose_nullable,
        max_presences: Option<u32> = loose,
        max_members: Option<u32> = loose,
        vanity_url_code: Option<CompactString> = loose_nullable,
        description: Option<CompactString> = loose_nullable,
        banner: Option<ImageHash> = loose_nullable,
        premium_tier: PremiumTier = default,
        /// How many boosts the guild has.
        premium_subscription_count: Option<u32> = loose,
        preferred_locale: CompactString = loose_default,
        public_updates_channel_id: Option<Id<Channel>> = loose_nullable,
        max_video_channel_users: Option<u32> = loose,
        max_stage_video_channel_users: Option<u32> = loose,
        approximate_member_count: Option<u32> = loose,
        approximate_presence_count: Option<u32> = loose,
        welcome_screen: Option<Box<WelcomeScreen>> = optional,
        nsfw_level: Option<NsfwLevel> = optional,
        stickers: Vec<Sticker> = sparse,
        premium_progress_bar_enabled: bool = loose_default,
        hub_type: Option<HubKind> = optional,
        safety_alerts_channel_id: Option<Id<Channel>> = loose_nullable,
        incidents_data: Option<Box<IncidentsData>> = nullable,
        /// When the bot joined.
        joined_at: Option<Timestamp> = loose,
        /// Whether `members` lacks those that are offline.
        large: Option<bool> = loose,
        unavailable: Option<bool> = loose,
        member_count: Option<u32> = loose,
        voice_states: Vec<VoiceState> = sparse,
        /// All, some or only the bot and those in voice, by size and intents.
        members: Vec<Member> = sparse,
        channels: Vec<Channel> = sparse,
        /// The active ones that the bot can view.
        threads: Vec<Channel> = sparse,
        /// Of those who are not offline.
        presences: Vec<Presence> = sparse,
        stage_instances: Vec<StageInstance> = sparse,
        guild_scheduled_events: Vec<ScheduledEvent> = sparse,
        soundboard_sounds: Vec<SoundboardSound> = sparse,
    }
}

object! {
    /// A guild of which no more is known, because it is down or not sent yet, or because it is
    /// gone.
    ///
    /// <https://docs.discord.com/developers/resources/guild#unavailable-guild-object>
    pub struct UnavailableGuild {
        id: Id<Guild> = required,
        /// In `GUILD_DELETE` absent where the bot is not in the guild any more.
        unavailable: Option<bool> = loose,
    }
}

/// A guild as `GUILD_CREATE` brings it.
///
/// <https://docs.discord.com/developers/events/gateway-events#guild-create>
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "documented as one of these two")]
#[expect(
    clippy::large_enum_variant,
    reason = "the small one is rare; events box the whole"
)]
pub enum GuildCreate {
    /// The guild with all that the bot may see of it.
    Available(Guild),
    /// The bot joined the guild or came back to it while it is down.
    Unavailable(UnavailableGuild),
}

impl GuildCreate {
    /// The guild's id.
    pub const fn id(&self) -> Id<Guild> {
        match self {
            Self::Available(guild) => guild.id,
            Self::Unavailable(guild) => guild.id,
        }
    }

    /// The guild, or the name of a field that is missing.
    fn complete(slots: GuildSlots) -> Result<Self, &'static str> {
        let bare = slots.name.is_none() && slots.owner_id.is_none();
        if let (Some(id), Some(unavailable), true) = (slots.id, slots.unavailable, bare) {
            return Ok(Self::Unavailable(UnavailableGuild {
                id,
                unavailable: Some(unavailable),
            }));
        }
        slots.complete().map(Self::Available)
    }
}

impl Serialize for GuildCreate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Available(guild) => guild.serialize(serializer),
            Self::Unavailable(guild) => guild.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for GuildCreate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> de::Visitor<'de> for Fields {
            type Value = GuildCreate;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object: Guild")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<GuildCreate, A::Error> {
                GuildCreate::complete(GuildSlots::read(map)?).map_err(de::Error::missing_field)
            }
        }
        deserializer.deserialize_struct("Guild", GuildSlots::FIELDS, Fields)
    }
}

impl Decode for GuildCreate {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        Self::complete(GuildSlots::decode(json)?).map_err(|_| Refused)
    }
}

int_enum! {
    /// What members must have verified before they may write.
    ///
    /// <https://docs.discord.com/developers/resources/guild#guild-object-verification-level>
    pub enum VerificationLevel {
        None = 0,
        Low = 1,
        Medium = 2,
        High = 3,
        VeryHigh = 4,
    }
}

int_enum! {
    /// What members are notified of unless they choose.
    ///
    /// <https://docs.discord.com/developers/resources/guild#guild-object-default-message-notification-level>
    pub enum DefaultMessageNotifications {
        AllMessages = 0,
        OnlyMentions = 1,
    }
}

int_enum! {
    /// Whose media are scanned.
    ///
    /// <https://docs.discord.com/developers/resources/guild#guild-object-explicit-content-filter-level>
    pub enum ExplicitContentFilter {
        Disabled = 0,
        MembersWithoutRoles = 1,
        AllMembers = 2,
    }
}

int_enum! {
    /// Whether moderators need two-factor authentication.
    ///
    /// <https://docs.discord.com/developers/resources/guild#guild-object-mfa-level>
    pub enum MfaLevel {
        None = 0,
        Elevated = 1,
    }
}

int_enum! {
    /// What a guild's boosts add up to.
    ///
    /// <https://docs.discord.com/developers/resources/guild#guild-object-premium-tier>
    pub enum PremiumTier {
        None = 0,
        Tier1 = 1,
        Tier2 = 2,
        Tier3 = 3,
    }
}

impl Default for PremiumTier {
    /// No boosts.
    fn default() -> Self {
        Self::None
    }
}

int_enum! {
    /// How a guild is rated.
    ///
    /// <https://docs.discord.com/developers/resources/guild#guild-object-guild-nsfw-level>
    pub enum NsfwLevel {
        Default = 0,
        Explicit = 1,
        Safe = 2,
        AgeRestricted = 3,
    }
}

int_enum! {
    /// What a hub of students is for.
    ///
    /// <https://docs.discord.com/developers/resources/guild#guild-object>
    pub enum HubKind {
        Default = 0,
        HighSchool = 1,
        College = 2,
    }
}

flags! {
    /// What the system channel is not told.
    ///
    /// <https://docs.discord.com/developers/resources/guild#guild-object-system-channel-flags>
    pub struct SystemChannelFlags: number {
        SUPPRESS_JOIN_NOTIFICATIONS = 0,
        SUPPRESS_PREMIUM_SUBSCRIPTIONS = 1,
        SUPPRESS_GUILD_REMINDER_NOTIFICATIONS = 2,
        SUPPRESS_JOIN_NOTIFICATION_REPLIES = 3,
        SUPPRESS_ROLE_SUBSCRIPTION_PURCHASE_NOTIFICATIONS = 4,
        SUPPRESS_ROLE_SUBSCRIPTION_PURCHASE_NOTIFICATION_REPLIES = 5,
    }
}

object! {
    /// What new members see of a guild.
    ///
    /// <https://docs.discord.com/developers/resources/guild#welcome-screen-object>
    pub struct WelcomeScreen {
        description: Option<CompactString> = loose_nullable,
        welcome_channels: Vec<WelcomeScreenChannel> = default,
    }
}

object! {
    /// A channel that new members are shown.
    ///
    /// <https://docs.discord.com/developers/resources/guild#welcome-screen-object-welcome-screen-channel-structure>
    pub struct WelcomeScreenChannel {
        channel_id: Id<Channel> = required,
        description: CompactString = loose_default,
        emoji_id: Option<Id<Emoji>> = loose_nullable,
        emoji_name: Option<CompactString> = loose_nullable,
    }
}

object! {
    /// What is shut in a guild because of an incident.
    ///
    /// <https://docs.discord.com/developers/resources/guild#incidents-data-object>
    pub struct IncidentsData {
        invites_disabled_until: Option<Timestamp> = loose_nullable,
        dms_disabled_until: Option<Timestamp> = loose_nullable,
        dm_spam_detected_at: Option<Timestamp> = loose,
        raid_detected_at: Option<Timestamp> = loose,
    }
}

object! {
    /// The guild of an interaction.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object>
    pub struct InteractionGuild {
        id: Id<Guild> = required,
        locale: Option<CompactString> = loose,
        features: Vec<CompactString> = loose_default,
        /// Of the bot, where Discord sends them.
        permissions: Option<Permissions> = optional,
    }
}
