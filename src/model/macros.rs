//! How is an object declared? Once; everything else is generated from the declaration.
//!
//! [`object!`], [`tagged!`], [`int_enum!`], [`string_enum!`] and [`flags!`] are the only ways in
//! which this room declares what is on the wire, so that another decoder can be generated from the
//! very same declarations.

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
/// | `by_id` | `BTreeMap` of ids | empty | empty | unless it is empty |
/// | `loose` | `Option` | `None` | `None`, as any other type | unless `None` |
/// | `loose_nullable` | `Option` | `None` | `None`, as any other type | always |
/// | `loose_default` | `Default` | the default | the default, as any other type | always |
/// | `loose_sparse` | `Default` | the default | the default, as any other type | unless so |
/// | `lenient` | `Lenient` | the default | the default, as what does not fit | unless default |
/// | `maybe` | `Maybe` | `Absent` | `Null` | unless `Absent` |
/// | `marker` | `bool` | `false` | `true` | as `null`, where `true` |
/// | `by_kind` | `ByKind` | up to the type | up to the type | unless `None` |
///
/// Unknown fields are skipped, as is in a map by id what no id names; of a field that is there
/// twice the last counts. What is loose is what [`Lenient`](super::scalar::Lenient) makes of it: a
/// field that does not say what the event is about costs no one the event.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$doc:meta])* $field:ident $(as $wire:literal)? : $ty:ty = $kind:ident ),* $(,)?
        }
    ) => {
        object!(@struct
            [] $(#[$meta])* $vis $name { $( $(#[$doc])* $field [$($wire)?] $ty, $kind; )* }
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
            [] $(#[$meta])* $vis $name { $( $(#[$doc])* $field [$($wire)?] $ty, $kind; )* }
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
            [] $(#[$meta])* $vis $name { $( $(#[$doc])* $field [$($wire)?] $ty, $kind; )* }
        );
        object!(@slots $slots, $name { $( $field [$($wire)?] $ty, $kind; )* });
        object!(@deserialize $slots, $name);
    };

    // The type, and how it is written, after a `type` where it has one.
    (@struct [$($tag:expr)?] $(#[$meta:meta])* $vis:vis $name:ident {
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
                $( serde::ser::SerializeStruct::serialize_field(&mut object, "type", &$tag)?; )?
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
                        $( Key::$field => slots.$field = object!(@read_in $kind map, slots, $ty), )*
                        Key::UnknownField__ => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(slots)
            }

            /// As `read`, from the text itself.
            pub(super) fn decode(
                json: &mut $crate::codec::json::Reader<'_>,
            ) -> Result<Self, $crate::codec::json::Refused> {
                // Constants are patterns: the compiler tells keys apart by length and bytes.
                struct Names;
                #[expect(non_upper_case_globals, reason = "named like the fields")]
                impl Names {
                    $(
                        const $field: &'static [u8] = object!(@wire $field $($wire)?).as_bytes();
                    )*
                }

                let mut slots = Self::default();
                let mut key = json.first_key()?;
                while let Some(name) = key {
                    match name {
                        $( Names::$field => slots.$field = object!(@decode $kind json, slots, $ty), )*
                        _ => json.skip_field(name)?,
                    }
                    key = json.next_key()?;
                }
                Ok(slots)
            }

            /// The object, or the name of a field that is missing.
            pub(super) fn complete(self) -> Result<$name, &'static str> {
                Ok($name {
                    $( $field: object!(
                        @take_of $kind self, $field, object!(@wire $field $($wire)?)
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

        impl $crate::codec::json::Decode for $name {
            fn decode(
                json: &mut $crate::codec::json::Reader<'_>,
            ) -> Result<Self, $crate::codec::json::Refused> {
                $( let _guard = $guard; )?
                $slots::decode(json)?.complete().map_err(|_| $crate::codec::json::Refused)
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
    (@words by_id) => { "empty where absent" };
    (@words loose) => { "may be absent" };
    (@words loose_nullable) => { "may be `null`" };
    (@words loose_default) => { "the default where absent" };
    (@words loose_sparse) => { "the default where absent" };
    (@words lenient) => { "may be absent" };
    (@words maybe) => { "may be absent or `null`" };
    (@words by_kind) => { "may be absent" };
    (@words marker) => { "there as `null` or absent" };

    (@slot nullable $ty:ty) => { $ty };
    (@slot optional $ty:ty) => { $ty };
    (@slot loose $ty:ty) => { $ty };
    (@slot by_kind $ty:ty) => { <$ty as super::slot::ByKind>::Slot };
    (@slot loose_nullable $ty:ty) => { $ty };
    (@slot lenient $ty:ty) => { $ty };
    (@slot $kind:ident $ty:ty) => { Option<$ty> };

    (@read_in by_kind $map:ident, $slots:ident, $ty:ty) => {
        <$ty as super::slot::ByKind>::read(&mut $map, $slots.kind)?
    };
    (@read_in $kind:ident $map:ident, $slots:ident, $ty:ty) => { object!(@read $kind $map) };

    (@take_of by_kind $this:ident, $slot:ident, $wire:expr) => {
        super::slot::ByKind::resolve($this.$slot, $this.kind)?
    };
    (@take_of $kind:ident $this:ident, $slot:ident, $wire:expr) => {
        object!(@take $kind $this.$slot, $wire)
    };

    (@read required $map:ident) => { Some($map.next_value()?) };
    (@read maybe $map:ident) => { Some($map.next_value()?) };
    (@read loose $map:ident) => { $map.next_value::<super::scalar::Loose<_>>()?.0 };
    (@read loose_nullable $map:ident) => { object!(@read loose $map) };
    (@read loose_default $map:ident) => { object!(@read loose $map) };
    (@read loose_sparse $map:ident) => { object!(@read loose $map) };
    (@read lenient $map:ident) => { super::lenient::read(&mut $map)? };
    (@read by_id $map:ident) => {
        $map.next_value::<Option<super::scalar::ById<_, _>>>()?.map(|by_id| by_id.0)
    };
    (@read marker $map:ident) => {{
        $map.next_value::<serde::de::IgnoredAny>()?;
        Some(true)
    }};
    (@read $kind:ident $map:ident) => { $map.next_value()? };

    (@decode required $json:ident, $slots:ident, $ty:ty) => {
        Some($crate::codec::json::Decode::decode($json)?)
    };
    (@decode maybe $json:ident, $slots:ident, $ty:ty) => {
        Some($crate::codec::json::Decode::decode($json)?)
    };
    (@decode loose $json:ident, $slots:ident, $ty:ty) => { $crate::model::direct::loose($json)? };
    (@decode loose_nullable $json:ident, $slots:ident, $ty:ty) => {
        $crate::model::direct::loose($json)?
    };
    (@decode loose_default $json:ident, $slots:ident, $ty:ty) => {
        $crate::model::direct::loose($json)?
    };
    (@decode loose_sparse $json:ident, $slots:ident, $ty:ty) => {
        $crate::model::direct::loose($json)?
    };
    (@decode lenient $json:ident, $slots:ident, $ty:ty) => { super::lenient::decode($json)? };
    (@decode by_id $json:ident, $slots:ident, $ty:ty) => { $crate::model::direct::by_id($json)? };
    (@decode by_kind $json:ident, $slots:ident, $ty:ty) => {
        <$ty as super::slot::ByKind>::decode($json, $slots.kind)?
    };
    (@decode marker $json:ident, $slots:ident, $ty:ty) => {{
        $json.skip()?;
        Some(true)
    }};
    (@decode $kind:ident $json:ident, $slots:ident, $ty:ty) => {
        $crate::codec::json::Decode::decode($json)?
    };

    (@take required $slot:expr, $wire:expr) => {
        match $slot {
            Some(value) => value,
            None => return Err($wire),
        }
    };
    (@take nullable $slot:expr, $wire:expr) => { $slot };
    (@take optional $slot:expr, $wire:expr) => { $slot };
    (@take loose $slot:expr, $wire:expr) => { $slot };
    (@take loose_nullable $slot:expr, $wire:expr) => { $slot };
    (@take lenient $slot:expr, $wire:expr) => { $slot };
    (@take $kind:ident $slot:expr, $wire:expr) => { $slot.unwrap_or_default() };

    (@write optional $object:ident, $wire:expr, $value:expr) => {
        if let Some(value) = &$value {
            serde::ser::SerializeStruct::serialize_field(&mut $object, $wire, value)?;
        }
    };
    (@write by_kind $object:ident, $wire:expr, $value:expr) => {
        object!(@write optional $object, $wire, $value)
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
    (@write by_id $object:ident, $wire:expr, $value:expr) => {
        object!(@write sparse $object, $wire, $value)
    };
    (@write loose_sparse $object:ident, $wire:expr, $value:expr) => {
        object!(@write sparse $object, $wire, $value)
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
                let mut next = json.first_key()?;
                while let Some(name) = next {
                    json.hold(name)?;
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
                    next = json.next_key()?;
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

/// Makes objects [`Lenient`](super::scalar::Lenient): what is an object is read as one.
macro_rules! lenient_objects {
    ($($object:ident),* $(,)?) => {
        $(
            impl super::scalar::Lenient for $object {
                const OF_OBJECT: bool = true;

                fn from_object<'de, A: serde::de::MapAccess<'de>>(
                    object: A,
                ) -> Result<Option<Self>, A::Error> {
                    let object = serde::de::value::MapAccessDeserializer::new(object);
                    serde::Deserialize::deserialize(object).map(Some)
                }

                fn read_object(
                    json: &mut $crate::codec::json::Reader<'_>,
                ) -> Result<Option<Self>, $crate::codec::json::Refused> {
                    $crate::codec::json::Decode::decode(json).map(Some)
                }
            }
        )*
    };
}
