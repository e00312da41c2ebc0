//! Which events are there? One row each.
//!
//! A row gives its event a variant, a name, a kind, a filter bit, the intents that bring it, its
//! decoder, its guild and its documentation; tests walk the rows and want a fixture for each.

use super::Intents;
// Not `expect`: the lint says nothing where tests are compiled.
#[allow(
    clippy::wildcard_imports,
    reason = "the table names most types of the model"
)]
use super::model::*;

events! {
    from "Discord", pages below "https://docs.discord.com/developers/events/gateway-events#";
    // The bot's own member needs no intent.
    without intents too: [GuildMemberUpdate];
    /// ```
    /// use shardstream::discord::{EventFlags, EventKind, Intents};
    ///
    /// let messages = EventFlags::MESSAGE_CREATE | EventFlags::MESSAGE_UPDATE;
    /// assert!(EventFlags::from(Intents::GUILD_MESSAGES).contains(messages));
    /// assert!(messages.contains(EventKind::MessageCreate.into()));
    /// ```
    flags;

    /// A new session began.
    READY "ready" => Ready(Box<Ready>), [], |_event| NO_GUILD;
    /// All missed events have been replayed.
    RESUMED "resumed" => Resumed(Resumed), [], |_event| NO_GUILD;
    /// A request was refused because too many were made.
    RATE_LIMITED "rate-limited" => RateLimited(Box<RateLimited>), [],
        |event| event.meta.guild_id;

    /// The permissions of a command changed.
    APPLICATION_COMMAND_PERMISSIONS_UPDATE "application-command-permissions-update" =>
        ApplicationCommandPermissionsUpdate(Box<CommandPermissions>), [], |event| event.guild_id;

    /// An auto moderation rule was made.
    AUTO_MODERATION_RULE_CREATE "auto-moderation-rule-create" =>
        AutoModerationRuleCreate(Box<AutoModerationRule>), [AUTO_MODERATION_CONFIGURATION],
        |event| event.guild_id;
    /// An auto moderation rule changed.
    AUTO_MODERATION_RULE_UPDATE "auto-moderation-rule-update" =>
        AutoModerationRuleUpdate(Box<AutoModerationRule>), [AUTO_MODERATION_CONFIGURATION],
        |event| event.guild_id;
    /// An auto moderation rule was deleted.
    AUTO_MODERATION_RULE_DELETE "auto-moderation-rule-delete" =>
        AutoModerationRuleDelete(Box<AutoModerationRule>), [AUTO_MODERATION_CONFIGURATION],
        |event| event.guild_id;
    /// An auto moderation rule was hit, and one of its actions taken.
    AUTO_MODERATION_ACTION_EXECUTION "auto-moderation-action-execution" =>
        AutoModerationActionExecution(Box<AutoModerationActionExecution>),
        [AUTO_MODERATION_EXECUTION], |event| event.guild_id;

    /// A channel was made.
    CHANNEL_CREATE "channel-create" => ChannelCreate(Box<Channel>), [GUILDS],
        |event| event.guild_id;
    /// A channel changed, or the bot's view of it.
    CHANNEL_UPDATE "channel-update" => ChannelUpdate(Box<Channel>), [GUILDS],
        |event| event.guild_id;
    /// A channel was deleted.
    CHANNEL_DELETE "channel-delete" => ChannelDelete(Box<Channel>), [GUILDS],
        |event| event.guild_id;
    /// The answer to a request for channel info.
    CHANNEL_INFO "channel-info" => ChannelInfo(Box<ChannelInfo>), [], |event| event.guild_id;
    /// A message was pinned or unpinned.
    CHANNEL_PINS_UPDATE "channel-pins-update" => ChannelPinsUpdate(ChannelPinsUpdate),
        [GUILDS, DIRECT_MESSAGES], |event| event.guild_id;

    /// A thread was made, or the bot came into a private one.
    THREAD_CREATE "thread-create" => ThreadCreate(Box<Channel>), [GUILDS], |event| event.guild_id;
    /// A thread changed.
    THREAD_UPDATE "thread-update" => ThreadUpdate(Box<Channel>), [GUILDS], |event| event.guild_id;
    /// A thread was deleted.
    THREAD_DELETE "thread-delete" => ThreadDelete(ThreadDelete), [GUILDS], |event| event.guild_id;
    /// The bot came to view a channel: these are its active threads.
    THREAD_LIST_SYNC "thread-list-sync" => ThreadListSync(Box<ThreadListSync>), [GUILDS],
        |event| event.guild_id;
    /// The bot's own membership of a thread changed.
    THREAD_MEMBER_UPDATE "thread-member-update" => ThreadMemberUpdate(Box<ThreadMemberUpdate>),
        [GUILDS], |event| event.guild_id;
    /// Users came into a thread or left it.
    THREAD_MEMBERS_UPDATE "thread-members-update" =>
        ThreadMembersUpdate(Box<ThreadMembersUpdate>), [GUILDS, GUILD_MEMBERS],
        |event| event.guild_id;

    /// An entitlement began.
    ENTITLEMENT_CREATE "entitlement-create" => EntitlementCreate(Box<Entitlement>), [],
        |event| event.guild_id;
    /// An entitlement was renewed or changed.
    ENTITLEMENT_UPDATE "entitlement-update" => EntitlementUpdate(Box<Entitlement>), [],
        |event| event.guild_id;
    /// An entitlement was taken away; ending by itself is no deletion.
    ENTITLEMENT_DELETE "entitlement-delete" => EntitlementDelete(Box<Entitlement>), [],
        |event| event.guild_id;

    /// A guild of READY was loaded, came back from an outage, or was joined.
    GUILD_CREATE "guild-create" => GuildCreate(Box<GuildCreate>), [GUILDS], |event| event.id();
    /// A guild's settings changed.
    GUILD_UPDATE "guild-update" => GuildUpdate(Box<Guild>), [GUILDS], |event| event.id;
    /// A guild went down, or the bot is not in it any more.
    GUILD_DELETE "guild-delete" => GuildDelete(UnavailableGuild), [GUILDS], |event| event.id;
    /// Something was written to the audit log.
    GUILD_AUDIT_LOG_ENTRY_CREATE "guild-audit-log-entry-create" =>
        GuildAuditLogEntryCreate(Box<AuditLogEntry>), [GUILD_MODERATION], |event| event.guild_id;
    /// A user was banned.
    GUILD_BAN_ADD "guild-ban-add" => GuildBanAdd(Box<GuildBan>), [GUILD_MODERATION],
        |event| event.guild_id;
    /// A user was unbanned.
    GUILD_BAN_REMOVE "guild-ban-remove" => GuildBanRemove(Box<GuildBan>), [GUILD_MODERATION],
        |event| event.guild_id;
    /// Emojis changed: these are all now.
    GUILD_EMOJIS_UPDATE "guild-emojis-update" => GuildEmojisUpdate(GuildEmojisUpdate),
        [GUILD_EXPRESSIONS], |event| event.guild_id;
    /// Stickers changed: these are all now.
    GUILD_STICKERS_UPDATE "guild-stickers-update" => GuildStickersUpdate(GuildStickersUpdate),
        [GUILD_EXPRESSIONS], |event| event.guild_id;
    /// Integrations changed.
    GUILD_INTEGRATIONS_UPDATE "guild-integrations-update" =>
        GuildIntegrationsUpdate(GuildIntegrationsUpdate), [GUILD_INTEGRATIONS],
        |event| event.guild_id;
    /// A user joined.
    GUILD_MEMBER_ADD "guild-member-add" => GuildMemberAdd(Box<GuildMemberAdd>), [GUILD_MEMBERS],
        |event| event.guild_id;
    /// A user left, or was kicked or banned.
    GUILD_MEMBER_REMOVE "guild-member-remove" => GuildMemberRemove(Box<GuildMemberRemove>),
        [GUILD_MEMBERS], |event| event.guild_id;
    /// A member or its user changed; for the bot itself it needs no intent.
    GUILD_MEMBER_UPDATE "guild-member-update" => GuildMemberUpdate(Box<GuildMemberUpdate>),
        [GUILD_MEMBERS], |event| event.guild_id;
    /// A part of the answer to a request for members.
    GUILD_MEMBERS_CHUNK "guild-members-chunk" => GuildMembersChunk(Box<GuildMembersChunk>), [],
        |event| event.guild_id;
    /// A role was made.
    GUILD_ROLE_CREATE "guild-role-create" => GuildRoleCreate(Box<GuildRole>), [GUILDS],
        |event| event.guild_id;
    /// A role changed.
    GUILD_ROLE_UPDATE "guild-role-update" => GuildRoleUpdate(Box<GuildRole>), [GUILDS],
        |event| event.guild_id;
    /// A role was deleted.
    GUILD_ROLE_DELETE "guild-role-delete" => GuildRoleDelete(GuildRoleDelete), [GUILDS],
        |event| event.guild_id;
    /// An event was planned.
    GUILD_SCHEDULED_EVENT_CREATE "guild-scheduled-event-create" =>
        GuildScheduledEventCreate(Box<ScheduledEvent>), [GUILD_SCHEDULED_EVENTS],
        |event| event.guild_id;
    /// A planned event changed, began or ended.
    GUILD_SCHEDULED_EVENT_UPDATE "guild-scheduled-event-update" =>
        GuildScheduledEventUpdate(Box<ScheduledEvent>), [GUILD_SCHEDULED_EVENTS],
        |event| event.guild_id;
    /// A planned event was deleted.
    GUILD_SCHEDULED_EVENT_DELETE "guild-scheduled-event-delete" =>
        GuildScheduledEventDelete(Box<ScheduledEvent>), [GUILD_SCHEDULED_EVENTS],
        |event| event.guild_id;
    /// A user subscribed to a planned event.
    GUILD_SCHEDULED_EVENT_USER_ADD "guild-scheduled-event-user-add" =>
        GuildScheduledEventUserAdd(ScheduledEventUser), [GUILD_SCHEDULED_EVENTS],
        |event| event.guild_id;
    /// A user unsubscribed from a planned event.
    GUILD_SCHEDULED_EVENT_USER_REMOVE "guild-scheduled-event-user-remove" =>
        GuildScheduledEventUserRemove(ScheduledEventUser), [GUILD_SCHEDULED_EVENTS],
        |event| event.guild_id;
    /// A sound was made.
    GUILD_SOUNDBOARD_SOUND_CREATE "guild-soundboard-sound-create" =>
        GuildSoundboardSoundCreate(Box<SoundboardSound>), [GUILD_EXPRESSIONS],
        |event| event.guild_id;
    /// A sound changed.
    GUILD_SOUNDBOARD_SOUND_UPDATE "guild-soundboard-sound-update" =>
        GuildSoundboardSoundUpdate(Box<SoundboardSound>), [GUILD_EXPRESSIONS],
        |event| event.guild_id;
    /// A sound was deleted.
    GUILD_SOUNDBOARD_SOUND_DELETE "guild-soundboard-sound-delete" =>
        GuildSoundboardSoundDelete(SoundboardSoundDelete), [GUILD_EXPRESSIONS],
        |event| event.guild_id;
    /// Several sounds changed.
    GUILD_SOUNDBOARD_SOUNDS_UPDATE "guild-soundboard-sounds-update" =>
        GuildSoundboardSoundsUpdate(SoundboardSounds), [GUILD_EXPRESSIONS], |event| event.guild_id;
    /// The answer to a request for sounds.
    SOUNDBOARD_SOUNDS "soundboard-sounds" => SoundboardSounds(SoundboardSounds), [],
        |event| event.guild_id;

    /// An integration was made.
    INTEGRATION_CREATE "integration-create" => IntegrationCreate(Box<Integration>),
        [GUILD_INTEGRATIONS], |event| event.guild_id;
    /// An integration changed.
    INTEGRATION_UPDATE "integration-update" => IntegrationUpdate(Box<Integration>),
        [GUILD_INTEGRATIONS], |event| event.guild_id;
    /// An integration was deleted.
    INTEGRATION_DELETE "integration-delete" => IntegrationDelete(IntegrationDelete),
        [GUILD_INTEGRATIONS], |event| event.guild_id;
    /// Someone used a command, a component or a form.
    INTERACTION_CREATE "interaction-create" => InteractionCreate(Box<Interaction>), [],
        |event| event.guild_id;
    /// An invite was made.
    INVITE_CREATE "invite-create" => InviteCreate(Box<InviteCreate>), [GUILD_INVITES],
        |event| event.guild_id;
    /// An invite was deleted.
    INVITE_DELETE "invite-delete" => InviteDelete(Box<InviteDelete>), [GUILD_INVITES],
        |event| event.guild_id;

    /// A message was sent.
    MESSAGE_CREATE "message-create" => MessageCreate(Box<Message>),
        [GUILD_MESSAGES, DIRECT_MESSAGES], |event| event.guild_id;
    /// A message was edited, or Discord added embeds to it: this is all of it.
    MESSAGE_UPDATE "message-update" => MessageUpdate(Box<Message>),
        [GUILD_MESSAGES, DIRECT_MESSAGES], |event| event.guild_id;
    /// A message was deleted.
    MESSAGE_DELETE "message-delete" => MessageDelete(MessageDelete),
        [GUILD_MESSAGES, DIRECT_MESSAGES], |event| event.guild_id;
    /// Messages were deleted together.
    MESSAGE_DELETE_BULK "message-delete-bulk" => MessageDeleteBulk(MessageDeleteBulk),
        [GUILD_MESSAGES], |event| event.guild_id;
    /// Someone voted for an answer of a poll.
    MESSAGE_POLL_VOTE_ADD "message-poll-vote-add" => MessagePollVoteAdd(MessagePollVote),
        [GUILD_MESSAGE_POLLS, DIRECT_MESSAGE_POLLS], |event| event.guild_id;
    /// Someone took a vote back.
    MESSAGE_POLL_VOTE_REMOVE "message-poll-vote-remove" => MessagePollVoteRemove(MessagePollVote),
        [GUILD_MESSAGE_POLLS, DIRECT_MESSAGE_POLLS], |event| event.guild_id;
    /// Someone reacted to a message.
    MESSAGE_REACTION_ADD "message-reaction-add" => MessageReactionAdd(Box<MessageReactionAdd>),
        [GUILD_MESSAGE_REACTIONS, DIRECT_MESSAGE_REACTIONS], |event| event.guild_id;
    /// A reaction was taken back or removed.
    MESSAGE_REACTION_REMOVE "message-reaction-remove" =>
        MessageReactionRemove(Box<MessageReactionRemove>),
        [GUILD_MESSAGE_REACTIONS, DIRECT_MESSAGE_REACTIONS], |event| event.guild_id;
    /// All reactions were removed from a message.
    MESSAGE_REACTION_REMOVE_ALL "message-reaction-remove-all" =>
        MessageReactionRemoveAll(MessageReactionRemoveAll),
        [GUILD_MESSAGE_REACTIONS, DIRECT_MESSAGE_REACTIONS], |event| event.guild_id;
    /// All reactions with one emoji were removed from a message.
    MESSAGE_REACTION_REMOVE_EMOJI "message-reaction-remove-emoji" =>
        MessageReactionRemoveEmoji(Box<MessageReactionRemoveEmoji>),
        [GUILD_MESSAGE_REACTIONS, DIRECT_MESSAGE_REACTIONS], |event| event.guild_id;

    /// A user's status or activities changed.
    PRESENCE_UPDATE "presence-update" => PresenceUpdate(Box<Presence>), [GUILD_PRESENCES],
        |event| event.guild_id;

    /// A stage began.
    STAGE_INSTANCE_CREATE "stage-instance-create" => StageInstanceCreate(Box<StageInstance>),
        [GUILDS], |event| event.guild_id;
    /// A stage changed.
    STAGE_INSTANCE_UPDATE "stage-instance-update" => StageInstanceUpdate(Box<StageInstance>),
        [GUILDS], |event| event.guild_id;
    /// A stage ended.
    STAGE_INSTANCE_DELETE "stage-instance-delete" => StageInstanceDelete(Box<StageInstance>),
        [GUILDS], |event| event.guild_id;

    /// A subscription was made; it may not be active yet.
    SUBSCRIPTION_CREATE "subscription-create" => SubscriptionCreate(Box<Subscription>), [],
        |_event| NO_GUILD;
    /// A subscription changed.
    SUBSCRIPTION_UPDATE "subscription-update" => SubscriptionUpdate(Box<Subscription>), [],
        |_event| NO_GUILD;
    /// A subscription was deleted.
    SUBSCRIPTION_DELETE "subscription-delete" => SubscriptionDelete(Box<Subscription>), [],
        |_event| NO_GUILD;

    /// Someone began to type.
    TYPING_START "typing-start" => TypingStart(TypingStart),
        [GUILD_MESSAGE_TYPING, DIRECT_MESSAGE_TYPING], |event| event.guild_id;
    /// The bot's own user changed.
    USER_UPDATE "user-update" => UserUpdate(Box<CurrentUser>), [], |_event| NO_GUILD;

    /// Someone sent an effect to the voice channel that the bot is in.
    VOICE_CHANNEL_EFFECT_SEND "voice-channel-effect-send" =>
        VoiceChannelEffectSend(Box<VoiceChannelEffectSend>), [GUILD_VOICE_STATES],
        |event| event.guild_id;
    /// The status text of a voice channel changed.
    VOICE_CHANNEL_STATUS_UPDATE "voice-channel-status-update" =>
        VoiceChannelStatusUpdate(VoiceChannelStatusUpdate), [GUILDS], |event| event.guild_id;
    /// The first user came into a voice channel, or the last left.
    VOICE_CHANNEL_START_TIME_UPDATE "voice-channel-start-time-update" =>
        VoiceChannelStartTimeUpdate(VoiceChannelStartTimeUpdate), [GUILDS], |event| event.guild_id;
    /// Someone joined, left or changed their state in a voice channel.
    VOICE_STATE_UPDATE "voice-state-update" => VoiceStateUpdate(Box<VoiceState>),
        [GUILD_VOICE_STATES], |event| event.guild_id;
    /// The voice server that the bot must connect to.
    VOICE_SERVER_UPDATE "voice-server-update" => VoiceServerUpdate(Box<VoiceServerUpdate>), [],
        |event| event.guild_id;

    /// A channel's webhooks changed.
    WEBHOOKS_UPDATE "webhooks-update" => WebhooksUpdate(WebhooksUpdate), [GUILD_WEBHOOKS],
        |event| event.guild_id;
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
    fn each_documented_event_has_its_row_and_its_bit() {
        assert_eq!(EventKind::ALL.len(), 79);
        let mut seen = EventFlags::empty();
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.name()), *kind);
            let flag = EventFlags::from(*kind);
            assert_eq!(EventFlags::from_name(kind.name()), Some(flag));
            assert!(!seen.intersects(flag), "{}", kind.name());
            seen |= flag;
        }
        assert_eq!(
            seen | EventFlags::GATEWAY | EventFlags::UNKNOWN,
            EventFlags::all()
        );
    }

    #[test]
    fn a_set_of_one_event_has_that_event_and_no_other() {
        for kind in EventKind::ALL {
            let flag = EventFlags::from(*kind);
            for other in EventKind::ALL {
                let name = other.name();
                assert_eq!(flag.has_event(name), kind == other, "{kind:?}: {name}");
                assert_eq!(
                    (!flag).has_event(name),
                    kind != other,
                    "not {kind:?}: {name}"
                );
            }
            assert!(!flag.has_event("NEW_THING") && !flag.has_notices());
            assert!((!flag).has_event("NEW_THING") && (!flag).has_notices());
        }
        assert!(EventFlags::UNKNOWN.has_event("NEW_THING"));
        // A name on the wire, and no notice.
        assert!(EventFlags::UNKNOWN.has_event("GATEWAY"));
        assert!(!EventFlags::GATEWAY.has_event("GATEWAY"));
        assert!(EventFlags::GATEWAY.has_notices() && !EventFlags::UNKNOWN.has_notices());
    }

    #[test]
    fn each_row_names_the_section_that_documents_it() {
        for kind in EventKind::ALL {
            let section = kind.page().rsplit_once('#').unwrap().1;
            assert_eq!(section, kind.name().to_lowercase().replace('_', "-"));
        }
    }

    #[test]
    fn names_that_are_no_events_are_unknown() {
        for name in [
            "",
            "GATEWAY",
            "UNKNOWN",
            "message_create",
            "MESSAGE_CREATE ",
        ] {
            assert_eq!(EventKind::from_name(name), EventKind::Unknown, "{name}");
        }
    }

    #[test]
    fn intents_bring_their_events_and_those_that_need_none() {
        let none = EventFlags::from(Intents::empty());
        assert!(none.contains(
            EventFlags::READY
                | EventFlags::RESUMED
                | EventFlags::INTERACTION_CREATE
                | EventFlags::GUILD_MEMBER_UPDATE
                | EventFlags::GATEWAY
                | EventFlags::UNKNOWN
        ));
        assert!(!none.intersects(EventFlags::GUILD_CREATE | EventFlags::MESSAGE_CREATE));
        let direct = EventFlags::from(Intents::DIRECT_MESSAGES);
        assert!(direct.contains(EventFlags::MESSAGE_CREATE | EventFlags::CHANNEL_PINS_UPDATE));
        assert!(!direct.contains(EventFlags::MESSAGE_DELETE_BULK));
        assert_eq!(EventFlags::from(Intents::all()), EventFlags::all());
    }
}
