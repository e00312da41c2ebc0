//! What is said? Messages.

use compact_str::CompactString;

use super::{
    Application, Channel, ChannelKind, Component, Guild, ImageHash, IntegrationOwners, Interaction,
    InteractionKind, Maybe, Member, Nonce, PartialEmoji, ResolvedData, Role,
    SkuSubscriptionListing, Sticker, StickerItem, Timestamp, User, Webhook,
};
use crate::id::Id;

object! {
    /// A message.
    ///
    /// `content`, `embeds`, `attachments`, `components` and `poll` are empty without the intent
    /// `MESSAGE_CONTENT`, except in the bot's own messages, direct ones and those that mention it.
    /// <https://docs.discord.com/developers/resources/message#message-object>
    pub struct Message, nests {
        id: Id<Message> = required,
        channel_id: Id<Channel> = required,
        /// Absent in direct and ephemeral messages.
        guild_id: Option<Id<Guild>> = loose,
        /// For webhooks not a user: `id` is the webhook's.
        author: User = required,
        /// The author's, without its user.
        member: Option<Box<Member>> = optional,
        content: CompactString = loose_default,
        timestamp: Timestamp = required,
        edited_timestamp: Option<Timestamp> = loose_nullable,
        tts: bool = loose_default,
        mention_everyone: bool = loose_default,
        mentions: Vec<Mention> = default,
        mention_roles: Vec<Id<Role>> = loose_default,
        mention_channels: Vec<ChannelMention> = sparse,
        attachments: Vec<Attachment> = default,
        embeds: Vec<Embed> = default,
        reactions: Vec<Reaction> = sparse,
        nonce: Option<Nonce> = loose,
        pinned: bool = loose_default,
        webhook_id: Option<Id<Webhook>> = loose,
        kind as "type": MessageKind = required,
        activity: Option<Box<MessageActivity>> = optional,
        application: Option<Box<Application>> = optional,
        application_id: Option<Id<Application>> = loose,
        flags: Option<MessageFlags> = optional,
        /// What a reply, forward, crosspost or pin is about.
        message_reference: Option<Box<MessageReference>> = optional,
        /// What a forward brings.
        message_snapshots: Vec<MessageSnapshot> = sparse,
        /// What a reply answers: `Null` where that was deleted, `Absent` where it was not looked
        /// up.
        referenced_message: Maybe<Box<Message>> = maybe,
        interaction_metadata: Option<Box<InteractionMetadata>> = optional,
        /// Deprecated by `interaction_metadata`.
        interaction: Option<Box<MessageInteraction>> = optional,
        /// The thread that was started from this message.
        thread: Option<Box<Channel>> = optional,
        components: Vec<Component> = sparse,
        sticker_items: Vec<StickerItem> = sparse,
        /// Deprecated by `sticker_items`.
        stickers: Vec<Sticker> = sparse,
        /// Roughly, within a thread.
        position: Option<i64> = loose,
        role_subscription_data: Option<Box<RoleSubscriptionData>> = optional,
        /// What the values of selects mean.
        resolved: Option<Box<ResolvedData>> = optional,
        poll: Option<Box<Poll>> = optional,
        call: Option<Box<MessageCall>> = optional,
        shared_client_theme: Option<Box<SharedClientTheme>> = optional,
        channel_type: Option<ChannelKind> = optional,
    }
}

object! {
    /// A mentioned user, in guilds with its membership.
    ///
    /// <https://docs.discord.com/developers/events/gateway-events#message-create>
    pub struct Mention {
        id: Id<User> = required,
        username: CompactString = required,
        discriminator: CompactString = loose_default,
        global_name: Option<CompactString> = loose_nullable,
        avatar: Option<ImageHash> = loose_nullable,
        bot: bool = loose_sparse,
        public_flags: Option<super::UserFlags> = optional,
        member: Option<Box<Member>> = optional,
        primary_guild: Option<Box<super::PrimaryGuild>> = optional,
        avatar_decoration_data: Option<Box<super::AvatarDecoration>> = optional,
        collectibles: Option<Box<super::Collectibles>> = optional,
    }
}

