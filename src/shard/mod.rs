//! What do I hold in my hand? `Shard`, and the one crossing of rules and sockets.
//!
//! | file | question |
//! |---|---|
//! | `driver` | Who moves the bytes? |
//! | `link` | What does the driver hold? |
//! | `handover`, `batch` | How does text get from the driver's task to the user's? |
//! | `frame` | What does a raw message look like? |
//! | `own` | May I bring my own events? |
//! | `sender` | How does one send a command? |
//! | `status` | How is a shard? |
//! | `tally` | How often did each event come? |
//! | `forward` | May somebody else's channel have the events? |
//! | `resume` | What must be kept over a restart? |
//! | `tap` | Who else hears an event? |
//! | `handshakes` | How many connect at once? |
//! | `discovery` | Where is the gateway, where nobody said it? |
//! | `shared` | What do all who hold a part of the shard have in common? |

mod batch;
mod discovery;
mod driver;
mod forward;
mod frame;
mod handover;
mod handshakes;
mod link;
mod own;
mod resume;
mod sender;
mod shared;
mod status;
mod tally;
#[allow(dead_code, reason = "which rooms above ask depends on the features")]
mod tap;
mod tape;
#[cfg(test)]
#[cfg(all(feature = "discord", feature = "local-gateway"))]
pub(crate) mod tests;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{future::poll_fn, stream::Stream};
use tokio::task::coop;

use self::{batch::What, handover::Reader, shared::Shared};
pub(crate) use self::{discovery::Discovery, handshakes::Handshakes};
pub use self::{
    frame::{Frame, Message, Meta},
    own::{OwnEvent, TypedShard, own_names_differ},
    resume::ResumeState,
    sender::Sender,
    status::{Degraded, Health, Latency, Status, Watch},
    tally::EventCounts,
    tape::Recording,
};
// Which rooms above ask through these depends on the features.
#[allow(
    unused_imports,
    reason = "which rooms above ask depends on the features"
)]
pub(crate) use self::tap::{Tap, Wanted};
#[cfg(feature = "discord")]
use crate::discord::Discord;
use crate::{
    codec::envelope::Envelope,
    config::Config,
    credential::CredentialSource,
    error::{Error, ErrorKind},
    id::ShardId,
    notice::Notice,
    platform::{DecodeError, EventSet as _, IntentsOf, Platform},
    session::{Reconnect, Shutdown, State},
};

/// One connection to a platform's gateway, kept alive, with its events.
///
/// The connection lives in a task of its own, started when the first event is asked for: the
/// heart beats, and acks are heard, however long the application takes for an event. What arrives
/// meanwhile waits in a buffer ([`Limits::buffered_events_max`](crate::Limits)); when that is
/// full, reading pauses. The task reconnects and resumes by itself; what it could not hide from
/// the user stands among the events as a [`Notice`](crate::Notice).
///
/// Dropping the shard ends the task and the connection, without a close frame: the session stays
/// resumable for a while. [`shutdown`](Self::shutdown) ends it politely.
///
/// # Example
///
/// ```no_run
/// use shardstream::{Shard, ShardId, discord::Intents};
///
/// # async fn run(token: String) {
/// let mut shard = Shard::new(ShardId::ONE, token, Intents::GUILDS);
/// loop {
///     match shard.next_event().await {
///         Ok(event) => println!("{event:?}"),
///         Err(error) if error.is_fatal() => break,
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// # }
/// ```
pub struct Shard<
    #[cfg(feature = "discord")] P: Platform = Discord,
    #[cfg(not(feature = "discord"))] P: Platform,
> {
    shared: Arc<Shared<P>>,
    reader: Reader,
    /// The end was given to the user: the stream is over.
    end_given: bool,
}

impl<P: Platform> Shard<P> {
    /// A shard with everything else by default. Nothing is connected yet.
    ///
    /// This cannot fail: credentials that cannot work are the first error of
    /// [`next_event`](Self::next_event), and fatal.
    pub fn new<I>(id: ShardId, credentials: impl Into<P::Credentials>, intents: I) -> Self
    where
        I: IntentsOf<Platform = P>,
        P: Platform<Intents = I>,
        P::Credentials: CredentialSource,
    {
        Self::with_config(id, Config::new(credentials, intents))
    }

    /// A shard with this configuration. Nothing is connected yet.
    pub fn with_config(id: ShardId, config: Config<P>) -> Self {
        let shared = Shared::new(id, config);
        Self {
            reader: shared.handover.reader(),
            shared,
            end_given: false,
        }
    }

