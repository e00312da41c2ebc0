//! The server as QQ: what it says when all is well, and when it is not.

use std::time::Duration;

use futures::SinkExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::{Instant, sleep, timeout},
};
use tokio_websockets::{CloseCode, Message};

use super::{Bot, Seen, count, named, open};
use crate::{
    id::ShardId,
    local::{Act, Builder, Dialect, End, Event, Fault, Feed, Gateway, Moment, Step},
};

const LEGACY: &str = "Bot 102.any";

fn builder() -> Builder {
    Gateway::builder().platform(Dialect::Qq)
}

fn memory() -> Gateway {
    builder().identify_window(Duration::ZERO).start_in_memory()
}

/// Status, head and body of the answer to a request.
async fn ask(gateway: &Gateway, request: String) -> (u16, String, String) {
    let mut stream = gateway.connect();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return (0, answer, String::new());
    };
    let status = head[9..12].parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

async fn get(gateway: &Gateway, path: &str, authorization: &str) -> (u16, Value) {
    let head = format!("GET {path} HTTP/1.1\r\nAuthorization: {authorization}\r\n\r\n");
    let (status, _, body) = ask(gateway, head).await;
    (status, serde_json::from_str(&body).unwrap())
}

fn token_request(body: &str) -> String {
    let len = body.len();
    format!("POST /app/getAppAccessToken HTTP/1.1\r\nContent-Length: {len}\r\n\r\n{body}")
}

async fn ask_token(gateway: &Gateway) -> (u16, String, String) {
    let body = r#"{"appId":"102","clientSecret":"s"}"#;
    ask(gateway, token_request(body)).await
}

/// A fresh token as it goes into frames, and for how long it is said to live.
async fn token(gateway: &Gateway) -> (String, String) {
    let (status, _, body) = ask_token(gateway).await;
    assert_eq!(status, 200);
    let body: Value = serde_json::from_str(&body).unwrap();
    let text = body["access_token"].as_str().unwrap();
    (
        format!("QQBot {text}"),
        body["expires_in"].as_str().unwrap().to_owned(),
    )
}

fn identify(token: &str, shard: [u32; 2]) -> Value {
    json!({"op": 2, "d": {"token": token, "intents": 1 << 30, "shard": shard}})
}

fn resume(token: &str, session: &str, seq: u64) -> Value {
    json!({"op": 6, "d": {"token": token, "session_id": session, "seq": seq}})
}

async fn bot(gateway: &Gateway) -> Bot<DuplexStream> {
    let mut bot = open(gateway.connect(), "/websocket").await;
    assert_eq!(bot.json().await["op"], 10);
    bot
}

impl Bot<DuplexStream> {
    async fn leave(&mut self) {
        let goodbye = Message::close(Some(CloseCode::NORMAL_CLOSURE), "");
        self.socket.send(goodbye).await.unwrap();
    }
}

/// A bot with a session, and the session's id.
async fn ready(gateway: &Gateway, token: &str) -> (Bot<DuplexStream>, String) {
    let mut bot = bot(gateway).await;
    bot.send(identify(token, [0, 1])).await;
    let ready = bot.json().await;
    assert_eq!(ready["t"], "READY", "{ready}");
    let session = ready["d"]["session_id"].as_str().unwrap().to_owned();
    (bot, session)
}

/// Whether a session can be resumed after its first event.
async fn is_resumable(gateway: &Gateway, token: &str, session: &str) -> bool {
    let mut bot = bot(gateway).await;
    bot.send(resume(token, session, 1)).await;
    loop {
        let message = bot.json().await;
        match message["op"].as_u64() {
            Some(9) => {
                assert_eq!(bot.see().await, Seen::Close(Some(4902)));
                return false;
            }
            _ if message["t"] == "RESUMED" => return true,
            _ => {}
        }
    }
}

/// What comes on a connection after this message: its op 9, if any, and how it is closed.
async fn refused_with(gateway: &Gateway, message: Value) -> (bool, Seen) {
    let mut bot = bot(gateway).await;
    bot.send(message).await;
    match bot.see().await {
        Seen::Json(message) => {
            assert_eq!(message, json!({"op": 9, "d": false}));
            (true, bot.see().await)
        }
        end => (false, end),
    }
}

