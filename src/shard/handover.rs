//! How does text get from the driver's task to the user's? In batches, swapped.
//!
//! Raw text crosses and typed events never do: an event that is allocated on one thread and freed
//! on another costs more in the allocator than its decoding. So the driver fills a buffer with the
//! texts of many frames, the user's task takes the whole buffer and decodes, and the buffer goes
//! back.
//!
//! The hand-over is bounded by events and by bytes, counted until the user has finished with a
//! batch. Notices and errors do not count as events; [`NOTES_MAX`] bounds them.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::task::AtomicWaker;

use super::batch::{self, Batch, Cursor, Entry, Place, Text, What};
use crate::{codec::envelope::Header, error::Error, limits::Limits, notice::Notice};

/// So many notices and errors wait at most before reading pauses; those that come without reading
/// (a long outage that nobody looks at) are then left out.
pub(super) const NOTES_MAX: usize = 256;

/// An idle shard keeps room for so many batches that wait.
const KEPT_WAITING_MAX: usize = 4;

/// What waits, or is being worked on by the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) events: usize,
    pub(super) bytes: usize,
    pub(super) notes: usize,
}

impl Load {
    fn of(batch: &Batch) -> Self {
        Self {
            events: batch.events(),
            bytes: batch.text.len(),
            notes: batch.entries.len() - batch.events(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            bytes: self.bytes + other.bytes,
            notes: self.notes + other.notes,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_sub(other.events),
            bytes: self.bytes.saturating_sub(other.bytes),
            notes: self.notes.saturating_sub(other.notes),
        }
    }
}

/// Where driver and user meet.
#[derive(Debug)]
pub(super) struct Handover {
    queue: Mutex<Queue>,
    /// What the user has taken. Locked after `queue` where both are needed.
    progress: Mutex<Progress>,
    /// Woken when something lies here that was empty.
    user: AtomicWaker,
    /// Woken when space is back, and by those who want something of the driver.
    driver: AtomicWaker,
    events_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Batch>,
    /// Of all batches that the user has not finished.
    load: Load,
    /// A finished batch, to be filled again.
    spare: Option<Batch>,
    /// The driver waits for space.
    starved: bool,
    /// Entries put here since the beginning.
    published: u64,
    /// What has been received and is either here or was not wanted.
    tail: Cursor,
    /// What the user gets when nothing is left.
    end: Option<Error>,
    /// The number of the last mark that was reached, and what had been received by then.
    mark: Option<(u64, Cursor)>,
}

#[derive(Debug)]
struct Progress {
    /// Entries taken since the beginning.
    taken: u64,
    /// The cursor of the last of them.
    cursor: Cursor,
    /// Nothing may be taken any more: what is left belongs to the next start.
    sealed: Option<Error>,
}

impl Progress {
    fn covered(&self, queue: &Queue) -> Cursor {
        if self.sealed.is_none() && self.taken == queue.published {
            queue.tail
        } else {
            self.cursor
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds these locks can be interrupted half-way by a panic of ours.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handover {
    /// An empty one, bounded by the limits, that starts at `cursor`.
    pub(super) fn new(limits: &Limits, cursor: Cursor) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                load: Load::default(),
                spare: None,
                starved: false,
                published: 0,
                tail: cursor,
                end: None,
                mark: None,
            }),
            progress: Mutex::new(Progress {
                taken: 0,
                cursor,
                sealed: None,
            }),
            user: AtomicWaker::new(),
            driver: AtomicWaker::new(),
            events_max: limits.buffered_events_max.max(1),
            bytes_max: limits.buffered_bytes_max.max(1),
        })
    }

    /// The end of the driver that fills it. There is one.
    pub(super) fn writer(self: &Arc<Self>) -> Writer {
        let tail = lock(&self.queue).tail;
        Writer {
            handover: Arc::clone(self),
            open: None,
            added: Load::default(),
            added_entries: 0,
            seen: Load::default(),
            tail,
            published_tail: tail,
            discarding: false,
        }
    }

    /// The end of the user who empties it. There is one.
    pub(super) fn reader(self: &Arc<Self>) -> Reader {
        Reader {
            handover: Arc::clone(self),
            batch: None,
            text: None,
            load: Load::default(),
            next: 0,
        }
    }

    /// Whoever is registered here hears of space and of [`wake_driver`](Self::wake_driver).
    pub(super) fn driver_waker(&self) -> &AtomicWaker {
        &self.driver
    }

    /// Tells the driver that somebody wants something.
    pub(super) fn wake_driver(&self) {
        self.driver.wake();
    }

    /// Nothing will be put here any more; when all is taken, the user gets `error` for ever. The
    /// first end counts.
    pub(super) fn end(&self, error: Error) {
        lock(&self.queue).end.get_or_insert(error);
        self.user.wake();
    }

    /// What the user gets when nothing is left, once that is known.
    pub(super) fn ended(&self) -> Option<Error> {
        lock(&self.queue).end.clone()
    }

    /// From now on nothing is taken and [`taken`](Self::taken) stands still; who asks for an
    /// entry gets `error`.
    pub(super) fn seal(&self, error: Error) {
        let queue = lock(&self.queue);
        let mut progress = lock(&self.progress);
        if progress.sealed.is_none() {
            progress.cursor = progress.covered(&queue);
            progress.sealed = Some(error);
        }
        drop(progress);
        drop(queue);
        self.user.wake();
    }

    /// What the user has: the last event taken, and with it all that were not wanted before the
    /// next that waits.
    pub(super) fn taken(&self) -> Cursor {
        let queue = lock(&self.queue);
        lock(&self.progress).covered(&queue)
    }

    /// A mark was reached, with everything up to `cursor` put here.
    pub(super) fn reach(&self, ticket: u64, cursor: Cursor) {
        lock(&self.queue).mark = Some((ticket, cursor));
        self.user.wake();
    }

    /// Whether the user has everything that the server had sent before it received a heartbeat
    /// that was sent after the mark with this number was asked for.
    pub(super) fn has_passed(&self, ticket: u64) -> bool {
        let queue = lock(&self.queue);
        let taken = lock(&self.progress).covered(&queue);
        queue
            .mark
            .is_some_and(|(reached, cursor)| reached == ticket && taken >= cursor)
    }

    /// How many entries were taken, and whether more wait.
    pub(super) fn progress(&self) -> (u64, bool) {
        let queue = lock(&self.queue);
        let taken = lock(&self.progress).taken;
        (taken, taken != queue.published)
    }

    pub(super) fn load(&self) -> Load {
        lock(&self.queue).load
    }

    fn has_waiting(&self) -> bool {
        !lock(&self.queue).waiting.is_empty()
    }

    /// "Always one event", so that one larger than the whole bound gets through.
    fn has_room(&self, load: Load) -> bool {
        let events =
            load.events == 0 || (load.events < self.events_max && load.bytes < self.bytes_max);
        events && load.notes < NOTES_MAX
    }

    /// Reading goes on only here, well below where it stopped: else it would stop and go with
    /// every event.
    fn is_below_half(&self, load: Load) -> bool {
        let events = load.events == 0
            || (load.events <= self.events_max / 2 && load.bytes <= self.bytes_max / 2);
        events && load.notes <= NOTES_MAX / 2
    }
}

