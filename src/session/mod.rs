//! What are the rules of the conversation? A state machine that is told the time and never sees a
//! socket. Imports `id`, `secret`, `error`, `limits`, `notice`, `platform`, `codec`; pure.
//!
//! The driver feeds it news ([`Session::handle`], [`Session::handle_timeout`]), and after each
//! drains what it wants done ([`Session::poll_action`]), what it wants sent
//! ([`Session::poll_transmit`]) and when it wants to be called again ([`Session::poll_timeout`]).
//! Time never goes backwards; the same seed and the same news give the same conversation.

mod backoff;
mod chance;
mod conversation;
mod ending;
mod heartbeat;
mod outbox;
mod seen;
mod window;

// Its gateway speaks as Discord does.
#[cfg(test)]
#[cfg(feature = "discord")]
mod simulation;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use self::{
    backoff::{Backoff, QuickBucket},
    chance::Chance,
    heartbeat::{Heartbeat, Pulse},
    outbox::Outbox,
    seen::Seen,
    window::SendWindow,
};
use crate::{
    codec::envelope::Envelope,
    id::ShardId,
    limits::Limits,
    notice::{Cause, Notice},
    platform::{GatewayUrl, Platform},
    secret::Token,
};
pub(crate) use outbox::Command;

/// News for the session.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// The connection that [`Action::Connect`] asked for is open.
    Connected,
    /// The connection that was asked for has no place yet among those that are made at once.
    DialQueued,
    /// It has its place now: its deadline starts.
    DialBegun,
    /// The connection is gone, or could not be made.
    Lost(Lost),
    /// A readable message, borrowed for this call.
    Message(&'a Envelope<'a>),
    /// A message that could not be read; its sequence where it could.
    Garbled { seq: Option<u64> },
    /// The permit that [`Action::RequestPermit`] asked for, with a valid credential.
    Permit(Token),
    /// No credential could be had (token endpoint): try again later, or never.
    PermitRefused {
        fatal: bool,
        retry_after: Option<Duration>,
    },
    /// What the user wants sent; only while [`Session::wants_command`].
    Command(Command),
    /// Reading has paused because the user's buffer is full.
    ReadingPaused,
    /// After a pause, everything that had arrived has been read.
    CaughtUp,
    /// A heartbeat is wanted now, so that its ack tells what had been sent before.
    Beat,
    /// The user wants a new connection.
    Reconnect(Reconnect),
    /// The user wants to end.
    Shutdown(Shutdown),
}

/// How a connection ended, or an attempt to make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The attempt failed: name, TCP, TLS, proxy, or an HTTP answer that is no upgrade.
    Connect {
        status: Option<u16>,
        retry_after: Option<Duration>,
    },
    /// The peer sent a close frame.
    Closed { code: Option<u16> },
    /// End of file, reset, TLS error.
    Cut,
    /// A frame broke RFC 6455.
    BrokenFrame,
    /// A message was longer than the limit, on the wire or inflated.
    TooLong,
    /// Compressed data was broken.
    Compression,
    /// A write made no progress.
    WriteStall,
}

/// What the driver must do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Open a connection, with a fresh decompression context.
    Connect(Endpoint),
    /// Get a credential, and where `identify` is set an identify permit first. With `renew` the
    /// credential must be fetched again even if the cached one still looks valid.
    RequestPermit { identify: bool, renew: bool },
    /// The permit or the credential is not needed any more, asked for or already granted.
    ReturnPermit,
    /// Send a close frame with this code and go on reading until the peer answers.
    Close(u16),
    /// Drop the connection, or the attempt to make one, now.
    Hangup,
    /// Tell the user, in order with the messages.
    Notify(Notice),
    /// The shard has ended; nothing follows.
    Stop(Stop),
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The configured or discovered gateway.
    Base,
    /// Where READY said to resume, as validated.
    Resume(GatewayUrl),
}

