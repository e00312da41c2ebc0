//! What does a process run that handles events?

use std::{fmt, future::Future, marker::PhantomData, pin::pin, sync::Arc, time::Duration};

use async_nats::jetstream::{
    self, AckKind,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    commands::Commands,
    entry::{self, Bot, Names},
    lease::Lease,
    link::{Link, Place, Wire, wire},
    member::{self, Role, Run, Tenancy},
    node::{BOT, LEASE, URL},
};
use crate::{
    error::{Error, ErrorKind},
    id::ShardId,
    observe,
    platform::Platform,
    shard::Frame,
};

/// So many events are asked for at a time; one of them is delivered at a time.
const BATCH: usize = 256;

/// So many sessions of a shard are remembered, to know what was handled.
const SESSIONS_MAX: usize = 8;

/// One of the processes that share the events of a bot. See the [module](super) for the whole.
///
/// Workers of one group share the shards: each event goes to one of them, those of a shard in
/// order, the next once the one before is acknowledged. Each group gets all events.
pub struct Worker<P> {
    names: Arc<Names>,
    link: Link,
    group: String,
    lease: Duration,
    platform: PhantomData<fn() -> P>,
}

/// Sets what differs from the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct WorkerBuilder<P> {
    bot: String,
    url: String,
    group: String,
    lease: Duration,
    platform: PhantomData<fn() -> P>,
}

/// An event, to be handled.
pub struct Delivery<P> {
    shard: ShardId,
    frame: Frame,
    commands: Commands<P>,
}

impl<P: Platform> Delivery<P> {
    /// The shard that it came on.
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// The event, typed as a shard gives it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`] where the payload cannot be decoded.
    pub fn event(&self) -> Result<P::Event, Error> {
        self.frame.decode::<P>()
    }

    /// The frame as the platform sent it. That of READY has another name in place of the id of the
    /// session, which is a secret of the nodes.
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// What sends commands by the owner of a shard.
    pub const fn commands(&self) -> &Commands<P> {
        &self.commands
    }
}

impl<P: Platform> Worker<P> {
    /// A worker for the bot that the nodes call `bot`.
    pub fn builder(bot: impl Into<String>) -> WorkerBuilder<P> {
        WorkerBuilder {
            bot: bot.into(),
            url: URL.to_owned(),
            group: "workers".to_owned(),
            lease: LEASE,
            platform: PhantomData,
        }
    }

    /// What sends commands by the owner of a shard, for use beside the events.
    pub fn commands(&self) -> Commands<P> {
        Commands {
            wires: self.link.watch(),
            names: Arc::clone(&self.names),
            patience: self.lease,
            platform: PhantomData,
        }
    }

    /// Calls `handle` for each event of its share of the shards, until `until` is done: then it
    /// ends what it has begun, and leaves the rest to the others.
    ///
    /// An event is acknowledged once the future of `handle` is done; one that was not is delivered
    /// again, to this worker or another: each event is handled at least once, and twice only where
    /// a worker is lost between handling and acknowledging it, or stands still for longer than its
    /// lease. Shards are handled side by side.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Handler`] where `handle` panicked: the event is delivered again, to another.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, handlers are dropped where they are, and their events delivered
    /// again.
    pub async fn run_until<H, F>(
        self,
        handle: H,
        until: impl Future<Output = ()> + Send,
    ) -> Result<(), Error>
    where
        H: Fn(Delivery<P>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let until = until.shared();
        let total = tokio::select! {
            () = until.clone() => return Ok(()),
            total = self.total() => total,
        };
        let role = Role {
            group: format!("work-{}", self.group),
            total,
            lease: self.lease,
        };
        let handle = Arc::new(handle);
        let household = |tenancy: Tenancy| -> Run {
            let desk = Desk {
                handle: Arc::clone(&handle),
                commands: self.commands(),
                lease: tenancy.lease,
                group: self.group.clone(),
                ack_wait: self.lease,
                total,
            };
            Arc::new(move |shard, stop| desk.clone().work(shard, stop).boxed())
        };
        member::take_part(&self.link, &role, household, until).await
    }

    /// How many shards the bot has, once a node has said so.
    async fn total(&self) -> u32 {
        loop {
            let wire = self.link.wire().await;
            match wire.read(BOT).await {
                Ok(Some((text, _))) => match entry::read::<Bot>(&text) {
                    Some(bot) => return bot.shards,
                    None => observe::cluster::corrupt(BOT),
                },
                Ok(None) => {}
                Err(_) => wire.give_up(),
            }
            sleep(self.lease / 4).await;
        }
    }
}

impl<P: Platform> WorkerBuilder<P> {
    /// Connects to the NATS server. Nodes may come later.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`] where no NATS server with JetStream answers: it says what to start.
    /// [`ErrorKind::Configuration`] for a value that cannot work.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is left.
    pub async fn connect(self) -> Result<Worker<P>, Error> {
        let names = Names::new(&self.bot, P::NAME)?;
        if !entry::is_token(&self.group) {
            let message = "the group must be 1 to 100 letters, digits, - or _";
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        let link = Link::open(Place {
            url: self.url,
            names: names.clone(),
            patience: self.lease / 2,
            make: None,
        });
        Ok(Worker {
            names: Arc::new(names),
            link: link.await?,
            group: self.group,
            lease: self.lease,
            platform: PhantomData,
        })
    }

    /// Sets where the NATS server is, as [`NodeBuilder::url`](super::NodeBuilder::url) does.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Sets which workers share the events with this one: 1 to 100 letters, digits, `-` and `_`.
    /// By default `workers`.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// Sets how long a worker may be silent before the others take over its shards; the same in a
    /// group. By default 10 seconds.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }
}

/// Where the events of shards are handled.
struct Desk<P, H> {
    handle: Arc<H>,
    commands: Commands<P>,
    lease: Lease,
    group: String,
    ack_wait: Duration,
    total: u32,
}

/// What was handled of each of the last sessions: the sequence of the last event.
#[derive(Debug, Default)]
struct Handled(Vec<(String, u64)>);

impl Handled {
    fn has(&self, id: Option<&str>) -> bool {
        let Some((session, seq)) = id.and_then(entry::parse_message_id) else {
            return false;
        };
        let known = self.0.iter().find(|(name, _)| name == session);
        known.is_some_and(|(_, last)| seq <= *last)
    }

