//! The rules of the conversation, told anything at any time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::input::Input;
use crate::{
    Limits, ShardId,
    codec::envelope::Envelope,
    discord::{self, Discord},
    platform::{GatewayUrl, Platform},
    qq::{self, QQ},
    secret::Token,
    session::{
        Action, Command, Input as News, Lost, Reconnect, Resume, Session, Setup, Shutdown, State,
    },
};

/// Steps of one run.
const STEPS_MAX: usize = 512;

/// News in any order and any passing of time. In a lawful run (the first bit) only what a driver
/// would tell is told: then connections, permits and sends are counted as well.
///
/// What must hold after each step: nothing panics; every state has a deadline but those that wait
/// without bound, and its passing leads on; nothing follows the stop; the cursor rises, but for a
/// new session.
///
/// # Panics
///
/// Where that does not hold.
pub fn session_ops(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    if kind & 2 == 0 {
        let platform = Discord::with_intents(discord::Intents::GUILDS);
        World::new(platform, kind, &mut input).run(input);
    } else {
        let platform = QQ::with_intents(qq::Intents::PUBLIC_GUILD_MESSAGES);
        World::new(platform, kind, &mut input).run(input);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Link {
    None,
    Dialling { queued: bool },
    Open,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that hold independently of each other"
)]
struct World<P: Platform> {
    session: Session<P>,
    start: Instant,
    now: Instant,
    is_lawful: bool,
    link: Link,
    is_paused: bool,
    wants_permit: bool,
    is_stopped: bool,
    /// Of this connection, those of the last minute.
    sends: VecDeque<Instant>,
    connects: u32,
    /// What the user asked for and what may be followed by a connect at once.
    asked: u32,
    permits: u64,
}

impl<P: Platform> World<P> {
    fn new(platform: P, kind: u8, input: &mut Input) -> Self {
        let now = Instant::now();
        let resume = (kind & 4 != 0).then(|| Resume {
            session_id: "held".into(),
            seq: number(input, 0),
            url: None,
        });
        let setup = Setup {
            platform,
            shard: ShardId::ONE,
            bases: vec![GatewayUrl::configured("wss://gateway.discord.gg").expect("a good url")],
            discovers: kind & 8 != 0,
            session_age_max: (kind & 16 != 0).then(|| Duration::from_mins(10)),
            drop_repeated: kind & 32 != 0,
            limits: std::sync::Arc::default(),
            resume,
            seed: u64::from(input.byte()),
        };
        let mut world = Self {
            session: Session::new(setup, now),
            start: now,
            now,
            is_lawful: kind & 1 == 1,
            link: Link::None,
            is_paused: false,
            wants_permit: false,
            is_stopped: false,
            sends: VecDeque::new(),
            connects: 0,
            asked: 0,
            permits: 0,
        };
        world.settle();
        world
    }

    fn run(mut self, mut input: Input) {
        for _ in 0..STEPS_MAX {
            if input.is_empty() {
                break;
            }
            let before = self.session.resume().cloned();
            let is_new = self.step(&mut input);
            self.settle();
            let after = self.session.resume();
            if let Some((before, after)) = before.zip(after)
                && before.session_id == after.session_id
            {
                assert!(after.seq >= before.seq || is_new, "{before:?} {after:?}");
            }
            self.check();
        }
    }

    /// One thing happens; whether it is a READY.
    fn step(&mut self, input: &mut Input) -> bool {
        let (op, dialling) = (input.byte(), matches!(self.link, Link::Dialling { .. }));
        let open = self.link == Link::Open;
        match op % 24 {
            0 | 1 => self.dial_goes_on(op),
            2 => {
                let lost = lost(input);
                let is_dial = matches!(lost, Lost::Connect { .. });
                let lawful = if is_dial { dialling } else { open };
                if lawful || !self.is_lawful {
                    self.ended();
                    self.give(News::Lost(lost));
                }
            }
            3..=11 => return self.message(op, input),
            12 if open || !self.is_lawful => {
                let seq = input.flag().then(|| number(input, self.seq()));
                self.give(News::Garbled { seq });
            }
            13 | 14 if self.wants_permit || !self.is_lawful => {
                self.wants_permit = false;
                self.permits += 1;
                self.give(News::Permit(Token::from("token")));
            }
            15 if self.wants_permit || !self.is_lawful => {
                self.wants_permit = false;
                let (fatal, later) = (input.byte() == 7, input.flag());
                let retry_after = later.then(|| Duration::from_millis(input.u32().into()));
                self.give(News::PermitRefused { fatal, retry_after });
            }
            16 if self.session.wants_command(self.now) || !self.is_lawful => {
                let op = input.one_of(&[3, 4, 8, 31]);
                let payload = format!(r#"{{"op":{op},"d":{{}}}}"#).into_bytes();
                self.give(News::Command(Command { op, payload }));
            }
            17 if open || !self.is_lawful => {
                self.is_paused = input.flag();
                if self.is_paused {
                    self.give(News::ReadingPaused);
                } else {
                    self.give(News::CaughtUp);
                }
            }
            18 => self.give(News::Beat),
            19 => {
                self.asked += 1;
                let how = input.one_of(&[Reconnect::Fresh, Reconnect::Resume]);
                self.give(News::Reconnect(how));
            }
            20 if input.byte() > 200 => {
                let how = input.one_of(&[Shutdown::End, Shutdown::Keep]);
                self.give(News::Shutdown(how));
            }
            21 => self.pass(Duration::from_millis(u64::from(input.u16()) << (op >> 5))),
            _ => {
                if let Some((at, _)) = self.session.poll_timeout(self.now) {
                    self.pass(at.saturating_duration_since(self.now));
                }
            }
        }
        false
    }

    fn dial_goes_on(&mut self, op: u8) {
        let news = match (op >> 5, self.link) {
            (0, Link::Dialling { queued: false }) => {
                self.link = Link::Dialling { queued: true };
                News::DialQueued
            }
            (1.., Link::Dialling { queued: true }) => {
                self.link = Link::Dialling { queued: false };
                News::DialBegun
            }
            (1.., Link::Dialling { queued: false }) => {
                self.link = Link::Open;
                self.sends.clear();
                News::Connected
            }
            _ if self.is_lawful => return,
            (0, _) => News::DialQueued,
            (1, _) => News::DialBegun,
            _ => News::Connected,
        };
        self.give(news);
    }

    /// A message of the server; whether it is a READY.
    fn message(&mut self, op: u8, input: &mut Input) -> bool {
        const INTERVALS: [&str; 8] = [
            "41250", "41250", "1000", "999", "3600000", "3600001", "1e300", "\"5\"",
        ];
        if self.link != Link::Open && self.is_lawful {
            return false;
        }
        let held = self.seq();
        let text = match op % 24 {
            3 => {
                let interval = input.one_of(&INTERVALS);
                format!(r#"{{"op":10,"s":null,"d":{{"heartbeat_interval":{interval}}}}}"#)
            }
            4 => {
                let seq = input.one_of(&["1", "2", "null", "18446744073709551615"]);
                let id = input.one_of(&["\"new\"", "\"held\"", "\"\"", "7"]);
                let url = input.one_of(&[
                    "\"wss://gateway-x.discord.gg\"",
                    "\"wss://example.com\"",
                    "null",
                ]);
                format!(
                    r#"{{"op":0,"s":{seq},"t":"READY","d":{{"session_id":{id},
                        "resume_gateway_url":{url}}}}}"#
                )
            }
            5 => format!(
                r#"{{"op":0,"s":{},"t":"RESUMED","d":{{}}}}"#,
                number(input, held)
            ),
            6 | 7 => {
                let (seq, id) = (number(input, held), input.byte());
                let name = input.one_of(&["TYPING_START", "AT_MESSAGE_CREATE", "X"]);
                format!(r#"{{"op":0,"s":{seq},"t":"{name}","id":"{id}","d":{{"id":"{id}"}}}}"#)
            }
            8 => r#"{"op":11}"#.to_owned(),
            9 => input
                .one_of(&[r#"{"op":1,"d":null}"#, r#"{"op":7,"d":null}"#])
                .to_owned(),
            10 => input
                .one_of(&[
                    r#"{"op":9,"d":true}"#,
                    r#"{"op":9,"d":false}"#,
                    r#"{"op":9}"#,
                ])
                .to_owned(),
            _ => {
                let len = usize::from(input.byte());
                String::from_utf8_lossy(&input.take(len)).into_owned()
            }
        };
        match Envelope::parse(&text) {
            Ok(envelope) => {
                let _ = self.session.handle(self.now, News::Message(&envelope));
                envelope.event().is_some_and(|name| name == "READY")
            }
            Err(unreadable) => {
                self.give(News::Garbled {
                    seq: unreadable.seq,
                });
                false
            }
        }
    }

    fn give(&mut self, news: News<'_>) {
        let _ = self.session.handle(self.now, news);
    }

    fn pass(&mut self, time: Duration) {
        // A year is enough for any run.
        if self.now - self.start < Duration::from_hours(24 * 365) {
            self.now += time;
        }
        self.session.handle_timeout(self.now);
    }

    fn ended(&mut self) {
        self.link = Link::None;
        self.is_paused = false;
    }

    fn seq(&self) -> u64 {
        self.session.resume().map_or(0, |held| held.seq)
    }

    /// Drains what the session wants done and sent.
    fn settle(&mut self) {
        let (mut actions, mut sent, mut out) = (0, 0, Vec::new());
        while let Some(action) = self.session.poll_action() {
            assert!(!self.is_stopped, "{action:?} behind the stop");
            actions += 1;
            assert!(actions < 32, "{action:?} without end");
            self.act(&action);
        }
        while self.session.poll_transmit(self.now, &mut out) {
            sent += 1;
            assert!(!self.is_stopped && sent <= 200, "{sent}");
            assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
            self.sends.push_back(self.now);
            if self.is_lawful {
                assert_eq!(self.link, Link::Open, "sent to nobody");
            }
        }
        let recent = |at: &Instant| self.now - *at < Duration::from_mins(1);
        self.sends.retain(recent);
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Connect(_) => {
                if self.is_lawful {
                    assert_eq!(self.link, Link::None, "two connections");
                }
                self.link = Link::Dialling { queued: false };
                self.connects += 1;
            }
            Action::RequestPermit { .. } => self.wants_permit = true,
            Action::ReturnPermit => self.wants_permit = false,
            Action::Close(code) => {
                if self.is_lawful {
                    assert_eq!(self.link, Link::Open, "nothing to close");
                }
                assert!(matches!(code, 1000 | 3000..=4999));
            }
            Action::Hangup => self.ended(),
            Action::Notify(_) => {}
            Action::Stop(_) => {
                self.is_stopped = true;
                self.ended();
            }
        }
    }

    fn check(&mut self) {
        let state = self.session.state();
        assert_eq!(state == State::Stopped, self.is_stopped);
        // What is due leads on, and does not stay due.
        for round in 0.. {
            let due = self
                .session
                .poll_timeout(self.now)
                .filter(|(at, _)| *at <= self.now);
            let Some((_, timer)) = due else {
                break;
            };
            assert!(round < 8, "{timer:?} stays due");
            self.session.handle_timeout(self.now);
            self.settle();
        }
        let state = self.session.state();
        let timeout = self.session.poll_timeout(self.now);
        if self.is_stopped {
            assert_eq!((state, timeout), (State::Stopped, None));
            return;
        }
        let waits = match state {
            State::AwaitPermit => true,
            // For those before it.
            State::AwaitConnection => {
                !self.is_lawful || self.link == Link::Dialling { queued: true }
            }
            _ => self.is_paused,
        };
        assert!(timeout.is_some() || waits, "{state:?} for ever");
        if !self.is_lawful {
            return;
        }
        assert!(
            self.sends.len() <= Limits::default().sends_max,
            "{}",
            self.sends.len()
        );
        let begun = self.session.counters();
        assert!(
            begun.identifies + begun.resumes <= self.permits,
            "begun without a permit"
        );
        // Five quick ones and a second try at the base are free; then it takes a half second.
        let elapsed = (self.now - self.start).as_secs();
        let most = 16 + u64::from(self.asked) * 2 + elapsed.saturating_mul(4);
        assert!(
            u64::from(self.connects) <= most,
            "{} in {elapsed} s",
            self.connects
        );
    }
}

fn lost(input: &mut Input) -> Lost {
    match input.byte() % 8 {
        0 => Lost::Connect {
            status: input.one_of(&[None, Some(401), Some(403), Some(429), Some(503)]),
            retry_after: input
                .flag()
                .then(|| Duration::from_secs(input.u64() >> (input.byte() % 64))),
        },
        1 => Lost::Closed { code: None },
        2 => Lost::Closed {
            code: Some(4000 + u16::from(input.byte()) % 20),
        },
        3 => Lost::Closed {
            code: Some(input.u16()),
        },
        4 => Lost::Cut,
        5 => input.one_of(&[Lost::BrokenFrame, Lost::TooLong]),
        6 => Lost::Compression,
        _ => Lost::WriteStall,
    }
}

/// A sequence, mostly near the one that is held.
fn number(input: &mut Input, held: u64) -> u64 {
    match input.byte() {
        0..128 => held.saturating_add(1),
        ahead @ 128..192 => held.saturating_add(u64::from(ahead) - 128),
        behind @ 192..250 => held.saturating_sub(u64::from(behind) - 192),
        250..253 => u64::MAX - u64::from(input.byte()),
        _ => input.u64(),
    }
}