/// Why a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The server closed with a code that no reconnect can help.
    Closed(u16),
    /// Credentials were refused too often, the last time with this close code, or for good.
    Credentials { code: Option<u16> },
    /// HTTP 401 or 403 in answer to the upgrade, three times in a row.
    Forbidden,
    /// The user asked for it.
    Shutdown,
}

/// What the user should get of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// An event for the user.
    Deliver { replayed: bool },
    /// The session's own business.
    Internal,
}

/// A deadline's reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    Backoff,
    Close,
    Connect,
    Heartbeat,
    Hello,
    Ready,
    Resumed,
    SendWindow,
    Silence,
}

/// How a user asks for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconnect {
    /// With a new session: the old one is given up.
    Fresh,
    /// With the session that is held, if any.
    Resume,
}

/// How a user ends a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// The session ends as well: the bot goes offline at once (close code 1000).
    End,
    /// The session stays resumable for as long as the platform keeps it (close code 4000).
    Keep,
}

/// A session to resume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) session_id: String,
    pub(crate) seq: u64,
    pub(crate) url: Option<GatewayUrl>,
}

/// What a shard is doing, named by what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// Waiting before the next connect.
    Backoff,
    /// Waiting for the connection, or for its turn to be made
    /// ([`Limits::handshakes_max`](crate::Limits::handshakes_max)).
    AwaitConnection,
    /// Waiting for Hello.
    AwaitHello,
    /// Waiting for an identify permit, or for a credential.
    AwaitPermit,
    /// Waiting for READY.
    AwaitReady,
    /// Waiting for the end of the replay.
    AwaitResumed,
    /// Receiving events.
    Active,
    /// Waiting for the peer to answer our close frame.
    AwaitClose,
    /// Ended.
    Stopped,
}

/// What a session is made from.
#[derive(Clone, Debug)]
pub(crate) struct Setup<P> {
    pub(crate) platform: P,
    pub(crate) shard: ShardId,
    /// The configured places: what a resume url is held against.
    pub(crate) bases: Vec<GatewayUrl>,
    /// The gateway has to be asked for before a connect, which takes a token and an answer more.
    pub(crate) discovers: bool,
    /// A session that has lived for so long is not resumed.
    pub(crate) session_age_max: Option<Duration>,
    /// A message that the platform delivers a second time is dropped.
    pub(crate) drop_repeated: bool,
    pub(crate) limits: Arc<Limits>,
    pub(crate) resume: Option<Resume>,
    /// Of all randomness: jitter of heartbeats and delays.
    pub(crate) seed: u64,
}

/// The state machine of one shard.
#[derive(Debug)]
pub(crate) struct Session<P: Platform> {
    platform: P,
    shard: ShardId,
    bases: Vec<GatewayUrl>,
    discovers: bool,
    /// A session that has lived for so long is not resumed.
    age_max: Option<Duration>,
    limits: Arc<Limits>,
    chance: Chance,

    state: State,
    /// When the state ends by itself. Every state has one but those that wait without bound.
    deadline: Option<(Instant, Timer)>,
    connection: Option<Connection>,
    outbox: Outbox,
    /// Until then half of the send window is left alone.
    slowed_until: Option<Instant>,
    /// The session to resume; its sequence is the *received* cursor.
    held: Option<Resume>,
    /// When the session that is held began, as far as is known here.
    began_at: Instant,
    /// The messages of late, where those that are repeated are dropped.
    seen: Option<Seen>,
    /// Where the last connect went, for what its failure means.
    dialled: Endpoint,
    /// What follows the close handshake.
    after_close: AfterClose,

    backoff: Backoff,
    identify_backoff: Backoff,
    quick: QuickBucket,
    /// There was progress since the last IDENTIFY, or the session came from before a restart.
    proven: bool,
    /// Resumes in a row that were sent and brought no progress.
    failed_resumes: u32,
    /// READYs in a row that did not come in time.
    missed_readys: u32,
    /// Credentials refused in a row.
    refused_credentials: u32,
    /// HTTP 401 or 403 in a row at the base url.
    forbidden: u32,
    /// The next credential must be fetched again.
    renew: bool,

