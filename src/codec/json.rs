//! How does JSON become a value, and a value JSON? The one place that knows the back end.

pub(crate) mod direct;
mod lean;
mod reader;
#[cfg(feature = "simd-json")]
pub(crate) mod simd;

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::error::Category;

pub(crate) use self::{
    direct::Decode,
    reader::{Number, Reader, Refused},
};
use crate::{limits::JSON_DEPTH_MAX, platform::DecodeError};

/// Decodes `text` into `T`.
///
/// Typed nesting deeper than [`JSON_DEPTH_MAX`] is an error; skipped fields take no stack.
pub(crate) fn decode<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(|error| explain(text, &error))
}

/// Decodes `text` by a seed, as [`decode`] does without one.
#[cfg(feature = "twilight-model")]
pub(crate) fn decode_seed<'de, S>(seed: S, text: &'de str) -> Result<S::Value, DecodeError>
where
    S: serde::de::DeserializeSeed<'de>,
{
    let mut json = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut json)
        .and_then(|value| json.end().map(|()| value))
        .map_err(|error| explain(text, &error))
}

/// Decodes `text` into a type of the user, which may name few of its fields and borrow: the same as
/// [`decode`], without an allocation for what is skipped.
pub(crate) fn decode_lean<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, DecodeError> {
    lean::decode(text).map_or_else(|| decode(text), Ok)
}

/// Decodes `text` into a built-in type: the same as [`decode`], by whatever back end is built in.
pub(crate) fn decode_owned<T: DeserializeOwned + Decode>(text: &str) -> Result<T, DecodeError> {
    #[cfg(feature = "simd-json")]
    if let Some(value) = simd::decode(text) {
        return Ok(value);
    }
    direct::decode(text).map_or_else(|| decode(text), Ok)
}

/// Holds a text that is handed on as it is to be JSON, and not nested too deep for whoever takes
/// it.
pub(crate) fn check(text: &str) -> Result<(), DecodeError> {
    let _: IgnoredAny = decode(text)?;
    if depth(text) > JSON_DEPTH_MAX {
        return Err(DecodeError {
            path: String::new(),
            problem: TOO_DEEP.to_owned(),
        });
    }
    Ok(())
}

/// How deep a JSON text is nested.
pub(crate) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => rest = behind_string(rest),
            _ => {}
        }
    }
    deepest
}

/// What follows a string, given what follows its first quote.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let escape = rest.get(at) == Some(&b'\\');
        rest = rest.get(at + 1 + usize::from(escape)..).unwrap_or_default();
        if !escape {
            break;
        }
    }
    rest
}

/// Appends `value` as JSON.
///
/// For our own types only: maps with text keys, written to memory.
pub(crate) fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("texts, numbers and lists in memory always serialize");
}

/// What a type says, as its whole message, of an object that lies too deep in others.
pub(crate) const TOO_DEEP: &str = "nested too deep";

/// Says where and what was wrong, in our words only. Only runs when decoding failed.
#[cold]
fn explain(text: &str, error: &serde_json::Error) -> DecodeError {
    DecodeError {
        path: path_at(text, offset_of(text, error)),
        problem: problem(error),
    }
}

/// How many bytes of `text` the back end had taken when it gave up.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let line_start = match error.line() {
        0 => return 0,
        1 => 0,
        line => memchr::memchr_iter(b'\n', text.as_bytes())
            .nth(line - 2)
            .map_or(text.len(), |newline| newline + 1),
    };
    (line_start + error.column()).min(text.len())
}

/// The kinds of values that the back end names in its messages.
const FOUND: &[&str] = &[
    "boolean",
    "floating point",
    "integer",
    "map",
    "null",
    "sequence",
    "string",
];

/// The message without what it quotes of the payload.
fn problem(error: &serde_json::Error) -> String {
    let message = error.to_string();
    // Added by the back end; positions say nothing to who has no payload.
    let message = message
        .rfind(" at line ")
        .map_or(message.as_str(), |at| &message[..at]);
    if error.classify() != Category::Data {
        // Syntax and end of input: all of these messages are constants of the back end.
        return message.to_owned();
    }
    // A constant, and one around a name that is a constant of the type.
    if message == TOO_DEEP || message.starts_with("missing field `") {
        return message.to_owned();
    }
    // What was found may be quoted, what was expected comes last and is the type's own text.
    let expected = message
        .rfind(", expected ")
        .map_or("another value", |at| &message[at + ", expected ".len()..]);
    let found = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))
        .and_then(|rest| FOUND.iter().find(|kind| rest.starts_with(**kind)))
        .unwrap_or(&"a value");
    format!("found {found}, expected {expected}")
}

/// One step from the top of a JSON text to a place in it.
#[derive(Clone, Copy)]
enum Step<'a> {
    /// In an object, at this key (as written); `None` before the first.
    Key(Option<&'a str>),
    /// In a list, at this index.
    Index(usize),
}

/// The path of the last value that begins before `end`, such as `embeds[1].author.name`.
///
/// Keys that do not look like a field's name are payload (ids as keys, say) and shown as `*`.
fn path_at(text: &str, end: usize) -> String {
    let bytes = text.as_bytes();
    let mut steps: Vec<Step<'_>> = Vec::new();
    // Whether the next string is a key rather than a value.
    let mut at_key = false;
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'{' | b'[' if steps.len() >= JSON_DEPTH_MAX => break,
            b'{' => {
                steps.push(Step::Key(None));
                at_key = true;
            }
            b'[' => {
                steps.push(Step::Index(0));
                at_key = false;
            }
            b'}' | b']' => {
                steps.pop();
            }
            b',' => match steps.last_mut() {
                Some(Step::Key(_)) => at_key = true,
                Some(Step::Index(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let close = string_end(bytes, at);
                if at_key && let Some(Step::Key(key)) = steps.last_mut() {
                    *key = text.get(at + 1..close);
                    at_key = false;
                }
                at = close;
            }
            _ => {}
        }
        at += 1;
    }
    show(&steps)
}

