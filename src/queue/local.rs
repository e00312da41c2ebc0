//! The queue of one process: buckets and budget with tokio's clock.
//!
//! There is no task behind it. Whoever waits asks whether it is his turn and sleeps until it can
//! be, on his own runtime; so a queue outlives runtimes, and a permit is never given to a future
//! that is not being polled.

use std::{
    collections::{HashMap, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant, SystemTime},
};

use futures::future::BoxFuture;
use tokio::sync::Notify;

use super::{
    HeldBack, Permit, Queue,
    buckets::{Buckets, Ticket, Turn},
    budget::{Allowance, Budget, BudgetState, TOTAL},
};
use crate::{error::Error, id::ShardId, limits::Limits};

/// The queue of all shards that a process runs for one bot.
///
/// Shards start one a window (5 s) for each `shard_id % max_concurrency`, measured from one
/// IDENTIFY sent to the next. Of shards that came to wait in the same window the lower number goes
/// first, else first come is first served. A permit that is out holds its bucket until it is spent
/// or dropped, so whoever takes one must do so at once.
///
/// The day's limit is kept as well: half of it is free, from there on starts are spaced evenly over
/// what is left of the day, and the last tenth is never used, because a bot that exceeds the limit
/// has its token reset.
///
/// Clones are the same queue. [`acquire`](Queue::acquire) never fails; it waits on the timer of the
/// tokio runtime that polls it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), shardstream::Error> {
/// use std::time::Duration;
/// use shardstream::{ShardId, queue::{LocalQueue, Queue}};
///
/// let queue = LocalQueue::new();
/// let begin = tokio::time::Instant::now();
/// queue.acquire(ShardId::ONE).await?.spend();
/// queue.acquire(ShardId::ONE).await?.spend();
/// assert!(begin.elapsed() >= Duration::from_secs(5));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LocalQueue(Arc<Shared>);

struct Shared(Mutex<State>);

struct State {
    buckets: Buckets,
    budget: Budget,
    waiting: HashMap<Ticket, Arc<Notify>>,
}

/// What decides a waiting shard's next step.
enum Step {
    Go,
    SleepUntil(Instant),
    Sleep,
}

impl LocalQueue {
    /// A queue with what a platform gives a bot that it knows nothing about: one start in 5 s,
    /// 1,000 a day, none of them used.
    pub fn new() -> Self {
        let window = Limits::default().identify_window;
        Self::from_parts(Buckets::new(1, window), Budget::new(TOTAL))
    }

    /// A queue with the limits that the platform told: `max_concurrency` starts a `window`, `total`
    /// a day, of which `remaining` are left until `reset_after` from now.
    ///
    /// Figures that cannot be are clamped: `max_concurrency` to at least 1, a `total` of 0 to
    /// 1,000, `remaining` to at most `total`, `reset_after` to a day and `window` to an hour. The
    /// day is taken to end a minute late, because clocks differ.
    pub fn with_limits(
        max_concurrency: u64,
        total: u64,
        remaining: u64,
        reset_after: Duration,
        window: Duration,
    ) -> Self {
        let mut budget = Budget::new(total);
        budget.update(now(), total, remaining, reset_after);
        Self::from_parts(Buckets::new(max_concurrency, window), budget)
    }

    /// The queue that all shards with this `key` share, for as long as one of them lives.
    ///
    /// Where shards ask for different windows, the longest holds.
    pub(crate) fn shared(key: QueueKey, window: Duration) -> Self {
        let mut queues = lock(&QUEUES);
        queues.retain(|_, queue| queue.strong_count() > 0);
        if let Some(queue) = queues.get(&key).and_then(Weak::upgrade) {
            lock(&queue.0).buckets.widen(window);
            return Self(queue);
        }
        let queue = Self::from_parts(Buckets::new(1, window), Budget::new(TOTAL));
        queues.insert(key, Arc::downgrade(&queue.0));
        queue
    }

    /// Takes over limits that the platform has told anew; the parameters are those of
    /// [`with_limits`](Self::with_limits).
    ///
    /// Shards that wait keep their places and are held to the new limits at once. Permits that are
    /// out stay good. What was started here goes on counting.
    pub fn update(&self, max_concurrency: u64, total: u64, remaining: u64, reset_after: Duration) {
        let mut state = self.0.lock();
        state.buckets.update(max_concurrency);
        state.budget.update(now(), total, remaining, reset_after);
        state.wake_all();
    }

    /// What was used of the day's limit, to be written down before the process ends.
    pub fn budget(&self) -> BudgetState {
        let mut state = self.0.lock().budget.snapshot(now());
        state.taken_at_ms = unix_ms();
        state
    }

    /// Counts what an earlier process used of the day's limit.
    ///
    /// Doing it again replaces what was restored before. A clock that was set back makes the old
    /// starts count for longer, never for less.
    pub fn restore_budget(&self, budget: &BudgetState) {
        let elapsed = unix_ms().saturating_sub(budget.taken_at_ms);
        let mut state = self.0.lock();
        state
            .budget
            .restore(now(), budget, Duration::from_millis(elapsed));
        state.wake_all();
    }