    counters: Counters,
    latency: Option<Duration>,
    actions: VecDeque<Action>,
}

/// What is true of one connection only.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that hold independently of each other"
)]
struct Connection {
    /// Begins with Hello.
    heartbeat: Option<Heartbeat>,
    /// The server asked for a heartbeat before its Hello.
    asked_early: bool,
    window: SendWindow,
    /// When the last complete message came.
    heard_at: Instant,
    /// Reading is paused, or has not yet caught up.
    paused: bool,
    /// IDENTIFY or RESUME, until it is written.
    handshake: Option<Token>,
    /// IDENTIFY or RESUME was written.
    begun: Option<Begun>,
    /// READY or RESUMED came.
    established: bool,
    /// What the server did shows that the session works.
    progress: bool,
    replayed: u64,
    duplicates: Duplicates,
    /// The heartbeats of earlier connections.
    beats_before: u64,
    /// Acks on this connection.
    acks: u64,
}

/// How a connection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    Identify,
    Resume,
}

/// What follows the close handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterClose {
    ConnectAt(Instant),
    Stop(Stop),
}

/// Events whose sequence had been received before, in a row.
#[derive(Clone, Copy, Debug, Default)]
struct Duplicates {
    rising: u32,
    last: u64,
}

/// Resumes in a row without progress after which the session is given up.
const FAILED_RESUMES_MAX: u32 = 3;
/// Refusals of the upgrade by 401 or 403 in a row after which the shard stops.
const FORBIDDEN_MAX: u32 = 3;
/// Rising duplicates in a row that mean that the sequence restarted.
const RISING_MAX: u32 = 3;
/// A token, the answer where the gateway is, and the connection: each has its own deadline, and
/// none may cut the next one short.
const DISCOVERY_STEPS: u32 = 3;
/// The close code that keeps the session; any but 1000 and 1001 does.
const CLOSE_KEEP: u16 = 4000;
/// The close code that ends the session.
const CLOSE_END: u16 = 1000;

impl<P: Platform> Session<P> {
    /// A session that asks to connect at its first [`poll_action`](Self::poll_action).
    pub(crate) fn new(setup: Setup<P>, now: Instant) -> Self {
        let limits = setup.limits;
        let mut session = Self {
            platform: setup.platform,
            shard: setup.shard,
            bases: setup.bases,
            discovers: setup.discovers,
            age_max: setup.session_age_max,
            chance: Chance::new(setup.seed),
            state: State::Backoff,
            deadline: None,
            connection: None,
            outbox: Outbox::new(P::LATEST_WINS),
            slowed_until: None,
            held: setup.resume,
            began_at: now,
            seen: setup.drop_repeated.then(Seen::default),
            dialled: Endpoint::Base,
            after_close: AfterClose::ConnectAt(now),
            backoff: Backoff::new(limits.backoff, limits.backoff_max),
            identify_backoff: Backoff::new(limits.identify_backoff, limits.identify_backoff_max),
            quick: QuickBucket::new(now),
            proven: true,
            failed_resumes: 0,
            missed_readys: 0,
            refused_credentials: 0,
            forbidden: 0,
            renew: false,
            counters: Counters::default(),
            latency: None,
            actions: VecDeque::new(),
            limits,
        };
        session.connect(now);
        session
    }

