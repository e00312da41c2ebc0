//! One session on a bench: news go in by hand, actions come out, time is a field.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    codec::envelope::Envelope,
    discord::{Discord, Intents},
    id::ShardId,
    notice::Notice,
    platform::{GatewayUrl, Platform},
    secret::Token,
    session::{
        Action, Command, Endpoint, Input, Lost, Reconnect, Resume, Session, Setup, Shutdown, State,
        Verdict,
    },
};

pub(super) const INTERVAL: Duration = Duration::from_millis(41_250);

pub(super) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) fn setup(seed: u64) -> Setup<Discord> {
    setup_of(Intents::GUILDS, "wss://gateway.discord.gg", seed)
}

pub(super) fn setup_of<P: Platform>(intents: P::Intents, base: &str, seed: u64) -> Setup<P> {
    Setup {
        platform: P::with_intents(intents),
        shard: ShardId::ONE,
        bases: vec![GatewayUrl::configured(base).unwrap()],
        discovers: false,
        session_age_max: None,
        drop_repeated: false,
        limits: Arc::default(),
        resume: None,
        seed,
    }
}

pub(super) fn held(seq: u64) -> Resume {
    Resume {
        session_id: "old".into(),
        seq,
        url: None,
    }
}

/// A command that the limits see as one among others, but for op 3.
pub(super) fn command(op: u64) -> Command {
    let payload = format!(r#"{{"op":{op},"d":{{}}}}"#).into_bytes();
    Command { op, payload }
}

/// More than any test here takes: one that would never end fails instead.
const STEPS_MAX: u32 = 100_000;

pub(super) struct Bench<P: Platform = Discord> {
    pub(super) session: Session<P>,
    pub(super) now: Instant,
    /// What the session asked for when it was made.
    pub(super) first: Vec<Action>,
    steps: u32,
}

impl Bench {
    pub(super) fn new(seed: u64) -> Self {
        Self::with(setup(seed))
    }

    pub(super) fn resuming(seq: u64) -> Self {
        Self::with(Setup {
            resume: Some(held(seq)),
            ..setup(1)
        })
    }
}

impl<P: Platform> Bench<P> {
    pub(super) fn with(setup: Setup<P>) -> Self {
        let now = Instant::now();
        let mut session = Session::new(setup, now);
        let first = std::iter::from_fn(|| session.poll_action()).collect();
        Self {
            session,
            now,
            first,
            steps: 0,
        }
    }

    pub(super) fn give(&mut self, input: Input<'_>) -> Verdict {
        self.step();
        self.session.handle(self.now, input)
    }

    pub(super) fn message(&mut self, text: &str) -> Verdict {
        let envelope = Envelope::parse(text).unwrap_or_else(|_| panic!("readable: {text}"));
        self.give(Input::Message(&envelope))
    }

    pub(super) fn connect(&mut self) {
        let _ = self.give(Input::Connected);
    }

    pub(super) fn event(&mut self, seq: u64) -> Verdict {
        self.message(&format!(
            r#"{{"t":"TYPING_START","s":{seq},"op":0,"d":{{}}}}"#
        ))
    }

    pub(super) fn hello(&mut self) {
        let _ = self.message(r#"{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}"#);
    }

    pub(super) fn ready(&mut self) -> Verdict {
        self.message(
            r#"{"t":"READY","s":1,"op":0,"d":{"session_id":"new",
                "resume_gateway_url":"wss://gateway-x.discord.gg"}}"#,
        )
    }

    pub(super) fn resumed(&mut self, seq: u64) -> Verdict {
        self.message(&format!(r#"{{"t":"RESUMED","s":{seq},"op":0,"d":{{}}}}"#))
    }

    pub(super) fn ack(&mut self) {
        let _ = self.message(r#"{"op":11}"#);
    }

    pub(super) fn permit(&mut self) {
        let _ = self.give(Input::Permit(Token::from("token")));
    }

    pub(super) fn cut(&mut self) {
        let _ = self.give(Input::Lost(Lost::Cut));
    }

    pub(super) fn close(&mut self, code: u16) {
        let _ = self.give(Input::Lost(Lost::Closed { code: Some(code) }));
    }

    pub(super) fn reconnect(&mut self, how: Reconnect) {
        let _ = self.give(Input::Reconnect(how));
    }

    pub(super) fn shutdown(&mut self, how: Shutdown) {
        let _ = self.give(Input::Shutdown(how));
    }

    /// Connects and says Hello; the permit is granted and the handshake written.
    pub(super) fn handshake(&mut self) -> String {
        let _ = self.give(Input::Connected);
        self.hello();
        self.permit();
        self.sent().pop().expect("the handshake is written")
    }

    /// To the point where events come, with a fresh session.
    pub(super) fn activate(&mut self) {
        self.handshake();
        let _ = self.ready();
        self.actions();
    }

    /// To the point where events come and the server has shown that the session works.
    pub(super) fn progress(&mut self) {
        self.activate();
        let _ = self.event(2);
    }

    /// Everything that would be written now.
    pub(super) fn sent(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        let mut out = Vec::new();
        while self.session.poll_transmit(self.now, &mut out) {
            self.step();
            all.push(String::from_utf8(out.clone()).expect("payloads are UTF-8"));
        }
        all
    }

    pub(super) fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.session.poll_action()).collect()
    }

    pub(super) fn notices(&mut self) -> Vec<Notice> {
        let notice = |action| match action {
            Action::Notify(notice) => Some(notice),
            _ => None,
        };
        self.actions().into_iter().filter_map(notice).collect()
    }

    /// Jumps to the next deadline and lets it pass; how long that took.
    pub(super) fn elapse(&mut self) -> Duration {
        self.step();
        let (at, _) = self.session.poll_timeout(self.now).expect("a deadline");
        let waited = at.saturating_duration_since(self.now);
        self.now = self.now.max(at);
        self.session.handle_timeout(self.now);
        waited
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.step();
        self.now += by;
        self.session.handle_timeout(self.now);
    }

    /// Lets time pass until the session wants to connect; how long that took, and where to.
    pub(super) fn until_connect(&mut self) -> (Duration, Endpoint) {
        let start = self.now;
        for _ in 0..10 {
            for action in self.actions() {
                if let Action::Connect(endpoint) = action {
                    return (self.now - start, endpoint);
                }
            }
            if self.session.state() == State::AwaitClose {
                let _ = self.give(Input::Lost(Lost::Cut));
            } else {
                self.elapse();
            }
        }
        panic!("the session never connects");
    }

    fn step(&mut self) {
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "it goes on for ever");
    }

    pub(super) fn state(&self) -> State {
        self.session.state()
    }

    pub(super) fn seq(&self) -> Option<u64> {
        self.session.resume().map(|held| held.seq)
    }
}
