//! How are small values kept? Visitors and types for what is neither object nor list.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use compact_str::CompactString;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
};
use serde_json::value::RawValue;

use super::{Timestamp, direct::loose};
use crate::{
    codec::json::{Reader, Refused},
    id::{Id, ShardId},
};

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads an integer of any size; what does not fit is held to the nearest that does, and a fraction
/// is cut.
pub(crate) struct AnyInteger;

impl Visitor<'_> for AnyInteger {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<i64, E> {
        Ok(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<i64, E> {
        #[expect(clippy::cast_possible_truncation, reason = "saturates, which is meant")]
        Ok(value as i64)
    }
}

/// Reads a set of bits from a number or a decimal text.
pub(crate) struct AnyBits;

impl Visitor<'_> for AnyBits {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bits: a decimal string or an integer")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<u64, E> {
        // A peer that keeps sets in signed integers writes the top bit as a sign.
        Ok(value.cast_unsigned())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<u64, E> {
        // Beyond 2^63, which no peer can have meant bit by bit.
        #[expect(clippy::cast_possible_truncation, reason = "saturates, which is meant")]
        #[expect(clippy::cast_sign_loss, reason = "saturates, which is meant")]
        Ok(value as u64)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        // Sets in texts have no end: of a longer one the lowest 64 bits are kept.
        let digits = text.bytes().map(|digit| digit.wrapping_sub(b'0'));
        if text.is_empty() || digits.clone().any(|digit| digit > 9) {
            return Err(E::invalid_value(Unexpected::Other("string"), &self));
        }
        Ok(digits.fold(0, |bits: u64, digit| {
            bits.wrapping_mul(10).wrapping_add(u64::from(digit))
        }))
    }
}

/// A field whose absence and whose `null` mean different things.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a JSON field has no fourth state")]
pub enum Maybe<T> {
    /// The field was not there.
    #[default]
    Absent,
    /// The field was there, as `null`.
    Null,
    /// The field had a value.
    Value(T),
}

impl<T> Maybe<T> {
    /// The value, where there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

impl<T: Serialize> Serialize for Maybe<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

/// What a bot gave a message to recognise it by: a text or an integer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "documented as one of these two")]
pub enum Nonce {
    /// An integer.
    Number(i64),
    /// A text.
    Text(CompactString),
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl Nonce {
    pub(super) fn of(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Integer(number) => Some(Self::Number(number)),
            Scalar::Text(text) => Some(Self::Text(text)),
            Scalar::Bool(_) | Scalar::Number(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(Scalar::deserialize(deserializer)?)
            .ok_or_else(|| de::Error::custom("neither a text nor an integer"))
    }
}

/// A value that may be any of JSON's scalars, such as what a user entered for a command's option.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "JSON has no other scalars")]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A number without a fraction.
    Integer(i64),
    /// A number with a fraction or beyond 64 bits.
    Number(f64),
    /// A text.
    Text(CompactString),
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;
        impl Visitor<'_> for AnyScalar {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number or a boolean")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
                #[expect(clippy::cast_precision_loss, reason = "as JavaScript peers read it")]
                Ok(i64::try_from(value).map_or(Scalar::Number(value as f64), Scalar::Integer))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Number(value))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.into()))
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}

impl Lenient for Scalar {
    fn from_text(text: &str) -> Option<Self> {
        Some(Self::Text(text.into()))
    }

    fn from_bool(value: bool) -> Option<Self> {
        Some(Self::Bool(value))
    }

    fn from_integer(number: i128) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "as JavaScript peers read it")]
        Some(i64::try_from(number).map_or(Self::Number(number as f64), Self::Integer))
    }

    fn from_fraction(number: f64) -> Option<Self> {
        Some(Self::Number(number))
    }
}

/// A text that lets whoever has it act for the bot, such as an interaction's token or
/// the id of a session.
///
/// `Debug` shows nothing of it; it is serialized as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub(super) CompactString);

impl SecretText {
    /// The secret itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<CompactString> for SecretText {
    fn from(text: CompactString) -> Self {
        Self(text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a type makes of each of JSON's types: `None` where nothing.
pub(crate) trait Lenient: Sized {
    /// Whether it makes something of lists.
    const OF_LIST: bool = false;
    /// Whether it makes something of objects.
    const OF_OBJECT: bool = false;

    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    fn from_bool(_value: bool) -> Option<Self> {
        None
    }

    fn from_integer(_number: i128) -> Option<Self> {
        None
    }

    fn from_fraction(number: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "saturates, which is meant")]
        Self::from_integer(number as i128)
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Option<Self>, A::Error> {
        IgnoredAny.visit_seq(list).map(|_| None)
    }

    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        IgnoredAny.visit_map(object).map(|_| None)
    }

    /// [`from_text`](Self::from_text) of the text that comes next.
    fn read_text(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        json.text().map(Self::from_text)
    }

    /// [`from_list`](Self::from_list) of the list that comes next.
    fn read_list(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        json.skip().map(|()| None)
    }

    /// [`from_object`](Self::from_object) of the object that comes next.
    fn read_object(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        json.skip().map(|()| None)
    }
}

/// Reads any value: `null`, and what `T` makes nothing of, as `None`.
pub(crate) struct Loose<T>(pub(crate) Option<T>);

impl<'de, T: Lenient> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Lenient> Visitor<'de> for Any<T> {
            type Value = Option<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(T::from_text(text))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(T::from_bool(value))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(T::from_integer(number.into()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(T::from_integer(number.into()))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                Ok(T::from_fraction(number))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                T::from_list(list)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                T::from_object(object)
            }
        }
        deserializer.deserialize_any(Any(PhantomData)).map(Self)
    }
}

