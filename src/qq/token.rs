//! What does the token endpoint say, and for how long does a token serve?

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value};

use super::Hosts;
use crate::{codec::json, secret::Token};

/// 45 s before its end a token is not used any more. In its last 60 s the platform gives a new
/// one, and the old one stays good until its end; before that it gives the old one again.
const MARGIN: Duration = Duration::from_secs(45);
/// 1 s for which a token is used whatever is left of it: else a server that always says that
/// little is left would be asked by every shard on its own.
const FRESH_MIN: Duration = Duration::from_secs(1);
/// 2 h, the platform's own figure; a longer life is not believed.
const LIFETIME_MAX: Duration = Duration::from_hours(2);
/// IDENTIFY has 4,096 bytes in all; tokens have about a hundred.
const TOKEN_LEN_MAX: usize = 2048;
/// HTTP 401 or 403 in a row after which the endpoint is not asked again.
const FORBIDDEN_MAX: u32 = 3;

/// Below the base of the endpoint.
pub(super) const PATH: &str = "/app/getAppAccessToken";

/// Where the endpoint is for a REST base: beside the classic hosts on one of its own, else on the
/// same.
pub(super) fn base(rest_url: &str) -> &str {
    if [Hosts::Classic, Hosts::Sandbox]
        .map(Hosts::rest_url)
        .contains(&rest_url)
    {
        "https://bots.qq.com"
    } else {
        rest_url
    }
}

/// The body of the request.
pub(super) fn request(app_id: &str, secret: &Token) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        app_id: &'a str,
        client_secret: &'a str,
    }

    let mut out = Vec::new();
    let client_secret = secret.expose();
    json::write(
        &Body {
            app_id,
            client_secret,
        },
        &mut out,
    );
    out
}

/// A token, as it is sent.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) token: Token,
    /// Zero where the answer did not say.
    pub(crate) lifetime: Duration,
}

/// Why an answer has no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The platform said why.
    Code(i64),
    /// Another status than 200.
    Status(u16),
    /// Not the documented answer.
    Unreadable,
}

/// What the platform's codes mean, and whether asking again cannot help.
///
/// <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/api-use.html>
const CODES: [(i64, bool, &str); 5] = [
    (
        10004,
        true,
        "there is no such bot; check the app id on the bot's page at q.qq.com",
    ),
    (100_001, false, "too many requests"),
    (100_002, false, "an internal error of the platform"),
    (
        100_007,
        true,
        "the app id is invalid, or the bot is in an abnormal state; look at the bot's page at \
         q.qq.com",
    ),
    (
        100_016,
        true,
        "the app id or the client secret is wrong; check both on the bot's page at q.qq.com",
    ),
];

impl Problem {
    /// Whether asking again cannot help.
    pub(crate) fn is_fatal(self) -> bool {
        matches!(self, Self::Code(code) if row(code).is_some_and(|(_, fatal, _)| fatal))
    }

    /// For the user. A number is all that it holds of the answer.
    pub(crate) fn message(self) -> String {
        match self {
            Self::Code(code) => {
                let meaning = row(code).map_or("a code that is not documented", |row| row.2);
                format!("no access token: the platform answered with code {code}: {meaning}")
            }
            Self::Status(status) => format!("no access token: POST {PATH}: HTTP status {status}"),
            Self::Unreadable => format!("no access token: POST {PATH}: not the documented answer"),
        }
    }
}

fn row(code: i64) -> Option<(i64, bool, &'static str)> {
    CODES.into_iter().find(|row| row.0 == code)
}

/// The token in an answer. Refusals come with status 200 and a code.
pub(crate) fn read(status: u16, body: &[u8]) -> Result<Lease, Problem> {
    // A map, because a structure could also be a list; of a key that is there twice the last
    // counts.
    let body: Option<Map<String, Value>> = serde_json::from_slice(body).ok();
    let code = body.as_ref().and_then(|body| whole(body.get("code")?));
    if let Some(refused) = code.map(Problem::Code).filter(|code| code.is_fatal()) {
        return Err(refused);
    }
    if status != 200 {
        return Err(Problem::Status(status));
    }
    let body = body.ok_or(Problem::Unreadable)?;
    match body.get("access_token") {
        Some(Value::String(token)) if is_sendable(token) => Ok(Lease {
            token: Token::new(format!("QQBot {token}")),
            lifetime: body.get("expires_in").and_then(seconds).unwrap_or_default(),
        }),
        _ => Err(code
            .filter(|code| *code != 0)
            .map_or(Problem::Unreadable, Problem::Code)),
    }
}

