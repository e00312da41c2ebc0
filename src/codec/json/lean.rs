//! How does a type of the user read a frame without the allocator? By skipping in place.
//!
//! `serde_json` allocates once a text for what it skips as soon as that nests twice, which nearly
//! every event does; for a type that borrows five fields that is all that it would allocate. Here
//! a [`Reader`] skips. What that refuses is refused, and what is rare besides (an `f32`, integers
//! of 128 bits, payloads of enums): then `serde_json` reads anew, and its word counts. So this one
//! must never take what that refuses, nor read another value out of it; `tests` hold the two
//! against each other.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IntoDeserializer as _, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use super::reader::{Number, Reader, Refused};

/// Reads `text`, or `None` where the other reader is to be asked.
pub(super) fn decode<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    let mut reader = Reader::new(text);
    let value = T::deserialize(&mut reader).ok()?;
    reader.is_at_end().then_some(value)
}

/// That what comes next begins with one of these.
fn expect(reader: &mut Reader<'_>, first: &[u8]) -> Result<(), Refused> {
    let next = reader.peek()?;
    first.contains(&next).then_some(()).ok_or(Refused)
}

/// A text to a visitor.
fn visit_text<'de, V: Visitor<'de>>(
    reader: &mut Reader<'de>,
    visitor: V,
) -> Result<V::Value, Refused> {
    match reader.text_in_place()? {
        Some(text) => visitor.visit_borrowed_str(text),
        None => visitor.visit_string(reader.put_together()),
    }
}

/// Methods that take only what begins with these bytes, and then whatever it is.
macro_rules! only {
    ($($method:ident $first:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            expect(self, $first)?;
            self.deserialize_any(visitor)
        }
    )*};
}

/// Methods for what is rare.
macro_rules! refused {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Refused> {
            Err(Refused)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.peek()? {
            b'"' => visit_text(self, visitor),
            b'{' => Inside::of(self, b'{', b'}', |inside| visitor.visit_map(inside)),
            b'[' => Inside::of(self, b'[', b']', |inside| visitor.visit_seq(inside)),
            b't' | b'f' => visitor.visit_bool(self.bool()?),
            b'n' => self.null().and_then(|_| visitor.visit_unit()),
            _ => match self.number()? {
                Number::Unsigned(number) => visitor.visit_u64(number),
                Number::Negative(number) => visitor.visit_i64(number),
                Number::Fraction(number) => visitor.visit_f64(number),
            },
        }
    }

    only! {
        deserialize_bool b"tf"
        deserialize_i8 b"-0123456789"
        deserialize_i16 b"-0123456789"
        deserialize_i32 b"-0123456789"
        deserialize_i64 b"-0123456789"
        deserialize_u8 b"-0123456789"
        deserialize_u16 b"-0123456789"
        deserialize_u32 b"-0123456789"
        deserialize_u64 b"-0123456789"
        deserialize_f64 b"-0123456789"
        deserialize_char b"\""
        deserialize_str b"\""
        deserialize_string b"\""
        deserialize_identifier b"\""
        deserialize_unit b"n"
        deserialize_seq b"["
        deserialize_map b"{"
    }

    // A float of 32 bits is not that of 64, rounded again.
    refused! {
        deserialize_f32
        deserialize_i128
        deserialize_u128
        deserialize_bytes
        deserialize_byte_buf
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.null()? {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        match self.text_in_place()? {
            Some(name) => visitor.visit_enum(name.into_deserializer()),
            None => Err(Refused),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.skip()?;
        visitor.visit_unit()
    }
}

/// What is in a list or object.
struct Inside<'r, 'de> {
    reader: &'r mut Reader<'de>,
    close: u8,
    /// Whether more comes. The comma before it is taken, or the end.
    more: bool,
}

impl<'r, 'de> Inside<'r, 'de> {
    /// A list or object, by what `visit` makes of all that is inside.
    fn of<T>(
        reader: &'r mut Reader<'de>,
        open: u8,
        close: u8,
        visit: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let mut inside = Self {
            more: reader.begin(open, close)?,
            reader,
            close,
        };
        let value = visit(&mut inside)?;
        (!inside.more).then_some(value).ok_or(Refused)
    }
}

impl<'de> SeqAccess<'de> for Inside<'_, 'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        if !self.more {
            return Ok(None);
        }
        let item = seed.deserialize(&mut *self.reader)?;
        self.more = self.reader.goes_on(self.close)?;
        Ok(Some(item))
    }
}

impl<'de> MapAccess<'de> for Inside<'_, 'de> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        if !self.more {
            return Ok(None);
        }
        seed.deserialize(Key(&mut *self.reader)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        self.reader.eat(b':')?;
        let value = seed.deserialize(&mut *self.reader)?;
        self.more = self.reader.goes_on(self.close)?;
        Ok(value)
    }
}

