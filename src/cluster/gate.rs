//! Who may identify when, of all nodes? One entry says what was started; everybody waits a whole
//! window by his own clock from when he saw that.
//! Pure: told the time. Imports the budget of identifies.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::queue::budget::{Allowance, Budget, BudgetState, TOTAL};

/// More buckets than any bot has shards: what an entry may hold at most.
const BUCKETS_MAX: usize = 1 << 16;

/// What all nodes know of identifies: the entry in the bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Starts {
    max_concurrency: u32,
    total: u64,
    buckets: BTreeMap<u32, Bucket>,
    budget: BudgetState,
}

/// One of `shard_id % max_concurrency`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    /// Rises with each permit.
    number: u64,
    /// Who has the permit; nobody, where IDENTIFY was sent with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    /// It came back unused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    free: bool,
}

/// A permit that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    bucket: u32,
    number: u64,
}

/// What a shard that wants to identify has to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Turn {
    /// Write this, and identify if nobody else has written since.
    Take(Box<Starts>, Ticket),
    /// Look again then, or when the entry changes.
    At(Instant),
    /// Look again when the entry changes: another has the permit.
    Later,
    /// The day's limit holds it back until then; whether nothing is left before then.
    HeldBack(Instant, bool),
}

impl Default for Starts {
    /// What a platform gives a bot that it knows nothing about.
    fn default() -> Self {
        Self {
            max_concurrency: 1,
            total: TOTAL,
            buckets: BTreeMap::new(),
            budget: BudgetState::default(),
        }
    }
}

impl Starts {
    /// Takes over what the platform has told.
    pub(super) fn update(
        &mut self,
        (now, unix_ms): (Instant, u64),
        max_concurrency: u32,
        (total, remaining): (u64, u64),
        reset_after: Duration,
    ) {
        // Other buckets than before: who started in the last window counts in none of them, so
        // all are taken for just spent.
        if max_concurrency.max(1) != self.max_concurrency {
            self.max_concurrency = max_concurrency.max(1);
            let number = self.buckets.values().map(|bucket| bucket.number).max();
            let spent = |key| (key, Bucket::spent(number.unwrap_or(0) + 1));
            let keys = 0..self.max_concurrency.min(1 << 10);
            self.buckets = match number {
                Some(_) => keys.map(spent).collect(),
                None => BTreeMap::new(),
            };
        }
        let mut budget = self.budget((now, unix_ms));
        budget.update(now, total, remaining, reset_after);
        self.total = total;
        self.budget = budget.snapshot(now).stamped(unix_ms).compact();
    }

    /// The permit was used or came back; `false` where the entry knows nothing of it.
    pub(super) fn settle(&mut self, ticket: Ticket, used: bool) -> bool {
        let bucket = self.buckets.get_mut(&ticket.bucket);
        let Some(bucket) = bucket.filter(|bucket| bucket.number == ticket.number) else {
            return false;
        };
        if bucket.held.take().is_none() {
            return false;
        }
        bucket.free = !used;
        if !used {
            self.budget.give_back();
        }
        true
    }

    fn budget(&self, (now, unix_ms): (Instant, u64)) -> Budget {
        let mut budget = Budget::new(self.total);
        budget.restore(now, &self.budget, self.budget.age(unix_ms));
        budget
    }
}

impl Bucket {
    const fn spent(number: u64) -> Self {
        Self {
            number,
            held: None,
            free: false,
        }
    }
}

/// What this node has seen of the entry.
#[derive(Debug)]
pub(super) struct Gate {
    window: Duration,
    seen: BTreeMap<u32, Seen>,
    /// Permits of this node that are out.
    mine: BTreeSet<Ticket>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    number: u64,
    /// Since when its window runs; not at all while a member that lives has the permit.
    since: Option<Instant>,
}

impl Gate {
    pub(super) const fn new(window: Duration) -> Self {
        Self {
            window,
            seen: BTreeMap::new(),
            mine: BTreeSet::new(),
        }
    }

