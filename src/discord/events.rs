//! Which events are there? One row each.

use crate::{notice::Notice, platform::DecodeError};

/// What the gateway tells a bot.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Something about the connection rather than from Discord.
    Gateway(Notice),
    /// An event that this version does not name.
    Unknown(Box<UnknownEvent>),
}

/// An event that this version does not name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownEvent {
    /// Its name: `t` of the frame.
    pub name: Box<str>,
    /// Its payload: `d` of the frame, as JSON text.
    pub data: Box<str>,
}

impl Event {
    pub(crate) fn decode(name: &str, data: &str) -> Result<Self, DecodeError> {
        Ok(Self::Unknown(Box::new(UnknownEvent {
            name: name.into(),
            data: data.into(),
        })))
    }
}
