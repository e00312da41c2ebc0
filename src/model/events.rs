//! Which events does a platform have? One row each, from which all else is made.

/// An event that this version does not name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownEvent {
    /// Its name: `t` of the frame.
    pub name: Box<str>,
    /// Its payload: `d` of the frame, as JSON text.
    pub data: Box<str>,
}

/// Makes everything that depends on which events there are.
///
/// Before the rows stand the platform's name, the address that the pages of the rows are below, the
/// kinds that also come where none of their intents is asked for, and what the documentation of
/// `EventFlags` shows. A row is
///
/// `/// what happened` `NAME "page" => Variant(Payload), [INTENTS], |payload| guild id;`
///
/// where payloads above 48 bytes are boxed, and `NO_GUILD` is the guild of an event without one.
/// `Intents`, `Guild` and the payloads are names where the rows stand.
macro_rules! events {
    (
        from $peer:literal, pages below $base:literal;
        without intents too: [$($too:ident),*];
        $(#[doc = $flags_doc:literal])+
        flags;

        $(
        $(#[doc = $doc:literal])+
        $name:ident $page:literal => $variant:ident($payload:ty),
        [$($intent:ident),*], |$event:ident| $guild:expr;
        )*
    ) => {
        /// What events without a guild write in the last column of their row.
        const NO_GUILD: Option<$crate::id::Id<Guild>> = None;

        /// What the gateway tells a bot.
        ///
        /// It is small, so that it can be passed on by value; large payloads are boxed.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Event {
            $(
                $(#[doc = $doc])+
                #[doc = concat!(
                    "\n\n`", stringify!($name), "`; see [", $peer, "'s page](", $base, $page, ")."
                )]
                $variant($payload),
            )*
            #[doc = concat!("Something about the connection rather than from ", $peer, ".")]
            Gateway($crate::notice::Notice),
            /// An event that this version does not name.
            Unknown(Box<$crate::model::UnknownEvent>),
        }

        /// Which event it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum EventKind {
            $(
                #[doc = concat!("[`Event::", stringify!($variant), "`].")]
                $variant,
            )*
            /// [`Event::Gateway`].
            Gateway,
            /// [`Event::Unknown`].
            Unknown,
        }

        bitflags::bitflags! {
            /// A set of events, to narrow what reaches the user: for a shard by
            /// [`ConfigBuilder::event_flags`](crate::ConfigBuilder::event_flags), for a call by
            /// [`Shard::next_event_of`](crate::Shard::next_event_of).
            ///
            /// `EventFlags::from(intents)` is what may come with these intents.
            ///
            $(#[doc = $flags_doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub struct EventFlags: u128 {
                $(
                    #[doc = concat!("[`Event::", stringify!($variant), "`].")]
                    const $name = 1 << EventKind::$variant as u8;
                )*
                /// [`Event::Gateway`]: the notices.
                const GATEWAY = 1 << EventKind::Gateway as u8;
                /// [`Event::Unknown`].
                const UNKNOWN = 1 << EventKind::Unknown as u8;
            }
        }

        impl EventKind {
            #[doc = concat!("Every event that ", $peer, " sends and this version names.")]
            pub const ALL: &'static [Self] = &[$( Self::$variant ),*];

            /// The kind of the event that the wire calls `name`.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $( stringify!($name) => Self::$variant, )*
                    _ => Self::Unknown,
                }
            }

            /// The name on the wire; `GATEWAY` and `UNKNOWN` for the two kinds that have none.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => stringify!($name), )*
                    Self::Gateway => "GATEWAY",
                    Self::Unknown => "UNKNOWN",
                }
            }

            /// The page, or the section of it, that documents the event; empty for the two kinds
            /// that the platform does not send.
            pub const fn page(self) -> &'static str {
                match self {
                    $( Self::$variant => concat!($base, $page), )*
                    Self::Gateway | Self::Unknown => "",
                }
            }

            /// The intents of which any brings the event; empty for an event that needs none.
            pub const fn intents(self) -> Intents {
                match self {
                    $( Self::$variant => Intents::empty()$( .union(Intents::$intent) )*, )*
                    Self::Gateway | Self::Unknown => Intents::empty(),
                }
            }
        }

        impl Event {
            pub(crate) fn decode(
                name: &str,
                data: &str,
            ) -> Result<Self, $crate::platform::DecodeError> {
                use $crate::codec::json;

                match EventKind::from_name(name) {
                    $( EventKind::$variant => json::decode_owned(data).map(Self::$variant), )*
                    EventKind::Gateway | EventKind::Unknown => {
                        // Whoever takes it raw is promised JSON, and nothing but the payload.
                        json::check(data)?;
                        Ok(Self::Unknown(Box::new($crate::model::UnknownEvent {
                            name: name.into(),
                            data: data.into(),
                        })))
                    }
                }
            }

            /// Which event it is.
            pub const fn kind(&self) -> EventKind {
                match self {
                    $( Self::$variant(_) => EventKind::$variant, )*
                    Self::Gateway(_) => EventKind::Gateway,
                    Self::Unknown(_) => EventKind::Unknown,
                }
            }

            /// The guild that the event is about, where it is about one.
            pub fn guild_id(&self) -> Option<$crate::id::Id<Guild>> {
                match self {
                    $( Self::$variant($event) => $guild.into(), )*
                    Self::Gateway(_) | Self::Unknown(_) => None,
                }
            }

            #[doc = concat!(
                "The payload as ", $peer, " would send it: `d` of the frame, as JSON text. ",
                "`None` for a notice."
            )]
            pub fn data(&self) -> Option<String> {
                use $crate::codec::json;

                let mut out = Vec::new();
                match self {
                    $( Self::$variant(payload) => json::write(payload, &mut out), )*
                    Self::Gateway(_) => return None,
                    Self::Unknown(unknown) => return Some(unknown.data.to_string()),
                }
                String::from_utf8(out).ok()
            }
        }

        impl From<EventKind> for EventFlags {
            fn from(kind: EventKind) -> Self {
                Self::from_bits_retain(1 << kind as u8)
            }
        }

        impl $crate::platform::EventName for EventKind {
            fn event_name(&self) -> &str {
                self.name()
            }
        }

        impl $crate::platform::EventSet for EventFlags {
            fn has_event(self, name: &str) -> bool {
                self.contains(EventKind::from_name(name).into())
            }

            fn has_notices(self) -> bool {
                self.contains(Self::GATEWAY)
            }
        }

        impl From<Intents> for EventFlags {
            /// What may come with these intents: the events that one of them brings, those that
            /// need none, and what has no row of its own.
            fn from(intents: Intents) -> Self {
                let brought = |kind: EventKind| {
                    kind.intents().is_empty()
                        || kind.intents().intersects(intents)
                        $( || kind == EventKind::$too )*
                };
                EventKind::ALL
                    .iter()
                    .filter(|kind| brought(**kind))
                    .map(|kind| Self::from(*kind))
                    .fold(Self::GATEWAY | Self::UNKNOWN, |all, one| all | one)
            }
        }

        impl Default for EventFlags {
            /// All events: nothing is filtered unless asked for.
            fn default() -> Self {
                Self::all()
            }
        }
    };
}