int_enum! {
    /// What a message is: written by someone or made by Discord.
    ///
    /// <https://docs.discord.com/developers/resources/message#message-object-message-types>
    pub enum MessageKind {
        Default = 0,
        RecipientAdd = 1,
        RecipientRemove = 2,
        Call = 3,
        ChannelNameChange = 4,
        ChannelIconChange = 5,
        ChannelPinnedMessage = 6,
        UserJoin = 7,
        GuildBoost = 8,
        GuildBoostTier1 = 9,
        GuildBoostTier2 = 10,
        GuildBoostTier3 = 11,
        ChannelFollowAdd = 12,
        GuildDiscoveryDisqualified = 14,
        GuildDiscoveryRequalified = 15,
        GuildDiscoveryGracePeriodInitialWarning = 16,
        GuildDiscoveryGracePeriodFinalWarning = 17,
        ThreadCreated = 18,
        Reply = 19,
        ChatInputCommand = 20,
        ThreadStarterMessage = 21,
        GuildInviteReminder = 22,
        ContextMenuCommand = 23,
        AutoModerationAction = 24,
        RoleSubscriptionPurchase = 25,
        InteractionPremiumUpsell = 26,
        StageStart = 27,
        StageEnd = 28,
        StageSpeaker = 29,
        StageTopic = 31,
        GuildApplicationPremiumSubscription = 32,
        GuildIncidentAlertModeEnabled = 36,
        GuildIncidentAlertModeDisabled = 37,
        GuildIncidentReportRaid = 38,
        GuildIncidentReportFalseAlarm = 39,
        PurchaseNotification = 44,
        PollResult = 46,
    }
}

flags! {
    /// What is special about a message.
    ///
    /// <https://docs.discord.com/developers/resources/message#message-object-message-flags>
    pub struct MessageFlags: number {
        /// Published to channels that follow.
        CROSSPOSTED = 0,
        /// Came from a channel that is followed.
        IS_CROSSPOST = 1,
        SUPPRESS_EMBEDS = 2,
        /// The source of a crosspost was deleted.
        SOURCE_MESSAGE_DELETED = 3,
        URGENT = 4,
        HAS_THREAD = 5,
        /// Only the one who started the interaction sees it.
        EPHEMERAL = 6,
        /// The bot is thinking.
        LOADING = 7,
        FAILED_TO_MENTION_SOME_ROLES_IN_THREAD = 8,
        SUPPRESS_NOTIFICATIONS = 12,
        IS_VOICE_MESSAGE = 13,
        /// A forward.
        HAS_SNAPSHOT = 14,
        IS_COMPONENTS_V2 = 15,
    }
}

object! {
    /// A channel that a message mentions.
    ///
    /// <https://docs.discord.com/developers/resources/message#channel-mention-object>
    pub struct ChannelMention {
        id: Id<Channel> = required,
        guild_id: Id<Guild> = required,
        kind as "type": ChannelKind = required,
        name: CompactString = loose_default,
    }
}

object! {
    /// A file that came with a message.
    ///
    /// <https://docs.discord.com/developers/resources/message#attachment-object>
    pub struct Attachment {
        id: Id<Attachment> = required,
        filename: CompactString = required,
        title: Option<CompactString> = loose,
        description: Option<CompactString> = loose,
        content_type: Option<CompactString> = loose,
        /// In bytes.
        size: u64 = loose_default,
        url: CompactString = required,
        proxy_url: CompactString = loose_default,
        height: Option<u32> = loose,
        width: Option<u32> = loose,
        /// What to show while it loads.
        placeholder: Option<CompactString> = loose,
        placeholder_version: Option<u32> = loose,
        ephemeral: Option<bool> = loose,
        duration_secs: Option<f64> = loose,
        /// Of a voice message, in base 64.
        waveform: Option<CompactString> = loose,
        flags: Option<AttachmentFlags> = optional,
        clip_participants: Vec<User> = sparse,
        clip_created_at: Option<Timestamp> = loose,
        /// What was streamed while the clip was taken.
        application: Option<Box<Application>> = optional,
    }
}

