//! How does a type of the user read a frame without the allocator? By skipping in place.
//!
//! `serde_json` allocates once a text for what it skips as soon as that nests twice, which nearly
//! every event does; for a type that borrows five fields that is all that it would allocate. This
//! reader knows the common part of JSON and refuses the rest, be it broken or only rare (exponents
//! and fractions in an `f32`, integers beyond 64 bits, payloads of enums, depth): then `serde_json`
//! reads anew, and its word counts. So this one must never take what that refuses, nor read another
//! value out of it; `tests` hold the two against each other.

use std::fmt;

use memchr::memchr2;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer as _, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

/// Typed nesting; the stack of what is skipped is a bit each.
const DEPTH_MAX: u32 = 100;

/// Reads `text`, or `None` where the other reader is to be asked.
pub(super) fn decode<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
    };
    let value = T::deserialize(&mut reader).ok()?;
    reader.space();
    (reader.at == text.len()).then_some(value)
}

/// That the other reader is to be asked. What was wrong it says itself.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }

    // Without a text being made of what is thrown away.
    fn invalid_type(_found: de::Unexpected<'_>, _expected: &dyn de::Expected) -> Self {
        Self
    }
}

struct Reader<'de> {
    text: &'de str,
    at: usize,
    depth: u32,
}

impl<'de> Reader<'de> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The first byte of what comes next.
    fn next(&mut self) -> Result<u8, Refused> {
        self.space();
        self.peek().ok_or(Refused)
    }

    fn eat(&mut self, byte: u8) -> Result<(), Refused> {
        if self.next()? != byte {
            return Err(Refused);
        }
        self.at += 1;
        Ok(())
    }

    /// That what comes next begins with one of these.
    fn expect(&mut self, first: &[u8]) -> Result<(), Refused> {
        let next = self.next()?;
        first.contains(&next).then_some(()).ok_or(Refused)
    }

    fn word(&mut self, word: &str) -> Result<(), Refused> {
        let rest = self.text.get(self.at..).ok_or(Refused)?;
        rest.starts_with(word).then_some(()).ok_or(Refused)?;
        self.at += word.len();
        Ok(())
    }

    /// A string: what is between its quotes, and whether that holds escapes, which are checked.
    fn string(&mut self) -> Result<(&'de str, bool), Refused> {
        self.eat(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut escapes = false;
        loop {
            let rest = bytes.get(self.at..).ok_or(Refused)?;
            self.at += memchr2(b'"', b'\\', rest).ok_or(Refused)?;
            if bytes.get(self.at) == Some(&b'"') {
                break;
            }
            escapes = true;
            match bytes.get(self.at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                Some(b'u') => {
                    let digits = bytes.get(self.at + 2..self.at + 6).ok_or(Refused)?;
                    let hex = digits.iter().all(u8::is_ascii_hexdigit);
                    hex.then_some(()).ok_or(Refused)?;
                    self.at += 6;
                }
                _ => return Err(Refused),
            }
        }
        let inside = self.text.get(start..self.at).ok_or(Refused)?;
        self.at += 1;
        let plain = inside.bytes().all(|byte| byte >= b' ');
        plain.then_some((inside, escapes)).ok_or(Refused)
    }

    /// A string to a visitor.
    fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Refused> {
        self.space();
        let start = self.at;
        let (inside, escapes) = self.string()?;
        if !escapes {
            return visitor.visit_borrowed_str(inside);
        }
        let quoted = self.text.get(start..self.at).ok_or(Refused)?;
        visitor.visit_string(serde_json::from_str(quoted).map_err(|_| Refused)?)
    }

    /// The text of a number, as JSON writes one.
    fn number(&mut self) -> Result<&'de str, Refused> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.peek();
        let integer = self.digits();
        if integer == 0 || (integer > 1 && first == Some(b'0')) {
            return Err(Refused);
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            (self.digits() > 0).then_some(()).ok_or(Refused)?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            (self.digits() > 0).then_some(()).ok_or(Refused)?;
        }
        self.text.get(start..self.at).ok_or(Refused)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    /// A number to a visitor. A minus before zero and what is no integer of 64 bits is refused.
    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Refused> {
        self.expect(b"-0123456789")?;
        let number = self.number()?;
        if number.starts_with("-0") {
            return Err(Refused);
        }
        if number.contains(['.', 'e', 'E']) {
            let value: f64 = number.parse().map_err(|_| Refused)?;
            value.is_finite().then_some(()).ok_or(Refused)?;
            return visitor.visit_f64(value);
        }
        if number.starts_with('-') {
            visitor.visit_i64(number.parse().map_err(|_| Refused)?)
        } else {
            visitor.visit_u64(number.parse().map_err(|_| Refused)?)
        }
    }

    /// Goes over a value of any kind, and holds it to be JSON. No recursion: a bit remembers which
    /// bracket is open.
    fn skip(&mut self) -> Result<(), Refused> {
        let mut objects = 0_u128;
        let mut depth = 0;
        loop {
            // A value, or the end of a list or object that is empty.
            let opened = match self.next()? {
                b'"' => self.string().map(|_| false)?,
                b'-' | b'0'..=b'9' => self.number().map(|_| false)?,
                b't' => self.word("true").map(|()| false)?,
                b'f' => self.word("false").map(|()| false)?,
                b'n' => self.word("null").map(|()| false)?,
                open @ (b'{' | b'[') => {
                    self.at += 1;
                    (depth < u128::BITS).then_some(()).ok_or(Refused)?;
                    depth += 1;
                    objects = objects << 1 | u128::from(open == b'{');
                    true
                }
                _ => return Err(Refused),
            };
            let mut first = opened;
            // What closes behind it.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                match self.next()? {
                    b',' if !first => self.at += 1,
                    b'}' if in_object => {
                        (self.at, objects, depth) = (self.at + 1, objects >> 1, depth - 1);
                        first = false;
                        continue;
                    }
                    b']' if !in_object => {
                        (self.at, objects, depth) = (self.at + 1, objects >> 1, depth - 1);
                        first = false;
                        continue;
                    }
                    _ if first => {}
                    _ => return Err(Refused),
                }
                if in_object {
                    self.string()?;
                    self.eat(b':')?;
                }
                break;
            }
        }
    }

    /// A list or object, by what `visit` makes of its inside.
    fn nested<T>(
        &mut self,
        open: u8,
        close: u8,
        visit: impl FnOnce(Inside<'_, 'de>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.eat(open)?;
        (self.depth < DEPTH_MAX).then_some(()).ok_or(Refused)?;
        self.depth += 1;
        let value = visit(Inside {
            reader: self,
            close,
            first: true,
        })?;
        self.depth -= 1;
        self.eat(close)?;
        Ok(value)
    }
}

