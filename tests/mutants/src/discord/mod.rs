mod close;
mod command;
mod events;
mod intents;
mod protocol;

pub use command::UpdatePresence;
pub use events::{Event, EventFlags, EventKind};
pub use intents::Intents;
pub use protocol::{Discord, IdentifyProperties};
