//! A session, a model gateway and the net between them, in virtual time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    bench::{secs, setup},
    gateway::{Answer, Gateway},
};
use crate::{
    codec::envelope::Envelope,
    discord::Discord,
    notice::Notice,
    secret::Token,
    session::{Action, Input, Lost, Session, State, Verdict, chance::Chance},
};

/// What happens to the connection, or to the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// Both directions end; what is on the way is lost.
    Cut,
    /// The next connects are refused.
    Refuse(u32),
    /// Nothing arrives any more in either direction, and nobody is told.
    Blackhole,
    /// Heartbeats are not acknowledged.
    NoAcks,
    /// The server sends this.
    Send(&'static str),
    /// The server closes.
    Close(u16),
    /// The server forgets the session and says so.
    Invalidate,
}

/// One direction of the net: first in, first out.
#[derive(Debug)]
enum Packet {
    Text(String),
    Close(Option<u16>),
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) session: Session<Discord>,
    pub(super) gateway: Gateway,
    chance: Chance,
    /// What is on its way to the client, and when it arrives.
    net: VecDeque<(Instant, Packet)>,
    connected: bool,
    blackhole: bool,
    refuse: u32,
    /// When the dial that is under way succeeds or is refused.
    dial: Option<(Instant, bool)>,
    permit: Option<Instant>,
    numbers: u64,
    next_event: Instant,
    /// How far apart events are, on average.
    pub(super) pace: Duration,
    pub(super) connects: Vec<Instant>,
    /// The number of each event the user got, and whether it was replayed.
    pub(super) delivered: Vec<(u64, bool)>,
    pub(super) notices: Vec<Notice>,
    pub(super) steps: u64,
    pub(super) log: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            session: Session::new(setup(seed), now),
            gateway: Gateway::default(),
            chance: Chance::new(seed ^ 0x5eed),
            net: VecDeque::new(),
            connected: false,
            blackhole: false,
            refuse: 0,
            dial: None,
            permit: None,
            numbers: 0,
            next_event: now,
            pace: secs(10),
            connects: Vec::new(),
            delivered: Vec::new(),
            notices: Vec::new(),
            steps: 0,
            log: 0xcbf2_9ce4_8422_2325,
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Cut => self.cut(),
            Fault::Refuse(times) => self.refuse = times,
            Fault::Blackhole => self.blackhole = self.connected,
            Fault::NoAcks => self.gateway.mute_acks = true,
            Fault::Send(text) => self.send(Packet::Text(text.into())),
            Fault::Close(code) => self.send(Packet::Close(Some(code))),
            Fault::Invalidate => {
                self.gateway.invalidate();
                self.send(Packet::Text(r#"{"op":9,"d":false}"#.into()));
            }
        }
        self.settle();
    }

    /// Runs until the given time has passed.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.next_moment().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
            self.settle();
        }
        self.now = end;
    }

    /// No more events; what is on the way arrives.
    pub(super) fn fall_silent(&mut self) {
        self.next_event = self.now + secs(86_400 * 365);
        self.run(secs(1));
    }

    /// The event numbers that the user should have got: everything the sessions hold.
    pub(super) fn missing(&self) -> Vec<u64> {
        let mut got: Vec<_> = self.delivered.iter().map(|(number, _)| *number).collect();
        got.sort_unstable();
        let all = self.gateway.sessions.iter().flat_map(|one| &one.events);
        all.filter_map(|number| *number)
            .filter(|number| got.binary_search(number).is_err())
            .collect()
    }

    fn next_moment(&self) -> Option<Instant> {
        let timeout = self.session.poll_timeout(self.now).map(|(at, _)| at);
        let arrival = self.net.front().map(|(at, _)| *at);
        let dial = self.dial.map(|(at, _)| at);
        [timeout, arrival, dial, self.permit, Some(self.next_event)]
            .into_iter()
            .flatten()
            .min()
    }

    fn step(&mut self) {
        self.steps += 1;
        assert!(self.steps < 50_000_000, "the world spins");
        if let Some((at, success)) = self.dial
            && at <= self.now
        {
            self.dial = None;
            self.dialled(success);
        } else if self.permit.is_some_and(|at| at <= self.now) {
            self.permit = None;
            let _ = self
                .session
                .handle(self.now, Input::Permit(Token::from("token")));
        } else if self.net.front().is_some_and(|(at, _)| *at <= self.now) {
            self.arrive();
        } else if self.next_event <= self.now {
            self.numbers += 1;
            if let Some(text) = self.gateway.emit(self.numbers) {
                self.send(Packet::Text(text));
            }
            self.next_event = self.now + self.chance.between(Duration::ZERO, self.pace * 2);
        } else {
            self.session.handle_timeout(self.now);
        }
    }

    fn dialled(&mut self, success: bool) {
        if !success {
            let lost = Lost::Connect {
                status: None,
                retry_after: None,
            };
            let _ = self.session.handle(self.now, Input::Lost(lost));
            return;
        }
        self.connected = true;
        self.blackhole = false;
        self.connects.push(self.now);
        let _ = self.session.handle(self.now, Input::Connected);
        let hello = self.gateway.open();
        self.send(Packet::Text(hello));
    }

    fn send(&mut self, packet: Packet) {
        if !self.connected || self.blackhole {
            return;
        }
        let latency = self
            .chance
            .between(Duration::from_millis(1), Duration::from_millis(120));
        // What was sent later arrives later.
        let last = self.net.back().map_or(self.now, |(at, _)| *at);
        self.net.push_back((last.max(self.now + latency), packet));
    }

    fn arrive(&mut self) {
        match self.net.pop_front() {
            Some((_, Packet::Text(text))) => {
                let envelope = Envelope::parse(&text).expect("the model writes JSON");
                let verdict = self.session.handle(self.now, Input::Message(&envelope));
                self.hash(&text);
                if let Verdict::Deliver { replayed } = verdict {
                    // Notices that came with it stand before it.
                    self.settle();
                    self.deliver(&envelope, replayed);
                }
            }
            Some((_, Packet::Close(code))) => {
                self.drop_connection();
                let _ = self
                    .session
                    .handle(self.now, Input::Lost(Lost::Closed { code }));
            }
            None => {}
        }
    }

    fn deliver(&mut self, envelope: &Envelope<'_>, replayed: bool) {
        let d: serde_json::Value = serde_json::from_str(envelope.data()).expect("JSON");
        if let Some(number) = d["number"].as_u64() {
            self.delivered.push((number, replayed));
        }
    }

    fn cut(&mut self) {
        if self.connected {
            self.drop_connection();
            let _ = self.session.handle(self.now, Input::Lost(Lost::Cut));
        }
    }

    fn drop_connection(&mut self) {
        self.connected = false;
        self.net.clear();
        self.gateway.gone();
    }

    /// Drains what the session wants done and sent.
    fn settle(&mut self) {
        loop {
            while let Some(action) = self.session.poll_action() {
                self.hash(&format!("{action:?}"));
                self.act(action);
            }
            if !self.connected || !self.transmit() {
                break;
            }
        }
    }

    fn transmit(&mut self) -> bool {
        let mut out = Vec::new();
        if !self.session.poll_transmit(self.now, &mut out) {
            return false;
        }
        if self.blackhole {
            return true;
        }
        for answer in self.gateway.receive(self.now, &out) {
            match answer {
                Answer::Text(text) => self.send(Packet::Text(text)),
                Answer::Close(code) => self.send(Packet::Close(Some(code))),
            }
        }
        true
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect(_) => {
                let refused = self.refuse > 0;
                self.refuse = self.refuse.saturating_sub(1);
                let takes = self
                    .chance
                    .between(Duration::from_millis(5), Duration::from_millis(200));
                self.dial = Some((self.now + takes, !refused));
            }
            Action::RequestPermit { .. } => self.permit = Some(self.now + Duration::from_millis(1)),
            Action::ReturnPermit => self.permit = None,
            Action::Close(_) => {
                self.gateway.gone();
                self.send(Packet::Close(Some(4000)));
            }
            Action::Hangup => {
                self.dial = None;
                self.drop_connection();
            }
            Action::Notify(notice) => self.notices.push(notice),
            Action::Stop(stop) => panic!("nothing here is fatal: {stop:?}"),
        }
    }

    fn hash(&mut self, text: &str) {
        let at = (self.now - self.start).as_nanos();
        for byte in at.to_le_bytes().iter().chain(text.as_bytes()) {
            self.log = (self.log ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.session.state() == State::Active
    }
}