/// The driver's end. What it holds reaches the user with [`publish`](Self::publish).
#[derive(Debug)]
pub(super) struct Writer {
    handover: Arc<Handover>,
    open: Option<Batch>,
    /// What was added since the last publish, in `open`.
    added: Load,
    added_entries: u64,
    /// What lay in the hand-over when it was last looked at; it can only have become less.
    seen: Load,
    tail: Cursor,
    published_tail: Cursor,
    discarding: bool,
}

impl Writer {
    /// From now on everything is dropped: the hand-over is sealed, and what comes belongs to the
    /// next start.
    pub(super) fn discard(&mut self) {
        self.discarding = true;
    }

    /// Whether an event may be added. When not, the driver is woken once half is free again.
    pub(super) fn has_room(&mut self) -> bool {
        if self.discarding || self.handover.has_room(self.seen.plus(self.added)) {
            return true;
        }
        let mut queue = lock(&self.handover.queue);
        self.seen = queue.load;
        let load = self.seen.plus(self.added);
        // Once stopped, half must be free.
        let room = if queue.starved {
            self.handover.is_below_half(load)
        } else {
            self.handover.has_room(load)
        };
        queue.starved = !room;
        room
    }

    /// What waits for the user, with what was not published yet.
    pub(super) fn load(&self) -> Load {
        self.handover.load().plus(self.added)
    }

