//! Which events does a bot want? Intents.

use bitflags::bitflags;

use crate::platform::IntentsOf;

bitflags! {
    /// Which groups of events Discord sends to the bot.
    ///
    /// Each flag lists the events that it brings. Without any intent there still come READY,
    /// RESUMED, `RATE_LIMITED`, `APPLICATION_COMMAND_PERMISSIONS_UPDATE`, `INTERACTION_CREATE`,
    /// `ENTITLEMENT_*`, `SUBSCRIPTION_*`, `USER_UPDATE`, `VOICE_SERVER_UPDATE`, the answers
    /// `GUILD_MEMBERS_CHUNK`, `SOUNDBOARD_SOUNDS` and `CHANNEL_INFO`, and `GUILD_MEMBER_UPDATE` for
    /// the bot itself. A bit that names no intent makes Discord close with 4013, which is fatal;
    /// `Intents::from_bits_retain` can set one.
    ///
    /// <https://docs.discord.com/developers/events/gateway#list-of-intents>
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Intents: u64 {
        /// `GUILD_CREATE/UPDATE/DELETE`, `GUILD_ROLE_CREATE/UPDATE/DELETE`,
        /// `CHANNEL_CREATE/UPDATE/DELETE`, `CHANNEL_PINS_UPDATE`, `THREAD_CREATE/UPDATE/DELETE`,
        /// `THREAD_LIST_SYNC`, `THREAD_MEMBER_UPDATE`, `THREAD_MEMBERS_UPDATE` (of the bot itself),
        /// `STAGE_INSTANCE_CREATE/UPDATE/DELETE`, `VOICE_CHANNEL_STATUS_UPDATE`,
        /// `VOICE_CHANNEL_START_TIME_UPDATE`.
        const GUILDS = 1 << 0;
        /// Privileged. `GUILD_MEMBER_ADD/UPDATE/REMOVE`, `THREAD_MEMBERS_UPDATE` (of everyone).
        const GUILD_MEMBERS = 1 << 1;
        /// `GUILD_AUDIT_LOG_ENTRY_CREATE`, `GUILD_BAN_ADD/REMOVE`.
        const GUILD_MODERATION = 1 << 2;
        /// `GUILD_EMOJIS_UPDATE`, `GUILD_STICKERS_UPDATE`,
        /// `GUILD_SOUNDBOARD_SOUND_CREATE/UPDATE/DELETE`, `GUILD_SOUNDBOARD_SOUNDS_UPDATE`.
        const GUILD_EXPRESSIONS = 1 << 3;
        /// `GUILD_INTEGRATIONS_UPDATE`, `INTEGRATION_CREATE/UPDATE/DELETE`.
        const GUILD_INTEGRATIONS = 1 << 4;
        /// `WEBHOOKS_UPDATE`.
        const GUILD_WEBHOOKS = 1 << 5;
        /// `INVITE_CREATE/DELETE`.
        const GUILD_INVITES = 1 << 6;
        /// `VOICE_STATE_UPDATE`, `VOICE_CHANNEL_EFFECT_SEND`.
        const GUILD_VOICE_STATES = 1 << 7;
        /// Privileged. `PRESENCE_UPDATE`.
        const GUILD_PRESENCES = 1 << 8;
        /// `MESSAGE_CREATE/UPDATE/DELETE` and `MESSAGE_DELETE_BULK` in guilds.
        const GUILD_MESSAGES = 1 << 9;
        /// `MESSAGE_REACTION_ADD/REMOVE/REMOVE_ALL/REMOVE_EMOJI` in guilds.
        const GUILD_MESSAGE_REACTIONS = 1 << 10;
        /// `TYPING_START` in guilds.
        const GUILD_MESSAGE_TYPING = 1 << 11;
        /// `MESSAGE_CREATE/UPDATE/DELETE` and `CHANNEL_PINS_UPDATE` in direct messages, and
        /// ephemeral messages anywhere.
        const DIRECT_MESSAGES = 1 << 12;
        /// `MESSAGE_REACTION_ADD/REMOVE/REMOVE_ALL/REMOVE_EMOJI` in direct messages.
        const DIRECT_MESSAGE_REACTIONS = 1 << 13;
        /// `TYPING_START` in direct messages.
        const DIRECT_MESSAGE_TYPING = 1 << 14;
        /// Privileged. No event: fills `content`, `embeds`, `attachments`, `components` and `poll`
        /// of messages that are neither the bot's own, direct, nor mention it.
        const MESSAGE_CONTENT = 1 << 15;
        /// `GUILD_SCHEDULED_EVENT_CREATE/UPDATE/DELETE/USER_ADD/USER_REMOVE`.
        const GUILD_SCHEDULED_EVENTS = 1 << 16;
        /// `AUTO_MODERATION_RULE_CREATE/UPDATE/DELETE`.
        const AUTO_MODERATION_CONFIGURATION = 1 << 20;
        /// `AUTO_MODERATION_ACTION_EXECUTION`.
        const AUTO_MODERATION_EXECUTION = 1 << 21;
        /// `MESSAGE_POLL_VOTE_ADD/REMOVE` in guilds.
        const GUILD_MESSAGE_POLLS = 1 << 24;
        /// `MESSAGE_POLL_VOTE_ADD/REMOVE` in direct messages.
        const DIRECT_MESSAGE_POLLS = 1 << 25;
    }
}

impl Intents {
    /// The intents that must be enabled in the developer portal before they may be asked for.
    pub const PRIVILEGED: Self = Self::GUILD_MEMBERS
        .union(Self::GUILD_PRESENCES)
        .union(Self::MESSAGE_CONTENT);

    /// All intents that any bot may ask for.
    ///
    /// ```
    /// use shardstream::discord::Intents;
    /// assert_eq!(Intents::non_privileged().bits(), 53_575_421);
    /// ```
    pub const fn non_privileged() -> Self {
        Self::all().difference(Self::PRIVILEGED)
    }
}

impl Default for Intents {
    /// [`Intents::non_privileged`]: what works for any bot with no visit to the portal.
    fn default() -> Self {
        Self::non_privileged()
    }
}

impl IntentsOf for Intents {
    type Platform = super::Discord;
}

#[cfg(test)]
mod tests {
    use super::Intents;

    #[test]
    fn the_sums_are_those_of_the_protocol() {
        assert_eq!(Intents::all().bits(), 53_608_447);
        assert_eq!(Intents::non_privileged().bits(), 53_575_421);
        assert_eq!(Intents::all().iter().count(), 21);
    }
}
