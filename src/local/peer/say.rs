//! What does the server say? The proper answers, and what puts them on the wire; pure.

use std::time::Instant;

use serde_json::Value;

use super::{Armed, CLOSING, Current, OUT_LEN_EVENTS, Out, Peer, RECYCLING, State};
use crate::local::{
    dialect::{Refusal, Rule},
    log::{Act, End},
    rules::{self, Broken},
    script::Moment,
    wire::{self, opcode},
    world::{World, later},
};

// What the server says.
impl Peer {
    /// Does what a well-behaved server does about what has just come.
    pub(super) fn answer(&mut self, world: &mut World, now: Instant) {
        match std::mem::take(&mut self.current) {
            Current::Nothing => self.answer_request(world, now),
            Current::Hello => self.hello(world, now),
            Current::Close(code) => {
                let mut frame = Vec::new();
                wire::write_close(code, "", &mut frame);
                self.put(frame);
                self.end(world, now, End::Fin);
            }
            Current::Message(message) => match message.op {
                1 => self.say(world, now, 11, None),
                2 => self.identify(world, now, &message.d),
                6 => self.resume(world, now, &message.d, true),
                op => self.inform(world, now, op, &message.d),
            },
        }
    }

    pub(super) fn hello(&mut self, world: &mut World, now: Instant) {
        self.heard = Some(now);
        let interval = world.options.heartbeat_interval.as_millis();
        let more = world.table().hello;
        let d = format!(r#"{{"heartbeat_interval":{interval}{more}}}"#);
        self.say(world, now, 10, Some(&d));
    }

    fn identify(&mut self, world: &mut World, now: Instant, data: &Value) {
        self.is_scripted = false;
        if self.session.is_some() {
            return self.refuse(world, now, ALREADY, 2);
        }
        match rules::identify(world, now, self.id, data) {
            Ok((shard, owner)) => {
                self.session = Some(world.begin(now, self.id, shard, owner, &[]));
                self.attached(world);
            }
            Err(broken) => self.refuse(world, now, broken, 2),
        }
    }

    pub(super) fn resume(&mut self, world: &mut World, now: Instant, data: &Value, say: bool) {
        self.is_scripted = false;
        if self.session.is_some() {
            return self.refuse(world, now, ALREADY, 6);
        }
        match rules::resume(world, now, self.id, data) {
            Ok((id, replayed)) => {
                world.record(now, self.id, Act::Resumed { replayed });
                if say {
                    world.push_resumed(&id);
                }
                self.session = Some(id);
                self.attached(world);
            }
            Err(broken) => self.refuse(world, now, broken, 6),
        }
    }

    /// A session is on this connection now.
    pub(super) fn attached(&mut self, world: &mut World) {
        // Each moment comes once: steps that begin another session would else never end.
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        if let Some(steps) = self.fault(world, Moment::Events(0)) {
            self.insert(steps);
        }
    }

    pub(super) fn adopt(&mut self, session: String) {
        self.session = Some(session);
        self.is_scripted = false;
    }

    /// Refuses the IDENTIFY or RESUME, which has this op.
    fn refuse(&mut self, world: &mut World, now: Instant, broken: Broken, op: u64) {
        let Broken(rule, reason) = broken;
        world.record(now, self.id, Act::Refused { reason });
        match (world.table().refusal)(rule) {
            Refusal::Close(code) => self.close(world, now, Some(code), reason),
            Refusal::Invalid => {
                world.detach(self.id, now);
                self.say_invalid(world, now, false, Some(op));
            }
        }
    }

    /// Answers a broken rule that is not one of IDENTIFY or RESUME.
    pub(super) fn punish(&mut self, world: &mut World, now: Instant, rule: Rule, why: &str) {
        match (world.table().refusal)(rule) {
            Refusal::Close(code) => self.close(world, now, Some(code), why),
            Refusal::Invalid => self.invalid_session(world, now, false),
        }
    }

    pub(super) fn invalid_session(&mut self, world: &mut World, now: Instant, resumable: bool) {
        // The session that is on this connection, or that the client wants to have on it.
        let (asked, op) = match &self.current {
            Current::Message(message) => {
                let id = message.d.get("session_id").and_then(Value::as_str);
                (id, Some(message.op))
            }
            _ => (None, None),
        };
        let asked = self.session.take().or_else(|| asked.map(str::to_owned));
        match asked {
            Some(id) if !resumable => world.end_session(&id),
            _ => world.detach(self.id, now),
        }
        self.say_invalid(world, now, resumable, op);
    }

    /// Says op 9, and closes where the platform does.
    fn say_invalid(&mut self, world: &mut World, now: Instant, resumable: bool, op: Option<u64>) {
        self.say(
            world,
            now,
            9,
            Some(if resumable { "true" } else { "false" }),
        );
        if let Some(code) = (world.table().close_after_invalid)(op) {
            self.close(world, now, Some(code), "invalid session");
        }
    }

    /// Asks the client to reconnect, and where the platform does, soon leaves it no choice.
    pub(super) fn reconnect(&mut self, world: &mut World, now: Instant) {
        self.say(world, now, 7, None);
        let code = world.table().recycled;
        self.leave_at = code.map(|code| (later(now, RECYCLING), code));
    }

    /// Answers what the client asks about guilds.
    fn inform(&mut self, world: &mut World, now: Instant, op: u64, data: &Value) {
        let Some(id) = self.session.clone() else {
            return;
        };
        let rosters = &world.options.members;
        for (name, data) in world.census.answer(rosters, now, op, data) {
            world.push_to(now, &id, name, data);
        }
    }

    /// Sends the next event of the session; whether there was one to send.
    pub(super) fn send_event(&mut self, world: &mut World, now: Instant) -> bool {
        if self.out_len >= OUT_LEN_EVENTS {
            return false;
        }
        let Some(id) = &self.session else {
            return false;
        };
        let Some((out, text)) = world.next_event(id, self.id) else {
            return false;
        };
        let name = out.event.name();
        let is_counted = !matches!(name, "READY" | "RESUMED");
        let act = Act::Sent {
            op: Some(0),
            event: Some(name.to_owned()),
            seq: Some(out.seq),
            again: out.again,
        };
        world.record(now, self.id, act);
        if !is_counted {
            let bytes = self.encode(text.as_bytes());
            self.put(bytes);
            return true;
        }
        self.put_event(world, now, text);
        self.events += 1;
        if let Some(steps) = self.fault(world, Moment::Events(self.events)) {
            self.insert(steps);
        }
        true
    }

    fn put_event(&mut self, world: &mut World, now: Instant, text: String) {
        let armed = std::mem::take(&mut self.armed);
        if armed.lose {
            return;
        }
        if armed.swap {
            self.held = Some(text);
            return;
        }
        let mut bytes = self.encode_badly(text.as_bytes(), &armed);
        if let Some((byte, is_reset)) = armed.cut {
            bytes.truncate(byte);
            self.put(bytes);
            return self.end(world, now, if is_reset { End::Rst } else { End::Fin });
        }
        if armed.duplicate {
            bytes.extend(self.encode(text.as_bytes()));
        }
        if let Some(held) = self.held.take() {
            bytes.extend(self.encode(held.as_bytes()));
        }
        self.put(bytes);
    }

    /// Sends a message of the server's own.
    pub(super) fn say(&mut self, world: &mut World, now: Instant, op: u64, d: Option<&str>) {
        let text = (world.table().message)(op, d);
        let act = Act::Sent {
            op: Some(op),
            event: None,
            seq: None,
            again: false,
        };
        world.record(now, self.id, act);
        let bytes = self.encode(text.as_bytes());
        self.put(bytes);
    }

    pub(super) fn encode(&mut self, message: &[u8]) -> Vec<u8> {
        self.encode_badly(message, &Armed::default())
    }

    fn encode_badly(&mut self, message: &[u8], armed: &Armed) -> Vec<u8> {
        let (opcode, mut payload) = match &mut self.packer {
            Some(packer) => (opcode::BINARY, packer.pack(message)),
            None => (opcode::TEXT, message.to_vec()),
        };
        let len = payload.len();
        if let Some(at) = armed.corrupt.and_then(|offset| offset.checked_rem(len)) {
            payload[at] ^= 0xff;
        }
        if let Some(at) = armed.flip.and_then(|bit| bit.checked_rem(len * 8)) {
            payload[at / 8] ^= 1 << (at % 8);
        }
        let mut bytes = Vec::with_capacity(len + 10);
        let mut start = 0;
        for end in armed.split.iter().copied().chain([len]) {
            let end = end.clamp(start, len);
            wire::write_message(opcode, &payload[start..end], self.fragment, &mut bytes);
            start = end;
        }
        bytes
    }

    pub(super) fn close(&mut self, world: &mut World, now: Instant, code: Option<u16>, why: &str) {
        let act = Act::SentClose {
            code,
            reason: why.to_owned(),
        };
        world.record(now, self.id, act);
        let ends = code.is_some_and(world.table().ends_session);
        if let (true, Some(id)) = (ends, &self.session) {
            world.end_session(id);
        }
        world.detach(self.id, now);
        let mut frame = Vec::new();
        wire::write_close(code, why, &mut frame);
        self.put(frame);
        self.state = State::Closing(now + CLOSING);
    }

    pub(super) fn end(&mut self, world: &mut World, now: Instant, how: End) {
        let last = match how {
            End::Client | End::Fin => Out::Fin,
            End::Rst => Out::Rst,
        };
        self.end_with(world, now, how, last);
    }

    pub(super) fn end_with(&mut self, world: &mut World, now: Instant, how: End, last: Out) {
        world.record(now, self.id, Act::End { how });
        world.detach(self.id, now);
        self.state = State::Over;
        self.push(last);
    }

    pub(super) fn put(&mut self, bytes: Vec<u8>) {
        self.push(Out::Bytes(bytes));
    }

    pub(super) fn push(&mut self, out: Out) {
        if let Out::Bytes(bytes) = &out {
            self.out_len += bytes.len();
            // Together they make one write; apart they would make thousands.
            if let Some(Out::Bytes(last)) = self.out.back_mut()
                && last.len() + bytes.len() <= 16 << 10
            {
                return last.extend_from_slice(bytes);
            }
        }
        self.out.push_back(out);
    }
}

const ALREADY: Broken = Broken(Rule::AlreadyAuthenticated, "identified before");
