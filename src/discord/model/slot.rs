//! Where do fields wait until it is known what they are fields of? In slots.
//!
//! A field that tells the type of an object may come after the others, so all that an object of
//! any type may have is read into one struct of slots, and the object is made of these when it has
//! ended. [`tagged!`](super::macros) generates both.

use compact_str::CompactString;
use serde::de::MapAccess;

use super::{
    AnyKind, Attachment, ButtonStyle, Command, Maybe, Message, Scalar, SeparatorSpacing,
    TextInputStyle, User,
};
use crate::id::Id;

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

ids!(Command, Message, User);

impl Fit<i64> for Id<AnyKind> {
    fn fit(self) -> Option<i64> {
        i64::try_from(self.get()).ok()
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
pub(super) trait Slot {
    type Value;

    fn into_maybe(self) -> Maybe<Self::Value>;

    fn into_option(self) -> Option<Self::Value>;
}

impl<T> Slot for Option<T> {
    type Value = T;

    fn into_maybe(self) -> Maybe<T> {
        self.map_or(Maybe::Absent, Maybe::Value)
    }

    fn into_option(self) -> Self {
        self
    }
}

impl<T> Slot for Maybe<T> {
    type Value = T;

    fn into_maybe(self) -> Self {
        self
    }

    fn into_option(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

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

    /// The value, or the name of a field that it misses.
    fn resolve(slot: Self::Slot, kind: Option<Self::Kind>) -> Result<Self, &'static str>;
}
