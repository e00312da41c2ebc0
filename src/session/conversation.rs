//! What does a message mean? Hello, READY, RESUMED, events, acks and requests.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{
    Action, Connection, Duplicates, RISING_MAX, Resume, Session, State, Timer, Verdict,
    heartbeat::Heartbeat, window::SendWindow,
};
use crate::{
    codec::{envelope::Envelope, json},
    notice::{Cause, Notice},
    platform::{GatewayUrl, Platform},
    secret::Token,
};

/// The opcodes that concern the conversation; the same on both platforms.
mod op {
    pub(super) const DISPATCH: u64 = 0;
    pub(super) const HEARTBEAT: u64 = 1;
    pub(super) const RECONNECT: u64 = 7;
    pub(super) const INVALID_SESSION: u64 = 9;
    pub(super) const HELLO: u64 = 10;
    pub(super) const HEARTBEAT_ACK: u64 = 11;
}

impl<P: Platform> Session<P> {
    pub(super) fn connected(&mut self, now: Instant) {
        if self.state != State::AwaitConnection {
            return;
        }
        self.counters.connects += 1;
        self.forbidden = 0;
        if planted!(BackoffResetOnConnect) {
            self.backoff.reset();
        }
        let beats_before = self.counters.heartbeats;
        self.connection = Some(Connection {
            heartbeat: None,
            asked_early: false,
            window: SendWindow::new(self.limits.sends_max, self.limits.send_window),
            heard_at: now,
            paused: false,
            handshake: None,
            begun: None,
            established: false,
            progress: false,
            replayed: 0,
            duplicates: Duplicates::default(),
            beats_before,
            acks: 0,
        });
        self.wait(State::AwaitHello, now + self.limits.hello, Timer::Hello);
        if planted!(HelloDeadlineMissing) {
            self.deadline = None;
        }
    }

    pub(super) fn message(&mut self, now: Instant, message: &Envelope<'_>) -> Verdict {
        let Some(connection) = self.open_mut() else {
            return Verdict::Internal;
        };
        connection.heard_at = now;
        match message.header.op {
            op::DISPATCH => return self.dispatch(now, message),
            op::HEARTBEAT => match &mut connection.heartbeat {
                Some(heart) => heart.request(now),
                // One answer is owed; without an interval nothing paces more of them.
                None => connection.asked_early = connection.window.has_room(now, 1),
            },
            op::RECONNECT => self.end(now, Cause::Reconnect),
            op::INVALID_SESSION => {
                let resumable = message.data() == "true";
                self.end(now, Cause::InvalidSession { resumable });
            }
            op::HELLO => self.hello(now, message),
            op::HEARTBEAT_ACK => self.ack(now),
            _ => {}
        }
        Verdict::Internal
    }

    /// A message that could not be read: the link lives, and its sequence counts as received,
    /// else a resume would bring the same message for ever.
    pub(super) fn garbled(&mut self, now: Instant, seq: Option<u64>) {
        self.counters.garbled += 1;
        let Some(connection) = self.open_mut() else {
            return;
        };
        connection.heard_at = now;
        if !matches!(self.state, State::Active | State::AwaitResumed) {
            return;
        }
        if let Some(seq) = seq
            && !planted!(SeqNotStoredOnGarbled)
        {
            self.receive(seq);
        }
    }

    /// As if the server had asked for a heartbeat: at once, then once a second at most.
    pub(super) fn beat(&mut self, now: Instant) {
        if let Some(heart) = self.open_mut().and_then(|open| open.heartbeat.as_mut()) {
            heart.request(now);
        }
    }

    pub(super) fn caught_up(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection
            && connection.paused
        {
            connection.paused = false;
            connection.heard_at = now;
            if let Some(heart) = &mut connection.heartbeat {
                heart.forgive();
            }
            if self.state == State::AwaitResumed {
                // The replay stood still because of us.
                self.wait(
                    State::AwaitResumed,
                    now + self.limits.resumed,
                    Timer::Resumed,
                );
            }
        }
    }

