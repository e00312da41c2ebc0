//! How are enumerations and sets of flags declared?

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

        impl $crate::codec::json::Decode for $name {
            fn decode(
                json: &mut $crate::codec::json::Reader<'_>,
            ) -> Result<Self, $crate::codec::json::Refused> {
                $crate::model::direct::integer(json).map(Self::from)
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

        impl $crate::codec::json::Decode for $name {
            fn decode(
                json: &mut $crate::codec::json::Reader<'_>,
            ) -> Result<Self, $crate::codec::json::Refused> {
                json.text().map(Self::from)
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

        impl $crate::codec::json::Decode for $name {
            fn decode(
                json: &mut $crate::codec::json::Reader<'_>,
            ) -> Result<Self, $crate::codec::json::Refused> {
                $crate::model::direct::bits(json).map(Self::from_bits_retain)
            }
        }
    };

    (@write number $serializer:ident, $bits:expr) => { $serializer.serialize_u64($bits) };
    (@write text $serializer:ident, $bits:expr) => { $serializer.collect_str(&$bits) };
}
