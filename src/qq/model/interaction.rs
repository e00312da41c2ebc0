//! What do interactions hold?

use compact_str::CompactString;

use super::{
    Channel, Group, GroupMember, Guild, Message, Scene, TextId, Timestamp, User,
    lenient::{numbers, objects},
};
use crate::id::Id;

object! {
    /// Someone used a button, a menu or the like.
    ///
    /// A button or menu waits until it is answered by `PUT /interactions/{id}`.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/trans/msg-btn.html>
    pub struct Interaction {
        id: TextId<Interaction> = required,
        kind as "type": Option<InteractionKind> = lenient,
        chat_kind as "chat_type": Option<ChatKind> = lenient,
        /// `c2c`, `group` or `guild`.
        scene: Option<CompactString> = lenient,
        timestamp: Option<Timestamp> = lenient,
        guild_id: Option<Id<Guild>> = lenient,
        channel_id: Option<Id<Channel>> = lenient,
        user_openid: Option<TextId<User>> = lenient,
        group_openid: Option<TextId<Group>> = lenient,
        group_member_openid: Option<TextId<GroupMember>> = lenient,
        version: Option<i64> = lenient,
        application_id: Option<CompactString> = lenient,
        data: Option<Box<InteractionData>> = lenient,
    }
}

int_enum! {
    /// What was used.
    pub enum InteractionKind {
        /// A button of a message. Is to be answered.
        Button = 11,
        /// The menu of a private chat. Is to be answered.
        Menu = 12,
        /// The thumbs below a message.
        Feedback = 13,
        /// The wish to begin anew.
        ClearSession = 14,
        /// A story.
        Story = 15,
        /// The choice of a model.
        ModelSwitch = 16,
    }
}

int_enum! {
    /// Where it was used.
    pub enum ChatKind {
        /// In a guild.
        Guild = 0,
        /// In a group.
        Group = 1,
        /// In a private chat.
        C2C = 2,
    }
}

object! {
    /// What was used, and how.
    pub struct InteractionData {
        kind as "type": Option<InteractionKind> = lenient,
        resolved: Option<Box<InteractionResolved>> = lenient,
    }
}

object! {
    /// What came of it.
    pub struct InteractionResolved {
        button_id: Option<CompactString> = lenient,
        button_data: Option<CompactString> = lenient,
        /// In a guild only.
        user_id: Option<CompactString> = lenient,
        feature_id: Option<CompactString> = lenient,
        message_id: Option<TextId<Message>> = lenient,
        /// Such as `LIKE`.
        feedback_opt: Option<CompactString> = lenient,
        checked: Option<i64> = lenient,
        action: Option<CompactString> = lenient,
        message_scene: Option<Scene> = lenient,
        authorize_data: Option<AuthorizeData> = lenient,
    }
}

object! {
    /// What the user lets the bot do.
    pub struct AuthorizeData {
        scope: Option<CompactString> = lenient,
        opt_scene: Option<CompactString> = lenient,
    }
}

objects!(InteractionData, InteractionResolved, AuthorizeData);
numbers!(InteractionKind, ChatKind);
