//! How much may still be sent? The server's limit on messages in any window of time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A message keeps its place for this part of the window longer than the server says.
const SPREAD: u32 = 60;

/// When the last messages were sent on this connection.
#[derive(Clone, Debug)]
pub(crate) struct SendWindow {
    sends: VecDeque<Instant>,
    max: usize,
    window: Duration,
}

impl SendWindow {
    pub(crate) fn new(max: usize, window: Duration) -> Self {
        Self {
            sends: VecDeque::new(),
            max,
            // The server counts when a message arrives, and one may be slower on its way than
            // those of the next window: of a minute, by a second.
            window: window + window / SPREAD,
        }
    }

    /// Books a message.
    pub(crate) fn book(&mut self, now: Instant) {
        self.forget(now);
        self.sends.push_back(now);
    }

    /// Whether one more message leaves `reserve` places free.
    pub(crate) fn has_room(&mut self, now: Instant, reserve: usize) -> bool {
        self.forget(now);
        self.sends.len() + reserve < self.max
    }

    /// When one more message will leave `reserve` places free; `None` if it does now, or never
    /// will.
    pub(crate) fn room_at(&self, now: Instant, reserve: usize) -> Option<Instant> {
        // In order of time. Nothing is collected: this is asked in every turn of a connection.
        let is_over = |sent: &Instant| now.saturating_duration_since(*sent) >= self.window;
        let over = self.sends.partition_point(is_over);
        // This many must leave the window first.
        let excess = (self.sends.len() - over + reserve + 1).checked_sub(self.max)?;
        let last = self.sends.get(over + excess.checked_sub(1)?)?;
        Some(*last + self.window)
    }

    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.sends.front()
            && now.saturating_duration_since(*first) >= self.window
        {
            self.sends.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::SendWindow;

    /// Goal: never more than the limit in any window. Method: a thousand random sends against a
    /// count by brute force.
    #[test]
    fn no_window_ever_holds_more_than_the_limit() {
        let start = Instant::now();
        let window = Duration::from_mins(1);
        let mut sends = SendWindow::new(120, window);
        let mut booked = Vec::new();
        let mut now = start;
        let mut chance = crate::session::chance::Chance::new(11);
        for _ in 0..5000 {
            now += chance.between(Duration::ZERO, Duration::from_millis(800));
            if sends.has_room(now, 3) {
                sends.book(now);
                booked.push(now);
            } else {
                let at = sends.room_at(now, 3).expect("room comes back");
                assert!(
                    at > now
                        && !sends.has_room(at.checked_sub(Duration::from_nanos(1)).unwrap(), 3)
                );
                assert!(sends.has_room(at, 3));
                now = at;
            }
        }
        for (index, at) in booked.iter().enumerate() {
            let in_window = booked[..=index]
                .iter()
                .filter(|sent| *at - **sent < window)
                .count();
            assert!(in_window <= 117, "{in_window}");
        }
        assert!(booked.len() > 1000);
    }

    /// Goal: no window of the server holds more than the limit, though messages take up to a second
    /// to arrive. Method: always as much as may be sent, each with a delay at random, in order.
    #[test]
    fn what_arrives_late_does_not_fill_the_servers_next_window() {
        let window = Duration::from_mins(1);
        let mut sends = SendWindow::new(120, window);
        let mut chance = crate::session::chance::Chance::new(3);
        let mut now = Instant::now();
        let mut arrived: Vec<Instant> = Vec::new();
        while arrived.len() < 2000 {
            while sends.has_room(now, 0) {
                sends.book(now);
                let at = now + chance.between(Duration::ZERO, Duration::from_secs(1));
                arrived.push(arrived.last().map_or(at, |last| at.max(*last)));
                assert!(arrived.len() < 3000, "there is always room");
            }
            let room = sends.room_at(now, 0).expect("room comes back");
            assert!(room > now, "it had come");
            now = room;
        }
        for (index, at) in arrived.iter().enumerate() {
            let earlier = arrived[..=index].iter();
            let inside = earlier
                .filter(|sent| at.duration_since(**sent) < window)
                .count();
            assert!(inside <= 120, "{inside}");
        }
    }

    #[test]
    fn a_reserve_above_the_limit_never_has_room() {
        let now = Instant::now();
        let mut sends = SendWindow::new(2, Duration::from_mins(1));
        assert!(!sends.has_room(now, 2));
        assert_eq!(sends.room_at(now, 2), None);
        assert!(sends.has_room(now, 1));
        assert_eq!(sends.room_at(now, 1), None);
    }

    /// Goal: what has left the window counts for nothing, though nobody has forgotten it yet.
    #[test]
    fn room_is_told_also_while_what_is_over_has_not_been_forgotten() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut sends = SendWindow::new(3, Duration::from_mins(1));
        for secs in [0, 10, 20] {
            sends.book(at(secs));
        }
        // One is over, and the others leave it at 71 and 81.
        for (reserve, room) in [(0, None), (1, Some(at(71))), (2, Some(at(81))), (3, None)] {
            assert_eq!(sends.room_at(at(65), reserve), room, "{reserve}");
        }
        // All but the last are over.
        for (reserve, room) in [(1, None), (2, Some(at(81)))] {
            assert_eq!(sends.room_at(at(75), reserve), room, "{reserve}");
        }
        assert_eq!(sends.sends.len(), 3);
    }
}
