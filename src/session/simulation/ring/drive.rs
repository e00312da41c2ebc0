//! What does the session want? Its actions carried out, its payloads sent, its deadlines kept; and
//! what must be true after each.

use std::time::{Duration, Instant};

use super::{
    client::{Common, Grant, Outage, Outcome, Reading, Shard, Spoken},
    oracle::{Found, Item, is_fatal},
    server::{Packet, Sent, What},
};
use crate::{
    codec::envelope::Envelope,
    notice::{Cause, Notice},
    session::{
        Action, Command, Endpoint, Input, Lost, Session, Shutdown, State, Stop, Timer, Verdict,
    },
};

const MINUTE: Duration = Duration::from_mins(1);
/// A dead link is found within the interval and so much.
const MARGIN: Duration = Duration::from_secs(8);
/// A session that asks for more than so much at one moment spins.
const TURNS_MAX: usize = 4096;

impl<P: Spoken> Shard<P> {
    /// Tells the session news, and does what it asks then.
    pub(super) fn give(&mut self, now: Instant, input: Input<'_>, common: &mut Common) {
        if let Some(session) = &mut self.session {
            if session.handle(now, input) != Verdict::Internal {
                self.accuse("I2: delivered what is no message");
            }
            self.settle(now, common);
        }
    }

    fn accuse(&mut self, what: impl Into<String>) {
        self.oracle.violations.push(what.into());
    }

    pub(super) fn state(&self) -> State {
        self.session.as_ref().map_or(State::Stopped, Session::state)
    }

    /// Whether there is space for an event.
    pub(super) fn may_read(&self) -> bool {
        let passing = matches!(self.state(), State::Active | State::AwaitResumed);
        !passing || self.buffer.len() < self.buffer_max
    }

    pub(super) fn arrive(&mut self, now: Instant, packet: &Packet, common: &mut Common) {
        let state = self.state();
        let what = packet.what;
        self.oracle.hear(what, state);
        self.patience.hear(now, what);
        match (what, &mut self.link) {
            (What::Ack, Some(link)) => link.unacked = None,
            (What::Ask, Some(link)) if !link.closing => {
                link.untouched = false;
                link.asked.get_or_insert(now);
            }
            (What::Event { .. }, _) => self.news_at = now,
            _ => {}
        }
        match what {
            What::Close(code) => {
                self.drop_link(now, common);
                self.mix(now, 1 + u64::from(code.unwrap_or(0)));
                self.give(now, Input::Lost(Lost::Closed { code }), common);
            }
            What::Broken(how) => {
                self.drop_link(now, common);
                let lost = match how {
                    0 => Lost::BrokenFrame,
                    1 => Lost::TooLong,
                    _ => Lost::Compression,
                };
                self.give(now, Input::Lost(lost), common);
            }
            What::Garbled {
                session,
                seq,
                readable,
            } => {
                self.oracle.garbled(session, seq, readable, state);
                let seq_read = readable.then_some(seq);
                self.give(now, Input::Garbled { seq: seq_read }, common);
                if matches!(state, State::Active | State::AwaitResumed) {
                    self.put(Item::Garbled { session, seq }, common);
                }
            }
            _ => self.message(now, packet, common),
        }
        self.oracle.tells_gaps();
        if let What::Hello { interval } = what
            && let Some(link) = &mut self.link
            && !link.closing
            && (1000..=3_600_000).contains(&interval)
        {
            if link.hello.is_none() {
                link.hello = Some(now);
                link.beat = now;
                link.interval = Duration::from_millis(interval);
            }
            if Duration::from_millis(interval) < link.interval {
                link.hastened = Some(now);
            }
            // A beat may be as late as the longer of two intervals allows.
            link.interval = link.interval.max(Duration::from_millis(interval));
        }
        if !self.may_read() && self.reading != Reading::Paused && self.link.is_some() {
            self.reading = Reading::Paused;
            self.give(now, Input::ReadingPaused, common);
        }
    }

    fn message(&mut self, now: Instant, packet: &Packet, common: &mut Common) {
        let Some(session) = &mut self.session else {
            return;
        };
        let Ok(envelope) = Envelope::parse(&packet.text) else {
            self.accuse(format!("the model wrote {}", packet.text));
            return;
        };
        let verdict = session.handle(now, Input::Message(&envelope));
        // What it has to tell happened before this event; what it sends, after.
        self.acts(now, common);
        if let Verdict::Deliver { replayed } = verdict {
            self.mix(now, 77);
            if let Some(item) = self.oracle.passed(packet.what, replayed) {
                self.put(item, common);
            }
        }
        self.settle(now, common);
    }