    /// Adds a frame: a copy of its text.
    pub(super) fn push(&mut self, text: &str, header: Header, replayed: bool, cursor: Cursor) {
        if self.discarding {
            return;
        }
        let batch = self.batch(text.len());
        let place = Place {
            start: batch.text.len(),
            len: text.len(),
            header,
            replayed,
        };
        batch.append(text);
        batch.push(cursor, What::Frame(place));
        self.count(1, text.len(), 0, cursor);
    }

    /// Adds a frame that is a batch of its own, without copying it.
    pub(super) fn push_owned(
        &mut self,
        text: String,
        header: Header,
        replayed: bool,
        cursor: Cursor,
    ) {
        if self.discarding {
            return;
        }
        self.publish(self.tail);
        let mut batch = self.take_spare();
        let place = Place {
            start: 0,
            len: text.len(),
            header,
            replayed,
        };
        let len = text.len();
        batch.text = text;
        batch.push(cursor, What::Frame(place));
        self.open = Some(batch);
        self.count(1, len, 0, cursor);
    }

    /// Adds a notice.
    pub(super) fn notify(&mut self, notice: Notice, cursor: Cursor) {
        // What tells of lost events is never left out. These come of reading only, and that has
        // stopped where there are too many.
        let vital = matches!(notice, Notice::Gap { .. } | Notice::SessionLost { .. });
        self.note(What::Notice(notice), vital, cursor);
    }

    /// Adds an error that is not the end.
    pub(super) fn fail(&mut self, error: Error, cursor: Cursor) {
        self.note(What::Error(error), false, cursor);
    }

    fn note(&mut self, what: What, vital: bool, cursor: Cursor) {
        if self.discarding {
            return;
        }
        let full = self.seen.plus(self.added).notes >= NOTES_MAX && {
            self.seen = self.handover.load();
            self.seen.plus(self.added).notes >= NOTES_MAX
        };
        if full && !vital {
            return;
        }
        self.batch(0).push(cursor, what);
        self.count(0, 0, 1, cursor);
    }

    /// Gives the user what was added; `true` where that was anything. `tail` is what has been
    /// received by now: events that were not wanted lie between it and the last that was added.
    pub(super) fn publish(&mut self, tail: Cursor) -> bool {
        let added = self.added_entries > 0;
        if !added && self.published_tail == tail {
            return false;
        }
        self.tail = tail;
        self.published_tail = tail;
        let mut queue = lock(&self.handover.queue);
        if added {
            // What was covered because nothing wanted was left stays covered.
            let mut progress = lock(&self.handover.progress);
            progress.cursor = progress.covered(&queue);
        }
        queue.tail = tail;
        queue.published += mem::take(&mut self.added_entries);
        queue.load = queue.load.plus(mem::take(&mut self.added));
        self.seen = queue.load;
        let was_empty = queue.waiting.is_empty();
        if let Some(batch) = self.open.take() {
            queue.waiting.push_back(batch);
            drop(queue);
            if was_empty {
                self.handover.user.wake();
            }
        }
        added
    }

    fn count(&mut self, events: usize, bytes: usize, notes: usize, cursor: Cursor) {
        self.added = self.added.plus(Load {
            events,
            bytes,
            notes,
        });
        self.added_entries += 1;
        // What is added is covered by what was added before.
        self.tail = cursor.max(self.tail);
    }

    /// A batch with room for one more entry of `len` bytes.
    fn batch(&mut self, len: usize) -> &mut Batch {
        if self.open.as_ref().is_some_and(|open| !open.fits(len)) {
            self.publish(self.tail);
        }
        if self.open.is_none() {
            self.open = Some(self.reopen(len));
        }
        self.open.get_or_insert_default()
    }

    /// The batch that the user would take last, if it has room: one who is slow gets few batches
    /// that are full, not many with one event each. Else a fresh one.
    fn reopen(&mut self, len: usize) -> Batch {
        let mut queue = lock(&self.handover.queue);
        self.seen = queue.load;
        if queue.waiting.back().is_some_and(|last| last.fits(len))
            && let Some(last) = queue.waiting.pop_back()
        {
            return last;
        }
        let full = queue.waiting.back().map(Batch::len);
        let spare = queue.spare.take();
        drop(queue);
        let mut batch = spare.unwrap_or_else(batch::from_pool);
        if let Some((bytes, entries)) = full {
            batch.make_room(bytes, entries);
        }
        batch
    }

