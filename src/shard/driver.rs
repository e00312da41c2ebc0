//! Who moves the bytes? A task of its own for each shard, so that the heart beats while the
//! user is busy.
//!
//! It decides nothing: it feeds the session with news and carries out what the session asks. One
//! hand-written poll loop; what it waits for is the socket, one timer, the dial, the permit, the
//! commands, and space in the hand-over.
//!
//! Two rules keep a live link from being taken for dead. A deadline is judged only when the timer
//! of the runtime has fired (the runtime looks at its sockets first), and only after the socket
//! has been read until it had nothing more. So an ack that arrived while the process was suspended
//! or the runtime was busy is always seen before the question is asked.

mod dial;
mod permit;
mod read;

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{AbortHandle, unconstrained, yield_now},
    time::{Sleep, sleep_until},
};
use tracing::Instrument;
use zeroize::Zeroize;

use self::permit::HeldBack;
use super::{
    batch::Cursor,
    handover::Writer,
    handshakes::Place,
    link::{Grant, Link},
    sender::Queued,
    shared::{Held, Shared},
    status::{Degraded, Health, Latency, Status},
    tape::Taped,
};
use crate::{
    config::Config,
    error::{Error, ErrorKind},
    notice::{Cause, Notice},
    observe::{self, Measure, Meter},
    platform::Platform,
    session::{Action, Input, Lost, Session, Setup, Shutdown, State, Stop, Timer},
};

/// Turns in one poll, before other tasks get their chance: with the messages of one turn, about a
/// tenth of a millisecond of work.
const TURNS_MAX: usize = 2;
/// Commands taken in one turn.
const COMMANDS_MAX: usize = 16;
/// So many messages are read at most before a deadline that is due is judged. A firehose must not
/// hold a heartbeat back.
const JUDGE_AFTER: usize = 4096;
/// A user is told of slowness at most this often.
const SLOW_NOTICE_EVERY: Duration = Duration::from_mins(1);
/// An idle socket gives its buffers back after so long: not between the events of a bot that has
/// some every second.
const REST_AFTER: Duration = Duration::from_secs(1);
/// Whether anybody takes events is looked at so many times within the limit.
const UNPOLLED_LOOKS: u32 = 32;

/// The task of one shard.
#[derive(Debug)]
pub(super) struct Driver<P: Platform> {
    shared: Arc<Shared<P>>,
    session: Session<P>,
    writer: Writer,
    commands: mpsc::Receiver<Queued>,
    link: Link,
    /// Among those that connect at once, until the server's Hello was answered.
    place: Option<Place>,
    grant: Grant,
    /// How far the session's events have come, with its number.
    cursor: Cursor,
    session_id: Option<Arc<str>>,
    reading: Reading,
    /// The socket had nothing more when it was last asked.
    dry: bool,
    /// The session asked for something in this turn.
    acted: bool,
    /// A tap is filling up: other tasks should have their turn.
    crowded: bool,
    timer: Wake,
    /// The deadline that is being judged, for what its actions mean.
    judging: Option<Timer>,
    unpolled: Unpolled,
    rest: Rest,
    slow: Slow,
    held_back: HeldBack,
    stop: Option<Error>,
    /// What the user is told when the session stops for want of a credential.
    refusal: Option<Error>,
    out: Vec<u8>,
    shown: Shown,
    mark: Option<PendingMark>,
    meter: Meter,
    /// Since when it is waited for a permit to identify.
    asked: Option<Instant>,
}

/// A mark that was asked for: it is reached with the ack of a heartbeat that was sent after that.
#[derive(Clone, Copy, Debug)]
struct PendingMark {
    ticket: u64,
    /// So many heartbeats had been sent.
    beats: u64,
    /// The connection on which a heartbeat was asked for, as the count of them.
    asked_on: Option<u64>,
}

/// Whether the socket is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Open,
    /// The hand-over is full.
    Paused,
    /// There is space again, and what had arrived meanwhile is not all read.
    CatchingUp,
}

