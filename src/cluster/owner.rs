//! What does the owner of a shard do? Runs it from the session that is stored, publishes its
//! frames, and stores how far the stream has them.

use std::{
    collections::VecDeque,
    future::{IntoFuture as _, ready},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use async_nats::jetstream::{
    context::{PublishError, PublishErrorKind},
    message::PublishMessage,
    publish::PublishAck,
};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    commands,
    entry::{self, Names},
    identify::ClusterQueue,
    lease::{self, Lease},
    link::{Wire, Written, wire},
    member,
    window::Window,
};
use crate::{
    config::{Config, ConfigBuilder},
    error::Error,
    id::ShardId,
    observe,
    platform::Platform,
    session::{Shutdown, State},
    shard::{Frame, Message, ResumeState, Shard},
};

/// So many frames of a shard are on their way to the stream at most, and so many bytes.
const IN_FLIGHT_MAX: usize = 256;
const IN_FLIGHT_BYTES_MAX: usize = 4 << 20;

/// So many frames are taken before anything else has its turn.
const TAKEN_AT_ONCE: usize = 32;

/// What all shards of one life of a node have in common.
#[derive(Clone, Debug)]
pub(super) struct Estate<P: Platform> {
    pub(super) config: Config<P>,
    pub(super) total: u32,
    pub(super) names: Arc<Names>,
    pub(super) lease: Lease,
    pub(super) queue: ClusterQueue,
    pub(super) wires: watch::Receiver<Option<Wire>>,
    /// How long what was done last is waited for when a shard stops.
    pub(super) patience: Duration,
    /// How often a session is stored at most.
    pub(super) save_every: Duration,
}

/// A frame on its way to the stream.
struct Outgoing {
    subject: String,
    id: Option<String>,
    text: Bytes,
}

/// How far a shard is: the session, and the sequence in it.
#[derive(Clone)]
struct Mark {
    session: Arc<ResumeState>,
    seq: u64,
}

/// The session that frames are being taken of.
struct Current {
    number: u32,
    /// `None` where it was lost before its first frame was taken: it is not worth storing.
    state: Option<Arc<ResumeState>>,
    /// What stands for it in message ids.
    name: String,
}

type Ack = BoxFuture<'static, Result<PublishAck, PublishError>>;

struct Owner<P: Platform> {
    estate: Estate<P>,
    id: ShardId,
    key: String,
    shard: Shard<P>,
    current: Current,
    window: Window<Outgoing, Option<Mark>>,
    acks: VecDeque<Ack>,
    wire: Option<Wire>,
    wires: watch::Receiver<Option<Wire>>,
    /// Of the stored session.
    revision: u64,
    /// What was stored perhaps: the answer was lost.
    unsure: Option<Vec<u8>>,
    saved: Option<(Arc<ResumeState>, u64)>,
    save_at: Instant,
}

/// Runs a shard until it is asked to stop, or the stored session turns out to be another's.
pub(super) async fn run<P: Platform>(
    estate: Estate<P>,
    number: u32,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let Some(id) = ShardId::new(number, estate.total) else {
        return Ok(());
    };
    let key = format!("session.{number}");
    let mut wires = estate.wires.clone();
    let stored = stored::<P>(&mut wires, &key, id);
    let (state, revision, wire) = tokio::select! {
        () = member::stopped(&mut stop) => return Ok(()),
        stored = stored => stored,
    };
    observe::cluster::starting(number, state.as_ref().map(ResumeState::seq));
    let config = ConfigBuilder::from(estate.config.clone())
        .queue(Arc::new(estate.queue.clone()))
        .resume(state.clone())
        .build()?;
    let shard = Shard::with_config(id, config);
    let state = state.map(Arc::new);
    let owner = Owner {
        id,
        key,
        shard,
        // A shard that starts from a session counts that as the first.
        current: Current::new(u32::from(state.is_some()), state.clone()),
        window: Window::new(IN_FLIGHT_MAX, IN_FLIGHT_BYTES_MAX),
        acks: VecDeque::new(),
        wire: Some(wire),
        wires,
        revision,
        unsure: None,
        saved: state.map(|state| (Arc::clone(&state), state.seq())),
        save_at: Instant::now(),
        estate,
    };
    owner.live(stop).await
}