    /// The next event, or what happened instead of one.
    ///
    /// Events come in the order of the gateway, each once, notices among them as
    /// [`Platform::notice`] shows them. Decoding happens here, in the caller's task.
    ///
    /// # Errors
    ///
    /// An error that [is fatal](Error::is_fatal) is the end; every further call gives it again.
    /// After any other the shard goes on: [`ErrorKind::Event`] and [`ErrorKind::Frame`] for what
    /// could not be read (its sequence counts as received), [`ErrorKind::Connect`] for an attempt
    /// that failed, [`ErrorKind::Compression`] for broken compressed data (it reconnects and
    /// resumes).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is taken: the next call gives the event.
    pub async fn next_event(&mut self) -> Result<P::Event, Error> {
        poll_fn(|cx| self.poll_entry(cx)).await?;
        self.decoded().1
    }

    /// The next event of a set; the others on the way to it are dropped, not decoded.
    ///
    /// What is dropped counts as taken and does not come again, also when the future is dropped
    /// later. Errors are given whatever the set. Where a bot never wants an event,
    /// [`ConfigBuilder::event_flags`](crate::ConfigBuilder::event_flags) drops it earlier.
    ///
    /// ```no_run
    /// # async fn run(mut shard: shardstream::Shard) -> Result<(), shardstream::Error> {
    /// use shardstream::EventFlags;
    ///
    /// let ready = shard.next_event_of(EventFlags::READY).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`next_event`](Self::next_event).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing of the set is taken.
    pub async fn next_event_of(&mut self, wanted: P::EventFlags) -> Result<P::Event, Error> {
        let event = |name: &str| wanted.has_event(name);
        poll_fn(|cx| self.poll_wanted(cx, event, wanted.has_notices())).await?;
        self.decoded().1
    }

    /// The next raw message: for who forwards frames, or decodes into types of their own.
    ///
    /// Order and errors are those of [`next_event`](Self::next_event), but nothing is decoded, so
    /// there is no [`ErrorKind::Event`].
    ///
    /// # Errors
    ///
    /// As [`next_event`](Self::next_event).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is taken: the next call gives the message.
    pub async fn next_message(&mut self) -> Result<Message, Error> {
        poll_fn(|cx| self.poll_entry(cx)).await?;
        self.message_taken()
    }

    /// Which shard of how many it is.
    pub fn id(&self) -> ShardId {
        self.shared.id
    }

    /// The configuration.
    pub fn config(&self) -> &Config<P> {
        &self.shared.config
    }

