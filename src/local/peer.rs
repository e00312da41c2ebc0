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
    http::Request,
    log::End,
    rules::code,
    script::{Fault, Moment, Step},
    wire::{Decoder, Packer},
    world::{World, fire},
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
    /// How many events went out on this connection.
    events: u64,
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
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Armed {
    pub(super) corrupt: Option<usize>,
    pub(super) cut: Option<(usize, bool)>,
    pub(super) duplicate: bool,
    pub(super) lose: bool,
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
            events: 0,
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
        self.handle_deadlines(world, now);
        while self.turn(world, now) {}
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

    /// When to call [`run`](Self::run) at the latest.
    pub(super) fn deadline(&self, world: &World) -> Option<Instant> {
        let until = match self.block {
            Some(Block::Until(until)) => Some(until),
            _ => None,
        };
        let closing = match self.state {
            State::Closing(until) if !self.is_silent => Some(until),
            _ => None,
        };
        let deadlines = [until, closing, self.heartbeat_deadline(world)];
        deadlines.into_iter().flatten().min()
    }
}

// The order of things.
impl Peer {
    fn handle_deadlines(&mut self, world: &mut World, now: Instant) {
        match self.state {
            State::Closing(until) if now >= until && !self.is_silent => {
                self.end(world, now, End::Fin);
            }
            State::Open if self.heartbeat_deadline(world).is_some_and(|at| now >= at) => {
                let reason = "no heartbeat for too long";
                self.close(world, now, Some(code::SESSION_TIMED_OUT), reason);
            }
            _ => {}
        }
    }

    fn heartbeat_deadline(&self, world: &World) -> Option<Instant> {
        let is_free = self.state == State::Open
            && self.block.is_none()
            && self.steps.is_empty()
            && !self.is_silent;
        if !world.options.heartbeat_deadline || !is_free {
            return None;
        }
        let interval = world.options.heartbeat_interval;
        self.heard?
            .checked_add(interval + interval / 2 + HEARTBEAT_SLACK)
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