    fn from_parts(buckets: Buckets, budget: Budget) -> Self {
        Self(Arc::new(Shared(Mutex::new(State {
            buckets,
            budget,
            waiting: HashMap::new(),
        }))))
    }
}

impl Default for LocalQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("LocalQueue")
            .field("waiting", &state.waiting.len())
            .finish_non_exhaustive()
    }
}

impl Queue for LocalQueue {
    /// As the limits are now: with every bucket used evenly, and the budget as it is spaced.
    fn outlook(&self, starts: usize) -> Option<Duration> {
        let state = self.0.lock();
        let begin = now();
        let mut budget = state.budget.clone();
        let mut at = begin;
        for start in 0..starts {
            at = at.max(begin + state.buckets.earliest(start));
            while let Allowance::At(later) = budget.allowance(at) {
                at = later.max(at + Duration::from_millis(1));
            }
            budget.reserve();
            budget.spend(at);
        }
        Some(at.saturating_duration_since(begin))
    }

    fn held_back(&self) -> Option<HeldBack> {
        let now = now();
        let (at, is_spent) = self.0.lock().budget.held_back(now)?;
        let next_in = at.saturating_duration_since(now);
        Some(if is_spent {
            HeldBack::Spent { next_in }
        } else {
            HeldBack::Spaced { next_in }
        })
    }

    fn acquire(&self, shard: ShardId) -> BoxFuture<'static, Result<Permit, Error>> {
        let queue = Arc::clone(&self.0);
        Box::pin(async move {
            let mut place = Place::new(queue, shard.number());
            loop {
                match place.step(now()) {
                    Step::Go => return Ok(place.permit()),
                    Step::Sleep => place.notify.notified().await,
                    Step::SleepUntil(at) => {
                        // Either end means the same: look again.
                        let woken = place.notify.notified();
                        drop(tokio::time::timeout_at(at.into(), woken).await);
                    }
                }
            }
        })
    }
}

/// A shard's place in the queue, given up when dropped.
struct Place {
    queue: Arc<Shared>,
    ticket: Ticket,
    notify: Arc<Notify>,
    /// Whether dropping it must not touch the queue: a permit has taken over.
    done: bool,
}

impl Place {
    fn new(queue: Arc<Shared>, shard: u32) -> Self {
        let notify = Arc::new(Notify::new());
        let mut state = queue.lock();
        let ticket = state.buckets.join(now(), shard);
        state.waiting.insert(ticket, Arc::clone(&notify));
        // The newcomer may go before who was first, and is looked after by its own first step.
        drop(state);
        Self {
            queue,
            ticket,
            notify,
            done: false,
        }
    }

    fn step(&mut self, now: Instant) -> Step {
        let mut state = self.queue.lock();
        let step = state.step(now, self.ticket);
        if matches!(step, Step::Go) {
            state.waiting.remove(&self.ticket);
            state.buckets.hold(self.ticket);
            state.budget.reserve();
            self.done = true;
        }
        step
    }

    fn permit(&self) -> Permit {
        let ticket = self.ticket;
        let (spent, returned) = (Arc::clone(&self.queue), Arc::clone(&self.queue));
        Permit::new(
            move || {
                let mut state = spent.lock();
                state.buckets.spend(now(), ticket);
                state.budget.spend(now());
                state.wake_all();
            },
            move || {
                let mut state = returned.lock();
                state.buckets.leave(ticket);
                state.budget.give_back();
                state.wake_all();
            },
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.done {
            let mut state = self.queue.lock();
            state.waiting.remove(&self.ticket);
            state.buckets.leave(self.ticket);
            state.wake_all();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl State {
    fn step(&mut self, now: Instant, ticket: Ticket) -> Step {
        match self.buckets.turn(now, ticket) {
            Turn::Later => return Step::Sleep,
            Turn::At(at) => return Step::SleepUntil(at),
            Turn::Now => {}
        }
        match self.budget.allowance(now) {
            Allowance::Later => Step::Sleep,
            Allowance::At(at) => Step::SleepUntil(at),
            // Buckets compete only for a scarce budget: then the order counts across them too.
            Allowance::Now
                if self.budget.is_tight(now) && self.buckets.is_preceded(now, ticket) =>
            {
                Step::Sleep
            }
            Allowance::Now => Step::Go,
        }
    }

    /// Has all look again who could be next. Any change can concern any bucket while the budget is
    /// scarce, or was a moment ago.
    fn wake_all(&self) {
        for ticket in self.buckets.first() {
            if let Some(notify) = self.waiting.get(&ticket) {
                notify.notify_one();
            }
        }
    }
}

/// Which shards share a queue: those of one bot at one place. It does not give the credential away:
/// it is a hash with a key that this process made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct QueueKey(u64);

impl QueueKey {
    /// The key of the bot with `credential` on `platform`, reached at `base` (gateway and REST
    /// base, as configured).
    pub(crate) fn new(platform: &str, base: &str, credential: &str) -> Self {
        static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(SECRET.hash_one((platform, base, credential)))
    }
}

static QUEUES: LazyLock<Mutex<HashMap<QueueKey, Weak<Shared>>>> = LazyLock::new(Mutex::default);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code of others runs under these locks; after a panic of ours the numbers still hold.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tokio's clock, so that paused time counts.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn unix_ms() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
