//! The oracle is `serde_json`: what both accept, both must read alike.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

use super::{ESCAPED_KEY_LEN_MAX, Envelope, Header, NAME_LEN_MAX, Unreadable};
use crate::{codec::json, limits::JSON_DEPTH_MAX};

/// What `serde_json` reads of a frame: the last of each key, with no value looked into further
/// than what it is asked for.
#[derive(Debug, Default)]
struct Oracle {
    op: Option<u64>,
    s: Option<u64>,
    t: Option<String>,
    id: Option<String>,
    d: bool,
    /// A name is longer than is looked at.
    long: bool,
}

impl<'de> Deserialize<'de> for Oracle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Oracle;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Oracle, A::Error> {
                let mut oracle = Oracle::default();
                while let Some(key) = map.next_key::<Box<RawValue>>()? {
                    let key = key_of::<A::Error>(key.get())?;
                    let value: Box<RawValue> = map.next_value()?;
                    let value = value.get();
                    match key.as_str() {
                        "op" => oracle.op = serde_json::from_str(value).ok(),
                        "s" => oracle.s = serde_json::from_str(value).ok(),
                        "t" => oracle.t = oracle.name(value)?,
                        "id" => oracle.id = oracle.name(value)?,
                        "d" => oracle.d = true,
                        _ => {}
                    }
                }
                Ok(oracle)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// A key. A long one that is no text (half a surrogate pair is none) is JSON still, and no key of
/// ours.
fn key_of<E: Error>(raw: &str) -> Result<String, E> {
    match serde_json::from_str(raw) {
        Err(error) if raw.len() <= ESCAPED_KEY_LEN_MAX + 2 => Err(E::custom(error)),
        key => Ok(key.unwrap_or_default()),
    }
}

impl Oracle {
    fn name<E: Error>(&mut self, raw: &str) -> Result<Option<String>, E> {
        if !raw.starts_with('"') {
            return Ok(None);
        }
        self.long |= raw.len() > NAME_LEN_MAX;
        serde_json::from_str(raw).map(Some).map_err(E::custom)
    }
}

/// Holds `found` against `serde_json`. An exact header must agree in all; a header that trusted
/// the end of the text must agree in all, or have a `d` that is not JSON.
pub(crate) fn agrees(
    text: &str,
    found: Result<Header, Unreadable>,
    exact: bool,
) -> Result<(), String> {
    let oracle = serde_json::from_str::<Oracle>(text);
    let data_is_broken = found.is_ok_and(|header| {
        let data = Envelope { text, header }.data();
        header.op == 0 && serde_json::from_str::<IgnoredAny>(data).is_err()
    });
    match (oracle, found) {
        (Err(_), Err(_)) => Ok(()),
        (Err(_), Ok(_)) if data_is_broken => Ok(()),
        (Err(error), Ok(_)) => Err(format!("took what serde_json refuses: {error}")),
        (Ok(_), Ok(_)) if data_is_broken && !exact => Ok(()),
        (Ok(oracle), Ok(header)) => is_same(text, &oracle, header),
        // Limits of ours.
        (Ok(oracle), Err(_)) if oracle.long || json::depth(text) > JSON_DEPTH_MAX => Ok(()),
        (Ok(oracle), Err(_)) if oracle.op.is_some() => Err("refused a frame".to_owned()),
        (Ok(oracle), Err(Unreadable { seq })) => {
            let lost = seq != oracle.s;
            if lost {
                Err("lost the sequence".to_owned())
            } else {
                Ok(())
            }
        }
    }
}

fn is_same(text: &str, oracle: &Oracle, header: Header) -> Result<(), String> {
    let envelope = Envelope { text, header };
    // Not every JSON text is a `Value`: lone surrogates and depth are refused.
    let data_is_same = serde_json::from_str::<Value>(text).map_or(true, |whole| {
        let data: Value = serde_json::from_str(envelope.data()).unwrap_or_else(|_| "broken".into());
        whole.get("d").unwrap_or(&Value::Null) == &data
    });
    let all = [
        ("op", Some(header.op) == oracle.op),
        ("s", header.seq == oracle.s),
        ("t", envelope.event().as_deref() == oracle.t.as_deref()),
        ("id", envelope.id().as_deref() == oracle.id.as_deref()),
        ("whether d", header.data.is_some() == oracle.d),
        ("d", data_is_same),
    ];
    match all.into_iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(format!("differs in {what}: {header:?}")),
        None => Ok(()),
    }
}
