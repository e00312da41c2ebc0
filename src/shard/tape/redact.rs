//! What may be written down? A message without its secrets, and otherwise byte for byte.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::secret::Token;

/// Members whose texts are secrets, wherever they stand: sessions and where to resume them
/// (READY), tokens of interactions, webhooks and voice servers, the secrets of activities.
/// <https://docs.discord.com/developers/events/gateway-events>
const SECRET: &[&str] = &[
    "access_token",
    "client_secret",
    "join",
    "match",
    "refresh_token",
    "resume_gateway_url",
    "secret",
    "session_id",
    "spectate",
    "token",
];

/// A shorter text is no secret, and may be part of any word.
const SECRET_LEN_MIN: usize = 8;

/// The message in one line, each secret text replaced by what it was; `None` where it is not JSON,
/// so that nobody can tell what in it is a secret. What is in `hidden` is replaced wherever it is.
pub(super) fn redacted(text: &str, hidden: &[Token]) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        let (between, string) = rest.split_at(at);
        push_plain(&mut out, between);
        let (string, behind) = split_string(string)?;
        out.push_str(string);
        rest = behind;
        let value = behind.trim_start().strip_prefix(':').map(str::trim_start);
        let Some(value) = value else {
            continue;
        };
        let name: Cow<'_, str> = unescaped(string);
        if let Some(name) = SECRET.iter().find(|secret| **secret == name)
            && value.starts_with('"')
        {
            let (_, behind) = split_string(value)?;
            out.push_str(":\"redacted ");
            out.push_str(name);
            out.push('"');
            rest = behind;
        }
    }
    push_plain(&mut out, rest);
    let mut hit = false;
    for secret in hidden.iter().map(Token::expose) {
        if secret.len() >= SECRET_LEN_MIN && out.contains(secret) {
            out = out.replace(secret, "redacted");
            hit = true;
        }
    }
    // A session's id may be a piece of JSON, where a server wants to break the line.
    let is_json = !hit || serde_json::from_str::<IgnoredAny>(&out).is_ok();
    is_json.then_some(out)
}

/// Between texts a line break is space, and may be another.
fn push_plain(out: &mut String, text: &str) {
    let one_line = |unit| {
        if matches!(unit, '\n' | '\r') {
            ' '
        } else {
            unit
        }
    };
    out.extend(text.chars().map(one_line));
}

/// A JSON string with its quotes, and what is behind it.
fn split_string(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let inside = text.bytes().enumerate().skip(1);
    for (at, byte) in inside {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return text.split_at_checked(at + 1),
            _ => {}
        }
    }
    None
}

/// The text of a JSON string, given with its quotes.
fn unescaped(quoted: &str) -> Cow<'_, str> {
    if quoted.contains('\\') {
        serde_json::from_str(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned)
    } else {
        Cow::Borrowed(quoted.trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use super::redacted;
    use crate::secret::Token;

    #[test]
    fn secrets_are_replaced_at_any_depth_and_the_rest_is_kept_byte_for_byte() {
        for (text, written) in [
            (
                r#"{"op":0,"d":{"session_id":"CANARY","n":1.50,"a":["token","x"]}}"#,
                r#"{"op":0,"d":{"session_id":"redacted session_id","n":1.50,"a":["token","x"]}}"#,
            ),
            (
                r#"{"d":[{"x":{"token" : "CANARY"}},{"token":null},{"token":{"token":"C"}}]}"#,
                concat!(
                    r#"{"d":[{"x":{"token":"redacted token"}},{"token":null},"#,
                    r#"{"token":{"token":"redacted token"}}]}"#
                ),
            ),
            (
                r#"{"\u0074oken":"CANARY\"CANARY\\","secret":"CANARY"}"#,
                r#"{"\u0074oken":"redacted token","secret":"redacted secret"}"#,
            ),
            (
                r#"{"content":"\"token\":\"mine\" {}","token":7,"tokens":"x"}"#,
                r#"{"content":"\"token\":\"mine\" {}","token":7,"tokens":"x"}"#,
            ),
            ("{\n\t\"a\":\r\n 1 }", "{ \t\"a\":   1 }"),
            ("null", "null"),
        ] {
            assert_eq!(redacted(text, &[]).as_deref(), Some(written));
        }
    }

    #[test]
    fn known_secrets_are_replaced_wherever_a_server_repeats_them() {
        let hidden = ["CANARYbot.x", "", "d", "CANARY-1"].map(Token::from);
        let text = r#"{"id":"A:CANARY-1-7","d":{"CANARYbot.x":"why CANARYbot.x?"}}"#;
        let written = r#"{"id":"A:redacted-7","d":{"redacted":"why redacted?"}}"#;
        assert_eq!(redacted(text, &hidden).as_deref(), Some(written));
        let text = r#"{"op":0,"d":{"a":12345678}}"#;
        for breaking in ["12345678", r#":{"a":123"#, r#"{"op":0,"#] {
            assert_eq!(redacted(text, &[Token::from(breaking)]), None);
        }
    }

    #[test]
    fn what_is_not_json_is_not_written() {
        for bad in [
            "",
            "{",
            r#"{"token":"CANARY"#,
            r#"{"token":"CANARY"}x"#,
            "\"\\",
        ] {
            assert_eq!(redacted(bad, &[]), None, "{bad}");
        }
    }

    /// Goal: no shape of a message lets a secret through. Method: the result parsed, walked, and
    /// held against the original.
    #[test]
    fn by_chance_nothing_but_secrets_differs() {
        use serde_json::Value;
        fn value(chance: &mut fastrand::Rng, depth: u32) -> Value {
            match chance.u32(0..if depth > 4 { 4 } else { 7 }) {
                0 => Value::Null,
                1 => chance.u32(..).into(),
                2 => "a\"\\\n:{}".into(),
                3 => "CANARY".into(),
                4 => (0..chance.usize(..4))
                    .map(|_| value(chance, depth + 1))
                    .collect(),
                _ => {
                    let names = ["token", "session_id", "a\"", "d", "token\n"];
                    let mut member = |_| {
                        let name = *chance.choice(&names).unwrap_or(&"d");
                        (name.to_owned(), value(chance, depth + 1))
                    };
                    Value::Object((0..4).map(&mut member).collect())
                }
            }
        }
        fn hide(value: &mut Value) {
            match value {
                Value::Array(values) => values.iter_mut().for_each(hide),
                Value::Object(members) => {
                    for (name, value) in members {
                        if value.is_string() && super::SECRET.contains(&name.as_str()) {
                            *value = format!("redacted {name}").into();
                        }
                        hide(value);
                    }
                }
                _ => {}
            }
        }
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut chance = fastrand::Rng::with_seed(seed);
        for _ in 0..2000 {
            let mut value = value(&mut chance, 0);
            for text in [value.to_string(), format!("{value:#}")] {
                let written = redacted(&text, &[]).unwrap();
                assert!(!written.contains('\n'));
                hide(&mut value);
                assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
            }
        }
    }
}
