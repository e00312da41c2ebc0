//! What does the server do on one connection? The machine without its socket: it is given bytes
//! and the time, and gives bytes back. Pure.

mod hear;
mod say;
mod verbs;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    dialect::Rule,
    http::Request,
    log::End,
    pack::Packer,
    script::{Fault, Moment, Step},
    wire::Decoder,
    world::{World, fire, later},
};

/// Above this no further event is taken out of the session until the client has read.
const OUT_LEN_EVENTS: usize = 256 << 10;
/// Above this nothing is read from the client until it has read.
const OUT_LEN_MAX: usize = 1 << 20;
/// How many messages of the client may wait for steps to end.
const INBOX_MAX: usize = 1024;
/// How much of a request may wait for steps to end.
const HEAD_LEN_MAX: usize = 32 << 10;
/// How long the client has for the closing handshake.
const CLOSING: Duration = Duration::from_secs(5);
/// What a late heartbeat is forgiven beside half an interval.
const HEARTBEAT_SLACK: Duration = Duration::from_secs(5);

/// What the client has to leave in by itself once it was asked to reconnect.
const RECYCLING: Duration = Duration::from_millis(250);

/// One connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: u64,
    state: State,
    /// What came before the WebSocket began.
    head: Vec<u8>,
    /// The request that is not answered yet.
    request: Option<Request>,
    decoder: Decoder,
    packer: Option<Packer>,
    faults: Vec<Fault>,
    steps: VecDeque<Step>,
    block: Option<Block>,
    inbox: VecDeque<Message>,
    /// What `Answer` would answer.
    current: Current,
    out: VecDeque<Out>,
    out_len: usize,
    /// Whether steps have silenced the server on this connection.
    is_silent: bool,
    session: Option<String>,
    /// Whether steps answered IDENTIFY or RESUME in place of the rules.
    is_scripted: bool,
    /// When the client sent messages, within the window of the send limit.
    sends: VecDeque<Instant>,
    /// When a heartbeat last came, or Hello went.
    heard: Option<Instant>,
    /// When the connection will have lived long enough.
    recycle_at: Option<Instant>,
    /// When to close with which code, once asked for a reconnect.
    leave_at: Option<(Instant, u16)>,
    /// How many events went out on this connection.
    events: u64,
    /// Whether a session has begun or resumed on this connection.
    has_begun: bool,
    armed: Armed,
    /// An event that waits for the next one to overtake it.
    held: Option<String>,
    fragment: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No WebSocket yet.
    Head,
    Open,
    /// A close frame went one way; the rest may take until then.
    Closing(Instant),
    /// The end is on its way out.
    Over,
}

/// What steps wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Expect(u64),
    Request,
    Until(Instant),
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Out {
    Bytes(Vec<u8>),
    Dribble { bytes: usize, every: Duration },
    Eof,
    Fin,
    Hang,
    Mute,
    Rst,
}

/// What `Answer` would answer.
#[derive(Clone, Debug, Default)]
pub(super) enum Current {
    Close(Option<u16>),
    Hello,
    Message(Message),
    #[default]
    Nothing,
}

/// A message of the client.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Message {
    pub(super) op: u64,
    #[serde(default)]
    pub(super) d: Value,
}

/// What happens to the next event.
#[derive(Clone, Debug, Default)]
pub(super) struct Armed {
    pub(super) corrupt: Option<usize>,
    pub(super) cut: Option<(usize, bool)>,
    pub(super) duplicate: bool,
    pub(super) flip: Option<usize>,
    pub(super) lose: bool,
    pub(super) split: Vec<usize>,
    pub(super) swap: bool,
}

// What the shell calls.
impl Peer {
    pub(super) fn new(world: &mut World, now: Instant, id: u64) -> Self {
        let mut peer = Self {
            id,
            state: State::Head,
            head: Vec::new(),
            request: None,
            decoder: Decoder::default(),
            packer: None,
            faults: world.take_plan(true),
            steps: VecDeque::new(),
            block: None,
            inbox: VecDeque::new(),
            current: Current::Nothing,
            out: VecDeque::new(),
            out_len: 0,
            is_silent: false,
            session: None,
            is_scripted: false,
            sends: VecDeque::new(),
            heard: None,
            recycle_at: None,
            leave_at: None,
            events: 0,
            has_begun: false,
            armed: Armed::default(),
            held: None,
            fragment: 0,
        };
        if let Some(steps) = peer.fault(world, Moment::Accept) {
            peer.steps.extend(steps);
        }
        peer.run(world, now);
        peer
    }