    fn take_spare(&mut self) -> Batch {
        lock(&self.handover.queue).spare.take().unwrap_or_default()
    }
}

impl Drop for Writer {
    /// Nothing that was read is lost when the driver ends in whatever way.
    fn drop(&mut self) {
        self.publish(self.tail);
    }
}

/// The user's end.
#[derive(Debug)]
pub(super) struct Reader {
    handover: Arc<Handover>,
    /// The one in hand. Its text is in `text`.
    batch: Option<Batch>,
    text: Option<Arc<Text>>,
    /// What the batch in hand counts for.
    load: Load,
    next: usize,
}

impl Reader {
    /// Takes the next entry; [`entry`](Self::entry) gives it. `Err` is the end and stays.
    ///
    /// The entry counts as taken when this returns: the caller must hand it out without waiting.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            if let Some(batch) = &self.batch
                && let Some(entry) = batch.entries.get(self.next)
            {
                let mut progress = lock(&self.handover.progress);
                if let Some(error) = &progress.sealed {
                    return Poll::Ready(Err(error.clone()));
                }
                progress.taken += 1;
                progress.cursor = entry.cursor;
                self.next += 1;
                return Poll::Ready(Ok(()));
            }
            if !self.turn_over(cx) {
                if let Some(error) = &lock(&self.handover.progress).sealed {
                    return Poll::Ready(Err(error.clone()));
                }
                return match self.handover.ended() {
                    // Between the look at the queue and this one the driver may have put its last
                    // batch there.
                    Some(_) if self.handover.has_waiting() => continue,
                    Some(error) => Poll::Ready(Err(error)),
                    None => Poll::Pending,
                };
            }
        }
    }

    /// Whether no batch is in hand, as at the beginning.
    pub(super) const fn is_empty_handed(&self) -> bool {
        self.batch.is_none()
    }

    /// Whether the next entry lies in another batch.
    pub(super) fn at_end(&self) -> bool {
        self.batch
            .as_ref()
            .is_none_or(|batch| self.next >= batch.entries.len())
    }

    /// The entry that [`poll_next`](Self::poll_next) took last, with the text of its batch.
    pub(super) fn entry(&self) -> Option<(&Arc<Text>, &Entry)> {
        let batch = self.batch.as_ref()?;
        let entry = batch.entries.get(self.next.checked_sub(1)?)?;
        Some((self.text.as_ref()?, entry))
    }

    /// Finishes the batch in hand and takes the next; `false` where there is none, and then the
    /// waker of `cx` hears of one.
    fn turn_over(&mut self, cx: &Context<'_>) -> bool {
        let handover = &*self.handover;
        let mut reusable = self.batch.take();
        self.next = 0;
        let mut load = Load::default();
        let mut shell = None;
        if let Some(batch) = &mut reusable {
            load = self.load;
            // Whoever still holds a frame keeps its text; else it is filled again.
            if let Some((text, free)) = self.text.take().and_then(Text::take_back) {
                batch.text = text;
                shell = Some(free);
            }
            batch.clear();
        }
        let mut queue = lock(&handover.queue);
        queue.load = queue.load.minus(load);
        if queue.spare.is_none() {
            queue.spare = reusable.take();
        }
        let wake = queue.starved && handover.is_below_half(queue.load);
        let next = queue.waiting.pop_front();
        let mut idle = None;
        if next.is_none() {
            // Registered under the lock, so that nothing can be put here unheard.
            handover.user.register(cx.waker());
            if queue
                .spare
                .as_ref()
                .is_some_and(Batch::is_worth_giving_back)
            {
                idle = queue.spare.take();
            }
            if queue.waiting.capacity() > KEPT_WAITING_MAX {
                queue.waiting = VecDeque::new();
            }
        }
        drop(queue);
        for batch in reusable.into_iter().chain(idle) {
            batch::to_pool(batch);
        }
        if wake {
            handover.driver.wake();
        }
        let Some(mut next) = next else {
            return false;
        };
        self.load = Load::of(&next);
        self.text = Some(Text::share(mem::take(&mut next.text), shell));
        self.batch = Some(next);
        true
    }
}

#[cfg(test)]
mod tests;