/// Whether it can stand in a header and in a payload.
pub(super) fn is_sendable(text: &str) -> bool {
    !text.is_empty() && text.len() <= TOKEN_LEN_MAX && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A whole number, or a text of one.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_i64(),
    }
}

/// The field's table says a number, the wire has a text.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds: f64 = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    let believed = seconds.clamp(0.0, LIFETIME_MAX.as_secs_f64());
    Duration::try_from_secs_f64(believed).ok()
}

/// What is kept between requests.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// Until when it serves.
    held: Option<(Token, Instant)>,
    forbidden: u32,
}

impl Cache {
    /// The token that serves now.
    pub(crate) fn token(&self, now: Instant) -> Option<Token> {
        let (token, until) = self.held.as_ref()?;
        (now < *until).then(|| token.clone())
    }

    /// The token was refused.
    pub(crate) fn forget(&mut self) {
        self.held = None;
    }

    /// Takes a token that was asked for at `asked_at`; it is as old as that. Gives for how long it
    /// serves.
    pub(crate) fn store(&mut self, asked_at: Instant, lease: &Lease) -> Duration {
        self.forbidden = 0;
        let minimum = FRESH_MIN.min(lease.lifetime / 2);
        let fresh_for = lease.lifetime.saturating_sub(MARGIN).max(minimum);
        self.held = Some((lease.token.clone(), asked_at + fresh_for));
        fresh_for
    }

