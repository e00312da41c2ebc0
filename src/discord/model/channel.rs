//! Where is it said? Channels and threads.

use compact_str::CompactString;

use super::{
    AnyKind, Application, Emoji, Guild, ImageHash, Member, Message, Permissions, Presence,
    Timestamp, User,
};
use crate::id::Id;

object! {
    /// A channel or thread of any type.
    ///
    /// Which fields are there depends on the type. Where [`ChannelFlags::OBFUSCATED`] is set, the
    /// bot cannot view the channel and all but id, type and position is hidden.
    /// <https://docs.discord.com/developers/resources/channel#channel-object>
    pub struct Channel {
        id: Id<Channel> = required,
        kind as "type": ChannelKind = required,
        /// Absent in the lists of a guild.
        guild_id: Option<Id<Guild>> = loose,
        position: Option<i64> = loose,
        permission_overwrites: Vec<PermissionOverwrite> = sparse,
        name: Option<CompactString> = loose,
        topic: Option<CompactString> = loose,
        nsfw: Option<bool> = loose,
        /// The last message, or in forums the last thread; may be gone.
        last_message_id: Option<Id<Message>> = loose,
        /// In bits per second.
        bitrate: Option<u32> = loose,
        /// 0 for no limit.
        user_limit: Option<u32> = loose,
        /// In seconds.
        rate_limit_per_user: Option<u32> = loose,
        /// Who is in a direct message.
        recipients: Vec<User> = sparse,
        icon: Option<ImageHash> = loose,
        /// Who created a thread or group.
        owner_id: Option<Id<User>> = loose,
        application_id: Option<Id<Application>> = loose,
        managed: Option<bool> = loose,
        /// The category, or a thread's channel.
        parent_id: Option<Id<Channel>> = loose,
        last_pin_timestamp: Option<Timestamp> = loose,
        /// `None` for automatic.
        rtc_region: Option<CompactString> = loose,
        video_quality_mode: Option<VideoQualityMode> = optional,
        /// Messages of a thread, without deleted ones.
        message_count: Option<u32> = loose,
        /// Stops at 50.
        member_count: Option<u32> = loose,
        thread_metadata: Option<Box<ThreadMetadata>> = optional,
        /// The bot's own membership of a thread.
        member: Option<Box<ThreadMember>> = optional,
        /// In minutes.
        default_auto_archive_duration: Option<u32> = loose,
        /// Of the invoking user, with overwrites; only in interactions.
        permissions: Option<Permissions> = optional,
        /// Of the application, with overwrites; only in interactions.
        app_permissions: Option<Permissions> = optional,
        flags: Option<ChannelFlags> = optional,
        /// Messages of a thread, with deleted ones.
        total_message_sent: Option<u64> = loose,
        /// Tags that a forum offers.
        available_tags: Vec<ForumTag> = sparse,
        /// Tags of a thread in a forum.
        applied_tags: Vec<Id<ForumTag>> = loose_sparse,
        default_reaction_emoji: Option<Box<DefaultReaction>> = optional,
        /// In seconds.
        default_thread_rate_limit_per_user: Option<u32> = loose,
        default_sort_order: Option<ForumSortOrder> = optional,
        default_forum_layout: Option<ForumLayout> = optional,
        /// What happens in a voice channel; in `GUILD_CREATE`.
        status: Option<CompactString> = loose,
        /// When someone joined the empty voice channel, in seconds; in `GUILD_CREATE`.
        voice_start_time: Option<i64> = loose,
        /// Whether `THREAD_CREATE` means a new thread rather than one that the bot came into.
        newly_created: Option<bool> = loose,
    }
}

int_enum! {
    /// What a channel is.
    ///
    /// <https://docs.discord.com/developers/resources/channel#channel-object-channel-types>
    pub enum ChannelKind {
        GuildText = 0,
        Dm = 1,
        GuildVoice = 2,
        GroupDm = 3,
        GuildCategory = 4,
        GuildAnnouncement = 5,
        AnnouncementThread = 10,
        PublicThread = 11,
        PrivateThread = 12,
        GuildStageVoice = 13,
        GuildDirectory = 14,
        GuildForum = 15,
        GuildMedia = 16,
    }
}