    pub(super) fn permit(&mut self, now: Instant, token: Token) {
        if self.state != State::AwaitPermit {
            return;
        }
        self.renew = false;
        if let Some(connection) = &mut self.connection {
            connection.handshake = Some(token);
        }
        if self.held.is_some() {
            self.wait(
                State::AwaitResumed,
                now + self.limits.resumed,
                Timer::Resumed,
            );
        } else {
            let doubled = self.limits.ready * 2u32.saturating_pow(self.missed_readys.min(16));
            let patience = doubled.min(self.limits.ready_max);
            self.wait(State::AwaitReady, now + patience, Timer::Ready);
        }
    }

    fn hello(&mut self, now: Instant, message: &Envelope<'_>) {
        let Some(interval) = self.read_hello(message.data()) else {
            self.end(now, Cause::BadHello);
            return;
        };
        let first = self.chance.between(Duration::ZERO, interval);
        let Some(connection) = self.open_mut() else {
            return;
        };
        match &mut connection.heartbeat {
            Some(heart) => heart.set_interval(interval, now),
            heart @ None => *heart = Some(Heartbeat::new(interval, first, now)),
        }
        if self.state == State::AwaitHello {
            self.actions.push_back(Action::Notify(Notice::Connected));
            self.actions.push_back(Action::RequestPermit {
                identify: self.held.is_none(),
                renew: self.renew,
            });
            // No deadline: a permit may take a day. The heart beats meanwhile.
            self.state = State::AwaitPermit;
            self.deadline = None;
        }
    }

    fn read_hello(&self, data: &str) -> Option<Duration> {
        #[derive(Deserialize)]
        struct Hello {
            heartbeat_interval: f64,
        }
        let hello: Hello = json::decode(data).ok()?;
        let interval = Duration::try_from_secs_f64(hello.heartbeat_interval / 1000.0).ok()?;
        let accepted = self.limits.heartbeat_interval_min..=self.limits.heartbeat_interval_max;
        accepted.contains(&interval).then_some(interval)
    }

    fn ack(&mut self, now: Instant) {
        self.counters.acks += 1;
        let Some(connection) = self.open_mut() else {
            return;
        };
        connection.acks += 1;
        let established = connection.established;
        let latency = connection
            .heartbeat
            .as_mut()
            .and_then(|heart| heart.ack(now));
        if latency.is_some() {
            self.latency = latency;
            if established {
                self.made_progress();
            }
        }
    }

    fn dispatch(&mut self, now: Instant, message: &Envelope<'_>) -> Verdict {
        let event = message.event();
        match (self.state, event.as_deref()) {
            (State::AwaitReady | State::AwaitResumed | State::Active, Some("READY")) => {
                self.ready(now, message)
            }
            (State::AwaitResumed, Some("RESUMED")) => {
                self.resumed(message);
                Verdict::Deliver { replayed: false }
            }
            (State::AwaitResumed | State::Active, _) => self.sequenced(now, message),
            // Before the handshake is answered there is no session that an event could belong to.
            _ => Verdict::Internal,
        }
    }

    fn ready(&mut self, now: Instant, message: &Envelope<'_>) -> Verdict {
        let Some(ready) = P::read_ready(message.data()) else {
            self.end(now, Cause::BadReady);
            return Verdict::Internal;
        };
        self.lose_session();
        self.outbox.renew();
        let url = ready
            .resume_url
            .and_then(|url| GatewayUrl::discovered_by(&url, &self.bases, P::GATEWAY_HOSTS).ok());
        self.held = Some(Resume {
            session_id: ready.session_id,
            seq: message.header.seq.unwrap_or(0),
            url,
        });
        self.began_at = now;
        self.counters.events += 1;
        self.missed_readys = 0;
        self.refused_credentials = 0;
        if planted!(IdentifyBackoffResetOnReady) {
            self.identify_backoff.reset();
        }
        self.establish();
        Verdict::Deliver { replayed: false }
    }

