//! What does the merged stream give? Each shard's events, or raw messages, with its handle.

use std::{
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures::{channel::oneshot, stream::FusedStream, stream::Stream};

use super::{
    merge::{Alarm, Merge, Source},
    reshard::Reshard,
    set::{self, Progress},
    store::Sessions,
};
use crate::{
    error::Error,
    id::ShardId,
    session::Shutdown,
    shard::{Message, Meta, ShardHandle},
};

/// Makes the two streams, which differ in what they give and in nothing else.
macro_rules! merged_stream {
    (
        $(#[$meta:meta])*
        $name:ident gives $item:ty, $poll:ident as |$given:ident| $out:expr
    ) => {
        $(#[$meta])*
        pub struct $name<S: Source>(Merged<S>);

        impl<S: Source> $name<S> {
            /// Merges these shards, owned or borrowed mutably. None of them may be there twice.
            pub fn new(shards: impl IntoIterator<Item = S>) -> Self {
                Self(Merged::new(shards))
            }

            /// Adds a shard. It has its turn after those that have something now.
            pub fn add(&mut self, shard: S) {
                self.0.merge.add(shard);
            }

            /// Takes a shard out. What it has not given yet it still gives to whoever polls it.
            /// `None` where no such shard is here, perhaps because it has ended.
            pub fn remove(&mut self, id: ShardId) -> Option<S> {
                self.0.merge.remove(id)
            }

            /// What adds and removes shards from other tasks, while this one waits for events.
            pub fn control(&self) -> Control<S> {
                self.0.control.clone()
            }

            /// How many shards are merged; those that have ended do not count.
            pub fn len(&self) -> usize {
                self.0.merge.len()
            }

            /// Whether all shards have ended.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// A handle of each shard that has not ended, in no particular order.
            pub fn handles(&self) -> impl Iterator<Item = &ShardHandle<S::Platform>> {
                self.0.merge.handles()
            }

            /// How far the set has come. Those that have ended do not count.
            pub fn progress(&self) -> Progress {
                set::progress(self.handles().cloned())
            }

            /// Ends all shards at once; see [`stream::shutdown`](super::shutdown).
            ///
            /// With [`Shutdown::End`] what they have received can still be taken here.
            ///
            /// # Cancel safety
            ///
            /// The shutdown begins with the call; dropping the future does not stop it.
            pub fn shutdown(
                &self,
                how: Shutdown,
            ) -> impl Future<Output = Sessions> + Send + use<S> {
                let handles: Vec<_> = self.handles().cloned().collect();
                set::shutdown(handles, how)
            }

            /// The shards that have not ended, each with what it has not given yet.
            pub fn into_shards(mut self) -> impl Iterator<Item = S> {
                mem::replace(&mut self.0.merge, Merge::new()).into_sources()
            }
        }

        impl<S: Source> Stream for $name<S> {
            type Item = (ShardHandle<S::Platform>, $item);

            fn poll_next(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Option<Self::Item>> {
                let item = ready!(self.0.poll(cx, S::$poll));
                Poll::Ready(item.map(|(shard, $given)| (shard, $out)))
            }
        }

        /// A shard that is added after the end makes it go on.
        impl<S: Source> FusedStream for $name<S> {
            fn is_terminated(&self) -> bool {
                self.is_empty() && !self.0.control.wishes.any()
            }
        }

        impl<S: Source> FromIterator<S> for $name<S> {
            fn from_iter<I: IntoIterator<Item = S>>(shards: I) -> Self {
                Self::new(shards)
            }
        }

        impl<S: Source> Extend<S> for $name<S> {
            fn extend<I: IntoIterator<Item = S>>(&mut self, shards: I) {
                for shard in shards {
                    self.add(shard);
                }
            }
        }

        impl<S: Source> fmt::Debug for $name<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let ids = self.handles().map(ShardHandle::id);
                f.debug_tuple(stringify!($name))
                    .field(&ids.collect::<Vec<_>>())
                    .finish()
            }
        }
    };
}

merged_stream! {
    /// The events of many shards.
    ///
    /// Items are what [`Shard::next_event`](crate::Shard::next_event) gives, with the shard's
    /// handle. A shard that ends gives its fatal error as one item, and the others go on; the
    /// stream ends when all have ended.
    ///
    /// The order of each shard is kept; between shards there is none. A shard with much to give
    /// does not keep the others waiting for longer than one batch (64 events or 64 KiB).
    ///
    /// Every shard's connection is a task of its own, so on a runtime with several threads the
    /// work of reading, inflating and taking frames apart is spread over them; what is decoded
    /// here is decoded in the task that polls. Eight busy shards over zlib on two cores gave 1.7 to
    /// 1.8 times the events of one core (`benches/parallel.rs`).
    ///
    /// # Cancel safety
    ///
    /// Dropping a future of `next` loses nothing. Dropping the stream drops the shards it owns, and
    /// leaves those it borrowed as they are.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use futures::StreamExt;
    /// use shardstream::{Config, Intents, Shard, ShardId, stream::ShardEventStream};
    ///
    /// # async fn example() {
    /// let config = Config::new("token", Intents::GUILDS);
    /// let mut shards: Vec<_> = (0..4)
    ///     .filter_map(|number| ShardId::new(number, 4))
    ///     .map(|id| Shard::with_config(id, config.clone()))
    ///     .collect();
    ///
    /// let mut stream = ShardEventStream::new(shards.iter_mut());
    /// while let Some((shard, event)) = stream.next().await {
    ///     match event {
    ///         Ok(event) => println!("{}: {event:?}", shard.id()),
    ///         Err(error) => eprintln!("{}: {error}", shard.id()),
    ///     }
    /// }
    /// # }
    /// ```
    ShardEventStream gives Result<S::Event, Error>, poll_event as |item| item.1
}

merged_stream! {
    /// The raw messages of many shards: for who forwards frames, or decodes elsewhere.
    ///
    /// Items are what [`Shard::next_message`](crate::Shard::next_message) gives, with the shard's
    /// handle; all else is as with [`ShardEventStream`].
    ShardMessageStream gives Result<Message, Error>, poll_message as |item| item
}

impl<S: Source> ShardEventStream<S> {
    /// Puts another set of shards in the place of this one, with nothing lost and nothing doubled;
    /// [`Reshard`] says how.
    ///
    /// ```no_run
    /// use futures::StreamExt;
    /// use shardstream::{Config, Shard, discord::Discord};
    /// use shardstream::stream::{ShardEventStream, create_range};
    ///
    /// # async fn example(stream: ShardEventStream<Shard>, config: Config<Discord>) {
    /// let more = create_range(0..8, 8, config, |_, builder| builder.build());
    /// let mut stream = stream.reshard(more);
    /// while let Some((shard, event)) = stream.next().await {
    ///     println!("{}: {event:?}", shard.id());
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn reshard(self, shards: impl IntoIterator<Item = S>) -> Reshard<S> {
        Reshard::new(self.into_shards(), shards)
    }

    /// The next event with what is around it: its sequence, and whether it was replayed. `None`
    /// when all shards have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is taken.
    pub async fn next_with_meta(
        &mut self,
    ) -> Option<(ShardHandle<S::Platform>, Meta, Result<S::Event, Error>)> {
        let (shard, (meta, event)) = poll_fn(|cx| self.0.poll(cx, S::poll_event)).await?;
        Some((shard, meta, event))
    }
}

/// What both streams are made of: the shards, and what others want done with them.
struct Merged<S: Source> {
    merge: Merge<S>,
    control: Control<S>,
}

impl<S: Source> Merged<S> {
    fn new(shards: impl IntoIterator<Item = S>) -> Self {
        let mut merge = Merge::new();
        for shard in shards {
            merge.add(shard);
        }
        let control = Control {
            wishes: Arc::default(),
            alarm: merge.alarm(),
        };
        Self { merge, control }
    }

    fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        mut poll_one: impl FnMut(&mut S, &mut Context<'_>) -> Poll<Option<T>>,
    ) -> Poll<Option<(ShardHandle<S::Platform>, T)>> {
        loop {
            for wish in self.control.wishes.take() {
                self.grant(wish);
            }
            let item = self.merge.poll(cx, &mut poll_one);
            // A wish that came before the waker was registered rang unheard.
            if item.is_ready() || !self.control.wishes.any() {
                return item;
            }
        }
    }

    fn grant(&mut self, wish: Wish<S>) {
        match wish {
            Wish::Add(shard) => self.merge.add(shard),
            Wish::Remove(id, answer) => {
                // Who asked may be gone, and then the shard stays.
                if !answer.is_canceled()
                    && let Some(shard) = self.merge.remove(id)
                    && let Err(shard) = answer.send(shard)
                {
                    self.merge.add(shard);
                }
            }
        }
    }
}

impl<S: Source> Drop for Merged<S> {
    fn drop(&mut self) {
        self.control.wishes.close();
    }
}

/// Adds shards to a merged stream, and takes them out, from any task.
///
/// It acts when the stream is polled. Clones are the same.
pub struct Control<S> {
    wishes: Arc<Wishes<S>>,
    alarm: Alarm,
}

enum Wish<S> {
    Add(S),
    Remove(ShardId, oneshot::Sender<S>),
}

impl<S> Control<S> {
    /// Adds a shard. Where the stream is gone, the shard is dropped.
    pub fn add(&self, shard: S) {
        self.wish(Wish::Add(shard));
    }

    /// Takes a shard out: `None` where no such shard is there, or no stream any more.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, the shard stays in the stream.
    pub async fn remove(&self, id: ShardId) -> Option<S> {
        let (answer, shard) = oneshot::channel();
        self.wish(Wish::Remove(id, answer));
        let mut taking = Taking {
            control: self,
            shard,
        };
        (&mut taking.shard).await.ok()
    }

    fn wish(&self, wish: Wish<S>) {
        self.wishes.push(wish);
        self.alarm.ring();
    }
}

/// Puts a shard back that was taken out for somebody who has gone away.
struct Taking<'a, S> {
    control: &'a Control<S>,
    shard: oneshot::Receiver<S>,
}

impl<S> Drop for Taking<'_, S> {
    fn drop(&mut self) {
        // From now on who would answer is told that nobody listens, and keeps the shard.
        self.shard.close();
        if let Ok(Some(shard)) = self.shard.try_recv() {
            self.control.add(shard);
        }
    }
}

