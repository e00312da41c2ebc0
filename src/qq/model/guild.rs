//! What do the events of guilds, their channels and members hold? And those of the connection.

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    RawJson, SecretText, TextId, Timestamp,
    lenient::{numbers, objects},
};
use crate::{
    codec::json::{Decode, Reader, Refused},
    id::Id,
};

object! {
    /// A new session began.
    ///
    /// There is no list of guilds, and no url to resume at.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/event-emit.html>
    pub struct Ready {
        /// The gateway's version.
        version: Option<i64> = lenient,
        /// Who has it and a token can take the events over.
        session_id: Option<SecretText> = lenient,
        /// The bot.
        user: Option<User> = lenient,
        /// The number of the shard and the total as the server wrote them. Not to be trusted: the
        /// documented example has no shard that can be. `Shard::id` knows.
        shard: Vec<i64> = lenient,
    }
}

/// All missed events of the session have been replayed.
///
/// Nothing is documented of what comes with it, and what comes is an empty text.
///
/// <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/event-emit.html>
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resumed {
    /// Whatever came.
    pub data: RawJson,
}

impl Serialize for Resumed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.data.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Resumed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawJson::deserialize(deserializer).map(|data| Self { data })
    }
}

impl Decode for Resumed {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        Decode::decode(json).map(|data| Self { data })
    }
}

/// The kind of [`TextId`] that is the same user's for all bots of one developer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Union;

/// The kind of [`Id`] that a role of a guild has.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Role;

object! {
    /// A user as guilds know it.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/manage/user/model.html>
    pub struct User {
        id: Option<Id<User>> = lenient,
        username: Option<CompactString> = lenient,
        /// The address of the image.
        avatar: Option<CompactString> = lenient,
        bot: Option<bool> = lenient,
        union_openid: Option<TextId<Union>> = lenient,
        union_user_account: Option<CompactString> = lenient,
        /// In READY only.
        status: Option<i64> = lenient,
    }
}

object! {
    /// What a user is in a guild.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/role/member/model.html>
    pub struct Member {
        /// Absent in direct messages.
        nick: Option<CompactString> = lenient,
        roles: Vec<Id<Role>> = lenient,
        joined_at: Option<Timestamp> = lenient,
        user: Option<Box<User>> = lenient,
    }
}

object! {
    /// A guild, and who did what to it.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/manage/guild/model.html>
    pub struct Guild {
        id: Id<Guild> = required,
        name: Option<CompactString> = lenient,
        /// The address of the image.
        icon: Option<CompactString> = lenient,
        owner_id: Option<Id<User>> = lenient,
        /// Whether the bot owns it.
        owner: Option<bool> = lenient,
        member_count: Option<i64> = lenient,
        max_members: Option<i64> = lenient,
        description: Option<CompactString> = lenient,
        /// When the bot joined.
        joined_at: Option<Timestamp> = lenient,
        /// Who made the event happen.
        op_user_id: Option<Id<User>> = lenient,
        /// Not documented.
        channels: Option<RawJson> = lenient,
        /// Not documented.
        union_world_id: Option<CompactString> = lenient,
        /// Not documented.
        union_org_id: Option<CompactString> = lenient,
    }
}

object! {
    /// A channel of a guild, and who did what to it.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/manage/event/channel.html>
    pub struct Channel {
        id: Id<Channel> = required,
        guild_id: Id<Guild> = required,
        name: Option<CompactString> = lenient,
        kind as "type": Option<ChannelKind> = lenient,
        sub_kind as "sub_type": Option<ChannelSubKind> = lenient,
        owner_id: Option<Id<User>> = lenient,
        /// Who made the event happen.
        op_user_id: Option<Id<User>> = lenient,
        position: Option<i64> = lenient,
        /// The category that it is in.
        parent_id: Option<Id<Channel>> = lenient,
        private_kind as "private_type": Option<PrivateKind> = lenient,
        speak_permission: Option<SpeakPermission> = lenient,
        /// What an application's channel shows.
        application_id: Option<CompactString> = lenient,
        /// What the bot may do here: bits, as a decimal text.
        permissions: Option<CompactString> = lenient,
    }
}

int_enum! {
    /// What a channel is for.
    pub enum ChannelKind {
        /// Texts.
        Text = 0,
        /// Voice.
        Voice = 2,
        /// A category of channels.
        Category = 4,
        /// A live broadcast.
        Live = 10005,
        /// An application.
        Application = 10006,
        /// A forum.
        Forum = 10007,
    }
}

int_enum! {
    /// What a channel of texts is for.
    pub enum ChannelSubKind {
        /// Chat.
        Chat = 0,
        /// Announcements.
        Announcement = 1,
        /// Guides.
        Guide = 2,
        /// Play together.
        Gaming = 3,
    }
}

int_enum! {
    /// Who may see a channel.
    pub enum PrivateKind {
        /// All.
        Public = 0,
        /// The owner and administrators.
        Administrators = 1,
        /// Those and chosen members.
        Chosen = 2,
    }
}

int_enum! {
    /// Who may speak in a channel.
    pub enum SpeakPermission {
        /// Invalid.
        Invalid = 0,
        /// All.
        Everyone = 1,
        /// The owner, administrators and chosen members.
        Chosen = 2,
    }
}

object! {
    /// A member joined, changed or left.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/role/guild_member.html>
    pub struct GuildMember {
        guild_id: Id<Guild> = required,
        user: Option<Box<User>> = lenient,
        nick: Option<CompactString> = lenient,
        roles: Vec<Id<Role>> = lenient,
        joined_at: Option<Timestamp> = lenient,
        /// Who made the event happen.
        op_user_id: Option<Id<User>> = lenient,
    }
}

object! {
    /// The bot's audio in a channel began, ended, or its microphone was turned on or off.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api/gateway/audio.html>
    pub struct AudioAction {
        guild_id: Id<Guild> = required,
        channel_id: Id<Channel> = required,
        audio_url: Option<CompactString> = lenient,
        text: Option<CompactString> = lenient,
    }
}

object! {
    /// A user came into a channel of voice or a live broadcast, or left it.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/channel/role/audio_or_live_channel_member.html>
    pub struct AudioOrLiveChannelMember {
        guild_id: Id<Guild> = required,
        channel_id: Id<Channel> = required,
        channel_kind as "channel_type": Option<AudioOrLiveKind> = lenient,
        user_id: Option<Id<User>> = lenient,
    }
}

int_enum! {
    /// Which of the two it is. These are not the numbers of [`ChannelKind`].
    pub enum AudioOrLiveKind {
        /// Voice.
        Voice = 2,
        /// A live broadcast.
        Live = 5,
    }
}

objects!(User, Member);
numbers!(
    ChannelKind,
    ChannelSubKind,
    PrivateKind,
    SpeakPermission,
    AudioOrLiveKind
);
