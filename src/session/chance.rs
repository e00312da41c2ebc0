//! Where does jitter come from? A seed, so that a run can be had again.

use std::time::Duration;

/// `SplitMix64`: small, well spread, and the same everywhere. Nothing here guards a secret.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `low..high`, evenly.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        // 32 random bits are plenty for a delay; `Duration` multiplies by `u32` exactly.
        let part = u32::try_from(self.next() >> 32).unwrap_or(0);
        let span = high.saturating_sub(low);
        low + (span / u32::MAX) * part + scaled(span, part)
    }

    /// Equal jitter: in the upper half of `step`.
    pub(crate) fn jittered(&mut self, step: Duration) -> Duration {
        if planted!(JitterDropped) {
            return step;
        }
        self.between(step / 2, step)
    }
}

/// What `span / u32::MAX * part` loses by whole nanoseconds.
fn scaled(span: Duration, part: u32) -> Duration {
    let rest = span.as_nanos() % u128::from(u32::MAX);
    let nanos = rest * u128::from(part) / u128::from(u32::MAX);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Chance;

    #[test]
    fn delays_fill_their_range_and_never_leave_it() {
        let mut chance = Chance::new(7);
        let (low, high) = (Duration::from_secs(1), Duration::from_secs(5));
        let all: Vec<_> = (0..10_000).map(|_| chance.between(low, high)).collect();
        assert!(all.iter().all(|delay| (low..=high).contains(delay)));
        assert!(all.iter().any(|delay| *delay < Duration::from_millis(1010)));
        assert!(all.iter().any(|delay| *delay > Duration::from_millis(4990)));
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            [(); 8].map(|()| chance.jittered(Duration::from_mins(1)))
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn an_empty_range_gives_its_only_value() {
        let second = Duration::from_secs(1);
        assert_eq!(Chance::new(1).between(second, second), second);
        assert_eq!(Chance::new(1).jittered(Duration::ZERO), Duration::ZERO);
    }

    /// The first numbers that the algorithm's own program gives for this seed.
    /// <https://prng.di.unimi.it/splitmix64.c>
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut chance = Chance::new(1_234_567);
        let first = [(); 5].map(|()| chance.next());
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(first, expected);
    }

    #[test]
    fn a_delay_is_its_share_of_the_range_to_the_nanosecond() {
        let low = Duration::from_secs(3);
        for span in [
            1,
            999,
            4_294_967_294,
            4_294_967_296,
            5_000_000_001,
            9_999_999_999_999,
        ] {
            for seed in 0..100 {
                let part = u128::from(Chance::new(seed).next() >> 32);
                let high = low + Duration::from_nanos(span);
                let delay = Chance::new(seed).between(low, high);
                let expected = u128::from(span) * part / u128::from(u32::MAX);
                assert_eq!(
                    delay.as_nanos() - low.as_nanos(),
                    expected,
                    "{span} with seed {seed}"
                );
            }
        }
    }
}
