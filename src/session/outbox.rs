//! What waits to be sent for the user? The next command, and of some ops the latest.

use std::time::Instant;

use super::window::SendWindow;
use crate::platform::LatestWins;

/// A command of the user: its op, and the complete payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) op: u64,
    pub(crate) payload: Vec<u8>,
}

/// Commands that were taken from the user's queue and not yet handed to a socket. They outlive
/// the connection: what no socket was given cannot have arrived.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    next: Option<Vec<u8>>,
    lanes: Vec<Lane>,
}

/// An op with a limit of its own. What it sets is a state, so that of those which wait for the
/// limit only the last is worth sending; and none of them keeps other commands waiting.
#[derive(Clone, Debug)]
struct Lane {
    op: u64,
    latest: Option<Vec<u8>>,
    /// The state that was set last, for sessions that begin without.
    set: Option<Vec<u8>>,
    window: SendWindow,
}

impl Outbox {
    /// With a lane for each row. The platform counts these by bot and not by connection, so the
    /// lanes do too.
    pub(crate) fn new(rows: &[LatestWins]) -> Self {
        let lane = |row: &LatestWins| Lane {
            op: row.op,
            latest: None,
            set: None,
            window: SendWindow::new(row.max, row.window),
        };
        Self {
            next: None,
            lanes: rows.iter().map(lane).collect(),
        }
    }

    /// Takes a command; only while [`wants_command`](Self::wants_command).
    pub(crate) fn put(&mut self, command: Command) {
        match self.lanes.iter_mut().find(|lane| lane.op == command.op) {
            Some(lane) => lane.latest = Some(command.payload),
            None => self.next = Some(command.payload),
        }
    }

    /// Gives the payload to send now, if there is one. What `sets_state` says of an op and a
    /// payload decides whether it is kept for [`renew`](Self::renew).
    pub(crate) fn take(
        &mut self,
        now: Instant,
        sets_state: impl Fn(u64, &[u8]) -> bool,
    ) -> Option<Vec<u8>> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        let lane = self.lanes.iter_mut().find(|lane| lane.is_free(now))?;
        lane.window.book(now);
        let payload = lane.latest.take()?;
        if planted!(CommandSentAgain) {
            lane.latest = Some(payload.clone());
        }
        if sets_state(lane.op, &payload) {
            lane.set = Some(payload.clone());
        }
        Some(payload)
    }

    /// A session began that knows no state: what was set last is sent again, unless something
    /// newer waits.
    pub(crate) fn renew(&mut self) {
        for lane in &mut self.lanes {
            if lane.latest.is_none() {
                lane.latest.clone_from(&lane.set);
            }
        }
    }

    /// Whether all that may go has gone. Were more taken before, their order would be lost.
    pub(crate) fn wants_command(&self, now: Instant) -> bool {
        self.next.is_none() && !self.lanes.iter().any(|lane| lane.is_free(now))
    }

    /// When a command that waits for a limit of its own may go; `None` where none waits for one.
    pub(crate) fn room_at(&self, now: Instant) -> Option<Instant> {
        let waiting = self.lanes.iter().filter(|lane| lane.latest.is_some());
        waiting.filter_map(|lane| lane.window.room_at(now, 0)).min()
    }
}

impl Lane {
    /// Whether something waits that may go.
    fn is_free(&self, now: Instant) -> bool {
        self.latest.is_some() && self.window.room_at(now, 0).is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Command, Outbox};
    use crate::platform::LatestWins;

    const WINDOW: Duration = Duration::from_secs(20);

    fn outbox() -> Outbox {
        Outbox::new(&[LatestWins {
            op: 3,
            max: 5,
            window: WINDOW,
        }])
    }

    fn never(_: u64, _: &[u8]) -> bool {
        false
    }

    fn command(op: u64, payload: &str) -> Command {
        let payload = payload.into();
        Command { op, payload }
    }