    /// Takes news. Never fails: bad input is a transition.
    pub(crate) fn handle(&mut self, now: Instant, input: Input<'_>) -> Verdict {
        if self.state == State::Stopped {
            return Verdict::Internal;
        }
        match input {
            Input::Connected => self.connected(now),
            Input::DialQueued => {
                if self.state == State::AwaitConnection {
                    // No deadline: those before it have theirs.
                    self.deadline = None;
                }
            }
            Input::DialBegun => {
                if self.state == State::AwaitConnection {
                    self.await_connection(now);
                }
            }
            Input::Lost(lost) => self.lost(now, lost),
            Input::Message(message) => return self.message(now, message),
            Input::Garbled { seq } => self.garbled(now, seq),
            Input::Permit(token) => self.permit(now, token),
            Input::PermitRefused { fatal, retry_after } => {
                self.permit_refused(now, fatal, retry_after);
            }
            Input::Command(command) => self.outbox.put(command),
            Input::ReadingPaused => {
                if let Some(connection) = &mut self.connection {
                    connection.paused = true;
                    if self.state == State::AwaitResumed {
                        // The replay stands still because of us; `caught_up` sets it anew.
                        self.deadline = None;
                    }
                }
            }
            Input::CaughtUp => self.caught_up(now),
            Input::Beat => self.beat(now),
            Input::Reconnect(how) => self.reconnect(now, how),
            Input::Shutdown(how) => self.shutdown(now, how),
        }
        Verdict::Internal
    }

