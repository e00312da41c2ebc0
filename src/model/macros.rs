//! How is an object declared? Once; everything else is generated from the declaration.
//!
//! [`object!`], [`tagged!`], [`int_enum!`], [`string_enum!`] and [`flags!`] are the only ways in
//! which this room declares what is on the wire. Of each declaration both decoders are made:
//! serde's `Deserialize`, for whoever reads a type on his own, and
//! [`Decode`](crate::codec::json::Decode), which reads events.

#[macro_use]
mod tagged;
#[macro_use]
mod values;

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
                let mut key = json.first_key();
                while let Some(name) = key {
                    match name {
                        $(
                            Names::$field => {
                                slots.$field = object!(@decode $kind json, slots, $ty);
                            }
                        )*
                        _ => json.skip_field(name)?,
                    }
                    key = json.next_key();
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