    #[test]
    fn what_may_go_goes_in_order() {
        let (mut outbox, now) = (outbox(), Instant::now());
        for (op, text) in [(4, "a"), (3, "b"), (4, "c"), (3, "d")] {
            assert!(outbox.wants_command(now));
            outbox.put(command(op, text));
            assert!(!outbox.wants_command(now));
            assert_eq!(outbox.take(now, never).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(outbox.take(now, never), None);
        assert_eq!(outbox.room_at(now), None);
    }

    #[test]
    fn beyond_its_limit_the_latest_waits_and_nothing_waits_behind_it() {
        let (mut outbox, start) = (outbox(), Instant::now());
        for n in 0..5 {
            outbox.put(command(3, &n.to_string()));
            assert!(outbox.take(start, never).is_some(), "{n}");
        }
        for text in ["sixth", "seventh"] {
            outbox.put(command(3, text));
            assert_eq!(outbox.take(start, never), None);
            assert!(outbox.wants_command(start), "{text} keeps nobody waiting");
        }
        outbox.put(command(4, "other"));
        assert_eq!(outbox.take(start, never).as_deref(), Some(&b"other"[..]));
        let at = outbox.room_at(start).expect("it waits");
        assert!(at >= start + WINDOW && at <= start + WINDOW * 61 / 60);
        let before = at.checked_sub(Duration::from_nanos(1)).unwrap();
        assert_eq!(outbox.take(before, never), None);
        assert_eq!(outbox.take(at, never).as_deref(), Some(&b"seventh"[..]));
        assert_eq!((outbox.take(at, never), outbox.room_at(at)), (None, None));
    }

    #[test]
    fn a_new_session_is_told_the_state_that_was_set_last_within_the_limit() {
        let (mut outbox, mut now) = (outbox(), Instant::now());
        let valid = |op: u64, payload: &[u8]| op == 3 && payload != b"bad";
        outbox.renew();
        assert_eq!(outbox.take(now, valid), None, "nothing was set");
        for (op, text) in [(3, "a"), (3, "b"), (3, "bad"), (4, "other")] {
            outbox.put(command(op, text));
            assert_eq!(outbox.take(now, valid).as_deref(), Some(text.as_bytes()));
        }
        outbox.renew();
        assert_eq!(outbox.take(now, valid).as_deref(), Some(&b"b"[..]));
        assert_eq!(outbox.take(now, valid), None, "once");
        // What is newer goes in its place, and the limit holds for it, too.
        outbox.put(command(3, "c"));
        outbox.renew();
        assert_eq!(outbox.take(now, valid).as_deref(), Some(&b"c"[..]));
        outbox.renew();
        assert_eq!(outbox.take(now, valid), None, "the sixth");
        now = outbox.room_at(now).expect("it waits");
        assert_eq!(outbox.take(now, valid).as_deref(), Some(&b"c"[..]));
    }

    /// Goal: never more than five in any twenty seconds, and the last one always goes. Method: a
    /// presence at random times, against a count by brute force.
    #[test]
    fn no_window_ever_holds_more_than_the_limit_and_the_last_is_never_lost() {
        let mut chance = crate::session::chance::Chance::new(5);
        let mut outbox = outbox();
        let mut now = Instant::now();
        let (mut sent, mut last) = (Vec::new(), Vec::new());
        for n in 0..2000 {
            now += chance.between(Duration::ZERO, Duration::from_secs(6));
            if outbox.wants_command(now) {
                last = n.to_string().into_bytes();
                outbox.put(command(3, &n.to_string()));
            }
            while let Some(payload) = outbox.take(now, never) {
                sent.push((now, payload));
                assert!(sent.len() < 10_000, "more than was given");
            }
        }
        while let Some(at) = outbox.room_at(now) {
            now = at;
            sent.extend(outbox.take(now, never).map(|payload| (now, payload)));
        }
        assert_eq!(sent.last().map(|(_, payload)| payload), Some(&last));
        for (index, (at, _)) in sent.iter().enumerate() {
            let inside = sent[..=index]
                .iter()
                .filter(|(earlier, _)| *at - *earlier < WINDOW)
                .count();
            assert!(inside <= 5, "{inside}");
        }
        assert!(sent.len() > 500, "{}", sent.len());
    }
}
