//! How is a value read whose type cannot be relied on? By what it is, not by what it should be.
//!
//! QQ's documentation and its service disagree on types (a number here, the same as a text
//! there), and so do frames of different years. [`Wire`] says what a type makes of each of JSON's
//! types; what it makes nothing of is skipped and counts as absent.

use std::{fmt, marker::PhantomData};

use compact_str::CompactString;
use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, IgnoredAny, IntoDeserializer, MapAccess,
        SeqAccess, Visitor,
    },
};

use super::{Decimal, RawJson, SecretText, Timestamp, UnixTime};
use crate::{
    codec::json::{self, Number, Reader, Refused},
    id::Id,
};

/// What a type makes of the types of JSON.
pub(super) trait Wire: Sized {
    fn text(_: &str) -> Option<Self> {
        None
    }

    fn integer(_: i128) -> Option<Self> {
        None
    }

    fn bool(_: bool) -> Option<Self> {
        None
    }

    fn object<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        IgnoredAny.visit_map(map).map(|_| None)
    }

    fn list<'de, A: SeqAccess<'de>>(list: A) -> Result<Option<Self>, A::Error> {
        IgnoredAny.visit_seq(list).map(|_| None)
    }

    /// [`object`](Self::object) from the text itself.
    fn read_object(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        json.skip().map(|()| None)
    }

    /// [`list`](Self::list) from the text itself.
    fn read_list(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        json.skip().map(|()| None)
    }
}

/// The type of a field of the kind `lenient`: its default stands for what is absent or unfit.
pub(super) trait Lenient: Default {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// As `lenient`, from the text itself.
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused>;
}

/// Reads the value of a field.
pub(super) fn read<'de, T: Lenient, A: MapAccess<'de>>(map: &mut A) -> Result<T, A::Error> {
    map.next_value_seed(Seed(PhantomData))
}

/// As [`read`], from the text itself.
pub(super) fn decode<T: Lenient>(json: &mut Reader<'_>) -> Result<T, Refused> {
    T::decode(json)
}

struct Seed<T>(PhantomData<T>);

impl<'de, T: Lenient> DeserializeSeed<'de> for Seed<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::lenient(deserializer)
    }
}

impl<T: Wire> Lenient for Option<T> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }

    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        match json.peek()? {
            b'"' => json.text().map(T::text),
            b'n' => json.null().map(|_| None),
            b'{' => T::read_object(json),
            b'[' => T::read_list(json),
            b't' | b'f' => json.bool().map(T::bool),
            _ => Ok(match json.number()? {
                Number::Unsigned(number) => T::integer(number.into()),
                Number::Negative(number) => T::integer(number.into()),
                Number::Fraction(_) => None,
            }),
        }
    }
}

impl<T: Wire> Lenient for Vec<T> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::lenient(deserializer).map(Option::unwrap_or_default)
    }

    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        Option::decode(json).map(Option::unwrap_or_default)
    }
}