    /// Tells that time has passed. A call before the deadline does nothing.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some((at, timer)) = self.deadline
            && at <= now
        {
            self.deadline = None;
            match timer {
                Timer::Backoff => self.connect(now),
                Timer::Connect => {
                    self.actions.push_back(Action::Hangup);
                    self.connect_failed(now, None, None);
                }
                Timer::Close => {
                    self.actions.push_back(Action::Hangup);
                    self.closed(now);
                }
                Timer::Hello => self.end(now, Cause::NoHello),
                Timer::Ready => {
                    let missed = u32::from(!planted!(ReadyDeadlineNotDoubled));
                    self.missed_readys = self.missed_readys.saturating_add(missed);
                    self.end(now, Cause::NoReady);
                }
                Timer::Resumed => self.end(now, Cause::NoResumed),
                // These are the connection's, below.
                Timer::Heartbeat | Timer::SendWindow | Timer::Silence => {}
            }
        }
        let silent = self.silence_at().is_some_and(|at| at <= now);
        if let Some(connection) = self.beating_mut() {
            let paused = connection.paused;
            let pulse = connection
                .heartbeat
                .as_mut()
                .map_or(Pulse::Quiet, |heart| heart.handle_timeout(now, paused));
            if pulse == Pulse::Dead {
                self.end(now, Cause::MissingAck);
            } else if silent {
                self.end(now, Cause::Silence);
            }
        }
    }

    /// What to do next, until `None`. Drain after every `handle_*`.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Writes the next payload to send into `out`, which is cleared first; `false` when there is
    /// none. Call when the socket has room; drain like actions.
    pub(crate) fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        out.clear();
        let reserve = self.beats_in_window(self.limits.sends_max);
        let begun = match self.held {
            Some(_) => Begun::Resume,
            None => Begun::Identify,
        };
        let Some(connection) = self.open_mut() else {
            return false;
        };
        let beat = match &connection.heartbeat {
            Some(heart) if heart.is_due() => true,
            Some(heart) if heart.is_asked() => connection.window.has_room(now, reserve),
            Some(_) => false,
            None => connection.asked_early,
        };
        if beat {
            connection.asked_early = false;
            if !planted!(HeartbeatsNotCounted) {
                connection.window.book(now);
            }
            if let Some(heart) = &mut connection.heartbeat {
                heart.sent(now);
            }
            self.counters.heartbeats += 1;
            write_heartbeat(self.held.as_ref().map(|held| held.seq), out);
            return true;
        }
        if let Some(token) = connection.handshake.take() {
            connection.window.book(now);
            connection.begun = Some(begun);
            if let Some(held) = &self.held {
                self.counters.resumes += 1;
                self.platform
                    .write_resume(&token, &held.session_id, held.seq, out);
            } else {
                self.proven = false;
                self.counters.identifies += 1;
                self.platform.write_identify(&token, self.shard, out);
            }
            return true;
        }
        self.transmit_command(now, out)
    }

    /// The next deadline and its reason. `None` only where waiting has no bound.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Option<(Instant, Timer)> {
        let heartbeat = self
            .beating()
            .map(|heart| (heart.deadline(), Timer::Heartbeat));
        let silence = self.silence_at().map(|at| (at, Timer::Silence));
        let window = self.room_at(now).map(|at| (at, Timer::SendWindow));
        [self.deadline, heartbeat, silence, window]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether a command would be sent now: the driver takes one from the user's queue.
    pub(crate) fn wants_command(&mut self, now: Instant) -> bool {
        let kept_free = self.kept_free(now);
        let room = |connection: &mut Connection| connection.window.has_room(now, kept_free);
        self.takes_commands()
            && self.outbox.wants_command(now)
            && self.connection.as_mut().is_some_and(room)
    }

    /// What the shard waits for.
    pub(crate) const fn state(&self) -> State {
        self.state
    }

    /// The session that is held; its sequence is the *received* cursor.
    pub(crate) const fn resume(&self) -> Option<&Resume> {
        self.held.as_ref()
    }

    /// Counters since the shard began.
    pub(crate) const fn counters(&self) -> Counters {
        self.counters
    }

    /// The time from the last acknowledged heartbeat to its ack.
    pub(crate) const fn latency(&self) -> Option<Duration> {
        self.latency
    }

    /// How many of the shard's heartbeats are behind us: the newest that was acked, with all
    /// before it, as [`Counters::heartbeats`] counts. Acks come in the order of the heartbeats,
    /// and what the server had sent before an ack was received before it. Nothing while no session
    /// is live, for a replay may follow.
    pub(crate) fn acked_beats(&self) -> Option<u64> {
        let connection = self.open().filter(|_| self.state == State::Active)?;
        let acked = (connection.acks > 0).then(|| connection.beats_before + connection.acks)?;
        Some(acked.min(self.counters.heartbeats))
    }

    /// The heartbeat interval of the current connection.
    pub(crate) fn heartbeat_interval(&self) -> Option<Duration> {
        self.beating().map(Heartbeat::interval)
    }

    fn transmit_command(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let kept_free = self.kept_free(now);
        if self.takes_commands()
            && let Some(connection) = &mut self.connection
            && connection.window.has_room(now, kept_free)
            && let Some(payload) = self.outbox.take(now, P::sets_state)
        {
            connection.window.book(now);
            self.counters.commands += 1;
            *out = payload;
            return true;
        }
        false
    }

    fn wait(&mut self, state: State, at: Instant, timer: Timer) {
        self.state = state;
        self.deadline = Some((at, timer));
    }

    fn connect(&mut self, now: Instant) {
        self.dialled = self
            .held
            .as_ref()
            .and_then(|held| held.url.clone())
            .map_or(Endpoint::Base, Endpoint::Resume);
        self.actions
            .push_back(Action::Connect(self.dialled.clone()));
        self.await_connection(now);
    }

    fn await_connection(&mut self, now: Instant) {
        let steps = match self.dialled {
            Endpoint::Base if self.discovers => DISCOVERY_STEPS,
            _ => 1,
        };
        let until = now + self.limits.connect * steps;
        self.wait(State::AwaitConnection, until, Timer::Connect);
    }

    /// The connection, unless we are closing it.
    fn open(&self) -> Option<&Connection> {
        self.connection
            .as_ref()
            .filter(|_| self.state != State::AwaitClose)
    }

    fn open_mut(&mut self) -> Option<&mut Connection> {
        let closing = self.state == State::AwaitClose;
        self.connection.as_mut().filter(|_| !closing)
    }

    fn beating(&self) -> Option<&Heartbeat> {
        self.open()?.heartbeat.as_ref()
    }

    fn beating_mut(&mut self) -> Option<&mut Connection> {
        self.open_mut()
            .filter(|connection| connection.heartbeat.is_some())
    }

    fn silence_at(&self) -> Option<Instant> {
        let interval = self.beating()?.interval();
        let connection = self.open().filter(|connection| !connection.paused)?;
        let beats = if planted!(SilenceHeardLate) { 2 } else { 1 };
        Some(connection.heard_at + interval * beats + self.limits.silence_margin)
    }

    /// Whether a session is live that the user's commands may go to.
    fn takes_commands(&self) -> bool {
        let early = planted!(CommandsInReplay) && self.state == State::AwaitResumed;
        self.state == State::Active || early
    }

    /// When something that waits for the send window may be sent.
    fn room_at(&self, now: Instant) -> Option<Instant> {
        let window = &self.open()?.window;
        let command = self.takes_commands().then(|| self.command_at(window, now));
        let all = self.limits.sends_max;
        let asked = self
            .beating()?
            .is_asked()
            .then(|| self.beats_in_window(all));
        let asked = asked.and_then(|reserve| window.room_at(now, reserve));
        command.flatten().into_iter().chain(asked).min()
    }

    /// When a command may be sent that cannot be now.
    fn command_at(&self, window: &SendWindow, now: Instant) -> Option<Instant> {
        let slowed = self.slowed_until.filter(|until| *until > now);
        match window.room_at(now, self.kept_free(now)) {
            Some(room) => Some(slowed.map_or(room, |until| until.min(room))),
            // There is room, or with so little of the window none will ever be.
            None => self.outbox.room_at(now).into_iter().chain(slowed).min(),
        }
    }

    /// How many scheduled heartbeats fall into one send window that takes `sends_max`.
    fn beats_in_window(&self, sends_max: usize) -> usize {
        let Some(interval) = self.heartbeat_interval() else {
            return 0;
        };
        let window = self.limits.send_window.as_nanos();
        let beats = window.div_ceil(interval.as_nanos().max(1)) + 1;
        // With intervals that only tests use, a tenth of the window is left for the rest.
        usize::try_from(beats).map_or(sends_max, |beats| beats.min(sends_max - sends_max / 10))
    }

    /// Places of the send window that commands leave free: for the scheduled heartbeats, for one
    /// that the server asks for, and after it complained half of all.
    fn kept_free(&self, now: Instant) -> usize {
        if planted!(NoRoomForHeartbeats) {
            return 0;
        }
        let all = self.limits.sends_max;
        let slowed = self.slowed_until.is_some_and(|until| now < until);
        let used = if slowed { all.div_ceil(2) } else { all };
        all - used + self.beats_in_window(used) + 1
    }
}

