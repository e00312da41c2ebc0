//! What a trace is on the wire: one stream of compressed messages, each a WebSocket frame.

use flate2::{Compress, FlushCompress};
use serde::Serialize;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, zstd_sys::ZSTD_EndDirective};

use super::Trace;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    None,
    Zlib,
    Zstd,
}

impl Compression {
    pub const ALL: [Self; 3] = [Self::None, Self::Zlib, Self::Zstd];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// One connection's bytes, made before it is there.
pub struct Encoded {
    /// HELLO, which opens the stream.
    pub hello: Vec<u8>,
    pub prelude: Vec<u8>,
    pub frames: Vec<u8>,
    /// Where each of `frames` ends.
    pub ends: Vec<usize>,
    /// Bytes of the messages in `frames`, compressed, without the WebSocket's heads.
    pub payload: usize,
}

/// No heartbeat falls into a measurement of seconds, for any client.
pub const INTERVAL_MS: u64 = 1_800_000;
/// What the platform says. For shards that are watched while idle.
pub const INTERVAL_IDLE_MS: u64 = 41_250;

pub fn encode(trace: &Trace, compression: Compression) -> Encoded {
    let mut packer = Packer::new(compression);
    let interval = match trace.kind {
        super::Kind::Idle => INTERVAL_IDLE_MS,
        _ => INTERVAL_MS,
    };
    let hello = format!(
        r#"{{"t":null,"s":null,"op":10,"d":{{"heartbeat_interval":{interval},"_trace":[]}}}}"#
    );
    let mut out = Encoded {
        hello: Vec::new(),
        prelude: Vec::new(),
        frames: Vec::new(),
        ends: Vec::new(),
        payload: 0,
    };
    packer.push(&hello, &mut out.hello);
    for frame in &trace.prelude {
        packer.push(frame, &mut out.prelude);
    }
    for frame in &trace.frames {
        out.payload += packer.push(frame, &mut out.frames);
        out.ends.push(out.frames.len());
    }
    out
}

enum Packer {
    None,
    Zlib(Compress),
    Zstd(CCtx<'static>),
}

impl Packer {
    fn new(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None,
            Compression::Zlib => Self::Zlib(Compress::new(flate2::Compression::new(6), true)),
            Compression::Zstd => {
                let mut context = CCtx::create();
                // The window of the platform's own frames.
                context
                    .set_parameter(CParameter::WindowLog(18))
                    .expect("a window");
                // What comes nearest to the platform's ratios on all traces.
                context
                    .set_parameter(CParameter::CompressionLevel(5))
                    .expect("a level");
                Self::Zstd(context)
            }
        }
    }

    /// Appends the message as a frame; the bytes of its payload.
    fn push(&mut self, text: &str, out: &mut Vec<u8>) -> usize {
        let payload = match self {
            Self::None => text.as_bytes().to_vec(),
            Self::Zlib(zlib) => deflate(zlib, text.as_bytes()),
            Self::Zstd(context) => squeeze(context, text.as_bytes()),
        };
        let opcode = if matches!(self, Self::None) { 1 } else { 2 };
        head(opcode, payload.len(), out);
        out.extend_from_slice(&payload);
        payload.len()
    }
}

fn deflate(zlib: &mut Compress, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut used = 0;
    loop {
        let before = zlib.total_in();
        zlib.compress_vec(&text[used..], &mut out, FlushCompress::Sync)
            .expect("deflates");
        used += usize::try_from(zlib.total_in() - before).expect("a length");
        if used == text.len() && out.len() < out.capacity() {
            return out;
        }
        out.reserve(text.len());
    }
}

fn squeeze(context: &mut CCtx<'static>, text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; zstd_safe::compress_bound(text.len()) + 64];
    let mut input = InBuffer::around(text);
    let mut output = OutBuffer::around(&mut out[..]);
    let left = context
        .compress_stream2(&mut output, &mut input, ZSTD_EndDirective::ZSTD_e_flush)
        .expect("compresses");
    assert_eq!((left, input.pos()), (0, text.len()), "the bound is enough");
    let len = output.pos();
    out.truncate(len);
    out
}

/// The head of a server's frame.
pub fn head(opcode: u8, len: usize, out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match len {
        0..126 => out.push(len as u8),
        126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// A message at the end of a stream that is not compressed, but stored in it: it needs nothing of
/// the compressor's state. Nothing compressed may come behind it, for what that refers to would be
/// elsewhere.
pub fn stored(compression: Compression, text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("a short text");
    let mut payload = Vec::new();
    match compression {
        Compression::None => payload.extend_from_slice(text.as_bytes()),
        // RFC 1951 section 3.2.4; the empty block is what ends a message.
        Compression::Zlib => {
            payload.push(0);
            payload.extend_from_slice(&len.to_le_bytes());
            payload.extend_from_slice(&(!len).to_le_bytes());
            payload.extend_from_slice(text.as_bytes());
            payload.extend_from_slice(&[0, 0, 0, 0xFF, 0xFF]);
        }
        // RFC 8878 section 3.1.1.2: a raw block, not the last.
        Compression::Zstd => {
            let head = u32::from(len) << 3;
            payload.extend_from_slice(&head.to_le_bytes()[..3]);
            payload.extend_from_slice(text.as_bytes());
        }
    }
    let mut out = Vec::new();
    let opcode = if compression == Compression::None {
        1
    } else {
        2
    };
    head(opcode, payload.len(), &mut out);
    out.extend_from_slice(&payload);
    out
}
