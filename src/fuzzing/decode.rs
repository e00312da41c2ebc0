//! Events, typed, of both platforms.

use std::fmt::Debug;

use serde_json::Value;

use super::input::Input;
use crate::{codec::envelope::Envelope, discord, platform::DecodeError, qq};

/// A frame, and behind a zero byte (which JSON never holds) what is changed in its `d` before it is
/// decoded. Where an event can be decoded, what it is written as is decoded to the same; and the
/// direct decoder gives what `serde_json` gives, as does simd-json.
///
/// # Panics
///
/// Where that does not hold.
pub fn event_decode(data: &[u8]) {
    let (frame, changes) = match memchr::memchr(0, data) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[][..]),
    };
    let Ok(Ok(frame)) = str::from_utf8(frame).map(Envelope::parse) else {
        return;
    };
    let Some(name) = frame.event() else {
        return;
    };
    let other = changed(frame.data(), changes);
    let data = other.as_deref().unwrap_or_else(|| frame.data());
    holds(
        data,
        |data| discord::Event::decode(&name, data),
        |event| {
            event.guild_id();
            event.data()
        },
    );
    holds(
        data,
        |data| qq::Event::decode(&name, data),
        |event| {
            event.guild_id();
            event.data()
        },
    );
}

/// What must hold of one event.
fn holds<T: Debug + PartialEq>(
    data: &str,
    decode: impl Fn(&str) -> Result<T, DecodeError>,
    write: impl Fn(&T) -> Option<String>,
) {
    #[cfg(feature = "simd-json")]
    {
        let (simd, serde) = crate::codec::json::simd::both(|| format!("{:?}", decode(data)));
        assert_eq!(simd, serde);
    }
    let (direct, serde) = crate::codec::json::direct::both(|| decode(data));
    assert_eq!(direct.as_ref().ok(), serde.as_ref().ok());
    let Ok(event) = direct else {
        return;
    };
    let written = write(&event).expect("no notice comes over the wire");
    let again = decode(&written).expect("what was written can be read");
    // NaN never comes: JSON has no word for it.
    assert_eq!(event, again, "{written}");
}

/// `data` with a value here and there replaced, three bytes a change: a text that is JSON still,
/// unlike what bytes changed by chance mostly give.
fn changed(data: &str, changes: &[u8]) -> Option<String> {
    const CHANGES_MAX: usize = 32;
    let mut changes = Input::new(changes);
    if changes.is_empty() {
        return None;
    }
    let mut value: Value = serde_json::from_str(data).ok()?;
    for _ in 0..CHANGES_MAX {
        if changes.is_empty() {
            break;
        }
        let (mut at, kind) = (usize::from(changes.u16()), changes.byte());
        let count = count(&value);
        at %= count;
        change(&mut value, &mut at, kind);
    }
    serde_json::to_string(&value).ok()
}

/// How many values there are, the outermost included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(all) => all.iter().map(count).sum(),
        Value::Object(all) => all.values().map(count).sum(),
        _ => 0,
    }
}

/// Changes the value that `at` others come before; whether it was among these.
fn change(value: &mut Value, at: &mut usize, kind: u8) -> bool {
    if *at == 0 {
        replace(value, kind);
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(all) => all.iter_mut().any(|inner| change(inner, at, kind)),
        Value::Object(all) => all.values_mut().any(|inner| change(inner, at, kind)),
        _ => false,
    }
}

fn replace(value: &mut Value, kind: u8) {
    const TEXTS: [&str; 8] = [
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\"7\"",
        "\"a_\"",
        "\"2026-01-01T00:00:00+00:00\"",
    ];
    const NUMBERS: [&str; 8] = [
        "0",
        "-1",
        "1.5",
        "4294967296",
        "18446744073709551615",
        "1e300",
        "-0.0",
        "255",
    ];
    let parse = |text: &str| serde_json::from_str(text).unwrap_or_default();
    *value = match (kind >> 4, &mut *value) {
        (0..4, _) => parse(TEXTS[usize::from(kind) % TEXTS.len()]),
        (4..8, _) => parse(NUMBERS[usize::from(kind) % NUMBERS.len()]),
        // A member or an element less, or one of these twice.
        (8..10, Value::Array(all)) => {
            all.pop();
            return;
        }
        (8..10, Value::Object(all)) => {
            let gone = all
                .keys()
                .nth(usize::from(kind & 15) % all.len().max(1))
                .cloned();
            gone.and_then(|key| all.remove(&key));
            return;
        }
        (10, Value::Array(all)) => {
            all.extend(all.last().cloned());
            return;
        }
        (11, inner) => Value::Array(vec![inner.take()]),
        (12, inner) => Value::from(inner.to_string()),
        (13, Value::Number(number)) => Value::from(number.to_string()),
        (_, Value::String(text)) => {
            text.push(char::from(kind));
            return;
        }
        (_, inner) => inner.take(),
    };
}
