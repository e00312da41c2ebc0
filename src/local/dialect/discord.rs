//! What does Discord do? <https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway>

use std::time::Instant;

use serde_json::json;

use super::{BOT_ID, Bearer, Proof, Refusal, Rule, Table};
use crate::{
    id::ShardId,
    local::MARK,
    local::{
        event::{Event, quote},
        http::{Answer, Request},
        world::World,
    },
    secret::Token,
};

/// Bits 0 to 16, 20, 21, 24 and 25.
/// <https://docs.discord.com/developers/events/gateway#list-of-intents>
const INTENTS: u64 = 0x0331_ffff;

pub(super) static TABLE: Table = Table {
    intents: INTENTS,
    commands: &[3, 4, 8, 31, 43],
    needs_properties: true,
    reads_query: true,
    gateway_path: "",
    resets_token: true,
    recycle: None,
    recycled: None,
    resumed: r#"{"_trace":["local"]}"#,
    refusal,
    close_after_invalid: |_| None,
    ends_session: |code| matches!(code, 4003 | 4004 | 4006 | 4007 | 4009..=4014),
    hears_goodbye: true,
    buckets: |shard, buckets| {
        let bucket = shard.number() % buckets;
        bucket..bucket + 1
    },
    bearer,
    token_number: |_, _| None,
    session_id: |number| format!("{MARK}{:026x}", number >> 24),
    hello: r#","_trace":["local"]"#,
    message: |op, d| {
        let d = d.unwrap_or("null");
        format!(r#"{{"t":null,"s":null,"op":{op},"d":{d}}}"#)
    },
    event,
    ready,
    wants_token: |_| false,
    rest,
};

fn refusal(rule: Rule) -> Refusal {
    Refusal::Close(match rule {
        Rule::UnknownOpcode => 4001,
        Rule::Decode => 4002,
        Rule::NotAuthenticated => 4003,
        Rule::DaySpent | Rule::WrongToken => 4004,
        Rule::AlreadyAuthenticated => 4005,
        Rule::InvalidSeq => 4007,
        Rule::RateLimited => 4008,
        Rule::SessionTimedOut => 4009,
        Rule::InvalidShard => 4010,
        Rule::InvalidVersion => 4012,
        Rule::InvalidIntents => 4013,
        Rule::DisallowedIntents => 4014,
        Rule::IdentifyTooEarly | Rule::UnknownSession => return Refusal::Invalid,
    })
}

fn bare(token: &str) -> &str {
    token.strip_prefix("Bot ").unwrap_or(token)
}

fn bearer(world: &World, _: Instant, proof: Proof<'_>) -> Result<Bearer, &'static str> {
    let (Proof::Identify(token) | Proof::Resume(token)) = proof;
    if accepts(world, token) {
        let owner = Token::from(bare(token));
        return Ok(Bearer { owner });
    }
    Err("a wrong token")
}

/// Whether the bot may use this token.
fn accepts(world: &World, token: &str) -> bool {
    let wanted = world.options.token.as_ref();
    !world.token_reset
        && !bare(token).is_empty()
        && wanted.is_none_or(|wanted| bare(wanted.expose()) == bare(token))
}

fn event(event: &Event, seq: u64, _: &str) -> String {
    let (name, data) = (quote(event.name()), event.data());
    format!(r#"{{"t":{name},"s":{seq},"op":0,"d":{data}}}"#)
}

fn ready(world: &World, id: &str, shard: ShardId) -> Vec<(&'static str, String)> {
    let guilds: Vec<String> = (world.options.guilds.iter())
        .filter(|guild| (*guild >> 22) % u64::from(shard.total()) == u64::from(shard.number()))
        .map(|guild| format!(r#"{{"unavailable":true,"id":"{guild}"}}"#))
        .collect();
    let resume_url = world.options.resume_url.as_ref().unwrap_or(&world.url);
    vec![
        ("v", "10".to_owned()),
        ("user_settings", "{}".to_owned()),
        ("user", user().to_string()),
        ("session_type", quote("normal")),
        ("session_id", quote(id)),
        ("resume_gateway_url", quote(resume_url)),
        ("relationships", "[]".to_owned()),
        ("private_channels", "[]".to_owned()),
        ("presences", "[]".to_owned()),
        ("guilds", format!("[{}]", guilds.join(","))),
        ("guild_join_requests", "[]".to_owned()),
        ("shard", format!("[{},{}]", shard.number(), shard.total())),
        ("application", json!({"id": BOT_ID, "flags": 0}).to_string()),
        ("_trace", r#"["local"]"#.to_owned()),
    ]
}

fn user() -> serde_json::Value {
    json!({
        "verified": true, "username": "local", "primary_guild": null, "mfa_enabled": false,
        "id": BOT_ID, "global_name": null, "flags": 0, "email": null,
        "discriminator": "0000", "bot": true, "avatar": null,
    })
}

/// The application of the bot, as its token sees it.
/// <https://docs.discord.com/developers/resources/application#application-object>
fn application() -> serde_json::Value {
    json!({
        "id": BOT_ID, "name": "local", "icon": null, "description": "", "type": null,
        "bot": user(), "owner": user(), "team": null, "summary": "", "flags": 0,
        "bot_public": false, "bot_require_code_grant": false, "verify_key": "00",
        "hook": true, "integration_types_config": {"0": {}},
    })
}

/// What others' clients ask for before they connect, under any prefix: `GET /gateway`, and with
/// the token `GET /gateway/bot`, `GET /users/@me` and `GET /oauth2/applications/@me`, which is
/// also `GET /applications/@me`.
/// <https://docs.discord.com/developers/events/gateway#get-gateway-bot>
fn rest(world: &mut World, now: Instant, _: u64, request: &Request) -> Answer {
    let answers = [
        "/gateway",
        "/gateway/bot",
        "/users/@me",
        "/applications/@me",
    ];
    let path = request.path();
    let Some(path) = answers.into_iter().find(|known| path.ends_with(known)) else {
        return error(404, "Not Found");
    };
    if request.method != "GET" {
        return error(405, "Method Not Allowed");
    }
    if path == "/gateway" {
        return Answer::json(200, &world.discovery());
    }
    let token = request.header("authorization");
    let token = token.and_then(|value| value.strip_prefix("Bot "));
    if !token.is_some_and(|token| accepts(world, token)) {
        return error(401, "Unauthorized");
    }
    let body = match path {
        "/users/@me" => user(),
        "/applications/@me" => application(),
        _ => world.bot_discovery(now),
    };
    Answer::json(200, &body)
}

fn error(status: u16, message: &str) -> Answer {
    let message = format!("{status}: {message}");
    Answer::json(status, &json!({"message": message, "code": 0}))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{BOT_ID, INTENTS, rest};
    use crate::local::{Gateway, http::Request};

    #[test]
    fn the_intents_add_up_to_the_documented_sum() {
        assert_eq!(INTENTS, 53_608_447);
    }

    #[test]
    fn whoever_has_the_token_is_told_who_it_is() {
        let now = Instant::now();
        let mut world = Gateway::builder().token("t").world(now);
        let mut ask = |head: &str| {
            let head = format!("{head}\r\n\r\n");
            let (request, _) = Request::parse(head.as_bytes()).unwrap().unwrap();
            let answer = rest(&mut world, now, 1, &request);
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            (
                answer.status,
                body["id"].as_str().unwrap_or_default().to_owned(),
            )
        };
        for path in [
            "/users/@me",
            "/applications/@me",
            "/api/v10/oauth2/applications/@me",
        ] {
            let head = format!("GET {path} HTTP/1.1");
            let authorized = format!("{head}\r\nAuthorization: Bot t");
            assert_eq!(ask(&authorized), (200, BOT_ID.to_owned()), "{path}");
            assert_eq!(ask(&head).0, 401);
            assert_eq!(ask(&format!("{head}\r\nAuthorization: Bot x")).0, 401);
            assert_eq!(ask(&format!("DELETE {path} HTTP/1.1")).0, 405);
        }
        assert_eq!(ask("GET /users/1 HTTP/1.1").0, 404);
    }
}