    /// An item for the user, who takes it at once unless he is slow.
    fn put(&mut self, item: Item, common: &mut Common) {
        self.buffer.push_back(item);
        if self.stopped_until.is_none() {
            self.drain(common);
        } else if self.buffer.len() > self.buffer_max + 8 {
            self.accuse("I19: the buffer is over its limit");
        }
    }

    pub(super) fn drain(&mut self, common: &mut Common) {
        while let Some(item) = self.buffer.pop_front() {
            self.oracle
                .take(item, &common.server.sides[self.index].sessions);
        }
        if self.reading == Reading::Paused {
            self.reading = Reading::CatchingUp;
        }
    }

    /// Judges the deadlines that are due, each as late as timers fire.
    pub(super) fn judge(&mut self, now: Instant, common: &mut Common) {
        if let Some(link) = &self.link
            && link
                .stuck
                .is_some_and(|at| now >= at + Duration::from_secs(10))
        {
            self.drop_link(now, common);
            self.give(now, Input::Lost(Lost::WriteStall), common);
        }
        for _ in 0..TURNS_MAX {
            let due = self
                .session
                .as_ref()
                .and_then(|session| session.poll_timeout(now));
            let Some((at, timer)) = due.filter(|(at, _)| *at + self.lateness(*at) <= now) else {
                return;
            };
            self.deadline(at, timer);
            if let Some(session) = &mut self.session {
                session.handle_timeout(now);
            }
            self.settle(now, common);
        }
        self.accuse("I11: deadlines without end");
    }

    /// A deadline has passed: was the link dead, and for how long?
    fn deadline(&mut self, at: Instant, timer: Timer) {
        let Some(link) = &self.link else {
            return;
        };
        if let (Timer::Heartbeat | Timer::Silence, Some(died)) = (timer, link.dead)
            && self.reading == Reading::Open
            && link.hello.is_some()
        {
            self.pending_found = Some(Found {
                died,
                at,
                interval: link.interval,
            });
        }
    }

    /// Drains what the session wants done.
    fn acts(&mut self, now: Instant, common: &mut Common) {
        for _ in 0..TURNS_MAX {
            let session = self.session.as_mut();
            let Some(action) = session.and_then(Session::poll_action) else {
                return;
            };
            self.act(now, action, common);
        }
        self.accuse("I11: actions without end");
    }

    /// Drains what the session wants done and sent, and looks at the result.
    pub(super) fn settle(&mut self, now: Instant, common: &mut Common) {
        for _ in 0..TURNS_MAX {
            self.acts(now, common);
            if !self.transmit(now, common) {
                break;
            }
        }
        self.pending_found = None;
        self.look(now, common);
    }

    fn transmit(&mut self, now: Instant, common: &mut Common) -> bool {
        let Some(session) = &mut self.session else {
            return false;
        };
        if self.link.is_some()
            && !self.commands.is_empty()
            && session.wants_command(now)
            && let Some((op, number)) = self.commands.pop_front()
        {
            let command = command(op, number);
            let _internal = session.handle(now, Input::Command(command));
            return true;
        }
        let Some(link) = &mut self.link else {
            return false;
        };
        if link.stuck.is_some() {
            return false;
        }
        let mut out = std::mem::take(&mut self.scratch);
        let state = session.state();
        let sends = session.poll_transmit(now, &mut out);
        if sends {
            if link.stalled {
                link.stuck = Some(now);
            }
            self.sent(now, state, &out, common);
        }
        self.scratch = out;
        sends
    }

