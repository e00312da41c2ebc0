//! Where does a frame end? Watches the bytes that the server sends, before the WebSocket library
//! does. Pure.
//!
//! The library in charge of RFC 6455 reserves what a frame header claims before the bytes are
//! there, hides fragments, and refuses close frames whose code we still want to know of. So this
//! looks at every header, and at the payload of close frames and of text in pieces:
//!
//! * a frame longer than [`CHUNK`] is handed on in pieces of that length, so that memory follows
//!   what arrived and not what was claimed;
//! * pieces and fragments are handed on as binary messages of their own, each with a [`Mark`],
//!   because the library would double its buffer again and again to put them together;
//! * bytes and fragments of one message are counted against the limits;
//! * a close frame, a header that breaks the RFC and a message beyond the limits end the stream
//!   in front of themselves: everything before is still delivered.

use std::collections::VecDeque;

use super::utf8::Utf8;
use crate::limits::Limits;

/// The longest frame that is handed on as it came. No shorter header may have the long form, which
/// is what allows to write another length over it.
pub(super) const CHUNK: u64 = 64 << 10;

/// Two bytes and the longest form of a length. The server does not mask.
const HEADER_MAX: usize = 10;

const FIN: u8 = 0x80;
const OPCODE_CONTINUATION: u8 = 0;
const OPCODE_TEXT: u8 = 1;
const OPCODE_BINARY: u8 = 2;
const OPCODE_CLOSE: u8 = 8;
const CONTROL_LEN_MAX: u64 = 125;

/// Why no more bytes are handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A header broke RFC 6455.
    Broken,
    /// The peer closed; the payload of its close frame.
    Closed(Vec<u8>),
    /// A text that comes in pieces is not UTF-8. Unlike the others this may end the stream within
    /// a frame, whose rest is not handed on.
    NotText,
    /// A message had too many bytes or too many fragments.
    TooLong,
}

/// What a data message that the library gives is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A piece of a message, handed on as binary whatever the message is.
    Piece { text: bool, last: bool },
    /// A message as it came.
    Whole,
}

/// What is to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Any bytes, this many at most; they go through [`Frames::walk`] where they lie.
    Any(u64),
    /// At most this many, for [`Frames::push`].
    Few(usize),
    /// Nothing: first [`Frames::next_header`] is handed on.
    Header,
    /// Nothing, ever.
    Nothing,
}

/// The state between two reads.
#[derive(Debug)]
pub(super) struct Frames {
    message_len_max: u64,
    fragments_max: usize,
    /// Payload bytes of this frame, or of this chunk of it, still to come.
    left: u64,
    /// Payload bytes of a long frame beyond this chunk.
    later: u64,
    /// A header whose rest has not arrived.
    part: Header,
    /// Bytes of a close frame's payload still to come.
    closing: Option<(usize, Vec<u8>)>,
    message: DataMessage,
    /// Whether this frame belongs to a text in pieces, and whether it ends it.
    piece_of_text: bool,
    fin: bool,
    /// Whether a frame long enough to make buffers grow has come.
    long: bool,
    /// Of data frames that the library has and has not given. It takes no more bytes while it
    /// has a whole frame, so these are at most half as many as its buffer has bytes.
    marks: VecDeque<Mark>,
    end: Option<End>,
}

/// The data message whose frames come in, or the last one.
#[derive(Debug, Default)]
struct DataMessage {
    /// Whether frames of it are still to come.
    open: bool,
    text: bool,
    utf8: Utf8,
    /// The bytes that its frames claimed so far.
    len: u64,
    fragments: usize,
}

/// Up to [`HEADER_MAX`] bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    bytes: [u8; HEADER_MAX],
    len: usize,
}