/// Where the string that opens at `open` closes, or the end of the text.
fn string_end(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn show(steps: &[Step<'_>]) -> String {
    /// No documented field has a longer name.
    const NAME_LEN_MAX: usize = 48;
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Index(index) => {
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
            }
            Step::Key(None) => {}
            Step::Key(Some(key)) => {
                if !path.is_empty() {
                    path.push('.');
                }
                let is_name = key.len() <= NAME_LEN_MAX
                    && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                path.push_str(if is_name { key } else { "*" });
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::decode;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it decodes matters")]
    struct Outer {
        id: u64,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default)]
        map: BTreeMap<String, Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it decodes matters")]
    struct Inner {
        name: String,
    }

    fn error(text: &str) -> (String, String) {
        let error = decode::<Outer>(text).unwrap_err();
        (error.path, error.problem)
    }

    #[test]
    fn a_text_that_is_handed_on_is_json_of_bounded_depth() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(super::check(&nested(super::JSON_DEPTH_MAX)).is_ok());
        assert!(super::check(&nested(super::JSON_DEPTH_MAX + 1)).is_err());
        assert!(super::check(&nested(100_000)).is_err());
        let quoted = format!(
            "[\"{}\\\"{}\",{{\"a\":1}}]",
            "[".repeat(200),
            "{".repeat(200)
        );
        assert!(
            super::check(&quoted).is_ok(),
            "what is in a string does not nest"
        );
        assert!(super::check("{\"a\":CANARY}").is_err());
    }

    #[test]
    fn an_error_names_the_field_and_what_was_wrong() {
        let cases = [
            (r#"{"id":true}"#, "id", "found boolean, expected u64"),
            (
                r#"{"x":[{},{"y":1}],"id":null}"#,
                "id",
                "found null, expected u64",
            ),
            (
                "{\n\"x\":\n1,\n\"id\": \"a\\\"b\"}",
                "id",
                "found string, expected u64",
            ),
            ("{}", "", "missing field `id`"),
            (
                r#"{"id":1,"list":[{"name":"a"},{"nam":1}]}"#,
                "list[1]",
                "missing field `name`",
            ),
            (
                r#"{"id":1,"list":[{"name":"a"},{"name":7}],"z":1}"#,
                "list[1].name",
                "found integer, expected a string",
            ),
            (
                r#"{"id":1,"map":{"81384788":{"name":[1]}}}"#,
                "map.*.name",
                "found sequence, expected a string",
            ),
            (r#"{"id":1"#, "id", "EOF while parsing an object"),
        ];
        for (text, path, problem) in cases {
            assert_eq!(error(text), (path.to_owned(), problem.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_error_holds_nothing_of_the_payload() {
        for text in [
            r#"{"id":"CANARY"}"#,
            r#"{"id":"CANARY, expected CANARY"}"#,
            r#"{"id":"CANARY at line 1 column 1"}"#,
            r#"{"id":"CANARY\" at line 1, expected \"CANARY"}"#,
            r#"{"CANARY":{"CANARY":tru}}"#,
            r#"{"CANARY":CANARY}"#,
            r#"{"id":1,"map":{"CANARY":7}}"#,
            r#"{"id":1,"list":"CANARY"}"#,
            r#"{"id":1,"list":[{"name":{"CANARY":1}}]}"#,
            r#""CANARY""#,
            "CANARY",
        ] {
            let shown = format!("{:?}", decode::<Outer>(text).unwrap_err());
            assert!(!shown.contains("CANARY"), "{shown}");
        }
    }

    #[test]
    fn typed_nesting_ends_at_the_limit_and_skipped_nesting_takes_no_stack() {
        #[derive(Debug, Deserialize)]
        struct Nest {
            #[expect(dead_code, reason = "only whether it decodes matters")]
            next: Option<Box<Self>>,
        }
        let nest = |depth: usize| "{\"next\":".repeat(depth) + "{}" + &"}".repeat(depth);
        assert!(decode::<Nest>(&nest(126)).is_ok());
        let error = decode::<Nest>(&nest(127)).unwrap_err();
        assert_eq!(error.problem, "recursion limit exceeded");
        let skipped = format!(
            "{{\"id\":1,\"x\":{}{}}}",
            "[".repeat(1 << 20),
            "]".repeat(1 << 20)
        );
        assert!(decode::<Outer>(&skipped).is_ok());
    }

    #[test]
    fn a_hostile_text_costs_its_error_no_more_than_its_own_length() {
        for text in [
            "[".repeat(1 << 20),
            format!("{{\"id\":{}", "{\"a\":".repeat(1 << 18)),
            format!("{{\"id\":1,\"{}", "\\".repeat(1 << 20)),
            format!("{{\"id\":1,\"{}\":tru", "x".repeat(1 << 20)),
        ] {
            let error = decode::<Outer>(&text).unwrap_err();
            assert!(error.path.len() < 4096, "{}", error.path.len());
        }
    }
}