    /// A payload is written.
    fn sent(&mut self, now: Instant, state: State, payload: &[u8], common: &mut Common) {
        if payload.len() > 4096 {
            self.accuse(format!("I6: a payload of {} bytes", payload.len()));
        }
        let Some(sent) = Sent::read(payload) else {
            self.accuse("I16: a payload that no gateway knows");
            return;
        };
        self.mix(now, payload.len() as u64 ^ u64::from(payload[6]) << 16);
        self.oracle.sent(now, &sent, state);
        match sent {
            Sent::Beat { .. } => self.beat(now),
            Sent::Command { op: 4, number } => self.oracle.command(number),
            Sent::Identify { token } => self.handshake(now, token, true, common),
            Sent::Resume { token, .. } => {
                self.lived.resumes += 1;
                self.handshake(now, token, false, common);
            }
            _ => {}
        }
        let delay = self.delay();
        let Some(link) = &mut self.link else {
            return;
        };
        link.sends.push_back(now);
        while link
            .sends
            .front()
            .is_some_and(|at| now.duration_since(*at) >= MINUTE)
        {
            link.sends.pop_front();
        }
        let hastened = link
            .hastened
            .is_some_and(|at| now.duration_since(at) < MINUTE);
        if link.sends.len() > 120 && !hastened {
            self.oracle
                .violations
                .push("I6: more than 120 sends in a minute".into());
        }
        if link.closing {
            self.oracle
                .violations
                .push("I16: a payload after our close".into());
        }
        if link.reaches_server() {
            let last = link.up.back().map_or(now, |(last, _)| *last);
            link.up.push_back((last.max(now + delay), sent));
        }
    }

    fn beat(&mut self, now: Instant) {
        if let Some(link) = &mut self.link {
            if link.hello.is_some() && link.beat_is_late(now, self.excused) {
                let gap = now - link.beat;
                self.oracle
                    .violations
                    .push(format!("I10: a heartbeat after {gap:?}"));
            }
            if std::mem::take(&mut link.untouched) && link.hello.is_some() {
                let first = now - link.beat;
                let at_end = first.is_zero() || first >= link.interval;
                self.at_ends = if at_end { self.at_ends + 1 } else { 0 };
                if self.at_ends >= 3 {
                    let what = format!("I10: no jitter: first heartbeats after {first:?}");
                    self.oracle.violations.push(what);
                }
            }
            link.unacked.get_or_insert(now);
            (link.beat, link.asked) = (now, None);
        }
    }

    /// IDENTIFY or RESUME goes out, with what was granted for it.
    fn handshake(&mut self, now: Instant, sent: u64, identify: bool, common: &mut Common) {
        match std::mem::replace(&mut self.grant, Grant::None) {
            Grant::Held { ticket, token, .. } => {
                if token != sent {
                    self.accuse(format!("I23: token {sent} was sent, {token} was given"));
                }
                if ticket.is_some() != identify {
                    self.accuse("I17: an identify and its permit do not go together");
                }
                if let Some(ticket) = ticket {
                    common.permits.spend(now, ticket);
                }
            }
            _ => self.accuse("I17: a handshake without a permit"),
        }
        if identify {
            let fault = common.identified(now, self.index);
            self.oracle.violations.extend(fault);
        }
    }

    fn act(&mut self, now: Instant, action: Action, common: &mut Common) {
        if self.lived.fatal.is_some() {
            self.accuse(format!("I7: {action:?} after the end"));
            return;
        }
        match action {
            Action::Connect(endpoint) => self.connect(now, &endpoint, common),
            Action::RequestPermit { identify, renew } => {
                self.mix(now, 11);
                if !matches!(self.grant, Grant::None) {
                    self.accuse("I17: a second permit is asked for");
                }
                if identify == self.oracle.held.is_some() {
                    self.accuse("I8: an identify is asked for, not a resume, or the other way");
                }
                self.oracle.asks(renew);
                self.grant = if identify {
                    let ticket = common.permits.join(now, self.index);
                    Grant::Waiting { ticket, renew }
                } else {
                    let at = now + self.dice.millis(0, 80);
                    Grant::Fetching {
                        ticket: None,
                        at,
                        renew,
                    }
                };
            }
            Action::ReturnPermit => {
                self.mix(now, 12);
                self.return_permit(common);
            }
            Action::Close(code) => self.close(now, code),
            Action::Hangup => {
                self.mix(now, 13);
                if self.at_will {
                    self.oracle.waits.at_will();
                } else if common.is_dialling(self.index) {
                    self.oracle.waits.failed(now, self.at_resume_url, None);
                }
                self.end_dial(common);
                self.drop_link(now, common);
            }
            Action::Notify(notice) => {
                self.mix(now, 14 + notice.name().len() as u64);
                if let (Notice::Disconnected { .. }, Some(found)) = (&notice, self.pending_found) {
                    let took = found.at - found.died;
                    if took > found.interval + MARGIN {
                        self.accuse(format!("I11: a dead link was found after {took:?}"));
                    }
                    self.lived.found.push(found);
                }
                if let Notice::Disconnected { cause, .. } = &notice {
                    self.ended(now, cause);
                }
                if let Some(item) = self.oracle.noticed(now, &notice) {
                    self.put(item, common);
                }
            }
            Action::Stop(stop) => self.stop(now, stop, common),
        }
    }