impl Header {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, more: &[u8]) {
        let end = self.len + more.len();
        self.bytes[self.len..end].copy_from_slice(more);
        self.len = end;
    }

    /// The shortest form of a header.
    fn new(first: u8, len: u64) -> Self {
        let mut header = Self::default();
        header.push(&[first]);
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(len @ 0..=125), _) => header.push(&[len]),
            (_, Ok(len)) => {
                header.push(&[126]);
                header.push(&len.to_be_bytes());
            }
            _ => {
                header.push(&[127]);
                header.push(&len.to_be_bytes());
            }
        }
        header
    }
}

/// A frame header that RFC 6455 allows a server to send.
struct Parsed {
    header_len: usize,
    fin: bool,
    opcode: u8,
    len: u64,
}

impl Parsed {
    fn is_data(&self) -> bool {
        self.opcode & 0x08 == 0
    }
}

enum Parse {
    Broken,
    /// So many bytes more, at least.
    Incomplete(usize),
    Ok(Parsed),
}

/// RFC 6455 section 5.2. Which opcode may follow which is the caller's to know.
fn parse(bytes: &[u8]) -> Parse {
    let &[first, second, ref rest @ ..] = bytes else {
        return Parse::Incomplete(2 - bytes.len());
    };
    let (fin, opcode, short) = (first & FIN != 0, first & 0x0F, second & 0x7F);
    let control = opcode & 0x08 != 0;
    // Extensions that would give RSV bits a meaning are never asked for; servers never mask.
    if first & 0x70 != 0 || second & 0x80 != 0 || !matches!(opcode, 0..=2 | 8..=10) {
        return Parse::Broken;
    }
    if control && (!fin || u64::from(short) > CONTROL_LEN_MAX) {
        return Parse::Broken;
    }
    let (header_len, len) = match short {
        126 => match rest.first_chunk() {
            Some(len) => (4, u64::from(u16::from_be_bytes(*len))),
            None => return Parse::Incomplete(2 - rest.len()),
        },
        127 => match rest.first_chunk() {
            Some(len) => (10, u64::from_be_bytes(*len)),
            None => return Parse::Incomplete(8 - rest.len()),
        },
        short => (2, u64::from(short)),
    };
    let shortest = match header_len {
        2 => true,
        4 => len > 125,
        _ => len > u64::from(u16::MAX),
    };
    // The highest bit of a length must be zero.
    if !shortest || i64::try_from(len).is_err() {
        return Parse::Broken;
    }
    Parse::Ok(Parsed {
        header_len,
        fin,
        opcode,
        len,
    })
}

