//! What do the events of messages in guilds hold?

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    Channel, Decimal, Guild, Member, RawJson, TextId, Timestamp, User,
    group::{Group, GroupMember},
    lenient::{self, Lenient, Wire, numbers, objects},
};
use crate::{
    codec::json::{Decode, Reader, Refused},
    id::Id,
};

object! {
    /// A message in a channel of a guild, or in a direct message.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/event.html>
    pub struct Message {
        id: TextId<Message> = required,
        channel_id: Id<Channel> = required,
        /// Of a direct message the session that it is in, which is no guild's.
        guild_id: Id<Guild> = required,
        /// Absent where the message is but an image. A mention is `<@!123>`.
        content: Option<CompactString> = lenient,
        timestamp: Option<Timestamp> = lenient,
        edited_timestamp: Option<Timestamp> = lenient,
        author: Option<Box<User>> = lenient,
        /// What the author is in the guild.
        member: Option<Box<Member>> = lenient,
        mentions: Vec<User> = lenient,
        mention_everyone: Option<bool> = lenient,
        attachments: Vec<Attachment> = lenient,
        /// A list of cards.
        embeds: Option<RawJson> = lenient,
        ark: Option<RawJson> = lenient,
        message_reference: Option<MessageReference> = lenient,
        /// Deprecated; use `seq_in_channel`.
        seq: Option<i64> = lenient,
        /// Orders the messages of a channel: they may arrive in another order, or twice.
        seq_in_channel: Option<Decimal> = lenient,
        direct_message: Option<bool> = lenient,
        /// Of a direct message the guild that author and bot have in common.
        src_guild_id: Option<Id<Guild>> = lenient,
        tts: Option<bool> = lenient,
        pinned: Option<bool> = lenient,
        kind as "type": Option<i64> = lenient,
        flags: Option<i64> = lenient,
    }
}

object! {
    /// A file that came with a message.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/event.html>
    pub struct Attachment {
        id: Option<CompactString> = lenient,
        /// Without a scheme in guilds (`gchat.qpic.cn/...`), with one elsewhere; see
        /// [`Attachment::https_url`].
        url: Option<CompactString> = lenient,
        /// Such as `image/png`, or `voice`.
        content_type: Option<CompactString> = lenient,
        filename: Option<CompactString> = lenient,
        width: Option<i64> = lenient,
        height: Option<i64> = lenient,
        /// Bytes.
        size: Option<i64> = lenient,
        content: Option<CompactString> = lenient,
        /// The same voice as a wave file.
        voice_wav_url: Option<CompactString> = lenient,
        /// What the platform heard in the voice.
        asr_refer_text: Option<CompactString> = lenient,
    }
}

impl Attachment {
    /// The address with a scheme: `https` where QQ left it out.
    ///
    /// ```
    /// # use shardstream::qq::model::Attachment;
    /// let file = r#"{"url":"gchat.qpic.cn/qmeetpic/1/2-3-4/0"}"#;
    /// let file: Attachment = serde_json::from_str(file)?;
    /// assert_eq!(file.https_url().unwrap(), "https://gchat.qpic.cn/qmeetpic/1/2-3-4/0");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn https_url(&self) -> Option<String> {
        let url = self.url.as_deref().filter(|url| !url.is_empty())?;
        Some(if url.contains("://") {
            url.to_owned()
        } else {
            format!("https://{}", url.trim_start_matches('/'))
        })
    }
}

object! {
    /// The message that another one quotes.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/message.html>
    pub struct MessageReference {
        message_id: Option<TextId<Message>> = lenient,
        ignore_get_message_error: Option<bool> = lenient,
    }
}

object! {
    /// A message was taken back.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/reset.html>
    pub struct MessageDelete {
        message: Option<DeletedMessage> = lenient,
        /// Who took it back.
        op_user: Option<User> = lenient,
    }
}

object! {
    /// What is told of a message that was taken back.
    pub struct DeletedMessage {
        id: Option<TextId<Message>> = lenient,
        channel_id: Option<Id<Channel>> = lenient,
        /// Of a direct message the session that it was in, which is no guild's.
        guild_id: Option<Id<Guild>> = lenient,
        author: Option<Box<User>> = lenient,
        direct_message: Option<bool> = lenient,
        src_guild_id: Option<Id<Guild>> = lenient,
    }
}

