//! Is the other side alive? Heartbeats out, acks in, and the silence between.

use std::time::{Duration, Instant};

/// An answer to the server's own heartbeat request at most this often, after the first.
const ANSWER_SPACING: Duration = Duration::from_secs(1);

/// The heart of one connection; begins with Hello.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    interval: Duration,
    /// When the next scheduled beat is due.
    next: Instant,
    /// A scheduled beat is to be written.
    due: bool,
    /// A beat that the server asked for is to be written.
    asked: bool,
    /// A scheduled beat has fallen due and no ack came since.
    unacked: bool,
    /// When the last beat was written, until its ack.
    sent_at: Option<Instant>,
    /// When an answer to an op 1 that came too early may be given.
    answer_at: Option<Instant>,
    answered_at: Option<Instant>,
}

/// What a due deadline asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// Nothing is due.
    Quiet,
    /// A beat is to be written.
    Beat,
    /// The last beat was not acknowledged before this one fell due.
    Dead,
}

impl Heartbeat {
    /// The first beat comes after `first`: the interval times a jitter in [0, 1).
    pub(crate) fn new(interval: Duration, first: Duration, now: Instant) -> Self {
        Self {
            interval,
            next: now + first,
            due: false,
            asked: false,
            unacked: false,
            sent_at: None,
            answer_at: None,
            answered_at: None,
        }
    }

    pub(crate) const fn interval(&self) -> Duration {
        self.interval
    }

    /// A second Hello: beats keep their rhythm, but none is later than the new interval.
    pub(crate) fn set_interval(&mut self, interval: Duration, now: Instant) {
        self.interval = interval;
        self.next = self.next.min(now + interval);
    }

    /// The server asks for a beat.
    pub(crate) fn request(&mut self, now: Instant) {
        match self.answered_at {
            Some(last) if now.saturating_duration_since(last) < ANSWER_SPACING => {
                self.answer_at = Some(last + ANSWER_SPACING);
            }
            _ => {
                self.answered_at = Some(now);
                self.asked = true;
            }
        }
    }

    /// An ack: how long the last beat took, if one was out.
    pub(crate) fn ack(&mut self, now: Instant) -> Option<Duration> {
        self.unacked &= planted!(AckFlagNotCleared);
        let sent = self.sent_at.take()?;
        Some(now.saturating_duration_since(sent))
    }

    /// Time has come. `suspended` while acks may lie unread behind the user's full buffer.
    pub(crate) fn handle_timeout(&mut self, now: Instant, suspended: bool) -> Pulse {
        if self.answer_at.is_some_and(|at| at <= now) {
            self.answer_at = None;
            self.answered_at = Some(now);
            self.asked = true;
        }
        if self.next > now {
            return if self.asked {
                Pulse::Beat
            } else {
                Pulse::Quiet
            };
        }
        if self.unacked && (!suspended || planted!(AckDeadlineNotSuspended)) {
            return Pulse::Dead;
        }
        // After a stall one beat, not a burst of those that were missed.
        self.next = now + self.interval;
        self.due = true;
        self.unacked = true;
        Pulse::Beat
    }

    /// Everything that had arrived has been read: what is still unacked gets its time anew.
    pub(crate) const fn forgive(&mut self) {
        self.unacked = false;
    }

    /// Whether a scheduled beat is to be written; nothing may keep it back.
    pub(crate) const fn is_due(&self) -> bool {
        self.due
    }

    /// Whether a beat that the server asked for is to be written, when the send window has room.
    pub(crate) const fn is_asked(&self) -> bool {
        self.asked
    }