impl Frames {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            message_len_max: u64::try_from(limits.message_len_max).unwrap_or(u64::MAX),
            fragments_max: limits.fragments_max,
            left: 0,
            later: 0,
            part: Header::default(),
            closing: None,
            message: DataMessage::default(),
            piece_of_text: false,
            fin: false,
            long: false,
            marks: VecDeque::new(),
            end: None,
        }
    }

    /// Looks at bytes that continue the stream, where they lie; how many of them, from the first,
    /// are to be handed on. The others are kept here or are behind the end.
    ///
    /// Only after [`Want::Any`], and not more than it said.
    pub(super) fn walk(&mut self, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        loop {
            let rest = &mut bytes[at..];
            let payload =
                usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
            self.left -= payload as u64;
            let (passed, rest) = rest.split_at_mut(payload);
            if !self.is_text_with(passed) {
                self.end = Some(End::NotText);
                return at;
            }
            at += payload;
            if rest.is_empty() || self.later > 0 {
                return at;
            }
            match parse(rest) {
                Parse::Broken => {
                    self.end = Some(End::Broken);
                    return at;
                }
                Parse::Incomplete(_) => {
                    self.part.push(rest);
                    return at;
                }
                Parse::Ok(frame) => {
                    if let Err(end) = self.enter(&frame) {
                        self.end = Some(end);
                        return at;
                    }
                    if frame.opcode == OPCODE_CLOSE {
                        self.closing = Some((usize::try_from(frame.len).unwrap_or(0), Vec::new()));
                        self.push_close(&rest[frame.header_len..]);
                        return at;
                    }
                    if self.later > 0 {
                        // A long frame has the long form, so the header keeps its length.
                        let first = Header::new(FIN | OPCODE_BINARY, CHUNK);
                        rest[..frame.header_len].copy_from_slice(first.as_slice());
                    } else if frame.is_data() && self.marks.back() != Some(&Mark::Whole) {
                        rest[0] = FIN | OPCODE_BINARY;
                    }
                    at += frame.header_len;
                }
            }
        }
    }

    /// Takes what [`Want::Few`] asked for. A header that is complete now is to be handed on.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<Header> {
        if self.closing.is_some() {
            self.push_close(bytes);
            return None;
        }
        self.part.push(bytes);
        if let Parse::Incomplete(_) = parse(self.part.as_slice()) {
            return None;
        }
        let mut header = std::mem::take(&mut self.part);
        let keep = self.walk(&mut header.bytes[..header.len]);
        header.len = keep;
        (keep > 0).then_some(header)
    }

    /// The header of the next chunk of a long frame, to be handed on.
    pub(super) fn next_header(&mut self) -> Header {
        let len = self.later.min(CHUNK);
        self.left = len;
        self.later -= len;
        self.marks.push_back(Mark::Piece {
            text: self.message.text,
            last: self.fin && self.later == 0,
        });
        Header::new(FIN | OPCODE_BINARY, len)
    }

    /// What is to be read next.
    pub(super) fn want(&self) -> Want {
        if self.end.is_some() {
            return Want::Nothing;
        }
        if let Some((len, payload)) = &self.closing {
            return Want::Few(len - payload.len());
        }
        if self.part.len > 0 {
            return match parse(self.part.as_slice()) {
                Parse::Incomplete(n) => Want::Few(n),
                Parse::Broken | Parse::Ok(_) => Want::Nothing,
            };
        }
        match (self.left, self.later) {
            (0, 1..) => Want::Header,
            (left, 1..) => Want::Any(left),
            // No more than a chunk, so that the payload that lies behind the header of a long
            // frame never reaches into its second chunk.
            (_, 0) => Want::Any(CHUNK),
        }
    }

    /// Why nothing more is handed on.
    pub(super) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Whether all frames so far are complete, and all messages, and all were given.
    pub(super) fn is_between_messages(&self) -> bool {
        self.marks.is_empty()
            && self.left == 0
            && self.later == 0
            && self.part.len == 0
            && self.closing.is_none()
            && !self.message.open
    }

    /// Whether a frame long enough to make buffers grow has come since the last call.
    pub(super) fn take_long(&mut self) -> bool {
        std::mem::take(&mut self.long)
    }

    /// Gives back what an idle stream need not hold.
    pub(super) fn rest(&mut self) {
        self.marks.shrink_to_fit();
    }

    /// What the next data message of the library is.
    pub(super) fn take_mark(&mut self) -> Mark {
        let mark = self.marks.pop_front();
        debug_assert!(mark.is_some(), "one for each data frame");
        mark.unwrap_or(Mark::Whole)
    }

    /// The length of the message whose piece was taken last, where it is known: its last frame
    /// has begun, and no other message behind it.
    pub(super) fn message_len(&self) -> Option<usize> {
        let known = self.fin && self.marks.is_empty();
        let len = known.then_some(self.message.len);
        len.and_then(|len| usize::try_from(len).ok())
    }

    /// Counts a frame and starts its payload.
    fn enter(&mut self, frame: &Parsed) -> Result<(), End> {
        self.piece_of_text = false;
        if frame.is_data() {
            self.enter_data(frame)?;
        }
        self.left = frame.len.min(CHUNK);
        self.later = frame.len - self.left;
        self.long |= frame.len > 4096;
        if frame.opcode == OPCODE_CLOSE {
            self.left = 0;
        }
        Ok(())
    }

    fn enter_data(&mut self, frame: &Parsed) -> Result<(), End> {
        let message = &mut self.message;
        if message.open == (frame.opcode != OPCODE_CONTINUATION) {
            return Err(End::Broken);
        }
        let first = !message.open;
        if first {
            *message = DataMessage {
                text: frame.opcode == OPCODE_TEXT,
                ..DataMessage::default()
            };
        }
        message.open = !frame.fin;
        message.len = message.len.saturating_add(frame.len);
        message.fragments += 1;
        if message.len > self.message_len_max || message.fragments > self.fragments_max {
            return Err(End::TooLong);
        }
        let last = frame.fin && frame.len <= CHUNK;
        if first && last {
            self.marks.push_back(Mark::Whole);
            return Ok(());
        }
        let text = message.text;
        if text && last && frame.len == 0 && !message.utf8.is_complete() {
            return Err(End::NotText);
        }
        self.marks.push_back(Mark::Piece { text, last });
        self.piece_of_text = text;
        self.fin = frame.fin;
        Ok(())
    }

    /// Whether these bytes, if they belong to a text in pieces, leave it one. A whole text is the
    /// library's to judge.
    fn is_text_with(&mut self, payload: &[u8]) -> bool {
        if !self.piece_of_text {
            return true;
        }
        let ends = self.fin && self.left == 0 && self.later == 0;
        self.message.utf8.push(payload) && (!ends || self.message.utf8.is_complete())
    }

    fn push_close(&mut self, bytes: &[u8]) {
        let Some((len, payload)) = &mut self.closing else {
            return;
        };
        let take = bytes.len().min(*len - payload.len());
        payload.extend_from_slice(&bytes[..take]);
        if payload.len() == *len {
            self.end = Some(End::Closed(std::mem::take(payload)));
            self.closing = None;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{End, Frames, Mark, Want};
    use crate::limits::Limits;

    const CHUNK: usize = 64 << 10;

    /// A server's frame.
    pub(in crate::transport) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let header = super::Header::new(first, payload.len() as u64);
        [header.as_slice(), payload].concat()
    }

    fn limits() -> Limits {
        Limits {
            message_len_max: 1 << 20,
            fragments_max: 10,
            ..Limits::default()
        }
    }

    /// Feeds `bytes` in reads of at most `step`, as the I/O does; what is handed on.
    fn run(frames: &mut Frames, mut bytes: &[u8], step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            match frames.want() {
                Want::Nothing => return out,
                Want::Header => out.extend_from_slice(frames.next_header().as_slice()),
                _ if bytes.is_empty() => return out,
                Want::Any(max) => {
                    let n = step.min(bytes.len()).min(usize::try_from(max).unwrap());
                    let mut read = bytes[..n].to_vec();
                    bytes = &bytes[n..];
                    let keep = frames.walk(&mut read);
                    out.extend_from_slice(&read[..keep]);
                }
                Want::Few(max) => {
                    let n = step.min(bytes.len()).min(max);
                    if let Some(header) = frames.push(&bytes[..n]) {
                        out.extend_from_slice(header.as_slice());
                    }
                    bytes = &bytes[n..];
                }
            }
        }
    }

    fn marks(frames: &mut Frames) -> Vec<Mark> {
        frames.marks.drain(..).collect()
    }

    const fn piece(text: bool, last: bool) -> Mark {
        Mark::Piece { text, last }
    }

    #[test]
    fn short_messages_pass_unchanged_whatever_the_reads() {
        let stream = [
            frame(0x81, b"{}"),
            frame(0x89, b""),
            frame(0x81, &[b'a'; 300]),
            frame(0x89, &[b'p'; 125]),
            frame(0x81, b""),
            frame(0x82, &vec![7; CHUNK]),
        ]
        .concat();
        for step in [1, 2, 3, 7, 100, 1 << 20] {
            let mut frames = Frames::new(&limits());
            assert_eq!(run(&mut frames, &stream, step), stream, "{step}");
            assert!(!frames.is_between_messages(), "none was taken");
            assert_eq!(marks(&mut frames), [Mark::Whole; 4]);
            assert!(frames.is_between_messages());
            assert!(frames.take_long() && !frames.take_long());
        }
    }

    #[test]
    fn fragments_are_handed_on_as_pieces() {
        for (first, text) in [(1, true), (2, false)] {
            let stream = [
                frame(first, b"a"),
                frame(0x89, b"ping"),
                frame(0, &[b'b'; 200]),
                frame(0x80, b""),
                frame(0x81, b"whole"),
            ]
            .concat();
            let expected = [
                frame(0x82, b"a"),
                frame(0x89, b"ping"),
                frame(0x82, &[b'b'; 200]),
                frame(0x82, b""),
                frame(0x81, b"whole"),
            ]
            .concat();
            for step in [1, 2, 3, 1000] {
                let mut frames = Frames::new(&limits());
                assert_eq!(run(&mut frames, &stream, step), expected, "{step}");
                let (more, last) = (piece(text, false), piece(text, true));
                assert_eq!(marks(&mut frames), [more, more, last, Mark::Whole]);
            }
        }
    }

    #[test]
    fn a_long_frame_is_handed_on_in_chunks() {
        let payload: Vec<u8> = (0..=u8::MAX).cycle().take(CHUNK * 2 + 5).collect();
        let (a, rest) = payload.split_at(CHUNK);
        let (b, c) = rest.split_at(CHUNK);
        let pieces = [frame(0x82, a), frame(0x82, b), frame(0x82, c)].concat();
        for (fin, tail) in [(0x80, frame(0x81, b"x")), (0, frame(0x80, b"x"))] {
            let stream = [frame(0x81, b"y"), frame(fin | 2, &payload), tail].concat();
            let last = if fin == 0 { 0x82 } else { 0x81 };
            let expected = [frame(0x81, b"y"), pieces.clone(), frame(last, b"x")].concat();
            for step in [1, 3, 1000, 1 << 20] {
                let mut frames = Frames::new(&limits());
                assert_eq!(run(&mut frames, &stream, step), expected, "{step}");
                let (more, end) = (piece(false, false), piece(false, true));
                let marks = marks(&mut frames);
                assert_eq!(marks[..3], [Mark::Whole, more, more]);
                let rest = if fin == 0 {
                    [more, end]
                } else {
                    [end, Mark::Whole]
                };
                assert_eq!(marks[3..], rest);
                assert!(frames.is_between_messages());
            }
        }
    }

    /// Goal: what breaks RFC 6455 ends the stream in front of itself, however it arrives.
    #[test]
    fn broken_headers_end_the_stream_in_front_of_themselves() {
        let mut endless = vec![0x81, 127];
        endless.extend_from_slice(&(1_u64 << 63).to_be_bytes());
        let broken: &[(&str, &[u8])] = &[
            ("masked", &[0x81, 0x82, 1, 2, 3, 4, 5, 6]),
            ("rsv1", &[0xC1, 0]),
            ("rsv2", &[0xA1, 0]),
            ("rsv3", &[0x91, 0]),
            ("opcode 3", &[0x83, 0]),
            ("opcode 7", &[0x87, 0]),
            ("opcode 11", &[0x8B, 0]),
            ("opcode 15", &[0x8F, 0]),
            ("stray continuation", &[0x80, 0]),
            ("stray open continuation", &[0x00, 0]),
            ("fragmented ping", &[0x09, 0]),
            ("fragmented close", &[0x08, 0]),
            ("ping of 126", &[0x89, 126, 0, 126]),
            ("close of 126", &[0x88, 126, 0, 126]),
            ("long form of 125", &[0x81, 126, 0, 125]),
            (
                "longer form of 65535",
                &[0x81, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
            ),
            ("highest bit", &endless),
        ];
        for (name, bad) in broken {
            for step in [1, 2, 1 << 20] {
                let stream = [&frame(0x81, b"ok"), *bad, &frame(0x81, b"never")].concat();
                let mut frames = Frames::new(&limits());
                let out = run(&mut frames, &stream, step);
                assert_eq!(frames.end(), Some(&End::Broken), "{name}");
                assert_eq!(out, frame(0x81, b"ok"), "{name}");
                assert_eq!(frames.want(), Want::Nothing);
            }
        }
        let mut frames = Frames::new(&limits());
        run(
            &mut frames,
            &[frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            100,
        );
        assert_eq!(
            frames.end(),
            Some(&End::Broken),
            "a message inside a message"
        );
    }

    #[test]
    fn a_claim_beyond_the_limit_ends_the_stream_at_its_header() {
        for len in [(1_u64 << 20) + 1, 1 << 62, (1 << 63) - 1] {
            let header = super::Header::new(0x82, len);
            let mut frames = Frames::new(&limits());
            assert_eq!(run(&mut frames, header.as_slice(), 100), b"");
            assert_eq!(frames.end(), Some(&End::TooLong), "{len}");
        }
        let mut frames = Frames::new(&limits());
        run(&mut frames, &frame(0x82, &vec![0; 1 << 20]), 1 << 20);
        assert_eq!(frames.end(), None, "exactly the limit");
    }

    #[test]
    fn fragments_are_counted_in_bytes_and_in_number() {
        let half = vec![0; 1 << 19];
        let mut frames = Frames::new(&limits());
        let stream = [frame(2, &half), frame(0, &half), frame(0x80, b"")].concat();
        run(&mut frames, &stream, 1000);
        assert_eq!(frames.end(), None);
        run(
            &mut frames,
            &[frame(2, &half), frame(0, &half), frame(0, b"1")].concat(),
            1000,
        );
        assert_eq!(frames.end(), Some(&End::TooLong));

        let mut frames = Frames::new(&limits());
        let nine = [frame(2, b""), frame(0, b"").repeat(8)].concat();
        for _ in 0..3 {
            run(&mut frames, &[nine.clone(), frame(0x80, b"")].concat(), 5);
            assert_eq!(frames.end(), None, "ten each");
        }
        run(&mut frames, &[nine, frame(0, b"").repeat(2)].concat(), 5);
        assert_eq!(frames.end(), Some(&End::TooLong));
    }

    #[test]
    fn a_close_frame_is_kept_and_nothing_behind_it_is_handed_on() {
        for payload in [
            &b""[..],
            b"\x0f",
            b"\x0f\xa4",
            b"\x03\xe8reason",
            &[b'r'; 125],
        ] {
            for step in [1, 2, 3, 1 << 20] {
                let before = frame(0x01, b"half");
                let stream = [&before[..], &frame(0x88, payload), &frame(0x80, b"no")].concat();
                let mut frames = Frames::new(&limits());
                assert_eq!(run(&mut frames, &stream, step), frame(0x82, b"half"));
                assert_eq!(frames.end(), Some(&End::Closed(payload.to_vec())), "{step}");
            }
        }
    }

    /// Goal: no bytes make it panic or loop. Method: random bytes, biased towards real headers.
    #[test]
    fn no_bytes_make_it_panic() {
        let mut rng = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let mut frames = Frames::new(&limits());
            let mut stream = Vec::new();
            for _ in 0..rng.usize(1..8) {
                let (first, second) = (rng.u8(..), rng.u8(..));
                let firsts = [0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x88, first];
                stream.push(rng.choice(firsts).unwrap_or(0));
                stream.push(rng.choice([0, 1, 2, 125, 126, 127, second]).unwrap_or(0));
                let tail: Vec<u8> = (0..rng.usize(0..14)).map(|_| rng.u8(0..3)).collect();
                stream.extend(tail);
            }
            let step = rng.usize(1..20);
            assert!(run(&mut frames, &stream, step).len() <= stream.len() + 10);
        }
    }
}
