//! Who keeps order? Auto moderation and the audit log.

use compact_str::CompactString;

use super::{AnyKind, Application, Channel, Decimal, Guild, Message, RawJson, Role, User};
use crate::id::Id;

object! {
    /// What auto moderation looks for, and what it does then.
    ///
    /// <https://docs.discord.com/developers/resources/auto-moderation#auto-moderation-rule-object>
    pub struct AutoModerationRule {
        id: Id<AutoModerationRule> = required,
        guild_id: Id<Guild> = required,
        name: CompactString = loose_default,
        creator_id: Id<User> = required,
        event_type: AutoModerationEvent = required,
        trigger_type: AutoModerationTrigger = required,
        trigger_metadata: AutoModerationTriggerMetadata = default,
        actions: Vec<AutoModerationAction> = default,
        enabled: bool = loose_default,
        exempt_roles: Vec<Id<Role>> = loose_default,
        exempt_channels: Vec<Id<Channel>> = loose_default,
    }
}

int_enum! {
    /// When a rule is looked at.
    ///
    /// <https://docs.discord.com/developers/resources/auto-moderation#auto-moderation-rule-object-event-types>
    pub enum AutoModerationEvent {
        MessageSend = 1,
        MemberUpdate = 2,
    }
}

int_enum! {
    /// What a rule looks for.
    ///
    /// <https://docs.discord.com/developers/resources/auto-moderation#auto-moderation-rule-object-trigger-types>
    pub enum AutoModerationTrigger {
        Keyword = 1,
        Spam = 3,
        KeywordPreset = 4,
        MentionSpam = 5,
        MemberProfile = 6,
    }
}

object! {
    /// Which fields are there depends on the trigger's type.
    ///
    /// <https://docs.discord.com/developers/resources/auto-moderation#auto-moderation-rule-object-trigger-metadata>
    #[derive(Default)]
    pub struct AutoModerationTriggerMetadata {
        keyword_filter: Option<Vec<CompactString>> = loose,
        regex_patterns: Option<Vec<CompactString>> = loose,
        presets: Option<Vec<AutoModerationPreset>> = optional,
        allow_list: Option<Vec<CompactString>> = loose,
        mention_total_limit: Option<u32> = loose,
        mention_raid_protection_enabled: Option<bool> = loose,
    }
}

int_enum! {
    /// A list of words that Discord keeps.
    ///
    /// <https://docs.discord.com/developers/resources/auto-moderation#auto-moderation-rule-object-keyword-preset-types>
    pub enum AutoModerationPreset {
        Profanity = 1,
        SexualContent = 2,
        Slurs = 3,
    }
}

object! {
    /// Something that auto moderation does.
    ///
    /// <https://docs.discord.com/developers/resources/auto-moderation#auto-moderation-action-object>
    pub struct AutoModerationAction {
        kind as "type": AutoModerationActionKind = required,
        metadata: Option<AutoModerationActionMetadata> = optional,
    }
}

int_enum! {
    /// What auto moderation does.
    ///
    /// <https://docs.discord.com/developers/resources/auto-moderation#auto-moderation-action-object-action-types>
    pub enum AutoModerationActionKind {
        BlockMessage = 1,
        SendAlertMessage = 2,
        Timeout = 3,
        BlockMemberInteraction = 4,
    }
}

object! {
    /// More on what auto moderation does; which fields are there depends on the action.
    ///
    /// <https://docs.discord.com/developers/resources/auto-moderation#auto-moderation-action-object-action-metadata>
    pub struct AutoModerationActionMetadata {
        /// Where the alert goes.
        channel_id: Option<Id<Channel>> = loose,
        /// How long the timeout is.
        duration_seconds: Option<u64> = loose,
        /// What the author is told.
        custom_message: Option<CompactString> = loose,
    }
}

object! {
    /// Something that auto moderation did.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#auto-moderation-action-execution>
    pub struct AutoModerationActionExecution {
        guild_id: Id<Guild> = required,
        action: AutoModerationAction = required,
        rule_id: Id<AutoModerationRule> = required,
        rule_trigger_type: AutoModerationTrigger = required,
        user_id: Id<User> = required,
        channel_id: Option<Id<Channel>> = loose,
        /// Absent where the message was blocked.
        message_id: Option<Id<Message>> = loose,
        alert_system_message_id: Option<Id<Message>> = loose,
        /// Empty without the intent `MESSAGE_CONTENT`.
        content: CompactString = loose_default,
        matched_keyword: Option<CompactString> = loose_nullable,
        /// Empty without the intent `MESSAGE_CONTENT`.
        matched_content: Option<CompactString> = loose_nullable,
    }
}

