//! How does a set of shards grow while it runs? A new set beside the old, and each guild handed
//! over at one point in its order.
//!
//! | file | question |
//! |---|---|
//! | `handoff` | Where in its order does a guild change hands? |
//! | `print` | What does an event look like? |

mod handoff;
mod print;
#[cfg(test)]
#[cfg(all(feature = "discord", feature = "local-gateway"))]
mod tests;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::stream::{FusedStream, Stream};
use tokio::time::{Instant, Sleep, sleep};

use self::{
    handoff::{Handoff, Key, Verdict},
    print::Printer,
};
use super::{
    merge::{Merge, Source},
    set::{self, Progress},
    store::Sessions,
};
use crate::{
    error::Error,
    id::ShardId,
    notice::Notice,
    platform::{Platform, Scope},
    session::Shutdown,
    shard::{Frame, Message, Meta, ShardHandle},
};

/// Whether the sets are ready is looked at so often.
const TICK: Duration = Duration::from_millis(250);
/// After READY the platform shows guild after guild, and the events of each begin with that. One
/// that is not shown for so long after the last is not waited for: it is in an outage, or the
/// intents do not ask for it.
const SETTLE: Duration = Duration::from_secs(10);
/// What should be skipped and did not come within this time after the hand-over will not come.
const SKIP: Duration = Duration::from_mins(1);

/// The events of a set of shards, and of the larger one that takes its place, with nothing lost and
/// nothing doubled.
///
/// The new set starts beside the old, as its queue allows. Until it is there, the events are the
/// old set's. Then both sets get the same events; they are brought into line, guild by guild, and
/// at one moment all guilds change hands, each between two of its events. The old set is closed
/// with [`Shutdown::End`], and the stream goes on as that of the new one. See
/// [`ShardEventStream::reshard`](super::ShardEventStream::reshard).
///
/// Items are those of [`ShardEventStream`](super::ShardEventStream). READY, notices and errors come
/// from both sets, each with its shard's handle, which says of how many it is one.
///
/// # What it rests on
///
/// - Each set is whole: all shards of its total. Both ask for the same intents.
/// - Who needs more than a few seconds for an event keeps both sets waiting; the hand-over then
///   comes later.
/// - Answers to commands come on the shard that sent them. What the old shards were still asked
///   for when they are closed does not come.
/// - An old shard that is gone for good before the hand-over, or that loses its session while the
///   sets are brought into line, is an error or a notice as ever. Its guilds are the new set's
///   from there on; around this point events may be missing or come twice. Every other shard that
///   reconnects and resumes only delays the hand-over.
/// - Two sets that do not get the same events, as with other intents, are handed over by the
///   contents of events after a minute; of events that are equal one may be lost or doubled then.
///
/// # When it fails
///
/// A new shard that ends before the hand-over is given as an error, and the undertaking is given
/// up: the new set is closed, and the stream goes on as that of the old one.
///
/// # A set that the platform has stopped
///
/// When a bot has grown too large for its number of shards, Discord closes them with 4011, which
/// is fatal. Nothing is left to hand over, and an empty old set starts the new one plainly:
///
/// ```no_run
/// use futures::StreamExt;
/// use shardstream::{Config, Intents, Shard, stream::{Reshard, create_range}};
///
/// # async fn example() {
/// let config = Config::new("token", Intents::GUILDS);
/// let shards = |total| {
///     create_range(0..total, total, config.clone(), |_, builder| builder.build())
/// };
/// let mut total = 1;
/// let mut stream = Reshard::new([], shards(total));
/// while let Some((_, event)) = stream.next().await {
///     if event.is_err_and(|error| error.close_code() == Some(4011)) && stream.is_empty() {
///         total *= 2;
///         stream = Reshard::new([], shards(total));
///     }
/// }
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping a future of `next` loses nothing. Dropping the stream drops the shards of both sets.
pub struct Reshard<S: Source> {
    old: Merge<S>,
    new: Merge<S>,
    /// The old set is asked first.
    old_first: bool,
    phase: Phase<S::Platform>,
    handoff: Handoff<Item<S::Platform>>,
    printer: Printer,
    /// What was taken from the shards and not yet given.
    out: VecDeque<Item<S::Platform>>,
    old_total: u32,
    new_total: u32,
    /// The last session of each old shard of which something was taken.
    old_sessions: HashMap<u32, u32>,
    beginnings: HashMap<u32, Beginning>,
    tick: Pin<Box<Sleep>>,
    /// The number of the last mark.
    ticket: u64,
}