    /// Takes a failure, of which `status` was answered; `true` where asking again cannot help.
    pub(crate) fn fail(&mut self, status: Option<u16>) -> bool {
        if matches!(status, Some(401 | 403)) {
            self.forbidden += 1;
        } else {
            self.forbidden = 0;
        }
        self.forbidden >= FORBIDDEN_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(body: &str) -> Duration {
        read(200, body.as_bytes()).unwrap().lifetime
    }

    #[test]
    fn the_request_names_app_and_secret_and_nothing_else() {
        let body = request("1\"2", &Token::from("s\\"));
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"appId":"1\"2","clientSecret":"s\\"}"#
        );
    }

    #[test]
    fn an_answer_is_an_object_whose_last_word_counts() {
        let list = read(200, br#"["ACCESS_TOKEN", "7200", 0]"#);
        assert_eq!(list.unwrap_err(), Problem::Unreadable);
        let twice = r#"{"access_token":"A","expires_in":1,"expires_in":7200,"access_token":"B"}"#;
        let lease = read(200, twice.as_bytes()).unwrap();
        assert_eq!(lease.token.expose(), "QQBot B");
        assert_eq!(lease.lifetime, Duration::from_hours(2));
    }

    #[test]
    fn the_classic_hosts_have_an_endpoint_of_their_own_and_others_are_theirs() {
        for (rest, expected) in [
            (Hosts::Classic.rest_url(), "https://bots.qq.com"),
            (Hosts::Sandbox.rest_url(), "https://bots.qq.com"),
            (Hosts::Bot.rest_url(), "https://api.bot.qq.com"),
            ("http://127.0.0.1:9", "http://127.0.0.1:9"),
        ] {
            assert_eq!(base(rest), expected);
        }
    }

    #[test]
    fn the_lifetime_is_a_text_or_a_number_and_never_beyond_two_hours() {
        for (expires_in, seconds) in [
            ("\"7200\"", 7200.0),
            ("7200", 7200.0),
            ("\" 60 \"", 60.0),
            ("1.5", 1.5),
            ("0", 0.0),
            ("1e300", 7200.0),
            ("99999999999999999999", 7200.0),
            ("\"inf\"", 7200.0),
            ("-1", 0.0),
            ("\"nan\"", 0.0),
            ("null", 0.0),
            ("{}", 0.0),
            ("\"soon\"", 0.0),
        ] {
            let body = format!(r#"{{"expires_in":{expires_in},"access_token":"t"}}"#);
            assert_eq!(lifetime(&body), Duration::from_secs_f64(seconds), "{body}");
        }
        assert_eq!(lifetime(r#"{"access_token":"t"}"#), Duration::ZERO);
        let lease = read(200, br#"{"access_token":"t","code":0}"#).unwrap();
        assert_eq!(lease.token.expose(), "QQBot t");
    }

    #[test]
    fn refusals_are_told_apart_by_code_and_status() {
        let coded = |code: &str| format!(r#"{{"code":{code},"message":"LEAK"}}"#);
        let cases = [
            (200, coded("100016"), Problem::Code(100_016), true),
            (200, coded("\"100016\""), Problem::Code(100_016), true),
            (400, coded("100016"), Problem::Code(100_016), true),
            (200, coded("100007"), Problem::Code(100_007), true),
            (200, coded("10004"), Problem::Code(10004), true),
            (200, coded("100001"), Problem::Code(100_001), false),
            (200, coded("100002"), Problem::Code(100_002), false),
            (200, coded("7"), Problem::Code(7), false),
            (429, coded("100001"), Problem::Status(429), false),
            (500, "LEAK".to_owned(), Problem::Status(500), false),
            (302, String::new(), Problem::Status(302), false),
            (204, String::new(), Problem::Status(204), false),
            (200, coded("0"), Problem::Unreadable, false),
        ];
        for (status, body, expected, fatal) in cases {
            let problem = read(status, body.as_bytes()).unwrap_err();
            assert_eq!((problem, problem.is_fatal()), (expected, fatal), "{body}");
            assert!(!problem.message().contains("LEAK"));
        }
    }

    #[test]
    fn an_answer_of_another_shape_is_unreadable_and_never_a_token() {
        let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(TOKEN_LEN_MAX + 1));
        for body in [
            "",
            "<html>",
            "null",
            "[]",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":null}"#,
            r#"{"access_token":"a b"}"#,
            r#"{"access_token":"a\r\nHost: evil"}"#,
            r#"{"access_token":"ä"}"#,
            r#"{"access_token":"t""#,
            r#"{"access_token":"t"}{}"#,
            &long,
            &"[".repeat(60_000),
        ] {
            let problem = read(200, body.as_bytes()).unwrap_err();
            assert_eq!(
                problem,
                Problem::Unreadable,
                "{}",
                &body[..body.len().min(40)]
            );
        }
    }

    /// Goal: no token that has expired, and no request that could be spared. Method: both sides
    /// of each edge.
    #[test]
    fn a_token_serves_until_45_seconds_before_its_end() {
        let start = Instant::now();
        for (lifetime, fresh) in [
            (7200.0, 7155.0),
            (61.0, 16.0),
            (47.0, 2.0),
            (46.0, 1.0),
            (45.0, 1.0),
            (2.0, 1.0),
            (1.0, 0.5),
            (0.0, 0.0),
        ] {
            let [lifetime, fresh] = [lifetime, fresh].map(Duration::from_secs_f64);
            let mut cache = Cache::default();
            assert!(cache.token(start).is_none());
            let token = Token::from("t");
            assert_eq!(cache.store(start, &Lease { token, lifetime }), fresh);
            assert!(cache.token(start + fresh).is_none());
            if !fresh.is_zero() {
                let before = start + fresh.saturating_sub(Duration::from_nanos(1));
                assert!(cache.token(before).is_some());
                cache.forget();
                assert!(cache.token(start).is_none());
            }
        }
    }

    #[test]
    fn the_third_forbidden_answer_in_a_row_is_the_last() {
        let mut cache = Cache::default();
        let failures = [401, 403, 500, 403, 401, 403].map(|status| cache.fail(Some(status)));
        assert_eq!(failures, [false, false, false, false, false, true]);
        let (token, lifetime) = (Token::from("t"), Duration::ZERO);
        cache.store(Instant::now(), &Lease { token, lifetime });
        assert!(!cache.fail(Some(401)));
        assert!(!cache.fail(Some(401)));
        assert!(!cache.fail(None));
        assert!(!cache.fail(Some(401)));
    }
}