object! {
    /// What someone did to a guild.
    ///
    /// <https://docs.discord.com/developers/resources/audit-log#audit-log-entry-object>
    pub struct AuditLogEntry {
        id: Id<AuditLogEntry> = required,
        /// In events only.
        guild_id: Option<Id<Guild>> = loose,
        /// What was acted on; mostly an id.
        target_id: Option<CompactString> = loose_nullable,
        changes: Vec<AuditLogChange> = sparse,
        user_id: Option<Id<User>> = loose_nullable,
        action_type: AuditLogAction = required,
        options: Option<Box<AuditLogOptions>> = optional,
        reason: Option<CompactString> = loose,
    }
}

object! {
    /// What changed; the values' types depend on the key.
    ///
    /// <https://docs.discord.com/developers/resources/audit-log#audit-log-change-object>
    pub struct AuditLogChange {
        key: CompactString = loose_default,
        new_value: Option<RawJson> = optional,
        old_value: Option<RawJson> = optional,
    }
}

object! {
    /// More on some actions; which fields are there depends on the action.
    ///
    /// <https://docs.discord.com/developers/resources/audit-log#audit-log-entry-object-optional-audit-entry-info>
    pub struct AuditLogOptions {
        application_id: Option<Id<Application>> = loose,
        auto_moderation_rule_name: Option<CompactString> = loose,
        /// The number of an [`AutoModerationTrigger`].
        auto_moderation_rule_trigger_type: Option<Decimal> = loose,
        channel_id: Option<Id<Channel>> = loose,
        /// How many were acted on.
        count: Option<Decimal> = loose,
        delete_member_days: Option<Decimal> = loose,
        /// The role's or user's that an overwrite is for.
        id: Option<Id<AnyKind>> = loose,
        integration_type: Option<CompactString> = loose,
        members_removed: Option<Decimal> = loose,
        message_id: Option<Id<Message>> = loose,
        role_name: Option<CompactString> = loose,
        /// The new status of a voice channel.
        status: Option<CompactString> = loose,
        /// The number of an [`OverwriteKind`](super::OverwriteKind).
        kind as "type": Option<Decimal> = loose,
    }
}

int_enum! {
    /// What was done to a guild.
    ///
    /// <https://docs.discord.com/developers/resources/audit-log#audit-log-entry-object-audit-log-events>
    pub enum AuditLogAction {
        GuildUpdate = 1,
        ChannelCreate = 10,
        ChannelUpdate = 11,
        ChannelDelete = 12,
        ChannelOverwriteCreate = 13,
        ChannelOverwriteUpdate = 14,
        ChannelOverwriteDelete = 15,
        MemberKick = 20,
        MemberPrune = 21,
        MemberBanAdd = 22,
        MemberBanRemove = 23,
        MemberUpdate = 24,
        MemberRoleUpdate = 25,
        MemberMove = 26,
        MemberDisconnect = 27,
        BotAdd = 28,
        RoleCreate = 30,
        RoleUpdate = 31,
        RoleDelete = 32,
        InviteCreate = 40,
        InviteUpdate = 41,
        InviteDelete = 42,
        WebhookCreate = 50,
        WebhookUpdate = 51,
        WebhookDelete = 52,
        EmojiCreate = 60,
        EmojiUpdate = 61,
        EmojiDelete = 62,
        MessageDelete = 72,
        MessageBulkDelete = 73,
        MessagePin = 74,
        MessageUnpin = 75,
        IntegrationCreate = 80,
        IntegrationUpdate = 81,
        IntegrationDelete = 82,
        StageInstanceCreate = 83,
        StageInstanceUpdate = 84,
        StageInstanceDelete = 85,
        StickerCreate = 90,
        StickerUpdate = 91,
        StickerDelete = 92,
        GuildScheduledEventCreate = 100,
        GuildScheduledEventUpdate = 101,
        GuildScheduledEventDelete = 102,
        ThreadCreate = 110,
        ThreadUpdate = 111,
        ThreadDelete = 112,
        ApplicationCommandPermissionUpdate = 121,
        SoundboardSoundCreate = 130,
        SoundboardSoundUpdate = 131,
        SoundboardSoundDelete = 132,
        AutoModerationRuleCreate = 140,
        AutoModerationRuleUpdate = 141,
        AutoModerationRuleDelete = 142,
        AutoModerationBlockMessage = 143,
        AutoModerationFlagToChannel = 144,
        AutoModerationUserCommunicationDisabled = 145,
        AutoModerationQuarantineUser = 146,
        CreatorMonetizationRequestCreated = 150,
        CreatorMonetizationTermsAccepted = 151,
        OnboardingPromptCreate = 163,
        OnboardingPromptUpdate = 164,
        OnboardingPromptDelete = 165,
        OnboardingCreate = 166,
        OnboardingUpdate = 167,
        HomeSettingsCreate = 190,
        HomeSettingsUpdate = 191,
        VoiceChannelStatusUpdate = 192,
        VoiceChannelStatusDelete = 193,
    }
}
