mod close;
mod events;
mod intents;
mod protocol;

#[derive(Clone, Debug)]
pub struct Credentials;

pub use events::{Event, EventFlags, EventKind};
pub use intents::Intents;
pub use protocol::{Hosts, QQ};
