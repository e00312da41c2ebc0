//! What does only Discord know? Protocol, close table, intents, commands, events.
//! Imports `platform`, `codec` and the words; pure.

pub mod model;