    /// A part of the shard that can be cloned and sent anywhere: everything but the events.
    pub fn handle(&self) -> ShardHandle<P> {
        ShardHandle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// What sends commands, from any task.
    pub fn sender(&self) -> Sender<P> {
        self.shared.sender()
    }

    /// How the shard is now.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// What tells when the status changes.
    pub fn watch(&self) -> Watch {
        self.shared.watch()
    }

    /// Whether the bot is served.
    pub fn health(&self) -> Health {
        self.shared.status().health
    }

    /// Whether a session is live: after READY or RESUMED, until the connection ends.
    pub fn is_ready(&self) -> bool {
        self.shared.status().state == State::Active
    }

    /// Whether the shard connects again by itself when the connection ends: always, until a fatal
    /// error or a shutdown has ended it.
    pub fn can_reconnect(&self) -> bool {
        self.shared.status().can_reconnect()
    }

    /// How often each event was received since the shard began, by its name on the wire; also
    /// those that no filter let through.
    pub fn event_counts(&self) -> EventCounts {
        self.shared.tally.snapshot()
    }

    /// The sequence of the last event received, while a session is held.
    pub fn last_sequence(&self) -> Option<u64> {
        self.shared.status().seq_received
    }

    /// The id of the session, while one is held. Who has it and the token can take the events
    /// over.
    pub fn session_id(&self) -> Option<String> {
        self.shared.session_id()
    }

    /// The session as a restart would resume it, from the last event taken on; `None` while none
    /// is held. Stored now and then, it lets a bot go on even after a crash.
    pub fn resume_state(&self) -> Option<ResumeState> {
        self.shared.resume_state()
    }

    /// Asks for a new connection. Starts the shard, if nobody has yet.
    pub fn reconnect(&self, how: Reconnect) {
        self.shared.reconnect(how);
    }

    /// Ends the shard: closes the connection with the code that ends or keeps the session, and
    /// waits for the server's answer for [`Limits::close`](crate::Limits::close) at most.
    ///
    /// With [`Shutdown::Keep`] nothing more can be taken, and the future gives the session to go
    /// on with, from the last event taken on: what was not taken comes again after the restart.
    /// With [`Shutdown::End`] the events in the buffer can still be taken, and the future gives
    /// `None`. The first of several calls decides.
    ///
    /// # Cancel safety
    ///
    /// The shutdown begins with the call. Dropping the future, or the shard, does not stop it:
    /// another call gives what is left to give.
    pub fn shutdown(
        &self,
        how: Shutdown,
    ) -> impl Future<Output = Option<ResumeState>> + Send + use<P> {
        self.shared.shutdown(how)
    }

    /// Takes the next entry, which `self.reader.entry()` then gives.
    fn poll_entry(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.reader.is_empty_handed() {
            self.shared.start();
        }
        // A buffer that is always filled again must not keep the caller's other futures waiting.
        let turn = self.reader.at_end().then(|| coop::poll_proceed(cx));
        let turn = match turn {
            Some(turn) => Some(ready!(turn)),
            None => None,
        };
        let result = ready!(self.reader.poll_next(cx));
        if let Some(turn) = turn {
            turn.made_progress();
        }
        self.end_given |= result.is_err();
        Poll::Ready(result)
    }

    /// The stream of raw messages: as [`next_message`](Self::next_message), and it ends after the
    /// fatal error.
    pub(crate) fn poll_next_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Error>>> {
        if self.end_given {
            return Poll::Ready(None);
        }
        let taken = ready!(self.poll_entry(cx));
        Poll::Ready(Some(taken.and_then(|()| self.message_taken())))
    }

    /// Whether what comes next lies in another batch.
    pub(crate) fn is_between_batches(&self) -> bool {
        self.reader.at_end()
    }

    /// Whether the fatal error was given.
    pub(crate) const fn has_given_end(&self) -> bool {
        self.end_given
    }

    /// Takes entries up to the next that is wanted.
    fn poll_wanted(
        &mut self,
        cx: &mut Context<'_>,
        event: impl Fn(&str) -> bool,
        notices: bool,
    ) -> Poll<Result<(), Error>> {
        loop {
            ready!(self.poll_entry(cx))?;
            let wanted = self.reader.entry();
            let wanted = wanted.is_none_or(|(text, entry)| match &entry.what {
                What::Frame(place) => event(&place.envelope(text).event().unwrap_or_default()),
                What::Notice(_) => notices,
                What::Error(_) => true,
            });
            if wanted {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// The entry just taken, as it is.
    fn message_taken(&self) -> Result<Message, Error> {
        let (text, entry) = self.reader.entry().ok_or_else(nothing_taken)?;
        match &entry.what {
            What::Frame(place) => Ok(Message::Frame(Frame::new(Arc::clone(text), *place))),
            What::Notice(notice) => Ok(Message::Gateway(notice.clone())),
            What::Error(error) => Err(error.clone()),
        }
    }

    /// The entry just taken, where it is a notice.
    fn notice_taken(&self) -> Option<Notice> {
        match &self.reader.entry()?.1.what {
            What::Notice(notice) => Some(notice.clone()),
            What::Frame(_) | What::Error(_) => None,
        }
    }

    /// The entry just taken, decoded.
    fn decoded(&self) -> (Meta, Result<P::Event, Error>) {
        let Some((text, entry)) = self.reader.entry() else {
            return (Meta::default(), Err(nothing_taken()));
        };
        match &entry.what {
            What::Frame(place) => decode::<P>(&place.envelope(text), place.replayed),
            What::Notice(notice) => (Meta::default(), Ok(P::notice(notice.clone()))),
            What::Error(error) => (Meta::of_error(error), Err(error.clone())),
        }
    }
}

/// Unreachable: an entry is asked for only after one was taken. An error is kinder than a panic.
fn nothing_taken() -> Error {
    Error::new(ErrorKind::Frame, "no entry was taken")
}

fn decode<P: Platform>(envelope: &Envelope<'_>, replayed: bool) -> (Meta, Result<P::Event, Error>) {
    let name = envelope.event().unwrap_or_default();
    let event = P::decode(&name, envelope.data()).or_else(|problem| match frame::exact(envelope) {
        Some(exact) => P::decode(&name, exact.data()),
        None => Err(problem),
    });
    let event = event.map_err(|problem: DecodeError| {
        Error::new(
            ErrorKind::Event,
            "the payload of an event could not be decoded",
        )
        .with_event(name.as_ref())
        .with_seq(envelope.header.seq)
        .with_source(problem)
    });
    (frame::meta(envelope, replayed), event)
}

/// Items are what [`next_event`](Shard::next_event) gives, with what is around each event. The
/// stream ends after the fatal error. Dropping a future of `next` loses nothing.
impl<P: Platform> Stream for Shard<P> {
    type Item = (Meta, Result<P::Event, Error>);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.end_given {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match ready!(this.poll_entry(cx)) {
            Ok(()) => this.decoded(),
            Err(error) => (Meta::default(), Err(error)),
        }))
    }
}

impl<P: Platform> Drop for Shard<P> {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

impl<P: Platform> fmt::Debug for Shard<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("id", &self.shared.id)
            .field("status", &self.shared.status())
            .finish_non_exhaustive()
    }
}

/// A part of a [`Shard`] that can be cloned and sent anywhere: everything but the events.
///
/// It does not keep the shard alive.
pub struct ShardHandle<
    #[cfg(feature = "discord")] P: Platform = Discord,
    #[cfg(not(feature = "discord"))] P: Platform,
> {
    shared: Arc<Shared<P>>,
}

impl<P: Platform> ShardHandle<P> {
    /// See [`Shard::id`].
    pub fn id(&self) -> ShardId {
        self.shared.id
    }