/// The one timer.
#[derive(Debug, Default)]
struct Wake {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
    fired: bool,
    /// Messages read since it fired.
    read_since: usize,
}

/// Whether anybody takes the events.
#[derive(Debug, Default)]
struct Unpolled {
    next_look: Option<Instant>,
    taken: u64,
    /// When `taken` was first seen.
    since: Option<Instant>,
    degraded: bool,
}

/// When the socket's buffers are given back.
#[derive(Debug, Default)]
struct Rest {
    next_look: Option<Instant>,
    /// Something has come since that was set.
    heard: bool,
}

/// What the user was told of slowness.
#[derive(Debug, Default)]
struct Slow {
    since: Option<Instant>,
    told_at: Option<Instant>,
    /// The user waits to hear that reading goes on.
    announced: bool,
}

/// What the status is made from, beside the session.
#[derive(Debug)]
struct Shown {
    state: State,
    latency: Latency,
    acks: u64,
    bytes_in: u64,
    bytes_out: u64,
    connected_since: Option<Instant>,
    /// The time of the connections before this one.
    connected_before: Duration,
    heartbeats: u64,
    last_heartbeat: Option<Instant>,
    last_ack: Option<Instant>,
    state_since: Instant,
    state_changes: u64,
    /// Since when no session has been live.
    down_since: Option<Instant>,
    last_disconnect: Option<Cause>,
}

