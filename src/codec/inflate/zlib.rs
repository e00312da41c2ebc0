//! zlib-stream: one zlib stream for the connection, flushed after each gateway message.
//!
//! A flush ends with an empty stored block, whose last four bytes are `00 00 FF FF`. The same four
//! bytes may also be data that happens to stand at the end of a WebSocket message, so they are a
//! question, not an answer: see [`Zlib::take_joined`].

use flate2::{Decompress, FlushDecompress, Status};

use super::{InflateError, Room};

/// What ends a flushed piece of a zlib stream.
const SUFFIX: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// One zlib stream that lasts as long as the connection.
#[derive(Debug)]
pub(super) struct Zlib {
    stream: Decompress,
    /// So many first bytes of [`SUFFIX`] ended the previous WebSocket message. They are given to
    /// the stream with what follows them.
    held: usize,
    /// The last byte that the stream was given.
    last: u8,
}

impl Zlib {
    pub(super) fn new() -> Self {
        Self {
            stream: Decompress::new(true),
            held: 0,
            last: 0,
        }
    }

    /// Inflates one WebSocket message; true when the stream stands at the end of a flush.
    pub(super) fn take(
        &mut self,
        packed: &[u8],
        room: &mut Room<'_>,
    ) -> Result<bool, InflateError> {
        if self.held == 0 {
            return self.take_joined(packed, room);
        }
        let held = &SUFFIX[..std::mem::take(&mut self.held)];
        if packed.len() >= SUFFIX.len() {
            // The question at the end of `packed` does not reach back to what was held.
            self.feed(held, room)?;
            return self.take_joined(packed, room);
        }
        let mut joined = [0; 2 * SUFFIX.len()];
        let len = held.len() + packed.len();
        joined[..held.len()].copy_from_slice(held);
        joined[held.len()..len].copy_from_slice(packed);
        self.take_joined(&joined[..len], room)
    }

    /// Tells a flush from data that only looks like one. All output of a flush is out before its
    /// last four bytes, and the byte before them ends with the three zero bits of a stored
    /// block's header and its padding: so four bytes that inflate to something, or follow another
    /// byte, are data. (What still passes is a table of codes or one very long match cut exactly
    /// there. No encoder is known to; the text is then unreadable and the connection lives on.)
    fn take_joined(&mut self, packed: &[u8], room: &mut Room<'_>) -> Result<bool, InflateError> {
        if let Some(body) = packed.strip_suffix(&SUFFIX) {
            self.feed(body, room)?;
            let header_ended = self.last & 0b1110_0000 == 0;
            let before = room.out.len();
            self.feed(&SUFFIX, room)?;
            return Ok(header_ended && room.out.len() == before);
        }
        let held = (1..SUFFIX.len())
            .rev()
            .find(|&len| packed.ends_with(&SUFFIX[..len]))
            .unwrap_or(0);
        self.feed(&packed[..packed.len() - held], room)?;
        self.held = held;
        Ok(false)
    }