    /// The entry is so now, and those members live.
    ///
    /// A permit whose holder is gone counts as used from now on: IDENTIFY may have been sent
    /// before the end.
    pub(super) fn observe(
        &mut self,
        starts: &Starts,
        me: &str,
        living: &BTreeSet<String>,
        now: Instant,
    ) {
        for (key, bucket) in starts.buckets.iter().take(BUCKETS_MAX) {
            let ticket = Ticket {
                bucket: *key,
                number: bucket.number,
            };
            let is_held = bucket.held.as_ref().is_some_and(|holder| {
                let known = holder != me || self.mine.contains(&ticket);
                known && (holder == me || living.contains(holder))
            });
            let seen = self.seen.entry(*key).or_insert(Seen {
                number: bucket.number,
                since: None,
            });
            if seen.number != bucket.number {
                *seen = Seen {
                    number: bucket.number,
                    since: None,
                };
            }
            seen.since = match seen.since {
                _ if is_held => None,
                Some(since) => Some(since),
                None => Some(now),
            };
        }
    }

    /// Whether a shard may identify, by the entry that was observed last.
    pub(super) fn turn(
        &self,
        starts: &Starts,
        me: &str,
        shard: u32,
        (now, unix_ms): (Instant, u64),
    ) -> Turn {
        let key = shard % starts.max_concurrency.max(1);
        let bucket = starts.buckets.get(&key);
        if let Some(bucket) = bucket.filter(|bucket| !bucket.free || bucket.held.is_some()) {
            let seen = self.seen.get(&key);
            let seen = seen.filter(|seen| seen.number == bucket.number);
            let Some(since) = seen.and_then(|seen| seen.since) else {
                return Turn::Later;
            };
            if now < since + self.window {
                return Turn::At(since + self.window);
            }
        }
        let mut budget = starts.budget((now, unix_ms));
        match budget.allowance(now) {
            Allowance::Now => {}
            Allowance::At(at) => {
                let spent = budget.held_back(now).is_some_and(|(_, spent)| spent);
                return Turn::HeldBack(at, spent);
            }
            Allowance::Later => return Turn::Later,
        }
        // Counted when it is taken: a node that dies with a permit has perhaps used it.
        budget.reserve();
        budget.spend(now);
        let number = bucket.map_or(0, |bucket| bucket.number) + 1;
        let mut next = starts.clone();
        let taken = Bucket {
            number,
            held: Some(me.to_owned()),
            free: false,
        };
        next.buckets.insert(key, taken);
        next.budget = budget.snapshot(now).stamped(unix_ms).compact();
        let ticket = Ticket {
            bucket: key,
            number,
        };
        Turn::Take(Box::new(next), ticket)
    }

    /// Permits that the entry says are this node's, which knows nothing of them: they were written,
    /// and the answer was lost. Nobody else can settle them.
    pub(super) fn orphans(&self, starts: &Starts, me: &str) -> Vec<Ticket> {
        let held = (starts.buckets.iter()).filter(|(_, bucket)| bucket.held.as_deref() == Some(me));
        let tickets = held.map(|(key, bucket)| Ticket {
            bucket: *key,
            number: bucket.number,
        });
        tickets
            .filter(|ticket| !self.mine.contains(ticket))
            .collect()
    }

    /// The permit is this node's.
    pub(super) fn took(&mut self, ticket: Ticket) {
        self.mine.insert(ticket);
    }

