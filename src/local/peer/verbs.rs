//! What does each step do? One row a verb; pure.

use std::time::Instant;

use super::{Block, Current, Out, Peer, State};
use crate::local::{
    dialect::Proof,
    http::Answer,
    log::{Act, End},
    rules,
    script::Step,
    wire::{self, opcode},
    world::{World, later},
};
use crate::{id::ShardId, secret::Token};

impl Peer {
    pub(super) fn step(&mut self, world: &mut World, now: Instant, step: Step) {
        match step {
            Step::Ack => self.say(world, now, 11, None),
            Step::Answer => self.answer(world, now),
            Step::Binary(payload) => self.put_message(world, now, opcode::BINARY, &payload),
            Step::Close(code) => self.close(world, now, Some(code), ""),
            Step::CloseWith { code, reason } => self.close(world, now, code, &reason),
            Step::CorruptNext(offset) => self.armed.corrupt = Some(offset),
            Step::CutNext { byte, reset } => self.armed.cut = Some((byte, reset)),
            Step::Dribble { bytes, every } => self.push(Out::Dribble { bytes, every }),
            Step::DuplicateNext => self.armed.duplicate = true,
            Step::Eof => self.end_with(world, now, End::Fin, Out::Eof),
            Step::Expect(op) => self.block = Some(Block::Expect(op)),
            Step::Fin => self.end(world, now, End::Fin),
            Step::FlipNext(bit) => self.armed.flip = Some(bit),
            Step::Fragment(bytes) => self.fragment = bytes,
            Step::Hang => self.silence(Out::Hang),
            Step::Hello => self.hello(world, now),
            Step::Http {
                status,
                headers,
                body,
            } => {
                let answer = Answer {
                    status,
                    headers,
                    body,
                };
                self.answer_http(world, now, &answer);
            }
            Step::InvalidSession(resumable) => self.invalid_session(world, now, resumable),
            Step::LoseNext => self.armed.lose = true,
            Step::Mute => self.silence(Out::Mute),
            Step::Pack(payload) => {
                self.record_text(world, now, &String::from_utf8_lossy(&payload));
                let bytes = self.encode(&payload);
                self.put(bytes);
            }
            Step::Ping(payload) => {
                let mut frame = Vec::new();
                wire::write_frame(true, opcode::PING, &payload, &mut frame);
                self.put(frame);
            }
            Step::Raw(bytes) => self.put(bytes),
            Step::Ready(edits) => self.begin(world, now, &edits),
            Step::Reconnect => self.reconnect(world, now),
            Step::Renumber(seq) => world.edit_numbers(self.id, |session| session.renumber(seq)),
            Step::Replay => {
                if let Current::Message(message) = std::mem::take(&mut self.current) {
                    self.resume(world, now, &message.d, false);
                }
            }
            Step::RequestHeartbeat => self.say(world, now, 1, None),
            Step::Rst => self.end(world, now, End::Rst),
            Step::Send(text) => {
                self.record_text(world, now, &text);
                let bytes = self.encode(text.as_bytes());
                self.put(bytes);
            }
            Step::SkipSequence(by) => world.edit_numbers(self.id, |session| session.skip(by)),
            Step::SplitNext(offsets) => self.armed.split = offsets,
            Step::SwapNext => self.armed.swap = true,
            Step::Text(text) => self.put_message(world, now, opcode::TEXT, text.as_bytes()),
            Step::Token(edits) => self.give_token(world, now, &edits),
            Step::Upgrade => self.upgrade_when_asked(world, now),
            Step::Wait(time) => self.block = Some(Block::Until(later(now, time))),
        }
    }

    fn silence(&mut self, how: Out) {
        self.is_silent = true;
        self.push(how);
    }

    fn put_message(&mut self, world: &mut World, now: Instant, opcode: u8, payload: &[u8]) {
        self.record_text(world, now, &String::from_utf8_lossy(payload));
        let mut bytes = Vec::new();
        wire::write_message(opcode, payload, self.fragment, &mut bytes);
        self.put(bytes);
    }

    /// Records a message of the script's making, with what can be read of it.
    fn record_text(&self, world: &mut World, now: Instant, text: &str) {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let act = Act::Sent {
            op: value
                .get("op")
                .and_then(serde_json::Value::as_u64)
                .filter(|op| *op != 0),
            event: value
                .get("t")
                .and_then(serde_json::Value::as_str)
                .map(str::to_owned),
            seq: value.get("s").and_then(serde_json::Value::as_u64),
            again: false,
        };
        world.record(now, self.id, act);
    }

    fn answer_http(&mut self, world: &mut World, now: Instant, answer: &Answer) {
        if let Some(request) = self.request.take()
            && !request.wants_upgrade()
        {
            self.record_rest(world, now, request, answer.status);
        }
        self.refuse_http(world, now, answer);
    }

    /// Gives a token without asking whether it may be given.
    fn give_token(&mut self, world: &mut World, now: Instant, edits: &[(String, Option<String>)]) {
        let Some(request) = (self.request.as_ref()).filter(|request| !request.wants_upgrade())
        else {
            return;
        };
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let app_id = body.get("appId").and_then(serde_json::Value::as_str);
        let text = world.issue_token(now, self.id, app_id.unwrap_or_default(), edits);
        self.answer_http(world, now, &Answer::json(200, &text));
    }

    fn upgrade_when_asked(&mut self, world: &mut World, now: Instant) {
        if self.state != State::Head {
            return;
        }
        if self.request.is_none() {
            self.steps.push_front(Step::Upgrade);
            self.block = Some(Block::Request);
            return;
        }
        self.upgrade(world, now);
    }

    /// Starts a session without asking whether it may be.
    fn begin(&mut self, world: &mut World, now: Instant, edits: &[(String, Option<String>)]) {
        let (mut owner, mut shard) = (Token::from("-"), world.shard_of(self.id));
        if let Current::Message(message) = std::mem::take(&mut self.current) {
            if let Some(text) = message.d.get("token").and_then(serde_json::Value::as_str) {
                let bearer = (world.table().bearer)(world, now, Proof::Identify(text));
                owner = bearer.map_or_else(|_| Token::from(text), |bearer| bearer.owner);
            }
            if message.op == 2 {
                world.book.spend(now);
                shard = rules::shard_of(&message.d);
            }
        }
        let shard = shard.unwrap_or(ShardId::ONE);
        let id = world.begin(now, self.id, shard, owner, edits);
        self.adopt(id);
        self.attached(world);
    }
}
