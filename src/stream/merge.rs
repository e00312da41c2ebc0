//! Whose turn is it? A list of the shards that have something, and one batch for each in turn.
//!
//! Asking a thousand shards for each event would cost a thousand looks; here a shard that has
//! something says so by its waker, and nobody else is looked at.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::{stream::Stream, task::AtomicWaker};

use crate::{
    error::Error,
    id::ShardId,
    platform::Platform,
    shard::{Message, Meta, OwnEvent, Shard, ShardHandle, TypedShard},
};

/// What a shard gives as a stream.
type Given<E> = Poll<Option<(Meta, Result<E, Error>)>>;

/// What can be merged: a [`Shard`], a [`TypedShard`] whose events own what they hold, or a mutable
/// borrow of one.
pub trait Source: Unpin {
    /// The platform of the shard.
    type Platform: Platform;
    /// What the shard decodes into.
    type Event;

    /// The shard's handle, which comes with each of its events.
    fn handle(&self) -> ShardHandle<Self::Platform>;

    /// The next event, as [`Shard`] gives it as a stream.
    #[doc(hidden)]
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Given<Self::Event>;

    /// The next raw message; the stream of them ends as that of events does.
    #[doc(hidden)]
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>>;

    /// Whether the shard has had its turn: what it gives next lies in another batch.
    #[doc(hidden)]
    fn has_had_its_turn(&self) -> bool;

    /// Whether the shard has given its fatal error.
    #[doc(hidden)]
    fn has_ended(&self) -> bool;
}

impl<P: Platform> Source for Shard<P> {
    type Platform = P;
    type Event = P::Event;

