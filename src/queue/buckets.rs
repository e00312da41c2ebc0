//! Who may identify when? One start a window for each `shard_id % max_concurrency`.
//! Pure: told the time, knows no task and no clock. Imports nothing of the crate.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

/// A longer window is taken for a mistake of the configuration; the platforms' is 5 s.
const WINDOW_MAX: Duration = Duration::from_hours(1);

/// A place in the queue. Tickets order as their shards shall start: those that came in the same
/// window by their number, as the platform asks, and else first come, first served, so that a
/// shard that comes again and again cannot starve the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket {
    round: u64,
    shard: u32,
    number: u64,
}

/// When a ticket's bucket lets it start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Now.
    Now,
    /// At this time, if nothing else happens.
    At(Instant),
    /// When a ticket before it has started or left.
    Later,
}

/// The buckets with the shards that wait for them.
///
/// A bucket is held from [`hold`](Self::hold) until [`spend`](Self::spend) or
/// [`leave`](Self::leave), however long that takes: its window starts with what is sent, not with
/// what was allowed.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// At least 1.
    max_concurrency: u32,
    window: Duration,
    by_key: BTreeMap<u32, Bucket>,
    /// All tickets that hold their bucket.
    held: BTreeSet<Ticket>,
    /// Which shards started in the last window: what other buckets are made from.
    spent: VecDeque<(Instant, u32)>,
    /// When the first ticket was given; windows of arrival are counted from here.
    origin: Option<Instant>,
    given: u64,
}

#[derive(Debug, Default)]
struct Bucket {
    waiting: BTreeSet<Ticket>,
    /// More than one only after the number of buckets has fallen.
    held: usize,
    free_at: Option<Instant>,
}

impl Buckets {
    pub(crate) fn new(max_concurrency: u64, window: Duration) -> Self {
        Self {
            max_concurrency: clamped(max_concurrency),
            window: window.min(WINDOW_MAX),
            by_key: BTreeMap::new(),
            held: BTreeSet::new(),
            spent: VecDeque::new(),
            origin: None,
            given: 0,
        }
    }

    /// `shard` comes to wait.
    pub(crate) fn join(&mut self, now: Instant, shard: u32) -> Ticket {
        let origin = *self.origin.get_or_insert(now);
        let waited = now.saturating_duration_since(origin).as_nanos();
        let round = waited / self.window.as_nanos().max(1);
        self.given += 1;
        let ticket = Ticket {
            round: u64::try_from(round).unwrap_or(u64::MAX),
            shard,
            number: self.given,
        };
        self.bucket(shard).waiting.insert(ticket);
        ticket
    }

    /// When it is the turn of a waiting ticket.
    pub(crate) fn turn(&self, now: Instant, ticket: Ticket) -> Turn {
        match self.by_key.get(&self.key(ticket.shard)) {
            Some(bucket) if bucket.waiting.first() == Some(&ticket) => bucket.turn(now),
            _ => Turn::Later,
        }
    }

    /// Whether another ticket that could start now goes before this one.
    pub(crate) fn is_preceded(&self, now: Instant, ticket: Ticket) -> bool {
        self.by_key.values().any(|bucket| {
            let first = bucket.waiting.first();
            first.is_some_and(|first| *first < ticket) && bucket.turn(now) == Turn::Now
        })
    }

    /// The ticket, whose turn it is, goes from waiting to holding its bucket.
    pub(crate) fn hold(&mut self, ticket: Ticket) {
        let bucket = self.bucket(ticket.shard);
        if bucket.waiting.remove(&ticket) {
            bucket.held += 1;
            self.held.insert(ticket);
        }
    }

    /// The shard has identified: the window of its bucket starts.
    pub(crate) fn spend(&mut self, now: Instant, ticket: Ticket) {
        let free_at = now + self.window;
        if self.release(ticket) {
            self.bucket(ticket.shard).free_at = Some(free_at);
            while let Some((at, _)) = self.spent.front()
                && *at + self.window <= now
            {
                self.spent.pop_front();
            }
            self.spent.push_back((now, ticket.shard));
        }
    }

