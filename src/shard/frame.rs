//! What does a raw message look like? A frame's text, shared and never copied.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use serde::Deserialize;

use super::batch::{Place, Text};
use crate::{
    codec::{
        envelope::{Envelope, Header, Span},
        json,
    },
    error::{Error, ErrorKind, Escaped},
    notice::Notice,
    platform::{DecodeError, Platform},
};

/// A dispatch as the server sent it: its text, with the parts of its envelope already found.
///
/// A clone is cheap and shares the text. While a frame lives, so does the buffer it came in, of
/// up to 64 KiB (or the frame's own length, if that is more): copy what is to be kept for long.
#[derive(Clone)]
pub struct Frame {
    text: Arc<Text>,
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
    pub(super) const fn new(text: Arc<Text>, place: Place) -> Self {
        Self { text, place }
    }

    /// The frame with a text of its own: kept for long, it keeps nothing but itself.
    pub(crate) fn detached(&self) -> Self {
        let place = Place {
            start: 0,
            ..self.place
        };
        Self::new(Text::share(self.text().to_owned(), None), place)
    }

    /// A frame of a text from elsewhere: one that another process received and passed on, or one
    /// made up for a test.
    ///
    /// ```
    /// use shardstream::Frame;
    ///
    /// let frame = Frame::from_text(r#"{"op":0,"s":7,"t":"TYPING_START","d":{}}"#)?;
    /// assert_eq!((frame.seq(), frame.event_name().as_deref()), (Some(7), Some("TYPING_START")));
    /// assert!(Frame::from_text("typing").is_err());
    /// # Ok::<(), shardstream::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Frame`] where the text is not a JSON object with an integer `op`. The inside
    /// of `d` is not looked at.
    pub fn from_text(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        let header = Header::parse(&text).map_err(|unreadable| {
            let message = "the text is not a message of a gateway";
            Error::new(ErrorKind::Frame, message).with_seq(unreadable.seq)
        })?;
        let place = Place {
            start: 0,
            len: text.len(),
            header,
            replayed: false,
        };
        Ok(Self::new(Text::share(text, None), place))
    }

    /// The whole frame, as JSON text.
    pub fn text(&self) -> &str {
        self.text.at(&self.place)
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

    /// The text of `d`; `null` where there is none.
    ///
    /// It is not looked at before it is decoded, so it may not be JSON. Where the server put
    /// another object or list behind `d`, which no platform does, it runs on to the end of that;
    /// [`parse`](Self::parse) reads even this right.
    pub fn data(&self) -> &str {
        self.envelope().data()
    }

    /// Where [`data`](Self::data) lies in [`text`](Self::text), in bytes; `None` where there is no
    /// `d`.
    pub fn data_range(&self) -> Option<Range<usize>> {
        self.place.header.data.map(Span::range)
    }

    /// Whether the event was replayed after a resume.
    pub const fn replayed(&self) -> bool {
        self.place.replayed
    }

    /// The text as bytes that can be sent elsewhere. Nothing is copied: they are the buffer that
    /// the frame came in, and keep it as the frame does.
    ///
    /// ```
    /// use shardstream::Frame;
    ///
    /// let frame = Frame::from_text(r#"{"op":0,"s":7,"t":"TYPING_START","d":{}}"#)?;
    /// let data = frame.data_range().unwrap_or_default();
    /// let bytes = frame.into_bytes();
    /// assert_eq!(bytes.slice(data), "{}");
    /// # Ok::<(), shardstream::Error>(())
    /// ```
    pub fn into_bytes(self) -> Bytes {
        self.text.bytes_at(&self.place)
    }

    /// An error about this frame's event, for an [`OwnEvent`](crate::OwnEvent) that is written by
    /// hand: of kind [`ErrorKind::Event`], with the name and the sequence.
    pub fn error(&self, message: &'static str) -> Error {
        let error = Error::new(ErrorKind::Event, message).with_seq(self.seq());
        match self.event_name() {
            Some(name) => error.with_event(name.as_ref()),
            None => error,
        }
    }

    /// Decodes `d`, borrowing from the frame where `T` does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`] where `d` is not JSON or does not have the shape of `T`. Nothing
    /// happens to the shard.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        self.decode_with(json::decode_lean).map_err(|problem| {
            let message = "the payload does not have the shape asked for";
            self.error(message).with_source(problem)
        })
    }

    /// Decodes `d`, or, where that fails and a thorough look at the envelope finds `d` elsewhere,
    /// that.
    pub(crate) fn decode_with<'a, T>(
        &'a self,
        decode: impl Fn(&'a str) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        decode(self.data()).or_else(|problem| match self.exact() {
            Some(exact) => decode(exact.data()),
            None => Err(problem),
        })
    }

    /// Decodes the frame as the shard does: into the platform's typed event.
    ///
    /// ```
    /// use shardstream::{Frame, discord::{Discord, Event}};
    ///
    /// let frame = Frame::from_text(r#"{"op":0,"s":7,"t":"NEWS","d":{}}"#)?;
    /// assert!(matches!(frame.decode::<Discord>()?, Event::Unknown(_)));
    /// # Ok::<(), shardstream::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`] where the payload of a known event cannot be decoded. Nothing happens
    /// to the shard.
    pub fn decode<P: Platform>(&self) -> Result<P::Event, Error> {
        super::decode::<P>(&self.envelope(), self.replayed()).1
    }

    /// What is around the event: its sequence, and whether it was replayed.
    pub fn meta(&self) -> Meta {
        meta(&self.envelope(), self.replayed())
    }

    fn envelope(&self) -> Envelope<'_> {
        self.place.envelope(&self.text)
    }

    fn exact(&self) -> Option<Envelope<'_>> {
        exact(&self.envelope())
    }
}