fn write_heartbeat(seq: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"op\":1,\"d\":");
    match seq {
        Some(seq) => out.extend_from_slice(seq.to_string().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

/// What a shard has counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections opened.
    pub connects: u64,
    /// IDENTIFYs sent.
    pub identifies: u64,
    /// RESUMEs sent.
    pub resumes: u64,
    /// Heartbeats sent.
    pub heartbeats: u64,
    /// Heartbeat acks received.
    pub acks: u64,
    /// Events received, without duplicates.
    pub events: u64,
    /// Events dropped because their sequence had been received before.
    pub duplicates: u64,
    /// Events dropped because their message had been received before
    /// ([`ConfigBuilder::drop_repeated`](crate::ConfigBuilder::drop_repeated)).
    pub repeated: u64,
    /// Messages that could not be read.
    pub garbled: u64,
    /// Commands of the user sent, and states of theirs that a new session was told again.
    pub commands: u64,
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        // A field that is added is named here, or this does not compile.
        let Self {
            connects,
            identifies,
            resumes,
            heartbeats,
            acks,
            events,
            duplicates,
            repeated,
            garbled,
            commands,
        } = other;
        self.connects += connects;
        self.identifies += identifies;
        self.resumes += resumes;
        self.heartbeats += heartbeats;
        self.acks += acks;
        self.events += events;
        self.duplicates += duplicates;
        self.repeated += repeated;
        self.garbled += garbled;
        self.commands += commands;
    }
}
