//! What does the client say? Requests, frames and messages, read and put in line; pure.

use std::time::Instant;

use serde_json::Value;

use super::{CLOSING, Current, Message, Peer, State};
use crate::local::{
    dialect::Rule,
    http::{self, Answer, Request},
    log::{Act, End},
    pack::Packer,
    rules,
    script::Moment,
    wire::{self, ClientFrame, opcode},
    world::{World, later},
};

// Before the WebSocket.
impl Peer {
    /// Reads a request; whether there is one.
    pub(super) fn read_head(&mut self, world: &mut World, now: Instant) -> bool {
        match Request::parse(&self.head) {
            Ok(None) => false,
            Ok(Some((request, len))) => {
                self.head.drain(..len);
                if request.wants_upgrade() {
                    let act = Act::Connect {
                        target: request.target.clone(),
                        headers: request.shown_headers(),
                    };
                    world.record(now, self.id, act);
                }
                self.request = Some(request);
                true
            }
            Err(http::BadHead) => {
                self.refuse_http(world, now, &Answer::text(400, "this is no HTTP request"));
                false
            }
        }
    }

    /// Does what its plan says about a request that was just read, or answers it.
    pub(super) fn greet(&mut self, world: &mut World, now: Instant) -> bool {
        let is_upgrade = self.request.as_ref().is_some_and(Request::wants_upgrade);
        // Whoever has a plan since `Accept` keeps to it.
        if is_upgrade && self.faults.is_empty() {
            self.faults = world.take_plan(false);
        }
        let wants_token = world.table().wants_token;
        let at = if is_upgrade {
            Moment::Upgrade
        } else if self.request.as_ref().is_some_and(wants_token) {
            Moment::Token
        } else {
            Moment::Rest
        };
        self.moment(world, now, at, Current::Nothing);
        true
    }

    pub(super) fn answer_request(&mut self, world: &mut World, now: Instant) {
        let Some(request) = self.request.clone() else {
            return;
        };
        if request.wants_upgrade() {
            if self.upgrade(world, now) {
                self.moment(world, now, Moment::Hello, Current::Hello);
            }
            return;
        }
        let answer = (world.table().rest)(world, now, self.id, &request);
        self.record_rest(world, now, request, answer.status);
        self.refuse_http(world, now, &answer);
    }

    pub(super) fn record_rest(
        &self,
        world: &mut World,
        now: Instant,
        request: Request,
        status: u16,
    ) {
        let token = (request.header("authorization"))
            .and_then(|header| (world.table().token_number)(world, header));
        let act = Act::Rest {
            method: request.method,
            target: request.target,
            status,
            token,
        };
        world.record(now, self.id, act);
    }

    /// Answers by HTTP and ends.
    pub(super) fn refuse_http(&mut self, world: &mut World, now: Instant, answer: &Answer) {
        self.put(answer.write());
        self.end(world, now, End::Fin);
    }

    /// Switches to WebSocket; whether it did.
    pub(super) fn upgrade(&mut self, world: &mut World, now: Instant) -> bool {
        let Some(request) = self.request.take() else {
            return false;
        };
        let reads_query = world.table().reads_query;
        let parameter = |name| request.parameter(name).filter(|_| reads_query);
        let compress = parameter("compress");
        self.packer = compress.and_then(Packer::named);
        let is_known = self.packer.is_some() || compress.is_none();
        if !is_known || parameter("encoding").is_some_and(|name| name != "json") {
            let answer = Answer::text(400, "an encoding or compression that is not offered here");
            self.refuse_http(world, now, &answer);
            return false;
        }
        match request.upgrade() {
            Ok(head) => self.put(head.into_bytes()),
            Err(answer) => {
                self.refuse_http(world, now, &answer);
                return false;
            }
        }
        self.state = State::Open;
        let usual = world.table().recycle;
        let lifetime = world.options.recycle.or(usual);
        self.recycle_at = lifetime.map(|lifetime| later(now, lifetime));
        if parameter("v").is_some_and(|version| !matches!(version, "9" | "10")) {
            self.punish(world, now, Rule::InvalidVersion, "no such version");
            return false;
        }
        let rest = std::mem::take(&mut self.head);
        self.decoder.push(&rest);
        self.decode(world, now);
        true
    }
}

