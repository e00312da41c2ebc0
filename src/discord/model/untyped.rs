//! How is JSON kept that no type was declared for? As text, written from what the back end reads.
//!
//! `RawValue` would borrow the text as it came, but only `serde_json` knows it; what is written
//! here is the same whatever back end reads.

use std::fmt::{self, Write};

use compact_str::CompactString;
use serde::{
    Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

use super::{RawJson, Scalar, scalar::Lenient};
use crate::codec::json::{self, Reader, Refused};

/// An object whose type this version does not name.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UnknownObject {
    /// The number of its type; `None` where it came without one.
    pub kind: Option<i64>,
    /// All of it, its type included.
    pub json: RawJson,
}

impl Serialize for UnknownObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

/// The fields of an object as text: each `"key":value` with a comma before all but the first.
#[derive(Debug, Default)]
pub(super) struct FieldTexts(String);

impl FieldTexts {
    /// Appends the value of `key` that comes next.
    pub(super) fn read<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        map.next_value_seed(self.value_of(key))
    }

    /// Appends the value of `key` that comes next.
    pub(super) fn take(&mut self, key: &str, json: &mut Reader<'_>) -> Result<(), Refused> {
        self.begin(key);
        written(&mut self.0, json)
    }

    /// Appends a value that was read already.
    pub(super) fn put(&mut self, key: &str, value: &impl Serialize) {
        self.begin(key);
        put(&mut self.0, value);
    }

    /// Appends fields.
    pub(super) fn append(&mut self, more: &Self) {
        if !more.0.is_empty() {
            self.separate();
            self.0.push_str(&more.0);
        }
    }

    /// Where to write the value of a field to.
    pub(super) fn value_of(&mut self, key: &str) -> Text<'_> {
        self.begin(key);
        Text(&mut self.0)
    }

    fn separate(&mut self) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
    }

    fn begin(&mut self, key: &str) {
        self.separate();
        put(&mut self.0, key);
        self.0.push(':');
    }

    /// The object.
    pub(super) fn finish(self) -> RawJson {
        raw(&format!("{{{}}}", self.0))
    }
}

/// Appends the value that comes next, written anew: through serde, as it is rare.
fn written(out: &mut String, json: &mut Reader<'_>) -> Result<(), Refused> {
    let mut value = serde_json::Deserializer::from_str(json.raw()?);
    Text(out).deserialize(&mut value).map_err(|_| Refused)
}

fn raw(text: &str) -> RawJson {
    serde_json::from_str(text).expect("what was written here is JSON")
}

fn put(out: &mut String, value: &(impl Serialize + ?Sized)) {
    let mut bytes = Vec::new();
    json::write(&value, &mut bytes);
    out.push_str(&String::from_utf8_lossy(&bytes));
}

/// A value of any type: a scalar, or a list or object as text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Untyped {
    Scalar(Scalar),
    Json(RawJson),
}

impl Serialize for Untyped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(scalar) => scalar.serialize(serializer),
            Self::Json(json) => json.serialize(serializer),
        }
    }
}

impl Lenient for Untyped {
    const OF_LIST: bool = true;
    const OF_OBJECT: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        Scalar::from_text(text).map(Self::Scalar)
    }

    fn from_bool(value: bool) -> Option<Self> {
        Scalar::from_bool(value).map(Self::Scalar)
    }

    fn from_integer(number: i128) -> Option<Self> {
        Scalar::from_integer(number).map(Self::Scalar)
    }

    fn from_fraction(number: f64) -> Option<Self> {
        Scalar::from_fraction(number).map(Self::Scalar)
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Option<Self>, A::Error> {
        let mut text = String::new();
        Text(&mut text).visit_seq(list)?;
        Ok(Some(Self::Json(raw(&text))))
    }

    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        let mut text = String::new();
        Text(&mut text).visit_map(object)?;
        Ok(Some(Self::Json(raw(&text))))
    }

    fn read_list(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        let mut text = String::new();
        written(&mut text, json)?;
        Ok(Some(Self::Json(raw(&text))))
    }

    fn read_object(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        Self::read_list(json)
    }
}

/// Appends the text of a value of any type. How deep it may be nested, the back end bounds.
pub(super) struct Text<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.0.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        write!(self.0, "{value}").map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        write!(self.0, "{value}").map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        put(self.0, &value);
        Ok(())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        put(self.0, value);
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.0.push_str("null");
        Ok(())
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.0.push('[');
        let start = self.0.len();
        while list.next_element_seed(Text(self.0))?.is_some() {
            self.0.push(',');
        }
        close(self.0, start, ']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.push('{');
        let start = self.0.len();
        while let Some(key) = map.next_key::<CompactString>()? {
            put(self.0, key.as_str());
            self.0.push(':');
            map.next_value_seed(Text(self.0))?;
            self.0.push(',');
        }
        close(self.0, start, '}');
        Ok(())
    }
}

/// Ends a list or object that began before `start`: its last comma becomes its bracket.
fn close(out: &mut String, start: usize, bracket: char) {
    if out.len() > start {
        out.pop();
    }
    out.push(bracket);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_json_is_kept_as_the_same_json() {
        for text in [
            r#"{"a":[1,-2,1.5,true,null,"x\"\n"],"b":{},"c":[],"":{"d":[[],{"e":false}]}}"#,
            "18446744073709551615",
            r#""🚤""#,
        ] {
            let mut out = String::new();
            let mut deserializer = serde_json::Deserializer::from_str(text);
            Text(&mut out).deserialize(&mut deserializer).unwrap();
            assert_eq!(out, text);
        }
    }
}