    /// A connection has ended, and the shard goes on.
    fn ended(&mut self, now: Instant, cause: &Cause) {
        let stalled = self.link.as_ref().is_some_and(|link| link.stalled);
        let unacked = self.oracle.is_beaten() || stalled;
        let reads = self.reading == Reading::Open;
        let fault = self.patience.ended(now, cause, reads, unacked);
        self.oracle.violations.extend(fault);
        if let Some(code) = cause.close_code()
            && is_fatal(P::DIALECT, code)
        {
            self.accuse(format!("I7: the shard goes on after {code}"));
        }
    }

    fn close(&mut self, now: Instant, code: u16) {
        self.mix(now, u64::from(code) << 8);
        let ends = matches!(self.shutting, Some((Shutdown::End, _)));
        if code != (if ends { 1000 } else { 4000 }) {
            self.accuse(format!("I15: close code {code}"));
        }
        let delay = self.delay();
        let Some(link) = &mut self.link else {
            self.accuse("I14: a close without a connection");
            return;
        };
        if std::mem::replace(&mut link.closing, true) {
            self.oracle.violations.push("I15: a second close".into());
        }
        if link.reaches_server() {
            let last = link.up.back().map_or(now, |(last, _)| *last);
            link.up
                .push_back((last.max(now + delay), Sent::Close { code }));
        }
    }

    fn connect(&mut self, now: Instant, endpoint: &Endpoint, common: &mut Common) {
        self.mix(now, 15);
        if self.link.is_some() || self.dial.is_some() || common.is_dialling(self.index) {
            self.accuse("I14: a second connection");
        }
        let fault = self.oracle.waits.connects(now, self.excused);
        self.oracle.violations.extend(fault);
        self.at_resume_url = matches!(endpoint, Endpoint::Resume(_));
        self.oracle.connects(match endpoint {
            Endpoint::Base => None,
            Endpoint::Resume(url) => Some(url),
        });
        self.state = (State::AwaitConnection, now);
        if common.dialling.len() < common.places {
            common.dialling.push(self.index);
            self.dial(now);
        } else {
            common.queued.push_back(self.index);
            if let Some(session) = &mut self.session {
                let _internal = session.handle(now, Input::DialQueued);
            }
        }
    }

    /// It is this shard's turn to connect.
    pub(super) fn dial(&mut self, now: Instant) {
        self.state = (State::AwaitConnection, now);
        let outages = [
            self.down,
            self.resume_url_down.filter(|_| self.at_resume_url),
        ];
        let outage = outages
            .into_iter()
            .flatten()
            .find(|outage| outage.until > now);
        let takes = self.delay() * 3;
        self.dial = match outage {
            None => Some((now + takes, Outcome::Open)),
            // Never: the session gives up.
            Some(Outage { how: 1, .. }) => None,
            Some(Outage { how, after, .. }) => {
                let status = (how > 0).then_some(how);
                Some((now + takes, Outcome::Failed { status, after }))
            }
        };
    }

    /// The attempt is over, however it went.
    pub(super) fn end_dial(&mut self, common: &mut Common) {
        self.dial = None;
        common.leave_place(self.index);
    }

    pub(super) fn drop_link(&mut self, now: Instant, common: &mut Common) {
        common.leave_place(self.index);
        self.reading = Reading::Open;
        if self.link.take().is_some() {
            common.server.gone(now, self.index);
        }
    }

    pub(super) fn return_permit(&mut self, common: &mut Common) {
        match std::mem::replace(&mut self.grant, Grant::None) {
            Grant::Waiting { ticket, .. } => common.permits.leave(ticket),
            Grant::Fetching {
                ticket: Some(ticket),
                ..
            }
            | Grant::Held {
                ticket: Some(ticket),
                ..
            } => common.permits.give_back(ticket),
            Grant::None | Grant::Fetching { .. } | Grant::Held { .. } => {}
        }
    }