    /// Takes bytes from the client.
    pub(super) fn handle_bytes(&mut self, world: &mut World, now: Instant, bytes: &[u8]) {
        match self.state {
            State::Head => self.head.extend_from_slice(bytes),
            State::Open | State::Closing(_) => {
                self.decoder.push(bytes);
                self.decode(world, now);
            }
            State::Over => {}
        }
        self.run(world, now);
    }

    /// The client has ended its side, in good order or not.
    pub(super) fn handle_eof(&mut self, world: &mut World, now: Instant) {
        // A REST client may end its side before it reads the answer.
        if self.state != State::Over && !(self.state == State::Head && self.request.is_some()) {
            self.end(world, now, End::Client);
        }
    }

    /// Does what is due: orders, deadlines, waiting events.
    pub(super) fn run(&mut self, world: &mut World, now: Instant) {
        self.steps.extend(world.take_orders(self.id));
        // Deadlines last: what has come by now was in time.
        while self.turn(world, now) || self.handle_deadline(world, now) {}
    }

    pub(super) fn next_out(&mut self) -> Option<Out> {
        let out = self.out.pop_front()?;
        if let Out::Bytes(bytes) = &out {
            self.out_len -= bytes.len();
        }
        Some(out)
    }

    pub(super) fn wants_bytes(&self) -> bool {
        self.state != State::Over
            && self.inbox.len() < INBOX_MAX
            && self.out_len < OUT_LEN_MAX
            && self.head.len() < HEAD_LEN_MAX
    }

    /// Whether all is done and said that comes before the client is heard.
    pub(super) fn waits_for_client(&self) -> bool {
        let is_through = match self.block {
            None => self.steps.is_empty(),
            Some(Block::Expect(_) | Block::Request) => true,
            Some(Block::Until(_)) => false,
        };
        is_through && !self.is_silent && self.out.is_empty()
    }

    /// When to call [`run`](Self::run) at the latest.
    pub(super) fn deadline(&self, world: &World) -> Option<Instant> {
        let until = match self.block {
            Some(Block::Until(until)) if self.state != State::Over => Some(until),
            _ => None,
        };
        let closing = match self.state {
            State::Closing(until) if !self.is_silent => Some(until),
            _ => None,
        };
        let deadlines = [
            until,
            closing,
            self.heartbeat_deadline(world),
            self.recycle_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }
}

// The order of things.
impl Peer {
    /// Does what a deadline that has passed asks for; whether one has.
    fn handle_deadline(&mut self, world: &mut World, now: Instant) -> bool {
        match self.state {
            State::Closing(until) if now >= until && !self.is_silent => {
                self.end(world, now, End::Fin);
                true
            }
            State::Open if self.heartbeat_deadline(world).is_some_and(|at| now >= at) => {
                let reason = "no heartbeat for too long";
                self.punish(world, now, Rule::SessionTimedOut, reason);
                true
            }
            State::Open if self.recycle_deadline().is_some_and(|at| now >= at) => {
                self.recycle_at = None;
                match self.leave_at.take() {
                    Some((_, code)) => self.close(world, now, Some(code), "connection expired"),
                    None => self.reconnect(world, now),
                }
                true
            }
            _ => false,
        }
    }

    fn heartbeat_deadline(&self, world: &World) -> Option<Instant> {
        if !world.options.heartbeat_deadline || !self.is_free() {
            return None;
        }
        let interval = world.options.heartbeat_interval;
        let patience = interval.saturating_mul(3) / 2 + HEARTBEAT_SLACK;
        self.heard.map(|heard| later(heard, patience))
    }

    fn recycle_deadline(&self) -> Option<Instant> {
        let at = self.leave_at.map(|(at, _)| at).or(self.recycle_at);
        at.filter(|_| self.is_free())
    }

    /// Whether no steps are under way.
    fn is_free(&self) -> bool {
        self.state == State::Open
            && self.block.is_none()
            && self.steps.is_empty()
            && !self.is_silent
    }

