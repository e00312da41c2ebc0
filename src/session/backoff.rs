//! How long to wait before the next connection?

use std::time::{Duration, Instant};

use super::chance::Chance;

/// Doubling steps with equal jitter: `first * 2^n`, never above `cap`.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, cap: Duration) -> Self {
        Self {
            first,
            cap,
            failures: 0,
        }
    }

    /// The wait after one more failure.
    pub(crate) fn fail(&mut self, chance: &mut Chance) -> Duration {
        let step = 2u32
            .checked_pow(self.failures)
            .and_then(|factor| self.first.checked_mul(factor))
            .map_or(self.cap, |step| step.min(self.cap));
        self.failures = self.failures.saturating_add(1);
        chance.jittered(step)
    }

    /// There was progress: the next failure is the first again.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Tokens for reconnecting at once: five, one more each minute.
///
/// A connection that is recycled now and then comes back without delay; one that is cut all the
/// time cannot hammer the server.
#[derive(Clone, Debug)]
pub(crate) struct QuickBucket {
    tokens: u32,
    refilled_at: Instant,
}

impl QuickBucket {
    const TOKENS: u32 = 5;
    const REFILL: Duration = Duration::from_mins(1);

    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            tokens: Self::TOKENS,
            refilled_at: now,
        }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        while self.tokens < Self::TOKENS
            && now.saturating_duration_since(self.refilled_at) >= Self::REFILL
        {
            self.tokens += 1;
            self.refilled_at += Self::REFILL;
        }
        if self.tokens == Self::TOKENS {
            // A full bucket starts its minute when the first token is taken.
            self.refilled_at = now;
        }
        let has = self.tokens > 0 || planted!(QuickBucketNeverEmpty);
        self.tokens = self.tokens.saturating_sub(1);
        has
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Backoff, QuickBucket};
    use crate::session::chance::Chance;

    #[test]
    fn steps_double_up_to_the_cap_and_lie_in_the_upper_half() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        let mut chance = Chance::new(1);
        for step in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let step = Duration::from_secs(step);
            let wait = backoff.fail(&mut chance);
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
        }
        backoff.reset();
        assert!(backoff.fail(&mut chance) <= Duration::from_secs(1));
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_mins(15));
        let mut chance = Chance::new(1);
        for _ in 0..1000 {
            assert!(backoff.fail(&mut chance) <= Duration::from_mins(15));
        }
    }

    #[test]
    fn five_quick_tokens_come_back_one_a_minute() {
        let start = Instant::now();
        let mut bucket = QuickBucket::new(start);
        let at = |secs| start + Duration::from_secs(secs);
        assert_eq!(
            [0; 6].map(|_| bucket.take(at(0))),
            [true, true, true, true, true, false]
        );
        assert!(!bucket.take(at(59)));
        assert!(bucket.take(at(60)));
        assert!(!bucket.take(at(61)));
        assert_eq!([0; 3].map(|_| bucket.take(at(180))), [true, true, false]);
        assert!((0..5).all(|_| bucket.take(at(10_000))));
        assert!(!bucket.take(at(10_000)));
    }
}