    fn stop(&mut self, now: Instant, stop: Stop, common: &mut Common) {
        self.mix(now, 16);
        if self.link.is_some() || self.dial.is_some() || common.is_dialling(self.index) {
            self.accuse("I14: a connection outlives its shard");
        }
        if !matches!(self.grant, Grant::None) {
            self.accuse("I17: a permit outlives its shard");
        }
        let expected = match stop {
            Stop::Closed(code) => is_fatal(P::DIALECT, code),
            Stop::Credentials { .. } => self.oracle.refused > 3,
            Stop::Forbidden => self.forbidden >= 3,
            Stop::Shutdown => self.shutting.is_some(),
        };
        if !expected {
            self.accuse(format!("I7: the shard stopped for {stop:?}"));
        }
        match self.shutting.take() {
            Some((how, restart)) if stop == Stop::Shutdown => {
                self.session = None;
                if how == Shutdown::End {
                    self.oracle.held = None;
                }
                self.snapshot();
                self.starts = restart.map(|ms| (now + Duration::from_millis(ms), true));
            }
            _ => self.lived.fatal = Some(stop),
        }
    }

    /// What must be true whenever the session has nothing more to do.
    fn look(&mut self, now: Instant, common: &mut Common) {
        let Some(session) = &self.session else {
            return;
        };
        let (state, deadline) = (session.state(), session.poll_timeout(now));
        if state != self.state.0 {
            self.state = (state, now);
        }
        if state != State::AwaitHello && state != State::AwaitConnection {
            common.leave_place(self.index);
        }
        let excused = self.excused.is_some_and(|until| until >= self.state.1);
        let since = match state {
            State::AwaitResumed => self.state.1.max(self.news_at),
            _ => self.state.1,
        };
        if let Some(limit) = self.oracle.patience(state)
            && now > since + limit
            && self.reading == Reading::Open
            && !excused
            && !common.queued.contains(&self.index)
        {
            self.accuse(format!("I11: {:?} in {state:?}", now - self.state.1));
        }
        match (state, deadline) {
            (State::Stopped, Some(deadline)) => {
                self.accuse(format!("I7: a deadline after the end: {deadline:?}"));
            }
            (State::Stopped, None) => {}
            (State::AwaitConnection, None) if common.queued.contains(&self.index) => {}
            (_, None) => self.accuse(format!("I11: no deadline in {state:?}")),
            (_, Some(_)) => {}
        }
        self.look_at_link(now);
    }

    fn look_at_link(&mut self, now: Instant) {
        let state = self.state();
        let connected = !matches!(
            state,
            State::Backoff | State::AwaitConnection | State::Stopped
        );
        if connected != self.link.is_some() {
            self.accuse(format!("I14: {state:?}, and a connection: {}", !connected));
        }
        let Some(link) = &self.link else {
            return;
        };
        let free = !link.closing && !link.stalled && self.excused.is_none_or(|until| until < now);
        let twice = link.interval * 2 + Duration::from_secs(1);
        if free
            && self.reading == Reading::Open
            && link.unacked.is_some_and(|since| now > since + twice)
        {
            self.accuse("I11: no ack for two intervals, and the connection goes on");
            return;
        }
        // At once, or a second after the answer before.
        if free
            && link.sends.len() < 60
            && link
                .asked
                .is_some_and(|at| now > at + Duration::from_millis(1100))
        {
            self.accuse("I10: the server asked for a heartbeat and got none");
            return;
        }
        if link.hello.is_some()
            && !link.closing
            && !link.stalled
            && link.beat_is_late(now, self.excused)
        {
            self.accuse(format!("I10: no heartbeat for {:?}", now - link.beat));
        } else if let Grant::Held { since, .. } = self.grant
            && !link.stalled
            && now > since + Duration::from_secs(5)
        {
            self.accuse("I17: a permit is held and not used");
        }
    }

    /// Whether nothing that the user wants sent is left behind.
    pub(super) fn is_told(&self) -> bool {
        self.commands.is_empty() && self.oracle.presence == self.presence_set
    }

    /// Part of what a run is told apart by.
    pub(super) fn mix(&mut self, now: Instant, what: u64) {
        let at = u64::try_from((now - self.begin).as_nanos()).unwrap_or(0);
        for part in [at, what] {
            self.lived.hash = (self.lived.hash ^ part).wrapping_mul(0x0100_0000_01b3);
            self.lived.hash ^= self.lived.hash >> 29;
        }
    }
}

/// A command of the user; with op 3 a presence.
fn command(op: u64, number: u64) -> Command {
    let payload = match op {
        3 => format!(
            r#"{{"op":3,"d":{{"since":{number},"activities":[],"status":"idle","afk":false}}}}"#
        ),
        _ => format!(r#"{{"op":{op},"d":{{"n":{number}}}}}"#),
    };
    Command {
        op,
        payload: payload.into_bytes(),
    }
}
