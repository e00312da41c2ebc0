//! Compressed streams: bytes of any kind, and messages that are cut anywhere.

use super::input::Input;
use crate::{
    codec::inflate::{Inflate, InflateError},
    platform::Compression,
};

/// No message here may be longer, and none of the good ones is.
const LEN_MAX: usize = 1 << 18;

/// A zlib stream. Where the first bit is set the bytes are texts, which are packed and cut anywhere
/// and must come out as they were; else they are what the server sends, and must give the same
/// however they are cut.
///
/// # Panics
///
/// Where that does not hold, or a message grows beyond its limit.
#[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
pub fn zlib_stream(data: &[u8]) {
    use flate2::{Compress, FlushCompress};

    let mut input = Input::new(data);
    let kind = input.byte();
    if kind & 1 == 0 {
        return any_bytes(Compression::Zlib, input);
    }
    let level = flate2::Compression::new(u32::from(kind >> 1) % 10);
    let mut server = Compress::new(level, true);
    good_messages(Compression::Zlib, input, |text, _| {
        let mut packed = Vec::with_capacity(text.len() * 2 + 1024);
        let sync = FlushCompress::Sync;
        server
            .compress_vec(text, &mut packed, sync)
            .expect("it can be packed");
        packed
    });
}

/// A zstd stream, as [`zlib_stream`]. Some messages are frames of their own.
///
/// # Panics
///
/// Where that does not hold, or a message grows beyond its limit.
#[cfg(feature = "zstd")]
pub fn zstd_stream(data: &[u8]) {
    use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, zstd_sys::ZSTD_EndDirective as End};

    let mut input = Input::new(data);
    let kind = input.byte();
    if kind & 1 == 0 {
        return any_bytes(Compression::Zstd, input);
    }
    let mut server = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(i32::from(kind >> 2) % 10 - 2),
        CParameter::WindowLog(18),
        CParameter::ChecksumFlag(kind & 2 == 0),
    ] {
        server.set_parameter(parameter).expect("it can be set");
    }
    good_messages(Compression::Zstd, input, |text, ends| {
        let mut packed = Vec::with_capacity(text.len() * 2 + 1024);
        let (mut from, mut to) = (InBuffer::around(text), OutBuffer::around(&mut packed));
        let end = if ends {
            End::ZSTD_e_end
        } else {
            End::ZSTD_e_flush
        };
        let left = server.compress_stream2(&mut to, &mut from, end);
        assert_eq!((left, from.pos()), (Ok(0), text.len()), "all was packed");
        packed
    });
}

/// What a stream came to: all that it gave before it broke, and how it did.
#[derive(Debug, PartialEq)]
struct Outcome {
    given: Vec<u8>,
    error: Option<InflateError>,
}

fn any_bytes(kind: Compression, mut input: Input) {
    let cuts = input.take(4);
    let bytes = input.rest();
    let whole = outcome(kind, &bytes, &[]);
    let pieces = outcome(kind, &bytes, &cuts);
    let too_long = Some(InflateError::TooLong);
    // How long a message is depends on where it ends, and that on the cuts.
    if whole.error == too_long || pieces.error == too_long {
        return;
    }
    assert_eq!(whole.error, pieces.error);
    // What a stream gave before it broke is never shown to anybody.
    assert!(whole.error.is_some() || whole.given == pieces.given);
}

/// Feeds `bytes` in pieces of the lengths that `cuts` names, again and again.
fn outcome(kind: Compression, bytes: &[u8], cuts: &[u8]) -> Outcome {
    let mut stream = Inflate::new(kind, LEN_MAX, LEN_MAX);
    let (mut given, mut out) = (Vec::new(), Vec::new());
    for piece in pieces(bytes, cuts) {
        let result = stream.push(piece, &mut out);
        assert!(out.capacity() <= LEN_MAX + 1, "{}", out.capacity());
        match result {
            // What an application could be given in all is another limit's business.
            Ok(true) if given.len() + out.len() <= 4 * LEN_MAX => given.append(&mut out),
            Ok(true) => out.clear(),
            Ok(false) => {}
            Err(error) => {
                assert_eq!(stream.push(b"more", &mut out), Err(error));
                assert!(!stream.is_plain(b"{}"));
                let error = Some(error);
                return Outcome { given, error };
            }
        }
    }
    given.append(&mut out);
    Outcome { given, error: None }
}

fn good_messages(
    kind: Compression,
    mut input: Input,
    mut pack: impl FnMut(&[u8], bool) -> Vec<u8>,
) {
    let mut client = Inflate::new(kind, 4 * LEN_MAX, LEN_MAX);
    let mut out = Vec::new();
    for _ in 0..64 {
        if input.is_empty() {
            break;
        }
        let (shape, cuts) = (input.byte(), input.take(3));
        let len = usize::from(input.byte()) << (shape & 3);
        let text = input.take(len).repeat(1 + usize::from(shape >> 2 & 15));
        let packed = pack(&text, shape & 0x80 != 0);
        let pieces = pieces(&packed, &cuts);
        for (piece, left) in pieces.iter().zip((0..pieces.len()).rev()) {
            let complete = client.push(piece, &mut out);
            // A flush of nothing is no message.
            assert_eq!(
                complete,
                Ok(left == 0 && !text.is_empty()),
                "{left} pieces to come"
            );
        }
        assert!(out == text, "what was packed comes out");
        out.clear();
    }
}

/// `bytes` in pieces of the lengths that `cuts` names, a zero standing for all that is left.
fn pieces<'a>(mut bytes: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut all = Vec::new();
    let mut lengths = cuts.iter().cycle().map(|cut| usize::from(*cut));
    while !bytes.is_empty() {
        let len = lengths.next().filter(|len| *len > 0).unwrap_or(bytes.len());
        let (piece, rest) = bytes.split_at(len.min(bytes.len()));
        all.push(piece);
        bytes = rest;
    }
    all
}