/// A key: a text, and nothing that a text may stand for.
struct Key<'r, 'de>(&'r mut Reader<'de>);

impl<'de> Deserializer<'de> for Key<'_, 'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visit_text(self.0, visitor)
    }

    refused! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf
        deserialize_option deserialize_unit deserialize_seq deserialize_map
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Refused> {
        Err(Refused)
    }

    forward_to_deserialize_any! {
        char str string identifier ignored_any unit_struct tuple tuple_struct struct
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, collections::BTreeMap, fmt::Debug};

    use serde::{Deserialize, de::IgnoredAny};
    use serde_json::{Value, value::RawValue};

    use super::decode;

    #[derive(Debug, Deserialize, PartialEq)]
    enum Kind {
        One,
        #[serde(other)]
        Other,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Newtype(u8);

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Fields<'a> {
        #[serde(borrow)]
        a: Cow<'a, str>,
        b: Option<i32>,
        list: Vec<u8>,
        pair: Option<(bool, f64)>,
        small: f32,
        kind: Option<Kind>,
        new: Option<Newtype>,
        any: Value,
        by_key: BTreeMap<String, Option<Box<Self>>>,
        by_number: BTreeMap<u8, bool>,
        letter: char,
    }

    /// What this reader takes, the other takes as well, and to the same value. Whether it took it.
    fn agrees<'de, T: Deserialize<'de> + Debug + PartialEq>(text: &'de str) -> bool {
        let Some(lean) = decode::<T>(text) else {
            return false;
        };
        let full = serde_json::from_str::<T>(text);
        assert_eq!(full.ok(), Some(lean), "{text}");
        true
    }

    fn ignores(text: &str) -> bool {
        let lean = decode::<IgnoredAny>(text).is_some();
        let full = serde_json::from_str::<IgnoredAny>(text).is_ok();
        assert!(full || !lean, "{text}");
        lean
    }

    const COMMON: &[&str] = &[
        r#"{"a":"plain","b":-7,"list":[1,2,3],"pair":[true,0.5],"kind":"One","new":3}"#,
        r#" { "a" : "esc\"aped \u00e4\n" , "x" : { "y" : [ [ ] , { } , "\ud83d" , -0.1e+9 ] } } "#,
        r#"{"by_key":{"k\u0041":{"a":"in"},"n":null},"any":{"z":[1,-2,3.25,"s",null,false]}}"#,
        r#"{"b":null,"kind":"Two","letter":"x","x":[[[[[["\\"]]]]]],"y":12345678901234567890123}"#,
        "{}",
    ];

    const RARE: &[&str] = &[
        r#"{"small":0.1}"#,
        r#"{"any":-0}"#,
        r#"{"any":1e999}"#,
        r#"{"any":18446744073709551616}"#,
        r#"{"by_number":{"7":true}}"#,
        r#"{"kind":{"One":null}}"#,
        r#"["a"]"#,
        r#"{"a":"\ud83d"}"#,
    ];

    #[test]
    fn what_is_common_is_read_here() {
        for text in COMMON {
            assert!(agrees::<Fields<'_>>(text), "{text}");
            assert!(ignores(text), "{text}");
        }
        assert!(agrees::<Vec<Option<u64>>>("[1,null,18446744073709551615]"));
        assert!(agrees::<(i64, String)>("[-9223372036854775808,\"\"]"));
    }

    #[test]
    fn what_is_rare_is_left_to_the_other() {
        for text in RARE {
            assert!(!agrees::<Fields<'_>>(text), "{text}");
        }
        assert!(decode::<&RawValue>("{}").is_none());
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(!ignores(&deep));
        assert!(!agrees::<Value>(&deep));
    }

    /// Goal: nothing broken passes. Method: every text with each byte left out, doubled, or put in
    /// the place of another of those that mean something.
    #[test]
    fn what_is_taken_the_other_takes_to_the_same_value() {
        let mut taken = 0;
        for text in COMMON.iter().chain(RARE) {
            for at in 0..text.len() {
                let (head, tail) = (&text[..at], &text[at + 1..]);
                let mut variants = vec![format!("{head}{tail}"), format!("{head}{}", &text[at..])];
                variants.push(head.to_owned());
                for byte in "{}[]\",:\\0.-eEtn u\n\u{1}".chars() {
                    variants.push(format!("{head}{byte}{tail}"));
                    variants.push(format!("{head}{byte}{}", &text[at..]));
                }
                for variant in &variants {
                    taken += usize::from(agrees::<Fields<'_>>(variant));
                    taken += usize::from(agrees::<Value>(variant));
                    taken += usize::from(ignores(variant));
                }
            }
        }
        assert!(taken > 1_000, "{taken}");
    }
}
