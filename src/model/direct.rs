//! How do small values read themselves from a text? As serde's visitors beside their types would,
//! without those.

use std::collections::BTreeMap;

use super::{
    Decimal, Maybe, Nonce, RawJson, Scalar, SecretText, Timestamp, UnixTime, scalar::Lenient,
};
use crate::{
    codec::json::{Decode, Number, Reader, Refused},
    id::Id,
};

/// Any value, as [`Loose`](super::scalar::Loose) reads it: `null`, and what `T` makes nothing of,
/// as `None`.
pub(crate) fn loose<T: Lenient>(json: &mut Reader<'_>) -> Result<Option<T>, Refused> {
    match json.peek()? {
        b'"' => T::read_text(json),
        b'n' => json.null().map(|_| None),
        b'{' => T::read_object(json),
        b'[' => T::read_list(json),
        b't' | b'f' => json.bool().map(T::from_bool),
        _ => json.number().map(from_number),
    }
}

/// What a type makes of a number.
pub(crate) fn from_number<T: Lenient>(number: Number) -> Option<T> {
    match number {
        Number::Unsigned(number) => T::from_integer(number.into()),
        Number::Negative(number) => T::from_integer(number.into()),
        Number::Fraction(number) => T::from_fraction(number),
    }
}

/// An object as a map by id. See [`ById`](super::scalar::ById).
pub(crate) fn by_id<K, V: Decode>(
    json: &mut Reader<'_>,
) -> Result<Option<BTreeMap<Id<K>, V>>, Refused> {
    if json.null()? {
        return Ok(None);
    }
    let mut entries = BTreeMap::new();
    let mut key = json.first_key();
    while let Some(name) = key {
        let id = std::str::from_utf8(name).ok().and_then(Id::from_text);
        if let Some(id) = id {
            entries.insert(id, V::decode(json)?);
        } else {
            json.skip_field(name)?;
        }
        key = json.next_key();
    }
    Ok(Some(entries))
}

/// An integer of any size, as [`AnyInteger`](super::scalar::AnyInteger) reads it.
pub(crate) fn integer(json: &mut Reader<'_>) -> Result<i64, Refused> {
    Ok(match json.number()? {
        Number::Unsigned(number) => i64::try_from(number).unwrap_or(i64::MAX),
        Number::Negative(number) => number,
        #[expect(clippy::cast_possible_truncation, reason = "saturates, which is meant")]
        Number::Fraction(number) => number as i64,
    })
}

/// A set of bits, as [`AnyBits`](super::scalar::AnyBits) reads it but for what is rare.
pub(crate) fn bits(json: &mut Reader<'_>) -> Result<u64, Refused> {
    if json.peek()? == b'"' {
        return json.quoted_number().ok_or(Refused);
    }
    match json.number()? {
        Number::Unsigned(number) => Ok(number),
        Number::Negative(_) | Number::Fraction(_) => Err(Refused),
    }
}

impl<T> Decode for Id<T> {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        bits(json).map(Self::new)
    }
}

impl Decode for Timestamp {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        json.text()?.parse().map_err(|_| Refused)
    }
}

impl<T: Decode> Decode for Maybe<T> {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        Ok(Option::decode(json)?.map_or(Self::Null, Self::Value))
    }
}

impl Decode for Scalar {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        loose(json)?.ok_or(Refused)
    }
}

impl Decode for Nonce {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        Self::of(Scalar::decode(json)?).ok_or(Refused)
    }
}

impl Decode for UnixTime {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        Self::of(&Scalar::decode(json)?).ok_or(Refused)
    }
}

impl Decode for Decimal {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        UnixTime::decode(json).map(|number| Self(number.0))
    }
}

impl Decode for SecretText {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        Decode::decode(json).map(Self)
    }
}

impl Decode for RawJson {
    fn decode(json: &mut Reader<'_>) -> Result<Self, Refused> {
        json.raw().map(|text| Self(text.into()))
    }
}
