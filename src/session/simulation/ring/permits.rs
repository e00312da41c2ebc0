//! When may a shard identify, and with what credential? The real buckets and the real budget in
//! virtual time, as the queue of a process uses them, and a store of credentials that expire.

use std::time::{Duration, Instant};

use super::schedule::Schedule;
use crate::queue::{
    buckets::{Buckets, Ticket, Turn},
    budget::{Allowance, Budget},
};

/// When the server's day ends.
pub(super) const DAY_ENDS: Duration = Duration::from_mins(45);
const WINDOW: Duration = Duration::from_secs(5);
/// A credential of QQ lives for so long, and is renewed so much earlier.
const TOKEN_LIVES: Duration = Duration::from_hours(2);
const TOKEN_MARGIN: Duration = Duration::from_secs(45);

#[derive(Debug)]
pub(super) struct Permits {
    buckets: Buckets,
    budget: Budget,
    waiting: Vec<(Ticket, usize)>,
    /// When the next one may go; asked anew after each change.
    next: Option<Instant>,
    stale: bool,
    pub(super) granted: u64,
    pub(super) settled: u64,
}

impl Permits {
    pub(super) fn new(schedule: &Schedule, now: Instant) -> Self {
        let mut budget = Budget::new(schedule.total);
        if schedule.used > 0 {
            // As discovery tells it.
            let remaining = schedule.total - schedule.used;
            budget.update(now, schedule.total, remaining, DAY_ENDS);
        }
        Self {
            buckets: Buckets::new(schedule.concurrency, WINDOW),
            budget,
            waiting: Vec::new(),
            next: None,
            stale: false,
            granted: 0,
            settled: 0,
        }
    }

    pub(super) fn join(&mut self, now: Instant, shard: usize) -> Ticket {
        let ticket = self.buckets.join(now, u32::try_from(shard).unwrap_or(0));
        self.waiting.push((ticket, shard));
        self.stale = true;
        ticket
    }

    /// Who waits leaves.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.waiting.retain(|(other, _)| *other != ticket);
        self.buckets.leave(ticket);
        self.stale = true;
    }

    pub(super) fn give_back(&mut self, ticket: Ticket) {
        self.settled += 1;
        self.buckets.leave(ticket);
        self.budget.give_back();
        self.stale = true;
    }

    pub(super) fn spend(&mut self, now: Instant, ticket: Ticket) {
        self.settled += 1;
        self.buckets.spend(now, ticket);
        self.budget.spend(now);
        self.stale = true;
    }

    /// When to ask next.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        if self.stale { Some(now) } else { self.next }
    }

    /// The next shard that may go.
    pub(super) fn poll(&mut self, now: Instant) -> Option<(usize, Ticket)> {
        (self.stale, self.next) = (false, None);
        for index in 0..self.waiting.len() {
            let (ticket, shard) = self.waiting[index];
            let wait = match self.buckets.turn(now, ticket) {
                Turn::Later => None,
                Turn::At(at) => Some(at),
                Turn::Now => match self.budget.allowance(now) {
                    Allowance::Later => None,
                    Allowance::At(at) => Some(at),
                    Allowance::Now
                        if self.budget.is_tight(now) && self.buckets.is_preceded(now, ticket) =>
                    {
                        None
                    }
                    Allowance::Now => {
                        self.waiting.remove(index);
                        self.buckets.hold(ticket);
                        self.budget.reserve();
                        self.granted += 1;
                        self.stale = true;
                        return Some((shard, ticket));
                    }
                },
            };
            self.next = self.next.into_iter().chain(wait).min();
        }
        None
    }

    /// Whether it is the day's budget that starts wait for.
    pub(super) fn is_held_back(&mut self, now: Instant) -> bool {
        self.budget.is_tight(now)
    }
}

/// Credentials by number, each with the time at which it expires.
#[derive(Debug)]
pub(super) struct Tokens {
    expire: bool,
    current: u64,
    expires: Instant,
    pub(super) down_until: Instant,
    /// How long each that was given out lives, for the server.
    pub(super) issued: Vec<Instant>,
}

impl Tokens {
    pub(super) fn new(now: Instant, expire: bool) -> Self {
        Self {
            expire,
            current: 0,
            expires: now,
            down_until: now,
            issued: Vec::new(),
        }
    }

    /// A credential that is valid for long enough; the same as before where it is and `renew` does
    /// not ask for another.
    pub(super) fn take(&mut self, now: Instant, renew: bool) -> Option<u64> {
        if !self.expire {
            return (self.down_until <= now).then_some(0);
        }
        if renew || self.issued.is_empty() || self.expires <= now + TOKEN_MARGIN {
            if self.down_until > now {
                return None;
            }
            self.current = u64::try_from(self.issued.len()).unwrap_or(0);
            self.expires = now + TOKEN_LIVES;
            self.issued.push(self.expires);
        }
        Some(self.current)
    }
}