int_enum! {
    /// The quality of cameras in a voice channel.
    ///
    /// <https://docs.discord.com/developers/resources/channel#channel-object-video-quality-modes>
    pub enum VideoQualityMode {
        Auto = 1,
        Full = 2,
    }
}

flags! {
    /// What is special about a channel.
    ///
    /// <https://docs.discord.com/developers/resources/channel#channel-object-channel-flags>
    pub struct ChannelFlags: number {
        /// The thread is pinned in its forum.
        PINNED = 1,
        /// Threads must have a tag.
        REQUIRE_TAG = 4,
        HIDE_MEDIA_DOWNLOAD_OPTIONS = 15,
        /// The bot cannot view the channel; most of what it holds is made up.
        OBFUSCATED = 17,
        /// Users must agree to see what is in it.
        IS_SPOILER_CHANNEL = 21,
    }
}

int_enum! {
    /// How a forum orders its threads.
    ///
    /// <https://docs.discord.com/developers/resources/channel#channel-object-sort-order-types>
    pub enum ForumSortOrder {
        LatestActivity = 0,
        CreationDate = 1,
    }
}

int_enum! {
    /// How a forum shows its threads.
    ///
    /// <https://docs.discord.com/developers/resources/channel#channel-object-forum-layout-types>
    pub enum ForumLayout {
        NotSet = 0,
        ListView = 1,
        GalleryView = 2,
    }
}

object! {
    /// Permissions that a channel gives or takes.
    ///
    /// <https://docs.discord.com/developers/resources/channel#overwrite-object>
    pub struct PermissionOverwrite {
        /// Of a role or a user, as the type says.
        id: Id<AnyKind> = required,
        kind as "type": OverwriteKind = required,
        allow: Permissions = default,
        deny: Permissions = default,
    }
}

int_enum! {
    /// Whom an overwrite is for.
    ///
    /// <https://docs.discord.com/developers/resources/channel#overwrite-object>
    pub enum OverwriteKind {
        Role = 0,
        Member = 1,
    }
}

object! {
    /// What only threads have.
    ///
    /// <https://docs.discord.com/developers/resources/channel#thread-metadata-object>
    pub struct ThreadMetadata {
        archived: bool = loose_default,
        /// In minutes.
        auto_archive_duration: u32 = loose_default,
        /// When the thread was last archived or unarchived.
        archive_timestamp: Option<Timestamp> = loose_nullable,
        locked: bool = loose_default,
        /// Whether others than moderators may add members; of private threads.
        invitable: Option<bool> = loose,
        /// Only of threads created after 2022-01-09.
        create_timestamp: Option<Timestamp> = loose,
    }
}

object! {
    /// A user in a thread.
    ///
    /// <https://docs.discord.com/developers/resources/channel#thread-member-object>
    pub struct ThreadMember {
        /// The thread's.
        id: Option<Id<Channel>> = loose,
        user_id: Option<Id<User>> = loose,
        join_timestamp: Timestamp = required,
        /// The user's notification settings.
        flags: u64 = loose_default,
        member: Option<Box<Member>> = optional,
        presence: Option<Box<Presence>> = optional,
    }
}

object! {
    /// A tag of a forum.
    ///
    /// <https://docs.discord.com/developers/resources/channel#forum-tag-object>
    pub struct ForumTag {
        id: Id<ForumTag> = required,
        name: CompactString = loose_default,
        /// Whether only moderators may use it.
        moderated: bool = loose_default,
        emoji_id: Option<Id<Emoji>> = loose_nullable,
        emoji_name: Option<CompactString> = loose_nullable,
    }
}

object! {
    /// The emoji that a forum offers to react with.
    ///
    /// <https://docs.discord.com/developers/resources/channel#default-reaction-object>
    pub struct DefaultReaction {
        emoji_id: Option<Id<Emoji>> = loose_nullable,
        emoji_name: Option<CompactString> = loose_nullable,
    }
}
