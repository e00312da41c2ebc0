//! What do the events of groups and private chats (C2C) hold?

use compact_str::CompactString;

use super::{
    Attachment, Message, RawJson, TextId, Timestamp, Union, UnixTime, User,
    lenient::{numbers, objects, texts},
};

/// The kind of [`TextId`] that a group has.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Group;

/// The kind of [`TextId`] that a user has in one group.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct GroupMember;

object! {
    /// A message in a private chat.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/event.html>
    pub struct C2CMessage {
        /// Such as `ROBOT1.0_...`.
        id: TextId<Message> = required,
        author: Option<Box<C2CAuthor>> = lenient,
        content: Option<CompactString> = lenient,
        timestamp: Option<Timestamp> = lenient,
        message_kind as "message_type": Option<MessageKind> = lenient,
        message_scene: Option<Box<Scene>> = lenient,
        attachments: Vec<Attachment> = lenient,
        ark_data: Option<Box<ArkData>> = lenient,
        /// The messages that this one quotes or forwards.
        msg_elements: Vec<MessageElement> = lenient,
        mentions: Vec<Mention> = lenient,
    }
}

object! {
    /// A message in a group.
    ///
    /// Where it came because it mentions the bot, that mention is cut out of the content, and the
    /// blank behind it is not.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/event.html>
    pub struct GroupMessage {
        /// Such as `ROBOT1.0_...`.
        id: TextId<Message> = required,
        group_openid: TextId<Group> = required,
        /// The same as the openid.
        group_id: Option<TextId<Group>> = lenient,
        author: Option<Box<GroupAuthor>> = lenient,
        /// A mention is `<@OPENID>`, and the openid may differ from that in `mentions`.
        content: Option<CompactString> = lenient,
        timestamp: Option<Timestamp> = lenient,
        message_kind as "message_type": Option<MessageKind> = lenient,
        message_scene: Option<Box<Scene>> = lenient,
        attachments: Vec<Attachment> = lenient,
        ark_data: Option<Box<ArkData>> = lenient,
        /// The messages that this one quotes or forwards.
        msg_elements: Vec<MessageElement> = lenient,
        mentions: Vec<Mention> = lenient,
    }
}

object! {
    /// Who wrote a private message.
    pub struct C2CAuthor {
        user_openid: Option<TextId<User>> = lenient,
        /// The same as the openid.
        id: Option<TextId<User>> = lenient,
        union_openid: Option<TextId<Union>> = lenient,
        username: Option<CompactString> = lenient,
        bot: Option<bool> = lenient,
    }
}

object! {
    /// Who wrote a message in a group.
    pub struct GroupAuthor {
        member_openid: Option<TextId<GroupMember>> = lenient,
        /// The same as the openid.
        id: Option<TextId<GroupMember>> = lenient,
        union_openid: Option<TextId<Union>> = lenient,
        member_role: Option<MemberRole> = lenient,
        username: Option<CompactString> = lenient,
        bot: Option<bool> = lenient,
    }
}

string_enum! {
    /// What a user is in a group.
    pub enum MemberRole {
        /// An administrator.
        Admin = "admin",
        /// An ordinary member.
        Member = "member",
        /// Who owns the group.
        Owner = "owner",
    }
}

int_enum! {
    /// What a message is made of.
    pub enum MessageKind {
        /// Text.
        Text = 0,
        /// A card.
        Ark = 3,
        /// Messages side by side.
        Parallel = 101,
        /// A record of a chat.
        ChatRecord = 102,
        /// A text that quotes a message.
        Quote = 103,
    }
}

object! {
    /// Where in the application a message or interaction came from.
    pub struct Scene {
        /// Such as `default` or `custom_menu`.
        source: Option<CompactString> = lenient,
        /// Texts of the form `key=value`; see [`Scene::value`].
        ext: Vec<CompactString> = lenient,
        callback_data: Option<CompactString> = lenient,
    }
}

impl Scene {
    /// The value of a key in `ext`.
    ///
    /// ```
    /// # use shardstream::qq::model::Scene;
    /// let scene = r#"{"source":"default","ext":["msg_idx=REFIDX_Zm9v==","ref_msg_idx="]}"#;
    /// let scene: Scene = serde_json::from_str(scene)?;
    /// assert_eq!(scene.value("msg_idx"), Some("REFIDX_Zm9v=="));
    /// assert_eq!(scene.value("ref_msg_idx"), Some(""));
    /// assert_eq!(scene.value("auth_token"), None);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn value(&self, key: &str) -> Option<&str> {
        let mut pairs = self.ext.iter().filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(name, value)| (name == key).then_some(value))
    }
}

object! {
    /// A card.
    pub struct ArkData {
        /// What notifications show in its place.
        prompt: Option<CompactString> = lenient,
        ark_kind as "ark_type": Option<CompactString> = lenient,
        ark_name: Option<CompactString> = lenient,
        fields: Option<RawJson> = lenient,
    }
}

object! {
    /// A message in a message: quoted, or forwarded.
    pub struct MessageElement, nests {
        msg_idx: Option<CompactString> = lenient,
        message_kind as "message_type": Option<MessageKind> = lenient,
        content: Option<CompactString> = lenient,
        attachments: Vec<Attachment> = lenient,
        ark_data: Option<Box<ArkData>> = lenient,
        msg_elements: Vec<MessageElement> = lenient,
        author: Option<Box<GroupAuthor>> = lenient,
        timestamp: Option<Timestamp> = lenient,
    }
}