// The handshake.

#[tokio::test]
async fn a_bot_finds_its_way_from_its_secret_to_its_session() {
    let gateway = builder().shards(3).max_concurrency(2).start_in_memory();
    let (status, head, body) = ask_token(&gateway).await;
    assert!(
        head.lines()
            .any(|line| line == "Content-Type: application/json"),
        "{head}"
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["expires_in"]), (200, &json!("7200")));
    let token = format!("QQBot {}", body["access_token"].as_str().unwrap());

    let me = get(&gateway, "/users/@me", &token).await;
    assert_eq!((me.0, &me.1["username"]), (200, &json!("local")));
    assert!(me.1["id"].as_str().unwrap().parse::<u64>().is_ok());
    let url = format!("{}/websocket", gateway.url());
    assert_eq!(
        get(&gateway, "/gateway", &token).await,
        (200, json!({"url": url}))
    );
    let limit = json!({"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 2});
    let expected = json!({"url": url, "shards": 3, "session_start_limit": limit});
    assert_eq!(get(&gateway, "/gateway/bot", &token).await, (200, expected));

    // The query means nothing here.
    let mut bot = open(gateway.connect(), "/websocket/?v=1&encoding=x&compress=y").await;
    let hello = json!({"op": 10, "d": {"heartbeat_interval": 41_250}});
    assert_eq!(bot.json().await, hello);
    bot.send(identify(&token, [1, 3])).await;
    let ready = bot.json().await;
    let session = ready["d"]["session_id"].as_str().unwrap();
    let expected = json!({"op": 0, "s": 1, "t": "READY", "d": {
        "version": 1, "session_id": session, "shard": [1, 3],
        "user": {"id": me.1["id"], "username": "local", "bot": true, "status": 1},
    }});
    assert_eq!(ready, expected);
    assert_eq!(session.len(), 36);
    for d in [json!(null), json!(0), json!(1)] {
        bot.send(json!({"op": 1, "d": d})).await;
        assert_eq!(bot.json().await, json!({"op": 11}));
    }
    let shard = ShardId::new(1, 3).unwrap();
    gateway.send(shard, "GROUP_ADD_ROBOT", "{}").unwrap();
    let event = Event::new("A", "[]").unwrap().with_id("A:own");
    gateway.send_event(shard, event);
    let first = bot.json().await;
    assert!(
        first["id"]
            .as_str()
            .unwrap()
            .starts_with("GROUP_ADD_ROBOT:")
    );
    let second = bot.json().await;
    assert_eq!(
        second,
        json!({"op": 0, "s": 3, "t": "A", "id": "A:own", "d": []})
    );
}

#[tokio::test]
async fn each_broken_rule_has_its_answer() {
    let gateway = builder()
        .identify_window(Duration::ZERO)
        .intents(1 << 30)
        .start_in_memory();
    let (token, _) = token(&gateway).await;
    let bare = token.strip_prefix("QQBot ").unwrap();
    let mut wild = identify(&token, [0, 1]);
    wild["d"]["intents"] = json!(1 << 2);
    let mut greedy = wild.clone();
    greedy["d"]["intents"] = json!(1 << 25);
    let cases = [
        (identify(bare, [0, 1]), true, 4903),
        (identify("QQBot x", [0, 1]), true, 4903),
        (identify("", [0, 1]), true, 4903),
        (identify("Bot 102", [0, 1]), true, 4903),
        (greedy, true, 4903),
        (wild, false, 4013),
        (identify(&token, [1, 1]), false, 4010),
        (resume("QQBot x", "x", 1), true, 4902),
        (resume(&token, "x", 1), true, 4902),
        (json!({"op": 2, "d": {}}), false, 4002),
        (json!({"op": 3, "d": {}}), false, 4001),
        (json!({"op": 8, "d": {}}), false, 4001),
        (json!({"op": 1, "d": "x"}), false, 4002),
        (json!([]), false, 4002),
    ];
    for (message, invalid, code) in cases {
        let expected = (invalid, Seen::Close(Some(code)));
        assert_eq!(
            refused_with(&gateway, message.clone()).await,
            expected,
            "{message}"
        );
    }
    let (mut bot, _) = ready(&gateway, &token).await;
    bot.send(identify(&token, [0, 1])).await;
    assert_eq!(bot.see().await, Seen::Close(Some(4005)));
}

#[tokio::test]
async fn rest_refuses_as_the_platform_does() {
    let gateway = builder().credentials("102", "s").start_in_memory();
    let (token, _) = token(&gateway).await;
    for (body, code) in [
        (r#"{"appId":"102","clientSecret":"x"}"#, 100_016),
        (r#"{"appId":"103","clientSecret":"s"}"#, 100_016),
        (r#"{"appId":102,"clientSecret":"s"}"#, 100_007),
        ("", 100_007),
        ("x", 100_007),
    ] {
        let (status, _, answer) = ask(&gateway, token_request(body)).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer["code"]), (200, &json!(code)), "{body}");
        assert!(answer.get("access_token").is_none());
    }
    for (path, authorization, status, code) in [
        ("/gateway", "", 401, 11_243),
        ("/gateway/bot", "QQBot x", 401, 11_243),
        ("/users/@me", "Bot 103.x", 401, 11_243),
        ("/users", &token, 404, 11_281),
        ("/app/getAppAccessToken", &token, 405, 11_281),
    ] {
        let (got, body) = get(&gateway, path, authorization).await;
        assert_eq!((got, &body["code"]), (status, &json!(code)), "{path}");
    }
    assert_eq!(gateway.revoke_tokens(), 1);
    let (status, body) = get(&gateway, "/gateway", &token).await;
    assert_eq!((status, &body["code"]), (401, &json!(11_244)));
    assert_eq!(get(&gateway, "/gateway", "Bot 102.x").await.0, 200);
}

// Tokens.

#[tokio::test(start_paused = true)]
async fn a_token_lasts_two_hours_and_overlaps_the_next_by_a_minute() {
    let gateway = memory();
    let (first, _) = token(&gateway).await;
    sleep(Duration::from_hours(1)).await;
    assert_eq!(token(&gateway).await, (first.clone(), "3600".to_owned()));
    sleep(Duration::from_mins(59)).await;
    let (second, expires_in) = token(&gateway).await;
    assert!(second != first && expires_in == "7200");
    let (_, session) = ready(&gateway, &first).await;
    assert!(is_resumable(&gateway, &second, &session).await);
    sleep(Duration::from_mins(1)).await;
    let refused = refused_with(&gateway, identify(&first, [0, 1])).await;
    assert_eq!(refused, (true, Seen::Close(Some(4903))));
    // An expired token is the client's fault, not the end of the session.
    assert!(!is_resumable(&gateway, &first, &session).await);
    assert!(is_resumable(&gateway, &second, &session).await);
    let seen: Vec<_> = (gateway.log().into_iter())
        .filter_map(|record| match record.act {
            Act::Token { token, again, .. } => Some(("token", Some(token), again)),
            Act::Identify { token, .. } => Some(("identify", token, false)),
            Act::Resume { token, .. } => Some(("resume", token, false)),
            _ => None,
        })
        .collect();
    let expected = [
        ("token", Some(1), false),
        ("token", Some(1), true),
        ("token", Some(2), false),
        ("identify", Some(1), false),
        ("resume", Some(2), false),
        ("identify", Some(1), false),
        ("resume", Some(1), false),
        ("resume", Some(2), false),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_connection_outlives_its_token() {
    let gateway = builder()
        .token_lifetime(Duration::from_secs(90))
        .start_in_memory();
    let (token, expires_in) = token(&gateway).await;
    assert_eq!(expires_in, "90");
    let (mut bot, session) = ready(&gateway, &token).await;
    sleep(Duration::from_secs(30)).await;
    bot.send(json!({"op": 1, "d": 1})).await;
    assert_eq!(bot.json().await["op"], 11);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(get(&gateway, "/gateway", &token).await.0, 401);
    bot.send(json!({"op": 1, "d": 1})).await;
    assert_eq!(bot.json().await["op"], 11);
    assert!(!is_resumable(&gateway, &token, &session).await);
}

#[tokio::test]
async fn a_resume_may_carry_the_bare_token_and_old_bots_their_own() {
    let gateway = memory();
    let (token, _) = token(&gateway).await;
    let (bot, session) = ready(&gateway, &token).await;
    drop(bot);
    let bare = token.strip_prefix("QQBot ").unwrap();
    assert!(is_resumable(&gateway, bare, &session).await);
    assert!(is_resumable(&gateway, LEGACY, &session).await);
    assert!(!is_resumable(&gateway, "Bot 103.any", &session).await);
    let (_, session) = ready(&gateway, LEGACY).await;
    assert!(is_resumable(&gateway, &token, &session).await);

    let gateway = builder().token("only").start_in_memory();
    let refused = refused_with(&gateway, identify("Bot 102.other", [0, 1])).await;
    assert_eq!(refused, (true, Seen::Close(Some(4903))));
    ready(&gateway, "Bot 102.only").await;
}

#[tokio::test(start_paused = true)]
async fn the_token_endpoint_fails_in_every_way_that_is_asked_for() {
    let gateway = memory();
    let html = ("Content-Type", "text/html");
    let huge = "x".repeat(3 << 20);
    for (fault, status, body) in [
        (Fault::token(503, &[html], "<html>"), 503, "<html>"),
        (Fault::token(200, &[], "{"), 200, "{"),
        (Fault::token(200, &[], &huge), 200, huge.as_str()),
        (Fault::at(Moment::Token, [Step::Fin]), 0, ""),
        (
            Fault::at(Moment::Token, [Step::Raw(b"SSH-2.0".into()), Step::Fin]),
            0,
            "",
        ),
    ] {
        gateway.misbehave_always([fault.times(1)]);
        let (got, _, text) = ask_token(&gateway).await;
        assert!(
            (got, text.as_str()) == (status, body),
            "{got} {}",
            text.len()
        );
        assert_eq!(ask_token(&gateway).await.0, 200);
    }
    gateway.misbehave_always([Fault::refuse_token(100_001)]);
    let (status, _, body) = ask_token(&gateway).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["code"]), (200, &json!(100_001)));
    // Other requests are not for a token.
    assert_eq!(get(&gateway, "/gateway", LEGACY).await.0, 200);
    gateway.misbehave_always([Fault::rest(502, &[], "{}")]);
    assert_eq!(get(&gateway, "/gateway", LEGACY).await.0, 502);
    assert_eq!(ask_token(&gateway).await.0, 200);

    let late = [Step::Wait(Duration::from_secs(40)), Step::Answer];
    gateway.misbehave_always([Fault::at(Moment::Token, late)]);
    let asked = Instant::now();
    assert_eq!(ask_token(&gateway).await.0, 200);
    assert_eq!(asked.elapsed(), Duration::from_secs(40));
    gateway.misbehave_always([Fault::at(Moment::Token, [Step::Hang])]);
    assert!(
        timeout(Duration::from_mins(10), ask_token(&gateway))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_answer_with_the_token_can_be_changed_in_each_member() {
    let gateway = memory();
    for (fault, member, expected) in [
        (
            Fault::token_with("expires_in", "7200"),
            "expires_in",
            json!(7200),
        ),
        (
            Fault::token_with("expires_in", "-1"),
            "expires_in",
            json!(-1),
        ),
        (
            Fault::token_without("expires_in"),
            "expires_in",
            Value::Null,
        ),
        (
            Fault::token_without("access_token"),
            "access_token",
            Value::Null,
        ),
        (
            Fault::token_with("access_token", r#""x""#),
            "access_token",
            json!("x"),
        ),
    ] {
        gateway.misbehave_always([fault]);
        let (_, _, body) = ask_token(&gateway).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body.get(member).unwrap_or(&Value::Null),
            &expected,
            "{body}"
        );
    }
    assert_eq!(gateway.stats().tokens, 5);
    let rest = |status| {
        count(
            &gateway,
            |record| matches!(&record.act, Act::Rest { status: got, .. } if *got == status),
        )
    };
    assert_eq!(rest(200), 5);
}

#[tokio::test]
async fn no_token_and_no_secret_is_ever_shown() {
    let gateway = builder()
        .credentials("102", "NEVERSHOWN")
        .identify_window(Duration::ZERO)
        .start_in_memory();
    let body = r#"{"appId":"102","clientSecret":"NEVERSHOWN"}"#;
    let (_, _, answer) = ask(&gateway, token_request(body)).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let secret = answer["access_token"].as_str().unwrap();
    let token = format!("QQBot {secret}");
    get(&gateway, "/gateway/bot", &token).await;
    let (_, session) = ready(&gateway, &token).await;
    assert!(is_resumable(&gateway, &token, &session).await);
    let lines: Vec<_> = (gateway.log().iter())
        .map(|record| serde_json::to_string(record).unwrap())
        .collect();
    let shown = format!(
        "{gateway:?} {:?} {:?} {lines:?}",
        gateway.log(),
        gateway.shared
    );
    assert!(shown.contains("Identify") && shown.contains("resume"));
    assert!(!shown.contains(secret) && !shown.contains("NEVERSHOWN"));
}

// Starting often.

#[tokio::test(start_paused = true)]
async fn so_many_shards_may_identify_a_window_whichever_they_are() {
    let gateway = builder()
        .max_concurrency(2)
        .session_starts(1000, 4)
        .start_in_memory();
    for shard in [0, 2] {
        let mut bot = bot(&gateway).await;
        bot.send(identify(LEGACY, [shard, 4])).await;
        assert_eq!(bot.json().await["d"]["shard"], json!([shard, 4]));
    }
    let early = refused_with(&gateway, identify(LEGACY, [1, 4])).await;
    assert_eq!(early, (true, Seen::Close(Some(4903))));
    sleep(Duration::from_secs(5)).await;
    let (mut bot, session) = ready(&gateway, LEGACY).await;
    // The day is spent, and that is all: the token lives.
    sleep(Duration::from_secs(5)).await;
    let spent = refused_with(&gateway, identify(LEGACY, [1, 4])).await;
    assert_eq!(spent, (true, Seen::Close(Some(4903))));
    assert!(!gateway.is_token_reset());
    bot.send(json!({"op": 1, "d": 1})).await;
    assert_eq!(bot.json().await["op"], 11);
    assert!(is_resumable(&gateway, LEGACY, &session).await);
}

// Ends and resumes.

#[tokio::test]
async fn missed_events_come_again_and_then_resumed_with_an_empty_text() {
    let gateway = memory();
    let (mut bot1, session) = ready(&gateway, LEGACY).await;
    gateway.broadcast("A", "1").unwrap();
    let seen = bot1.json().await;
    drop(bot1);
    gateway.broadcast("B", "2").unwrap();
    let mut bot2 = bot(&gateway).await;
    bot2.send(resume(LEGACY, &session, 1)).await;
    assert_eq!(bot2.json().await, seen, "also with the same id");
    assert_eq!(bot2.events(1).await, named(&[("B", 3)]));
    let resumed = json!({"op": 0, "s": 4, "t": "RESUMED", "d": ""});
    assert_eq!(bot2.json().await, resumed);
    gateway.broadcast("C", "3").unwrap();
    assert_eq!(bot2.events(1).await, named(&[("C", 5)]));
    drop(bot2);
    let ahead = refused_with(&gateway, resume(LEGACY, &session, 9)).await;
    assert_eq!(ahead, (false, Seen::Close(Some(4007))));
    assert!(!is_resumable(&gateway, LEGACY, &session).await);
}

#[tokio::test]
async fn close_codes_end_the_session_as_the_platform_says() {
    for (code, survives) in [
        (1000, true),
        (4000, true),
        (4001, false),
        (4004, false),
        (4006, false),
        (4007, false),
        (4008, true),
        (4009, true),
        (4010, false),
        (4014, false),
        (4902, false),
        (4903, false),
        (4915, false),
    ] {
        let gateway = memory();
        let (mut bot, session) = ready(&gateway, LEGACY).await;
        gateway.order(ShardId::ONE, [Step::Close(code)]);
        assert_eq!(bot.see().await, Seen::Close(Some(code)));
        assert_eq!(
            is_resumable(&gateway, LEGACY, &session).await,
            survives,
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_client_that_says_goodbye_may_come_back() {
    let gateway = memory();
    let (mut bot, session) = ready(&gateway, LEGACY).await;
    bot.leave().await;
    gateway
        .wait_for(|record| {
            matches!(
                record.act,
                Act::Close {
                    code: Some(1000),
                    ..
                }
            )
        })
        .await
        .unwrap();
    assert!(is_resumable(&gateway, LEGACY, &session).await);
}

#[tokio::test]
async fn an_invalid_session_is_followed_by_its_close_code() {
    let gateway = memory();
    gateway.misbehave([Fault::refuse_identify(false)]);
    let refused = refused_with(&gateway, identify(LEGACY, [0, 1])).await;
    assert_eq!(refused, (true, Seen::Close(Some(4903))));
    let (mut bot, session) = ready(&gateway, LEGACY).await;
    gateway.order(ShardId::ONE, [Step::InvalidSession(false)]);
    assert_eq!(bot.json().await, json!({"op": 9, "d": false}));
    assert_eq!(bot.see().await, Seen::Close(Some(4902)));
    assert!(!is_resumable(&gateway, LEGACY, &session).await);
    let (bot, session) = ready(&gateway, LEGACY).await;
    drop(bot);
    gateway.misbehave([Fault::refuse_resume(false)]);
    assert!(!is_resumable(&gateway, LEGACY, &session).await);
    assert!(
        !is_resumable(&gateway, LEGACY, &session).await,
        "it is really gone"
    );
}

#[tokio::test(start_paused = true)]
async fn after_half_an_hour_a_connection_is_recycled_and_the_session_goes_on() {
    let gateway = memory();
    let start = Instant::now();
    let (mut bot, session) = ready(&gateway, LEGACY).await;
    let mut beats = 0;
    loop {
        match timeout(Duration::from_secs(41), bot.see()).await {
            Err(_) => {
                beats += 1;
                bot.send(json!({"op": 1, "d": 1})).await;
            }
            Ok(Seen::Json(message)) if message["op"] == 7 => break,
            Ok(seen) => assert_eq!(seen, Seen::Json(json!({"op": 11}))),
        }
    }
    assert_eq!((start.elapsed(), beats), (Duration::from_mins(30), 43));
    // Whoever waits is closed, and is served until then.
    gateway.broadcast("A", "1").unwrap();
    assert_eq!(bot.events(1).await, named(&[("A", 2)]));
    assert_eq!(bot.see().await, Seen::Close(Some(4009)));
    assert_eq!(
        start.elapsed(),
        Duration::from_mins(30) + Duration::from_millis(250)
    );
    assert!(is_resumable(&gateway, LEGACY, &session).await);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_when_asked_to_is_not_closed() {
    let gateway = builder()
        .recycle_after(Duration::MAX)
        .heartbeat_deadline(false)
        .start_in_memory();
    let (mut bot, session) = ready(&gateway, LEGACY).await;
    assert!(timeout(Duration::from_hours(99), bot.see()).await.is_err());
    gateway.order(ShardId::ONE, [Step::Reconnect]);
    assert_eq!(bot.json().await, json!({"op": 7}));
    bot.leave().await;
    gateway
        .wait_for(|record| matches!(record.act, Act::End { how: End::Fin }))
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    let closes = |record: &_| {
        matches!(
            record,
            Act::SentClose {
                code: Some(4009),
                ..
            }
        )
    };
    assert_eq!(count(&gateway, |record| closes(&record.act)), 0);
    assert!(is_resumable(&gateway, LEGACY, &session).await);
}

#[tokio::test(start_paused = true)]
async fn who_sends_no_heartbeat_is_closed_but_may_resume() {
    let gateway = memory();
    let (mut bot, session) = ready(&gateway, LEGACY).await;
    let start = Instant::now();
    assert_eq!(bot.see().await, Seen::Close(Some(4009)));
    assert_eq!(start.elapsed(), Duration::from_millis(66_875));
    assert!(is_resumable(&gateway, LEGACY, &session).await);
}

// Faults that all platforms share.

#[tokio::test(start_paused = true)]
async fn the_faults_of_the_handshake_work_here_too() {
    let gateway = memory();
    gateway.misbehave([
        Fault::hello_interval("45000"),
        Fault::close_on_identify(4004),
    ]);
    let mut bot1 = open(gateway.connect(), "/").await;
    assert_eq!(bot1.json().await["d"]["heartbeat_interval"], 45_000);
    bot1.send(identify(LEGACY, [0, 1])).await;
    assert_eq!(bot1.see().await, Seen::Close(Some(4004)));

    gateway.misbehave([Fault::ready_without("user"), Fault::withhold_acks()]);
    let mut bot2 = bot(&gateway).await;
    // Unchecked: it is the fault that answers.
    bot2.send(identify("QQBot x", [0, 1])).await;
    let ready = bot2.json().await;
    assert!(ready["d"]["version"] == 1 && ready["d"].get("user").is_none());
    bot2.send(json!({"op": 1, "d": 1})).await;
    assert!(timeout(Duration::from_secs(9), bot2.see()).await.is_err());

    let (bot3, session) = ready_with_event(&gateway).await;
    drop(bot3);
    gateway.misbehave([Fault::no_resumed()]);
    let mut bot4 = bot(&gateway).await;
    bot4.send(resume(LEGACY, &session, 1)).await;
    assert_eq!(bot4.events(1).await, named(&[("A", 2)]));
    assert!(timeout(Duration::from_secs(9), bot4.see()).await.is_err());
    for code in [4006, 4007, 4902] {
        let (bot5, session) = ready_with_event(&gateway).await;
        drop(bot5);
        gateway.misbehave([Fault::close_on_resume(code)]);
        let end = refused_with(&gateway, resume(LEGACY, &session, 1)).await;
        assert_eq!(end, (false, Seen::Close(Some(code))));
    }
    // A resume that does not survive.
    gateway.misbehave([Fault::at(Moment::Resume, [Step::Answer, Step::Close(4009)])]);
    let mut bot6 = bot(&gateway).await;
    bot6.send(resume(LEGACY, &session, 1)).await;
    loop {
        match bot6.see().await {
            Seen::Json(message) => assert_eq!(message["op"], 0),
            end => break assert_eq!(end, Seen::Close(Some(4009))),
        }
    }
}

async fn ready_with_event(gateway: &Gateway) -> (Bot<DuplexStream>, String) {
    let (mut bot, session) = ready(gateway, LEGACY).await;
    gateway.broadcast("A", "1").unwrap();
    assert_eq!(bot.events(1).await, named(&[("A", 2)]));
    (bot, session)
}

/// What real servers sent, where it is at hand: each once, in order, and unchanged.
#[tokio::test]
async fn recorded_frames_are_served_once_and_in_order_also_without_a_number() {
    let Ok(fixtures) = std::env::var("SHARDSTREAM_FIXTURES") else {
        eprintln!("SHARDSTREAM_FIXTURES is not set: no recorded frames to serve");
        return;
    };
    let mut files: Vec<_> = std::fs::read_dir(format!("{fixtures}/qq"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let texts = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap());
    let texts: Vec<String> = texts.collect();
    assert_eq!(texts.len(), 86);
    let events: Vec<_> = (texts.iter())
        .map(|text| Event::from_frame(text).unwrap())
        .collect();
    let gateway = builder().feed(Feed::new(events)).start_in_memory();
    let (mut bot, _) = ready(&gateway, LEGACY).await;
    let (mut with_id, mut unnumbered) = (0, 0);
    for (index, text) in texts.iter().enumerate() {
        let frame: Value = serde_json::from_str(text).unwrap();
        let got = bot.json().await;
        assert_eq!((&got["t"], &got["d"]), (&frame["t"], &frame["d"]));
        assert_eq!(got["s"], index + 2);
        assert!(got["id"].is_string());
        unnumbered += usize::from(frame.get("s").is_none());
        if let Some(id) = frame.get("id") {
            with_id += 1;
            assert_eq!(&got["id"], id);
        }
    }
    assert!(with_id > 40 && unnumbered > 0, "{with_id} {unnumbered}");
}