impl Meta {
    pub(super) fn of_error(error: &Error) -> Self {
        Self {
            seq: error.seq(),
            ..Self::default()
        }
    }
}

/// The quick look at an envelope may have taken `d` for longer than it is: a thorough one, where
/// that makes a difference.
pub(super) fn exact<'a>(quick: &Envelope<'a>) -> Option<Envelope<'a>> {
    let text = quick.text;
    let header = Header::parse_exact(text).ok()?;
    (header.data != quick.header.data).then_some(Envelope { text, header })
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
            .field("event_name", &self.event_name().map(Escaped))
            .field("replayed", &self.replayed())
            .field("len", &self.place.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use bytes::Bytes;
    use serde::Deserialize;

    use super::Frame;
    use crate::{
        codec::envelope::Header,
        error::ErrorKind,
        shard::batch::{Batch, Cursor, Place, Text, What},
    };

    /// Frames that share one batch.
    fn frames(texts: &[&str]) -> Vec<Frame> {
        let mut batch = Batch::default();
        let mut places = Vec::new();
        for text in texts {
            let place = Place {
                start: batch.text.len(),
                len: text.len(),
                header: Header::parse(text).unwrap(),
                replayed: places.len() == 1,
            };
            batch.append(text);
            batch.push(Cursor::default(), What::Frame(place));
            places.push(place);
        }
        let text = Text::share(batch.text, None);
        let frame = |place| Frame::new(Arc::clone(&text), place);
        places.into_iter().map(frame).collect()
    }

    const TEXTS: [&str; 3] = [
        r#"{"op":0,"s":7,"t":"A","d":{"x":"CANARY"}}"#,
        r#"{"t":"B\u0042","d":[1,2],"s":8,"op":0,"id":"q:1"}"#,
        r#"{"op":11}"#,
    ];

    #[test]
    fn a_frame_shows_its_own_part_of_the_batch() {
        let frames = frames(&TEXTS);
        for (frame, text) in frames.iter().zip(TEXTS) {
            assert_eq!(frame.text(), text);
        }
        let [a, b, c] = &frames[..] else { panic!() };
        assert_eq!((a.op(), a.seq(), a.replayed()), (0, Some(7), false));
        assert_eq!(a.event_name().as_deref(), Some("A"));
        assert_eq!((a.data(), a.id()), (r#"{"x":"CANARY"}"#, None));
        assert_eq!((b.op(), b.seq(), b.replayed()), (0, Some(8), true));
        assert_eq!(b.event_name().as_deref(), Some("BB"));
        assert_eq!((b.data(), b.id().as_deref()), ("[1,2]", Some("q:1")));
        let meta = super::meta(&b.envelope(), b.replayed());
        assert_eq!((meta.seq, meta.replayed), (Some(8), true));
        assert_eq!(meta.id.as_deref(), Some("q:1"));
        assert_eq!(
            (c.op(), c.seq(), c.event_name(), c.data()),
            (11, None, None, "null")
        );
    }

    #[test]
    fn bytes_are_the_frames_own_memory() {
        let frames = frames(&TEXTS);
        let at = frames[1].text().as_ptr();
        let bytes: Bytes = frames[1].clone().into_bytes();
        let last = frames[2].clone().into_bytes();
        drop(frames);
        assert_eq!(bytes, TEXTS[1].as_bytes());
        assert_eq!(bytes.as_ptr(), at);
        assert_eq!(last, TEXTS[2].as_bytes());
    }

    #[test]
    fn the_range_of_data_is_where_it_lies() {
        for frame in frames(&TEXTS) {
            let range = frame.data_range();
            let there = range.map_or("null", |range| &frame.text()[range]);
            assert_eq!(there, frame.data());
        }
    }

    #[test]
    fn a_frame_made_of_a_text_is_like_one_that_came() {
        for came in frames(&TEXTS) {
            let made = Frame::from_text(came.text()).unwrap();
            assert_eq!(made.text(), came.text());
            assert_eq!((made.op(), made.seq()), (came.op(), came.seq()));
            assert_eq!(made.event_name(), came.event_name());
            assert_eq!(made.data(), came.data());
            assert!(!made.replayed());
        }
        let error = Frame::from_text(r#"{"s":7,"op":"CANARY"}"#).unwrap_err();
        assert_eq!((error.kind(), error.seq()), (ErrorKind::Frame, Some(7)));
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }

    #[test]
    fn parse_finds_the_end_of_data_that_is_not_last() {
        let text = r#"{"op":0,"s":7,"t":"A","d":{"x":"y"},"z":{"a":1}}"#;
        let [frame] = &frames(&[text])[..] else {
            panic!()
        };
        let parsed = frame.parse::<BTreeMap<&str, &str>>();
        assert_eq!(parsed.unwrap(), BTreeMap::from([("x", "y")]));
    }

    #[test]
    fn parse_may_borrow_and_says_what_was_wrong_without_the_payload() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Own<'a> {
            x: &'a str,
        }
        let frames = frames(&TEXTS);
        assert_eq!(frames[0].parse::<Own<'_>>().unwrap(), Own { x: "CANARY" });
        let error = frames[0].parse::<BTreeMap<String, u8>>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Event);
        assert_eq!((error.seq(), error.event_name()), (Some(7), Some("A")));
        assert!(!format!("{error} {error:?}").contains("CANARY"));
        assert!(!format!("{:?}", frames[0]).contains("CANARY"));
    }
}
