//! Which events does a bot want? Intents.

use bitflags::bitflags;

use crate::platform::IntentsOf;

bitflags! {
    /// Which groups of events QQ sends to the bot.
    ///
    /// Each flag lists the events that it brings; READY and RESUMED need none. Most groups need a
    /// permission: a bit that the bot may not ask for makes QQ refuse the identify (op 9 and close
    /// code 4903, or 4014), and a permission that is withdrawn later shows at the next identify.
    /// Bits without a name can be set by `Intents::from_bits_retain`.
    ///
    /// <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/event-emit.html>
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Intents: u64 {
        /// `GUILD_CREATE/UPDATE/DELETE`, `CHANNEL_CREATE/UPDATE/DELETE`.
        const GUILDS = 1 << 0;
        /// `GUILD_MEMBER_ADD/UPDATE/REMOVE`.
        const GUILD_MEMBERS = 1 << 1;
        /// Bots of the private domain only. `MESSAGE_CREATE/DELETE`: all messages of a guild's
        /// channels.
        const GUILD_MESSAGES = 1 << 9;
        /// To be applied for. `MESSAGE_REACTION_ADD/REMOVE`.
        const GUILD_MESSAGE_REACTIONS = 1 << 10;
        /// To be applied for. `DIRECT_MESSAGE_CREATE/DELETE`.
        const DIRECT_MESSAGE = 1 << 12;
        /// To be applied for, and no longer in the table of 2026. `OPEN_FORUM_THREAD_CREATE/
        /// UPDATE/DELETE`, `OPEN_FORUM_POST_CREATE/DELETE`, `OPEN_FORUM_REPLY_CREATE/DELETE`.
        const OPEN_FORUM_EVENT = 1 << 18;
        /// To be applied for, and no longer in the table of 2026.
        /// `AUDIO_OR_LIVE_CHANNEL_MEMBER_ENTER/EXIT`.
        const AUDIO_OR_LIVE_CHANNEL_MEMBER = 1 << 19;
        /// Not documented, known to QQ's own client for Go. `ENTER_AIO`.
        const ENTER_AIO = 1 << 23;
        /// Since June 2026. `GROUP_MEMBER_ADD/REMOVE`, and where the bot administrates the group
        /// `GROUP_JOIN_REQUEST`.
        const GROUP_MEMBER_EVENT = 1 << 24;
        /// To be applied for. `C2C_MESSAGE_CREATE`, `C2C_MSG_RECEIVE/REJECT`, `FRIEND_ADD/DEL`,
        /// `GROUP_AT_MESSAGE_CREATE`, `GROUP_MESSAGE_CREATE` (where the group's owner allows it),
        /// `GROUP_ADD_ROBOT`, `GROUP_DEL_ROBOT`, `GROUP_MSG_RECEIVE/REJECT`,
        /// `SUBSCRIBE_MESSAGE_STATUS`.
        const GROUP_AND_C2C_EVENT = 1 << 25;
        /// To be applied for. `INTERACTION_CREATE`.
        const INTERACTION = 1 << 26;
        /// To be applied for. `MESSAGE_AUDIT_PASS/REJECT`.
        const MESSAGE_AUDIT = 1 << 27;
        /// Bots of the private domain only. `FORUM_THREAD_CREATE/UPDATE/DELETE`,
        /// `FORUM_POST_CREATE/DELETE`, `FORUM_REPLY_CREATE/DELETE`, `FORUM_PUBLISH_AUDIT_RESULT`.
        const FORUMS_EVENT = 1 << 28;
        /// To be applied for. `AUDIO_START`, `AUDIO_FINISH`, `AUDIO_ON_MIC`, `AUDIO_OFF_MIC`.
        const AUDIO_ACTION = 1 << 29;
        /// `AT_MESSAGE_CREATE`, `PUBLIC_MESSAGE_DELETE`: the messages of a guild's channels that
        /// mention the bot.
        const PUBLIC_GUILD_MESSAGES = 1 << 30;
    }
}

impl Intents {
    /// The intents that every bot may ask for: all others need a permission.
    ///
    /// ```
    /// use shardstream::qq::Intents;
    /// assert_eq!(Intents::non_privileged().bits(), 1_073_741_827);
    /// assert!(!Intents::non_privileged().contains(Intents::GROUP_AND_C2C_EVENT));
    /// ```
    pub const fn non_privileged() -> Self {
        Self::GUILDS
            .union(Self::GUILD_MEMBERS)
            .union(Self::PUBLIC_GUILD_MESSAGES)
    }
}

impl Default for Intents {
    /// [`Intents::non_privileged`]: what works for any bot with no permission.
    fn default() -> Self {
        Self::non_privileged()
    }
}

impl IntentsOf for Intents {
    type Platform = super::QQ;
}

#[cfg(test)]
mod tests {
    use super::Intents;

    #[test]
    fn the_bits_are_those_of_the_protocol() {
        let bits: Vec<_> = Intents::all()
            .iter()
            .map(|intent| intent.bits().trailing_zeros())
            .collect();
        assert_eq!(
            bits,
            [0, 1, 9, 10, 12, 18, 19, 23, 24, 25, 26, 27, 28, 29, 30]
        );
        assert_eq!(Intents::default().bits(), 1 | 1 << 1 | 1 << 30);
    }

    #[test]
    fn a_bit_without_a_name_is_kept() {
        assert_eq!(Intents::from_bits_retain(1 << 40).bits(), 1 << 40);
    }
}