/// The stored session, which is written once more: whoever owned it before fails to write it from
/// then on.
async fn stored<P: Platform>(
    wires: &mut watch::Receiver<Option<Wire>>,
    key: &str,
    id: ShardId,
) -> (Option<ResumeState>, u64, Wire) {
    loop {
        let wire = wire(wires).await;
        let Ok(found) = wire.read(key).await else {
            wire.give_up();
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (text, revision) = found.unwrap_or_default();
        let state = entry::read_session(&text, P::NAME, id);
        if state.is_none() && revision > 0 {
            observe::cluster::corrupt(key);
        }
        let Some(state) = state else {
            return (None, revision, wire);
        };
        match wire.write(key, entry::write(&state), revision).await {
            Written::Done(revision) => return (Some(state), revision, wire),
            Written::Conflict => {}
            Written::Unknown => wire.give_up(),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

impl<P: Platform> Owner<P> {
    async fn live(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        let serving = commands::serve(self.estate.clone(), self.id.number(), self.shard.sender());
        let mut serving = pin!(serving);
        loop {
            self.publish().await;
            let may_act = self.estate.lease.holds();
            tokio::select! {
                () = member::stopped(&mut stop) => return self.stop().await,
                changed = self.wires.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.rewire();
                }
                ack = first(&mut self.acks) => {
                    self.heard(&ack);
                    self.hear_more();
                }
                message = self.shard.next_message(), if self.window.has_room() => {
                    self.take(message)?;
                    self.take_more()?;
                }
                () = sleep_until(self.save_at), if self.has_news() => {
                    if !self.save().await {
                        // Somebody else has written: the lease is not this member's any more, or
                        // will not be. It is started anew if it is.
                        sleep(self.estate.patience).await;
                        return Ok(());
                    }
                }
                () = self.estate.lease.held(), if !may_act => {}
                () = &mut serving => {}
            }
        }
    }

    /// Hands to the broker what it does not have yet, as far as there is one and the lease holds.
    async fn publish(&mut self) {
        let Some(wire) = self.wire.clone() else {
            return;
        };
        while self.estate.lease.holds() {
            let Some(outgoing) = self.window.next() else {
                return;
            };
            let mut message = PublishMessage::build().payload(outgoing.text.clone());
            if let Some(id) = &outgoing.id {
                message = message.message_id(id);
            }
            let published = wire
                .jetstream
                .send_publish(outgoing.subject.clone(), message);
            match published.await {
                Ok(ack) => self.acks.push_back(ack.into_future().boxed()),
                Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                    let why = "it is longer than max_payload of the NATS server";
                    let number = self.id.number();
                    observe::cluster::not_published(number, why, outgoing.text.len());
                    self.acks
                        .push_back(ready(Ok(PublishAck::default())).boxed());
                }
                Err(_) => {
                    wire.give_up();
                    self.wire = None;
                    return;
                }
            }
        }
    }

    /// The connection is another one, or none.
    fn rewire(&mut self) {
        self.wire.clone_from(&self.wires.borrow_and_update());
        self.acks.clear();
        self.window.rewind();
    }

    /// Those that are there already.
    fn hear_more(&mut self) {
        while let Some(ack) = first(&mut self.acks).now_or_never() {
            self.heard(&ack);
        }
    }

    /// What waits already, without a turn for each.
    fn take_more(&mut self) -> Result<(), Error> {
        for _ in 0..TAKEN_AT_ONCE {
            if !self.window.has_room() {
                break;
            }
            let Some(message) = self.shard.next_message().now_or_never() else {
                break;
            };
            self.take(message)?;
        }
        Ok(())
    }

    fn heard(&mut self, ack: &Result<PublishAck, PublishError>) {
        if ack.is_ok() {
            return self.window.acknowledge();
        }
        // Others may have overtaken it: over another connection all come in order again.
        if let Some(wire) = self.wire.take() {
            wire.give_up();
        }
        self.acks.clear();
        self.window.rewind();
    }

    /// What the shard gave: a frame to publish, or something to tell.
    fn take(&mut self, message: Result<Message, Error>) -> Result<(), Error> {
        match message {
            Ok(Message::Frame(frame)) => self.take_frame(frame),
            Ok(Message::Gateway(_)) => {}
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => observe::cluster::shard_error(self.id.number(), &error),
        }
        Ok(())
    }

    fn take_frame(&mut self, frame: Frame) {
        let number = self.shard.session_taken();
        if number != self.current.number {
            let state = self.shard.session_numbered(number).map(Arc::new);
            self.current = Current::new(number, state);
            // A crash from here on must not cost another identify.
            self.save_at = Instant::now();
        }
        let seq = frame.seq().unwrap_or(0);
        let session = self.current.state.clone();
        let mark = session.map(|session| Mark { session, seq });
        match self.outgoing(frame) {
            Some(outgoing) => {
                let len = outgoing.text.len();
                self.window.push(outgoing, len, mark);
            }
            None => self.window.pass(mark),
        }
    }

    /// What of a frame goes to the stream. RESUMED is between this shard and the server; READY goes
    /// without the session's id, which is a secret.
    fn outgoing(&self, frame: Frame) -> Option<Outgoing> {
        let name = frame.event_name().unwrap_or_default();
        if name == "RESUMED" {
            return None;
        }
        let number = self.id.number();
        let subject = self.estate.names.event(&name, number);
        let id = frame
            .seq()
            .map(|seq| entry::message_id(&self.current.name, seq));
        let hidden = if name == "READY" {
            let state = self.current.state.as_ref();
            let hidden =
                state.and_then(|state| entry::without_session(frame.text(), state.session_id()));
            if hidden.is_none() {
                let why = "its session cannot be hidden";
                observe::cluster::not_published(number, why, frame.text().len());
                return None;
            }
            hidden
        } else {
            None
        };
        let text = hidden.map_or_else(|| frame.into_bytes(), Bytes::from);
        Some(Outgoing { subject, id, text })
    }

    /// How far the stream has the session, where that is worth storing.
    fn reached(&self) -> Option<&Mark> {
        self.window.reached()?.as_ref()
    }

    fn has_news(&self) -> bool {
        self.reached().is_some_and(|mark| !self.is_saved(mark))
    }

    fn is_saved(&self, mark: &Mark) -> bool {
        (self.saved.as_ref())
            .is_some_and(|(session, seq)| Arc::ptr_eq(session, &mark.session) && *seq == mark.seq)
    }

    /// Stores how far the stream has the session; `false` where somebody else has stored one.
    async fn save(&mut self) -> bool {
        let Some(mark) = self.reached().cloned() else {
            return true;
        };
        self.save_at = Instant::now() + self.estate.save_every;
        self.store(mark).await
    }

    async fn store(&mut self, mark: Mark) -> bool {
        let Some(wire) = self.wire.clone().filter(|_| self.estate.lease.holds()) else {
            return true;
        };
        let text = entry::write(&mark.session.as_ref().clone().at(mark.seq));
        let mut written = wire.write(&self.key, text.clone(), self.revision).await;
        if written == Written::Conflict {
            // Perhaps by oneself, where the answer was lost; perhaps by nobody who knows what a
            // session is: who takes a shard over writes a good one first.
            written = match wire.read(&self.key).await {
                Ok(found) => {
                    let (found, revision) = found.unwrap_or_default();
                    let is_own = self.unsure.as_deref() == Some(&*found);
                    if !is_own && entry::read_session(&found, P::NAME, self.id).is_some() {
                        return false;
                    }
                    if !is_own {
                        observe::cluster::corrupt(&self.key);
                    }
                    wire.write(&self.key, text.clone(), revision).await
                }
                Err(_) => Written::Unknown,
            };
        }
        match written {
            Written::Done(revision) => {
                self.revision = revision;
                self.unsure = None;
                self.saved = Some((mark.session, mark.seq));
                true
            }
            Written::Conflict => false,
            Written::Unknown => {
                self.unsure = Some(text);
                wire.give_up();
                true
            }
        }
    }

    /// A session whose READY has not come yet cannot be kept, and its identify would be for
    /// nothing: that is waited for, a while.
    async fn wait_for_ready(&mut self) -> Result<(), Error> {
        let mut over = pin!(sleep(self.estate.patience));
        let mut watch = self.shard.watch();
        while watch.status().state == State::AwaitReady && self.window.has_room() {
            tokio::select! {
                () = &mut over => break,
                message = self.shard.next_message() => self.take(message)?,
                _ = watch.changed() => {}
            }
        }
        self.take_more()
    }

    /// Takes nothing any more, waits a while until the stream has what was taken, and stores that.
    async fn stop(mut self) -> Result<(), Error> {
        self.wait_for_ready().await?;
        let mut ending = pin!(self.shard.shutdown(Shutdown::Keep));
        let mut kept = None;
        let mut over = pin!(sleep(self.estate.patience));
        while kept.is_none() || !self.window.is_empty() {
            self.publish().await;
            tokio::select! {
                () = &mut over => break,
                state = &mut ending, if kept.is_none() => kept = Some(state),
                changed = self.wires.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.rewire();
                }
                ack = first(&mut self.acks) => self.heard(&ack),
            }
        }
        let kept = kept.flatten().filter(|_| self.window.is_empty());
        let mark = kept.map(|state| Mark {
            seq: state.seq(),
            session: Arc::new(state),
        });
        if let Some(mark) = mark.or_else(|| self.reached().cloned()) {
            // If it is another's by now, that one knows better.
            let _is_ours = self.store(mark).await;
        }
        Ok(())
    }
}

impl Current {
    fn new(number: u32, state: Option<Arc<ResumeState>>) -> Self {
        let name = state
            .as_ref()
            .map(|state| entry::session_name(state.session_id()));
        // A session that is lost already is resumed by nobody, so nobody publishes it again.
        let name = name
            .or_else(|| lease::fresh_name().ok())
            .unwrap_or_default();
        Self {
            number,
            state,
            name,
        }
    }
}

/// The oldest ack, once it is there.
async fn first(acks: &mut VecDeque<Ack>) -> Result<PublishAck, PublishError> {
    let Some(ack) = acks.front_mut() else {
        return std::future::pending().await;
    };
    let heard = ack.await;
    acks.pop_front();
    heard
}