    /// See [`Shard::config`].
    pub fn config(&self) -> &Config<P> {
        &self.shared.config
    }

    /// What all that is logged for this shard lies in.
    #[cfg(feature = "handler")]
    pub(crate) fn span(&self) -> &tracing::Span {
        self.shared.span()
    }

    /// See [`Shard::sender`].
    pub fn sender(&self) -> Sender<P> {
        self.shared.sender()
    }

    /// See [`Shard::status`].
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// See [`Shard::watch`].
    pub fn watch(&self) -> Watch {
        self.shared.watch()
    }

    /// See [`Shard::health`].
    pub fn health(&self) -> Health {
        self.shared.status().health
    }

    /// See [`Shard::session_id`].
    pub fn session_id(&self) -> Option<String> {
        self.shared.session_id()
    }

    /// See [`Shard::event_counts`].
    pub fn event_counts(&self) -> EventCounts {
        self.shared.tally.snapshot()
    }

    /// See [`Shard::resume_state`].
    pub fn resume_state(&self) -> Option<ResumeState> {
        self.shared.resume_state()
    }

    /// See [`Shard::reconnect`].
    pub fn reconnect(&self, how: Reconnect) {
        self.shared.reconnect(how);
    }

    /// See [`Shard::shutdown`].
    pub fn shutdown(
        &self,
        how: Shutdown,
    ) -> impl Future<Output = Option<ResumeState>> + Send + use<P> {
        self.shared.shutdown(how)
    }

    /// Listens to frames beside the user; starts the shard, if nobody has yet.
    #[allow(dead_code, reason = "which rooms above ask depends on the features")]
    pub(crate) async fn tap(&self, wanted: Vec<Wanted>) -> Result<Tap<P>, Error> {
        self.shared.start();
        Tap::open(Arc::clone(&self.shared), wanted).await
    }

    /// How many listen so.
    #[cfg(test)]
    #[cfg_attr(
        not(all(feature = "discord", feature = "local-gateway")),
        expect(dead_code, reason = "nobody asks")
    )]
    pub(crate) fn taps(&self) -> usize {
        self.shared.taps.len()
    }
}

impl<P: Platform> ShardHandle<P> {
    /// Asks for a mark with this number, in the place of one before.
    pub(crate) fn set_mark(&self, ticket: u64) {
        self.shared.set_mark(ticket);
    }

    /// Whether everything was taken that the server had sent before a heartbeat which was sent
    /// after the mark was asked for, and that it acked in a live session.
    pub(crate) fn has_passed(&self, ticket: u64) -> bool {
        self.shared.handover.has_passed(ticket)
    }

    /// Whether a session is live.
    pub(crate) fn is_active(&self) -> bool {
        self.shared.is_active()
    }

    /// Which session since the start the last event belongs to that was taken, from 1.
    pub(crate) fn session_taken(&self) -> u32 {
        self.shared.handover.taken().session
    }

    /// When so many shards that wait can have identified; `None` where the queue cannot tell.
    pub(crate) fn queue_outlook(&self, starts: usize) -> Option<std::time::Duration> {
        self.shared.config.queue().outlook(starts)
    }
}

// By hand, because a derive would ask the same of `P`.
impl<P: Platform> Clone for ShardHandle<P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<P: Platform> fmt::Debug for ShardHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardHandle")
            .field("id", &self.shared.id)
            .finish_non_exhaustive()
    }
}