    fn resumed(&mut self, message: &Envelope<'_>) {
        if let Some(seq) = message.header.seq
            && !planted!(SeqNotStoredOnResumed)
        {
            self.receive(seq);
        }
        self.counters.events += 1;
        self.refused_credentials = 0;
        let replayed = self.connection.as_ref().map_or(0, |open| open.replayed);
        let notice = Notice::Resumed { replayed };
        self.actions.push_back(Action::Notify(notice));
        self.establish();
    }

    fn establish(&mut self) {
        self.state = State::Active;
        self.deadline = None;
        if let Some(connection) = &mut self.connection {
            connection.established = true;
            connection.duplicates = Duplicates::default();
        }
    }

    /// An event by the rules of the sequence.
    fn sequenced(&mut self, now: Instant, message: &Envelope<'_>) -> Verdict {
        let replayed = self.state == State::AwaitResumed;
        if let Some(seq) = message.header.seq {
            if !self.receive(seq) && !planted!(DuplicatesDelivered) {
                self.duplicate(now, seq);
                return Verdict::Internal;
            }
            // A RESUMED of a connection before may be part of a replay, and shows nothing.
            if message.event().as_deref() != Some("RESUMED") {
                self.made_progress();
            }
        }
        let verdict = if self.is_repeated(now, message) {
            self.counters.repeated += 1;
            Verdict::Internal
        } else {
            self.counters.events += 1;
            Verdict::Deliver { replayed }
        };
        if replayed {
            if let Some(connection) = &mut self.connection {
                connection.replayed += 1;
            }
            if !planted!(ReplayDeadlineNotRenewed) {
                self.wait(
                    State::AwaitResumed,
                    now + self.limits.resumed,
                    Timer::Resumed,
                );
            }
        }
        verdict
    }

    /// Whether it is a message that came before, under another sequence.
    fn is_repeated(&mut self, now: Instant, message: &Envelope<'_>) -> bool {
        let Some(seen) = &mut self.seen else {
            return false;
        };
        let name = message.event().unwrap_or_default();
        P::message_id(&name, message.data()).is_some_and(|id| !seen.is_new(now, &name, &id))
    }

    /// Moves the *received* cursor; `false` where `seq` had been received before.
    fn receive(&mut self, seq: u64) -> bool {
        let Some(held) = &mut self.held else {
            return true;
        };
        if seq <= held.seq {
            return false;
        }
        if seq - held.seq > 1 && !planted!(GapNotTold) {
            let (after, next) = (held.seq, seq);
            let gap = Notice::Gap { after, next };
            self.actions.push_back(Action::Notify(gap));
        }
        held.seq = seq;
        if let Some(connection) = &mut self.connection {
            connection.duplicates = Duplicates::default();
        }
        true
    }

    fn duplicate(&mut self, now: Instant, seq: u64) {
        self.counters.duplicates += 1;
        if self.state != State::Active {
            return;
        }
        let Some(connection) = &mut self.connection else {
            return;
        };
        let run = &mut connection.duplicates;
        run.rising = if run.rising > 0 && seq > run.last {
            run.rising + 1
        } else {
            1
        };
        run.last = seq;
        if run.rising >= RISING_MAX {
            self.end(now, Cause::SequenceRestarted);
        }
    }

    /// The server has shown that the session works: failures count from zero again.
    fn made_progress(&mut self) {
        if let Some(connection) = &mut self.connection
            && !connection.progress
        {
            connection.progress = true;
            self.proven = true;
            self.backoff.reset();
            self.identify_backoff.reset();
            self.failed_resumes = 0;
        }
    }

    /// Forgets the session that is held, and tells the user.
    pub(super) fn lose_session(&mut self) {
        if let Some(held) = self.held.take()
            && !planted!(SessionLostNotTold)
        {
            let lost = Notice::SessionLost { last_seq: held.seq };
            self.actions.push_back(Action::Notify(lost));
            // The next session has three resumes of its own.
            self.failed_resumes = 0;
        }
    }
}
