//! How do I move from twilight? Frames as the events that twilight's other crates take.
//! Imports `codec`, `platform`, `shard` and the words.

use std::{cell::Cell, fmt};

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor},
};
use twilight_model::{
    gateway::{
        OpCode,
        event::{DispatchEvent, DispatchEventWithTypeDeserializer, Event},
        payload::incoming::{
            EntitlementDelete, EntitlementUpdate, RateLimited, rate_limited::RateLimitMetadata,
        },
    },
    id::{Id, marker::GuildMarker},
};

use crate::{
    codec::json,
    error::{Error, ErrorKind},
    platform::DecodeError,
    shard::Frame,
};

/// How deep lists and objects may lie in each other, the payload itself being the first.
///
/// Above any real frame, which reach a dozen. One level of a message in a message takes
/// twilight-model 60 KB of stack in a debug build, and a runtime's thread has 2 MiB.
const DEPTH_MAX: u8 = 20;

impl Frame {
    /// The event as twilight's other crates take it: its cache, its standby, its util.
    ///
    /// Of Discord's 79 events twilight-model 0.18 knows 70. What it has no type for, and payloads
    /// that its types do not take, are errors: they can still be decoded by this crate's own
    /// types, which know all of them. It is read by `serde_json` whatever JSON back end is built
    /// in.
    ///
    /// Only frames of a shard of Discord are meant: those of other platforms are errors, or by
    /// chance of names an event that is not theirs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`] where twilight-model has no such event, where the payload does not fit
    /// its types, and where it would panic or exhaust the stack: a month or weekday of a
    /// recurrence rule that is none, a colour of a reaction that is not ASCII, far too deep a
    /// nesting. Nothing happens to the shard.
    ///
    /// # Example
    ///
    /// ```
    /// use shardstream::{Config, Intents, Message, Shard, ShardId, local::Gateway};
    /// use twilight_model::gateway::event::Event;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gateway = Gateway::start().await?;
    /// # let config = Config::builder("token", Intents::GUILDS)
    /// #     .gateway_url(gateway.url()).build()?;
    /// let mut shard = Shard::with_config(ShardId::ONE, config);
    /// loop {
    ///     let Message::Frame(frame) = shard.next_message().await? else { continue };
    ///     match frame.to_twilight() {
    ///         // Here: `cache.update(&event)`.
    ///         Ok(Event::Ready(ready)) => {
    ///             assert_eq!(ready.version, 10);
    ///             break;
    ///         }
    ///         Ok(event) => println!("{:?}", event.kind()),
    ///         Err(error) => println!("not for twilight: {error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_twilight(&self) -> Result<Event, Error> {
        let name = self.event_name();
        let name = name.as_deref().unwrap_or_default();
        let fail = |message: &'static str| {
            Error::new(ErrorKind::Event, message)
                .with_event(name)
                .with_seq(self.seq())
        };
        if !is_known(name) {
            return Err(fail("twilight-model has no event of this name"));
        }
        let refusal = Cell::new(None);
        let decoded = self.decode_with(|data| {
            json::decode_seed(Look::new(&refusal), data)?;
            decode(name, data)
        });
        match (decoded, refusal.get()) {
            (Ok(event), _) => Ok(Event::from(event)),
            (Err(_), Some(refusal)) => Err(fail(refusal)),
            (Err(problem), None) => {
                let message = "the payload does not fit twilight-model's type";
                Err(fail(message).with_source(strip(problem)))
            }
        }
    }
}

/// What a foreign type expected is its own text, of which we cannot know that it holds nothing of
/// the payload.
fn strip(mut problem: DecodeError) -> DecodeError {
    if let Some(at) = problem.problem.find(", expected ") {
        problem.problem.truncate(at);
    }
    problem
}

/// Decodes a payload that [`Look`] found nothing in.
fn decode(name: &str, data: &str) -> Result<DispatchEvent, DecodeError> {
    // Types that twilight-model has, but not in its decoder, or not as they come.
    match name {
        "ENTITLEMENT_DELETE" => {
            json::decode::<EntitlementDelete>(data).map(DispatchEvent::EntitlementDelete)
        }
        "ENTITLEMENT_UPDATE" => {
            json::decode::<EntitlementUpdate>(data).map(DispatchEvent::EntitlementUpdate)
        }
        "RATE_LIMITED" => json::decode::<Limited>(data).map(|limited| {
            let meta = RateLimitMetadata::RequestGuildMembers {
                guild_id: limited.meta.guild_id,
                nonce: limited.meta.nonce,
            };
            DispatchEvent::RateLimited(RateLimited {
                opcode: limited.opcode,
                retry_after: limited.retry_after,
                meta,
            })
        }),
        _ => json::decode_seed(DispatchEventWithTypeDeserializer::new(name), data),
    }
}

