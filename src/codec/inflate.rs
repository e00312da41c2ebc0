//! How is a compressed message undone? One context per connection, bounded in and out.

use crate::platform::Compression;

/// The decompression context of one connection.
#[derive(Debug)]
pub(crate) struct Inflate {}

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
        let _ = (compression, packed_max, unpacked_max);
        todo!()
    }

    /// Takes one binary WebSocket message and appends what it inflates to.
    ///
    /// `Ok(true)` when `out` now holds a complete gateway message, `Ok(false)` when more is to
    /// come.
    pub(crate) fn push(&mut self, packed: &[u8], out: &mut Vec<u8>) -> Result<bool, InflateError> {
        let _ = (packed, out);
        todo!()
    }
}