/// A raw message, or an error, of a shard.
type Item<P> = (ShardHandle<P>, Result<Message, Error>);

/// How far it has come.
enum Phase<P: Platform> {
    /// Until all shards of both sets are there.
    Starting,
    /// A round has begun; these shards of the new set are not through yet.
    NewThrough(Vec<ShardHandle<P>>),
    /// These shards of the old set are not through yet.
    OldThrough(Vec<ShardHandle<P>>),
    /// The new set is alone; until then something may have to be skipped.
    Complete(Instant),
    /// The old set is alone.
    GivenUp,
}

/// How the session of a new shard began.
struct Beginning {
    session: u32,
    /// The guilds that READY named and that were not shown yet; `None` where READY was not seen.
    missing: Option<HashSet<u64>>,
    /// When the session was first seen, or the last guild was shown.
    since: Instant,
}

impl Beginning {
    fn new(session: u32) -> Self {
        Self {
            session,
            missing: None,
            since: Instant::now(),
        }
    }

    fn is_settled(&self) -> bool {
        self.missing.as_ref().is_some_and(HashSet::is_empty) || self.since.elapsed() >= SETTLE
    }
}

/// The shard that gets the events of a guild, and those of the account.
///
/// <https://docs.discord.com/developers/events/gateway#sharding-sharding-formula>
fn owner(key: Key, total: u32) -> u32 {
    let number = key.map_or(0, |guild| (guild >> 22) % u64::from(total.max(1)));
    u32::try_from(number).unwrap_or(0)
}

fn merge<S: Source>(shards: impl IntoIterator<Item = S>) -> Merge<S> {
    let mut merge = Merge::new();
    for shard in shards {
        merge.add(shard);
    }
    merge
}

fn total_of<S: Source>(shards: &Merge<S>) -> u32 {
    shards
        .handles()
        .next()
        .map_or(1, |shard| shard.id().total())
}

