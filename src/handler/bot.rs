//! What runs the handlers? The loop above the merged stream.

use std::{fmt, mem, ops::Deref, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{
    FutureExt as _, StreamExt as _,
    future::{join, pending},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::Instrument as _;

use super::calls::{Call, Calls, Work, caught};
#[cfg(feature = "discord")]
use crate::discord::Discord;
use crate::{
    config::Config,
    credential::CredentialSource,
    error::{Error, ErrorKind},
    id::ShardId,
    notice::Notice,
    observe,
    platform::{EventName, IntentsOf, Platform},
    session::Shutdown,
    shard::{Frame, Message, Meta, Shard, ShardHandle},
    stream::{self, Progress, Sessions, ShardMessageStream},
};

/// So many handlers run at once by default: enough that a few slow ones do not hold up the rest,
/// few enough that a burst does not become as many requests at once.
const CONCURRENCY: usize = 256;

/// Handlers that run when the bot ends have so long to end too: as long as orchestrators give a
/// process at least, with some to spare.
const GRACE: Duration = Duration::from_secs(8);

/// Shards with handlers; see [the module](super).
#[must_use = "nothing happens before it runs"]
pub struct Bot<
    #[cfg(feature = "discord")] P: Platform = Discord,
    #[cfg(not(feature = "discord"))] P: Platform,
> {
    shards: Vec<Shard<P>>,
    calls: Calls<P>,
    handle: Handle<P>,
    concurrency: usize,
    grace: Duration,
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "an event is named by a kind or a text, and a kind is `Copy`"
)]
impl<P: Platform> Bot<P> {
    /// A bot with one shard, and everything else by default. Nothing is connected yet.
    pub fn new<I>(credentials: impl Into<P::Credentials>, intents: I) -> Self
    where
        I: IntentsOf<Platform = P>,
        P: Platform<Intents = I>,
        P::Credentials: CredentialSource,
    {
        Self::with_config(Config::new(credentials, intents))
    }

    /// A bot with one shard of this configuration. Nothing is connected yet.
    pub fn with_config(config: Config<P>) -> Self {
        Self::with_shards([Shard::with_config(ShardId::ONE, config)])
    }

    /// A bot with these shards.
    pub fn with_shards(shards: impl IntoIterator<Item = Shard<P>>) -> Self {
        let shards: Vec<_> = shards.into_iter().collect();
        let handles = shards.iter().map(Shard::handle).collect();
        Self {
            shards,
            calls: Calls::default(),
            handle: Handle {
                shards: handles,
                stop: Arc::new(watch::Sender::new(None)),
            },
            concurrency: CONCURRENCY,
            grace: GRACE,
        }
    }

    /// Calls `handler` with each event of that name or kind, typed. Several handlers of one event
    /// each get it.
    ///
    /// An event that cannot be decoded goes to [`on_error`](Self::on_error) instead.
    pub fn on<F, W>(mut self, event: impl EventName, handler: F) -> Self
    where
        F: Fn(Context<P>, P::Event) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.calls.on(event.event_name(), Call::typed(handler));
        self
    }

    /// Calls `handler` with each event of that name or kind, as the server sent it.
    pub fn on_raw<F, W>(mut self, event: impl EventName, handler: F) -> Self
    where
        F: Fn(Context<P>, Frame) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.calls.on(event.event_name(), Call::raw(handler));
        self
    }

    /// Calls `handler` with the data of each event of that name or kind, decoded into a type of
    /// your own.
    ///
    /// An event that cannot be decoded goes to [`on_error`](Self::on_error) instead.
    pub fn on_as<T, F, W>(mut self, event: impl EventName, handler: F) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        F: Fn(Context<P>, T) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.calls.on(event.event_name(), Call::parsed(handler));
        self
    }

    /// Calls `handler` with every event, typed, also those that this version does not name.
    pub fn on_any<F, W>(mut self, handler: F) -> Self
    where
        F: Fn(Context<P>, P::Event) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.calls.on_any(Call::typed(handler));
        self
    }

    /// Calls `handler` with every event, as the server sent it.
    pub fn on_any_raw<F, W>(mut self, handler: F) -> Self
    where
        F: Fn(Context<P>, Frame) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.calls.on_any(Call::raw(handler));
        self
    }

    /// Calls `handler` with each error of a shard but that of an end that was asked for, and with
    /// each handler that panicked.
    ///
    /// A handler of errors that panics is only logged.
    pub fn on_error<F, W>(mut self, handler: F) -> Self
    where
        F: Fn(Context<P>, Error) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.calls.on_error(caught(handler));
        self
    }

    /// Calls `handler` with each notice: what happened to a connection, and what was lost.
    pub fn on_notice<F, W>(mut self, handler: F) -> Self
    where
        F: Fn(Context<P>, Notice) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.calls.on_notice(caught(handler));
        self
    }

    /// Sets how many handlers run at once, at least 1. By default 256: a few slow ones do not hold
    /// up the rest, and a burst of events does not become as many requests at once.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how long handlers that still run or wait for a place when the bot ends are waited for;
    /// those that take longer are dropped where they are. By default 8 s, because orchestrators
    /// give a process ten at least.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What stops the bot, sends commands and tells how it is, from any task.
    pub fn handle(&self) -> Handle<P> {
        self.handle.clone()
    }

    /// Runs until [`Handle::stop`] is called, or every shard has ended fatally.
    ///
    /// Gives the sessions to go on with, where [`Handle::stop_with`] kept them.
    ///
    /// # Errors
    ///
    /// Every shard has ended; the error is that of the last. Handlers of errors got it too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the shards and the handlers that run, at once.
    pub async fn run(self) -> Result<Sessions, Error> {
        self.run_until(pending()).await
    }

    /// Runs until `until` is done, [`Handle::stop`] is called, or every shard has ended fatally;
    /// else as [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn run_until(self, until: impl Future<Output = ()>) -> Result<Sessions, Error> {
        let handle = self.handle.clone();
        let mut running = Running {
            places: Arc::new(Semaphore::new(self.concurrency)),
            tasks: JoinSet::new(),
            calls: Arc::new(self.calls),
            handle: self.handle,
        };
        let mut events = ShardMessageStream::new(self.shards);
        let mut stopped = handle.stop.subscribe();
        let stop = async {
            tokio::select! {
                () = until => Shutdown::End,
                how = stopped.wait_for(Option::is_some) => {
                    how.ok().and_then(|how| *how).unwrap_or(Shutdown::End)
                }
            }
        };
        let shards: Vec<_> = events.handles().cloned().collect();
        let mut serving = Box::pin(running.serve(&mut events));
        let ended = tokio::select! {
            // The stop first: else a stream that always has something could put it off for ever.
            biased;
            how = stop => Ok(how),
            error = &mut serving => Err(error),
        };
        let since = Instant::now();
        let result = match ended {
            Ok(how) => {
                // One that has ended has nothing to go on with.
                let ending = shards
                    .into_iter()
                    .filter(|shard| shard.status().can_reconnect());
                let ending = stream::shutdown(ending, how);
                // What was received before the end is still served; and what was taken must be,
                // because the session goes on behind it.
                let rest = timeout(self.grace, &mut serving);
                let (sessions, _) = join(ending, rest).await;
                Ok(sessions)
            }
            Err(error) => Err(error),
        };
        drop(serving);
        let left = self.grace.saturating_sub(since.elapsed());
        running.finish(left).await;
        result
    }
}

