//! How does the server compress? One context for each connection, flushed after each message; pure.

use std::fmt;

/// Packs one message, so that its reader can unpack it to the end.
type Pack = dyn FnMut(&[u8]) -> Vec<u8> + Send;

/// The transport compression of one connection.
pub(super) struct Packer(Box<Pack>);

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packer")
    }
}

impl Packer {
    /// The compression that a connection's `compress` parameter asks for, where it is known and
    /// built in.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            #[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
            "zlib-stream" => Some(Self(Box::new(zlib()))),
            #[cfg(feature = "zstd")]
            "zstd-stream" => zstd().map(|pack| Self(Box::new(pack))),
            _ => None,
        }
    }

    /// One message, packed.
    pub(super) fn pack(&mut self, message: &[u8]) -> Vec<u8> {
        (self.0)(message)
    }
}

#[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
fn zlib() -> impl FnMut(&[u8]) -> Vec<u8> {
    use flate2::{Compress, Compression, FlushCompress, Status};

    let mut context = Compress::new(Compression::default(), true);
    move |message| {
        let mut packed = Vec::with_capacity(message.len() / 2 + 64);
        let start = context.total_in();
        loop {
            let taken = usize::try_from(context.total_in() - start).unwrap_or(message.len());
            let rest = message.get(taken..).unwrap_or_default();
            let status = context.compress_vec(rest, &mut packed, FlushCompress::Sync);
            // Room left over means that the flush is complete. A full buffer gets more room.
            if !matches!(status, Ok(Status::Ok)) || packed.len() < packed.capacity() {
                return packed;
            }
            packed.reserve(packed.capacity().max(64));
        }
    }
}

/// With the window of the platform's own frames, 256 KiB, as far as one is known.
#[cfg(feature = "zstd")]
fn zstd() -> Option<impl FnMut(&[u8]) -> Vec<u8>> {
    use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, zstd_sys::ZSTD_EndDirective as End};

    let mut context = CCtx::try_create()?;
    for parameter in [CParameter::CompressionLevel(3), CParameter::WindowLog(18)] {
        context.set_parameter(parameter).ok()?;
    }
    Some(move |message: &[u8]| {
        let mut packed = Vec::with_capacity(message.len() / 2 + 64);
        let mut input = InBuffer::around(message);
        loop {
            let len = packed.len();
            let mut output = OutBuffer::around_pos(&mut packed, len);
            match context.compress_stream2(&mut output, &mut input, End::ZSTD_e_flush) {
                Ok(left) if left > 0 => packed.reserve(left.max(64)),
                _ => return packed,
            }
        }
    })
}

/// A client's side.
#[cfg(test)]
pub(super) mod unpack {
    /// Unpacks one message; `None` where it is broken.
    pub(in crate::local) type Unpack = Box<dyn FnMut(&[u8]) -> Option<Vec<u8>>>;

    /// What the server can be asked for.
    pub(in crate::local) const OFFERED: &[&str] = &[
        #[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
        "zlib-stream",
        #[cfg(feature = "zstd")]
        "zstd-stream",
    ];

    pub(in crate::local) fn named(name: &str) -> Option<Unpack> {
        match name {
            #[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
            "zlib-stream" => Some(zlib()),
            #[cfg(feature = "zstd")]
            "zstd-stream" => Some(zstd()),
            _ => None,
        }
    }

    #[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
    fn zlib() -> Unpack {
        let mut context = flate2::Decompress::new(true);
        Box::new(move |packed| {
            let mut out = Vec::with_capacity(2 << 20);
            context
                .decompress_vec(packed, &mut out, flate2::FlushDecompress::Sync)
                .ok()?;
            Some(out)
        })
    }

    #[cfg(feature = "zstd")]
    fn zstd() -> Unpack {
        use zstd_safe::{DCtx, InBuffer, OutBuffer};

        let mut context = DCtx::create();
        Box::new(move |packed| {
            let mut out = Vec::with_capacity(2 << 20);
            let mut input = InBuffer::around(packed);
            while input.pos() < packed.len() {
                let len = out.len();
                let mut output = OutBuffer::around_pos(&mut out, len);
                context.decompress_stream(&mut output, &mut input).ok()?;
            }
            Some(out)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Packer,
        unpack::{self, OFFERED},
    };

    #[test]
    fn what_is_not_known_or_not_built_in_has_no_packer() {
        for name in ["zlib-stream", "zstd-stream", "brotli", ""] {
            assert_eq!(Packer::named(name).is_some(), OFFERED.contains(&name));
        }
    }

    #[test]
    fn messages_unpack_one_by_one_whatever_their_length() {
        for name in OFFERED {
            let mut packer = Packer::named(name).unwrap();
            let mut unpack = unpack::named(name).unwrap();
            let mut random = fastrand::Rng::with_seed(7);
            for len in (0..400).chain([4095, 65_536, 131_072, 1_000_000]) {
                let message: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
                let out = unpack(&packer.pack(&message));
                assert!(out == Some(message), "{name} {len}");
            }
        }
    }
}
