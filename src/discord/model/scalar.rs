//! How are small values kept? Visitors and types for what is neither object nor list.

use std::fmt;

use compact_str::CompactString;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
};
use serde_json::value::RawValue;

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads an integer of any size; what does not fit is held to the nearest that does.
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

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        text.parse()
            .map_err(|_| E::invalid_value(Unexpected::Other("string"), &self))
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

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Integer(number) => Ok(Self::Number(number)),
            Scalar::Text(text) => Ok(Self::Text(text)),
            Scalar::Bool(_) | Scalar::Number(_) => {
                Err(de::Error::custom("neither a text nor an integer"))
            }
        }
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

/// A text that lets whoever has it act for the bot, such as an interaction's token.
///
/// `Debug` shows nothing of it; it is serialized as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(CompactString);

impl SecretText {
    /// The secret itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Reads a text, and anything else as `None`.
pub(crate) struct Loose(pub(crate) Option<CompactString>);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Option<CompactString>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Some(text.into()))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                IgnoredAny.visit_seq(list).map(|_| None)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                IgnoredAny.visit_map(map).map(|_| None)
            }
        }
        deserializer.deserialize_any(Any).map(Self)
    }
}

/// A Unix time that clients of users set, in the unit of its field.
///
/// Read from an integer, a number with a fraction (cut) or a decimal text, because these come from
/// programs that no one checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl Serialize for UnixTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for UnixTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Integer(number) => Ok(Self(number)),
            #[expect(clippy::cast_possible_truncation, reason = "saturates, which is meant")]
            Scalar::Number(number) => Ok(Self(number as i64)),
            Scalar::Text(text) => match text.parse() {
                Ok(number) => Ok(Self(number)),
                Err(_) => Err(de::Error::custom("not a number")),
            },
            Scalar::Bool(_) => Err(de::Error::custom("not a number")),
        }
    }
}

/// An integer that is a decimal text on the wire; a plain integer is accepted too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i64);

impl Decimal {
    /// The number.
    pub const fn get(self) -> i64 {
        self.0
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
pub struct RawJson(Box<str>);

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
    fn a_loose_text_is_nothing_where_it_is_no_text() {
        assert_eq!(read::<Loose>("\"x\"").0.as_deref(), Some("x"));
        for text in ["null", "true", "1", "-1", "1.5", "[[1],{}]", "{\"a\":[{}]}"] {
            assert_eq!(read::<Loose>(text).0, None, "{text}");
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