/// The runtime's clock: it stands still where a test has paused it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<P: Platform> Driver<P> {
    /// Starts the task.
    pub(super) fn spawn(
        runtime: &Handle,
        shared: Arc<Shared<P>>,
        commands: mpsc::Receiver<Queued>,
    ) -> AbortHandle {
        let span = shared.span().clone();
        // Made here and not in the task: one that is dropped before its first poll ends, too.
        let driver = Self::new(shared, commands);
        // Bounded by its own turns. Under tokio's budget a socket with data says that it has
        // none, and then a deadline would be judged unheard.
        let task = unconstrained(driver).instrument(span);
        runtime.spawn(task).abort_handle()
    }

    fn new(shared: Arc<Shared<P>>, commands: mpsc::Receiver<Queued>) -> Self {
        let config = &shared.config;
        let now = now();
        let (cursor, resume) = shared.begin();
        let session_id = resume.as_ref().map(|held| held.session_id.as_str().into());
        if let Some(held) = &resume {
            shared.tape.hide(&held.session_id.as_str().into());
        }
        let setup = Setup {
            platform: config.platform().clone(),
            shard: shared.id,
            bases: config.bases(),
            discovers: config.discovers(),
            session_age_max: config.session_age_max(),
            drop_repeated: config.drop_repeated(),
            limits: Arc::clone(config.connector().limits()),
            resume,
            seed: fastrand::u64(..),
        };
        Self {
            session: Session::new(setup, now),
            writer: shared.handover.writer(),
            commands,
            link: Link::None,
            place: None,
            grant: Grant::None,
            cursor,
            session_id,
            reading: Reading::Open,
            dry: true,
            acted: false,
            crowded: false,
            timer: Wake::default(),
            judging: None,
            unpolled: Unpolled::default(),
            rest: Rest::default(),
            slow: Slow::default(),
            held_back: HeldBack::default(),
            stop: None,
            refusal: None,
            out: Vec::new(),
            shown: Shown {
                state: State::Backoff,
                latency: Latency::default(),
                acks: 0,
                bytes_in: 0,
                bytes_out: 0,
                connected_since: None,
                connected_before: Duration::ZERO,
                heartbeats: 0,
                last_heartbeat: None,
                last_ack: None,
                state_since: now,
                state_changes: 0,
                down_since: Some(now),
                last_disconnect: None,
            },
            mark: None,
            meter: Meter::new(P::NAME, shared.id),
            asked: None,
            shared,
        }
    }

    fn config(&self) -> &Config<P> {
        &self.shared.config
    }

    /// Does what can be done without waiting; `true` when there may be more.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        let now = now();
        // Only what fired before the socket is read below may be judged after it.
        let judge = self.timer.fired;
        self.acted = false;
        self.take_requests(now);
        self.act(now);
        self.poll_grant(cx, now);
        self.poll_dial(cx, now);
        let mut more = self.read(cx, now);
        more |= self.take_commands(cx, now);
        if judge {
            self.judge();
            more = true;
        }
        self.ask_mark(now);
        self.flush(cx, now);
        self.follow();
        if let Some(why) = self.shared.tape.torn() {
            self.tell(Notice::RecordingEnded { why });
        }
        // First: who takes an event may ask at once, on another thread, what it has changed.
        self.show();
        if self.writer.publish(self.cursor) {
            self.watch_user(now);
        }
        self.reach_mark();
        self.watch_socket(now);
        more |= self.arm(cx, now);
        more || self.acted
    }

    fn take_requests(&mut self, now: Instant) {
        let requests = self.shared.take_requests();
        if let Some(how) = requests.reconnect {
            let _internal = self.session.handle(now, Input::Reconnect(how));
            self.act(now);
        }
        if let Some(how) = requests.shutdown {
            if how == Shutdown::Keep {
                self.writer.discard();
            }
            let _internal = self.session.handle(now, Input::Shutdown(how));
        }
        if let Some(ticket) = requests.mark {
            self.mark = Some(PendingMark {
                ticket,
                beats: self.session.counters().heartbeats,
                asked_on: None,
            });
        }
    }

    /// Has a heartbeat sent for a mark: one on each connection, where a session is live.
    fn ask_mark(&mut self, now: Instant) {
        let connects = self.session.counters().connects;
        if let Some(mark) = &mut self.mark
            && self.session.state() == State::Active
            && mark.asked_on != Some(connects)
        {
            mark.asked_on = Some(connects);
            let _internal = self.session.handle(now, Input::Beat);
        }
    }

    /// After publishing: what was received up to the ack can be taken by now.
    fn reach_mark(&mut self) {
        if let Some(mark) = self.mark
            && (self.session.acked_beats()).is_some_and(|acked| acked > mark.beats)
        {
            self.mark = None;
            self.shared.handover.reach(mark.ticket, self.cursor);
        }
    }

    /// Carries out what the session asks.
    fn act(&mut self, now: Instant) {
        while let Some(action) = self.session.poll_action() {
            self.acted = true;
            match action {
                Action::Connect(endpoint) => self.dial(now, endpoint),
                Action::RequestPermit { identify, renew } => self.ask(now, identify, renew),
                Action::ReturnPermit => self.return_permit(),
                Action::Close(code) => {
                    if let Some(open) = self.link.opened() {
                        open.socket.start_close(code);
                    }
                }
                Action::Hangup => self.hang_up(),
                Action::Notify(notice) => self.tell(notice),
                Action::Stop(stop) => self.stop_for(stop),
            }
        }
        let state = self.session.state();
        if state != self.shown.state {
            observe::state(&state);
            self.meter.take(&Measure::State(state));
            self.shown.state = state;
            self.shown.state_since = now;
            self.shown.state_changes += 1;
            if state == State::Active {
                self.shown.down_since = None;
            } else {
                self.shown.down_since.get_or_insert(now);
            }
        }
    }

    fn close_link(&mut self) {
        let (bytes_in, bytes_out) = self.link.traffic();
        self.shown.bytes_in += bytes_in;
        self.shown.bytes_out += bytes_out;
        if let Some(since) = self.shown.connected_since.take() {
            self.shown.connected_before += now().saturating_duration_since(since);
        }
        self.link = Link::None;
        self.place = None;
        self.reading = Reading::Open;
        self.slow.since = None;
        // An IDENTIFY that was being written may have arrived.
        self.grant.sent();
    }

    fn tell(&mut self, notice: Notice) {
        observe::notice(&notice);
        self.meter.take(&Measure::Notice(&notice));
        if let Notice::Disconnected { cause, .. } = &notice {
            self.shown.last_disconnect = Some(cause.clone());
            let cause = cause.clone();
            self.shared.tape.put(now(), || Taped::Ended(cause));
        }
        if self.shared.wants_notices() {
            self.writer.notify(notice, self.cursor);
        }
    }

    fn stop_for(&mut self, stop: Stop) {
        if let Stop::Closed(code) = stop {
            self.shown.last_disconnect = Some(Cause::Closed { code: Some(code) });
            self.meter.take(&Measure::Refused);
        }
        let error = match (stop, self.refusal.take()) {
            (Stop::Credentials { .. }, Some(refusal)) => refusal,
            (stop, _) => stop_error::<P>(stop),
        };
        self.stop.get_or_insert(error);
    }

    /// Takes commands while the session would send one; `true` when more may wait.
    fn take_commands(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        for _ in 0..COMMANDS_MAX {
            if !self.session.wants_command(now) {
                return false;
            }
            let Poll::Ready(Some(queued)) = self.commands.poll_recv(cx) else {
                return false;
            };
            let _internal = self.session.handle(now, Input::Command(queued.take()));
            self.flush(cx, now);
        }
        true
    }

    /// Sends what the session has to send, as far as the socket takes it.
    fn flush(&mut self, cx: &mut Context<'_>, now: Instant) {
        loop {
            let Some(open) = self.link.opened() else {
                return;
            };
            let could_send = open.socket.can_send();
            if could_send {
                let before = self.session.counters();
                if self.session.poll_transmit(now, &mut self.out) {
                    open.socket.send_text(&self.out);
                    observe::sent(self.out.len());
                    let after = self.session.counters();
                    self.sent_handshake(
                        after.identifies > before.identifies,
                        after.resumes > before.resumes,
                    );
                    continue;
                }
            }
            match open.socket.poll_flush(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if could_send => {
                    self.grant.sent();
                    return;
                }
                // What was written made room for what waits, if anything does.
                Poll::Ready(Ok(())) if open.socket.can_send() => self.grant.sent(),
                Poll::Ready(Ok(())) => return,
                Poll::Ready(Err(error)) => {
                    // All others show on the read side, behind what the server still said.
                    if error.kind() == std::io::ErrorKind::TimedOut {
                        self.lost(now, Lost::WriteStall);
                    }
                    return;
                }
            }
        }
    }

    fn sent_handshake(&mut self, identify: bool, resume: bool) {
        if identify {
            observe::identify();
        } else if resume {
            observe::resume(self.session.resume().map(|held| held.seq));
        } else {
            return;
        }
        self.grant.send();
        // It held the token, and nothing as long follows.
        self.out.zeroize();
        self.out = Vec::new();
    }

    /// The connection is gone.
    fn lost(&mut self, now: Instant, lost: Lost) {
        self.close_link();
        let _internal = self.session.handle(now, Input::Lost(lost));
        self.act(now);
    }

    /// Judges the deadlines that are due, unless the socket may still hold an answer.
    fn judge(&mut self) {
        if !self.dry && self.timer.read_since < JUDGE_AFTER {
            return;
        }
        let now = now();
        self.timer.fired = false;
        self.timer.armed = None;
        self.look_at_user(now);
        self.look_at_queue(now);
        self.look_at_socket(now);
        // Each call deals with all that is due; what that makes due at once waits for the next.
        if let Some((at, timer)) = self.session.poll_timeout(now)
            && at <= now
        {
            self.judging = Some(timer);
            self.session.handle_timeout(now);
            self.act(now);
            self.judging = None;
        }
    }

    /// Sets the timer to the next deadline; `true` when it has fired.
    fn arm(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let session = self.session.poll_timeout(now).map(|(at, _)| at);
        let looks = [
            self.unpolled.next_look,
            self.held_back.next_look,
            self.rest.next_look,
        ];
        let next = looks.into_iter().chain([session]).flatten().min();
        let timer = &mut self.timer;
        if next != timer.armed {
            timer.armed = next;
            timer.fired = false;
            if let Some(at) = next {
                let at = at.into();
                match &mut timer.sleep {
                    Some(sleep) => sleep.as_mut().reset(at),
                    none @ None => *none = Some(Box::pin(sleep_until(at))),
                }
            }
        }
        let (Some(_), Some(sleep)) = (timer.armed, &mut timer.sleep) else {
            return false;
        };
        if !timer.fired && sleep.as_mut().poll(cx).is_ready() {
            timer.fired = true;
            timer.read_since = 0;
        }
        timer.fired
    }

    /// Keeps up with the session: which it is, and how far its events have come.
    fn follow(&mut self) {
        let Some(held) = self.session.resume() else {
            if self.session_id.take().is_some() {
                self.shared.hold(None);
            }
            return;
        };
        let known = self.session_id.as_deref() == Some(held.session_id.as_str());
        if !known || held.seq < self.cursor.seq {
            self.cursor.session += 1;
            self.session_id = Some(held.session_id.as_str().into());
            self.shared.tape.hide(&held.session_id.as_str().into());
            self.shared.hold(Some(Held {
                resume: held.clone(),
                session: self.cursor.session,
                begins: held.seq,
            }));
        }
        self.cursor.seq = held.seq;
    }

    /// Gives the socket's buffers back when nothing has come for a while. Asked when nothing more
    /// is to be read.
    fn look_at_socket(&mut self, now: Instant) {
        if self.rest.next_look.is_none_or(|at| at > now) {
            return;
        }
        self.rest.next_look = None;
        if let (false, Some(open)) = (self.rest.heard, self.link.opened()) {
            open.socket.rest();
        }
    }

    /// Begins to look whether the socket is idle.
    fn watch_socket(&mut self, now: Instant) {
        let is_roused = self
            .link
            .opened()
            .is_some_and(|open| open.socket.is_roused());
        if is_roused && self.rest.next_look.is_none() {
            self.rest = Rest {
                next_look: Some(now + REST_AFTER),
                heard: false,
            };
        }
    }

    /// Begins to look whether anybody takes what was given.
    fn watch_user(&mut self, now: Instant) {
        if self.unpolled.next_look.is_none() {
            let patience = self.config().limits().unpolled;
            self.unpolled.next_look = Some(now + patience / UNPOLLED_LOOKS);
            self.unpolled.taken = self.shared.handover.progress().0;
            self.unpolled.since = Some(now);
        }
    }

    fn look_at_user(&mut self, now: Instant) {
        if self.unpolled.next_look.is_none_or(|at| at > now) {
            return;
        }
        let patience = self.config().limits().unpolled;
        let (taken, waiting) = self.shared.handover.progress();
        let unpolled = &mut self.unpolled;
        if !waiting {
            *unpolled = Unpolled::default();
            return;
        }
        unpolled.next_look = Some(now + patience / UNPOLLED_LOOKS);
        match unpolled.since {
            Some(since) if unpolled.taken == taken => {
                if !unpolled.degraded && now.duration_since(since) >= patience {
                    unpolled.degraded = true;
                    observe::unpolled(self.writer.load().events);
                }
            }
            _ => {
                unpolled.taken = taken;
                unpolled.since = Some(now);
                unpolled.degraded = false;
            }
        }
    }

    fn health(&self) -> Health {
        let unpolled = self.unpolled.since.filter(|_| self.unpolled.degraded);
        let (since, why) = match (self.shown.down_since, unpolled, self.slow.since) {
            (Some(since), _, _) if self.held_back.is_told() => (since, Degraded::IdentifyHeldBack),
            (Some(since), _, _) => (since, Degraded::Disconnected),
            (None, Some(since), _) => (since, Degraded::Unpolled),
            (None, None, Some(since)) => (since, Degraded::SlowConsumer),
            (None, None, None) => return Health::Ready,
        };
        Health::Degraded { since, why }
    }

    fn show(&mut self) {
        let counters = self.session.counters();
        if counters.acks > self.shown.acks {
            self.shown.acks = counters.acks;
            self.shown.last_ack = Some(now());
            if let Some(latency) = self.session.latency() {
                self.shown.latency.add(latency);
                self.meter.take(&Measure::Latency(latency));
            }
        }
        if counters.heartbeats > self.shown.heartbeats {
            self.shown.heartbeats = counters.heartbeats;
            self.shown.last_heartbeat = Some(now());
        }
        let (bytes_in, bytes_out) = self.link.traffic();
        let bytes = (
            self.shown.bytes_in + bytes_in,
            self.shown.bytes_out + bytes_out,
        );
        let health = self.health();
        if observe::METERED {
            self.meter.take(&Measure::Counted {
                counters,
                bytes,
                buffered: self.writer.load().events,
                ready: health.is_ready(),
            });
        }
        self.shared.show(Status {
            state: self.shown.state,
            health,
            latency: self.shown.latency,
            seq_received: self.session.resume().map(|held| held.seq),
            // These are read where the status is asked for.
            seq_taken: None,
            buffered_events: 0,
            buffered_bytes: 0,
            session_id: self.session_id.clone(),
            counters,
            bytes_in: bytes.0,
            bytes_out: bytes.1,
            connected_since: self.shown.connected_since,
            // What this connection adds is read where the status is asked for.
            connected_for: self.shown.connected_before,
            last_heartbeat: self.shown.last_heartbeat,
            last_ack: self.shown.last_ack,
            state_since: self.shown.state_since,
            state_changes: self.shown.state_changes,
            last_disconnect: self.shown.last_disconnect.clone(),
        });
    }
}