impl<P: Platform> fmt::Debug for Bot<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bot")
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

/// A bot at work.
struct Running<P: Platform> {
    calls: Arc<Calls<P>>,
    handle: Handle<P>,
    places: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

impl<P: Platform> Running<P> {
    /// Serves all that the shards give, and returns the last one's fatal error.
    async fn serve(&mut self, events: &mut ShardMessageStream<Shard<P>>) -> Error {
        let mut last = Error::new(ErrorKind::Shutdown, "the bot has no shard");
        while let Some((shard, message)) = events.next().await {
            // Those that have ended need not be kept.
            while self.tasks.try_join_next().is_some() {}
            match message {
                Ok(Message::Frame(frame)) => self.frame(shard, &frame).await,
                Ok(Message::Gateway(notice)) => {
                    let context = self.context(shard, Meta::default());
                    let calls = Arc::clone(&self.calls);
                    for call in calls.notices() {
                        let place = self.place().await;
                        let span = context.shard().span();
                        let work = span.in_scope(|| call(context.clone(), notice.clone()));
                        self.start(place, context.clone(), notice.name(), work);
                    }
                }
                Err(error) => {
                    if error.is_fatal() {
                        last = error.clone();
                    }
                    if error.kind() != ErrorKind::Shutdown {
                        let context = self.context(shard, Meta::default());
                        self.failed(&context, &error).await;
                    }
                }
            }
        }
        last
    }