object! {
    /// Someone reacted, or took a reaction back.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/trans/emoji.html>
    pub struct MessageReaction {
        guild_id: Id<Guild> = required,
        channel_id: Id<Channel> = required,
        user_id: Option<Id<User>> = lenient,
        emoji: Option<Emoji> = lenient,
        target: Option<ReactionTarget> = lenient,
    }
}

object! {
    /// An emoji.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/openapi/emoji/model.html>
    pub struct Emoji {
        /// A number of QQ's, or a code point of Unicode in decimal digits.
        id: Option<CompactString> = lenient,
        kind as "type": Option<EmojiKind> = lenient,
    }
}

int_enum! {
    /// What the number of an emoji means.
    pub enum EmojiKind {
        /// One of QQ's own.
        System = 1,
        /// A code point of Unicode.
        Unicode = 2,
    }
}

object! {
    /// What was reacted to.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/openapi/reaction/model.html>
    pub struct ReactionTarget {
        /// The id of a message, or of a thread, post or reply of a forum.
        id: Option<CompactString> = lenient,
        kind as "type": Option<ReactionTargetKind> = lenient,
    }
}

/// What kind of thing was reacted to.
///
/// Documented as an integer, and so it is written; sent as a text (`ReactionTargetType_MSG`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReactionTargetKind {
    /// A message.
    Message,
    /// A thread of a forum.
    Thread,
    /// A post of a thread.
    Post,
    /// A reply to a post.
    Reply,
    /// A number that this version has no name for.
    UnknownNumber(i64),
    /// A text that this version has no name for.
    UnknownText(CompactString),
}

impl Wire for ReactionTargetKind {
    fn text(text: &str) -> Option<Self> {
        Some(match text.strip_prefix("ReactionTargetType_") {
            Some("MSG") => Self::Message,
            Some("FEED") => Self::Thread,
            // As the service spells it, and as it should.
            Some("COMMNENT" | "COMMENT") => Self::Post,
            Some("REPLY") => Self::Reply,
            _ => match text.parse::<i64>() {
                Ok(number) => Self::integer(number.into())?,
                Err(_) => Self::UnknownText(text.into()),
            },
        })
    }

    fn integer(number: i128) -> Option<Self> {
        Some(match i64::try_from(number).ok()? {
            0 => Self::Message,
            1 => Self::Thread,
            2 => Self::Post,
            3 => Self::Reply,
            other => Self::UnknownNumber(other),
        })
    }
}

impl Serialize for ReactionTargetKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = match self {
            Self::Message => 0,
            Self::Thread => 1,
            Self::Post => 2,
            Self::Reply => 3,
            Self::UnknownNumber(number) => *number,
            Self::UnknownText(text) => return serializer.serialize_str(text),
        };
        serializer.serialize_i64(number)
    }
}

impl<'de> Deserialize<'de> for ReactionTargetKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind: Option<Self> = Lenient::lenient(deserializer)?;
        kind.ok_or_else(|| de::Error::invalid_type(de::Unexpected::Other("a value"), &"a kind"))
    }
}

impl Decode for ReactionTargetKind {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        lenient::decode::<Option<Self>>(json)?.ok_or(Refused)
    }
}

object! {
    /// A message that the bot sent was looked at before others see it.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/message.html>
    pub struct MessageAudit {
        audit_id: Option<CompactString> = lenient,
        /// Only where it passed.
        message_id: Option<TextId<Message>> = lenient,
        guild_id: Option<Id<Guild>> = lenient,
        channel_id: Option<Id<Channel>> = lenient,
        audit_time: Option<Timestamp> = lenient,
        create_time: Option<Timestamp> = lenient,
        seq_in_channel: Option<Decimal> = lenient,
        user_openid: Option<TextId<User>> = lenient,
        group_openid: Option<TextId<Group>> = lenient,
        group_member_openid: Option<TextId<GroupMember>> = lenient,
    }
}

objects!(
    DeletedMessage,
    Attachment,
    MessageReference,
    Emoji,
    ReactionTarget
);
numbers!(EmojiKind);