/// Reads an object as a map by id. What has another name than an id is a field that this version
/// does not know.
pub(crate) struct ById<K, V>(pub(crate) BTreeMap<Id<K>, V>);

impl<'de, K, V: Deserialize<'de>> Deserialize<'de> for ById<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);
        impl<'de, K, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
            type Value = BTreeMap<Id<K>, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of things by their ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(Loose(id)) = map.next_key()? {
                    if let Some(id) = id {
                        entries.insert(id, map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries(PhantomData)).map(Self)
    }
}

impl Lenient for Nonce {
    fn from_text(text: &str) -> Option<Self> {
        Some(Self::Text(text.into()))
    }

    fn from_integer(number: i128) -> Option<Self> {
        i64::from_integer(number).map(Self::Number)
    }
}

macro_rules! lenient_integers {
    ($($integer:ident),*) => {
        $(
            /// Held to the nearest that fits; a fraction is cut.
            impl Lenient for $integer {
                fn from_integer(number: i128) -> Option<Self> {
                    let nearest = if number < 0 { Self::MIN } else { Self::MAX };
                    Some(Self::try_from(number).unwrap_or(nearest))
                }
            }
        )*
    };
}

lenient_integers!(i64, u8, u32, u64);

impl Lenient for f64 {
    fn from_integer(number: i128) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "as JavaScript peers read it")]
        Some(number as Self)
    }

    fn from_fraction(number: f64) -> Option<Self> {
        Some(number)
    }
}

impl Lenient for bool {
    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl Lenient for CompactString {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Lenient for Timestamp {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<T> Lenient for Id<T> {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::new)
    }

    fn from_integer(number: i128) -> Option<Self> {
        u64::try_from(number).ok().map(Self::new)
    }

    fn from_fraction(_number: f64) -> Option<Self> {
        None
    }

    fn read_text(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        match json.quoted_number() {
            Some(number) => Ok(Some(Self::new(number))),
            None => json.text().map(Self::from_text),
        }
    }
}

impl Lenient for ShardId {
    const OF_LIST: bool = true;

    fn read_list(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        let numbers = Vec::<u32>::read_list(json)?;
        Ok(shard_id(numbers.as_deref()))
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Option<Self>, A::Error> {
        let numbers = Vec::<u32>::from_list(list)?;
        Ok(shard_id(numbers.as_deref()))
    }
}

fn shard_id(numbers: Option<&[u32]>) -> Option<ShardId> {
    match numbers {
        Some(&[number, total]) => ShardId::new(number, total),
        _ => None,
    }
}

/// What of a list nothing can be made of is left out.
impl<T: Lenient> Lenient for Vec<T> {
    const OF_LIST: bool = true;

    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut items = Self::new();
        while let Some(Loose(item)) = list.next_element()? {
            items.extend(item);
        }
        Ok(Some(items))
    }

    fn read_list(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        json.list(loose).map(Some)
    }
}

impl<T: Lenient> Lenient for Box<T> {
    const OF_OBJECT: bool = T::OF_OBJECT;

    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        Ok(T::from_object(object)?.map(Self::new))
    }

    fn read_object(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        Ok(T::read_object(json)?.map(Self::new))
    }
}

/// A Unix time that clients of users set, in the unit of its field.
///
/// Read from an integer, a number with a fraction (cut) or a decimal text, because these come from
/// programs that no one checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub(super) i64);

impl UnixTime {
    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    pub(super) fn of(scalar: &Scalar) -> Option<Self> {
        match scalar {
            Scalar::Integer(number) => Some(Self(*number)),
            #[expect(clippy::cast_possible_truncation, reason = "saturates, which is meant")]
            Scalar::Number(number) => Some(Self(*number as i64)),
            Scalar::Text(text) => text.parse().ok().map(Self),
            Scalar::Bool(_) => None,
        }
    }
}

impl Lenient for UnixTime {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn from_integer(number: i128) -> Option<Self> {
        i64::from_integer(number).map(Self)
    }
}

impl Serialize for UnixTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for UnixTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(&Scalar::deserialize(deserializer)?)
            .ok_or_else(|| de::Error::custom("not a number"))
    }
}

/// An integer that is a decimal text on the wire; a plain integer is accepted too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(pub(super) i64);

