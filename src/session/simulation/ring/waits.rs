//! How long may a shard wait before it connects again? The table of DESIGN section 6, written down
//! a second time, with its own account of backoffs and quick tokens.

use std::time::{Duration, Instant};

use super::server::Dialect;
use crate::notice::Cause;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A time within both bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    low: Duration,
    high: Duration,
}

impl Span {
    const NONE: Self = Self::new(Duration::ZERO, Duration::ZERO);
    const CALM: Self = Self::new(secs(1), secs(5));

    const fn new(low: Duration, high: Duration) -> Self {
        Self { low, high }
    }

    /// The longer of two waits.
    fn or_longer(self, other: Self) -> Self {
        Self::new(self.low.max(other.low), self.high.max(other.high))
    }
}

/// What decides the wait beside the cause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// IDENTIFY was sent, and no READY came.
    pub(super) unanswered: bool,
    pub(super) progress: bool,
    /// The user asked for a fresh session, or the session is given up after its resumes failed:
    /// which costs no wait of its own.
    pub(super) dialect: Dialect,
}

#[derive(Debug)]
pub(super) struct Waits {
    failures: u32,
    identify_failures: u32,
    /// There was progress since the last IDENTIFY.
    proven: bool,
    tokens: u32,
    refilled: Instant,
    /// From when on the next connect is waited for, how long, and whether a close comes between.
    expected: Option<(Instant, Span, bool)>,
    /// Where waits lie in their ranges: at an end so many times in a row.
    at_ends: u32,
}

impl Waits {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            failures: 0,
            identify_failures: 0,
            proven: true,
            tokens: 5,
            refilled: now,
            expected: None,
            at_ends: 0,
        }
    }

    pub(super) const fn progress(&mut self) {
        (self.failures, self.identify_failures, self.proven) = (0, 0, true);
    }

    pub(super) const fn identified(&mut self) {
        self.proven = false;
    }

    /// The next connect may come when it likes: the user wants it.
    pub(super) const fn at_will(&mut self) {
        self.expected = None;
    }

    fn backoff(&mut self) -> Span {
        let step = secs(60).min(secs(1) * 2u32.pow(self.failures.min(10)));
        self.failures += 1;
        Span::new(step / 2, step)
    }

    fn identify_backoff(&mut self) -> Span {
        let step = secs(900).min(secs(5) * 2u32.pow(self.identify_failures.min(10)));
        self.identify_failures += 1;
        Span::new(step / 2, step)
    }

    /// An attempt to connect failed; the server asked for `after`.
    pub(super) fn failed(&mut self, now: Instant, at_resume_url: bool, after: Option<Duration>) {
        let asked = after.unwrap_or_default().min(secs(900));
        let span = if at_resume_url {
            Span::NONE
        } else {
            self.backoff()
        };
        self.expected = Some((now, span.or_longer(Span::new(asked, asked)), false));
    }

    /// A connection has ended, and the session says how long it waits.
    pub(super) fn ended(
        &mut self,
        now: Instant,
        cause: &Cause,
        ended: Ended,
        wait: Duration,
    ) -> Option<String> {
        let (span, exact) = self.span(now, cause, ended);
        let closes = !matches!(
            cause,
            Cause::BrokenFrame
                | Cause::Closed { .. }
                | Cause::Compression
                | Cause::Cut
                | Cause::MissingAck
                | Cause::Silence
                | Cause::TooLong
                | Cause::WriteStall
        );
        self.expected = Some((now, Span::new(wait, wait), closes));
        if wait < span.low || wait > span.high {
            return Some(format!(
                "I12: {wait:?} after {cause:?} and {ended:?}, not {span:?}"
            ));
        }
        if exact { self.spread(span, wait) } else { None }
    }

    /// The range, and whether it is one draw.
    fn span(&mut self, now: Instant, cause: &Cause, ended: Ended) -> (Span, bool) {
        let code = cause.close_code();
        let qq = ended.dialect == Dialect::Qq;
        let invalid = *cause == Cause::InvalidSession { resumable: false };
        let any_invalid = matches!(cause, Cause::InvalidSession { .. });
        let refused = ended.unanswered && qq && (any_invalid || code == Some(4903));
        let renew = refused || (qq && code == Some(4004));
        let dead = renew
            || invalid
            || *cause == Cause::SequenceRestarted
            || code.is_some_and(|code| super::oracle::ends_session(ended.dialect, code));
        let at_once =
            matches!(cause, Cause::Reconnect | Cause::Requested) || (qq && code == Some(4009));
        let mut exact = true;
        let first = if ended.progress {
            Span::NONE
        } else {
            self.backoff()
        };
        let span = if ended.unanswered || renew || (dead && !self.proven) {
            exact = ended.progress;
            first.or_longer(self.identify_backoff())
        } else if dead {
            exact = ended.progress;
            first.or_longer(Span::CALM)
        } else if ended.progress {
            self.quick(now, at_once)
        } else {
            first
        };
        match (code, cause) {
            (Some(4008), _) => (span.or_longer(Span::new(secs(60), secs(75))), false),
            // No credential: the server may ask for more.
            (_, Cause::Connect) => (span.or_longer(Span::new(Duration::ZERO, secs(2))), false),
            _ => (span, exact),
        }
    }

    fn quick(&mut self, now: Instant, at_once: bool) -> Span {
        while self.tokens < 5 && now.duration_since(self.refilled) >= secs(60) {
            self.tokens += 1;
            self.refilled += secs(60);
        }
        if self.tokens == 5 {
            self.refilled = now;
        }
        let had = self.tokens > 0;
        self.tokens -= u32::from(had);
        match (had, at_once) {
            (false, _) => Span::CALM,
            (true, true) => Span::NONE,
            (true, false) => Span::new(Duration::ZERO, Duration::from_millis(500)),
        }
    }

    /// A wait is anywhere in its range: never time after time at an end of it.
    fn spread(&mut self, span: Span, wait: Duration) -> Option<String> {
        if span.low == span.high {
            return None;
        }
        let at_end = wait == span.low || wait == span.high;
        self.at_ends = if at_end { self.at_ends + 1 } else { 0 };
        (self.at_ends >= 3).then(|| format!("I12: no jitter: {wait:?} of {span:?}"))
    }

    /// The session connects.
    pub(super) fn connects(&mut self, now: Instant, excused: Option<Instant>) -> Option<String> {
        let (from, span, closes) = self.expected.take()?;
        let wait = now.duration_since(from);
        let excused = excused.is_some_and(|until| until >= from);
        let high = if closes {
            span.high.max(secs(3))
        } else {
            span.high
        };
        if wait < span.low || (wait > high && !excused) {
            return Some(format!("I12: connected after {wait:?}, not {span:?}"));
        }
        if closes || excused {
            None
        } else {
            self.spread(span, wait)
        }
    }
}