impl<S: Source> Reshard<S> {
    /// From the shards of the old set, which may run, to those of the new, which need not have
    /// been started.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(old: impl IntoIterator<Item = S>, new: impl IntoIterator<Item = S>) -> Self {
        let (old, new) = (merge(old), merge(new));
        let mut reshard = Self {
            old_total: total_of(&old),
            new_total: total_of(&new),
            handoff: Handoff::new(old.handles().map(|shard| shard.id().number())),
            old,
            new,
            old_first: true,
            phase: Phase::Starting,
            printer: Printer::default(),
            out: VecDeque::new(),
            old_sessions: HashMap::new(),
            beginnings: HashMap::new(),
            tick: Box::pin(sleep(TICK)),
            ticket: 0,
        };
        if reshard.handoff.is_switched() {
            reshard.complete();
        }
        reshard
    }

    /// Whether the events are the new set's, and the old one is closed.
    pub const fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Complete(_))
    }

    /// Whether a shard of the new set has ended before the hand-over: the events are the old
    /// set's.
    pub const fn is_given_up(&self) -> bool {
        matches!(self.phase, Phase::GivenUp)
    }

    /// How far the new set has come. After it [was given up](Self::is_given_up) it is empty.
    pub fn progress(&self) -> Progress {
        set::progress(self.new.handles().cloned())
    }

    /// Whether all shards of both sets have ended.
    pub fn is_empty(&self) -> bool {
        self.old.len() + self.new.len() == 0
    }

    /// A handle of each shard of the set whose events these are.
    pub fn handles(&self) -> impl Iterator<Item = &ShardHandle<S::Platform>> {
        let (old, new) = (self.old.handles(), self.new.handles());
        let is_complete = self.is_complete();
        old.filter(move |_| !is_complete)
            .chain(new.filter(move |_| is_complete))
    }

    /// Ends all shards at once; see [`stream::shutdown`](super::shutdown). With
    /// [`Shutdown::Keep`] the sessions are kept of the set whose events these are, and those of
    /// the other end.
    ///
    /// Events that this stream holds and has not given are then lost: right after the hand-over,
    /// take what is there first.
    ///
    /// # Cancel safety
    ///
    /// The shutdown begins with the call; dropping the future does not stop it.
    pub fn shutdown(&self, how: Shutdown) -> impl Future<Output = Sessions> + Send + use<S> {
        if !self.is_complete() {
            end(&self.new);
        }
        let handles: Vec<_> = self.handles().cloned().collect();
        set::shutdown(handles, how)
    }

    /// The shards of the set whose events these are, each with what it has not given yet. The
    /// other set is ended.
    pub fn into_shards(self) -> impl Iterator<Item = S> {
        if self.is_complete() {
            self.new.into_sources()
        } else {
            end(&self.new);
            self.old.into_sources()
        }
    }

    /// The next raw message in the place of an event, as
    /// [`ShardMessageStream`](super::ShardMessageStream) gives it. `None` when all shards have
    /// ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is taken.
    pub async fn next_message(
        &mut self,
    ) -> Option<(ShardHandle<S::Platform>, Result<Message, Error>)> {
        poll_fn(|cx| self.poll_item(cx)).await
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
        poll_fn(|cx| self.poll_event(cx)).await
    }

    #[expect(clippy::type_complexity, reason = "what `next_with_meta` gives")]
    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(ShardHandle<S::Platform>, Meta, Result<S::Event, Error>)>> {
        loop {
            let Some((shard, message)) = ready!(self.poll_item(cx)) else {
                return Poll::Ready(None);
            };
            let event = match message {
                Ok(message) => S::decode(message),
                Err(error) => Some((Meta::default(), Err(error))),
            };
            if let Some((meta, event)) = event {
                return Poll::Ready(Some((shard, meta, event)));
            }
        }
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item<S::Platform>>> {
        loop {
            self.advance(cx);
            if let Some(item) = self.out.pop_front() {
                return Poll::Ready(Some(item));
            }
            if self.is_empty() {
                return Poll::Ready(None);
            }
            self.old_first = !self.old_first;
            let taken = self.old_first && self.poll_old(cx);
            let taken = taken || self.poll_new(cx);
            // Who was asked first and had nothing is asked again, which costs nothing.
            if !taken && !self.poll_old(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Takes something from the old set; whether there was anything.
    fn poll_old(&mut self, cx: &Context<'_>) -> bool {
        let Poll::Ready(Some((shard, item))) = self.old.poll(cx, S::poll_message) else {
            return false;
        };
        self.handle_old(shard, item);
        true
    }

    /// Takes something from the new set; whether there was anything.
    fn poll_new(&mut self, cx: &Context<'_>) -> bool {
        let Poll::Ready(Some((shard, item))) = self.new.poll(cx, S::poll_message) else {
            return false;
        };
        self.handle_new(shard, item);
        true
    }

    fn handle_old(&mut self, shard: ShardHandle<S::Platform>, item: Result<Message, Error>) {
        let number = shard.id().number();
        let session = shard.session_taken();
        let before = self.old_sessions.insert(number, session).unwrap_or(session);
        let is_lost = matches!(item, Ok(Message::Gateway(Notice::SessionLost { .. })));
        let is_over = item.as_ref().is_err_and(Error::is_fatal);
        let is_given = match &item {
            Ok(Message::Frame(frame)) if !self.is_given_up() => self.gets_old(number, frame),
            _ => true,
        };
        if is_given {
            self.out.push_back((shard, item));
        }
        let is_lining_up = matches!(self.phase, Phase::NewThrough(_) | Phase::OldThrough(_));
        if is_over || (is_lining_up && (is_lost || before != session)) {
            self.lose_old(number);
        }
    }

    /// Whether the user gets a frame of the old set.
    fn gets_old(&mut self, number: u32, frame: &Frame) -> bool {
        let name = frame.event_name().unwrap_or_default();
        let key = match S::Platform::scope_of(&name, frame.data()) {
            Scope::Connection => return true,
            Scope::Guild(guild) => Some(guild),
            Scope::Account => None,
        };
        if owner(key, self.old_total) != number {
            return !self.handoff.is_given_by_new(number);
        }
        let printer = &self.printer;
        let print = || printer.print(&name, frame.data());
        self.handoff.handle_old(number, key, print)
    }

    /// A shard of the old set gives no more, or not all.
    fn lose_old(&mut self, number: u32) {
        if self.is_given_up() {
            return;
        }
        self.out.extend(self.handoff.lose_old(number));
        if let Phase::OldThrough(waiting) = &mut self.phase {
            waiting.retain(|shard| shard.id().number() != number);
        }
        if self.handoff.is_switched() {
            self.complete();
        }
    }

    fn handle_new(&mut self, shard: ShardHandle<S::Platform>, item: Result<Message, Error>) {
        if let Phase::Complete(skip_until) = self.phase {
            if !self.handoff.has_skips() {
                self.out.push_back((shard, item));
                return;
            }
            if skip_until <= Instant::now() {
                self.handoff.forget_skips();
            }
        } else {
            let is_lost = matches!(item, Ok(Message::Gateway(Notice::SessionLost { .. })));
            self.follow_new(&shard, is_lost);
        }
        match item {
            Ok(Message::Frame(frame)) => self.handle_new_frame(shard, frame),
            item => {
                let is_over = item.as_ref().is_err_and(Error::is_fatal);
                self.out.push_back((shard, item));
                if is_over && !self.is_complete() {
                    self.give_up();
                }
            }
        }
    }

    /// Keeps up with a new shard's sessions: what was listed of one that is lost does not count.
    fn follow_new(&mut self, shard: &ShardHandle<S::Platform>, is_lost: bool) {
        let session = shard.session_taken();
        let beginning = self.beginnings.entry(shard.id().number());
        let beginning = beginning.or_insert_with(|| Beginning::new(session));
        if beginning.session != session {
            *beginning = Beginning::new(session);
            self.start_again();
        } else if is_lost {
            self.start_again();
        }
    }

    fn handle_new_frame(&mut self, shard: ShardHandle<S::Platform>, frame: Frame) {
        let name = frame.event_name().unwrap_or_default();
        let number = shard.id().number();
        let key = match S::Platform::scope_of(&name, frame.data()) {
            Scope::Connection => {
                if name == "READY"
                    && let Some(beginning) = self.beginnings.get_mut(&number)
                {
                    let guilds = S::Platform::guilds_of_ready(frame.data());
                    beginning.missing = Some(guilds.into_iter().collect());
                    beginning.since = Instant::now();
                }
                drop(name);
                self.out.push_back((shard, Ok(Message::Frame(frame))));
                return;
            }
            Scope::Guild(guild) => Some(guild),
            Scope::Account => None,
        };
        if let Some(beginning) = self.beginnings.get_mut(&number)
            && let (Some(missing), Some(guild)) = (&mut beginning.missing, key)
            && missing.remove(&guild)
        {
            beginning.since = Instant::now();
        }
        let old = owner(key, self.old_total);
        let verdict = if owner(key, self.new_total) == number {
            let printer = &self.printer;
            let print = || printer.print(&name, frame.data());
            let keep = || (shard.clone(), Ok(Message::Frame(frame.detached())));
            let len = frame.text().len();
            self.handoff.handle_new(old, key, print, len, keep)
        } else if self.handoff.is_given_by_new(old) {
            Verdict::Give
        } else {
            Verdict::Swallow
        };
        drop(name);
        if verdict == Verdict::Give {
            self.out.push_back((shard, Ok(Message::Frame(frame))));
        }
    }

    /// Goes on with what does not depend on a single event.
    fn advance(&mut self, cx: &mut Context<'_>) {
        if matches!(self.phase, Phase::Complete(_) | Phase::GivenUp) {
            return;
        }
        let mut is_time = false;
        while self.tick.as_mut().poll(cx).is_ready() {
            is_time = true;
            self.tick.as_mut().reset(Instant::now() + TICK);
        }
        if self.handoff.is_overfull() {
            self.start_again();
        }
        match &mut self.phase {
            Phase::Starting => {
                if is_time && self.are_ready() {
                    self.begin_round();
                }
            }
            Phase::NewThrough(waiting) => {
                if are_through(waiting, self.ticket) {
                    self.handoff.new_is_through();
                    self.phase = Phase::OldThrough(mark(&self.old, &mut self.ticket));
                }
            }
            Phase::OldThrough(waiting) => {
                if are_through(waiting, self.ticket) {
                    if !self.are_the_same() {
                        self.beginnings = HashMap::new();
                        self.start_again();
                        return;
                    }
                    match self.handoff.old_is_through() {
                        Some(events) => {
                            self.out.extend(events);
                            self.complete();
                        }
                        None => self.begin_round(),
                    }
                }
            }
            Phase::Complete(_) | Phase::GivenUp => {}
        }
    }

    /// Whether all shards of both sets are there, and the new ones were shown their guilds.
    fn are_ready(&mut self) -> bool {
        let beginnings = &mut self.beginnings;
        let is_settled = |shard: &ShardHandle<_>| {
            // Where none of its events is wanted, nothing of it was seen.
            let beginning = beginnings.entry(shard.id().number());
            let new = || Beginning::new(shard.session_taken());
            shard.is_active() && beginning.or_insert_with(new).is_settled()
        };
        // All are asked, so that all wait at the same time.
        let unsettled = self.new.handles().map(is_settled).filter(|is| !is).count();
        unsettled == 0 && self.old.handles().all(ShardHandle::is_active)
    }

    /// Whether each shard has the session that it had when the round began: where notices and
    /// READY are not wanted, nothing else tells.
    fn are_the_same(&self) -> bool {
        let is_old = |shard: &ShardHandle<_>| {
            self.old_sessions.get(&shard.id().number()) == Some(&shard.session_taken())
        };
        let is_new = |shard: &ShardHandle<_>| {
            let beginning = self.beginnings.get(&shard.id().number());
            beginning.is_some_and(|known| known.session == shard.session_taken())
        };
        self.old.handles().all(is_old) && self.new.handles().all(is_new)
    }

    fn begin_round(&mut self) {
        for shard in self.old.handles() {
            let number = shard.id().number();
            self.old_sessions.insert(number, shard.session_taken());
        }
        self.handoff.begin_round();
        self.phase = Phase::NewThrough(mark(&self.new, &mut self.ticket));
    }

    fn start_again(&mut self) {
        self.handoff.reset();
        self.phase = Phase::Starting;
    }

    /// The new set is alone.
    fn complete(&mut self) {
        end(&self.old);
        self.old = Merge::new();
        self.phase = Phase::Complete(Instant::now() + SKIP);
    }

    /// The old set is alone.
    fn give_up(&mut self) {
        end(&self.new);
        self.new = Merge::new();
        self.phase = Phase::GivenUp;
    }
}

/// Begins to end these shards; nobody waits for it.
fn end<S: Source>(shards: &Merge<S>) {
    drop(set::shutdown(shards.handles().cloned(), Shutdown::End));
}

/// Marks these shards; all are still to get through.
fn mark<S: Source>(shards: &Merge<S>, ticket: &mut u64) -> Vec<ShardHandle<S::Platform>> {
    *ticket += 1;
    let shards: Vec<_> = shards.handles().cloned().collect();
    for shard in &shards {
        shard.set_mark(*ticket);
    }
    shards
}

/// Whether none is left that has not passed its mark. The last is asked first, and the others only
/// when it has.
fn are_through<P: Platform>(waiting: &mut Vec<ShardHandle<P>>, ticket: u64) -> bool {
    while waiting.last().is_some_and(|shard| shard.has_passed(ticket)) {
        waiting.pop();
    }
    waiting.is_empty()
}

/// Dropping a future of `next` loses nothing.
impl<S: Source> Stream for Reshard<S> {
    type Item = (ShardHandle<S::Platform>, Result<S::Event, Error>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.poll_event(cx));
        Poll::Ready(item.map(|(shard, _, event)| (shard, event)))
    }
}

impl<S: Source> FusedStream for Reshard<S> {
    fn is_terminated(&self) -> bool {
        self.is_empty() && self.out.is_empty()
    }
}

impl<S: Source> fmt::Debug for Reshard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids =
            |shards: &Merge<S>| -> Vec<ShardId> { shards.handles().map(ShardHandle::id).collect() };
        f.debug_struct("Reshard")
            .field("old", &ids(&self.old))
            .field("new", &ids(&self.new))
            .field("is_complete", &self.is_complete())
            .finish_non_exhaustive()
    }
}