    /// Inflates all of `input`. Ends because each turn takes input or gives output, both bounded.
    fn feed(&mut self, mut input: &[u8], room: &mut Room<'_>) -> Result<(), InflateError> {
        let Some(&last) = input.last() else {
            return Ok(());
        };
        loop {
            let (taken, given) = (self.stream.total_in(), self.stream.total_out());
            let status = self
                .stream
                .decompress(input, room.space(), FlushDecompress::Sync)
                .map_err(|_| InflateError::Broken)?;
            let step = |from: u64, to: u64| usize::try_from(to - from).ok();
            let taken = step(taken, self.stream.total_in()).ok_or(InflateError::Broken)?;
            let given = step(given, self.stream.total_out()).ok_or(InflateError::Broken)?;
            input = input.get(taken..).ok_or(InflateError::Broken)?;
            let is_out = room.wrote(given)?;
            if status == Status::StreamEnd {
                // The gateway's stream has no end; nothing that follows could be inflated.
                return Err(InflateError::Broken);
            }
            if input.is_empty() && is_out {
                self.last = last;
                return Ok(());
            }
            if taken == 0 && given == 0 {
                // Full output with nothing left to give is the regular end of a message whose
                // length is exactly the space there was.
                self.last = last;
                return if input.is_empty() {
                    Ok(())
                } else {
                    Err(InflateError::Broken)
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression as Level, FlushCompress};

    use super::SUFFIX;
    use crate::{
        codec::inflate::{Inflate, InflateError},
        platform::Compression,
    };

    const LIMIT: usize = 1 << 20;

    /// A server's side of the stream.
    struct Deflate(Compress);

    impl Deflate {
        fn new(level: u32) -> Self {
            Self(Compress::new(Level::new(level), true))
        }

        fn message(&mut self, text: &[u8]) -> Vec<u8> {
            self.flush(text, FlushCompress::Sync)
        }

        fn flush(&mut self, text: &[u8], flush: FlushCompress) -> Vec<u8> {
            let mut packed = Vec::with_capacity(text.len() * 2 + 1024);
            let before = self.0.total_in();
            self.0.compress_vec(text, &mut packed, flush).unwrap();
            assert_eq!(self.0.total_in() - before, text.len() as u64);
            assert!(packed.len() < packed.capacity(), "all was written");
            packed
        }
    }

    fn inflate() -> Inflate {
        Inflate::new(Compression::Zlib, LIMIT, LIMIT)
    }

    /// Text that does not shrink much and holds no accidental order.
    fn noise(len: usize, seed: u64) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..len).map(|_| rng.alphanumeric() as u8).collect()
    }

    #[test]
    fn one_context_carries_many_messages() {
        let mut server = Deflate::new(6);
        let mut client = inflate();
        for n in 0..5_000_u32 {
            let text = format!(r#"{{"op":0,"s":{n},"t":"TYPING_START","d":{{"n":{n}}}}}"#);
            let mut out = b"kept".to_vec();
            let packed = server.message(text.as_bytes());
            assert_eq!(client.push(&packed, &mut out), Ok(true));
            assert_eq!(out, [b"kept", text.as_bytes()].concat());
        }
    }

    /// A piece of a message may begin with any byte: only its start tells.
    #[test]
    fn plain_text_is_known_between_messages_only() {
        let mut server = Deflate::new(6);
        let mut client = inflate();
        assert!(client.is_plain(b"{\"op\":10}") && !client.is_plain(b"") && !client.is_plain(b"["));
        for n in 0..200 {
            let packed = server.message(&noise(n, 1));
            assert!(!client.is_plain(&packed), "{n}");
            let (front, back) = packed.split_at(packed.len() / 2);
            let mut out = Vec::new();
            assert_eq!(client.push(front, &mut out), Ok(false));
            assert!(!client.is_plain(b"{"), "{n}");
            client.push(back, &mut out).unwrap();
        }
    }

    #[test]
    fn a_message_may_be_cut_at_any_two_points() {
        let text = br#"{"op":0,"s":1,"t":"X","d":[1,2,3,"some text","some text again"]}"#;
        let (mut server, next) = (Deflate::new(6), br#"{"op":11}"#);
        let (first, second) = (server.message(text), server.message(next));
        for a in 0..=first.len() {
            for b in a..=first.len() {
                let mut client = inflate();
                let mut out = Vec::new();
                let mut done = Vec::new();
                for piece in [&first[..a], &first[a..b], &first[b..]] {
                    if client.push(piece, &mut out).unwrap() {
                        done.push(std::mem::take(&mut out));
                    }
                }
                // An empty last piece cannot end a message twice.
                assert_eq!(done, [text.to_vec()], "cut at {a} and {b}");
                assert_eq!(client.push(&second, &mut out), Ok(true), "{a} {b}");
                assert_eq!(out, next);
            }
        }
    }

    /// Goal: suffix bytes inside a message never end it. Method: text stored as it is (level 0)
    /// that holds them, cut at every point, so also right behind each of them.
    #[test]
    fn suffix_bytes_that_are_data_end_nothing() {
        let mut text = Vec::new();
        for n in 0..40_u8 {
            text.extend_from_slice(&[n, 0, 0]);
            text.extend_from_slice(&SUFFIX);
        }
        let packed = Deflate::new(0).message(&text);
        for cut in 0..packed.len() {
            let (mut client, mut out) = (inflate(), Vec::new());
            assert_eq!(client.push(&packed[..cut], &mut out), Ok(false), "{cut}");
            assert_eq!(client.push(&packed[cut..], &mut out), Ok(true), "{cut}");
            assert_eq!(out, text, "{cut}");
        }
    }

    /// Method: a block with the fixed codes, written by hand, whose match from 16,385 bytes back
    /// and two literals are coded as exactly the four bytes, on a byte's boundary.
    #[test]
    fn suffix_bytes_inside_coded_data_end_nothing() {
        let before = noise(16_385, 1);
        let mut packed = Deflate::new(0).message(&before);
        let mut bits = vec![0, 1, 0];
        for code in [
            "110010000", // literals 144, of nine bits each, until the codes below are aligned
            "110010000",
            "110010000",
            "0000001", // length 3
            "11100",   // distance 16,385 and more,
            "0000000000000",
            "01111111",  // literal 79
            "111111111", // literal 255
            "0000000",   // the block's end
            "000",       // an empty stored block's header
        ] {
            bits.extend(code.bytes().map(|bit| bit - b'0'));
        }
        let start = packed.len();
        packed.extend(bits.chunks(8).map(|byte| {
            let bit = |(at, bit): (usize, &u8)| bit << at;
            byte.iter().enumerate().map(bit).sum::<u8>()
        }));
        packed.extend_from_slice(&SUFFIX);
        let at = packed[start..packed.len() - 4]
            .windows(4)
            .position(|four| four == SUFFIX);
        let cut = start + at.expect("the codes give the suffix") + 4;
        let text = [&before[..], &[144; 3], &before[3..6], &[79, 255]].concat();
        // The stored text's own flush is a true end; feed it as part of the same message.
        let (mut client, mut out) = (inflate(), Vec::new());
        assert_eq!(client.push(&packed[..cut], &mut out), Ok(false));
        assert_eq!(client.push(&packed[cut..], &mut out), Ok(true));
        assert_eq!(out, text);
    }

    #[test]
    fn a_flush_without_text_is_no_message() {
        let mut server = Deflate::new(6);
        let (mut client, mut out) = (inflate(), Vec::new());
        let empty = server.message(b"");
        assert!(empty.ends_with(&SUFFIX));
        assert_eq!(client.push(&empty, &mut out), Ok(false));
        assert_eq!(client.push(&[], &mut out), Ok(false));
        assert_eq!(client.push(&server.message(b"{}"), &mut out), Ok(true));
        assert_eq!(out, b"{}");
    }

    #[test]
    fn output_of_any_length_around_the_steps_is_complete() {
        for step in [32 << 10, 64 << 10, 128 << 10] {
            for len in step - 2..=step + 2 {
                for seed in 0..2 {
                    let text = if seed == 0 {
                        vec![b'a'; len]
                    } else {
                        noise(len, seed)
                    };
                    let packed = Deflate::new(6).message(&text);
                    let (mut client, mut out) = (inflate(), Vec::new());
                    assert_eq!(client.push(&packed, &mut out), Ok(true), "{len}");
                    assert_eq!(out, text);
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
            let packed = Deflate::new(6).message(&vec![b'a'; len]);
            let (mut client, mut out) = (inflate(), Vec::new());
            assert_eq!(client.push(&packed, &mut out), expected, "{len}");
            let mut plain = Inflate::new(Compression::None, usize::MAX, LIMIT);
            assert_eq!(plain.push(&vec![b'a'; len], &mut Vec::new()), expected);
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let packed = Deflate::new(9).message(&vec![0; 64 * LIMIT]);
        assert!(packed.len() < LIMIT / 8, "it is one");
        for pieces in [packed.len(), 100] {
            let (mut client, mut out) = (inflate(), Vec::new());
            let result = packed
                .chunks(pieces)
                .find_map(|piece| client.push(piece, &mut out).err());
            assert_eq!(result, Some(InflateError::TooLong));
            assert!(out.capacity() <= LIMIT + 1, "{}", out.capacity());
        }
    }

    #[test]
    fn packed_bytes_without_an_end_stop_at_the_limit() {
        let mut server = Deflate::new(0);
        let mut client = Inflate::new(Compression::Zlib, 4096, LIMIT);
        let mut out = Vec::new();
        let packed = server.flush(&noise(10_000, 1), FlushCompress::Sync);
        let (body, _) = packed.split_at(packed.len() - 5);
        let mut taken = 0;
        let error = body.chunks(100).find_map(|piece| {
            taken += piece.len();
            client.push(piece, &mut out).err()
        });
        assert_eq!(error, Some(InflateError::TooLong));
        assert_eq!(taken, 4100);
    }

    /// The limits are per message: what went before does not count.
    #[test]
    fn limits_start_anew_with_each_message() {
        let mut server = Deflate::new(6);
        let mut client = Inflate::new(Compression::Zlib, 1000, 1000);
        for seed in 0..50 {
            let packed = server.message(&noise(900, seed));
            assert_eq!(client.push(&packed, &mut Vec::new()), Ok(true));
        }
    }

    /// The 21 bytes that spun another library for ever: a stream that ends, then the suffix.
    #[test]
    fn a_stream_that_ends_is_broken_and_never_a_hang() {
        let ended = Deflate::new(6).flush(b"{\"op\":11}", FlushCompress::Finish);
        for more in [&SUFFIX[..], b"", b"more", &[0; 64]] {
            let packed = [&ended[..], more].concat();
            let (mut client, mut out) = (inflate(), Vec::new());
            assert_eq!(client.push(&packed, &mut out), Err(InflateError::Broken));
            assert_eq!(client.push(&packed, &mut out), Err(InflateError::Broken));
        }
    }

    #[test]
    fn other_formats_are_broken() {
        let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0xff, 0xff];
        let dictionary = [0x78, 0xbb, 0, 0, 0, 1, 0, 0, 0xff, 0xff];
        for bad in [&gzip[..], &dictionary, br#"{"op":11}"#, &[0xff; 9]] {
            let mut out = Vec::new();
            assert_eq!(
                inflate().push(bad, &mut out),
                Err(InflateError::Broken),
                "{bad:x?}"
            );
        }
    }

    /// Goal: no flipped bit panics, hangs or grows the output. Method: every bit of two messages.
    #[test]
    fn no_flipped_bit_does_harm() {
        let mut server = Deflate::new(6);
        let text = noise(300, 3).repeat(2);
        let (first, second) = (server.message(&text), server.message(&text));
        let good = [first.clone(), second].concat();
        let mut refused = 0;
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let (mut client, mut out) = (Inflate::new(Compression::Zlib, LIMIT, 8192), Vec::new());
            let (a, b) = bad.split_at(first.len());
            refused +=
                usize::from(client.push(a, &mut out).is_err() | client.push(b, &mut out).is_err());
            assert!(out.capacity() <= 32 << 10, "{}", out.capacity());
        }
        assert!(refused > 0);
    }

    /// Real streams, where `SHARDSTREAM_FIXTURES` says where they lie.
    #[test]
    fn captured_streams_inflate_to_their_texts() {
        let Some(folder) = std::env::var_os("SHARDSTREAM_FIXTURES") else {
            eprintln!("skipped: SHARDSTREAM_FIXTURES is not set");
            return;
        };
        let folder = std::path::Path::new(&folder).join("discord-zlib-stream");
        let mut client = inflate();
        let mut n = 0;
        while let Ok(packed) = std::fs::read(folder.join(format!("{n}.bin"))) {
            let mut out = Vec::new();
            assert_eq!(client.push(&packed, &mut out), Ok(true), "{n}");
            let text = std::fs::read(folder.join(format!("{n}.json"))).unwrap();
            assert_eq!(out.trim_ascii(), text.trim_ascii(), "{n}");
            n += 1;
        }
        assert!(n > 0);
    }
}
