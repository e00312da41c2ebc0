//! How is an object declared? Once; everything else is generated from the declaration.
//!
//! [`object!`], [`int_enum!`], [`string_enum!`] and [`flags!`] are the only ways in which this
//! room declares what is on the wire, so that another decoder can be generated from the very same
//! declarations.

/// Declares objects, each field as `name: Type = kind` or, where the wire's name is no Rust name,
/// `name as "wire": Type = kind`.
///
/// | kind | type | absent | `null` | written |
/// |---|---|---|---|---|
/// | `required` | any | error | up to the type | always |
/// | `nullable` | `Option` | `None` | `None` | always |
/// | `optional` | `Option` | `None` | `None` | unless `None` |
/// | `default` | `Default` | the default | the default | always |
/// | `sparse` | `Default` | the default | the default | unless it is the default |
/// | `loose` | `Option` of text | `None` | `None`, as any other type | unless `None` |
/// | `lenient` | `Lenient` | the default | the default, as what does not fit | unless default |
/// | `maybe` | `Maybe` | `Absent` | `Null` | unless `Absent` |
/// | `marker` | `bool` | `false` | `true` | as `null`, where `true` |
///
/// Unknown fields are skipped; of a field that is there twice the last counts.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$doc:meta])* $field:ident $(as $wire:literal)? : $ty:ty = $kind:ident ),* $(,)?
        }
    ) => {
        object!(@struct
            $(#[$meta])* $vis $name { $( $(#[$doc])* $field [$($wire)?] $ty, $kind; )* }
        );
        const _: () = {
            object!(@slots Slots, $name { $( $field [$($wire)?] $ty, $kind; )* });
            object!(@deserialize Slots, $name);
        };
    };

    // As above, for a type that may lie in objects of its own type.
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident, nests {
            $( $(#[$doc:meta])* $field:ident $(as $wire:literal)? : $ty:ty = $kind:ident ),* $(,)?
        }
    ) => {
        object!(@struct
            $(#[$meta])* $vis $name { $( $(#[$doc])* $field [$($wire)?] $ty, $kind; )* }
        );
        const _: () = {
            object!(@slots Slots, $name { $( $field [$($wire)?] $ty, $kind; )* });
            object!(@deserialize Slots, $name, super::nest::Nest::enter()?);
        };
    };

    // As the first, and with a name for the type that holds what was read before anything is
    // missed.
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident, slots $slots:ident {
            $( $(#[$doc:meta])* $field:ident $(as $wire:literal)? : $ty:ty = $kind:ident ),* $(,)?
        }
    ) => {
        object!(@struct
            $(#[$meta])* $vis $name { $( $(#[$doc])* $field [$($wire)?] $ty, $kind; )* }
        );
        object!(@slots $slots, $name { $( $field [$($wire)?] $ty, $kind; )* });
        object!(@deserialize $slots, $name);
    };

    (@struct $(#[$meta:meta])* $vis:vis $name:ident {
        $( $(#[$doc:meta])* $field:ident [$($wire:literal)?] $ty:ty, $kind:ident; )*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        $vis struct $name {
            $(
                $(#[$doc])*
                #[doc = concat!(
                    "\n\nOn the wire `", object!(@wire $field $($wire)?), "`, ",
                    object!(@words $kind), "."
                )]
                pub $field: $ty,
            )*
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                const LEN: usize = [$( stringify!($field) ),*].len();
                let mut object =
                    serde::Serializer::serialize_struct(serializer, stringify!($name), LEN)?;
                $( object!(@write $kind object, object!(@wire $field $($wire)?), self.$field); )*
                serde::ser::SerializeStruct::end(object)
            }
        }
    };

    (@slots $slots:ident, $name:ident {
        $( $field:ident [$($wire:literal)?] $ty:ty, $kind:ident; )*
    }) => {
        #[derive(Default)]
        pub(super) struct $slots {
            $( pub(super) $field: object!(@slot $kind $ty), )*
        }

        impl $slots {
            pub(super) const FIELDS: &'static [&'static str] =
                &[$( object!(@wire $field $($wire)?) ),*];

            pub(super) fn read<'de, A: serde::de::MapAccess<'de>>(
                mut map: A,
            ) -> Result<Self, A::Error> {
                #[expect(non_camel_case_types, reason = "named like the fields")]
                enum Key { $( $field, )* UnknownField__ }

                struct Keys;
                impl serde::de::Visitor<'_> for Keys {
                    type Value = Key;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a field's name")
                    }

                    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Key, E> {
                        Ok(match name {
                            $( object!(@wire $field $($wire)?) => Key::$field, )*
                            _ => Key::UnknownField__,
                        })
                    }
                }
                impl<'de> serde::Deserialize<'de> for Key {
                    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                        d.deserialize_identifier(Keys)
                    }
                }

                let mut slots = Self::default();
                while let Some(found_key__) = map.next_key()? {
                    match found_key__ {
                        $( Key::$field => slots.$field = object!(@read $kind map), )*
                        Key::UnknownField__ => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(slots)
            }

            /// The object, or the name of a field that is missing.
            pub(super) fn complete(self) -> Result<$name, &'static str> {
                Ok($name {
                    $( $field: object!(
                        @take $kind self.$field, object!(@wire $field $($wire)?)
                    ), )*
                })
            }
        }
    };

    (@deserialize $slots:ident, $name:ident $(, $guard:expr)?) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("an object: ", stringify!($name)))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        map: A,
                    ) -> Result<$name, A::Error> {
                        $( let _guard = $guard; )?
                        $slots::read(map)?
                            .complete()
                            .map_err(<A::Error as serde::de::Error>::missing_field)
                    }
                }
                deserializer.deserialize_struct(stringify!($name), $slots::FIELDS, Fields)
            }
        }
    };

    (@wire $field:ident) => { stringify!($field) };
    (@wire $field:ident $wire:literal) => { $wire };

    (@words required) => { "always there" };
    (@words nullable) => { "may be `null`" };
    (@words optional) => { "may be absent" };
    (@words default) => { "the default where absent" };
    (@words sparse) => { "the default where absent" };
    (@words loose) => { "may be absent" };
    (@words lenient) => { "may be absent" };
    (@words maybe) => { "may be absent or `null`" };
    (@words marker) => { "there as `null` or absent" };

    (@slot nullable $ty:ty) => { $ty };
    (@slot optional $ty:ty) => { $ty };
    (@slot loose $ty:ty) => { $ty };
    (@slot lenient $ty:ty) => { $ty };
    (@slot $kind:ident $ty:ty) => { Option<$ty> };

    (@read required $map:ident) => { Some($map.next_value()?) };
    (@read maybe $map:ident) => { Some($map.next_value()?) };
    (@read loose $map:ident) => { $map.next_value::<super::scalar::Loose>()?.0 };
    (@read lenient $map:ident) => { super::lenient::read(&mut $map)? };
    (@read marker $map:ident) => {{
        $map.next_value::<serde::de::IgnoredAny>()?;
        Some(true)
    }};
    (@read $kind:ident $map:ident) => { $map.next_value()? };

    (@take required $slot:expr, $wire:expr) => {
        match $slot {
            Some(value) => value,
            None => return Err($wire),
        }
    };
    (@take nullable $slot:expr, $wire:expr) => { $slot };
    (@take optional $slot:expr, $wire:expr) => { $slot };
    (@take loose $slot:expr, $wire:expr) => { $slot };
    (@take lenient $slot:expr, $wire:expr) => { $slot };
    (@take $kind:ident $slot:expr, $wire:expr) => { $slot.unwrap_or_default() };

    (@write optional $object:ident, $wire:expr, $value:expr) => {
        if let Some(value) = &$value {
            serde::ser::SerializeStruct::serialize_field(&mut $object, $wire, value)?;
        }
    };
    (@write loose $object:ident, $wire:expr, $value:expr) => {
        object!(@write optional $object, $wire, $value)
    };
    (@write marker $object:ident, $wire:expr, $value:expr) => {
        if $value {
            serde::ser::SerializeStruct::serialize_field(&mut $object, $wire, &())?;
        }
    };
    (@write sparse $object:ident, $wire:expr, $value:expr) => {
        if !super::scalar::is_default(&$value) {
            serde::ser::SerializeStruct::serialize_field(&mut $object, $wire, &$value)?;
        }
    };
    (@write lenient $object:ident, $wire:expr, $value:expr) => {
        object!(@write sparse $object, $wire, $value)
    };
    (@write maybe $object:ident, $wire:expr, $value:expr) => {
        if !super::scalar::is_default(&$value) {
            serde::ser::SerializeStruct::serialize_field(&mut $object, $wire, &$value)?;
        }
    };
    (@write $kind:ident $object:ident, $wire:expr, $value:expr) => {
        serde::ser::SerializeStruct::serialize_field(&mut $object, $wire, &$value)?;
    };
}