// By hand, because a derive would ask the same of `S`.
impl<S> Clone for Control<S> {
    fn clone(&self) -> Self {
        Self {
            wishes: Arc::clone(&self.wishes),
            alarm: self.alarm.clone(),
        }
    }
}

impl<S> fmt::Debug for Control<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// What was asked for and not yet done.
struct Wishes<S> {
    /// `None` when the stream is gone.
    list: Mutex<Option<Vec<Wish<S>>>>,
    /// Looked at for each event, where a lock would cost more than the look.
    any: AtomicBool,
}

impl<S> Wishes<S> {
    fn push(&self, wish: Wish<S>) {
        let mut list = self.list();
        if let Some(list) = &mut *list {
            list.push(wish);
            self.any.store(true, Ordering::Release);
            return;
        }
        drop(list);
        // Without the lock: what is dropped may be a shard.
        drop(wish);
    }

    fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    fn take(&self) -> Vec<Wish<S>> {
        if !self.any() {
            return Vec::new();
        }
        let mut list = self.list();
        self.any.store(false, Ordering::Release);
        list.as_mut().map(mem::take).unwrap_or_default()
    }

    fn close(&self) {
        let list = self.list().take();
        drop(list);
    }

    fn list(&self) -> MutexGuard<'_, Option<Vec<Wish<S>>>> {
        // Nothing panics while the lock is held.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Default for Wishes<S> {
    fn default() -> Self {
        Self {
            list: Mutex::new(Some(Vec::new())),
            any: AtomicBool::new(false),
        }
    }
}
