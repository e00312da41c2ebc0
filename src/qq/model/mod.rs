//! What do events hold? QQ's objects, lean and lenient.
//!
//! The types follow the documentation of 2026 and what was recorded from the service; where the
//! two differ, both are read:
//!
//! - Hardly a field is always there. What may be absent or `null` is an `Option`, and `None` either
//!   way; lists are empty then. Only the ids that say what an event is about are wanted, and an
//!   event without them is an error.
//! - A number is read from a number or a decimal text, a text from a text or a number, a time from
//!   RFC 3339, from Unix seconds and from the text that Go prints. A value of a type that does not
//!   fit at all counts as absent: one bad field costs no event.
//! - Guilds, their channels, roles and users have numbers ([`Id`](crate::Id)), up to `u64::MAX`.
//!   Groups, users in groups or in private chats, and messages have texts ([`TextId`]), which mean
//!   nothing outside of this bot.
//! - Enumerations are open: a value that this version does not name is in their `Unknown` variant.
//!   Unknown fields are skipped; `Shard::next_message` gives the frame as it came, with all that
//!   QQ wrote.
//! - Everything serializes to what QQ would send, in the documented form and with absent for
//!   `null`.
//!
//! A few deep parts that are rarely used are kept as [`RawJson`].

mod forum;
mod group;
mod guild;
mod id;
mod interaction;
mod lenient;
mod message;

pub use compact_str::CompactString;

pub use crate::model::{Decimal, RawJson, SecretText, Timestamp, TimestampError, UnixTime};
// Named by what the macros write.
use crate::model::{nest, scalar};

pub use self::{forum::*, group::*, guild::*, id::TextId, interaction::*, message::*};
