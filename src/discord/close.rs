//! What does a close code mean? Discord's table.

use crate::platform::{CloseAction, CloseRow};

/// Every close code that Discord documents, and 4006, which it once did.
///
/// The page says whether to reconnect; whether to resume is our rule: resume when in doubt, since
/// a refused resume costs one round trip and no identify.
/// <https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>
pub(crate) const TABLE: &[CloseRow] = &[
    CloseRow::new(4000, 4000, CloseAction::Resume, "unknown error"),
    CloseRow::new(
        4001,
        4001,
        CloseAction::Resume,
        "unknown opcode, or a payload that the opcode forbids",
    ),
    CloseRow::new(
        4002,
        4002,
        CloseAction::Resume,
        "a payload that could not be decoded or was too long",
    ),
    CloseRow::new(
        4003,
        4003,
        CloseAction::Identify,
        "not authenticated: the session was invalidated",
    ),
    CloseRow::new(
        4004,
        4004,
        CloseAction::Fatal,
        "authentication failed: the token is wrong or was reset; \
         take the current one from the developer portal",
    ),
    CloseRow::new(4005, 4005, CloseAction::Resume, "already authenticated"),
    CloseRow::new(
        4006,
        4006,
        CloseAction::Identify,
        "the session is no longer valid",
    ),
    CloseRow::new(
        4007,
        4007,
        CloseAction::Identify,
        "invalid sequence in a resume",
    ),
    CloseRow::new(
        4008,
        4008,
        CloseAction::ResumeLater,
        "rate limited: too much was sent",
    ),
    CloseRow::new(4009, 4009, CloseAction::Identify, "the session timed out"),
    CloseRow::new(
        4010,
        4010,
        CloseAction::Fatal,
        "invalid shard: the shard's number must be below the total, and a large bot's total a \
         multiple of the number that Discord assigned",
    ),
    CloseRow::new(
        4011,
        4011,
        CloseAction::Fatal,
        "sharding required: the shard would have more than 2,500 guilds; start more shards",
    ),
    CloseRow::new(
        4012,
        4012,
        CloseAction::Fatal,
        "invalid API version: Discord has ended version 10; update this library",
    ),
    CloseRow::new(
        4013,
        4013,
        CloseAction::Fatal,
        "invalid intents: a bit is set that names no intent; compare them with the documentation",
    ),
    CloseRow::new(
        4014,
        4014,
        CloseAction::Fatal,
        "disallowed intents: a privileged intent is not enabled for the bot; \
         enable it in the developer portal or leave it out",
    ),
];

#[cfg(test)]
mod tests {
    use super::TABLE;
    use crate::platform::{CloseAction, CloseRow};

    #[test]
    fn each_code_has_the_action_of_the_design() {
        let action = |code| CloseRow::find(TABLE, code).map(|row| row.action);
        for code in [4004, 4010, 4011, 4012, 4013, 4014] {
            assert_eq!(action(code), Some(CloseAction::Fatal), "{code}");
        }
        for code in [4003, 4006, 4007, 4009] {
            assert_eq!(action(code), Some(CloseAction::Identify), "{code}");
        }
        for code in [4000, 4001, 4002, 4005] {
            assert_eq!(action(code), Some(CloseAction::Resume), "{code}");
        }
        assert_eq!(action(4008), Some(CloseAction::ResumeLater));
        for code in [1000, 1006, 3999, 4015, 4999] {
            assert_eq!(action(code), None, "{code}");
        }
    }

    #[test]
    fn the_rows_rise_without_overlap() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].codes.1 < pair[1].codes.0, "{pair:?}");
        }
    }
}