    /// Does the next thing; whether there was one.
    fn turn(&mut self, world: &mut World, now: Instant) -> bool {
        if self.state == State::Over || !self.is_unblocked(world, now) {
            return false;
        }
        if let Some(step) = self.steps.pop_front() {
            self.step(world, now, step);
            return true;
        }
        if self.is_silent {
            self.inbox.clear();
            return false;
        }
        match self.state {
            State::Head if self.request.is_some() => {
                self.answer(world, now);
                true
            }
            State::Head => self.read_head(world, now) && self.greet(world, now),
            State::Open => match self.inbox.pop_front() {
                Some(message) => {
                    self.handle_message(world, now, message);
                    true
                }
                None => self.send_event(world, now),
            },
            State::Closing(_) | State::Over => {
                self.inbox.clear();
                false
            }
        }
    }

    fn is_unblocked(&mut self, world: &mut World, now: Instant) -> bool {
        let is_over = match self.block {
            None => return true,
            Some(Block::Until(until)) => now >= until,
            Some(Block::Request) => self.request.is_some() || self.read_head(world, now),
            Some(Block::Expect(op)) => loop {
                match self.inbox.pop_front() {
                    Some(message) if message.op == op => {
                        self.expected(world, message, now);
                        break true;
                    }
                    Some(_) => {}
                    None => break false,
                }
            },
        };
        if is_over {
            self.block = None;
        }
        is_over
    }

    fn expected(&mut self, world: &mut World, message: Message, now: Instant) {
        self.is_scripted |= matches!(message.op, 2 | 6);
        if message.op == 1 {
            self.heard = self.heard.map(|_| now);
        }
        if let Some(shard) = world.shard_of(self.id) {
            self.faults.extend(world.take_shard_plan(shard));
        }
        self.current = Current::Message(message);
    }

    /// The proper answer to what has just come, or the steps of a fault in its place.
    fn moment(&mut self, world: &mut World, now: Instant, at: Moment, what: Current) {
        self.current = what;
        match self.fault(world, at) {
            Some(steps) => {
                self.is_scripted |= matches!(at, Moment::Identify | Moment::Resume);
                self.insert(steps);
            }
            None => self.answer(world, now),
        }
    }

    /// Steps that come before those already waiting.
    fn insert(&mut self, steps: Vec<Step>) {
        for step in steps.into_iter().rev() {
            self.steps.push_front(step);
        }
    }

