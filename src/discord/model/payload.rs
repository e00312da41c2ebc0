//! What do events carry that is no object of its own? One type for each such event.

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};

use super::{
    AnyKind, Application, Channel, ChannelKind, CurrentUser, Emoji, Guild, Integration, Member,
    Message, PartialEmoji, Presence, RawJson, ReadyApplication, Role, ScheduledEvent, SecretText,
    SoundboardSound, Sticker, ThreadMember, Timestamp, UnavailableGuild, User,
};
use crate::{
    codec::json::{Decode, Reader, Refused},
    id::{Id, ShardId},
};

object! {
    /// A new session began.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#ready>
    pub struct Ready {
        /// The gateway's version.
        version as "v": u8 = loose_default,
        user: CurrentUser = required,
        /// All unavailable yet: a `GUILD_CREATE` follows for each.
        guilds: Vec<UnavailableGuild> = default,
        /// Who has it and the token can take the events over.
        session_id: SecretText = required,
        /// Where Discord wants the session to be resumed, as it wrote it.
        resume_gateway_url: Option<CompactString> = loose,
        shard: Option<ShardId> = loose,
        application: Option<ReadyApplication> = optional,
    }
}

/// All missed events of the session have been replayed.
///
/// <https://docs.discord.com/developers/events/gateway-events#resumed>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Resumed {}

impl<'de> Deserialize<'de> for Resumed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Documented as nothing, seen as an object of traces.
        IgnoredAny::deserialize(deserializer).map(|_| Self {})
    }
}

impl Decode for Resumed {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        json.skip().map(|()| Self {})
    }
}

object! {
    /// The pins of a channel changed.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#channel-pins-update>
    pub struct ChannelPinsUpdate {
        guild_id: Option<Id<Guild>> = loose,
        channel_id: Id<Channel> = required,
        /// When the newest pinned message was pinned.
        last_pin_timestamp: Option<Timestamp> = loose,
    }
}

object! {
    /// A part of the answer to a request for members.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-members-chunk>
    pub struct GuildMembersChunk {
        guild_id: Id<Guild> = required,
        members: Vec<Member> = default,
        /// From 0 to `chunk_count` - 1.
        chunk_index: u32 = loose_default,
        chunk_count: u32 = loose_default,
        /// Asked for by id and not there, as Discord gave them back.
        not_found: Vec<NotFound> = sparse,
        presences: Vec<Presence> = sparse,
        nonce: Option<CompactString> = loose,
    }
}

/// An id that no member has: what was asked for, whether it is an id at all or not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an id or not")]
pub enum NotFound {
    /// A well-formed id.
    Id(Id<User>),
    /// Anything else, as it was sent.
    Other(RawJson),
}

impl Serialize for NotFound {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Id(id) => id.serialize(serializer),
            Self::Other(other) => other.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for NotFound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Documented as nothing in particular: Discord gives back what it was sent.
        RawJson::deserialize(deserializer).map(Self::from)
    }
}

impl Decode for NotFound {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        RawJson::decode(json).map(Self::from)
    }
}

impl From<RawJson> for NotFound {
    fn from(sent: RawJson) -> Self {
        let text = sent.as_str();
        let digits = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text);
        match digits.parse() {
            Ok(id) => Self::Id(Id::new(id)),
            Err(_) => Self::Other(sent),
        }
    }
}

object! {
    /// A role as it is now.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-role-create>
    pub struct GuildRole {
        guild_id: Id<Guild> = required,
        role: Role = required,
    }
}

object! {
    /// A role that was deleted.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-role-delete>
    pub struct GuildRoleDelete {
        guild_id: Id<Guild> = required,
        role_id: Id<Role> = required,
    }
}

object! {
    /// A message that was deleted.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#message-delete>
    pub struct MessageDelete {
        id: Id<Message> = required,
        channel_id: Id<Channel> = required,
        guild_id: Option<Id<Guild>> = loose,
    }
}

