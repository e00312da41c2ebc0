//! How are objects declared that are of one of several types?

/// Declares objects of several types, told apart by their `type`: an enumeration of the objects,
/// one of their types, and a struct for each.
///
/// `slots` lists what the wire may hold for an object of any of the types, once each, as a type
/// that has an empty value; the fields of the structs, declared as in [`object!`], take theirs
/// from there. `type` may come in any place, and nothing is read twice:
///
/// - Before `type` has come, every field with a slot is read into it; others, and values that fit
///   no slot, are kept as text.
/// - After it, only the fields of that type are read; those of others may be of any form. A value
///   that fits no slot is as good as absent.
/// - An object whose type is missing or unknown is in `Unknown`, as text.
macro_rules! tagged {
    (
        $(#[$meta:meta])*
        pub enum $name:ident of
        $(#[$kind_meta:meta])*
        $kinds:ident;

        slots $slots:ident, $keys:ident {
            $( $slot:ident $(as $slot_wire:literal)? : $slot_ty:ty ),* $(,)?
        }

        $(
            $(#[$struct_meta:meta])*
            $number:literal => $variant:ident($payload:ty), $struct:ident {
                $(
                    $(#[$doc:meta])*
                    $field:ident $(as $wire:literal)? : $ty:ty = $kind:ident
                ),* $(,)?
            }
        )*
    ) => {
        int_enum! {
            $(#[$kind_meta])*
            pub enum $kinds {
                $(
                    #[doc = concat!("[`", stringify!($struct), "`]")]
                    $variant = $number,
                )*
            }
        }

        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $(
                #[doc = concat!("[`", stringify!($struct), "`]")]
                $variant($payload),
            )*
            /// One whose type is missing, or that this version has no name for.
            Unknown(Box<super::UnknownObject>),
        }

        impl $name {
            /// Its type; `None` where it came without one.
            pub fn kind(&self) -> Option<$kinds> {
                match self {
                    $( Self::$variant(_) => Some($kinds::$variant), )*
                    Self::Unknown(unknown) => unknown.kind.map($kinds::from),
                }
            }

            /// What to do with a field of an object of a type.
            const fn want(kind: Option<$kinds>, key: &$keys) -> super::slot::Want {
                if matches!(key, $keys::Tag__) {
                    return super::slot::Want::Read;
                }
                match kind {
                    None => super::slot::Want::Read,
                    $( Some($kinds::$variant) => super::slot::Want::if_has($struct::has(key)), )*
                    Some($kinds::Unknown(_)) => super::slot::Want::Text,
                }
            }

            /// The object, or the name of a field that is missing.
            fn complete(mut slots: $slots) -> Result<Self, &'static str> {
                Ok(match slots.tag__ {
                    $(
                        Some($kinds::$variant) => {
                            Self::$variant($struct::take(&mut slots)?.into())
                        }
                    )*
                    None | Some($kinds::Unknown(_)) => Self::Unknown(Box::new(
                        super::UnknownObject {
                            kind: slots.tag__.map($kinds::number),
                            json: slots.into_json(),
                        },
                    )),
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $( Self::$variant(object) => object.serialize(serializer), )*
                    Self::Unknown(unknown) => unknown.serialize(serializer),
                }
            }
        }

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
                        let _guard = super::nest::Nest::enter()?;
                        $name::complete($slots::read(map, $name::want)?)
                            .map_err(<A::Error as serde::de::Error>::missing_field)
                    }
                }
                deserializer.deserialize_struct(stringify!($name), $slots::FIELDS, Fields)
            }
        }

        impl $crate::codec::json::Decode for $name {
            fn decode(
                json: &mut $crate::codec::json::Reader<'_>,
            ) -> Result<Self, $crate::codec::json::Refused> {
                let _guard = super::nest::Nest::enter::<$crate::codec::json::Refused>()?;
                $name::complete($slots::decode(json, $name::want)?)
                    .map_err(|_| $crate::codec::json::Refused)
            }
        }

        tagged!(@slots $kinds, $slots, $keys { $( $slot [$($slot_wire)?] $slot_ty; )* });
        $(
            tagged!(@struct [$kinds::$variant] $slots, $keys;
                $(#[$struct_meta])* $struct {
                    $( $(#[$doc])* $field [$($wire)?] $ty, $kind; )*
                }
            );
        )*
    };

    // A struct that is made of the slots of a tagged enumeration but has no `type` of its own.
    (
        $(#[$meta:meta])*
        pub struct $struct:ident of $slots:ident, $keys:ident {
            $( $(#[$doc:meta])* $field:ident $(as $wire:literal)? : $ty:ty = $kind:ident ),* $(,)?
        }
    ) => {
        tagged!(@struct [] $slots, $keys;
            $(#[$meta])* $struct { $( $(#[$doc])* $field [$($wire)?] $ty, $kind; )* }
        );
    };

    // Slots alone, for a type that is put together by hand.
    (
        slots $slots:ident, $keys:ident of $kinds:ident {
            $( $slot:ident $(as $slot_wire:literal)? : $slot_ty:ty ),* $(,)?
        }
    ) => {
        tagged!(@slots $kinds, $slots, $keys { $( $slot [$($slot_wire)?] $slot_ty; )* });
    };

    (@struct [$($tag:expr)?] $slots:ident, $keys:ident; $(#[$meta:meta])* $struct:ident {
        $( $(#[$doc:meta])* $field:ident [$($wire:literal)?] $ty:ty, $kind:ident; )*
    }) => {
        object!(@struct
            [$($tag)?] $(#[$meta])* pub $struct {
                $( $(#[$doc])* $field [$($wire)?] $ty, $kind; )*
            }
        );

        impl $struct {
            /// Whether it has a field.
            const fn has(key: &$keys) -> bool {
                matches!(key, $( $keys::$field )|*)
            }

            /// Takes its fields, or gives the name of one that is missing.
            fn take(slots: &mut $slots) -> Result<Self, &'static str> {
                Ok(Self {
                    $( $field: tagged!(
                        @take $kind std::mem::take(&mut slots.$field),
                        object!(@wire $field $($wire)?)
                    ), )*
                })
            }
        }
    };

    (@slots $kinds:ident, $slots:ident, $keys:ident {
        $( $slot:ident [$($wire:literal)?] $ty:ty; )*
    }) => {
        #[derive(Default)]
        pub(super) struct $slots {
            tag__: Option<$kinds>,
            $( $slot: $ty, )*
            /// Fields that have no slot.
            rest__: super::untyped::FieldTexts,
        }

        /// A field of an object of any of the types.
        #[expect(non_camel_case_types, reason = "named like the fields")]
        enum $keys { Tag__, $( $slot, )* Other__(compact_str::CompactString) }

        impl $keys {
            fn of(name: &str) -> Self {
                match name {
                    "type" => Self::Tag__,
                    $( object!(@wire $slot $($wire)?) => Self::$slot, )*
                    other => Self::Other__(other.into()),
                }
            }

            fn name(&self) -> &str {
                match self {
                    Self::Tag__ => "type",
                    $( Self::$slot => object!(@wire $slot $($wire)?), )*
                    Self::Other__(name) => name,
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $keys {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Names;
                impl serde::de::Visitor<'_> for Names {
                    type Value = $keys;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a field's name")
                    }

                    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<$keys, E> {
                        Ok($keys::of(name))
                    }
                }
                d.deserialize_identifier(Names)
            }
        }

        impl $slots {
            const FIELDS: &'static [&'static str] =
                &["type", $( object!(@wire $slot $($wire)?) ),*];

            /// Reads an object, each field as `want` says of it and the type as far as it is known.
            fn read<'de, A: serde::de::MapAccess<'de>>(
                mut map: A,
                want: impl Fn(Option<$kinds>, &$keys) -> super::slot::Want,
            ) -> Result<Self, A::Error> {
                use super::slot::Want;

                let mut slots = Self::default();
                while let Some(key) = map.next_key::<$keys>()? {
                    match (want(slots.tag__, &key), &key) {
                        (Want::Read, $keys::Tag__) => {
                            let number: super::scalar::Loose<i64> = map.next_value()?;
                            slots.tag__ = number.0.map($kinds::from);
                        }
                        $(
                            (Want::Read, $keys::$slot) => {
                                let rest = match slots.tag__ {
                                    None | Some($kinds::Unknown(_)) => {
                                        Some((key.name(), &mut slots.rest__))
                                    }
                                    Some(_) => None,
                                };
                                slots.$slot = super::slot::Slot::read(&mut map, rest)?;
                            }
                        )*
                        (Want::Text, _) | (Want::Read, $keys::Other__(_)) => {
                            slots.rest__.read(key.name(), &mut map)?;
                        }
                        (Want::Skip, _) => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(slots)
            }

            /// As `read`, from the text itself.
            fn decode(
                json: &mut $crate::codec::json::Reader<'_>,
                want: impl Fn(Option<$kinds>, &$keys) -> super::slot::Want,
            ) -> Result<Self, $crate::codec::json::Refused> {
                use super::slot::Want;

                let mut slots = Self::default();
                let mut next = json.first_key();
                while let Some(name) = next {
                    $crate::codec::json::Reader::hold(name)?;
                    let name = std::str::from_utf8(name).map_err(|_| $crate::codec::json::Refused)?;
                    let key = $keys::of(name);
                    match (want(slots.tag__, &key), &key) {
                        (Want::Read, $keys::Tag__) => {
                            let number = $crate::model::direct::loose::<i64>(json)?;
                            slots.tag__ = number.map($kinds::from);
                        }
                        $(
                            (Want::Read, $keys::$slot) => {
                                let rest = match slots.tag__ {
                                    None | Some($kinds::Unknown(_)) => {
                                        Some((name, &mut slots.rest__))
                                    }
                                    Some(_) => None,
                                };
                                slots.$slot = super::slot::Slot::decode(json, rest)?;
                            }
                        )*
                        (Want::Text, _) | (Want::Read, $keys::Other__(_)) => {
                            slots.rest__.take(name, json)?;
                        }
                        (Want::Skip, _) => json.skip()?,
                    }
                    next = json.next_key();
                }
                Ok(slots)
            }

            /// All that was read, as text.
            fn into_json(self) -> super::RawJson {
                // The type first, so that all else is kept as text when this is read again.
                let mut texts = super::untyped::FieldTexts::default();
                if let Some(tag) = self.tag__ {
                    texts.put("type", &tag);
                }
                $(
                    if !super::scalar::is_default(&self.$slot) {
                        texts.put(object!(@wire $slot $($wire)?), &self.$slot);
                    }
                )*
                texts.append(&self.rest__);
                texts.finish()
            }
        }
    };

    (@take required $slot:expr, $wire:expr) => {
        match super::slot::option($slot) {
            Some(value) => value,
            None => return Err($wire),
        }
    };
    (@take nullable $slot:expr, $wire:expr) => { super::slot::option($slot) };
    (@take optional $slot:expr, $wire:expr) => { super::slot::option($slot) };
    (@take maybe $slot:expr, $wire:expr) => { super::slot::maybe($slot) };
    (@take $kind:ident $slot:expr, $wire:expr) => {
        super::slot::option($slot).unwrap_or_default()
    };
}