    /// The ticket is given up, waiting or holding. Its bucket is as free as if it had never been.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        if !self.release(ticket) {
            self.bucket(ticket.shard).waiting.remove(&ticket);
        }
    }

    /// Other buckets from now on. Who waits or holds keeps his place; who started in the last
    /// window counts in his new bucket.
    pub(crate) fn update(&mut self, max_concurrency: u64) {
        self.max_concurrency = clamped(max_concurrency);
        let old = std::mem::take(&mut self.by_key);
        for ticket in old.into_values().flat_map(|bucket| bucket.waiting) {
            self.bucket(ticket.shard).waiting.insert(ticket);
        }
        for ticket in self.held.clone() {
            self.bucket(ticket.shard).held += 1;
        }
        for (at, shard) in self.spent.clone() {
            let free_at = at + self.window;
            self.bucket(shard).free_at = Some(free_at);
        }
    }

    /// A window at least this long from the next start on.
    pub(crate) fn widen(&mut self, window: Duration) {
        self.window = self.window.max(window.min(WINDOW_MAX));
    }

    /// How long after the first start the one can come that has so many before it, with all
    /// buckets used evenly.
    pub(crate) fn earliest(&self, before: usize) -> Duration {
        let rounds = u64::try_from(before).unwrap_or(u64::MAX) / u64::from(self.max_concurrency);
        self.window
            .saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX))
    }

    /// The first of those who wait for each bucket, in the order of the buckets.
    pub(crate) fn first(&self) -> impl Iterator<Item = Ticket> {
        let buckets = self.by_key.values();
        buckets.filter_map(|bucket| bucket.waiting.first().copied())
    }

    fn release(&mut self, ticket: Ticket) -> bool {
        let was_held = self.held.remove(&ticket);
        if was_held {
            self.bucket(ticket.shard).held -= 1;
        }
        was_held
    }

    fn key(&self, shard: u32) -> u32 {
        if planted!(BucketsByQuotient) {
            return shard / self.max_concurrency;
        }
        shard % self.max_concurrency
    }

    fn bucket(&mut self, shard: u32) -> &mut Bucket {
        self.by_key.entry(self.key(shard)).or_default()
    }
}

impl Bucket {
    fn turn(&self, now: Instant) -> Turn {
        match self.free_at {
            _ if self.held > 0 && !planted!(BucketNotHeld) => Turn::Later,
            Some(at) if at > now => Turn::At(at),
            _ => Turn::Now,
        }
    }
}