object! {
    /// Messages that were deleted together.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#message-delete-bulk>
    pub struct MessageDeleteBulk {
        ids: Vec<Id<Message>> = loose_default,
        channel_id: Id<Channel> = required,
        guild_id: Option<Id<Guild>> = loose,
    }
}

object! {
    /// A reaction to a message.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#message-reaction-add>
    pub struct MessageReactionAdd {
        user_id: Id<User> = required,
        channel_id: Id<Channel> = required,
        message_id: Id<Message> = required,
        guild_id: Option<Id<Guild>> = loose,
        member: Option<Box<Member>> = optional,
        emoji: PartialEmoji = required,
        message_author_id: Option<Id<User>> = loose,
        /// Whether it is a super reaction.
        burst: bool = loose_default,
        /// As texts, such as `#ff0000`.
        burst_colors: Vec<CompactString> = loose_sparse,
        kind as "type": Option<ReactionKind> = optional,
    }
}

object! {
    /// A reaction that is gone.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#message-reaction-remove>
    pub struct MessageReactionRemove {
        user_id: Id<User> = required,
        channel_id: Id<Channel> = required,
        message_id: Id<Message> = required,
        guild_id: Option<Id<Guild>> = loose,
        emoji: PartialEmoji = required,
        /// Whether it was a super reaction.
        burst: bool = loose_default,
        kind as "type": Option<ReactionKind> = optional,
    }
}

int_enum! {
    /// Whether a reaction is a super reaction.
    ///
    /// <https://docs.discord.com/developers/resources/message#get-reactions-reaction-types>
    pub enum ReactionKind {
        Normal = 0,
        Burst = 1,
    }
}

object! {
    /// A message that lost all its reactions.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#message-reaction-remove-all>
    pub struct MessageReactionRemoveAll {
        channel_id: Id<Channel> = required,
        message_id: Id<Message> = required,
        guild_id: Option<Id<Guild>> = loose,
    }
}

object! {
    /// A message that lost all its reactions with one emoji.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#message-reaction-remove-emoji>
    pub struct MessageReactionRemoveEmoji {
        channel_id: Id<Channel> = required,
        guild_id: Option<Id<Guild>> = loose,
        message_id: Id<Message> = required,
        emoji: PartialEmoji = required,
    }
}

object! {
    /// Someone who began to type.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#typing-start>
    pub struct TypingStart {
        channel_id: Id<Channel> = required,
        guild_id: Option<Id<Guild>> = loose,
        user_id: Id<User> = required,
        /// Unix time in seconds.
        timestamp: i64 = loose_default,
        member: Option<Box<Member>> = optional,
    }
}

object! {
    /// A request was refused because too many were made.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#rate-limited>
    pub struct RateLimited {
        /// Of the request.
        opcode: u64 = loose_default,
        /// In seconds.
        retry_after: f64 = loose_default,
        meta: RateLimitedMeta = default,
    }
}

object! {
    /// Which request was refused; which fields are there depends on its opcode.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#rate-limited>
    #[derive(Default)]
    pub struct RateLimitedMeta {
        guild_id: Option<Id<Guild>> = loose,
        nonce: Option<CompactString> = loose,
    }
}

object! {
    /// Who may use a command in a guild.
    ///
    /// <https://docs.discord.com/developers/interactions/application-commands#application-command-permissions-object>
    pub struct CommandPermissions {
        /// The command's, or the application's where they are for all of its commands.
        id: Id<AnyKind> = required,
        application_id: Id<Application> = required,
        guild_id: Id<Guild> = required,
        permissions: Vec<CommandPermission> = default,
    }
}

object! {
    /// Whether someone may use a command, or whether it may be used somewhere.
    ///
    /// <https://docs.discord.com/developers/interactions/application-commands#application-command-permissions-object-application-command-permissions-structure>
    pub struct CommandPermission {
        /// The role's, user's or channel's; the guild's for everyone, the guild's - 1 for all
        /// channels.
        id: Id<AnyKind> = required,
        kind as "type": CommandPermissionKind = required,
        /// Whether it is allowed.
        permission: bool = loose_default,
    }
}

