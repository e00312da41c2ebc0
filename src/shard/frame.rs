//! What does a raw message look like? A frame's text, shared and never copied.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use serde::Deserialize;

use super::batch::{Batch, Place};
use crate::{
    codec::envelope::Envelope,
    error::{Error, ErrorKind},
    notice::Notice,
};

/// A dispatch as the server sent it: its text, with the parts of its envelope already found.
///
/// A clone is cheap and shares the text. While a frame lives, so does the buffer it came in, of
/// up to 64 KiB (or the frame's own length, if that is more): copy what is to be kept for long.
#[derive(Clone)]
pub struct Frame {
    batch: Arc<Batch>,
    place: Place,
}

/// What [`Shard::next_message`](crate::Shard::next_message) gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Message {
    /// A dispatch of the platform.
    Frame(Frame),
    /// What happened between the dispatches.
    Gateway(Notice),
}

/// What is around an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// The sequence number, where the event had one; notices have none.
    pub seq: Option<u64>,
    /// Whether the event was replayed after a resume, and so is older than it seems.
    pub replayed: bool,
    /// The platform's id of the event (QQ), where it had one.
    pub id: Option<String>,
}

impl Frame {
    pub(super) const fn new(batch: Arc<Batch>, place: Place) -> Self {
        Self { batch, place }
    }

    /// The whole frame, as JSON text.
    pub fn text(&self) -> &str {
        self.batch.text_at(&self.place)
    }

    /// `op`; 0 for a dispatch.
    pub const fn op(&self) -> u64 {
        self.place.header.op
    }

    /// `s`, the sequence number.
    pub const fn seq(&self) -> Option<u64> {
        self.place.header.seq
    }

    /// `t`, the event's name.
    pub fn event_name(&self) -> Option<Cow<'_, str>> {
        self.envelope().event()
    }

    /// `id`, the platform's id of the event (QQ).
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.envelope().id()
    }

    /// The text of `d`; `null` where there is none. Whether it is JSON throughout shows when it
    /// is decoded.
    pub fn data(&self) -> &str {
        self.envelope().data()
    }

    /// Whether the event was replayed after a resume.
    pub const fn replayed(&self) -> bool {
        self.place.replayed
    }

    /// The text as bytes that can be sent elsewhere. Nothing is copied.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// Decodes `d`, borrowing from the frame where `T` does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`] where `d` is not JSON or does not have the shape of `T`. Nothing
    /// happens to the shard.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_str(self.data()).map_err(|error| {
            let problem = format!(
                "d does not have the shape asked for (line {}, column {})",
                error.line(),
                error.column()
            );
            let error = Error::new(ErrorKind::Event, problem).with_seq(self.seq());
            match self.event_name() {
                Some(name) => error.with_event(name.as_ref()),
                None => error,
            }
        })
    }

    pub(super) fn meta(&self) -> Meta {
        meta(&self.envelope(), self.place.replayed)
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope {
            text: self.text(),
            header: self.place.header,
        }
    }
}

pub(super) fn meta(envelope: &Envelope<'_>, replayed: bool) -> Meta {
    Meta {
        seq: envelope.header.seq,
        replayed,
        id: envelope.id().map(Cow::into_owned),
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.text().as_bytes()
    }
}

impl AsRef<str> for Frame {
    fn as_ref(&self) -> &str {
        self.text()
    }
}

/// Shows the envelope, not the payload: that belongs to people.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("op", &self.op())
            .field("seq", &self.seq())
            .field("event_name", &self.event_name())
            .field("replayed", &self.replayed())
            .field("len", &self.place.len)
            .finish()
    }
}
