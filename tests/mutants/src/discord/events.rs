//! The events of either platform, to which the rules never look.

use crate::{
    notice::Notice,
    platform::{DecodeError, EventSet},
};

#[derive(Clone, Debug)]
pub enum Event {
    Gateway(Notice),
    Other,
}

#[derive(Clone, Copy, Debug)]
pub struct EventFlags;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EventKind {
    Unknown,
}

impl Event {
    pub(super) fn decode(_: &str, _: &str) -> Result<Self, DecodeError> {
        Ok(Self::Other)
    }
}

impl EventKind {
    pub(super) fn from_name(_: &str) -> Self {
        Self::Unknown
    }

    pub(super) fn name(self) -> &'static str {
        ""
    }
}

impl EventSet for EventFlags {
    fn has_event(self, _: &str) -> bool {
        true
    }

    fn has_notices(self) -> bool {
        true
    }
}