int_enum! {
    /// What a command's permission is for.
    ///
    /// <https://docs.discord.com/developers/interactions/application-commands#application-command-permissions-object-application-command-permission-type>
    pub enum CommandPermissionKind {
        Role = 1,
        User = 2,
        Channel = 3,
    }
}

object! {
    /// What was asked for of the voice channels of a guild.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#channel-info>
    pub struct ChannelInfo {
        guild_id: Id<Guild> = required,
        channels: Vec<VoiceChannelInfo> = default,
    }
}

object! {
    /// What was asked for of one voice channel.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#channel-info>
    pub struct VoiceChannelInfo {
        id: Id<Channel> = required,
        status: Option<CompactString> = loose,
        /// Unix time in seconds.
        voice_start_time: Option<i64> = loose,
    }
}

object! {
    /// A thread that was deleted.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#thread-delete>
    pub struct ThreadDelete {
        id: Id<Channel> = required,
        guild_id: Option<Id<Guild>> = loose,
        parent_id: Option<Id<Channel>> = loose,
        kind as "type": ChannelKind = required,
    }
}

object! {
    /// The active threads that the bot can now view.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#thread-list-sync>
    pub struct ThreadListSync {
        guild_id: Id<Guild> = required,
        /// Whose threads these are; `None` for the whole guild.
        channel_ids: Option<Vec<Id<Channel>>> = loose,
        threads: Vec<Channel> = default,
        /// The bot's memberships.
        members: Vec<ThreadMember> = default,
    }
}

object! {
    /// The bot's own membership of a thread.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#thread-member-update>
    pub struct ThreadMemberUpdate {
        /// The thread's.
        id: Option<Id<Channel>> = loose,
        user_id: Option<Id<User>> = loose,
        join_timestamp: Timestamp = required,
        /// The user's notification settings.
        flags: u64 = loose_default,
        member: Option<Box<Member>> = optional,
        guild_id: Id<Guild> = required,
    }
}

object! {
    /// Who came into a thread and who left it.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#thread-members-update>
    pub struct ThreadMembersUpdate {
        /// The thread's.
        id: Id<Channel> = required,
        guild_id: Id<Guild> = required,
        /// Stops at 50.
        member_count: u32 = loose_default,
        added_members: Vec<ThreadMember> = sparse,
        removed_member_ids: Vec<Id<User>> = loose_sparse,
    }
}

object! {
    /// A ban.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-ban-add>
    pub struct GuildBan {
        guild_id: Id<Guild> = required,
        user: User = required,
    }
}

object! {
    /// All emojis of a guild.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-emojis-update>
    pub struct GuildEmojisUpdate {
        guild_id: Id<Guild> = required,
        emojis: Vec<Emoji> = default,
    }
}

object! {
    /// All stickers of a guild.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-stickers-update>
    pub struct GuildStickersUpdate {
        guild_id: Id<Guild> = required,
        stickers: Vec<Sticker> = default,
    }
}

object! {
    /// A guild whose integrations changed.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-integrations-update>
    pub struct GuildIntegrationsUpdate {
        guild_id: Id<Guild> = required,
    }
}

object! {
    /// Someone's interest in a planned event.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-scheduled-event-user-add>
    pub struct ScheduledEventUser {
        guild_scheduled_event_id: Id<ScheduledEvent> = required,
        user_id: Id<User> = required,
        guild_id: Id<Guild> = required,
    }
}

object! {
    /// A sound that was deleted.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#guild-soundboard-sound-delete>
    pub struct SoundboardSoundDelete {
        sound_id: Id<SoundboardSound> = required,
        guild_id: Id<Guild> = required,
    }
}

object! {
    /// A guild's sounds.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#soundboard-sounds>
    pub struct SoundboardSounds {
        soundboard_sounds: Vec<SoundboardSound> = default,
        guild_id: Id<Guild> = required,
    }
}

