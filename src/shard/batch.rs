//! What is handed over? Buffers of text with an index, used again and again.

use std::{
    mem,
    ops::Range,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;

use crate::{
    codec::envelope::{Envelope, Header},
    error::Error,
    notice::Notice,
};

/// 64 events in a batch: enough that the cost of handing over one vanishes, few enough that the
/// user's task starts early.
pub(super) const EVENTS_MAX: usize = 64;
/// 64 KiB in a batch, with what is around its text: so much does one kept frame keep. A longer
/// frame is a batch of its own.
pub(super) const BYTES_MAX: usize = (64 << 10) - 256;
/// An idle shard keeps a buffer up to this size; a larger one serves others meanwhile.
const KEPT_BYTES_MAX: usize = 1 << 10;
const KEPT_ENTRIES_MAX: usize = 4;
/// So many buffers wait in the process for a shard to become busy.
const POOL_MAX: usize = 4;

/// How far a session's events have come.
///
/// Ordered: a later session's cursor is above all of an earlier one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor {
    /// Which session since the start, from 1; 0 before the first.
    pub(super) session: u32,
    pub(super) seq: u64,
}

/// Where a frame lies in its batch's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) header: Header,
    pub(super) replayed: bool,
}

#[derive(Debug)]
pub(super) enum What {
    Frame(Place),
    Notice(Notice),
    Error(Error),
}

impl Place {
    pub(super) const fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }

    /// The frame in `text`, the text of its batch.
    pub(super) fn envelope<'a>(&self, text: &'a Text) -> Envelope<'a> {
        Envelope {
            text: text.at(self),
            header: self.header,
        }
    }
}

/// One thing for the user.
#[derive(Debug)]
pub(super) struct Entry {
    /// What the user has received with this.
    pub(super) cursor: Cursor,
    pub(super) what: What,
}

/// The texts of some frames, and what is to be handed out in which order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) text: String,
    pub(super) entries: Vec<Entry>,
    events: usize,
}

impl Batch {
    pub(super) fn push(&mut self, cursor: Cursor, what: What) {
        self.events += usize::from(matches!(what, What::Frame(_)));
        self.entries.push(Entry { cursor, what });
    }

    /// Whether one entry more, of `len` bytes, may be added.
    pub(super) fn fits(&self, len: usize) -> bool {
        self.entries.is_empty()
            || (self.entries.len() < EVENTS_MAX && self.text.len() + len <= BYTES_MAX)
    }

    /// Its bytes and entries.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.text.len(), self.entries.len())
    }

    /// Makes room for about as much as the full batch before it has, where one waits: a buffer
    /// that grows to it step by step is allocated ten times. Not for more: what waits is counted
    /// by its length.
    pub(super) fn make_room(&mut self, bytes: usize, entries: usize) {
        let bytes = (bytes + bytes / 32).min(BYTES_MAX);
        self.text
            .reserve_exact(bytes.saturating_sub(self.text.len()));
        self.entries
            .reserve_exact(entries.saturating_sub(self.entries.len()));
    }

    /// Adds the text of one entry.
    pub(super) fn append(&mut self, text: &str) {
        let needed = self.text.len() + text.len();
        if needed > self.text.capacity() {
            // Doubled as ever, but not beyond the bound: who keeps one frame keeps the buffer.
            let doubled = (2 * self.text.capacity()).min(BYTES_MAX);
            self.text
                .reserve_exact(doubled.max(needed) - self.text.len());
        }
        self.text.push_str(text);
    }

    pub(super) const fn events(&self) -> usize {
        self.events
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.events = 0;
        if self.text.capacity() > BYTES_MAX {
            // It was a large frame's own.
            self.text = String::new();
        } else {
            self.text.clear();
        }
    }

    /// Whether an idle shard should rather not hold it.
    pub(super) fn is_worth_giving_back(&self) -> bool {
        self.text.capacity() > KEPT_BYTES_MAX || self.entries.capacity() > KEPT_ENTRIES_MAX
    }
}

/// The text of a batch that is in the user's hands. Frames share it, and so keep no more than it.
#[derive(Debug, Default)]
pub(super) struct Text {
    owned: Arc<Owned>,
    /// Made when first asked for: the bytes of all frames are parts of it, and cost nothing more.
    whole: OnceLock<Bytes>,
}

#[derive(Debug, Default)]
struct Owned(String);

/// What [`Text::whole`] keeps alive: not the text itself, which holds `whole`.
struct Keeper(Arc<Owned>);

impl AsRef<[u8]> for Keeper {
    fn as_ref(&self) -> &[u8] {
        self.0.0.as_bytes()
    }
}

impl Text {
    /// Shares `text`, with `shell` to do it in where nobody else has that.
    pub(super) fn share(text: String, shell: Option<Arc<Self>>) -> Arc<Self> {
        if let Some(mut shell) = shell
            && let Some(inner) = Arc::get_mut(&mut shell)
            && let Some(owned) = Arc::get_mut(&mut inner.owned)
        {
            owned.0 = text;
            return shell;
        }
        Arc::new(Self {
            owned: Arc::new(Owned(text)),
            whole: OnceLock::new(),
        })
    }

    /// The text and its shell, to be used again; `None` where somebody still has a part.
    pub(super) fn take_back(mut shell: Arc<Self>) -> Option<(String, Arc<Self>)> {
        let inner = Arc::get_mut(&mut shell)?;
        drop(inner.whole.take());
        let text = mem::take(&mut Arc::get_mut(&mut inner.owned)?.0);
        Some((text, shell))
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.owned.0.capacity()
    }

    pub(super) fn at(&self, place: &Place) -> &str {
        self.owned.0.get(place.range()).unwrap_or_default()
    }

    /// The same memory, as bytes that live as long as they like.
    pub(super) fn bytes_at(&self, place: &Place) -> Bytes {
        let keep = || Bytes::from_owner(Keeper(Arc::clone(&self.owned)));
        match self.at(place) {
            "" => Bytes::new(),
            _ => self.whole.get_or_init(keep).slice(place.range()),
        }
    }
}

static POOL: Mutex<Vec<Batch>> = Mutex::new(Vec::new());

/// An empty batch, with some capacity where another shard gave one back.
pub(super) fn from_pool() -> Batch {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    pool.pop().unwrap_or_default()
}

/// Takes an empty batch for whoever needs one next, or frees it.
pub(super) fn to_pool(batch: Batch) {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.len() < POOL_MAX && batch.is_worth_giving_back() {
        pool.push(batch);
    }
}
