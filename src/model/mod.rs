//! What do the models of both platforms have in common? The macros that declare objects and events,
//! times, and small values that are neither object nor list. Imports `codec` and `platform`; pure.
//!
//! The macros are in scope wherever a module is declared after this one.

#![cfg_attr(
    not(all(feature = "discord", feature = "qq")),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        unused_macros,
        reason = "each platform has words that the other needs not"
    )
)]

#[macro_use]
mod events;
#[macro_use]
mod macros;
pub(crate) mod direct;
pub(crate) mod nest;
pub(crate) mod ready;
pub(crate) mod scalar;
pub(crate) mod scope;
mod timestamp;

pub use self::{
    events::UnknownEvent,
    scalar::{Decimal, Maybe, Nonce, RawJson, Scalar, SecretText, UnixTime},
    timestamp::{Timestamp, TimestampError},
};
