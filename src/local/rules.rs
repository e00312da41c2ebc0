//! What may a client do? The platform's rules for IDENTIFY and RESUME; pure.
//! <https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway>

use std::time::Instant;

use serde_json::Value;

use super::{builder::INTENTS, log::Act, replay::CannotReplay, world::World};
use crate::{id::ShardId, secret::Token};

/// Close codes of the platform.
pub(super) mod code {
    pub(in crate::local) const UNKNOWN_OPCODE: u16 = 4001;
    pub(in crate::local) const DECODE: u16 = 4002;
    pub(in crate::local) const NOT_AUTHENTICATED: u16 = 4003;
    pub(in crate::local) const AUTHENTICATION_FAILED: u16 = 4004;
    pub(in crate::local) const ALREADY_AUTHENTICATED: u16 = 4005;
    pub(in crate::local) const INVALID_SEQ: u16 = 4007;
    pub(in crate::local) const RATE_LIMITED: u16 = 4008;
    pub(in crate::local) const SESSION_TIMED_OUT: u16 = 4009;
    pub(in crate::local) const INVALID_SHARD: u16 = 4010;
    pub(in crate::local) const INVALID_VERSION: u16 = 4012;
    pub(in crate::local) const INVALID_INTENTS: u16 = 4013;
    pub(in crate::local) const DISALLOWED_INTENTS: u16 = 4014;
}

/// What a client that broke a rule gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Close(u16, &'static str),
    /// Op 9 with `false`.
    Invalid(&'static str),
}

use Refusal::{Close, Invalid};

/// Whether the session is over once the server has closed with that code.
pub(super) fn ends_session(code: u16) -> bool {
    matches!(code, 4003 | 4004 | 4006 | 4007 | 4009..=4014)
}

/// Checks IDENTIFY and books it. Whatever carries a valid token and a possible shard counts
/// against the day, also what is then refused for coming too early.
pub(super) fn identify(
    world: &mut World,
    now: Instant,
    connection: u64,
    data: &Value,
) -> Result<(ShardId, Token), Refusal> {
    let token = token_of(world, data)?;
    if !data.get("properties").is_some_and(Value::is_object) {
        return Err(Close(code::DECODE, "properties are missing"));
    }
    let shard = shard_of(data).ok_or(Close(code::INVALID_SHARD, "no such shard"))?;
    let intents = data.get("intents").and_then(Value::as_u64);
    match intents {
        Some(intents) if intents & !INTENTS != 0 => {
            return Err(Close(code::INVALID_INTENTS, "unknown intents"));
        }
        Some(intents) if intents & !world.options.intents != 0 => {
            return Err(Close(
                code::DISALLOWED_INTENTS,
                "intents that the bot may not use",
            ));
        }
        Some(_) => {}
        None => return Err(Close(code::INVALID_INTENTS, "intents are missing")),
    }
    world.book.turn(world.options.starts_total, now);
    if !world.book.spend(now) {
        world.token_reset = true;
        world.end_sessions(|_| true);
        world.record(now, connection, Act::TokenReset);
        return Err(Close(code::AUTHENTICATION_FAILED, "the token was reset"));
    }
    let bucket = shard.number() % world.options.max_concurrency;
    let window = world.options.identify_window;
    if !world.book.take_bucket(bucket, window, now) {
        return Err(Invalid("identified too early"));
    }
    Ok((shard, token))
}

/// Checks RESUME and puts the session on that connection: its id and how many events come again.
pub(super) fn resume(
    world: &mut World,
    now: Instant,
    connection: u64,
    data: &Value,
) -> Result<(String, u64), Refusal> {
    let token = token_of(world, data)?;
    let id = data.get("session_id").and_then(Value::as_str);
    let seq = data.get("seq").and_then(Value::as_u64);
    let (Some(id), Some(seq)) = (id, seq) else {
        return Err(Close(code::DECODE, "session_id or seq is missing"));
    };
    world.purge(now);
    let Some(session) = world.session(id) else {
        return Err(Invalid("no such session"));
    };
    if bare(&session.token) != bare(&token) {
        return Err(Close(
            code::AUTHENTICATION_FAILED,
            "the token of another bot",
        ));
    }
    match world.attach(id, connection, seq) {
        Ok(replayed) => Ok((id.to_owned(), replayed)),
        Err(refused) => {
            world.end_session(id);
            Err(match refused {
                CannotReplay::Forgotten => Invalid("events after that sequence are forgotten"),
                CannotReplay::NeverSent => Close(code::INVALID_SEQ, "a sequence never sent"),
            })
        }
    }
}

fn token_of(world: &World, data: &Value) -> Result<Token, Refusal> {
    let Some(token) = data.get("token").and_then(Value::as_str) else {
        return Err(Close(code::DECODE, "the token is missing"));
    };
    let token = Token::from(token);
    if world.accepts(&token) {
        return Ok(token);
    }
    Err(Close(code::AUTHENTICATION_FAILED, "a wrong token"))
}

/// The shard of an IDENTIFY; without one it is the only shard.
pub(super) fn shard_of(data: &Value) -> Option<ShardId> {
    match data.get("shard") {
        None | Some(Value::Null) => Some(ShardId::ONE),
        Some(shard) => serde_json::from_value(shard.clone()).ok(),
    }
}

fn bare(token: &Token) -> &str {
    let text = token.expose();
    text.strip_prefix("Bot ").unwrap_or(text)
}

impl World {
    /// Whether the bot may use this token.
    pub(super) fn accepts(&self, token: &Token) -> bool {
        let wanted = self.options.token.as_ref();
        !self.token_reset
            && !bare(token).is_empty()
            && wanted.is_none_or(|wanted| bare(wanted) == bare(token))
    }
}
