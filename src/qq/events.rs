//! Which events are there? One row each.
//!
//! A row gives its event a variant, a name, a kind, a filter bit, the intents that bring it, its
//! decoder, its guild, its documentation and the page that this comes from; tests walk the rows
//! and want a fixture for each.

use super::Intents;
// Not `expect`: the lint says nothing where tests are compiled.
#[allow(
    clippy::wildcard_imports,
    reason = "the table names most types of the model"
)]
use super::model::*;

events! {
    from "QQ", pages below "https://bot.q.qq.com/wiki/develop/";
    without intents too: [];
    /// ```
    /// use shardstream::qq::{EventFlags, EventKind, Intents};
    ///
    /// let group = EventFlags::from(Intents::GROUP_AND_C2C_EVENT);
    /// assert!(group.contains(EventFlags::GROUP_AT_MESSAGE_CREATE));
    /// assert!(!group.contains(EventKind::AtMessageCreate.into()));
    /// ```
    flags;

    /// A new session began.
    READY "api-v2/dev-prepare/interface-framework/event-emit.html" =>
        Ready(Box<Ready>), [], |_event| NO_GUILD;
    /// All missed events have been replayed.
    RESUMED "api-v2/dev-prepare/interface-framework/event-emit.html" =>
        Resumed(Resumed), [], |_event| NO_GUILD;

    /// The bot came into a guild.
    GUILD_CREATE "api-v2/server-inter/channel/manage/event/guild.html" =>
        GuildCreate(Box<Guild>), [GUILDS], |event| event.id;
    /// A guild's settings changed.
    GUILD_UPDATE "api-v2/server-inter/channel/manage/event/guild.html" =>
        GuildUpdate(Box<Guild>), [GUILDS], |event| event.id;
    /// A guild was dissolved, or the bot is not in it any more.
    GUILD_DELETE "api-v2/server-inter/channel/manage/event/guild.html" =>
        GuildDelete(Box<Guild>), [GUILDS], |event| event.id;
    /// A channel was made.
    CHANNEL_CREATE "api-v2/server-inter/channel/manage/event/channel.html" =>
        ChannelCreate(Box<Channel>), [GUILDS], |event| event.guild_id;
    /// A channel changed.
    CHANNEL_UPDATE "api-v2/server-inter/channel/manage/event/channel.html" =>
        ChannelUpdate(Box<Channel>), [GUILDS], |event| event.guild_id;
    /// A channel was deleted.
    CHANNEL_DELETE "api-v2/server-inter/channel/manage/event/channel.html" =>
        ChannelDelete(Box<Channel>), [GUILDS], |event| event.guild_id;
    /// A user joined.
    GUILD_MEMBER_ADD "api-v2/server-inter/channel/role/guild_member.html" =>
        GuildMemberAdd(Box<GuildMember>), [GUILD_MEMBERS], |event| event.guild_id;
    /// A member changed.
    GUILD_MEMBER_UPDATE "api-v2/server-inter/channel/role/guild_member.html" =>
        GuildMemberUpdate(Box<GuildMember>), [GUILD_MEMBERS], |event| event.guild_id;
    /// A user left, or was removed.
    GUILD_MEMBER_REMOVE "api-v2/server-inter/channel/role/guild_member.html" =>
        GuildMemberRemove(Box<GuildMember>), [GUILD_MEMBERS], |event| event.guild_id;

    /// A message was sent in a guild; for bots of the private domain.
    MESSAGE_CREATE "api-v2/server-inter/message/send-receive/event.html" =>
        MessageCreate(Box<Message>), [GUILD_MESSAGES], |event| event.guild_id;
    /// A message in a guild mentions the bot.
    AT_MESSAGE_CREATE "api-v2/server-inter/message/send-receive/event.html" =>
        AtMessageCreate(Box<Message>), [PUBLIC_GUILD_MESSAGES], |event| event.guild_id;
    /// A user of a guild wrote to the bot.
    DIRECT_MESSAGE_CREATE "api-v2/server-inter/message/send-receive/event.html" =>
        DirectMessageCreate(Box<Message>), [DIRECT_MESSAGE], |event| event.guild_id;
    /// A message in a guild was taken back; for bots of the private domain.
    MESSAGE_DELETE "api-v2/server-inter/message/send-receive/event.html" =>
        MessageDelete(Box<MessageDelete>), [GUILD_MESSAGES],
        |event| event.message.as_ref().and_then(|it| it.guild_id);
    /// A message that mentions the bot was taken back.
    PUBLIC_MESSAGE_DELETE "api-v2/server-inter/message/send-receive/event.html" =>
        PublicMessageDelete(Box<MessageDelete>), [PUBLIC_GUILD_MESSAGES],
        |event| event.message.as_ref().and_then(|it| it.guild_id);
    /// A direct message was taken back.
    DIRECT_MESSAGE_DELETE "api-v2/server-inter/message/send-receive/event.html" =>
        DirectMessageDelete(Box<MessageDelete>), [DIRECT_MESSAGE],
        |event| event.message.as_ref().and_then(|it| it.guild_id);
    /// Someone reacted to a message or to a part of a forum.
    MESSAGE_REACTION_ADD "api-v2/server-inter/message/trans/emoji.html" =>
        MessageReactionAdd(Box<MessageReaction>), [GUILD_MESSAGE_REACTIONS], |event| event.guild_id;
    /// A reaction was taken back.
    MESSAGE_REACTION_REMOVE "api-v2/server-inter/message/trans/emoji.html" =>
        MessageReactionRemove(Box<MessageReaction>), [GUILD_MESSAGE_REACTIONS],
        |event| event.guild_id;
    /// A message of the bot's passed the audit.
    MESSAGE_AUDIT_PASS "api-v2/server-inter/message/message.html" =>
        MessageAuditPass(Box<MessageAudit>), [MESSAGE_AUDIT], |event| event.guild_id;
    /// A message of the bot's did not pass the audit.
    MESSAGE_AUDIT_REJECT "api-v2/server-inter/message/message.html" =>
        MessageAuditReject(Box<MessageAudit>), [MESSAGE_AUDIT], |event| event.guild_id;

    /// The audio began to play.
    AUDIO_START "api/gateway/audio.html" =>
        AudioStart(Box<AudioAction>), [AUDIO_ACTION], |event| event.guild_id;
    /// The audio came to its end.
    AUDIO_FINISH "api/gateway/audio.html" =>
        AudioFinish(Box<AudioAction>), [AUDIO_ACTION], |event| event.guild_id;
    /// The bot was given the microphone.
    AUDIO_ON_MIC "api/gateway/audio.html" =>
        AudioOnMic(Box<AudioAction>), [AUDIO_ACTION], |event| event.guild_id;
    /// The microphone was taken from the bot.
    AUDIO_OFF_MIC "api/gateway/audio.html" =>
        AudioOffMic(Box<AudioAction>), [AUDIO_ACTION], |event| event.guild_id;
    /// A user came into a channel of voice or a live broadcast.
    AUDIO_OR_LIVE_CHANNEL_MEMBER_ENTER
        "api-v2/server-inter/channel/role/audio_or_live_channel_member.html" =>
        AudioOrLiveChannelMemberEnter(AudioOrLiveChannelMember), [AUDIO_OR_LIVE_CHANNEL_MEMBER],
        |event| event.guild_id;
    /// A user left a channel of voice or a live broadcast.
    AUDIO_OR_LIVE_CHANNEL_MEMBER_EXIT
        "api-v2/server-inter/channel/role/audio_or_live_channel_member.html" =>
        AudioOrLiveChannelMemberExit(AudioOrLiveChannelMember), [AUDIO_OR_LIVE_CHANNEL_MEMBER],
        |event| event.guild_id;

    /// A thread of a forum was made; for bots of the private domain.
    FORUM_THREAD_CREATE "api-v2/server-inter/channel/content/forum/forum.html" =>
        ForumThreadCreate(Box<ForumThread>), [FORUMS_EVENT], |event| event.guild_id;
    /// A thread of a forum changed; for bots of the private domain.
    FORUM_THREAD_UPDATE "api-v2/server-inter/channel/content/forum/forum.html" =>
        ForumThreadUpdate(Box<ForumThread>), [FORUMS_EVENT], |event| event.guild_id;
    /// A thread of a forum was deleted; for bots of the private domain.
    FORUM_THREAD_DELETE "api-v2/server-inter/channel/content/forum/forum.html" =>
        ForumThreadDelete(Box<ForumThread>), [FORUMS_EVENT], |event| event.guild_id;
    /// A post of a forum was made; for bots of the private domain.
    FORUM_POST_CREATE "api-v2/server-inter/channel/content/forum/forum.html" =>
        ForumPostCreate(Box<ForumPost>), [FORUMS_EVENT], |event| event.guild_id;
    /// A post of a forum was deleted; for bots of the private domain.
    FORUM_POST_DELETE "api-v2/server-inter/channel/content/forum/forum.html" =>
        ForumPostDelete(Box<ForumPost>), [FORUMS_EVENT], |event| event.guild_id;
    /// A reply of a forum was made; for bots of the private domain.
    FORUM_REPLY_CREATE "api-v2/server-inter/channel/content/forum/forum.html" =>
        ForumReplyCreate(Box<ForumReply>), [FORUMS_EVENT], |event| event.guild_id;
    /// A reply of a forum was deleted; for bots of the private domain.
    FORUM_REPLY_DELETE "api-v2/server-inter/channel/content/forum/forum.html" =>
        ForumReplyDelete(Box<ForumReply>), [FORUMS_EVENT], |event| event.guild_id;
    /// What the bot wrote into a forum passed the audit, or did not.
    FORUM_PUBLISH_AUDIT_RESULT "api-v2/server-inter/channel/content/forum/forum.html" =>
        ForumPublishAuditResult(Box<ForumPublishAuditResult>), [FORUMS_EVENT],
        |event| event.guild_id;
    /// A thread of an open forum was made.
    OPEN_FORUM_THREAD_CREATE "api-v2/server-inter/channel/content/forum/open_forum.html" =>
        OpenForumThreadCreate(OpenForum), [OPEN_FORUM_EVENT], |event| event.guild_id;
    /// A thread of an open forum changed.
    OPEN_FORUM_THREAD_UPDATE "api-v2/server-inter/channel/content/forum/open_forum.html" =>
        OpenForumThreadUpdate(OpenForum), [OPEN_FORUM_EVENT], |event| event.guild_id;
    /// A thread of an open forum was deleted.
    OPEN_FORUM_THREAD_DELETE "api-v2/server-inter/channel/content/forum/open_forum.html" =>
        OpenForumThreadDelete(OpenForum), [OPEN_FORUM_EVENT], |event| event.guild_id;
    /// A post of an open forum was made.
    OPEN_FORUM_POST_CREATE "api-v2/server-inter/channel/content/forum/open_forum.html" =>
        OpenForumPostCreate(OpenForum), [OPEN_FORUM_EVENT], |event| event.guild_id;
    /// A post of an open forum was deleted.
    OPEN_FORUM_POST_DELETE "api-v2/server-inter/channel/content/forum/open_forum.html" =>
        OpenForumPostDelete(OpenForum), [OPEN_FORUM_EVENT], |event| event.guild_id;
    /// A reply of an open forum was made.
    OPEN_FORUM_REPLY_CREATE "api-v2/server-inter/channel/content/forum/open_forum.html" =>
        OpenForumReplyCreate(OpenForum), [OPEN_FORUM_EVENT], |event| event.guild_id;
    /// A reply of an open forum was deleted.
    OPEN_FORUM_REPLY_DELETE "api-v2/server-inter/channel/content/forum/open_forum.html" =>
        OpenForumReplyDelete(OpenForum), [OPEN_FORUM_EVENT], |event| event.guild_id;

    /// A user wrote to the bot in a private chat.
    C2C_MESSAGE_CREATE "api-v2/server-inter/message/send-receive/event.html" =>
        C2CMessageCreate(Box<C2CMessage>), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// A message in a group mentions the bot.
    GROUP_AT_MESSAGE_CREATE "api-v2/server-inter/message/send-receive/event.html" =>
        GroupAtMessageCreate(Box<GroupMessage>), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// A message was sent in a group; where the group's owner lets the bot see all.
    GROUP_MESSAGE_CREATE "api-v2/server-inter/message/send-receive/event.html" =>
        GroupMessageCreate(Box<GroupMessage>), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// The bot came into a group.
    GROUP_ADD_ROBOT "api-v2/server-inter/group/manage/event.html" =>
        GroupAddRobot(Box<GroupRobot>), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// The bot was removed from a group.
    GROUP_DEL_ROBOT "api-v2/server-inter/group/manage/event.html" =>
        GroupDelRobot(Box<GroupRobot>), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// A group refuses the bot's own messages.
    GROUP_MSG_REJECT "api-v2/server-inter/group/manage/event.html" =>
        GroupMsgReject(Box<GroupRobot>), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// A group allows the bot's own messages.
    GROUP_MSG_RECEIVE "api-v2/server-inter/group/manage/event.html" =>
        GroupMsgReceive(Box<GroupRobot>), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// A user came into a group.
    GROUP_MEMBER_ADD "api-v2/server-inter/group/manage/event.html" =>
        GroupMemberAdd(Box<GroupMemberChange>), [GROUP_MEMBER_EVENT], |_event| NO_GUILD;
    /// A user left a group, or was removed.
    GROUP_MEMBER_REMOVE "api-v2/server-inter/group/manage/event.html" =>
        GroupMemberRemove(Box<GroupMemberChange>), [GROUP_MEMBER_EVENT], |_event| NO_GUILD;
    /// A user wants to come into a group that the bot administrates.
    GROUP_JOIN_REQUEST "api-v2/server-inter/group/manage/event.html" =>
        GroupJoinRequest(Box<GroupJoinRequest>), [GROUP_MEMBER_EVENT], |_event| NO_GUILD;
    /// A user made friends with the bot.
    FRIEND_ADD "api-v2/server-inter/user/manage/event.html" =>
        FriendAdd(Box<Friend>), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// A user ended the friendship with the bot.
    FRIEND_DEL "api-v2/server-inter/user/manage/event.html" =>
        FriendDel(Box<Friend>), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// A user refuses the bot's own messages.
    C2C_MSG_REJECT "api-v2/server-inter/user/manage/event.html" =>
        C2CMsgReject(C2CMsgSwitch), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// A user allows the bot's own messages.
    C2C_MSG_RECEIVE "api-v2/server-inter/user/manage/event.html" =>
        C2CMsgReceive(C2CMsgSwitch), [GROUP_AND_C2C_EVENT], |_event| NO_GUILD;
    /// A user or group allowed or refused messages made from templates.
    SUBSCRIBE_MESSAGE_STATUS "api-v2/server-inter/user/manage/event.html" =>
        SubscribeMessageStatus(Box<SubscribeMessageStatus>), [GROUP_AND_C2C_EVENT],
        |_event| NO_GUILD;
    /// A user opened the chat with the bot. The page does not name it; QQ's own client for Go does.
    ENTER_AIO "api-v2/dev-prepare/interface-framework/event-emit.html" =>
        EnterAio(EnterAio), [ENTER_AIO], |_event| NO_GUILD;

    /// Someone used a button, a menu or the like.
    INTERACTION_CREATE "api-v2/server-inter/message/trans/msg-btn.html" =>
        InteractionCreate(Box<Interaction>), [INTERACTION], |event| event.guild_id;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::EventSet;

    #[test]
    fn an_event_is_small() {
        assert!(size_of::<Event>() <= 64, "{}", size_of::<Event>());
    }

    #[test]
    fn each_event_has_its_row_its_bit_and_its_page() {
        assert_eq!(EventKind::ALL.len(), 59);
        let mut seen = EventFlags::empty();
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.name()), *kind);
            let flag = EventFlags::from(*kind);
            assert_eq!(EventFlags::from_name(kind.name()), Some(flag));
            assert!(!seen.intersects(flag), "{}", kind.name());
            seen |= flag;
            let page = kind
                .page()
                .strip_prefix("https://bot.q.qq.com/wiki/develop/api");
            let page = page.and_then(|page| page.strip_suffix(".html"));
            assert!(page.is_some_and(|page| page.len() > 8), "{}", kind.name());
        }
        assert_eq!(
            seen | EventFlags::GATEWAY | EventFlags::UNKNOWN,
            EventFlags::all()
        );
    }

    #[test]
    fn a_set_has_the_events_whose_bits_it_has() {
        for kind in EventKind::ALL {
            let flag = EventFlags::from(*kind);
            assert!(flag.has_event(kind.name()) && !(!flag).has_event(kind.name()));
            assert!(!flag.has_event("NEW_THING") && !flag.has_notices());
        }
        assert!(EventFlags::UNKNOWN.has_event("NEW_THING"));
        assert!(EventFlags::GATEWAY.has_notices() && !EventFlags::UNKNOWN.has_notices());
    }

    #[test]
    fn names_that_are_no_events_are_unknown() {
        for name in ["", "GATEWAY", "UNKNOWN", "ready", "READY ", "ON_MIC"] {
            assert_eq!(EventKind::from_name(name), EventKind::Unknown, "{name}");
        }
    }

    #[test]
    fn each_intent_brings_the_events_that_it_lists_and_each_event_has_one() {
        let brought = |intents: Intents| {
            let flags = EventFlags::from(intents) - EventFlags::from(Intents::empty());
            flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert!(brought(Intents::empty()).is_empty());
        assert_eq!(
            brought(Intents::PUBLIC_GUILD_MESSAGES),
            ["AT_MESSAGE_CREATE", "PUBLIC_MESSAGE_DELETE"]
        );
        assert_eq!(brought(Intents::GROUP_AND_C2C_EVENT).len(), 12);
        assert_eq!(brought(Intents::FORUMS_EVENT).len(), 8);
        for intent in Intents::all().iter() {
            assert!(!brought(intent).is_empty(), "{intent:?}");
        }
        for kind in EventKind::ALL {
            let needs_none = matches!(kind, EventKind::Ready | EventKind::Resumed);
            let intents = kind.intents().iter().count();
            assert_eq!(intents, usize::from(!needs_none), "{}", kind.name());
        }
        assert_eq!(EventFlags::from(Intents::all()), EventFlags::all());
    }
}