/// Any value that is there.
impl Lenient for Option<RawJson> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawJson::deserialize(deserializer)?;
        Ok((raw.as_str() != "null").then_some(raw))
    }

    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        json::Decode::decode(json)
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Wire> Visitor<'de> for Any<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<T>, E> {
        Ok(T::text(text))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Option<T>, E> {
        Ok(T::integer(number.into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Option<T>, E> {
        Ok(T::integer(number.into()))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Option<T>, E> {
        Ok(T::bool(value))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::object(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Option<T>, A::Error> {
        T::list(list)
    }
}

impl Wire for SecretText {
    fn text(text: &str) -> Option<Self> {
        CompactString::text(text).map(Self::from)
    }

    fn integer(number: i128) -> Option<Self> {
        CompactString::integer(number).map(Self::from)
    }
}

impl Wire for CompactString {
    fn text(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn integer(number: i128) -> Option<Self> {
        Some(compact_str::format_compact!("{number}"))
    }
}

impl Wire for i64 {
    fn text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn integer(number: i128) -> Option<Self> {
        number.try_into().ok()
    }
}

impl Wire for bool {
    fn bool(value: bool) -> Option<Self> {
        Some(value)
    }

    fn integer(number: i128) -> Option<Self> {
        match number {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T> Wire for Id<T> {
    fn text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::new)
    }

    fn integer(number: i128) -> Option<Self> {
        number.try_into().ok().map(Self::new)
    }
}

impl Wire for Timestamp {
    fn text(text: &str) -> Option<Self> {
        // Without an offset nobody knows whose time it is: the platform's is not UTC.
        let parsed = has_offset(text).then(|| text.parse().ok());
        parsed
            .flatten()
            .or_else(|| printed_by_go(text))
            .or_else(|| Self::integer(text.parse().ok()?))
    }

    /// Unix seconds.
    fn integer(number: i128) -> Option<Self> {
        let secs = i64::try_from(number).ok()?;
        secs.checked_mul(1_000_000).map(Self::from_micros)
    }
}

/// Whether a time is followed by its offset: `Z`, or a sign after the date's own dashes.
fn has_offset(text: &str) -> bool {
    let time = text.get("2023-11-06".len()..).unwrap_or_default();
    time.contains(['Z', 'z', '+', '-'])
}

/// `2023-11-06 13:37:18.195905 +0800 CST m=+0.1`: date, time, offset, and what does not matter.
fn printed_by_go(text: &str) -> Option<Timestamp> {
    let mut words = text.split(' ');
    let (date, time, offset) = (words.next()?, words.next()?, words.next()?);
    format!("{date}T{time}{offset}").parse().ok()
}

impl Wire for UnixTime {
    fn text(text: &str) -> Option<Self> {
        of_integer(Timestamp::text(text)?.secs())
    }

    fn integer(number: i128) -> Option<Self> {
        of_integer(number.try_into().ok()?)
    }
}

impl Wire for Decimal {
    fn text(text: &str) -> Option<Self> {
        of_integer(text.parse().ok()?)
    }

    fn integer(number: i128) -> Option<Self> {
        of_integer(number.try_into().ok()?)
    }
}

fn of_integer<T: DeserializeOwned>(number: i64) -> Option<T> {
    T::deserialize(IntoDeserializer::<de::value::Error>::into_deserializer(
        number,
    ))
    .ok()
}

impl<T: Wire> Wire for Box<T> {
    fn object<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(T::object(map)?.map(Self::new))
    }

    fn read_object(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        Ok(T::read_object(json)?.map(Self::new))
    }
}

/// Items that do not fit are left out.
impl<T: Wire> Wire for Vec<T> {
    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut items = Self::new();
        while let Some(item) = list.next_element_seed(Seed::<Option<T>>(PhantomData))? {
            items.extend(item);
        }
        Ok(Some(items))
    }

    fn read_list(json: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        json.list(Option::<T>::decode).map(Some)
    }
}

/// Objects that `object!` declared.
macro_rules! objects {
    ($($name:ident),* $(,)?) => {$(
        impl super::lenient::Wire for $name {
            fn object<'de, A: serde::de::MapAccess<'de>>(
                map: A,
            ) -> Result<Option<Self>, A::Error> {
                let deserializer = serde::de::value::MapAccessDeserializer::new(map);
                serde::Deserialize::deserialize(deserializer).map(Some)
            }

            fn read_object(
                json: &mut $crate::codec::json::Reader<'_>,
            ) -> Result<Option<Self>, $crate::codec::json::Refused> {
                $crate::codec::json::Decode::decode(json).map(Some)
            }
        }
    )*};
}

/// Enumerations that `int_enum!` declared.
macro_rules! numbers {
    ($($name:ident),* $(,)?) => {$(
        impl super::lenient::Wire for $name {
            fn text(text: &str) -> Option<Self> {
                text.parse().ok().map(i64::into)
            }

            fn integer(number: i128) -> Option<Self> {
                i64::try_from(number).ok().map(i64::into)
            }
        }
    )*};
}

/// Enumerations that `string_enum!` declared.
macro_rules! texts {
    ($($name:ident),* $(,)?) => {$(
        impl super::lenient::Wire for $name {
            fn text(text: &str) -> Option<Self> {
                Some(text.into())
            }
        }
    )*};
}

pub(super) use {numbers, objects, texts};

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    struct Read<T>(T);

    impl<'de, T: Lenient> Deserialize<'de> for Read<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            T::lenient(deserializer).map(Self)
        }
    }

    #[track_caller]
    fn reads<T: Lenient + Debug + PartialEq>(text: &str, expected: &T) {
        let Read(value) = serde_json::from_str::<Read<T>>(text).unwrap();
        assert_eq!(&value, expected, "{text}");
    }

    #[test]
    fn numbers_and_texts_stand_for_each_other() {
        reads("\"7\"", &Some(7_i64));
        reads("-7", &Some(-7_i64));
        reads::<Option<i64>>("18446744073709551615", &None);
        reads("18446744073709551615", &Some(Id::<()>::new(u64::MAX)));
        reads("\"18446744073709551615\"", &Some(Id::<()>::new(u64::MAX)));
        reads("12", &Some(CompactString::from("12")));
        reads("\"\\u00e9\"", &Some(CompactString::from("\u{e9}")));
        reads("1", &Some(true));
        reads("false", &Some(false));
    }

    #[test]
    fn what_does_not_fit_counts_as_absent() {
        for text in ["null", "[[1],{}]", "{\"a\":[{}]}", "1.5"] {
            reads::<Option<i64>>(text, &None);
            reads::<Option<CompactString>>(text, &None);
            reads::<Option<Id<()>>>(text, &None);
            reads::<Option<Timestamp>>(text, &None);
        }
        for text in ["\"\"", "\"-1\"", "\"x\"", "-1", "true"] {
            reads::<Option<Id<()>>>(text, &None);
            reads::<Option<bool>>(text, &(text == "true").then_some(true));
        }
        for text in ["null", "1", "\"x\"", "true", "{}"] {
            reads::<Vec<i64>>(text, &vec![]);
        }
        reads("[1,null,\"2\",{},[3]]", &vec![1_i64, 2]);
    }

    #[test]
    fn a_time_is_read_from_every_form_that_was_seen() {
        let at = Timestamp::from_micros(1_699_249_038_000_000);
        for text in [
            "\"2023-11-06T13:37:18+08:00\"",
            "\"2023-11-06T05:37:18Z\"",
            "\"2023-11-06 13:37:18 +0800 CST m=+123.456\"",
            "\"2023-11-06 13:37:18.000000 +0800 CST\"",
            "1699249038",
            "\"1699249038\"",
        ] {
            reads(text, &Some(at));
            let Read(unix) = serde_json::from_str::<Read<Option<UnixTime>>>(text).unwrap();
            assert_eq!(unix.map(UnixTime::get), Some(1_699_249_038), "{text}");
        }
        for text in [
            "\"\"",
            "\"soon\"",
            "\"2023-11-06 13:37:18\"",
            "9223372036854775807",
        ] {
            reads::<Option<Timestamp>>(text, &None);
        }
    }

    #[test]
    fn raw_json_is_any_value_but_null() {
        reads::<Option<RawJson>>("null", &None);
        for text in ["[1,{\"a\":null}]", "\"x\"", "0"] {
            let Read(raw) = serde_json::from_str::<Read<Option<RawJson>>>(text).unwrap();
            assert_eq!(raw.unwrap().as_str(), text);
        }
    }
}