    /// The beat has been written.
    pub(crate) const fn sent(&mut self, now: Instant) {
        self.due = false;
        self.asked = false;
        self.sent_at = Some(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub(crate) fn deadline(&self) -> Instant {
        self.answer_at.map_or(self.next, |at| at.min(self.next))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Heartbeat, Pulse};

    const INTERVAL: Duration = Duration::from_secs(40);

    fn heart(now: Instant) -> Heartbeat {
        Heartbeat::new(INTERVAL, Duration::from_secs(10), now)
    }

    #[test]
    fn the_first_beat_comes_after_its_jitter_and_the_next_after_the_interval() {
        let start = Instant::now();
        let mut heart = heart(start);
        let ten = start + Duration::from_secs(10);
        assert_eq!(
            heart.handle_timeout(ten.checked_sub(Duration::from_nanos(1)).unwrap(), false),
            Pulse::Quiet
        );
        assert_eq!(heart.handle_timeout(ten, false), Pulse::Beat);
        heart.sent(ten);
        assert_eq!(heart.deadline(), ten + INTERVAL);
        assert_eq!(
            heart.ack(ten + Duration::from_millis(70)),
            Some(Duration::from_millis(70))
        );
        assert_eq!(heart.handle_timeout(ten + INTERVAL, false), Pulse::Beat);
    }

    #[test]
    fn a_beat_unacked_when_the_next_is_due_means_dead_unless_reading_is_suspended() {
        let start = Instant::now();
        let mut heart = heart(start);
        let due = heart.deadline();
        assert_eq!(heart.handle_timeout(due, false), Pulse::Beat);
        heart.sent(due);
        assert_eq!(heart.handle_timeout(due + INTERVAL, true), Pulse::Beat);
        assert_eq!(heart.handle_timeout(due + INTERVAL * 2, false), Pulse::Dead);
        heart.forgive();
        assert_eq!(heart.handle_timeout(due + INTERVAL * 2, false), Pulse::Beat);
    }

    #[test]
    fn a_requested_beat_is_answered_at_once_then_once_a_second_and_leaves_the_rhythm() {
        let start = Instant::now();
        let mut heart = heart(start);
        heart.request(start);
        assert!(heart.is_asked());
        heart.sent(start);
        for ms in 1..500 {
            heart.request(start + Duration::from_millis(ms));
        }
        assert!(!heart.is_asked());
        let second = start + Duration::from_secs(1);
        assert_eq!(heart.deadline(), second);
        assert_eq!(heart.handle_timeout(second, false), Pulse::Beat);
        heart.sent(second);
        assert_eq!(heart.deadline(), start + Duration::from_secs(10));
        // Requested beats are not counted as unacked.
        assert_eq!(heart.handle_timeout(heart.deadline(), false), Pulse::Beat);
    }

    #[test]
    fn a_second_hello_never_delays_a_beat_beyond_its_interval() {
        let start = Instant::now();
        let mut heart = heart(start);
        heart.set_interval(Duration::from_secs(2), start);
        assert_eq!(heart.deadline(), start + Duration::from_secs(2));
        heart.set_interval(Duration::from_mins(1), start);
        assert_eq!(heart.deadline(), start + Duration::from_secs(2));
    }

    #[test]
    fn after_an_hour_of_sleep_one_beat_is_sent_and_not_a_burst() {
        let start = Instant::now();
        let mut heart = heart(start);
        let later = start + Duration::from_hours(1);
        assert_eq!(heart.handle_timeout(later, false), Pulse::Beat);
        heart.sent(later);
        assert_eq!(heart.handle_timeout(later, false), Pulse::Quiet);
        assert_eq!(heart.deadline(), later + INTERVAL);
    }

    #[test]
    fn a_request_is_answered_at_once_a_second_after_the_last_and_not_before() {
        let second = Duration::from_secs(1);
        let less = second.saturating_sub(Duration::from_nanos(1));
        for (after, at_once) in [(less, false), (second, true)] {
            let start = Instant::now();
            let mut heart = heart(start);
            heart.request(start);
            heart.sent(start);
            heart.request(start + after);
            assert_eq!(heart.is_asked(), at_once, "{after:?}");
            assert!(!heart.is_due(), "it is none of the scheduled");
        }
    }

    #[test]
    fn a_scheduled_beat_is_due_until_it_is_written() {
        let start = Instant::now();
        let mut heart = heart(start);
        assert_eq!(heart.interval(), INTERVAL);
        assert!(!heart.is_due());
        let due = heart.deadline();
        assert_eq!(heart.handle_timeout(due, false), Pulse::Beat);
        assert!(heart.is_due() && !heart.is_asked());
        heart.sent(due);
        assert!(!heart.is_due());
    }
}