/// 0 is taken for 1; more buckets than there are shard numbers make no difference.
fn clamped(max_concurrency: u64) -> u32 {
    u32::try_from(max_concurrency).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Buckets, Turn};

    const WINDOW: Duration = Duration::from_secs(5);
    const JUST_BEFORE: Duration = WINDOW.saturating_sub(Duration::from_nanos(1));

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_window_starts_when_the_permit_is_spent() {
        let now = Instant::now();
        let mut buckets = Buckets::new(1, WINDOW);
        let first = buckets.join(now, 0);
        let second = buckets.join(now, 1);
        assert_eq!(buckets.turn(now, first), Turn::Now);
        buckets.hold(first);
        let later = now + seconds(60);
        assert_eq!(buckets.turn(later, second), Turn::Later);
        buckets.spend(later, first);
        assert_eq!(buckets.turn(later, second), Turn::At(later + WINDOW));
        assert_eq!(buckets.turn(later + WINDOW, second), Turn::Now);
    }

    #[test]
    fn a_permit_given_back_leaves_the_bucket_as_it_was() {
        let now = Instant::now();
        let mut buckets = Buckets::new(1, WINDOW);
        let tickets = [0, 1, 2].map(|shard| buckets.join(now, shard));
        buckets.hold(tickets[0]);
        buckets.leave(tickets[0]);
        assert_eq!(buckets.turn(now, tickets[1]), Turn::Now);
        buckets.leave(tickets[1]);
        buckets.leave(tickets[1]);
        assert_eq!(buckets.turn(now, tickets[2]), Turn::Now);
        assert_eq!(buckets.turn(now, tickets[0]), Turn::Later);
        buckets.spend(now, tickets[0]);
        assert_eq!(
            buckets.turn(now, tickets[2]),
            Turn::Now,
            "spent when it was gone"
        );
    }

    #[test]
    fn shards_of_one_window_start_by_number_and_later_ones_after_them() {
        let now = Instant::now();
        let mut buckets = Buckets::new(1, WINDOW);
        let early = [7, 3, 5].map(|shard| buckets.join(now, shard));
        let late = buckets.join(now + WINDOW, 0);
        let mut order = Vec::new();
        for _ in 0..4 {
            let first = buckets.first().next().unwrap();
            order.push(first);
            buckets.leave(first);
        }
        assert_eq!(order, [early[1], early[2], early[0], late]);
    }

    #[test]
    fn each_bucket_has_its_own_window() {
        let now = Instant::now();
        let mut buckets = Buckets::new(2, WINDOW);
        let tickets = [0, 1, 2, 3].map(|shard| buckets.join(now, shard));
        assert!(buckets.is_preceded(now, tickets[1]));
        for ticket in &tickets[..2] {
            assert_eq!(buckets.turn(now, *ticket), Turn::Now);
            assert!(!buckets.is_preceded(now, *ticket));
            buckets.hold(*ticket);
        }
        buckets.spend(now, tickets[0]);
        assert_eq!(buckets.turn(now, tickets[2]), Turn::At(now + WINDOW));
        assert_eq!(buckets.turn(now, tickets[3]), Turn::Later);
        assert!(buckets.first().eq([tickets[2], tickets[3]]));
    }

    #[test]
    fn other_buckets_keep_places_permits_and_windows() {
        let now = Instant::now();
        let mut buckets = Buckets::new(4, WINDOW);
        let tickets: Vec<_> = (0..8).map(|shard| buckets.join(now, shard)).collect();
        buckets.hold(tickets[0]);
        buckets.hold(tickets[1]);
        buckets.spend(now, tickets[1]);
        buckets.update(1);
        assert_eq!(buckets.turn(now, tickets[2]), Turn::Later, "0 is held");
        buckets.leave(tickets[0]);
        assert_eq!(
            buckets.turn(now, tickets[2]),
            Turn::At(now + WINDOW),
            "1 was sent"
        );
        assert_eq!(buckets.turn(now + WINDOW, tickets[3]), Turn::Later);
        buckets.update(8);
        assert!(
            tickets[2..]
                .iter()
                .all(|ticket| buckets.turn(now, *ticket) == Turn::Now)
        );
    }

    #[test]
    fn whoever_started_in_the_last_window_counts_in_his_new_bucket() {
        let now = Instant::now();
        let mut buckets = Buckets::new(4, WINDOW);
        for (after, shard) in [(0, 0), (1, 1)] {
            let ticket = buckets.join(now, shard);
            buckets.hold(ticket);
            buckets.spend(now + seconds(after), ticket);
        }
        let tickets = [2, 3].map(|shard| buckets.join(now, shard));
        buckets.update(2);
        let turns = tickets.map(|ticket| buckets.turn(now + seconds(1), ticket));
        assert_eq!(
            turns,
            [0, 1].map(|after| Turn::At(now + seconds(after) + WINDOW))
        );
    }

    #[test]
    fn any_number_of_buckets_and_any_window_will_do() {
        let now = Instant::now();
        for max_concurrency in [0, 1, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            for window in [Duration::ZERO, WINDOW, Duration::MAX] {
                let mut buckets = Buckets::new(max_concurrency, window);
                let ticket = buckets.join(now, u32::MAX);
                buckets.hold(ticket);
                buckets.spend(now, ticket);
                let next = buckets.join(now, u32::MAX);
                let free = buckets.turn(now, next) == Turn::Now;
                assert_eq!(free, window.is_zero());
            }
        }
    }

    #[test]
    fn a_shard_that_waits_twice_has_two_places() {
        let now = Instant::now();
        let mut buckets = Buckets::new(1, WINDOW);
        let [first, second] = [(); 2].map(|()| buckets.join(now, 0));
        assert!(first < second);
        buckets.leave(first);
        assert_eq!(buckets.turn(now, second), Turn::Now);
    }

    #[test]
    fn who_comes_before_the_window_is_over_is_of_its_round_and_who_comes_then_is_not() {
        for (after, number_counts) in [(JUST_BEFORE, true), (WINDOW, false)] {
            let now = Instant::now();
            let mut buckets = Buckets::new(1, WINDOW);
            let early = buckets.join(now, 7);
            let late = buckets.join(now + after, 0);
            assert_eq!(late < early, number_counts, "{after:?}");
        }
    }

    #[test]
    fn what_was_started_is_remembered_for_one_window() {
        let now = Instant::now();
        let mut buckets = Buckets::new(8, WINDOW);
        let mut start = |after: Duration, shard| {
            let ticket = buckets.join(now, shard);
            buckets.hold(ticket);
            buckets.spend(now + after, ticket);
            buckets.spent.len()
        };
        assert_eq!(start(Duration::ZERO, 0), 1);
        assert_eq!(start(JUST_BEFORE, 1), 2);
        assert_eq!(start(WINDOW, 2), 2);
        assert_eq!(start(WINDOW * 3, 3), 1);
    }

    #[test]
    fn only_a_lower_ticket_that_could_start_goes_before() {
        let now = Instant::now();
        let mut buckets = Buckets::new(2, WINDOW);
        let [zero, one] = [0, 1].map(|shard| buckets.join(now, shard));
        assert!(!buckets.is_preceded(now, zero), "by nobody");
        assert!(buckets.is_preceded(now, one), "by 0");
        buckets.hold(zero);
        buckets.spend(now, zero);
        let two = buckets.join(now, 2);
        assert!(buckets.is_preceded(now, two), "by 1");
        buckets.hold(one);
        assert!(!buckets.is_preceded(now, two), "1 has left the queue");
        let three = buckets.join(now, 3);
        assert!(!buckets.is_preceded(now, three), "2 has to wait itself");
        assert!(!buckets.is_preceded(now + JUST_BEFORE, three));
        assert!(buckets.is_preceded(now + WINDOW, three));
    }

    #[test]
    fn so_many_rounds_come_first_as_the_shards_before_fill() {
        let buckets = Buckets::new(16, WINDOW);
        for (before, rounds) in [(0, 0), (15, 0), (16, 1), (31, 1), (32, 2), (1000, 62)] {
            assert_eq!(buckets.earliest(before), WINDOW * rounds, "{before}");
        }
    }

    #[test]
    fn a_window_is_only_ever_widened_and_to_an_hour_at_most() {
        let now = Instant::now();
        let mut buckets = Buckets::new(1, WINDOW);
        for (told, window) in [(1, 5), (7, 7), (6, 7), (10_000, 3600)] {
            buckets.widen(seconds(told));
            let ticket = buckets.join(now, 0);
            buckets.hold(ticket);
            buckets.spend(now, ticket);
            let next = buckets.join(now, 0);
            assert_eq!(buckets.turn(now, next), Turn::At(now + seconds(window)));
            buckets.leave(next);
        }
    }
}
