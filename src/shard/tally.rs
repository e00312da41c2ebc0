//! How often did each event come? Counters by name, bounded whatever a server names.

use std::sync::Mutex;

use compact_str::CompactString;

use super::handover::lock;

/// 256 names; the platforms have less than a hundred.
const NAMES_MAX: usize = 256;
/// 64 bytes of a name; the longest that is known has 40.
const NAME_LEN_MAX: usize = 64;

/// Events by name.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// The most frequent first: most of what comes is of a few names, so that a look along the
    /// list is shorter than one into a map.
    by_name: Vec<(CompactString, u64)>,
    others: u64,
}

impl Tally {
    /// Counts an event that was received.
    pub(super) fn add(&self, name: &str) {
        let mut counts = lock(&self.0);
        let Counts { by_name, others } = &mut *counts;
        if let Some(at) = by_name.iter().position(|(known, _)| known == name) {
            by_name[at].1 += 1;
            if at > 0 && by_name[at - 1].1 < by_name[at].1 {
                by_name.swap(at - 1, at);
            }
        } else if by_name.len() < NAMES_MAX && name.len() <= NAME_LEN_MAX {
            if by_name.len() == by_name.capacity() {
                // Each shard has its own, and seldom more than a bot's twenty.
                by_name.reserve_exact(4);
            }
            by_name.push((name.into(), 1));
        } else {
            *others += 1;
        }
    }

    pub(super) fn snapshot(&self) -> EventCounts {
        let counts = lock(&self.0);
        let mut by_name = counts.by_name.clone();
        by_name.sort_unstable();
        EventCounts {
            by_name,
            others: counts.others,
        }
    }
}

/// How often each event was received since the shard began, by its name on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    by_name: Vec<(CompactString, u64)>,
    others: u64,
}

impl EventCounts {
    /// Of this name.
    pub fn of(&self, name: &str) -> u64 {
        let found = self.by_name.iter().find(|(known, _)| known == name);
        found.map_or(0, |(_, count)| *count)
    }

    /// Each name with its count, in the order of the alphabet.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.by_name
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
    }

    /// Those whose name is too long, or came after 256 others: no platform has so many.
    pub const fn others(&self) -> u64 {
        self.others
    }
}

#[cfg(test)]
mod tests {
    use super::{NAME_LEN_MAX, NAMES_MAX, Tally};

    #[test]
    fn names_are_counted_and_what_a_server_makes_up_stays_bounded() {
        let tally = Tally::default();
        tally.add("READY");
        for n in 0..3 * NAMES_MAX {
            tally.add(&format!("EVENT_{n}"));
            tally.add("MESSAGE_CREATE");
        }
        tally.add(&"X".repeat(NAME_LEN_MAX + 1));
        let counts = tally.snapshot();
        assert_eq!((counts.of("READY"), counts.of("NONE")), (1, 0));
        assert_eq!(counts.of("MESSAGE_CREATE"), 768);
        assert_eq!(counts.iter().count(), NAMES_MAX);
        assert!(counts.iter().map(|(name, _)| name).is_sorted());
        let all: u64 = counts.iter().map(|(_, count)| count).sum();
        assert_eq!(all + counts.others(), 1 + 6 * 256 + 1);
    }
}
