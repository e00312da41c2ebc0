//! Who is in a voice channel? Voice states and stages.

use compact_str::CompactString;

use super::{Channel, Guild, Member, ScheduledEvent, Timestamp, User};
use crate::id::Id;

object! {
    /// A user's connection to a voice channel.
    ///
    /// <https://docs.discord.com/developers/resources/voice#voice-state-object>
    pub struct VoiceState {
        guild_id: Option<Id<Guild>> = loose,
        /// `None` when the user has left.
        channel_id: Option<Id<Channel>> = loose_nullable,
        user_id: Id<User> = required,
        member: Option<Box<Member>> = optional,
        session_id: CompactString = loose_default,
        /// Deafened by the guild.
        deaf: bool = loose_default,
        /// Muted by the guild.
        mute: bool = loose_default,
        self_deaf: bool = loose_default,
        self_mute: bool = loose_default,
        /// Whether the user streams by "Go Live".
        self_stream: Option<bool> = loose,
        /// Whether the camera is on.
        self_video: bool = loose_default,
        /// Whether the user may not speak here.
        suppress: bool = loose_default,
        request_to_speak_timestamp: Option<Timestamp> = loose_nullable,
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
        topic: CompactString = loose_default,
        privacy_level: StagePrivacyLevel = required,
        /// Deprecated.
        discoverable_disabled: bool = loose_default,
        guild_scheduled_event_id: Option<Id<ScheduledEvent>> = loose_nullable,
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
