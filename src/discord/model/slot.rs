//! Where do fields wait until it is known what they are fields of? In slots.
//!
//! A field that tells the type of an object may come after the others, so all that an object of
//! any type may have is read into one struct of slots, and the object is made of these when it has
//! ended. [`tagged!`](super::macros) generates both.

use std::{fmt, marker::PhantomData};

use compact_str::CompactString;
use serde::{
    Deserializer, Serialize,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

use super::{
    AnyKind, Attachment, ButtonStyle, ChannelKind, Command, CommandOption, Component,
    ComponentDefault, ComponentGalleryItem, ComponentKind, ComponentMedia, ComponentOption, Maybe,
    Message, PartialEmoji, ResolvedData, Scalar, SeparatorSpacing, TextInputStyle, User,
    scalar::Lenient, untyped::FieldTexts,
};
use crate::{
    codec::json::{self, Number, Refused},
    id::Id,
    model::direct::{from_number, loose},
};

/// What to do with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Read it as its type, in case that it is needed; as text where it has none.
    Read,
    /// Keep it as text.
    Text,
    /// Read over it.
    Skip,
}

impl Want {
    /// What to do with a field of an object whose type has just such a field, or not.
    pub(super) const fn if_has(has: bool) -> Self {
        if has { Self::Read } else { Self::Skip }
    }
}

/// A value that the slot of several types' fields holds becomes that of one type's field.
pub(super) trait Fit<T> {
    /// `None` where it is of another JSON type than that field has.
    fn fit(self) -> Option<T>;
}

impl<T> Fit<T> for T {
    fn fit(self) -> Option<T> {
        Some(self)
    }
}

impl Fit<CompactString> for Scalar {
    fn fit(self) -> Option<CompactString> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bool(_) | Self::Integer(_) | Self::Number(_) => None,
        }
    }
}

impl Fit<bool> for Scalar {
    fn fit(self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(value),
            Self::Integer(_) | Self::Number(_) | Self::Text(_) => None,
        }
    }
}

/// Kinds of things whose ids share a slot.
macro_rules! ids {
    ($($name:ident),*) => {
        $(
            impl Fit<Id<$name>> for Id<AnyKind> {
                fn fit(self) -> Option<Id<$name>> {
                    Some(self.cast())
                }
            }
        )*
    };
}

ids!(Message, User);

impl Fit<Id<Command>> for Scalar {
    fn fit(self) -> Option<Id<Command>> {
        match self {
            Self::Text(text) => Id::from_text(&text),
            Self::Integer(number) => Id::from_integer(number.into()),
            Self::Bool(_) | Self::Number(_) => None,
        }
    }
}

impl Fit<i64> for Scalar {
    fn fit(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => None,
        }
    }
}

/// Ids among texts that may be others; all or none are ids.
impl Fit<Vec<Id<Attachment>>> for Vec<CompactString> {
    fn fit(self) -> Option<Vec<Id<Attachment>>> {
        let ids = self.iter().map(|text| text.parse().map(Id::new));
        ids.collect::<Result<_, _>>().ok()
    }
}

/// Numbers of an open enumeration.
macro_rules! numbers {
    ($($name:ident),*) => {
        $(
            impl Fit<$name> for i64 {
                fn fit(self) -> Option<$name> {
                    Some(self.into())
                }
            }
        )*
    };
}

numbers!(ButtonStyle, SeparatorSpacing, TextInputStyle);

/// A slot: it may be empty.
pub(super) trait Slot: Sized {
    type Value;

    /// Reads the value that comes next. What nothing can be made of goes to `rest`, by the field's
    /// name, or nowhere.
    fn read<'de, A: MapAccess<'de>>(map: &mut A, rest: Rest<'_>) -> Result<Self, A::Error>;

    /// As `read`, from the text itself.
    fn decode(json: &mut json::Reader<'_>, rest: Rest<'_>) -> Result<Self, Refused>;

    fn into_maybe(self) -> Maybe<Self::Value>;

    fn into_option(self) -> Option<Self::Value>;
}

/// Where a field of a name is kept as text.
type Rest<'a> = Option<(&'a str, &'a mut FieldTexts)>;

impl<T: Lenient> Slot for Option<T> {
    type Value = T;

    fn read<'de, A: MapAccess<'de>>(map: &mut A, rest: Rest<'_>) -> Result<Self, A::Error> {
        Maybe::read(map, rest).map(Self::from)
    }

    fn decode(json: &mut json::Reader<'_>, rest: Rest<'_>) -> Result<Self, Refused> {
        Maybe::decode(json, rest).map(Self::from)
    }

    fn into_maybe(self) -> Maybe<T> {
        self.map_or(Maybe::Absent, Maybe::Value)
    }

    fn into_option(self) -> Self {
        self
    }
}

impl<T: Lenient> Slot for Maybe<T> {
    type Value = T;

    fn read<'de, A: MapAccess<'de>>(map: &mut A, rest: Rest<'_>) -> Result<Self, A::Error> {
        map.next_value_seed(Reader {
            rest,
            value: PhantomData,
        })
    }