/// Methods that take only what begins with these bytes, and then whatever it is.
macro_rules! only {
    ($($method:ident $first:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.expect($first)?;
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
        match self.next()? {
            b'"' => self.visit_string(visitor),
            b'{' => self.nested(b'{', b'}', |inside| visitor.visit_map(inside)),
            b'[' => self.nested(b'[', b']', |inside| visitor.visit_seq(inside)),
            b't' => self.word("true").and_then(|()| visitor.visit_bool(true)),
            b'f' => self.word("false").and_then(|()| visitor.visit_bool(false)),
            b'n' => self.word("null").and_then(|()| visitor.visit_unit()),
            _ => self.visit_number(visitor),
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
        if self.next()? == b'n' {
            self.word("null")?;
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
        match self.string()? {
            (name, false) => visitor.visit_enum(name.into_deserializer()),
            (_, true) => Err(Refused),
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
    first: bool,
}

impl Inside<'_, '_> {
    /// Whether something more comes; the comma before it is taken.
    fn more(&mut self) -> Result<bool, Refused> {
        let next = self.reader.next()?;
        if next == self.close {
            return Ok(false);
        }
        if !self.first {
            self.reader.eat(b',')?;
            // A comma before the end.
            if self.reader.next()? == self.close {
                return Err(Refused);
            }
        }
        self.first = false;
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Inside<'_, 'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        if !self.more()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> MapAccess<'de> for Inside<'_, 'de> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        if !self.more()? {
            return Ok(None);
        }
        seed.deserialize(Key(&mut *self.reader)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        self.reader.eat(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

/// A key: a text, and nothing that a text may stand for.
struct Key<'r, 'de>(&'r mut Reader<'de>);

impl<'de> Deserializer<'de> for Key<'_, 'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.0.visit_string(visitor)
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
