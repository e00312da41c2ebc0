//! What does QQ do? <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/event-emit.html>
//!
//! Where its documentation and its servers differ, the servers are followed: op 9 and the close
//! codes 4902 and 4903 are what they answer in place of most documented codes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{BOT_ID, Bearer, Proof, Refusal, Rule, Table};
use crate::{
    id::ShardId,
    local::MARK,
    local::{
        event::{Event, quote},
        http::{Answer, Request},
        tokens::Validity,
        world::World,
    },
    secret::Token,
};

/// The bits that have a name.
const INTENTS: u64 = bits(&[0, 1, 9, 10, 12, 18, 19, 23, 24, 25, 26, 27, 28, 29, 30]);

/// What is before an access token, and before the token that never expires.
const SCHEME: &str = "QQBot ";
const OLD_SCHEME: &str = "Bot ";

pub(super) static TABLE: Table = Table {
    intents: INTENTS,
    commands: &[],
    needs_properties: false,
    reads_query: false,
    gateway_path: "/websocket",
    resets_token: false,
    recycle: Some(Duration::from_mins(30)),
    recycled: Some(4009),
    resumed: r#""""#,
    refusal,
    close_after_invalid: |op| Some(if op == Some(2) { 4903 } else { 4902 }),
    ends_session: |code| matches!(code, 4001..=4007 | 4010..=4999),
    // The platform's own client for Python closes with 1000, and then resumes.
    hears_goodbye: false,
    // So many per window over all shards; which shard it is makes no difference.
    buckets: |_, buckets| 0..buckets,
    bearer,
    token_number: |world, text| {
        let token = text.strip_prefix(SCHEME).unwrap_or(text);
        world.tokens.number(token)
    },
    session_id,
    hello: "",
    message: |op, d| match d {
        Some(d) => format!(r#"{{"op":{op},"d":{d}}}"#),
        None => format!(r#"{{"op":{op}}}"#),
    },
    event,
    ready,
    wants_token: |request| request.path().ends_with("/app/getAppAccessToken"),
    rest,
};

const fn bits(list: &[u32]) -> u64 {
    let (mut bits, mut at) = (0, 0);
    while at < list.len() {
        bits |= 1 << list[at];
        at += 1;
    }
    bits
}

fn refusal(rule: Rule) -> Refusal {
    Refusal::Close(match rule {
        Rule::UnknownOpcode => 4001,
        Rule::Decode => 4002,
        Rule::NotAuthenticated => 4003,
        Rule::AlreadyAuthenticated => 4005,
        Rule::InvalidSeq => 4007,
        Rule::RateLimited => 4008,
        Rule::SessionTimedOut => 4009,
        Rule::InvalidShard => 4010,
        Rule::InvalidVersion => 4012,
        Rule::InvalidIntents => 4013,
        // One answer for all of these: a client cannot tell them apart.
        Rule::DaySpent
        | Rule::DisallowedIntents
        | Rule::IdentifyTooEarly
        | Rule::UnknownSession
        | Rule::WrongToken => return Refusal::Invalid,
    })
}

/// Checks `QQBot TOKEN`, in RESUME also without the word before it, and the legacy
/// `Bot APPID.TOKEN`.
fn bearer(world: &World, now: Instant, proof: Proof<'_>) -> Result<Bearer, &'static str> {
    let token = match proof {
        Proof::Identify(text) | Proof::Resume(text) if text.starts_with(OLD_SCHEME) => {
            let legacy = text.strip_prefix(OLD_SCHEME).unwrap_or(text);
            return legacy_bearer(world, legacy);
        }
        Proof::Identify(text) => text.strip_prefix(SCHEME),
        Proof::Resume(text) => Some(text.strip_prefix(SCHEME).unwrap_or(text)),
    };
    match world.tokens.check(token.unwrap_or_default(), now) {
        Validity::Valid { app_id } => Ok(Bearer {
            owner: Token::from(app_id),
        }),
        Validity::Expired => Err("an expired token"),
        Validity::Unknown => Err("a wrong token"),
    }
}

fn legacy_bearer(world: &World, text: &str) -> Result<Bearer, &'static str> {
    let options = &world.options;
    let (app_id, token) = text.split_once('.').unwrap_or_default();
    let is_app = options
        .credentials
        .as_ref()
        .is_none_or(|(wanted, _)| wanted == app_id);
    let is_token = options
        .token
        .as_ref()
        .is_none_or(|wanted| wanted.expose() == token);
    if app_id.is_empty() || token.is_empty() || !is_app || !is_token {
        return Err("a wrong token");
    }
    let owner = Token::from(app_id);
    Ok(Bearer { owner })
}

/// Written as a uuid is.
fn session_id(number: u128) -> String {
    let hex = format!("{MARK}{:026x}", number >> 24);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    parts
        .map(|part| hex.get(part).unwrap_or_default())
        .join("-")
}

/// The order of the members changes from one to the next, as it does on the wire.
fn event(event: &Event, seq: u64, session: &str) -> String {
    let (name, data) = (quote(event.name()), event.data());
    if matches!(event.name(), "READY" | "RESUMED") {
        return format!(r#"{{"op":0,"s":{seq},"t":{name},"d":{data}}}"#);
    }
    let id = match event.id() {
        Some(id) => quote(id),
        None => quote(&format!("{}:{session}-{seq}", event.name())),
    };
    if seq.is_multiple_of(2) {
        format!(r#"{{"op":0,"s":{seq},"t":{name},"id":{id},"d":{data}}}"#)
    } else {
        format!(r#"{{"d":{data},"id":{id},"op":0,"s":{seq},"t":{name}}}"#)
    }
}

fn ready(_: &World, id: &str, shard: ShardId) -> Vec<(&'static str, String)> {
    let user = json!({"id": BOT_ID, "username": "local", "bot": true, "status": 1});
    vec![
        ("version", "1".to_owned()),
        ("session_id", quote(id)),
        ("user", user.to_string()),
        ("shard", format!("[{},{}]", shard.number(), shard.total())),
    ]
}

/// `GET /gateway`, `GET /gateway/bot`, `GET /users/@me` and `POST /app/getAppAccessToken`, under
/// any prefix.
/// <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/api-use.html>
fn rest(world: &mut World, now: Instant, connection: u64, request: &Request) -> Answer {
    let path = request.path();
    let is_token = (TABLE.wants_token)(request);
    let answers = ["/gateway", "/gateway/bot", "/users/@me"];
    let Some(wanted) = answers
        .into_iter()
        .chain(is_token.then_some(path))
        .find(|known| path.ends_with(known))
    else {
        return error(404, 11_281, "no such interface");
    };
    if request.method != if is_token { "POST" } else { "GET" } {
        return error(405, 11_281, "no such interface with this method");
    }
    if is_token {
        return token(world, now, connection, request);
    }
    if let Err(answer) = authorize(world, now, request) {
        return answer;
    }
    let body = match wanted {
        "/gateway" => world.discovery(),
        "/gateway/bot" => world.bot_discovery(now),
        _ => json!({"id": BOT_ID, "username": "local", "avatar": "", "bot": true}),
    };
    Answer::json(200, &body)
}

fn authorize(world: &World, now: Instant, request: &Request) -> Result<Bearer, Answer> {
    let header = request.header("authorization").unwrap_or_default();
    bearer(world, now, Proof::Identify(header)).map_err(|reason| match reason {
        "an expired token" => error(401, 11_244, reason),
        reason => error(401, 11_243, reason),
    })
}

/// Refusals of the token endpoint are of status 200.
fn token(world: &mut World, now: Instant, connection: u64, request: &Request) -> Answer {
    let refused = |code: u32, message: &str| {
        let body = json!({"code": code, "message": message});
        Answer::json(200, &body)
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (app_id, secret) = (text("appId"), text("clientSecret"));
    if app_id.is_empty() || secret.is_empty() {
        return refused(100_007, "appid invalid");
    }
    if let Some((wanted, wanted_secret)) = &world.options.credentials
        && (wanted != app_id || wanted_secret.expose() != secret)
    {
        return refused(100_016, "invalid appid or secret");
    }
    let members = world.issue_token(now, connection, app_id, &[]);
    Answer::json(200, &members)
}

fn error(status: u16, code: u32, message: &str) -> Answer {
    const TRACE: &str = "00000000000000000000000000000001";
    let body = json!({"message": message, "code": code, "trace_id": TRACE});
    let mut answer = Answer::json(status, &body);
    let trace = ("X-Tps-trace-ID".to_owned(), TRACE.to_owned());
    answer.headers.push(trace);
    answer
}