    fn handle(&self) -> ShardHandle<P> {
        Self::handle(self)
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Given<P::Event> {
        Stream::poll_next(Pin::new(self), cx)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        self.poll_next_message(cx)
    }

    fn has_had_its_turn(&self) -> bool {
        self.is_between_batches()
    }

    fn has_ended(&self) -> bool {
        self.has_given_end()
    }
}

impl<E, P: Platform> Source for TypedShard<E, P>
where
    E: for<'a> OwnEvent<Event<'a> = E>,
{
    type Platform = P;
    type Event = E;

    fn handle(&self) -> ShardHandle<P> {
        Shard::handle(self)
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Given<E> {
        Stream::poll_next(Pin::new(self), cx)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        self.poll_next_message(cx)
    }

    fn has_had_its_turn(&self) -> bool {
        self.is_between_batches()
    }

    fn has_ended(&self) -> bool {
        self.has_given_end()
    }
}

impl<S: Source> Source for &mut S {
    type Platform = S::Platform;
    type Event = S::Event;

    fn handle(&self) -> ShardHandle<S::Platform> {
        (**self).handle()
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Given<S::Event> {
        (**self).poll_event(cx)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        (**self).poll_message(cx)
    }

    fn has_had_its_turn(&self) -> bool {
        (**self).has_had_its_turn()
    }

    fn has_ended(&self) -> bool {
        (**self).has_ended()
    }
}

/// The shards, and whose turn it is.
pub(super) struct Merge<S: Source> {
    /// A slot that was left is empty, and the next shard that comes takes it.
    slots: Vec<Option<Slot<S>>>,
    free: Vec<usize>,
    ready: Arc<Ready>,
    /// The slot whose batch is being given out.
    turn: Option<usize>,
}

struct Slot<S: Source> {
    source: S,
    handle: ShardHandle<S::Platform>,
    bell: Arc<Bell>,
    /// The bell as a waker, made once.
    waker: Waker,
}

/// The slots that may have something, in the order in which they said so.
#[derive(Debug, Default)]
struct Ready {
    queue: Mutex<VecDeque<usize>>,
    /// Who polls the merged stream.
    task: AtomicWaker,
}

/// What a shard wakes.
#[derive(Debug)]
struct Bell {
    slot: usize,
    /// Rung, and the slot not yet looked at: it stands in the queue once.
    rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Ready {
    fn queue(&self) -> MutexGuard<'_, VecDeque<usize>> {
        // Nothing panics while the lock is held, and a list of numbers is right in any state.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    /// Puts the slot at the end of the queue; whether it was not there yet.
    fn queue(&self) -> bool {
        let first = !self.rung.swap(true, Ordering::AcqRel);
        if first {
            self.ready.queue().push_back(self.slot);
        }
        first
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queue() {
            self.ready.task.wake();
        }
    }
}

impl<S: Source> Merge<S> {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            ready: Arc::default(),
            turn: None,
        }
    }

    /// Adds a shard; it is looked at after those that are ready now.
    pub(super) fn add(&mut self, source: S) {
        let index = self.free.pop().unwrap_or(self.slots.len());
        let bell = Arc::new(Bell {
            slot: index,
            rung: AtomicBool::new(false),
            ready: Arc::clone(&self.ready),
        });
        let slot = Slot {
            handle: source.handle(),
            source,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        };
        slot.waker.wake_by_ref();
        match self.slots.get_mut(index) {
            Some(place) => *place = Some(slot),
            None => self.slots.push(Some(slot)),
        }
    }

    /// Takes a shard out, with all that it has not given yet.
    pub(super) fn remove(&mut self, id: ShardId) -> Option<S> {
        let is_it = |slot: &Option<Slot<S>>| {
            let slot = slot.as_ref();
            slot.is_some_and(|slot| slot.handle.id() == id)
        };
        let index = self.slots.iter().position(is_it)?;
        self.vacate(index)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn handles(&self) -> impl Iterator<Item = &ShardHandle<S::Platform>> {
        self.slots.iter().flatten().map(|slot| &slot.handle)
    }

    pub(super) fn into_sources(self) -> impl Iterator<Item = S> {
        self.slots.into_iter().flatten().map(|slot| slot.source)
    }

    fn vacate(&mut self, index: usize) -> Option<S> {
        let slot = self.slots.get_mut(index)?.take()?;
        self.free.push(index);
        if self.turn == Some(index) {
            self.turn = None;
        }
        Some(slot.source)
    }

    /// What `poll_one` gives of the shard whose turn it is; `None` when all have ended.
    pub(super) fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        mut poll_one: impl FnMut(&mut S, &mut Context<'_>) -> Poll<Option<T>>,
    ) -> Poll<Option<(ShardHandle<S::Platform>, T)>> {
        // A shard may ring again while it is asked, as it does when the task has used up its share
        // of the runtime; so only as many are asked as there are.
        let mut asks = self.len();
        while self.len() > 0 {
            if asks == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Some(index) = self.next_turn(cx) else {
                return Poll::Pending;
            };
            let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            let mut shard_cx = Context::from_waker(&slot.waker);
            match poll_one(&mut slot.source, &mut shard_cx) {
                Poll::Ready(Some(item)) => {
                    let handle = slot.handle.clone();
                    if slot.source.has_ended() {
                        drop(self.vacate(index));
                    } else if slot.source.has_had_its_turn() {
                        slot.bell.queue();
                    } else {
                        self.turn = Some(index);
                    }
                    return Poll::Ready(Some((handle, item)));
                }
                // It had ended before it came.
                Poll::Ready(None) => drop(self.vacate(index)),
                Poll::Pending => asks -= 1,
            }
        }
        Poll::Ready(None)
    }

    /// The slot whose turn it is; without one, `cx` is woken when a shard has something.
    fn next_turn(&mut self, cx: &Context<'_>) -> Option<usize> {
        if let Some(index) = self.turn.take() {
            return Some(index);
        }
        let index = self.first_ready().or_else(|| {
            self.ready.task.register(cx.waker());
            // Who rang before the waker was there would not be heard.
            self.first_ready()
        })?;
        if let Some(slot) = self.slots.get(index).and_then(Option::as_ref) {
            // Before it is asked: what comes while it is asked rings again.
            slot.bell.rung.swap(false, Ordering::AcqRel);
        }
        Some(index)
    }

    fn first_ready(&self) -> Option<usize> {
        self.ready.queue().pop_front()
    }

    /// What has the merged stream polled again.
    pub(super) fn alarm(&self) -> Alarm {
        Alarm(Arc::clone(&self.ready))
    }
}

/// Has the merged stream polled again.
#[derive(Clone, Debug)]
pub(super) struct Alarm(Arc<Ready>);

impl Alarm {
    pub(super) fn ring(&self) {
        self.0.task.wake();
    }
}