    async fn frame(&mut self, shard: ShardHandle<P>, frame: &Frame) {
        let name = frame.event_name().unwrap_or_default();
        let calls = Arc::clone(&self.calls);
        let mut context = None;
        let mut undecoded = false;
        for call in calls.of(&name) {
            let context = context.get_or_insert_with(|| self.context(shard.clone(), frame.meta()));
            let place = self.place().await;
            // The handler's own code up to its first await runs here, and may panic.
            let call = AssertUnwindSafe(|| call.work(context.clone(), frame));
            let work = shard.span().in_scope(|| {
                let called = std::panic::catch_unwind(call);
                called.unwrap_or_else(|_| Err(panicked(&name)))
            });
            let context = context.clone();
            match work {
                Ok(work) => self.start(place, context, &name, work),
                Err(error) => {
                    // Those who are told need places, too.
                    drop(place);
                    // Told once, however many wanted it.
                    let is_panic = error.kind() == ErrorKind::Handler;
                    if is_panic || !mem::replace(&mut undecoded, true) {
                        self.failed(&context, &error).await;
                    }
                }
            }
        }
    }

    async fn failed(&mut self, context: &Context<P>, error: &Error) {
        let calls = Arc::clone(&self.calls);
        for call in calls.errors() {
            let place = self.place().await;
            let span = context.shard().span().clone();
            let work = span.in_scope(|| call(context.clone(), error.clone()));
            let task = async move {
                let done = AssertUnwindSafe(work).catch_unwind().await;
                if done.is_err() {
                    observe::handler_panicked("an error");
                }
                drop(place);
            };
            self.tasks.spawn(task.instrument(span));
        }
    }

    /// Starts a handler, which has a place.
    fn start(
        &mut self,
        place: Option<OwnedSemaphorePermit>,
        at: Context<P>,
        name: &str,
        work: Work,
    ) {
        let name = name.to_owned();
        let span = at.shard().span().clone();
        let task = async move {
            let done = AssertUnwindSafe(work).catch_unwind().await;
            if done.is_err() {
                at.failed(panicked(&name)).await;
            }
            drop(place);
        };
        self.tasks.spawn(task.instrument(span));
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed; if it were, more handlers at once would do less harm than none.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    fn context(&self, shard: ShardHandle<P>, meta: Meta) -> Context<P> {
        Context(Arc::new(Inner {
            shard,
            meta,
            bot: self.handle.clone(),
            calls: Arc::clone(&self.calls),
        }))
    }

    /// Waits for the handlers that run, and drops those that take too long.
    async fn finish(mut self, grace: Duration) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(grace, all).await.is_err() {
            observe::handlers_dropped(self.tasks.len());
        }
    }
}

fn panicked(name: &str) -> Error {
    observe::handler_panicked(name);
    Error::new(ErrorKind::Handler, "a handler panicked").with_event(name)
}

/// What a handler gets beside the event: the shard that it came from, and the bot.
///
/// It shows all of [`ShardHandle`]. Clones are cheap.
pub struct Context<
    #[cfg(feature = "discord")] P: Platform = Discord,
    #[cfg(not(feature = "discord"))] P: Platform,
>(Arc<Inner<P>>);

struct Inner<P: Platform> {
    shard: ShardHandle<P>,
    meta: Meta,
    bot: Handle<P>,
    calls: Arc<Calls<P>>,
}

impl<P: Platform> Context<P> {
    /// The shard that the event came from.
    pub fn shard(&self) -> &ShardHandle<P> {
        &self.0.shard
    }

