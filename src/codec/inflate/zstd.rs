//! zstd-stream: one context for the connection; each WebSocket message is one gateway message, and
//! ends with a flush, which ends no frame. Servers that make a frame of each message are read too.
//!
//! A flush ends the block. So a message is complete where the header of a block would follow, or a
//! new frame. One that ends elsewhere is kept until the rest comes; where it was cut off instead,
//! the next message does not fit, and that is an error. The decoder does not tell these places from
//! others (it asks for three bytes before a header, and where three are left of a frame's last
//! block or of its checksum); so blocks are counted here.

use std::fmt;

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::{InflateError, Room};

/// 8 MiB, the most that a context can be made to allocate. The platform's frames ask for 256 KiB;
/// a header of nine bytes could ask for 2 GiB.
const WINDOW_LOG_MAX: u32 = 23;

/// What every frame begins with (RFC 8878 section 3.1.1). Other numbers begin frames to be skipped
/// and frames of formats that are no more; a gateway sends neither.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// The header of a block (RFC 8878 section 3.1.1.2).
const BLOCK_HEADER_LEN: usize = 3;

/// One zstd context that lasts as long as the connection.
pub(super) struct Zstd {
    /// `None` where the system had no memory for one.
    stream: Option<DCtx<'static>>,
    place: Place,
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zstd")
    }
}

impl Zstd {
    pub(super) fn new() -> Self {
        let stream = DCtx::try_create().and_then(|mut stream| {
            let limit = DParameter::WindowLogMax(WINDOW_LOG_MAX);
            stream.set_parameter(limit).is_ok().then_some(stream)
        });
        let place = Place::new();
        Self { stream, place }
    }

    /// Inflates one WebSocket message; true when it ends where a gateway message does.
    ///
    /// Ends because each turn takes input or gives output, both bounded.
    pub(super) fn take(
        &mut self,
        mut packed: &[u8],
        room: &mut Room<'_>,
    ) -> Result<bool, InflateError> {
        // Asked too often for nothing, the decoder calls it an error.
        if packed.is_empty() {
            return Ok(false);
        }
        self.place.pass(packed)?;
        loop {
            let stream = self.stream.as_mut().ok_or(InflateError::Broken)?;
            let mut input = InBuffer::around(packed);
            let mut output = OutBuffer::around(room.space());
            let wanted = stream
                .decompress_stream(&mut output, &mut input)
                .map_err(|_| InflateError::Broken)?;
            let (taken, given) = (input.pos(), output.pos());
            packed = packed.get(taken..).ok_or(InflateError::Broken)?;
            // The end of a frame, or space that was not used, means that all is out.
            let is_out = room.wrote(given)? || wanted == 0;
            if packed.is_empty() && is_out {
                return Ok(self.place.is_boundary());
            }
            if taken == 0 && given == 0 {
                return Err(InflateError::Broken);
            }
        }
    }
}

/// Where the bytes so far end (RFC 8878 section 3.1.1).
#[derive(Debug)]
struct Place {
    part: Part,
    /// Bytes of the part still to come.
    left: usize,
    /// Of a block, as far as it came.
    header: u32,
    has_checksum: bool,
}

/// What a frame consists of, in order; blocks come again until the last.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Magic,
    Descriptor,
    /// What the descriptor says that there is.
    FrameHeader,
    BlockHeader,
    Block {
        is_last: bool,
    },
    Checksum,
}

impl Place {
    const fn new() -> Self {
        Self {
            part: Part::Magic,
            left: MAGIC.len(),
            header: 0,
            has_checksum: false,
        }
    }

    /// Whether a block or a frame would begin here.
    fn is_boundary(&self) -> bool {
        match self.part {
            Part::Magic => self.left == MAGIC.len(),
            Part::BlockHeader => self.left == BLOCK_HEADER_LEN,
            _ => false,
        }
    }

