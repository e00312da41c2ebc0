//! Which events are there? One row each.

use crate::{codec::json, notice::Notice, platform::DecodeError};

/// An event that this version does not name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownEvent {
    /// Its name: `t` of the frame.
    pub name: Box<str>,
    /// Its payload: `d` of the frame, as JSON text.
    pub data: Box<str>,
}

/// What the gateway tells a bot.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Something about the connection rather than from QQ.
    Gateway(Notice),
    /// An event that this version does not name.
    Unknown(Box<UnknownEvent>),
}

impl Event {
    pub(crate) fn decode(name: &str, data: &str) -> Result<Self, DecodeError> {
        json::check(data)?;
        Ok(Self::Unknown(Box::new(UnknownEvent {
            name: name.into(),
            data: data.into(),
        })))
    }
}