    /// What is around the event: its sequence, and whether it was replayed.
    pub fn meta(&self) -> &Meta {
        &self.0.meta
    }

    /// The bot: to stop it, or to reach other shards.
    pub fn bot(&self) -> &Handle<P> {
        &self.0.bot
    }

    /// Calls the handlers of errors, one after the other, in the task of the handler that failed.
    pub(super) async fn failed(&self, error: Error) {
        for call in self.0.calls.errors() {
            let work = call(self.clone(), error.clone());
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                observe::handler_panicked("an error");
            }
        }
    }
}

impl<P: Platform> Deref for Context<P> {
    type Target = ShardHandle<P>;

    fn deref(&self) -> &ShardHandle<P> {
        &self.0.shard
    }
}

// By hand, because a derive would ask the same of `P`.
impl<P: Platform> Clone for Context<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Platform> fmt::Debug for Context<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("shard", &self.0.shard)
            .field("meta", &self.0.meta)
            .finish_non_exhaustive()
    }
}

/// Stops a bot, sends commands and tells how it is, from any task. It does not keep it alive.
pub struct Handle<
    #[cfg(feature = "discord")] P: Platform = Discord,
    #[cfg(not(feature = "discord"))] P: Platform,
> {
    shards: Arc<[ShardHandle<P>]>,
    stop: Arc<watch::Sender<Option<Shutdown>>>,
}

impl<P: Platform> Handle<P> {
    /// Stops the bot, and ends its sessions. What was received before is still handled.
    pub fn stop(&self) {
        self.stop_with(Shutdown::End);
    }

    /// Stops the bot: with [`Shutdown::Keep`], [`Bot::run`] gives the sessions to go on with. The
    /// first of several calls decides.
    pub fn stop_with(&self, how: Shutdown) {
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            stop.get_or_insert(how);
            first
        });
    }

    /// Sends a raw command through the first shard, as soon as its session is live.
    ///
    /// Through another: [`shard`](Self::shard) and its
    /// [`sender`](crate::ShardHandle::sender).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Command`], as [`Sender::send_payload`](crate::Sender::send_payload).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is sent.
    pub async fn send_payload<T: Serialize + Sync + ?Sized>(
        &self,
        op: u64,
        d: &T,
    ) -> Result<(), Error> {
        let Some(first) = self.shards.first() else {
            return Err(Error::new(ErrorKind::Command, "the bot has no shard"));
        };
        first.sender().send_payload(op, d).await
    }

    /// The sequence of the last event that the first shard received, while a session is held.
    pub fn seq(&self) -> Option<u64> {
        self.shards.first()?.status().seq_received
    }

    /// The id of the first shard's session, while one is held.
    pub fn session_id(&self) -> Option<String> {
        self.shards.first()?.session_id()
    }

    /// The shards, in the order in which they were given.
    pub fn shards(&self) -> &[ShardHandle<P>] {
        &self.shards
    }

    /// The shard with this id.
    pub fn shard(&self, id: ShardId) -> Option<&ShardHandle<P>> {
        self.shards.iter().find(|shard| shard.id() == id)
    }

    /// How far the shards have come.
    pub fn progress(&self) -> Progress {
        stream::progress(self.shards.iter().cloned())
    }
}

// By hand, because a derive would ask the same of `P`.
impl<P: Platform> Clone for Handle<P> {
    fn clone(&self) -> Self {
        Self {
            shards: Arc::clone(&self.shards),
            stop: Arc::clone(&self.stop),
        }
    }
}

impl<P: Platform> fmt::Debug for Handle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}
