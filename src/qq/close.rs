//! What does a close code mean? QQ's table.

use crate::platform::{CloseAction, CloseRow};

/// Every close code that QQ documents, and those that its gateway or its own clients know beside.
///
/// The page says of each whether RESUME and IDENTIFY may follow. Undocumented are 4000, 4003, 4004
/// and 4005.
/// <https://bot.q.qq.com/wiki/develop/api-v2/openapi/error/error.html>
pub(crate) const TABLE: &[CloseRow] = &[
    CloseRow::new(4000, 4000, CloseAction::Resume, "unknown error"),
    CloseRow::new(
        4001,
        4001,
        CloseAction::Fatal,
        "invalid opcode: what was sent is not of QQ's gateway; send no raw commands to it",
    ),
    CloseRow::new(
        4002,
        4002,
        CloseAction::Fatal,
        "invalid payload: what was sent has not the form that its opcode wants; send no raw \
         commands",
    ),
    CloseRow::new(4003, 4003, CloseAction::Identify, "not authenticated"),
    CloseRow::new(
        4004,
        4004,
        CloseAction::RenewCredential,
        "the access token was refused: it has expired, or the app id or client secret is wrong",
    ),
    CloseRow::new(4005, 4005, CloseAction::Resume, "already authenticated"),
    CloseRow::new(
        4006,
        4006,
        CloseAction::Identify,
        "the session is not valid and cannot be resumed",
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
    CloseRow::new(
        4009,
        4009,
        CloseAction::ResumeNow,
        "the connection expired, as it does every half hour",
    ),
    CloseRow::new(
        4010,
        4010,
        CloseAction::Fatal,
        "invalid shard: the shard's number must be below the total",
    ),
    CloseRow::new(
        4011,
        4011,
        CloseAction::Fatal,
        "the connection would have too many guilds; start more shards, as many as the platform \
         recommends",
    ),
    CloseRow::new(
        4012,
        4012,
        CloseAction::Fatal,
        "invalid version of the gateway; update this library",
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
        "disallowed intents: the bot has no permission for one of them; apply for it on the bot's \
         page at q.qq.com or leave it out",
    ),
    CloseRow::new(4900, 4901, CloseAction::Identify, "internal error"),
    CloseRow::new(
        4902,
        4902,
        CloseAction::Identify,
        "internal error: the session could not be resumed",
    ),
    CloseRow::new(
        4903,
        4903,
        CloseAction::Identify,
        "internal error: the session could not be created",
    ),
    CloseRow::new(4904, 4913, CloseAction::Identify, "internal error"),
    CloseRow::new(
        4914,
        4914,
        CloseAction::Fatal,
        "the bot is offline and may only connect to the sandbox; publish it, or use the sandbox's \
         address",
    ),
    CloseRow::new(
        4915,
        4915,
        CloseAction::Fatal,
        "the bot was banned; ask the platform to lift the ban",
    ),
];

#[cfg(test)]
mod tests {
    use super::TABLE;
    use crate::platform::{CloseAction, CloseRow, Platform};

    #[test]
    fn each_code_has_the_action_of_the_design() {
        let action = |code| CloseRow::find(TABLE, code).map(|row| row.action);
        for code in [4001, 4002, 4010, 4011, 4012, 4013, 4014, 4914, 4915] {
            assert_eq!(action(code), Some(CloseAction::Fatal), "{code}");
        }
        for code in [4003, 4006, 4007].into_iter().chain(4900..=4913) {
            assert_eq!(action(code), Some(CloseAction::Identify), "{code}");
        }
        for code in [4000, 4005] {
            assert_eq!(action(code), Some(CloseAction::Resume), "{code}");
        }
        assert_eq!(action(4004), Some(CloseAction::RenewCredential));
        assert_eq!(action(4008), Some(CloseAction::ResumeLater));
        assert_eq!(action(4009), Some(CloseAction::ResumeNow));
        // The last two are numbers of errors inside a client, which no server sends.
        for code in [1000, 1006, 3999, 4015, 4899, 4916, 4999, 9001, 9005] {
            assert_eq!(action(code), None, "{code}");
        }
        assert_eq!(crate::qq::QQ::UNKNOWN_CLOSE, CloseAction::Identify);
    }

    #[test]
    fn the_rows_rise_without_overlap() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].codes.1 < pair[1].codes.0, "{pair:?}");
        }
    }

    #[test]
    fn a_fatal_code_says_what_to_do() {
        for row in TABLE.iter().filter(|row| row.action == CloseAction::Fatal) {
            let advised = row.meaning.contains(';') || row.meaning.contains("must");
            assert!(advised, "{row:?}");
        }
    }
}
