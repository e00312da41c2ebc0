//! What is printed: one JSON object a line.

use std::{error::Error, io::Write as _};

use serde_json::{Value, json};
use shardstream::Notice;

/// Of each cause of an error, so much is printed.
const CAUSE_CHARS_MAX: usize = 256;

pub(crate) fn dispatch(shard: u32, name: &str, seq: Option<u64>, replayed: bool, typed: bool) {
    let mut line = json!({"shard": shard, "event": name, "seq": seq});
    if replayed {
        line["replayed"] = true.into();
    }
    if !typed {
        line["typed"] = false.into();
    }
    print(&line);
}

pub(crate) fn notice(shard: u32, notice: &Notice) {
    let mut line = json!({"shard": shard, "notice": notice.name()});
    match notice {
        Notice::Disconnected {
            cause,
            resumable,
            retry_in,
        } => {
            line["cause"] = cause.to_string().into();
            line["resumable"] = (*resumable).into();
            line["retry_in_ms"] = u64::try_from(retry_in.as_millis()).ok().into();
        }
        Notice::Gap { after, next } => {
            line["after"] = (*after).into();
            line["next"] = (*next).into();
        }
        Notice::IdentifyHeldBack { next_in } => {
            line["next_in_ms"] = u64::try_from(next_in.as_millis()).ok().into();
        }
        Notice::Resumed { replayed } => line["replayed"] = (*replayed).into(),
        Notice::SessionLost { last_seq } => line["last_seq"] = (*last_seq).into(),
        Notice::SlowConsumer { events, bytes } => {
            line["events"] = (*events).into();
            line["bytes"] = (*bytes).into();
        }
        _ => {}
    }
    print(&line);
}

/// An error with all that caused it.
pub(crate) fn error(shard: u32, problem: &dyn Error, kind: &str, fatal: bool) {
    let mut text = problem.to_string();
    let mut source = problem.source();
    while let Some(cause) = source {
        // A server may have written parts of it.
        let cause_text: String = cause.to_string().chars().take(CAUSE_CHARS_MAX).collect();
        text = format!("{text}: {cause_text}");
        source = cause.source();
    }
    print(&json!({"shard": shard, "error": text, "kind": kind, "fatal": fatal}));
}

/// What went wrong outside of the shard, which goes on.
pub(crate) fn problem(shard: u32, text: &str, kind: &str) {
    print(&json!({"shard": shard, "error": text, "kind": kind, "fatal": false}));
}

/// One line, flushed. A closed output ends the program, as for any filter.
fn print(line: &Value) {
    let mut out = std::io::stdout().lock();
    let line = ascii(&line.to_string());
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// The same JSON in printable ASCII: a name of an event can do nothing to the terminal that it is
/// printed to. Only within strings can JSON hold anything else.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ 0x20..0x7f) => text.push(byte.into()),
            _ => text.extend(["\\u".to_owned(), format!("{unit:04x}")]),
        }
    }
    text
}
