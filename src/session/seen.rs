//! Has this message come before? The ids of late, bounded in time and number.

use std::{
    collections::{BTreeSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

/// 5 min: within it the platform's own libraries take a second copy for a repetition.
const WINDOW: Duration = Duration::from_mins(5);
/// 16,384 messages, some 55 a second over the window; less than 1 MiB. Beyond that the oldest
/// are forgotten early.
const LEN_MAX: usize = 16 << 10;

/// The messages of the last five minutes, as hashes: of 16,384 any two share one of 64 bits once
/// in a hundred thousand million times.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// In the order in which they came.
    order: VecDeque<(Instant, u64)>,
    known: BTreeSet<u64>,
}

impl Seen {
    /// Notes a message; `false` where it came before within the window.
    ///
    /// The event's name counts too: one message may be the subject of several events.
    pub(super) fn is_new(&mut self, now: Instant, event: &str, id: &str) -> bool {
        while let Some(&(at, key)) = self.order.front()
            && (now.saturating_duration_since(at) >= WINDOW || self.order.len() >= LEN_MAX)
        {
            self.order.pop_front();
            self.known.remove(&key);
        }
        let mut hasher = DefaultHasher::new();
        (event, id).hash(&mut hasher);
        let key = hasher.finish();
        let new = self.known.insert(key);
        if new {
            self.order.push_back((now, key));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LEN_MAX, Seen, WINDOW};

    #[test]
    fn a_message_is_known_for_five_minutes_and_by_its_event() {
        let mut seen = Seen::default();
        let start = Instant::now();
        assert!(seen.is_new(start, "A", "1"));
        assert!(!seen.is_new(start, "A", "1"));
        assert!(seen.is_new(start, "A", "2"));
        assert!(seen.is_new(start, "B", "1"));
        let late = start + WINDOW.saturating_sub(Duration::from_nanos(1));
        assert!(!seen.is_new(late, "A", "1"));
        // From its first copy on: one that is repeated all the time is not kept for ever.
        assert!(seen.is_new(start + WINDOW, "A", "1"));
        assert_eq!((seen.order.len(), seen.known.len()), (1, 1));
    }

    #[test]
    fn a_flood_of_ids_forgets_the_oldest_and_stays_bounded() {
        let mut seen = Seen::default();
        let now = Instant::now();
        for id in 0..3 * LEN_MAX {
            assert!(seen.is_new(now, "A", &id.to_string()));
            assert!(seen.order.len() <= LEN_MAX && seen.known.len() == seen.order.len());
        }
        assert!(!seen.is_new(now, "A", &(3 * LEN_MAX - 1).to_string()));
        assert!(seen.is_new(now, "A", "0"));
    }
}
