//! What is around an event? `op`, `s`, `t`, `id` and where `d` lies, without touching `d`.

use std::{borrow::Cow, ops::Range};

/// Where a part of a frame's text lies, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The parsed header of a frame: plain numbers, to be kept beside the text they point into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// `op`.
    pub(crate) op: u64,
    /// `s`, where it is there and an unsigned integer.
    pub(crate) seq: Option<u64>,
    /// Between the quotes of `t`; may hold escapes.
    pub(crate) event: Option<Span>,
    /// Between the quotes of `id` (QQ); may hold escapes.
    pub(crate) id: Option<Span>,
    /// The value of `d`.
    pub(crate) data: Option<Span>,
}

/// A text that is not a gateway message. Its sequence is known where it could still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) seq: Option<u64>,
}

impl Header {
    /// Reads the envelope of `text`, its keys in any order.
    pub(crate) fn parse(text: &str) -> Result<Self, Unreadable> {
        let _ = text;
        todo!()
    }
}

/// A frame's text with its header, as the session sees it for one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) text: &'a str,
    pub(crate) header: Header,
}

impl<'a> Envelope<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Unreadable> {
        Header::parse(text).map(|header| Self { text, header })
    }

    /// The event's name.
    pub(crate) fn event(&self) -> Option<Cow<'a, str>> {
        todo!()
    }

    /// The platform's id of the event.
    pub(crate) fn id(&self) -> Option<Cow<'a, str>> {
        todo!()
    }

    /// The text of `d`, `null` where there is none.
    pub(crate) fn data(&self) -> &'a str {
        self.header
            .data
            .and_then(|span| self.text.get(span.range()))
            .unwrap_or("null")
    }
}
