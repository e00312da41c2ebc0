//! When may I identify, of all nodes? The queue of a node's shards, over the bucket.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future::BoxFuture};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};

use super::{
    entry,
    gate::{Gate, Starts, Ticket, Turn},
    lease::unix_ms,
    link::{Wire, Written, wire},
    member::Tenancy,
};
use crate::{
    error::Error,
    id::ShardId,
    observe,
    queue::{HeldBack, Permit, Queue},
};

/// The key of the entry.
const KEY: &str = "identify";

/// What the platform tells of a bot's limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) max_concurrency: u32,
    pub(super) total: u64,
    pub(super) remaining: u64,
    pub(super) reset_after: Duration,
    pub(super) at: Instant,
}

/// The queue of one life of a node.
#[derive(Clone)]
pub(super) struct ClusterQueue(Arc<Inner>);

struct Inner {
    tenancy: Tenancy,
    wires: watch::Receiver<Option<Wire>>,
    state: Mutex<State>,
    /// Tells of a change of the entry.
    changed: watch::Sender<u64>,
    settled: mpsc::UnboundedSender<(Ticket, bool)>,
    /// One at a time writes: shards of one node need not lose races to each other.
    writing: tokio::sync::Mutex<()>,
}

struct State {
    gate: Gate,
    starts: Starts,
    /// Of the entry; `None` before it was seen.
    revision: Option<u64>,
    held_back: Option<(Instant, bool)>,
}

/// What keeps the queue up to date: to be polled for as long as the queue is used.
pub(super) struct Keeper {
    queue: ClusterQueue,
    settled: mpsc::UnboundedReceiver<(Ticket, bool)>,
    told: Option<Told>,
}

impl ClusterQueue {
    pub(super) fn new(
        tenancy: Tenancy,
        wires: watch::Receiver<Option<Wire>>,
        window: Duration,
        told: Option<Told>,
    ) -> (Self, Keeper) {
        let (settled, receiver) = mpsc::unbounded_channel();
        let queue = Self(Arc::new(Inner {
            tenancy,
            wires,
            state: Mutex::new(State {
                gate: Gate::new(window),
                starts: Starts::default(),
                revision: None,
                held_back: None,
            }),
            changed: watch::Sender::new(0),
            settled,
            writing: tokio::sync::Mutex::default(),
        }));
        let keeper = Keeper {
            queue: queue.clone(),
            settled: receiver,
            told,
        };
        (queue, keeper)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can be interrupted half-way by a panic of ours.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry is so at this revision.
    fn take_over(&self, starts: Starts, revision: u64) {
        let mut state = self.lock();
        if state.revision.is_some_and(|known| known >= revision) {
            return;
        }
        state.starts = starts;
        state.revision = Some(revision);
        self.observe(&mut state);
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }

    fn observe(&self, state: &mut State) {
        let living = self.tenancy.living.borrow().clone();
        let State { gate, starts, .. } = state;
        gate.observe(starts, &self.tenancy.me, &living, Instant::now());
    }

    /// Reads the entry where nothing of it was seen yet, or an answer was lost.
    async fn look(&self, wire: &Wire) -> bool {
        match wire.read(KEY).await {
            Ok(Some((text, revision))) => {
                self.take_over(read(&text), revision);
                true
            }
            Ok(None) => {
                let mut state = self.lock();
                state.revision.get_or_insert(0);
                true
            }
            Err(_) => {
                wire.give_up();
                false
            }
        }
    }

    /// Writes what a change makes of the entry, again where somebody else was faster; `None` where
    /// there is nothing to change.
    async fn edit<T>(&self, mut change: impl FnMut(&mut Starts) -> Option<T>) -> Option<T> {
        let mut wires = self.wires.clone();
        loop {
            let wire = wire(&mut wires).await;
            let _writing = self.writing.lock().await;
            let (mut starts, revision) = {
                let state = self.lock();
                (state.starts.clone(), state.revision)
            };
            let Some(revision) = revision else {
                if !self.look(&wire).await {
                    sleep(Duration::from_millis(50)).await;
                }
                continue;
            };
            let changed = change(&mut starts)?;
            match wire.write(KEY, entry::write(&starts), revision).await {
                Written::Done(revision) => {
                    self.take_over(starts, revision);
                    return Some(changed);
                }
                Written::Conflict => {
                    self.look(&wire).await;
                }
                Written::Unknown => {
                    wire.give_up();
                    self.lock().revision = None;
                }
            }
        }
    }

    fn permit(&self, ticket: Ticket) -> Permit {
        let (spend, give_back) = (self.settled.clone(), self.settled.clone());
        // Once this life of the node is over nobody hears it, and it counts as used.
        Permit::new(
            move || spend.send((ticket, true)).unwrap_or_default(),
            move || give_back.send((ticket, false)).unwrap_or_default(),
        )
    }

    /// Writes what became of permits. Which they are is asked where nobody else of this node
    /// writes: one that is just being taken is no orphan.
    async fn settle(&self, tickets: impl Fn() -> Vec<Ticket>, used: bool) {
        let settle = |starts: &mut Starts| {
            let settled = tickets().into_iter();
            let settled = settled
                .filter(|ticket| starts.settle(*ticket, used))
                .count();
            (settled > 0).then_some(())
        };
        self.edit(settle).await;
    }

    /// What nobody but this node can settle, and it does not know of.
    fn orphans(&self) -> Vec<Ticket> {
        let state = self.lock();
        state.gate.orphans(&state.starts, &self.tenancy.me)
    }

    /// One attempt to take a permit; when to try again, where that is known.
    async fn attempt(&self, shard: u32) -> Result<Ticket, Option<Instant>> {
        let Some(wire) = self.wires.borrow().clone() else {
            return Err(Some(Instant::now() + Duration::from_millis(100)));
        };
        let _writing = self.writing.lock().await;
        let me = self.tenancy.me.as_str();
        if self.lock().revision.is_none() && !self.look(&wire).await {
            return Err(Some(Instant::now() + Duration::from_millis(100)));
        }
        let (turn, revision) = {
            let mut state = self.lock();
            self.observe(&mut state);
            let at = (Instant::now(), unix_ms());
            let turn = state.gate.turn(&state.starts, me, shard, at);
            state.held_back = match turn {
                Turn::HeldBack(at, spent) => Some((at, spent)),
                _ => None,
            };
            (turn, state.revision.unwrap_or(0))
        };
        let (next, ticket) = match turn {
            Turn::Take(next, ticket) => (next, ticket),
            Turn::At(at) | Turn::HeldBack(at, _) => return Err(Some(at)),
            Turn::Later => return Err(None),
        };
        match wire.write(KEY, entry::write(&*next), revision).await {
            Written::Done(revision) => {
                self.lock().gate.took(ticket);
                self.take_over(*next, revision);
                Ok(ticket)
            }
            Written::Conflict => {
                self.look(&wire).await;
                Err(Some(Instant::now()))
            }
            Written::Unknown => {
                // If it was written after all, it counts as used: nobody knows of the permit.
                wire.give_up();
                self.lock().revision = None;
                Err(Some(Instant::now() + Duration::from_millis(100)))
            }
        }
    }
}

/// The entry. A corrupt one is as one that nothing is known of.
fn read(text: &[u8]) -> Starts {
    entry::read(text).unwrap_or_else(|| {
        observe::cluster::corrupt(KEY);
        Starts::default()
    })
}

impl Queue for ClusterQueue {
    fn acquire(&self, shard: ShardId) -> BoxFuture<'static, Result<Permit, Error>> {
        let queue = Arc::clone(&self.0);
        Box::pin(async move {
            let mut changes = queue.changed.subscribe();
            let mut living = queue.tenancy.living.clone();
            loop {
                queue.tenancy.lease.held().await;
                changes.mark_unchanged();
                // In a task of its own, for an attempt must not be dropped half-way: what is
                // written would be a permit that nobody has. One that nobody waits for any more
                // goes back by being dropped.
                let (answer, answered) = oneshot::channel();
                let trying = Arc::clone(&queue);
                tokio::spawn(async move {
                    let attempt = trying.attempt(shard.number()).await;
                    let _gone = answer.send(attempt.map(|ticket| trying.permit(ticket)));
                });
                // Its end is dropped without an answer only where the runtime ends.
                let at = match answered.await {
                    Ok(Ok(permit)) if queue.tenancy.lease.holds() => return Ok(permit),
                    Ok(Ok(_)) => continue,
                    Ok(Err(at)) => at,
                    Err(_) => None,
                };
                let until = at.map_or(Duration::from_secs(1), |at| {
                    at.saturating_duration_since(Instant::now())
                });
                tokio::select! {
                    () = sleep(until) => {}
                    _ = changes.changed() => {}
                    _ = living.changed() => {}
                }
            }
        })
    }