flags! {
    /// What is special about an attachment.
    ///
    /// <https://docs.discord.com/developers/resources/message#attachment-object-attachment-flags>
    pub struct AttachmentFlags: number {
        IS_CLIP = 0,
        IS_THUMBNAIL = 1,
        IS_REMIX = 2,
        IS_SPOILER = 3,
        IS_ANIMATED = 5,
    }
}

object! {
    /// A box in a message, from a bot or made of a link.
    ///
    /// <https://docs.discord.com/developers/resources/message#embed-object>
    pub struct Embed {
        title: Option<CompactString> = loose,
        kind as "type": Option<EmbedKind> = optional,
        description: Option<CompactString> = loose,
        url: Option<CompactString> = loose,
        timestamp: Option<Timestamp> = loose,
        /// 0xRRGGBB.
        color: Option<u32> = loose,
        footer: Option<Box<EmbedFooter>> = optional,
        image: Option<Box<EmbedMedia>> = optional,
        thumbnail: Option<Box<EmbedMedia>> = optional,
        video: Option<Box<EmbedMedia>> = optional,
        provider: Option<Box<EmbedProvider>> = optional,
        author: Option<Box<EmbedAuthor>> = optional,
        fields: Vec<EmbedField> = sparse,
        flags: Option<EmbedFlags> = optional,
    }
}

string_enum! {
    /// What an embed shows.
    ///
    /// <https://docs.discord.com/developers/resources/message#embed-object-embed-types>
    pub enum EmbedKind {
        /// An article of a site.
        Article = "article",
        /// A video that is shown like an animated image.
        Gifv = "gifv",
        Image = "image",
        Link = "link",
        /// How a poll ended, told in `fields`.
        PollResult = "poll_result",
        /// Made of the embed's own fields.
        Rich = "rich",
        Video = "video",
    }
}

flags! {
    /// What is special about an embed.
    ///
    /// <https://docs.discord.com/developers/resources/message#embed-object-embed-flags>
    pub struct EmbedFlags: number {
        IS_CONTENT_INVENTORY_ENTRY = 5,
    }
}

object! {
    /// What stands below an embed.
    ///
    /// <https://docs.discord.com/developers/resources/message#embed-object-embed-footer-structure>
    pub struct EmbedFooter {
        text: CompactString = loose_default,
        icon_url: Option<CompactString> = loose,
        proxy_icon_url: Option<CompactString> = loose,
    }
}

object! {
    /// An image, thumbnail or video.
    ///
    /// <https://docs.discord.com/developers/resources/message#embed-object-embed-image-structure>
    pub struct EmbedMedia {
        url: Option<CompactString> = loose,
        proxy_url: Option<CompactString> = loose,
        height: Option<u32> = loose,
        width: Option<u32> = loose,
        content_type: Option<CompactString> = loose,
        placeholder: Option<CompactString> = loose,
        placeholder_version: Option<u32> = loose,
        description: Option<CompactString> = loose,
        flags: Option<EmbedMediaFlags> = optional,
    }
}

flags! {
    /// What is special about an image or video of an embed.
    ///
    /// <https://docs.discord.com/developers/resources/message#embed-object-embed-media-flags>
    pub struct EmbedMediaFlags: number {
        IS_ANIMATED = 5,
    }
}

object! {
    /// The site that an embed is from.
    ///
    /// <https://docs.discord.com/developers/resources/message#embed-object-embed-provider-structure>
    pub struct EmbedProvider {
        name: Option<CompactString> = loose,
        url: Option<CompactString> = loose,
    }
}

object! {
    /// What stands above an embed.
    ///
    /// <https://docs.discord.com/developers/resources/message#embed-object-embed-author-structure>
    pub struct EmbedAuthor {
        name: CompactString = loose_default,
        url: Option<CompactString> = loose,
        icon_url: Option<CompactString> = loose,
        proxy_icon_url: Option<CompactString> = loose,
    }
}