    fn fault(&mut self, world: &mut World, at: Moment) -> Option<Vec<Step>> {
        fire(&mut self.faults, at).or_else(|| world.standing(at))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::local::{Builder, Dialect, Event, pack::unpack::OFFERED, wire};

    fn step(random: &mut fastrand::Rng) -> Step {
        let number = random.u64(..) >> random.u32(0..64);
        let text = ["{}", "", "\u{0}", r#"{"op":0}"#][random.usize(0..4)].to_owned();
        let bytes = text.clone().into_bytes();
        match random.u32(0..35) {
            0 => Step::Ack,
            1 => Step::Answer,
            2 => Step::Binary(bytes),
            3 => Step::Close(random.u16(..)),
            4 => Step::CorruptNext(random.usize(..)),
            5 => Step::CutNext {
                byte: random.usize(0..99),
                reset: random.bool(),
            },
            6 => Step::Dribble {
                bytes: random.usize(0..9),
                every: Duration::from_millis(number),
            },
            7 => Step::DuplicateNext,
            8 => Step::Expect(random.u64(0..9)),
            9 => Step::Fin,
            10 => Step::Fragment(random.usize(0..9)),
            11 => Step::Hang,
            12 => Step::Hello,
            13 => Step::Http {
                status: random.u16(..),
                headers: Vec::new(),
                body: text,
            },
            14 => Step::InvalidSession(random.bool()),
            15 => Step::LoseNext,
            16 => Step::Mute,
            17 => Step::Ping(bytes),
            18 => Step::Raw(bytes),
            19 => Step::Ready(vec![(text, None)]),
            20 => Step::Reconnect,
            21 => Step::Renumber(number),
            22 => Step::Replay,
            23 => Step::RequestHeartbeat,
            24 => Step::Rst,
            25 => Step::Send(text),
            26 => Step::SkipSequence(number),
            27 => Step::SwapNext,
            28 => Step::Upgrade,
            29 => Step::Eof,
            30 => Step::FlipNext(random.usize(..)),
            31 => Step::Pack(bytes),
            33 => Step::Token(vec![(text, None)]),
            32 => Step::SplitNext(vec![random.usize(0..99), random.usize(..)]),
            _ => Step::Wait(Duration::from_millis(number)),
        }
    }

    fn moment(random: &mut fastrand::Rng) -> Moment {
        match random.u32(0..11) {
            0 => Moment::Accept,
            1 => Moment::Close,
            2 => Moment::Command(3),
            3 => Moment::Events(random.u64(0..4)),
            4 => Moment::Heartbeat,
            5 => Moment::Hello,
            6 => Moment::Identify,
            7 => Moment::Rest,
            8 => Moment::Resume,
            9 => Moment::Token,
            _ => Moment::Upgrade,
        }
    }

    /// A masked frame, well formed or not quite.
    fn frame(random: &mut fastrand::Rng, session: &str) -> Vec<u8> {
        let text = match random.u32(0..9) {
            7 => r#"{"op":2,"d":{"token":"Bot a.t","intents":0}}"#.to_owned(),
            8 => {
                format!(r#"{{"op":6,"d":{{"token":"Bot a.t","session_id":"{session}","seq":1}}}}"#)
            }
            0 => r#"{"op":1,"d":null}"#.to_owned(),
            1 => r#"{"op":2,"d":{"token":"t","properties":{},"intents":0}}"#.to_owned(),
            2 => r#"{"op":3,"d":{}}"#.to_owned(),
            3 => format!(r#"{{"op":6,"d":{{"token":"t","session_id":"{session}","seq":1}}}}"#),
            4 => r#"{"op":8,"d":{"nonce":1}}"#.to_owned(),
            5 => "\u{3}\u{fffd}".to_owned(),
            6 => format!(r#"{{"op":{},"d":[]}}"#, random.u64(..)),
            _ => String::new(),
        };
        let opcode = [1, 1, 1, 1, 2, 8, 9, random.u8(0..16)][random.usize(0..8)];
        let mut bytes = Vec::new();
        wire::write_frame(random.u32(0..9) > 0, opcode, text.as_bytes(), &mut bytes);
        bytes[1] |= 0x80;
        let mask_at = bytes.len() - text.len();
        bytes.splice(mask_at..mask_at, [0; 4]);
        bytes
    }

    /// Goal: whatever a client sends and a test orders, in whatever order, the machine comes to
    /// rest after each input and never panics. Method: both at random, from a seed.
    #[test]
    fn any_mixture_of_frames_and_steps_comes_to_rest() {
        let compression = OFFERED.last().map(|kind| format!("compress={kind}"));
        let upgrade = format!(
            "GET /?{} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
            compression.unwrap_or_default()
        );
        let (mut opened, mut sessions) = (0, 0);
        for seed in 0..4000 {
            let random = &mut fastrand::Rng::with_seed(seed);
            let mut now = Instant::now();
            let dialect = [Dialect::Discord, Dialect::Qq][usize::from(seed % 4 == 3)];
            let builder = Builder::default().seed(seed).platform(dialect);
            let mut world = builder.recycle_after(RECYCLING * 4).token("t").world(now);
            for _ in 0..random.usize(0..3) {
                let steps: Vec<_> = (0..random.usize(0..3)).map(|_| step(random)).collect();
                world.plan(vec![Fault::at(moment(random), steps)]);
            }
            let mut session = String::new();
            for _ in 0..3 {
                let (id, _) = world.admit();
                let mut peer = Peer::new(&mut world, now, id);
                peer.handle_bytes(&mut world, now, upgrade.as_bytes());
                opened += u32::from(peer.state == State::Open);
                for _ in 0..random.usize(0..20) {
                    now += Duration::from_millis(random.u64(0..3000));
                    match random.u32(0..6) {
                        0 if random.bool() => peer.handle_eof(&mut world, now),
                        0 | 1 => _ = world.order(&[step(random)], |_, _| true),
                        2 => {
                            let event = Event::new("A", "1").unwrap();
                            world.publish(now, &event.into(), |_| true);
                        }
                        3 => while peer.next_out().is_some() {},
                        _ => peer.handle_bytes(&mut world, now, &frame(random, &session)),
                    }
                    peer.run(&mut world, now);
                    let due = peer.deadline(&world).filter(|at| *at <= now);
                    assert_eq!(due, None, "seed {seed}: a deadline that does not move");
                }
                if let Some(id) = &peer.session {
                    sessions += 1;
                    session.clone_from(id);
                }
                world.dismiss(id, now);
            }
        }
        assert!(
            opened > 1000 && sessions > 300,
            "{opened} {sessions}: it tests nothing"
        );
    }
}
