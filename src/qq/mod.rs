//! What does only QQ know? Protocol, close table, intents, events.
//! Imports `platform`, `codec` and the words; pure.

mod close;
mod credentials;
mod events;
mod intents;
mod protocol;
mod token;

pub use credentials::Credentials;
pub use events::{Event, UnknownEvent};
pub use intents::Intents;
pub use protocol::{Hosts, QQ};