object! {
    /// A titled text of an embed.
    ///
    /// <https://docs.discord.com/developers/resources/message#embed-object-embed-field-structure>
    pub struct EmbedField {
        name: CompactString = loose_default,
        value: CompactString = loose_default,
        inline: bool = loose_sparse,
    }
}

object! {
    /// How often a message was reacted to with one emoji.
    ///
    /// <https://docs.discord.com/developers/resources/message#reaction-object>
    pub struct Reaction {
        count: u32 = loose_default,
        count_details: Option<ReactionCountDetails> = optional,
        /// Whether the bot did.
        me: bool = loose_default,
        me_burst: bool = loose_default,
        emoji: PartialEmoji = required,
        /// Of super reactions, as texts.
        burst_colors: Vec<CompactString> = loose_sparse,
    }
}

object! {
    /// How many reactions were of which kind.
    ///
    /// <https://docs.discord.com/developers/resources/message#reaction-count-details-object>
    pub struct ReactionCountDetails {
        burst: u32 = loose_default,
        normal: u32 = loose_default,
    }
}

object! {
    /// What a message invites to.
    ///
    /// <https://docs.discord.com/developers/resources/message#message-object-message-activity-structure>
    pub struct MessageActivity {
        kind as "type": MessageActivityKind = required,
        party_id: Option<CompactString> = loose,
    }
}

int_enum! {
    /// How a message invites.
    ///
    /// <https://docs.discord.com/developers/resources/message#message-object-message-activity-types>
    pub enum MessageActivityKind {
        Join = 1,
        Spectate = 2,
        Listen = 3,
        JoinRequest = 5,
        StreamRequest = 6,
    }
}

object! {
    /// The message that another one is about.
    ///
    /// <https://docs.discord.com/developers/resources/message#message-reference-structure>
    pub struct MessageReference {
        /// A reply where absent.
        kind as "type": Option<MessageReferenceKind> = optional,
        message_id: Option<Id<Message>> = loose,
        channel_id: Option<Id<Channel>> = loose,
        guild_id: Option<Id<Guild>> = loose,
        fail_if_not_exists: Option<bool> = loose,
    }
}

int_enum! {
    /// How a message is about another.
    ///
    /// <https://docs.discord.com/developers/resources/message#message-reference-types>
    pub enum MessageReferenceKind {
        /// A reply.
        Default = 0,
        Forward = 1,
    }
}

object! {
    /// A message as it was when it was forwarded.
    ///
    /// <https://docs.discord.com/developers/resources/message#message-snapshot-object>
    pub struct MessageSnapshot {
        message: SnapshotMessage = required,
        /// Deprecated by the message's reference.
        guild_id: Option<Id<Guild>> = loose,
    }
}

object! {
    /// What a forward keeps of a message.
    ///
    /// <https://docs.discord.com/developers/resources/message#message-snapshot-object>
    pub struct SnapshotMessage {
        kind as "type": MessageKind = required,
        content: CompactString = loose_default,
        embeds: Vec<Embed> = default,
        attachments: Vec<Attachment> = default,
        timestamp: Timestamp = required,
        edited_timestamp: Option<Timestamp> = loose_nullable,
        flags: Option<MessageFlags> = optional,
        mentions: Vec<User> = default,
        mention_roles: Vec<Id<Role>> = loose_default,
        sticker_items: Vec<StickerItem> = sparse,
        /// Deprecated by `sticker_items`.
        stickers: Vec<Sticker> = sparse,
        components: Vec<Component> = sparse,
    }
}

object! {
    /// The interaction that a message answers.
    ///
    /// Which fields are there depends on its type.
    /// <https://docs.discord.com/developers/resources/message#message-interaction-metadata-object>
    pub struct InteractionMetadata, nests {
        id: Id<Interaction> = required,
        kind as "type": InteractionKind = required,
        user: User = required,
        authorizing_integration_owners: IntegrationOwners = default,
        /// The message that this one follows up.
        original_response_message_id: Option<Id<Message>> = loose,
        /// Whom a user command was used on.
        target_user: Option<Box<User>> = optional,
        /// What a message command was used on.
        target_message_id: Option<Id<Message>> = loose,
        /// What holds the component that was used.
        interacted_message_id: Option<Id<Message>> = loose,
        /// What opened the form.
        triggering_interaction_metadata: Option<Box<InteractionMetadata>> = optional,
    }
}