    /// Goes on over bytes of the stream. Takes no frame but those of this format; all else that
    /// may be wrong is the decoder's to find.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), InflateError> {
        // Each turn takes bytes or goes on to a part that wants some, but for an empty block.
        while !bytes.is_empty() || self.left == 0 {
            let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
            bytes = rest;
            match self.part {
                Part::Magic | Part::Descriptor | Part::BlockHeader => {
                    for &byte in part {
                        self.byte(byte)?;
                    }
                }
                _ => self.left -= part.len(),
            }
            if self.left == 0 {
                self.next();
            }
        }
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), InflateError> {
        match self.part {
            Part::Magic if byte != MAGIC[MAGIC.len() - self.left] => {
                return Err(InflateError::Broken);
            }
            Part::Descriptor => self.header = byte.into(),
            Part::BlockHeader => {
                self.header |= u32::from(byte) << (8 * (BLOCK_HEADER_LEN - self.left));
            }
            _ => {}
        }
        self.left -= 1;
        Ok(())
    }

    /// The part is over.
    fn next(&mut self) {
        (self.part, self.left) = match self.part {
            Part::Magic => (Part::Descriptor, 1),
            Part::Descriptor => {
                self.has_checksum = self.header & 4 != 0;
                (Part::FrameHeader, header_len(self.header))
            }
            Part::FrameHeader | Part::Block { is_last: false } => {
                self.header = 0;
                (Part::BlockHeader, BLOCK_HEADER_LEN)
            }
            Part::BlockHeader => {
                let is_last = self.header & 1 != 0;
                // One byte that is repeated, or as many as there are.
                let is_repeated = self.header >> 1 & 3 == 1;
                let len = if is_repeated { 1 } else { self.header >> 3 };
                (Part::Block { is_last }, len as usize)
            }
            Part::Block { is_last: true } if self.has_checksum => (Part::Checksum, 4),
            Part::Block { is_last: true } | Part::Checksum => (Part::Magic, MAGIC.len()),
        };
    }
}

/// How much of a frame's header follows its descriptor (RFC 8878 section 3.1.1.1).
const fn header_len(descriptor: u32) -> usize {
    let is_single = descriptor & 0x20 != 0;
    let window = if is_single { 0 } else { 1 };
    let dictionary = [0, 1, 2, 4][(descriptor & 3) as usize];
    let content = match descriptor >> 6 {
        0 if is_single => 1,
        0 => 0,
        1 => 2,
        2 => 4,
        _ => 8,
    };
    window + dictionary + content
}

