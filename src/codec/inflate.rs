//! How is a compressed message undone? One context per connection, bounded in and out.

#[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
mod zlib;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
use self::zlib::Zlib;
#[cfg(feature = "zstd")]
use self::zstd::Zstd;
use crate::platform::Compression;

/// Where messages are inflated to: bytes, with space behind them that has been written before.
///
/// Safe code hands out no memory that was never written, so the space of a `Vec` would be zeroed
/// for each message: some 64 KiB for one of a kilobyte. Here it is zeroed when it is made.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// All of it initialised.
    space: Vec<u8>,
    /// So many bytes of it, from the first, are output.
    len: usize,
}

/// The smallest step by which output space grows. Most messages are far below it.
#[cfg(any(
    feature = "zlib-rs",
    feature = "zlib-ng",
    feature = "zlib-stock",
    feature = "zstd"
))]
const STEP_MIN: usize = 32 << 10;

/// The decompression context of one connection.
#[derive(Debug)]
pub(crate) struct Inflate {
    context: Context,
    packed_max: usize,
    unpacked_max: usize,
    /// Of the gateway message that is being put together.
    packed: usize,
    unpacked: usize,
    failed: Option<InflateError>,
}

/// One variant per algorithm.
#[derive(Debug)]
enum Context {
    /// The configuration refuses what is not built in; should it come here all the same, nothing
    /// can be read.
    Missing,
    None,
    #[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
    Zlib(Zlib),
    #[cfg(feature = "zstd")]
    Zstd(Zstd),
}

/// Why compressed data could not be undone. The context is useless afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// The data is broken.
    Broken,
    /// The message is longer than the limit, packed or unpacked.
    TooLong,
}

impl Inflate {
    /// A fresh context. `packed_max` and `unpacked_max` bound one message.
    pub(crate) fn new(compression: Compression, packed_max: usize, unpacked_max: usize) -> Self {
        Self {
            context: match compression {
                Compression::None => Context::None,
                #[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
                Compression::Zlib => Context::Zlib(Zlib::new()),
                #[cfg(feature = "zstd")]
                Compression::Zstd => Context::Zstd(Zstd::new()),
                #[allow(unreachable_patterns, reason = "reached where a feature is off")]
                _ => Context::Missing,
            },
            packed_max,
            unpacked_max,
            packed: 0,
            unpacked: 0,
            failed: None,
        }
    }

    /// Whether this binary WebSocket message is plain text by its content: an object that begins
    /// where a compressed message would.
    ///
    /// Nothing compressed begins so there. The streams begin with other bytes, and the `{` of a
    /// later message would be the header of its stream's last block, which the gateway's has not.
    /// (Of zstd's the last of a frame; one that repeats a single byte.)
    pub(crate) const fn is_plain(&self, message: &[u8]) -> bool {
        self.packed == 0 && self.failed.is_none() && matches!(message, [b'{', ..])
    }

    /// Takes one binary WebSocket message and appends what it inflates to.
    ///
    /// `Ok(true)` when `out` now holds a complete gateway message, `Ok(false)` when more is to
    /// come. `out` grows by what the message needs, in steps, and never beyond `unpacked_max` for
    /// one message; giving capacity back is the caller's business.
    ///
    /// After an `Err` the end of `out` is meaningless, and every further call gives the same.
    pub(crate) fn push_to(
        &mut self,
        packed: &[u8],
        out: &mut Output,
    ) -> Result<bool, InflateError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.try_push(packed, out)
            .inspect_err(|&error| self.failed = Some(error))
    }

    /// As [`push_to`](Self::push_to), behind what a list holds.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn push(&mut self, packed: &[u8], out: &mut Vec<u8>) -> Result<bool, InflateError> {
        let mut output = Output {
            len: out.len(),
            space: std::mem::take(out),
        };
        let result = self.push_to(packed, &mut output);
        *out = output.take();
        result
    }

    fn try_push(&mut self, packed: &[u8], out: &mut Output) -> Result<bool, InflateError> {
        self.packed = self.packed.saturating_add(packed.len());
        if self.packed > self.packed_max {
            return Err(InflateError::TooLong);
        }
        let before = out.len;
        let mut room = Room {
            out: &mut *out,
            left: self.unpacked_max - self.unpacked,
        };
        let complete = match &mut self.context {
            Context::Missing => return Err(InflateError::Broken),
            Context::None => room.copy(packed)?,
            #[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
            Context::Zlib(zlib) => zlib.take(packed, &mut room)?,
            #[cfg(feature = "zstd")]
            Context::Zstd(zstd) => zstd.take(packed, &mut room)?,
        };
        self.unpacked += out.len - before;
        // A flush with nothing before it ends no message: the next one is still to come.
        let complete = complete && self.unpacked > 0;
        if complete {
            self.packed = 0;
            self.unpacked = 0;
        }
        Ok(complete)
    }
}

impl Output {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// What it takes up.
    pub(crate) fn capacity(&self) -> usize {
        self.space.capacity()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.space.get(..self.len).unwrap_or_default()
    }

    /// Empties it; the space stays.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// The output with its space, which is not kept.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.space);
        bytes.truncate(std::mem::take(&mut self.len));
        bytes
    }
}

/// Where output goes, and how much of it the message may still have.
struct Room<'a> {
    out: &'a mut Output,
    left: usize,
}

impl Room<'_> {
    /// Takes a message that was never packed.
    fn copy(&mut self, message: &[u8]) -> Result<bool, InflateError> {
        if message.len() > self.left {
            return Err(InflateError::TooLong);
        }
        self.out.space.truncate(self.out.len);
        self.out.space.extend_from_slice(message);
        self.out.len = self.out.space.len();
        Ok(true)
    }
}

#[cfg(any(
    feature = "zlib-rs",
    feature = "zlib-ng",
    feature = "zlib-stock",
    feature = "zstd"
))]
impl Room<'_> {
    /// Space for at least one byte more; where it must grow, for one beyond the limit at most, so
    /// that a message of exactly the limit ends and a longer one shows.
    fn space(&mut self) -> &mut [u8] {
        let Output { space, len } = &mut *self.out;
        if *len == space.len() {
            let step = (space.len() / 2).max(STEP_MIN).min(self.left + 1);
            space.reserve_exact(step);
            space.resize(space.len() + step, 0);
        }
        space.get_mut(*len..).unwrap_or_default()
    }

    /// So many bytes were written to [`space`](Self::space); `true` where some of it is left.
    fn wrote(&mut self, given: usize) -> Result<bool, InflateError> {
        self.left = self.left.checked_sub(given).ok_or(InflateError::TooLong)?;
        self.out.len += given;
        Ok(self.out.len < self.out.space.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Inflate, InflateError};
    use crate::platform::Compression;

    #[test]
    fn without_compression_the_bytes_are_the_message() {
        let mut client = Inflate::new(Compression::None, 10, 10);
        let mut out = Vec::new();
        assert_eq!(client.push(b"0123456789", &mut out), Ok(true));
        assert_eq!(client.push(b"0123456789", &mut out), Ok(true));
        assert_eq!(out, b"01234567890123456789");
        assert_eq!(
            client.push(b"0123456789a", &mut out),
            Err(InflateError::TooLong)
        );
    }

    #[test]
    fn what_is_not_built_in_reads_nothing() {
        for kind in Compression::BEST_FIRST {
            let result = Inflate::new(kind, 10, 10).push(b"", &mut Vec::new());
            let expected = if kind.is_built_in() {
                Ok(false)
            } else {
                Err(InflateError::Broken)
            };
            assert_eq!(result, expected, "{kind:?}");
        }
    }
}
