//! Where does a frame end? Watches the bytes that the server sends, before the WebSocket library
//! does. Pure.
//!
//! The library in charge of RFC 6455 reserves what a frame header claims before the bytes are
//! there, hides fragments, and refuses close frames whose code we still want to know of. So this
//! looks at every header, and at no payload but that of a close frame:
//!
//! * a frame longer than [`CHUNK`] is handed on as fragments of that length, so that memory
//!   follows what arrived and not what was claimed;
//! * bytes and fragments of one message are counted against the limits;
//! * a close frame, a header that breaks the RFC and a message beyond the limits end the stream
//!   in front of themselves: everything before is still delivered.

use crate::limits::Limits;

/// The longest frame that is handed on as it came. No shorter header may have the long form, which
/// is what allows to write another length over it.
pub(super) const CHUNK: u64 = 64 << 10;

/// Two bytes and the longest form of a length. The server does not mask.
const HEADER_MAX: usize = 10;

const FIN: u8 = 0x80;
const OPCODE_CONTINUATION: u8 = 0;
const OPCODE_CLOSE: u8 = 8;
const CONTROL_LEN_MAX: u64 = 125;

/// Why no more bytes are handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A header broke RFC 6455.
    Broken,
    /// The peer closed; the payload of its close frame.
    Closed(Vec<u8>),
    /// A message had too many bytes or too many fragments.
    TooLong,
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
    /// Payload bytes of a long frame beyond this chunk, and the first byte of its last chunk's
    /// header.
    later: u64,
    later_first: u8,
    /// A header whose rest has not arrived.
    part: Header,
    /// Bytes of a close frame's payload still to come.
    closing: Option<(usize, Vec<u8>)>,
    /// Whether a fragmented message is open, its claimed bytes and its frames so far.
    open: bool,
    message_len: u64,
    fragments: usize,
    /// Whether a frame long enough to make buffers grow has come.
    long: bool,
    /// Whether a fragmented message has ended with an empty frame.
    empty_last: bool,
    end: Option<End>,
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
            later_first: 0,
            part: Header::default(),
            closing: None,
            open: false,
            message_len: 0,
            fragments: 0,
            long: false,
            empty_last: false,
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
            at += payload;
            let rest = &mut rest[payload..];
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
                        let first = Header::new(rest[0] & !FIN, CHUNK);
                        rest[..frame.header_len].copy_from_slice(first.as_slice());
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
        let first = if self.later == 0 {
            self.later_first
        } else {
            OPCODE_CONTINUATION
        };
        Header::new(first, len)
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

    /// Whether all frames so far are complete, and all messages.
    pub(super) fn is_between_messages(&self) -> bool {
        self.left == 0
            && self.later == 0
            && self.part.len == 0
            && self.closing.is_none()
            && !self.open
    }

    /// Whether a frame long enough to make buffers grow has come since the last call.
    pub(super) fn take_long(&mut self) -> bool {
        std::mem::take(&mut self.long)
    }

    /// Whether a fragmented message has ever ended with an empty frame. The library does not look
    /// at those, and so takes for text what ends inside a code point.
    pub(super) fn had_empty_last(&self) -> bool {
        self.empty_last
    }

    /// Counts a frame and starts its payload.
    fn enter(&mut self, frame: &Parsed) -> Result<(), End> {
        if frame.opcode & 0x08 == 0 {
            if self.open == (frame.opcode != OPCODE_CONTINUATION) {
                return Err(End::Broken);
            }
            if !self.open {
                self.message_len = 0;
                self.fragments = 0;
            }
            self.message_len = self.message_len.saturating_add(frame.len);
            self.fragments += 1;
            if self.message_len > self.message_len_max || self.fragments > self.fragments_max {
                return Err(End::TooLong);
            }
            self.empty_last |= self.open && frame.fin && frame.len == 0;
            self.open = !frame.fin;
        }
        self.left = frame.len.min(CHUNK);
        self.later = frame.len - self.left;
        self.later_first = OPCODE_CONTINUATION | if frame.fin { FIN } else { 0 };
        self.long |= frame.len > 4096;
        if frame.opcode == OPCODE_CLOSE {
            self.left = 0;
        }
        Ok(())
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
    use super::{End, Frames, Want};
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

    #[test]
    fn short_frames_pass_unchanged_whatever_the_reads() {
        let stream = [
            frame(0x81, b"{}"),
            frame(0x89, b""),
            frame(0x01, &[b'a'; 300]),
            frame(0x89, &[b'p'; 125]),
            frame(0x80, b"end"),
            frame(0x82, &vec![7; CHUNK]),
        ]
        .concat();
        for step in [1, 2, 3, 7, 100, 1 << 20] {
            let mut frames = Frames::new(&limits());
            assert_eq!(run(&mut frames, &stream, step), stream, "{step}");
            assert!(frames.is_between_messages());
            assert!(frames.take_long() && !frames.take_long());
        }
    }

    #[test]
    fn a_long_frame_is_handed_on_in_chunks() {
        let payload: Vec<u8> = (0..=u8::MAX).cycle().take(CHUNK * 2 + 5).collect();
        let (a, rest) = payload.split_at(CHUNK);
        let (b, c) = rest.split_at(CHUNK);
        for fin in [0x80, 0] {
            let tail = if fin == 0 {
                frame(0x80, b"x")
            } else {
                frame(0x81, b"x")
            };
            let stream = [frame(0x81, b"y"), frame(fin | 2, &payload), tail.clone()].concat();
            let expected = [
                frame(0x81, b"y"),
                frame(2, a),
                frame(0, b),
                frame(fin, c),
                tail,
            ]
            .concat();
            for step in [1, 3, 1000, 1 << 20] {
                let mut frames = Frames::new(&limits());
                assert_eq!(run(&mut frames, &stream, step), expected, "{step}");
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
                assert_eq!(run(&mut frames, &stream, step), before);
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