object! {
    /// Who was mentioned.
    pub struct Mention {
        id: Option<CompactString> = lenient,
        member_openid: Option<TextId<GroupMember>> = lenient,
        user_openid: Option<TextId<User>> = lenient,
        username: Option<CompactString> = lenient,
        bot: Option<bool> = lenient,
        /// Whether it is this bot.
        is_you: Option<bool> = lenient,
        scope: Option<MentionScope> = lenient,
    }
}

string_enum! {
    /// How many were mentioned at once.
    pub enum MentionScope {
        /// The whole group.
        All = "all",
        /// One user.
        Single = "single",
    }
}

object! {
    /// The bot came into a group or left it, or its messages were allowed or refused there.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/group/manage/event.html>
    pub struct GroupRobot {
        group_openid: TextId<Group> = required,
        /// Who did it.
        op_member_openid: Option<TextId<GroupMember>> = lenient,
        timestamp: Option<UnixTime> = lenient,
    }
}

object! {
    /// A user came into a group or left it. Who did it is not told.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/group/manage/event.html>
    pub struct GroupMemberChange {
        group_openid: TextId<Group> = required,
        member_openid: Option<TextId<GroupMember>> = lenient,
        user_openid: Option<TextId<User>> = lenient,
        timestamp: Option<UnixTime> = lenient,
    }
}

object! {
    /// Someone wants to come into a group.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/group/manage/event.html>
    pub struct GroupJoinRequest {
        group_openid: TextId<Group> = required,
        join_request_id: Option<CompactString> = lenient,
        member_openid: Option<TextId<GroupMember>> = lenient,
        union_openid: Option<TextId<Union>> = lenient,
        username: Option<CompactString> = lenient,
        bot: Option<bool> = lenient,
        apply_at: Option<Timestamp> = lenient,
        apply_source: Option<ApplySource> = lenient,
        invited_by: Option<TextId<GroupMember>> = lenient,
        risk_tips: Option<CompactString> = lenient,
        verify_info: Option<VerifyInfo> = lenient,
        auto_approved: Option<AutoApproved> = lenient,
    }
}

string_enum! {
    /// Whose idea it was.
    pub enum ApplySource {
        /// A member's.
        Invited = "invited",
        /// The user's own.
        SelfApply = "self_apply",
    }
}

object! {
    /// What the group wants to know of who wants to come in.
    pub struct VerifyInfo {
        /// Such as `admin_review_qa`.
        method: Option<CompactString> = lenient,
        verify_message: Option<CompactString> = lenient,
        review_qa_list: Vec<ReviewQa> = lenient,
    }
}

object! {
    /// A question of the group with its answer.
    pub struct ReviewQa {
        question: Option<CompactString> = lenient,
        answer: Option<CompactString> = lenient,
    }
}

object! {
    /// By which rule of the group the request was let in.
    pub struct AutoApproved {
        strategy_id: Option<CompactString> = lenient,
    }
}

object! {
    /// A user made friends with the bot, or ended it.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/user/manage/event.html>
    pub struct Friend {
        openid: TextId<User> = required,
        author: Option<FriendAuthor> = lenient,
        timestamp: Option<UnixTime> = lenient,
        /// Where the user found the bot: 1000 to 1004, 2001 to 2004.
        scene: Option<i64> = lenient,
        scene_param: Option<CompactString> = lenient,
        short_code: Option<CompactString> = lenient,
    }
}

object! {
    /// What else is known of a friend.
    pub struct FriendAuthor {
        union_openid: Option<TextId<Union>> = lenient,
    }
}

object! {
    /// A user allowed or refused the bot's messages.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/user/manage/event.html>
    pub struct C2CMsgSwitch {
        openid: TextId<User> = required,
        timestamp: Option<UnixTime> = lenient,
    }
}

object! {
    /// A user or group allowed or refused messages made from templates.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/server-inter/user/manage/event.html>
    pub struct SubscribeMessageStatus {
        openid: Option<TextId<User>> = lenient,
        group_openid: Option<TextId<Group>> = lenient,
        result: Vec<SubscribeResult> = lenient,
    }
}

object! {
    /// What was decided about one template.
    pub struct SubscribeResult {
        template_id: Option<i64> = lenient,
        custom_template_id: Option<CompactString> = lenient,
        op: Option<SubscribeOp> = lenient,
        subscribe_id: Option<CompactString> = lenient,
        subscribe_ts: Option<UnixTime> = lenient,
        update_ts: Option<UnixTime> = lenient,
    }
}

int_enum! {
    /// Whether messages may be sent.
    pub enum SubscribeOp {
        /// They may.
        Allow = 1,
        /// They may not.
        Refuse = 2,
    }
}

object! {
    /// A user opened the chat with the bot. Not documented.
    pub struct EnterAio {
        user_openid: TextId<User> = required,
        from_source: Option<CompactString> = lenient,
    }
}

objects!(
    C2CAuthor,
    GroupAuthor,
    Scene,
    ArkData,
    MessageElement,
    Mention,
    VerifyInfo,
    ReviewQa,
    AutoApproved,
    FriendAuthor,
    SubscribeResult,
);
numbers!(MessageKind, SubscribeOp);
texts!(MemberRole, MentionScope, ApplySource);
