//! What does only Discord know? Protocol, close table, intents, commands, events.
//! Imports `platform`, `codec`, `model` and the words; pure.

mod arrivals;
mod close;
mod command;
mod events;
mod intents;
pub mod model;
mod protocol;

pub use arrivals::GuildArrivals;
pub use command::{
    BotActivity, BotStatus, Command, RequestChannelInfo, RequestGuildMembers,
    RequestSoundboardSounds, UpdatePresence, UpdateVoiceState,
};
pub use events::{Event, EventFlags, EventKind};
pub use intents::Intents;
pub use protocol::{Discord, IdentifyProperties};

pub use crate::model::UnknownEvent;
