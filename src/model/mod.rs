//! What do the models of both platforms have in common? The macros that declare objects, times, and
//! small values that are neither object nor list. Imports `codec`; pure.
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

// The files lie with the platform that came first.
#[macro_use]
#[path = "../discord/model/macros.rs"]
mod macros;
#[path = "../discord/model/nest.rs"]
pub(crate) mod nest;
#[path = "../discord/model/scalar.rs"]
pub(crate) mod scalar;
#[path = "../discord/model/timestamp.rs"]
mod timestamp;

pub use self::{
    scalar::{Decimal, Maybe, Nonce, RawJson, Scalar, SecretText, UnixTime},
    timestamp::{Timestamp, TimestampError},
};
