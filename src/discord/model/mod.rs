//! What do events hold? Discord's objects, lean.
//!
//! The types follow the documentation of November 2026 and keep what it documents:
//!
//! - An object of one kind has one id type, `Id<User>` say; ids of things that have no type here
//!   have a marker.
//! - Enumerations are open: a value that this version does not name is in their `Unknown` variant.
//!   Sets of flags keep bits without a name. Unknown fields are skipped.
//! - What may be absent or `null` is an `Option`, and `None` either way, except where the two mean
//!   different things ([`Maybe`], [`RoleTags`]). Lists and flags that may be absent are empty then;
//!   `bool`s are `false`. Whatever Discord added after 2020 may be absent.
//! - What an event is not about costs no one the event: a field that is not needed to tell whom
//!   or what it names counts as absent where Discord sends another type than documented, a number
//!   that does not fit is held to the nearest that does, and of more than 64 flags the first 64
//!   are kept.
//! - Everything serializes to what Discord would send, with absent for an optional `null`.
//!
//! A few deep or rarely used parts are kept as [`RawJson`] for now.

mod application;
mod channel;
mod command_data;
mod component;
mod emoji;
mod guild;
mod image;
mod interaction;
mod interaction_data;
mod member;
mod message;
mod moderation;
mod payload;
mod presence;
mod role;
mod scheduled_event;
mod slot;
mod untyped;
mod user;
mod voice;

pub use compact_str::CompactString;

pub use crate::model::{
    Decimal, Maybe, Nonce, RawJson, Scalar, SecretText, Timestamp, TimestampError, UnixTime,
};
// Named by what the macros write.
use crate::model::{nest, scalar};

pub use self::{
    application::*, channel::*, command_data::*, component::*, emoji::*, guild::*,
    image::ImageHash, interaction::*, interaction_data::*, member::*, message::*, moderation::*,
    payload::*, presence::*, role::*, scheduled_event::*, untyped::UnknownObject, user::*,
    voice::*,
};
