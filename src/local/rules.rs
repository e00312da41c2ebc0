//! What may a client do? The rules for IDENTIFY and RESUME that all platforms share; pure.

use std::time::Instant;

use serde_json::Value;

use super::{
    dialect::{Bearer, Proof, Rule},
    log::Act,
    replay::CannotReplay,
    world::World,
};
use crate::{id::ShardId, secret::Token};

/// A rule that was broken, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) Rule, pub(super) &'static str);

/// Checks IDENTIFY and books it. Whatever carries a valid token and a possible shard counts
/// against the day, also what is then refused for coming too early.
pub(super) fn identify(
    world: &mut World,
    now: Instant,
    connection: u64,
    data: &Value,
) -> Result<(ShardId, Token), Broken> {
    let table = world.table();
    let Bearer { owner } = bearer_of(world, now, data, Proof::Identify)?;
    if table.needs_properties && !data.get("properties").is_some_and(Value::is_object) {
        return Err(Broken(Rule::Decode, "properties are missing"));
    }
    let shard = shard_of(data).ok_or(Broken(Rule::InvalidShard, "no such shard"))?;
    let intents = data.get("intents").and_then(Value::as_u64);
    let intents = intents.ok_or(Broken(Rule::InvalidIntents, "intents are missing"))?;
    if intents & !table.intents != 0 {
        return Err(Broken(Rule::InvalidIntents, "unknown intents"));
    }
    if intents & !world.options.intents != 0 {
        let reason = "intents that the bot may not use";
        return Err(Broken(Rule::DisallowedIntents, reason));
    }
    world.book.turn(world.options.starts_total, now);
    if !world.book.spend(now) {
        return Err(Broken(Rule::DaySpent, day_spent(world, now, connection)));
    }
    let buckets = (table.buckets)(shard, world.options.max_concurrency);
    let window = world.options.identify_window;
    if !world.book.take_bucket(buckets, window, now) {
        return Err(Broken(Rule::IdentifyTooEarly, "identified too early"));
    }
    Ok((shard, owner))
}

/// What one identify more than the day has leads to.
fn day_spent(world: &mut World, now: Instant, connection: u64) -> &'static str {
    if !world.table().resets_token {
        return "the identifies of the day are spent";
    }
    world.token_reset = true;
    world.end_sessions(|_| true);
    world.record(now, connection, Act::TokenReset);
    "the token was reset"
}

/// Checks RESUME and puts the session on that connection: its id and how many events come again.
pub(super) fn resume(
    world: &mut World,
    now: Instant,
    connection: u64,
    data: &Value,
) -> Result<(String, u64), Broken> {
    let Bearer { owner } = bearer_of(world, now, data, Proof::Resume)?;
    let id = data.get("session_id").and_then(Value::as_str);
    let seq = data.get("seq").and_then(Value::as_u64);
    let (Some(id), Some(seq)) = (id, seq) else {
        return Err(Broken(Rule::Decode, "session_id or seq is missing"));
    };
    world.purge(now);
    let Some(session) = world.session(id) else {
        return Err(Broken(Rule::UnknownSession, "no such session"));
    };
    if session.owner.expose() != owner.expose() {
        return Err(Broken(Rule::WrongToken, "the token of another bot"));
    }
    match world.attach(id, connection, seq) {
        Ok(replayed) => Ok((id.to_owned(), replayed)),
        Err(refused) => {
            world.end_session(id);
            Err(match refused {
                CannotReplay::Forgotten => {
                    let reason = "events after that sequence are forgotten";
                    Broken(Rule::UnknownSession, reason)
                }
                CannotReplay::NeverSent => Broken(Rule::InvalidSeq, "a sequence never sent"),
            })
        }
    }
}

fn bearer_of<'a>(
    world: &World,
    now: Instant,
    data: &'a Value,
    proof: impl FnOnce(&'a str) -> Proof<'a>,
) -> Result<Bearer, Broken> {
    let Some(token) = data.get("token").and_then(Value::as_str) else {
        return Err(Broken(Rule::Decode, "the token is missing"));
    };
    let bearer = (world.table().bearer)(world, now, proof(token));
    bearer.map_err(|reason| Broken(Rule::WrongToken, reason))
}

/// The shard of an IDENTIFY; without one it is the only shard.
pub(super) fn shard_of(data: &Value) -> Option<ShardId> {
    match data.get("shard") {
        None | Some(Value::Null) => Some(ShardId::ONE),
        Some(shard) => serde_json::from_value(shard.clone()).ok(),
    }
}