    fn held_back(&self) -> Option<HeldBack> {
        let (at, spent) = self.0.lock().held_back?;
        let next_in = at.saturating_duration_since(Instant::now());
        Some(if spent {
            HeldBack::Spent { next_in }
        } else {
            HeldBack::Spaced { next_in }
        })
    }
}

impl Keeper {
    /// Watches the entry, and writes what became of the permits. Never ends.
    pub(super) async fn keep(mut self) {
        let queue = Arc::clone(&self.queue.0);
        let watching = watch_entry(&queue);
        let settling = async {
            if let Some(told) = self.told {
                let passed = told.at.elapsed();
                let reset_after = told.reset_after.saturating_sub(passed);
                let at = || (Instant::now(), unix_ms());
                let limits = (told.total, told.remaining);
                queue
                    .edit(|starts| {
                        starts.update(at(), told.max_concurrency, limits, reset_after);
                        Some(())
                    })
                    .await;
            }
            let mut changes = queue.changed.subscribe();
            loop {
                tokio::select! {
                    Some((ticket, used)) = self.settled.recv() => {
                        queue.settle(|| vec![ticket], used).await;
                        let mut state = queue.lock();
                        state.gate.settled(ticket);
                        queue.observe(&mut state);
                    }
                    _ = changes.changed() => {
                        if !queue.orphans().is_empty() {
                            queue.settle(|| queue.orphans(), true).await;
                        }
                    }
                }
            }
        };
        futures::future::join(watching, settling).await;
    }
}

async fn watch_entry(queue: &Inner) {
    let mut wires = queue.wires.clone();
    loop {
        let wire = wire(&mut wires).await;
        let Ok(mut changes) = wire.watch(KEY).await else {
            wire.give_up();
            continue;
        };
        loop {
            tokio::select! {
                seen = wires.changed() => {
                    if seen.is_err() {
                        return;
                    }
                    break;
                }
                Some(change) = changes.next() => match change.value {
                    Some(text) => queue.take_over(read(&text), change.revision),
                    None => queue.take_over(Starts::default(), change.revision),
                },
            }
        }
    }
}

impl fmt::Debug for ClusterQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterQueue").finish_non_exhaustive()
    }
}