object! {
    /// The interaction that a message answers, in the old form.
    ///
    /// <https://docs.discord.com/developers/interactions/receiving-and-responding#message-interaction-object>
    pub struct MessageInteraction {
        id: Id<Interaction> = required,
        kind as "type": InteractionKind = required,
        name: CompactString = loose_default,
        user: User = required,
        member: Option<Box<Member>> = optional,
    }
}

object! {
    /// The purchase that a message tells of.
    ///
    /// <https://docs.discord.com/developers/resources/message#role-subscription-data-object>
    pub struct RoleSubscriptionData {
        role_subscription_listing_id: Id<SkuSubscriptionListing> = required,
        tier_name: CompactString = loose_default,
        total_months_subscribed: u32 = loose_default,
        is_renewal: bool = loose_default,
    }
}

object! {
    /// The call that a message tells of.
    ///
    /// <https://docs.discord.com/developers/resources/message#message-call-object>
    pub struct MessageCall {
        participants: Vec<Id<User>> = loose_default,
        ended_timestamp: Option<Timestamp> = loose,
    }
}

object! {
    /// Colours of the client that a message shares.
    ///
    /// <https://docs.discord.com/developers/resources/message#shared-client-theme-object>
    pub struct SharedClientTheme {
        /// Up to five, each as `rrggbb`.
        colors: Vec<CompactString> = loose_default,
        /// In degrees.
        gradient_angle: i64 = loose_default,
        /// How strong the colours are, in percent.
        base_mix: i64 = loose_default,
        base_theme: Option<BaseTheme> = optional,
    }
}

int_enum! {
    /// What the colours are mixed into.
    ///
    /// <https://docs.discord.com/developers/resources/message#base-theme-types>
    pub enum BaseTheme {
        Unset = 0,
        Dark = 1,
        Light = 2,
        Darker = 3,
        Midnight = 4,
    }
}

object! {
    /// A poll.
    ///
    /// <https://docs.discord.com/developers/resources/poll#poll-object>
    pub struct Poll {
        question: PollMedia = required,
        answers: Vec<PollAnswer> = default,
        /// `None` where it never ends.
        expiry: Option<Timestamp> = loose_nullable,
        allow_multiselect: bool = loose_default,
        layout_type: PollLayout = required,
        /// Absent where the results are not known.
        results: Option<PollResults> = optional,
    }
}

int_enum! {
    /// How a poll is shown.
    ///
    /// <https://docs.discord.com/developers/resources/poll#layout-type>
    pub enum PollLayout {
        Default = 1,
    }
}

object! {
    /// The text of a poll's question or answer, with its emoji.
    ///
    /// <https://docs.discord.com/developers/resources/poll#poll-media-object>
    pub struct PollMedia {
        text: Option<CompactString> = loose,
        emoji: Option<PartialEmoji> = optional,
    }
}

object! {
    /// An answer that can be voted for.
    ///
    /// <https://docs.discord.com/developers/resources/poll#poll-answer-object>
    pub struct PollAnswer {
        answer_id: i64 = loose_default,
        poll_media: PollMedia = required,
    }
}

object! {
    /// How the votes stand.
    ///
    /// <https://docs.discord.com/developers/resources/poll#poll-results-object>
    pub struct PollResults {
        is_finalized: bool = loose_default,
        answer_counts: Vec<PollAnswerCount> = default,
    }
}

object! {
    /// How often an answer was voted for.
    ///
    /// <https://docs.discord.com/developers/resources/poll#poll-results-object-poll-answer-count-object-structure>
    pub struct PollAnswerCount {
        /// The answer's.
        id: i64 = loose_default,
        count: u32 = loose_default,
        /// Whether the bot voted for it.
        me_voted: bool = loose_default,
    }
}