object! {
    /// An integration that was deleted.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#integration-delete>
    pub struct IntegrationDelete {
        id: Id<Integration> = required,
        guild_id: Id<Guild> = required,
        application_id: Option<Id<Application>> = loose,
    }
}

object! {
    /// A new invite.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#invite-create>
    pub struct InviteCreate {
        channel_id: Id<Channel> = required,
        code: CompactString = required,
        created_at: Timestamp = required,
        guild_id: Option<Id<Guild>> = loose,
        inviter: Option<Box<User>> = optional,
        /// In seconds; 0 for ever.
        max_age: u32 = loose_default,
        /// 0 for no limit.
        max_uses: u32 = loose_default,
        target_type: Option<InviteTarget> = optional,
        /// Whose stream it leads to.
        target_user: Option<Box<User>> = optional,
        target_application: Option<Box<Application>> = optional,
        /// Whether members without a role leave with their connection.
        temporary: bool = loose_default,
        uses: u32 = loose_default,
        expires_at: Option<Timestamp> = loose_nullable,
        /// What who comes by it gets.
        role_ids: Vec<Id<Role>> = loose_sparse,
    }
}

int_enum! {
    /// What an invite to a voice channel leads to.
    ///
    /// <https://docs.discord.com/developers/resources/invite#invite-object-invite-target-types>
    pub enum InviteTarget {
        Stream = 1,
        EmbeddedApplication = 2,
    }
}

object! {
    /// An invite that was deleted.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#invite-delete>
    pub struct InviteDelete {
        channel_id: Id<Channel> = required,
        guild_id: Option<Id<Guild>> = loose,
        code: CompactString = required,
    }
}

object! {
    /// A vote for one answer of a poll.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#message-poll-vote-add>
    pub struct MessagePollVote {
        user_id: Id<User> = required,
        channel_id: Id<Channel> = required,
        message_id: Id<Message> = required,
        guild_id: Option<Id<Guild>> = loose,
        answer_id: i64 = loose_default,
    }
}

object! {
    /// An emoji or a sound that someone sent to a voice channel.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#voice-channel-effect-send>
    pub struct VoiceChannelEffectSend {
        channel_id: Id<Channel> = required,
        guild_id: Id<Guild> = required,
        user_id: Id<User> = required,
        emoji: Option<Emoji> = optional,
        animation_type: Option<VoiceAnimation> = optional,
        animation_id: Option<i64> = loose,
        sound_id: Option<Id<SoundboardSound>> = loose,
        /// From 0 to 1.
        sound_volume: Option<f64> = loose,
    }
}

int_enum! {
    /// How an emoji is shown.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#voice-channel-effect-send-animation-types>
    pub enum VoiceAnimation {
        Premium = 0,
        Basic = 1,
    }
}

object! {
    /// The status text of a voice channel.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#voice-channel-status-update>
    pub struct VoiceChannelStatusUpdate {
        id: Id<Channel> = required,
        guild_id: Id<Guild> = required,
        status: Option<CompactString> = loose_nullable,
    }
}

object! {
    /// Since when a voice channel is in use.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#voice-channel-start-time-update>
    pub struct VoiceChannelStartTimeUpdate {
        id: Id<Channel> = required,
        guild_id: Id<Guild> = required,
        /// Unix time in seconds.
        voice_start_time: Option<i64> = loose,
    }
}

object! {
    /// The voice server that the bot must connect to.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#voice-server-update>
    pub struct VoiceServerUpdate {
        /// What the voice connection is opened with.
        token: SecretText = required,
        guild_id: Id<Guild> = required,
        /// `None` where the server is gone: disconnect and wait for the next one.
        endpoint: Option<CompactString> = loose_nullable,
    }
}

object! {
    /// A channel whose webhooks changed.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#webhooks-update>
    pub struct WebhooksUpdate {
        guild_id: Id<Guild> = required,
        channel_id: Id<Channel> = required,
    }
}