/// Declares an open enumeration of integers, each variant as `Name = number`.
///
/// A number that no variant has is kept in `Unknown`.
macro_rules! int_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $number:literal ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$doc])*
                #[doc = concat!("\n\nOn the wire `", stringify!($number), "`.")]
                $variant,
            )*
            /// A number that this version has no name for.
            Unknown(i64),
        }

        impl $name {
            /// The number on the wire.
            pub const fn number(self) -> i64 {
                match self {
                    $( Self::$variant => $number, )*
                    Self::Unknown(number) => number,
                }
            }
        }

        impl From<i64> for $name {
            fn from(number: i64) -> Self {
                match number {
                    $( $number => Self::$variant, )*
                    other => Self::Unknown(other),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i64(self.number())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer
                    .deserialize_i64(super::scalar::AnyInteger)
                    .map(Self::from)
            }
        }
    };
}

/// Declares an open enumeration of texts, each variant as `Name = "text"`.
///
/// A text that no variant has is kept in `Unknown`.
macro_rules! string_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$doc])*
                #[doc = concat!("\n\nOn the wire `", $text, "`.")]
                $variant,
            )*
            /// A text that this version has no name for.
            Unknown(compact_str::CompactString),
        }

        impl $name {
            /// The text on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )*
                    Self::Unknown(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )*
                    other => Self::Unknown(other.into()),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        Ok($name::from(text))
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

/// Declares a set of flags, each as `NAME = bit number`, that keeps bits without a name.
///
/// Sets are read from a number or a decimal text, and written as `number` or `text` says.
macro_rules! flags {
    (
        $(#[$($meta:tt)*])*
        pub struct $name:ident: $form:ident {
            $( $(#[$($doc:tt)*])* $flag:ident = $bit:literal ),* $(,)?
        }
    ) => {
        bitflags::bitflags! {
            $(#[$($meta)*])*
            ///
            /// Bits without a name are kept.
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
            pub struct $name: u64 {
                $(
                    $(#[$($doc)*])*
                    #[doc = concat!("\n\nBit ", stringify!($bit), ".")]
                    const $flag = 1 << $bit;
                )*
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                flags!(@write $form serializer, self.bits())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer
                    .deserialize_any(super::scalar::AnyBits)
                    .map(Self::from_bits_retain)
            }
        }
    };

    (@write number $serializer:ident, $bits:expr) => { $serializer.serialize_u64($bits) };
    (@write text $serializer:ident, $bits:expr) => { $serializer.collect_str(&$bits) };
}