impl Decimal {
    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl Lenient for Decimal {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn from_integer(number: i128) -> Option<Self> {
        i64::from_integer(number).map(Self)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        UnixTime::deserialize(deserializer).map(|number| Self(number.0))
    }
}

/// A part of a payload as its JSON text, valid but not looked into.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(pub(super) Box<str>);

impl RawJson {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'de, T: Deserialize<'de>>(text: &'de str) -> T {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn scalars_of_every_type_come_back_as_they_were() {
        for text in ["true", "-7", "1.5", "\"a\\\"b\"", "9223372036854775807"] {
            let scalar: Scalar = read(text);
            assert_eq!(serde_json::to_string(&scalar).unwrap(), text);
        }
        assert_eq!(
            read::<Scalar>("18446744073709551615"),
            Scalar::Number(2f64.powi(64))
        );
        for text in ["null", "[]", "{}"] {
            assert!(serde_json::from_str::<Scalar>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_nonce_is_a_text_or_an_integer() {
        assert_eq!(read::<Nonce>("\"x\""), Nonce::Text("x".into()));
        assert_eq!(read::<Nonce>("-1"), Nonce::Number(-1));
        assert!(serde_json::from_str::<Nonce>("true").is_err());
    }

    #[test]
    fn a_unix_time_is_read_from_what_programs_make_of_it() {
        for text in ["1700000000123", "1700000000123.9", "\"1700000000123\""] {
            assert_eq!(read::<UnixTime>(text).get(), 1_700_000_000_123, "{text}");
        }
        assert!(serde_json::from_str::<UnixTime>("\"soon\"").is_err());
    }

    #[test]
    fn what_is_loose_is_nothing_where_it_is_of_another_type() {
        let texts = ["null", "true", "1", "-1", "1.5", "[[1],{}]", "{\"a\":[{}]}"];
        assert_eq!(
            read::<Loose<CompactString>>("\"x\"").0.as_deref(),
            Some("x")
        );
        for text in texts {
            assert_eq!(read::<Loose<CompactString>>(text).0, None, "{text}");
        }
        assert_eq!(read::<Loose<bool>>("true").0, Some(true));
        for text in ["\"\"", "\"-1\"", "\"1a\"", "-1", "1.5", "[1]", "{}", "null"] {
            assert_eq!(read::<Loose<Id<()>>>(text).0, None, "{text}");
        }
        let list = "[\"1\",null,2,\"a\",[],{},\"3\"]";
        let ids = read::<Loose<Vec<Id<()>>>>(list).0.unwrap();
        assert_eq!(ids, [Id::new(1), Id::new(2), Id::new(3)]);
        assert_eq!(read::<Loose<Vec<Id<()>>>>("{}").0, None);
        assert_eq!(read::<Loose<Timestamp>>("\"soon\"").0, None);
    }

    #[test]
    fn a_map_by_id_skips_what_no_id_names() {
        let text = r#"{"":1,"7":2,"new":{"a":[]},"-1":3,"8":4,"7x":null}"#;
        let numbers = read::<ById<(), u32>>(text).0;
        assert_eq!(numbers, [(Id::new(7), 2), (Id::new(8), 4)].into());
        // Of what is known, the form is still asked for.
        assert!(serde_json::from_str::<ById<(), u32>>(r#"{"7":"x"}"#).is_err());
        assert!(serde_json::from_str::<ById<(), u32>>("[]").is_err());
    }

    #[test]
    fn a_loose_integer_is_held_to_what_fits() {
        for (text, number) in [
            ("-1", 0),
            ("4294967296", u32::MAX),
            ("1e30", u32::MAX),
            ("7.9", 7),
        ] {
            assert_eq!(read::<Loose<u32>>(text).0, Some(number), "{text}");
        }
        assert_eq!(read::<Loose<i64>>("18446744073709551615").0, Some(i64::MAX));
        assert_eq!(read::<Loose<u64>>("18446744073709551615").0, Some(u64::MAX));
        assert_eq!(read::<Loose<f64>>("2").0, Some(2.0));
        assert_eq!(read::<Loose<u32>>("\"7\"").0, None);
    }

    #[test]
    fn bits_beyond_64_are_cut_and_no_others() {
        struct Bits(u64);
        impl<'de> Deserialize<'de> for Bits {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(AnyBits).map(Self)
            }
        }
        for (text, bits) in [
            ("\"18446744073709551615\"", u64::MAX),
            // 2^64 + 5 and 2^100.
            ("\"18446744073709551621\"", 5),
            ("\"1267650600228229401496703205376\"", 0),
            ("9007199254740992", 1 << 53),
            ("9.007199254740992e15", 1 << 53),
            ("-1", u64::MAX),
        ] {
            assert_eq!(read::<Bits>(text).0, bits, "{text}");
        }
        for text in ["\"\"", "\"-1\"", "\"1 \"", "null", "[]"] {
            assert!(serde_json::from_str::<Bits>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_secret_text() {
        let secret: SecretText = read("\"CANARY\"");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"CANARY\"");
    }

    #[test]
    fn raw_json_keeps_its_text() {
        let text = r#"{"b":[1,{"a":null}],"a":1.50}"#;
        let raw: RawJson = read(text);
        assert_eq!(raw.as_str(), text);
        assert_eq!(serde_json::to_string(&raw).unwrap(), text);
    }
}