    fn decode(json: &mut json::Reader<'_>, rest: Rest<'_>) -> Result<Self, Refused> {
        let kept = match json.peek()? {
            b'n' => return json.null().map(|_| Self::Null),
            b'[' => !T::OF_LIST,
            b'{' => !T::OF_OBJECT,
            // What a scalar is made of is known behind it.
            _ => return scalar(json, rest),
        };
        match rest {
            Some((key, rest)) if kept => rest.take(key, json).map(|()| Self::Absent),
            _ => Ok(loose(json)?.map_or(Self::Absent, Self::Value)),
        }
    }

    fn into_maybe(self) -> Self {
        self
    }

    fn into_option(self) -> Option<T> {
        self.into()
    }
}

/// As [`Reader`] reads a scalar.
fn scalar<T: Lenient>(json: &mut json::Reader<'_>, rest: Rest<'_>) -> Result<Maybe<T>, Refused> {
    let reader = Reader {
        rest,
        value: PhantomData,
    };
    Ok(match json.peek()? {
        b'"' => {
            let text = json.text()?;
            reader.made(T::from_text(text), &text)
        }
        b't' | b'f' => {
            let value = json.bool()?;
            reader.made(T::from_bool(value), &value)
        }
        _ => {
            let number = json.number()?;
            let value = from_number(number);
            match number {
                Number::Unsigned(number) => reader.made(value, &number),
                Number::Negative(number) => reader.made(value, &number),
                Number::Fraction(number) => reader.made(value, &number),
            }
        }
    })
}

impl<T> From<Maybe<T>> for Option<T> {
    fn from(value: Maybe<T>) -> Self {
        match value {
            Maybe::Value(value) => Some(value),
            Maybe::Absent | Maybe::Null => None,
        }
    }
}

/// Reads a value of any type into a slot.
struct Reader<'a, T> {
    rest: Rest<'a>,
    value: PhantomData<T>,
}

impl<T> Reader<'_, T> {
    /// What was made of a scalar, which is kept where that is nothing.
    fn made(self, value: Option<T>, from: &impl Serialize) -> Maybe<T> {
        if let (None, Some((key, rest))) = (&value, self.rest) {
            rest.put(key, from);
        }
        value.map_or(Maybe::Absent, Maybe::Value)
    }
}

impl<'de, T: Lenient> DeserializeSeed<'de> for Reader<'_, T> {
    type Value = Maybe<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Maybe<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Lenient> Visitor<'de> for Reader<'_, T> {
    type Value = Maybe<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Maybe<T>, E> {
        Ok(self.made(T::from_text(text), &text))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Maybe<T>, E> {
        Ok(self.made(T::from_bool(value), &value))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Maybe<T>, E> {
        Ok(self.made(T::from_integer(number.into()), &number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Maybe<T>, E> {
        Ok(self.made(T::from_integer(number.into()), &number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Maybe<T>, E> {
        Ok(self.made(T::from_fraction(number), &number))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Maybe<T>, E> {
        Ok(Maybe::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Maybe<T>, A::Error> {
        match self.rest {
            Some((key, rest)) if !T::OF_LIST => {
                rest.value_of(key).visit_seq(list)?;
                Ok(Maybe::Absent)
            }
            _ => Ok(T::from_list(list)?.map_or(Maybe::Absent, Maybe::Value)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Maybe<T>, A::Error> {
        match self.rest {
            Some((key, rest)) if !T::OF_OBJECT => {
                rest.value_of(key).visit_map(object)?;
                Ok(Maybe::Absent)
            }
            _ => Ok(T::from_object(object)?.map_or(Maybe::Absent, Maybe::Value)),
        }
    }
}

// Objects in slots are read as they are anywhere else.
lenient_objects!(
    CommandOption,
    Component,
    ComponentDefault,
    ComponentGalleryItem,
    ComponentMedia,
    ComponentOption,
    PartialEmoji,
    ResolvedData
);

/// Open enumerations of integers in slots.
macro_rules! enums {
    ($($name:ident),*) => {
        $(
            impl Lenient for $name {
                fn from_integer(number: i128) -> Option<Self> {
                    i64::from_integer(number).map(Self::from)
                }
            }
        )*
    };
}

enums!(ChannelKind, ComponentKind);

/// What fits of a slot.
pub(super) fn option<T, S: Slot<Value: Fit<T>>>(slot: S) -> Option<T> {
    slot.into_option().and_then(Fit::fit)
}

/// What fits of a slot, `null` kept apart.
pub(super) fn maybe<T, S: Slot<Value: Fit<T>>>(slot: S) -> Maybe<T> {
    match slot.into_maybe() {
        Maybe::Absent => Maybe::Absent,
        Maybe::Null => Maybe::Null,
        Maybe::Value(value) => value.fit().map_or(Maybe::Absent, Maybe::Value),
    }
}

/// A field whose type depends on another field of the same object, the `kind`, that may come
/// later.
pub(super) trait ByKind: Sized {
    type Kind;
    type Slot: Default;

    /// Reads the value that comes next; `kind` is `None` where it has not come yet.
    fn read<'de, A: MapAccess<'de>>(
        map: &mut A,
        kind: Option<Self::Kind>,
    ) -> Result<Self::Slot, A::Error>;

    /// As `read`, from the text itself.
    fn decode(json: &mut json::Reader<'_>, kind: Option<Self::Kind>)
    -> Result<Self::Slot, Refused>;

    /// The value, or the name of a field that it misses.
    fn resolve(slot: Self::Slot, kind: Option<Self::Kind>) -> Result<Self, &'static str>;
}
