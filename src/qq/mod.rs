//! What does only QQ know? Protocol, close table, intents, events.
//! Imports `platform`, `codec` and the words; pure.

mod close;
mod credentials;
mod events;
mod intents;
pub mod model;
mod protocol;
mod token;

pub use credentials::Credentials;
pub use events::{Event, EventFlags, EventKind, UnknownEvent};
pub use intents::Intents;
pub use protocol::{Hosts, QQ};