// What the client sends.
impl Peer {
    pub(super) fn decode(&mut self, world: &mut World, now: Instant) {
        loop {
            match self.decoder.next() {
                Ok(None) => return,
                Ok(Some(ClientFrame::Message(payload))) if self.state == State::Open => {
                    self.take_message(world, now, &payload);
                }
                Ok(Some(ClientFrame::Message(_) | ClientFrame::Pong)) => {}
                Ok(Some(ClientFrame::Ping(payload))) => {
                    let mut frame = Vec::new();
                    wire::write_frame(true, opcode::PONG, &payload, &mut frame);
                    self.put(frame);
                }
                Ok(Some(ClientFrame::Close { code, reason })) => {
                    self.handle_close(world, now, code, reason);
                    return;
                }
                Err(wire::Broken(code)) => {
                    if self.state == State::Open {
                        self.close(world, now, Some(code), "a broken frame");
                    }
                    return;
                }
            }
        }
    }

    /// Records a message and puts it in line.
    pub(super) fn take_message(&mut self, world: &mut World, now: Instant, payload: &[u8]) {
        let window = world.options.send_window;
        let is_past = |at: &Instant| now.saturating_duration_since(*at) >= window;
        while self.sends.front().is_some_and(is_past) {
            self.sends.pop_front();
        }
        self.sends.push_back(now);
        if self.sends.len() > world.options.sends_max {
            return self.punish(world, now, Rule::RateLimited, "sent too much");
        }
        let is_short = payload.len() <= world.options.payload_len_max;
        let message = serde_json::from_slice::<Message>(payload).ok();
        let Some(message) = message.filter(|_| is_short) else {
            let len = payload.len();
            world.record(now, self.id, Act::Unreadable { len });
            return self.punish(world, now, Rule::Decode, "not readable, or too long");
        };
        let act = self.read(world, &message);
        world.record(now, self.id, act);
        self.inbox.push_back(message);
    }

    pub(super) fn read(&self, world: &mut World, message: &Message) -> Act {
        let data = &message.d;
        let token = (data.get("token").and_then(Value::as_str))
            .and_then(|text| (world.table().token_number)(world, text));
        match message.op {
            1 => Act::Heartbeat { seq: data.as_u64() },
            2 => {
                if let Some(shard) = rules::shard_of(data) {
                    world.name_shard(self.id, shard);
                }
                let mut shown = data.clone();
                if let Some(token) = shown.get_mut("token") {
                    *token = Value::from("[redacted]");
                }
                Act::Identify {
                    intents: data.get("intents").and_then(Value::as_u64),
                    data: shown.to_string(),
                    token,
                }
            }
            6 => {
                let session_id = data.get("session_id").and_then(Value::as_str);
                let session_id = session_id.unwrap_or_default().to_owned();
                let shard = world.session(&session_id).map(|session| session.shard);
                if let Some(shard) = shard {
                    world.name_shard(self.id, shard);
                }
                let seq = data.get("seq").and_then(Value::as_u64).unwrap_or_default();
                Act::Resume {
                    session_id,
                    seq,
                    token,
                }
            }
            op => Act::Command {
                op,
                data: data.to_string(),
            },
        }
    }

    pub(super) fn handle_message(&mut self, world: &mut World, now: Instant, message: Message) {
        let at = match message.op {
            1 if message.d.is_null() || message.d.is_u64() => {
                self.heard = self.heard.map(|_| now);
                Moment::Heartbeat
            }
            1 => return self.punish(world, now, Rule::Decode, "no heartbeat"),
            2 => Moment::Identify,
            6 => Moment::Resume,
            op if world.table().commands.contains(&op) => {
                if self.session.is_none() && !self.is_scripted {
                    let reason = "a command before identify";
                    return self.punish(world, now, Rule::NotAuthenticated, reason);
                }
                Moment::Command(op)
            }
            _ => return self.punish(world, now, Rule::UnknownOpcode, "no such op"),
        };
        if let (Moment::Identify | Moment::Resume, Some(shard)) = (at, world.shard_of(self.id)) {
            self.faults.extend(world.take_shard_plan(shard));
        }
        self.moment(world, now, at, Current::Message(message));
    }

    pub(super) fn handle_close(
        &mut self,
        world: &mut World,
        now: Instant,
        code: Option<u16>,
        reason: String,
    ) {
        let is_answer = matches!(self.state, State::Closing(_));
        world.record(now, self.id, Act::Close { code, reason });
        let ends = world.table().hears_goodbye && matches!(code, Some(1000 | 1001));
        if let (true, Some(id)) = (ends, &self.session) {
            world.end_session(id);
        }
        world.detach(self.id, now);
        if self.is_silent {
            return;
        }
        if is_answer {
            return self.end(world, now, End::Fin);
        }
        self.state = State::Closing(now + CLOSING);
        self.steps.clear();
        self.block = None;
        self.moment(world, now, Moment::Close, Current::Close(code));
    }
}
