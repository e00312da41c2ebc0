//! Where do the ring's random choices come from? A generator of its own, not the session's.

use std::time::Duration;

/// xorshift64*: the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// A stream of its own for each `seed` and `stream`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mixed = (seed ^ stream.rotate_left(32)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut dice = Self(mixed.wrapping_mul(0xd134_2543_de82_ef95) | 1);
        for _ in 0..4 {
            dice.roll();
        }
        dice
    }

    pub(super) const fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// In `low..=high`.
    pub(super) fn within(&mut self, low: u64, high: u64) -> u64 {
        low + (self.roll() >> 11) % (high.saturating_sub(low) + 1)
    }

    pub(super) fn percent(&mut self, part: u64) -> bool {
        self.within(0, 99) < part
    }

    /// With the precision of a microsecond, so that few things happen at one moment.
    pub(super) fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(self.within(low * 1000, high * 1000))
    }

    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        let last = u64::try_from(all.len()).unwrap_or(1) - 1;
        all[usize::try_from(self.within(0, last)).unwrap_or(0)]
    }
}