    /// The permit was used or came back.
    pub(super) fn settled(&mut self, ticket: Ticket) {
        self.mine.remove(&ticket);
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(5);
    const HOUR: Duration = Duration::from_hours(1);

    fn living(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn take(gate: &mut Gate, starts: &mut Starts, me: &str, shard: u32, now: Instant) -> Ticket {
        match gate.turn(starts, me, shard, (now, 0)) {
            Turn::Take(next, ticket) => {
                *starts = *next;
                gate.took(ticket);
                ticket
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_starts_and_the_next_a_window_after_it_was_seen_to_be_used() {
        let now = Instant::now();
        let all = living(&["a", "b"]);
        let (mut a, mut b) = (Gate::new(WINDOW), Gate::new(WINDOW));
        let mut starts = Starts::default();
        let ticket = take(&mut a, &mut starts, "a", 0, now);
        b.observe(&starts, "b", &all, now);
        assert_eq!(b.turn(&starts, "b", 1, (now + HOUR, 0)), Turn::Later);
        let used = now + HOUR;
        assert!(starts.settle(ticket, true));
        assert!(!starts.settle(ticket, true), "twice");
        b.observe(&starts, "b", &all, used);
        b.observe(&starts, "b", &all, used + WINDOW / 2);
        let free = used + WINDOW;
        assert_eq!(b.turn(&starts, "b", 1, (used, 0)), Turn::At(free));
        take(&mut b, &mut starts, "b", 1, free);
    }

    #[test]
    fn a_permit_that_comes_back_leaves_bucket_and_budget_as_they_were() {
        let now = Instant::now();
        let mut gate = Gate::new(WINDOW);
        let mut starts = Starts::default();
        for _ in 0..2000 {
            let ticket = take(&mut gate, &mut starts, "a", 0, now);
            assert!(starts.settle(ticket, false));
            gate.settled(ticket);
        }
    }

    #[test]
    fn a_permit_whose_holder_is_gone_counts_as_used_from_then_on() {
        let now = Instant::now();
        let (mut a, mut b) = (Gate::new(WINDOW), Gate::new(WINDOW));
        let mut starts = Starts::default();
        take(&mut a, &mut starts, "a", 0, now);
        b.observe(&starts, "b", &living(&["a", "b"]), now);
        assert_eq!(b.turn(&starts, "b", 1, (now, 0)), Turn::Later);
        let gone = now + HOUR;
        b.observe(&starts, "b", &living(&["b"]), gone);
        let turn = b.turn(&starts, "b", 1, (gone, 0));
        assert_eq!(turn, Turn::At(gone + WINDOW));
    }

    #[test]
    fn a_permit_of_ones_own_that_was_never_heard_of_is_an_orphan() {
        let now = Instant::now();
        let mut gate = Gate::new(WINDOW);
        let mut starts = Starts::default();
        let Turn::Take(next, ticket) = gate.turn(&starts, "a", 0, (now, 0)) else {
            panic!("not free");
        };
        starts = *next;
        assert_eq!(gate.orphans(&starts, "a"), [ticket]);
        assert_eq!(gate.orphans(&starts, "b"), []);
        gate.observe(&starts, "a", &living(&["a"]), now);
        let turn = gate.turn(&starts, "a", 1, (now, 0));
        assert_eq!(turn, Turn::At(now + WINDOW), "nobody waits for it for ever");
        gate.took(ticket);
        assert_eq!(gate.orphans(&starts, "a"), []);
    }

    /// Goal: never more than one start a bucket and window, and never more than nine tenths of a
    /// day, by whatever nodes. Method: nodes that see the entry late and lose races, by seed; what
    /// was started is counted apart.
    #[test]
    fn all_nodes_together_keep_both_limits() {
        for seed in 0..20 {
            let mut rng = Rng::with_seed(seed);
            let begin = Instant::now();
            let mut starts = Starts::default();
            starts.update((begin, 0), 2, (100, 100), HOUR);
            let names = ["a", "b", "c"];
            let all = living(&names);
            let mut gates = names.map(|_| Gate::new(WINDOW));
            let mut sent: Vec<(u32, Instant)> = Vec::new();
            for step in 0..4000u64 {
                let at = Duration::from_secs(step);
                let (now, unix_ms) = (begin + at, step * 1000);
                let who = rng.usize(..3);
                gates[who].observe(&starts, names[who], &all, now);
                let shard = rng.u32(..8);
                let turn = gates[who].turn(&starts, names[who], shard, (now, unix_ms));
                let Turn::Take(next, ticket) = turn else {
                    continue;
                };
                if rng.u8(..4) == 0 {
                    continue; // Another wrote first.
                }
                starts = *next;
                gates[who].took(ticket);
                let used = rng.bool();
                if used {
                    sent.push((shard % 2, now));
                }
                assert!(starts.settle(ticket, used));
                gates[who].settled(ticket);
            }
            assert!(sent.len() <= 90, "{}", sent.len());
            assert!(sent.len() >= 45, "{}", sent.len());
            for bucket in 0..2 {
                let of: Vec<_> = sent.iter().filter(|(key, _)| *key == bucket).collect();
                let near = of.windows(2).any(|pair| pair[1].1 - pair[0].1 < WINDOW);
                assert!(!near, "seed {seed}");
            }
        }
    }
}
