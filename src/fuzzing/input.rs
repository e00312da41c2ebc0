//! How do bytes become choices? From the front, and zero where there are none left.

use bytes::Bytes;

/// The bytes that are still to be used.
#[derive(Clone, Debug)]
pub(super) struct Input(Bytes);

impl Input {
    pub(super) fn new(data: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(data))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of them.
    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    /// So many bytes, or all that are left.
    pub(super) fn take(&mut self, len: usize) -> Bytes {
        self.0.split_to(len.min(self.0.len()))
    }

    pub(super) fn rest(self) -> Bytes {
        self.0
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut all = [0; N];
        let taken = self.take(N);
        all[..taken.len()].copy_from_slice(&taken);
        all
    }
}