    fn note(&mut self, id: Option<&str>) {
        let Some((session, seq)) = id.and_then(entry::parse_message_id) else {
            return;
        };
        if let Some((_, last)) = self.0.iter_mut().find(|(name, _)| name == session) {
            *last = seq.max(*last);
            return;
        }
        if self.0.len() >= SESSIONS_MAX {
            self.0.remove(0);
        }
        self.0.push((session.to_owned(), seq));
    }
}

impl<P, H, F> Desk<P, H>
where
    P: Platform,
    H: Fn(Delivery<P>) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    /// Handles the events of a shard until asked to stop.
    async fn work(self, shard: u32, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        let Some(id) = ShardId::new(shard, self.total) else {
            return Ok(());
        };
        let mut wires = self.commands.wires.clone();
        let mut handled = Handled::default();
        loop {
            let wire = tokio::select! {
                () = member::stopped(&mut stop) => return Ok(()),
                wire = wire(&mut wires) => wire,
            };
            let Some(mut messages) = self.messages(&wire, shard).await else {
                wire.give_up();
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            loop {
                let message = tokio::select! {
                    () = member::stopped(&mut stop) => {
                        // What lies here already is for the next one, at once.
                        if let Some(Some(Ok(message))) = messages.next().now_or_never() {
                            let _sent = message.ack_with(AckKind::Nak(None)).await;
                        }
                        return Ok(());
                    }
                    _ = wires.changed() => break,
                    message = messages.next() => message,
                };
                let Some(Ok(message)) = message else {
                    wire.give_up();
                    sleep(Duration::from_millis(50)).await;
                    break;
                };
                self.take(id, &message, &mut handled).await;
            }
        }
    }

    async fn take(&self, shard: ShardId, message: &jetstream::Message, handled: &mut Handled) {
        let headers = message.headers.as_ref();
        let msg_id = headers.and_then(|headers| headers.get("Nats-Msg-Id"));
        let msg_id = msg_id.map(async_nats::HeaderValue::as_str);
        if !self.lease.holds() {
            // Another one has the shard, or will have: it comes again.
            return;
        }
        if !handled.has(msg_id) {
            let text = std::str::from_utf8(&message.payload);
            match text.map(Frame::from_text) {
                Ok(Ok(frame)) => {
                    self.call(shard, frame, message).await;
                    handled.note(msg_id);
                }
                _ => observe::cluster::corrupt(&message.subject),
            }
        }
        // Where it is lost, the event comes again, and is known.
        let _sent = message.ack().await;
    }

    /// Handles an event; while that takes its time, the server is told that it is under way.
    async fn call(&self, shard: ShardId, frame: Frame, message: &jetstream::Message) {
        let commands = self.commands.clone();
        let mut handling = pin!((self.handle)(Delivery {
            shard,
            frame,
            commands,
        }));
        while timeout(self.ack_wait / 3, &mut handling).await.is_err() {
            let _sent = message.ack_with(AckKind::Progress).await;
        }
    }

    /// The events of a shard, one at a time.
    async fn messages(&self, wire: &Wire, shard: u32) -> Option<pull::Stream> {
        let name = format!("{}-{shard}", self.group);
        let config = pull::Config {
            durable_name: Some(name.clone()),
            filter_subject: self.commands.names.events_of(shard),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            // The next one is delivered once the one before is acknowledged: so those of a shard
            // are handled in order, whoever handles them.
            max_ack_pending: 1,
            deliver_policy: DeliverPolicy::All,
            ..pull::Config::default()
        };
        let consumer: BoxFuture<'_, _> = wire.stream.get_or_create_consumer(&name, config).boxed();
        let consumer: PullConsumer = consumer.await.ok()?;
        let messages = consumer.stream().max_messages_per_batch(BATCH);
        messages.messages().await.ok()
    }
}

// By hand, because a derive would ask the same of `P` and `H`.
impl<P, H> Clone for Desk<P, H> {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
            commands: self.commands.clone(),
            lease: self.lease.clone(),
            group: self.group.clone(),
            ack_wait: self.ack_wait,
            total: self.total,
        }
    }
}

impl<P> fmt::Debug for Worker<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl<P> fmt::Debug for Delivery<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("shard", &self.shard)
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Handled, SESSIONS_MAX};

    #[test]
    fn what_was_handled_is_known_by_session_and_sequence_and_not_for_ever() {
        let mut handled = Handled::default();
        handled.note(Some("a:7"));
        handled.note(Some("b:1"));
        for (id, known) in [("a:7", true), ("a:6", true), ("a:8", false), ("b:2", false)] {
            assert_eq!(handled.has(Some(id)), known, "{id}");
        }
        assert!(!handled.has(None) && !handled.has(Some("a")));
        for session in 0..100 {
            handled.note(Some(&format!("s{session}:1")));
        }
        assert_eq!(handled.0.len(), SESSIONS_MAX);
        assert!(handled.has(Some("s99:1")) && !handled.has(Some("a:7")));
    }
}