#[cfg(test)]
mod tests {
    use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, zstd_sys::ZSTD_EndDirective as End};

    use super::MAGIC;
    use crate::{
        codec::inflate::{Inflate, InflateError},
        platform::Compression,
    };

    const LIMIT: usize = 1 << 20;

    /// A server's side of the stream.
    struct Pack(CCtx<'static>);

    impl Pack {
        fn new() -> Self {
            Self::with(&[])
        }

        fn with(parameters: &[CParameter]) -> Self {
            let mut context = CCtx::create();
            for parameter in [CParameter::CompressionLevel(6), CParameter::WindowLog(18)]
                .iter()
                .chain(parameters)
            {
                context.set_parameter(*parameter).unwrap();
            }
            Self(context)
        }

        fn message(&mut self, text: &[u8]) -> Vec<u8> {
            self.pack(text, End::ZSTD_e_flush)
        }

        /// A message that is a frame of its own.
        fn frame(&mut self, text: &[u8]) -> Vec<u8> {
            self.pack(text, End::ZSTD_e_end)
        }

        fn pack(&mut self, text: &[u8], end: End) -> Vec<u8> {
            let mut packed = Vec::with_capacity(text.len() + text.len() / 8 + 1024);
            let mut input = InBuffer::around(text);
            let mut output = OutBuffer::around(&mut packed);
            let left = self.0.compress_stream2(&mut output, &mut input, end);
            assert_eq!((left, input.pos()), (Ok(0), text.len()), "all was written");
            packed
        }
    }

    fn inflate() -> Inflate {
        Inflate::new(Compression::Zstd, LIMIT, LIMIT)
    }

    /// Text that does not shrink much and holds no accidental order.
    fn noise(len: usize, seed: u64) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..len).map(|_| rng.alphanumeric() as u8).collect()
    }

    /// The header of a frame with that window descriptor.
    fn header(window: u8) -> Vec<u8> {
        [&MAGIC[..], &[0, window]].concat()
    }

    /// The header of a block.
    fn block(is_last: bool, kind: u32, len: u32) -> [u8; 3] {
        let [a, b, c, _] = (u32::from(is_last) | kind << 1 | len << 3).to_le_bytes();
        [a, b, c]
    }

    /// 256 KiB.
    const WINDOW: u8 = 8 << 3;
    const RAW: u32 = 0;
    const RLE: u32 = 1;

    #[test]
    fn one_context_carries_many_messages() {
        let (mut server, mut client) = (Pack::new(), inflate());
        let mut sent = 0;
        for n in 0..5_000_u32 {
            let text = format!(r#"{{"op":0,"s":{n},"t":"TYPING_START","d":{{"n":{n}}}}}"#);
            let mut out = b"kept".to_vec();
            let packed = server.message(text.as_bytes());
            sent += packed.len();
            assert_eq!(client.push(&packed, &mut out), Ok(true));
            assert_eq!(out, [b"kept", text.as_bytes()].concat());
        }
        assert!(sent < 5_000 * 30, "{sent}: the context is used");
    }

    #[test]
    fn a_server_may_make_a_frame_of_each_message_or_of_some() {
        for checksum in [false, true] {
            let mut server = Pack::with(&[CParameter::ChecksumFlag(checksum)]);
            let mut client = inflate();
            for n in 0..1_000 {
                let text = noise(n, n as u64).repeat(2);
                let packed = match n % 3 {
                    0 => server.message(&text),
                    _ => server.frame(&text),
                };
                let mut out = Vec::new();
                assert_eq!(client.push(&packed, &mut out), Ok(n > 0), "{n}");
                assert_eq!(out, text, "{n}");
            }
        }
    }

    #[test]
    fn two_frames_in_one_message_are_its_two_parts() {
        let mut server = Pack::new();
        let packed = [server.frame(b"{\"op\""), server.frame(b":11}")].concat();
        let (mut client, mut out) = (inflate(), Vec::new());
        assert_eq!(client.push(&packed, &mut out), Ok(true));
        assert_eq!(out, b"{\"op\":11}");
    }

    #[test]
    fn plain_text_is_known_between_messages_only() {
        for pack in [Pack::message, Pack::frame] {
            let (mut server, mut client) = (Pack::new(), inflate());
            assert!(client.is_plain(b"{\"op\":10}"));
            for n in 1..400 {
                let packed = pack(&mut server, &noise(n, n as u64 % 3).repeat(n % 4 + 1));
                assert!(!client.is_plain(&packed), "{n}");
                let (front, back) = packed.split_at(packed.len() / 2);
                let mut out = Vec::new();
                assert_eq!(client.push(front, &mut out), Ok(false), "{n}");
                assert!(!client.is_plain(b"{"), "{n}");
                assert_eq!(client.push(back, &mut out), Ok(true), "{n}");
            }
        }
    }

    /// Goal: a cut changes nothing, wherever it is. (Not between the blocks of a longer message:
    /// nothing tells those from two messages.)
    #[test]
    fn a_message_may_be_cut_at_any_two_points() {
        let text = br#"{"op":0,"s":1,"t":"X","d":[1,2,3,"some text","some text again"]}"#;
        let mut server = Pack::new();
        let (first, second) = (server.message(text), server.message(br#"{"op":11}"#));
        for a in 0..=first.len() {
            for b in a..=first.len() {
                let (mut client, mut out, mut done) = (inflate(), Vec::new(), Vec::new());
                for piece in [&first[..a], &first[a..b], &first[b..]] {
                    if client.push(piece, &mut out).unwrap() {
                        done.push(std::mem::take(&mut out));
                    }
                }
                assert_eq!(done, [text.to_vec()], "cut at {a} and {b}");
                assert_eq!(client.push(&second, &mut out), Ok(true), "{a} {b}");
                assert_eq!(out, br#"{"op":11}"#);
            }
        }
    }

    /// Goal: where three bytes are left of a last block, or of a checksum, is no end.
    #[test]
    fn a_frame_may_be_cut_at_any_point_and_is_given_once() {
        for checksum in [false, true] {
            for len in 1..40 {
                let text = noise(len, 1);
                let packed = Pack::with(&[CParameter::ChecksumFlag(checksum)]).frame(&text);
                for cut in 1..packed.len() {
                    let (mut client, mut out) = (inflate(), Vec::new());
                    let (front, back) = packed.split_at(cut);
                    assert_eq!(client.push(front, &mut out), Ok(false), "{len} {cut}");
                    assert_eq!(client.push(back, &mut out), Ok(true), "{len} {cut}");
                    assert_eq!(out, text);
                }
            }
        }
    }

    #[test]
    fn messages_that_come_in_pieces_of_one_byte_come_out_in_order() {
        let mut server = Pack::new();
        let texts: Vec<_> = (1..200).map(|n| noise(n * 7, n as u64).repeat(2)).collect();
        let (mut client, mut out, mut done) = (inflate(), Vec::new(), Vec::new());
        for text in &texts {
            for byte in server.message(text).chunks(1) {
                if client.push(byte, &mut out).unwrap() {
                    done.push(std::mem::take(&mut out));
                }
            }
        }
        assert!(done == texts);
    }

    /// F47.
    #[test]
    fn a_message_that_was_cut_off_fails_at_the_next_one() {
        let mut server = Pack::new();
        let [first, second, third] = [1, 2, 3].map(|seed| server.message(&noise(3_000, seed)));
        for len in 10..first.len() {
            let (mut client, mut out) = (inflate(), Vec::new());
            assert_eq!(client.push(&first[..len], &mut out), Ok(false), "{len}");
            // Its beginning may pass for what is missing; then what follows does not.
            let mut next = [&second, &third].into_iter();
            let result = next.find_map(|next| client.push(next, &mut out).err());
            assert_eq!(result, Some(InflateError::Broken), "{len}");
        }
    }

    #[test]
    fn a_flush_without_text_is_no_message() {
        let (mut client, mut out) = (inflate(), Vec::new());
        let empty = [&header(WINDOW)[..], &block(false, RAW, 0)].concat();
        assert_eq!(client.push(&empty, &mut out), Ok(false));
        for _ in 0..100 {
            assert_eq!(client.push(&[], &mut out), Ok(false));
            assert_eq!(client.push(&block(false, RAW, 0), &mut out), Ok(false));
        }
        let message = [&block(true, RAW, 2)[..], b"{}"].concat();
        assert_eq!(client.push(&message, &mut out), Ok(true));
        assert_eq!(client.push(&Pack::new().frame(b""), &mut out), Ok(false));
        assert_eq!(out, b"{}");
    }

    #[test]
    fn output_of_any_length_around_the_steps_is_complete() {
        for step in [32 << 10, 64 << 10, 128 << 10, 256 << 10] {
            for len in step - 2..=step + 2 {
                for text in [vec![b'a'; len], noise(len, 1)] {
                    for (pack, n) in [Pack::message, Pack::frame].into_iter().zip(0..) {
                        let packed = pack(&mut Pack::new(), &text);
                        let (mut client, mut out) = (inflate(), Vec::new());
                        assert_eq!(client.push(&packed, &mut out), Ok(true), "{len} {n}");
                        assert!(out == text, "{len} {n}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        for (len, expected) in [
            (LIMIT - 1, Ok(true)),
            (LIMIT, Ok(true)),
            (LIMIT + 1, Err(InflateError::TooLong)),
        ] {
            for pack in [Pack::message, Pack::frame] {
                let packed = pack(&mut Pack::new(), &vec![b'a'; len]);
                assert_eq!(inflate().push(&packed, &mut Vec::new()), expected, "{len}");
            }
        }
    }

    /// F45. Method: blocks of four bytes that each inflate to 128 KiB, the most that there is.
    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut packed = header(WINDOW);
        for _ in 0..64 * LIMIT / (128 << 10) {
            packed.extend_from_slice(&block(false, RLE, 128 << 10));
            packed.push(0);
        }
        assert!(64 * LIMIT / packed.len() > 32_000, "it is one");
        for pieces in [packed.len(), 100] {
            let (mut client, mut out) = (inflate(), Vec::new());
            let mut pushed = 0;
            let result = packed.chunks(pieces).find_map(|piece| {
                // Between the pieces the blocks end, so that each piece is a message.
                pushed += 1;
                client.push(piece, &mut out).err()
            });
            assert_eq!(result, Some(InflateError::TooLong), "after {pushed}");
            assert!(out.capacity() <= LIMIT + 1, "{}", out.capacity());
        }
    }

    /// F46.
    #[test]
    fn a_window_above_the_limit_is_broken_before_it_is_allocated() {
        let message = [&block(true, RAW, 2)[..], b"{}"].concat();
        for (window, expected) in [
            (0, Ok(true)),
            (WINDOW, Ok(true)),
            (13 << 3, Ok(true)),
            (13 << 3 | 1, Err(InflateError::Broken)),
            (14 << 3, Err(InflateError::Broken)),
            (17 << 3, Err(InflateError::Broken)),
            (21 << 3, Err(InflateError::Broken)),
            (0xff, Err(InflateError::Broken)),
        ] {
            let packed = [&header(window)[..], &message].concat();
            let result = inflate().push(&packed, &mut Vec::new());
            assert_eq!(result, expected, "{window:#x}");
        }
        // A frame that is its own window, of 4 GiB less 1.
        let single = [&MAGIC[..], &[0xa0, 0xff, 0xff, 0xff, 0xff], &message].concat();
        let result = inflate().push(&single, &mut Vec::new());
        assert_eq!(result, Err(InflateError::Broken));
    }

    #[test]
    fn limits_start_anew_with_each_message_and_count_its_parts_together() {
        let mut server = Pack::new();
        let mut client = Inflate::new(Compression::Zstd, 1000, 1000);
        for seed in 0..50 {
            let packed = server.message(&noise(900, seed));
            assert_eq!(client.push(&packed, &mut Vec::new()), Ok(true));
        }
        let endless = [&block(false, RAW, 100_000)[..], &[0; 97]].concat();
        let (mut taken, mut out) = (0, Vec::new());
        let error = (0..).find_map(|_| {
            taken += 100;
            client.push(&endless[..100], &mut out).err()
        });
        assert_eq!((error, taken), (Some(InflateError::TooLong), 1_100));
    }

    /// F47.
    #[test]
    fn frames_that_a_gateway_never_sends_are_broken() {
        let good = Pack::new().frame(b"{\"op\":11}");
        let mut sum = Pack::with(&[CParameter::ChecksumFlag(true)]).frame(b"{\"op\":11}");
        *sum.last_mut().unwrap() ^= 1;
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, b'x'][..], &good].concat();
        let legacy = [0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0];
        let dictionary = [&MAGIC[..], &[1, WINDOW, 7], &block(true, RAW, 0)].concat();
        let reserved = [&MAGIC[..], &[8, WINDOW], &block(true, RAW, 0)].concat();
        let block_kind = [&header(WINDOW)[..], &block(true, 3, 1), b"x"].concat();
        let huge_block = [&header(WINDOW)[..], &block(true, RAW, (128 << 10) + 1)].concat();
        for bad in [
            sum,
            skippable.clone(),
            [&good[..], &skippable].concat(),
            [&good[..], b"more"].concat(),
            [&good[..], &[0; 64]].concat(),
            legacy.to_vec(),
            dictionary,
            reserved,
            block_kind,
            huge_block,
            br#"{"op":11}"#.to_vec(),
            vec![0x78, 0x9c, 0, 0, 0xff, 0xff],
        ] {
            let (mut client, mut out) = (inflate(), Vec::new());
            assert_eq!(
                client.push(&bad, &mut out),
                Err(InflateError::Broken),
                "{bad:x?}"
            );
            assert_eq!(client.push(&good, &mut out), Err(InflateError::Broken));
            // In pieces too.
            let mut client = inflate();
            let found = bad
                .chunks(1)
                .find_map(|piece| client.push(piece, &mut out).err());
            assert_eq!(found, Some(InflateError::Broken), "{bad:x?}");
        }
    }

    /// F38. Goal: no flipped bit panics, hangs or grows the output. Method: every bit of two
    /// messages, of a stream and of frames with a checksum.
    #[test]
    fn no_flipped_bit_does_harm() {
        let text = noise(300, 3).repeat(2);
        for pack in [Pack::message, Pack::frame] {
            let mut server = Pack::with(&[CParameter::ChecksumFlag(true)]);
            let (first, second) = (pack(&mut server, &text), pack(&mut server, &text));
            let good = [first.clone(), second].concat();
            let mut refused = 0;
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                let mut client = Inflate::new(Compression::Zstd, LIMIT, 8192);
                let (mut out, (a, b)) = (Vec::new(), bad.split_at(first.len()));
                let (a, b) = (client.push(a, &mut out), client.push(b, &mut out));
                refused += usize::from(a.is_err() | b.is_err());
                assert!(out.capacity() <= 32 << 10, "{}", out.capacity());
            }
            assert!(refused > good.len(), "{refused}");
        }
    }

    /// F49.
    #[test]
    fn a_thousand_connections_begin_anew() {
        for n in 0..1_000 {
            let (mut server, mut client) = (Pack::new(), inflate());
            let text = format!("{{\"op\":10,\"n\":{n}}}");
            for _ in 0..2 {
                let mut out = Vec::new();
                let packed = server.message(text.as_bytes());
                assert_eq!(client.push(&packed, &mut out), Ok(true));
                assert_eq!(out, text.as_bytes());
            }
        }
    }
}
