//! Who is in a voice channel? Voice states and stages.

use compact_str::CompactString;

use super::{Channel, Guild, Member, ScheduledEvent, Timestamp, User};
use crate::id::Id;

object! {
    /// A user's connection to a voice channel.
    ///
    /// <https://docs.discord.com/developers/resources/voice#voice-state-object>
    pub struct VoiceState {
        guild_id: Option<Id<Guild>> = optional,
        /// `None` when the user has left.
        channel_id: Option<Id<Channel>> = nullable,
        user_id: Id<User> = required,
        member: Option<Box<Member>> = optional,
        session_id: CompactString = required,
        /// Deafened by the guild.
        deaf: bool = default,
        /// Muted by the guild.
        mute: bool = default,
        self_deaf: bool = default,
        self_mute: bool = default,
        /// Whether the user streams by "Go Live".
        self_stream: Option<bool> = optional,
        /// Whether the camera is on.
        self_video: bool = default,
        /// Whether the user may not speak here.
        suppress: bool = default,
        request_to_speak_timestamp: Option<Timestamp> = nullable,
    }
}

object! {
    /// A live stage.
    ///
    /// <https://docs.discord.com/developers/resources/stage-instance#stage-instance-object>
    pub struct StageInstance {
        id: Id<StageInstance> = required,
        guild_id: Id<Guild> = required,
        channel_id: Id<Channel> = required,
        topic: CompactString = default,
        privacy_level: StagePrivacyLevel = required,
        /// Deprecated.
        discoverable_disabled: bool = default,
        guild_scheduled_event_id: Option<Id<ScheduledEvent>> = nullable,
    }
}

int_enum! {
    /// Who can see a stage.
    ///
    /// <https://docs.discord.com/developers/resources/stage-instance#stage-instance-object-privacy-level>
    pub enum StagePrivacyLevel {
        /// Deprecated.
        Public = 1,
        GuildOnly = 2,
    }
}