/// What the user is told when the session stops.
fn stop_error<P: Platform>(stop: Stop) -> Error {
    match stop {
        Stop::Closed(code) => {
            let meaning = P::close_row(code).map_or("no reconnect can help", |row| row.meaning);
            let message = format!("the server closed with code {code}: {meaning}");
            Error::new(ErrorKind::Refused, message).with_close_code(code)
        }
        Stop::Credentials { code } => {
            let how = code.map_or_else(String::new, |code| format!(", at last with code {code}"));
            let advice = P::REFUSED_ADVICE;
            let message =
                format!("the server refused the credentials again and again{how}: {advice}");
            let error = Error::new(ErrorKind::Credentials, message);
            match code {
                Some(code) => error.with_close_code(code),
                None => error,
            }
        }
        Stop::Forbidden => Error::new(
            ErrorKind::Refused,
            "the gateway, or the API that tells where it is, answered HTTP 401 or 403 three \
             times in a row: check the urls and the credentials, and whether this network may \
             reach it",
        ),
        Stop::Shutdown => Error::new(ErrorKind::Shutdown, "the shard was shut down on request"),
    }
}

impl<P: Platform> Future for Driver<P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.shared.handover.driver_waker().register(cx.waker());
        for _ in 0..TURNS_MAX {
            let more = this.turn(cx);
            if let Some(error) = this.stop.take() {
                observe::ended(&error);
                this.meter.take(&Measure::Ended(error.kind()));
                this.shared.finish(&error);
                return Poll::Ready(());
            }
            if !more {
                this.leave_place();
                return Poll::Pending;
            }
            if this.crowded {
                this.crowded = false;
                break;
            }
        }
        this.leave_place();
        // The runtime polls this task again when all others had their turn. Woken at once, it would
        // come before the user on a runtime of one thread, time after time, until the hand-over is
        // full: then all that was read has left the caches when it is decoded.
        let _not_yet = pin!(yield_now()).poll(cx);
        Poll::Pending
    }
}

impl<P: Platform> Drop for Driver<P> {
    /// However the task ends (the shard was dropped, the runtime went away, a filter of the user
    /// panicked), nobody waits for ever.
    fn drop(&mut self) {
        self.grant.give_back();
        self.writer.publish(self.cursor);
        let why = if std::thread::panicking() {
            "the task of the shard panicked"
        } else {
            "the task of the shard was ended, with the shard or with its runtime"
        };
        self.shared.finish(&Error::new(ErrorKind::Shutdown, why));
    }
}