/// `RATE_LIMITED` as it comes: `meta` is the object itself, not one in an object that names it.
/// <https://docs.discord.com/developers/events/gateway-events#rate-limited>
#[derive(Deserialize)]
struct Limited {
    opcode: OpCode,
    retry_after: f32,
    meta: LimitedMeta,
}

#[derive(Deserialize)]
struct LimitedMeta {
    guild_id: Id<GuildMarker>,
    nonce: Option<String>,
}

/// Whether twilight-model decodes events of this name. It has no list to ask: its decoder is
/// given nothing to decode, and its complaint says whether that was all it missed.
fn is_known(name: &str) -> bool {
    let seed = DispatchEventWithTypeDeserializer::new(name);
    let nothing: de::value::UnitDeserializer<Complaint> = ().into_deserializer();
    let by_itself = !matches!(seed.deserialize(nothing), Err(Complaint::Name));
    by_itself || matches!(name, "ENTITLEMENT_DELETE" | "ENTITLEMENT_UPDATE")
}

#[derive(Debug)]
enum Complaint {
    Name,
    Payload,
}

impl de::Error for Complaint {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Payload
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::Name
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "no such event",
            Self::Payload => "not the payload",
        })
    }
}

impl std::error::Error for Complaint {}

/// What twilight-model does with the numbers and texts at a place of a payload.
#[derive(Clone, Copy)]
enum Place {
    /// It slices them by bytes: `burst_colors`.
    Colors,
    /// It panics at what is no month: `by_month`.
    Months,
    /// Objects with a weekday: `by_n_weekday`.
    NWeekdays,
    /// Nothing that could harm.
    Other,
    /// It panics at what is no weekday: `by_weekday`, and `day` in `by_n_weekday`.
    Weekdays,
}

impl Place {
    fn of(key: &str, parent: Self) -> Self {
        match (key, parent) {
            ("burst_colors", _) => Self::Colors,
            ("by_month", _) => Self::Months,
            ("by_n_weekday", _) => Self::NWeekdays,
            ("by_weekday", _) | ("day", Self::NWeekdays) => Self::Weekdays,
            _ => Self::Other,
        }
    }
}

/// Reads a payload without keeping it, and refuses what twilight-model does not survive.
///
/// Catching the panic instead would print it, and would not help where panics abort.
#[derive(Clone, Copy)]
struct Look<'a> {
    place: Place,
    /// How much deeper it may go.
    depth: u8,
    refusal: &'a Cell<Option<&'static str>>,
}

impl<'a> Look<'a> {
    const fn new(refusal: &'a Cell<Option<&'static str>>) -> Self {
        Self {
            place: Place::Other,
            depth: DEPTH_MAX,
            refusal,
        }
    }

    fn refuse<E: de::Error>(self, reason: &'static str) -> E {
        self.refusal.set(Some(reason));
        E::custom(reason)
    }

    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.refuse("the payload is nested too deep for twilight-model")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        match self.place {
            Place::Months if !(1..=12).contains(&number) => {
                Err(self.refuse("twilight-model does not take what is no month"))
            }
            Place::Weekdays if number > 6 => {
                Err(self.refuse("twilight-model does not take what is no weekday"))
            }
            _ => Ok(()),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        match self.place {
            Place::Colors if !text.is_ascii() => {
                Err(self.refuse("twilight-model does not take what is no colour"))
            }
            _ => Ok(()),
        }
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let item = self.deeper()?;
        while list.next_element_seed(item)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let value = self.deeper()?;
        while let Some(place) = map.next_key_seed(Key(self.place))? {
            map.next_value_seed(Self { place, ..value })?;
        }
        Ok(())
    }
}

/// Reads a key as the place that its value is at, given the place of the object.
struct Key(Place);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Place;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Place, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Place, E> {
        Ok(Place::of(key, self.0))
    }
}

#[cfg(test)]
mod tests;
