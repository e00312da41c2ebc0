//! Does a lease still hold, and whose has run out? By each one's own clock, never by comparing
//! two. Pure: told the time. Imports nothing of the crate.
//!
//! A member that renews may act until one lease after the moment at which it *asked* for the
//! renewal. Who watches gives it up a lease and a quarter after the moment at which it *saw* the
//! last renewal, which is later. So the one has stopped before the other begins, as long as their
//! clocks run at about the same speed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Renewals are asked for so often within a lease: two may fail.
const RENEWALS: u32 = 4;

/// What a member may do by its own clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    until: Instant,
}

impl Term {
    /// The term that a renewal gives which was asked for at `asked`, before it was sent.
    pub(super) fn renewed(asked: Instant, lease: Duration) -> Self {
        Self {
            until: asked + lease,
        }
    }

    /// Whether the member may act: connect, send, publish.
    pub(super) fn holds(self, now: Instant) -> bool {
        now < self.until
    }
}

/// How long after the last renewal the next one is due.
pub(super) fn pause(lease: Duration) -> Duration {
    lease / RENEWALS
}

/// When the others were last seen to renew.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    seen: BTreeMap<String, Sighting>,
}

#[derive(Clone, Copy, Debug)]
struct Sighting {
    revision: u64,
    at: Instant,
}

impl Sightings {
    /// The entry of a member was seen with this revision. An old one does not count again.
    pub(super) fn saw(&mut self, member: &str, revision: u64, now: Instant) {
        match self.seen.get_mut(member) {
            Some(sighting) if sighting.revision >= revision => {}
            Some(sighting) => *sighting = Sighting { revision, at: now },
            None => {
                let sighting = Sighting { revision, at: now };
                self.seen.insert(member.to_owned(), sighting);
            }
        }
    }

    /// The member has left, or was given up.
    pub(super) fn forget(&mut self, member: &str) {
        self.seen.remove(member);
    }

    /// Nothing could be seen for a while: everybody has a full lease from now on.
    pub(super) fn blind(&mut self, now: Instant) {
        for sighting in self.seen.values_mut() {
            sighting.at = now;
        }
    }

    /// Those who are to be given up, with the revision at which they must still be for that.
    pub(super) fn expired(&self, now: Instant, lease: Duration) -> Vec<(String, u64)> {
        let grace = lease + lease / 4;
        let gone = |sighting: &Sighting| now.saturating_duration_since(sighting.at) >= grace;
        let expired = self.seen.iter().filter(|(_, sighting)| gone(sighting));
        expired
            .map(|(member, sighting)| (member.clone(), sighting.revision))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Sightings, Term, pause};

    const LEASE: Duration = Duration::from_secs(10);
    const TICK: Duration = Duration::from_millis(1);

    #[test]
    fn a_term_counts_from_the_question_and_not_from_the_answer() {
        let asked = Instant::now();
        let term = Term::renewed(asked, LEASE);
        assert!(term.holds(asked + LEASE.saturating_sub(TICK)));
        assert!(!term.holds(asked + LEASE));
    }

    #[test]
    fn who_does_not_renew_is_given_up_at_the_revision_that_was_seen() {
        let now = Instant::now();
        let mut sightings = Sightings::default();
        sightings.saw("a", 3, now);
        sightings.saw("b", 4, now);
        sightings.saw("a", 7, now + LEASE);
        // Told again, later: it is no news.
        sightings.saw("b", 4, now + LEASE);
        let grace = LEASE + LEASE / 4;
        let late = now + grace;
        let early = now + grace.saturating_sub(TICK);
        assert_eq!(sightings.expired(early, LEASE), []);
        assert_eq!(sightings.expired(late, LEASE), [("b".to_owned(), 4)]);
        sightings.forget("b");
        assert_eq!(sightings.expired(late, LEASE), []);
    }

    #[test]
    fn who_could_not_see_gives_everybody_a_full_lease() {
        let now = Instant::now();
        let mut sightings = Sightings::default();
        sightings.saw("a", 3, now);
        let back = now + 10 * LEASE;
        sightings.blind(back);
        assert_eq!(sightings.expired(back + LEASE, LEASE), []);
        assert_eq!(sightings.expired(back + 2 * LEASE, LEASE).len(), 1);
    }

    /// Goal: nobody is given up who may still act. Method: every delay of question, answer and
    /// sight; the one acts as long as it may, the other takes over as early as it may.
    #[test]
    fn one_has_stopped_before_the_other_begins() {
        for there in 0..5 {
            for back in 0..5 {
                let asked = Instant::now();
                let written = asked + there * pause(LEASE);
                let seen = written + back * pause(LEASE);
                let mut sightings = Sightings::default();
                sightings.saw("a", 1, seen);
                let stops = asked + LEASE;
                assert!(!Term::renewed(asked, LEASE).holds(stops));
                assert_eq!(sightings.expired(stops, LEASE), [], "{there} {back}");
            }
        }
    }
}
