//! The server against a plain WebSocket client and bare sockets, in memory where time matters.

mod faults;
mod qq;

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::TcpStream,
    time::{Instant, sleep},
};
use tokio_websockets::{ClientBuilder, CloseCode, Message, WebSocketStream};

use super::{
    Act, Builder, End, Event, Fault, Feed, Gateway, Record,
    pack::unpack::{self, OFFERED, Unpack},
};
use crate::id::ShardId;

/// A bot by hand.
struct Bot<S> {
    socket: WebSocketStream<S>,
    unpack: Option<Unpack>,
}

/// What a bot sees.
#[derive(Debug, PartialEq)]
enum Seen {
    Json(Value),
    Text(String),
    Close(Option<u16>),
    End,
}

async fn open<S: AsyncRead + AsyncWrite + Unpin>(stream: S, target: &str) -> Bot<S> {
    try_open(stream, target).await.unwrap()
}

async fn try_open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    target: &str,
) -> Result<Bot<S>, tokio_websockets::Error> {
    let uri = format!("ws://127.0.0.1{target}");
    let builder = ClientBuilder::new().uri(&uri).unwrap();
    let (socket, _) = builder.connect_on(stream).await?;
    let unpack = (target.split_once("compress=")).and_then(|(_, name)| unpack::named(name));
    Ok(Bot { socket, unpack })
}

async fn bot(gateway: &Gateway) -> Bot<DuplexStream> {
    open(gateway.connect(), "/?v=10&encoding=json").await
}

async fn tcp(gateway: &Gateway) -> TcpStream {
    let address = gateway.url().strip_prefix("ws://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

fn identify(shard: u32, total: u32) -> Value {
    json!({"op": 2, "d": {"token": "t", "properties": {}, "intents": 1, "shard": [shard, total]}})
}

fn resume(session: &str, seq: u64) -> Value {
    json!({"op": 6, "d": {"token": "t", "session_id": session, "seq": seq}})
}

impl<S: AsyncRead + AsyncWrite + Unpin> Bot<S> {
    async fn send(&mut self, message: Value) {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    async fn see(&mut self) -> Seen {
        loop {
            let Some(Ok(message)) = self.socket.next().await else {
                return Seen::End;
            };
            if message.is_close() {
                let code = message.as_close().map(|(code, _)| u16::from(code));
                // The library's word for "there was none".
                return Seen::Close(code.filter(|code| *code != 1005));
            }
            if message.is_ping() || message.is_pong() {
                continue;
            }
            let text = self.unpack(&message);
            return serde_json::from_str(&text).map_or(Seen::Text(text), Seen::Json);
        }
    }

    fn unpack(&mut self, message: &Message) -> String {
        let bytes = message.as_payload();
        let unpack = self.unpack.as_mut().filter(|_| message.is_binary());
        match unpack.map_or_else(|| Some(bytes.to_vec()), |unpack| unpack(bytes)) {
            Some(text) => String::from_utf8_lossy(&text).into_owned(),
            None => "broken".to_owned(),
        }
    }

    async fn json(&mut self) -> Value {
        match self.see().await {
            Seen::Json(value) => value,
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// Hello, IDENTIFY, READY; the id of the session.
    async fn start(&mut self) -> String {
        self.start_shard(0, 1).await
    }

    async fn start_shard(&mut self, shard: u32, total: u32) -> String {
        assert_eq!(self.json().await["op"], 10);
        self.send(identify(shard, total)).await;
        let ready = self.json().await;
        assert_eq!((&ready["t"], &ready["s"]), (&json!("READY"), &json!(1)));
        ready["d"]["session_id"].as_str().unwrap().to_owned()
    }

    /// What is seen of the next events: name and number.
    async fn events(&mut self, count: usize) -> Vec<(String, u64)> {
        let mut events = Vec::new();
        for _ in 0..count {
            let event = self.json().await;
            let name = event["t"].as_str().unwrap().to_owned();
            events.push((name, event["s"].as_u64().unwrap()));
        }
        events
    }

    /// The close code that an answer to these messages ends with.
    async fn ends_with(mut self, messages: &[Value]) -> Seen {
        assert_eq!(self.json().await["op"], 10);
        for message in messages {
            self.send(message.clone()).await;
        }
        loop {
            match self.see().await {
                Seen::Json(_) => {}
                end => return end,
            }
        }
    }
}

fn named(names: &[(&str, u64)]) -> Vec<(String, u64)> {
    names
        .iter()
        .map(|(name, seq)| ((*name).to_owned(), *seq))
        .collect()
}

fn memory() -> Gateway {
    Gateway::builder().start_in_memory()
}

fn count(gateway: &Gateway, wanted: impl Fn(&Record) -> bool) -> usize {
    gateway.log().iter().filter(|record| wanted(record)).count()
}

// The handshake.

#[tokio::test]
async fn a_bot_is_greeted_and_told_its_session() {
    let gateway = Gateway::builder()
        .guilds([1 << 22, 2 << 22])
        .start()
        .await
        .unwrap();
    let mut bot = open(tcp(&gateway).await, "/?v=10&encoding=json").await;
    let hello = bot.json().await;
    assert_eq!(
        (&hello["op"], &hello["d"]["heartbeat_interval"]),
        (&json!(10), &json!(41_250))
    );
    bot.send(identify(1, 2)).await;
    let ready = bot.json().await;
    let d = &ready["d"];
    assert_eq!(
        (&ready["op"], &ready["s"], &ready["t"]),
        (&json!(0), &json!(1), &json!("READY"))
    );
    assert_eq!((&d["v"], &d["shard"]), (&json!(10), &json!([1, 2])));
    assert_eq!(
        d["guilds"],
        json!([{"id": (1_u64 << 22).to_string(), "unavailable": true}])
    );
    assert_eq!(d["resume_gateway_url"], gateway.url());
    assert!(
        d["session_id"].is_string() && d["user"]["bot"] == true && d["application"].is_object()
    );
    assert_eq!(gateway.stats().readies, 1);
}

#[tokio::test]
async fn each_broken_rule_of_the_handshake_has_its_close_code() {
    let with = |key: &str, value: Value| {
        let mut message = identify(0, 1);
        message["d"][key] = value;
        message
    };
    let cases = [
        (vec![with("token", json!("wrong"))], 4004),
        (vec![with("token", json!(""))], 4004),
        (vec![with("token", Value::Null)], 4002),
        (vec![with("properties", Value::Null)], 4002),
        (vec![with("shard", json!([1, 1]))], 4010),
        (vec![with("shard", json!([0]))], 4010),
        (vec![with("shard", json!(0))], 4010),
        (vec![with("intents", json!(1 << 22))], 4013),
        (vec![with("intents", Value::Null)], 4013),
        (vec![with("intents", json!(1 << 8))], 4014),
        (vec![identify(0, 1), identify(0, 1)], 4005),
        (vec![identify(0, 1), resume("x", 1)], 4005),
        (vec![json!({"op": 3, "d": {}})], 4003),
        (vec![json!({"op": 8, "d": {}})], 4003),
        (vec![json!({"op": 99})], 4001),
        (vec![json!({"op": 11})], 4001),
        (vec![json!({"op": "2"})], 4002),
        (vec![json!({"d": 1})], 4002),
        (vec![json!([])], 4002),
        (vec![json!({"op": 1, "d": "x"})], 4002),
        (
            vec![json!({"op": 6, "d": {"token": "t", "session_id": "x"}})],
            4002,
        ),
        (vec![json!({"op": 3, "d": "x".repeat(4096)})], 4002),
    ];
    for (messages, code) in cases {
        let gateway = Gateway::builder()
            .token("Bot t")
            .intents(0xff)
            .start_in_memory();
        let end = bot(&gateway).await.ends_with(&messages).await;
        assert_eq!(end, Seen::Close(Some(code)), "{messages:?}");
    }
    let gateway = memory();
    let old = open(gateway.connect(), "/?v=8").await;
    assert!(matches!({ old }.see().await, Seen::Close(Some(4012))));
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_passes() {
    let gateway = memory();
    let mut bot = bot(&gateway).await;
    bot.start().await;
    let frame = json!({"op": 3, "d": ""}).to_string().len();
    bot.send(json!({"op": 3, "d": "x".repeat(4096 - frame)}))
        .await;
    bot.send(json!({"op": 4, "d": {}})).await;
    gateway
        .wait_for(|record| matches!(record.act, Act::Command { op: 4, .. }))
        .await
        .unwrap();
    assert_eq!(gateway.stats().commands, 2);
}

#[tokio::test]
async fn garbage_on_the_wire_never_harms_the_server() {
    let gateway = Gateway::start().await.unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for round in 0..200 {
        let mut stream = tcp(&gateway).await;
        let mut bytes = if round % 2 == 0 {
            upgrade.to_vec()
        } else {
            Vec::new()
        };
        bytes.extend((0..random.usize(0..300)).map(|_| random.u8(..)));
        // The server may have ended it before all is written.
        let _ = stream.write_all(&bytes).await;
    }
    open(tcp(&gateway).await, "/").await.start().await;
}

// Starting often.

#[tokio::test(start_paused = true)]
async fn each_bucket_has_one_identify_a_window() {
    let gateway = Gateway::builder().max_concurrency(2).start_in_memory();
    let mut first = bot(&gateway).await;
    first.start_shard(0, 4).await;
    bot(&gateway).await.start_shard(1, 4).await;
    let mut early = bot(&gateway).await;
    early.json().await;
    early.send(identify(2, 4)).await;
    assert_eq!(
        early.json().await,
        json!({"t": null, "s": null, "op": 9, "d": false})
    );
    sleep(Duration::from_secs(5)).await;
    early.send(identify(2, 4)).await;
    assert_eq!(early.json().await["t"], "READY");
    assert_eq!(gateway.stats().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_spends_the_day_loses_the_token() {
    let gateway = Gateway::builder()
        .session_starts(1000, 2)
        .identify_window(Duration::ZERO)
        .start_in_memory();
    let mut live = bot(&gateway).await;
    let session = live.start().await;
    bot(&gateway).await.start().await;
    assert!(!gateway.is_token_reset());
    let end = bot(&gateway).await.ends_with(&[identify(0, 1)]).await;
    assert_eq!(end, Seen::Close(Some(4004)));
    assert!(gateway.is_token_reset());
    assert_eq!(count(&gateway, |record| record.act == Act::TokenReset), 1);
    let end = bot(&gateway).await.ends_with(&[resume(&session, 1)]).await;
    assert_eq!(end, Seen::Close(Some(4004)));
}

// Heartbeats and sends.

#[tokio::test]
async fn heartbeats_are_acknowledged_before_and_after_identify() {
    let gateway = memory();
    let mut bot = bot(&gateway).await;
    bot.json().await;
    bot.send(json!({"op": 1, "d": null})).await;
    assert_eq!(bot.json().await["op"], 11);
    bot.send(identify(0, 1)).await;
    assert_eq!(bot.json().await["t"], "READY");
    bot.send(json!({"op": 1, "d": 1})).await;
    assert_eq!(bot.json().await["op"], 11);
    let beats: Vec<_> = (gateway.log().into_iter())
        .filter_map(|record| match record.act {
            Act::Heartbeat { seq } => Some(seq),
            _ => None,
        })
        .collect();
    assert_eq!(beats, [None, Some(1)]);
    assert_eq!((gateway.stats().heartbeats, gateway.stats().acks), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_bot_without_a_heart_is_closed_and_loses_its_session() {
    let gateway = Gateway::builder()
        .heartbeat_interval(Duration::from_secs(10))
        .start_in_memory();
    let mut bot1 = bot(&gateway).await;
    let session = bot1.start().await;
    let start = Instant::now();
    sleep(Duration::from_secs(15)).await;
    bot1.send(json!({"op": 1, "d": 1})).await;
    assert_eq!(bot1.json().await["op"], 11);
    assert_eq!(bot1.see().await, Seen::Close(Some(4009)));
    assert_eq!(start.elapsed().as_secs(), 35);
    let mut bot2 = bot(&gateway).await;
    bot2.json().await;
    bot2.send(resume(&session, 1)).await;
    assert_eq!(bot2.json().await["d"], false);
}

#[tokio::test(start_paused = true)]
async fn the_send_limit_counts_a_sliding_window() {
    let gateway = Gateway::builder()
        .send_limit(3, Duration::from_mins(1))
        .start_in_memory();
    let mut bot = bot(&gateway).await;
    bot.start().await;
    let beat = json!({"op": 1, "d": 1});
    sleep(Duration::from_secs(30)).await;
    bot.send(beat.clone()).await;
    bot.send(beat.clone()).await;
    sleep(Duration::from_secs(30)).await;
    // IDENTIFY has left the window, the heartbeats have not.
    bot.send(beat.clone()).await;
    for _ in 0..3 {
        assert_eq!(bot.json().await["op"], 11);
    }
    bot.send(beat).await;
    assert_eq!(bot.see().await, Seen::Close(Some(4008)));
}

#[tokio::test]
async fn members_are_answered_by_one_chunk_with_the_nonce() {
    let gateway = memory();
    let mut bot = bot(&gateway).await;
    bot.start().await;
    bot.send(json!({"op": 8, "d": {"guild_id": "7", "user_ids": ["1"], "nonce": "n"}}))
        .await;
    let chunk = bot.json().await;
    assert_eq!(
        (&chunk["t"], &chunk["s"]),
        (&json!("GUILD_MEMBERS_CHUNK"), &json!(2))
    );
    assert_eq!(
        chunk["d"],
        json!({"guild_id": "7", "members": [], "chunk_index": 0, "chunk_count": 1,
            "not_found": ["1"], "nonce": "n"})
    );
}

// Events and resumes.

#[tokio::test]
async fn events_go_out_byte_for_byte_to_the_sessions_of_their_shard() {
    let gateway = Gateway::builder()
        .identify_window(Duration::ZERO)
        .start_in_memory();
    let (mut one, mut two) = (bot(&gateway).await, bot(&gateway).await);
    one.start_shard(0, 2).await;
    two.start_shard(1, 2).await;
    let data = "{ \"big\":12345678901234567890123, \"a\":1.50}";
    assert_eq!(gateway.send(ShardId::new(1, 2).unwrap(), "A", data), Ok(1));
    assert_eq!(gateway.send(ShardId::ONE, "A", data), Ok(0));
    assert_eq!(gateway.broadcast("B", "[]"), Ok(2));
    assert_eq!(one.events(1).await, named(&[("B", 2)]));
    let message = two.socket.next().await.unwrap().unwrap();
    let expected = format!(r#"{{"t":"A","s":2,"op":0,"d":{data}}}"#);
    assert_eq!(message.as_text(), Some(expected.as_str()));
    assert_eq!(two.events(1).await, named(&[("B", 3)]));
    assert_eq!(gateway.stats().events, 3);
}

#[tokio::test]
async fn a_resume_replays_what_was_missed_and_then_says_so() {
    let gateway = memory();
    let mut bot1 = bot(&gateway).await;
    let session = bot1.start().await;
    for name in ["A", "B", "C"] {
        gateway.send(ShardId::ONE, name, "{}").unwrap();
    }
    bot1.events(3).await;
    drop(bot1);
    gateway
        .wait_for(|record| record.act == Act::End { how: End::Client })
        .await
        .unwrap();
    gateway.send(ShardId::ONE, "D", "{}").unwrap();

    let mut bot2 = bot(&gateway).await;
    bot2.json().await;
    bot2.send(resume(&session, 2)).await;
    let replayed = [("B", 3), ("C", 4), ("D", 5), ("RESUMED", 6)];
    assert_eq!(bot2.events(4).await, named(&replayed));
    gateway.send(ShardId::ONE, "E", "{}").unwrap();
    assert_eq!(bot2.events(1).await, named(&[("E", 7)]));
    let resumed = |record: &Record| record.act == Act::Resumed { replayed: 3 };
    assert_eq!(count(&gateway, resumed), 1);
    let stats = gateway.stats();
    assert_eq!((stats.events, stats.events_again, stats.resumed), (5, 2, 1));
}

#[tokio::test]
async fn a_cut_at_every_event_loses_and_doubles_nothing() {
    let total = 30;
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let gateway = memory();
        let mut live = bot(&gateway).await;
        let session = live.start().await;
        for _ in 0..total {
            gateway.send(ShardId::ONE, "A", "{}").unwrap();
        }
        let (mut seqs, mut last) = (Vec::new(), 1);
        while seqs.len() < total {
            let take = random.usize(0..5).min(total - seqs.len());
            let mut taken = 0;
            while taken < take {
                let (name, seq) = live.events(1).await.remove(0);
                last = seq;
                if name == "A" {
                    seqs.push(seq);
                    taken += 1;
                }
            }
            live = bot(&gateway).await;
            live.json().await;
            live.send(resume(&session, last)).await;
        }
        let mut sorted = seqs.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, seqs, "seed {seed}");
        assert_eq!(gateway.stats().events, total as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_end_as_the_platform_ends_them() {
    // (how the bot leaves, how long it is away, whether the session is still there)
    let cases = [
        (Some(1000), 0, false),
        (Some(1001), 0, false),
        (Some(4000), 0, true),
        (None, 0, true),
        (None, 179, true),
        (None, 181, false),
    ];
    for (code, away, is_there) in cases {
        let gateway = memory();
        let mut bot1 = bot(&gateway).await;
        let session = bot1.start().await;
        if let Some(code) = code {
            let close = Message::close(CloseCode::try_from(code).ok(), "");
            bot1.socket.send(close).await.unwrap();
            assert_eq!(bot1.see().await, Seen::Close(Some(code)));
        }
        drop(bot1);
        gateway
            .wait_for(|record| matches!(record.act, Act::End { .. }))
            .await
            .unwrap();
        sleep(Duration::from_secs(away)).await;
        let mut bot2 = bot(&gateway).await;
        bot2.json().await;
        bot2.send(resume(&session, 1)).await;
        let answer = bot2.json().await;
        let expected = if is_there {
            json!("RESUMED")
        } else {
            Value::Null
        };
        assert_eq!(
            (&answer["t"], answer["op"] == 9),
            (&expected, !is_there),
            "{code:?} {away}"
        );
    }
}

#[tokio::test]
async fn a_resume_with_a_wrong_sequence_session_or_token_is_refused() {
    let gateway = Gateway::builder().replay_len(3).start_in_memory();
    let mut bot1 = bot(&gateway).await;
    let session = bot1.start().await;
    (0..9).for_each(|_| assert_eq!(gateway.send(ShardId::ONE, "A", "{}"), Ok(1)));
    bot1.events(9).await;
    gateway.send(ShardId::ONE, "A", "{}").unwrap();
    bot1.events(1).await;

    let mut wrong = resume(&session, 10);
    wrong["d"]["token"] = json!("another");
    assert_eq!(
        bot(&gateway).await.ends_with(&[wrong]).await,
        Seen::Close(Some(4004))
    );
    let mut stranger = bot(&gateway).await;
    stranger.json().await;
    stranger.send(resume("nobody", 1)).await;
    assert_eq!(stranger.json().await["op"], 9);
    let end = bot(&gateway).await.ends_with(&[resume(&session, 12)]).await;
    assert_eq!(end, Seen::Close(Some(4007)));
    // 4007 has ended it.
    let mut late = bot(&gateway).await;
    late.json().await;
    late.send(resume(&session, 11)).await;
    assert_eq!(late.json().await["op"], 9);
}

#[tokio::test]
async fn a_resume_from_before_the_replay_buffer_is_refused() {
    for (seq, is_kept) in [(7, false), (8, true)] {
        let gateway = Gateway::builder().replay_len(3).start_in_memory();
        let mut bot1 = bot(&gateway).await;
        let session = bot1.start().await;
        for _ in 0..10 {
            gateway.send(ShardId::ONE, "A", "{}").unwrap();
            bot1.events(1).await;
        }
        let mut bot2 = bot(&gateway).await;
        bot2.json().await;
        bot2.send(resume(&session, seq)).await;
        assert_eq!(bot2.json().await["op"] == 0, is_kept, "{seq}");
        // Whoever resumes takes the session away from where it was.
        if is_kept {
            assert_eq!(bot1.see().await, Seen::End);
        }
    }
}

#[tokio::test]
async fn the_feed_follows_ready_once_and_survives_a_cut() {
    let events: Vec<_> = (0..40)
        .map(|n| Event::new("A", n.to_string()).unwrap())
        .collect();
    let gateway = Gateway::builder()
        .feed(Feed::new(events).repeat(5))
        .start_in_memory();
    gateway.misbehave([Fault::rst_after(50)]);
    let mut bot1 = bot(&gateway).await;
    let session = bot1.start().await;
    let mut seen = bot1.events(50).await;
    assert_eq!(bot1.see().await, Seen::End);
    let mut bot2 = bot(&gateway).await;
    bot2.json().await;
    bot2.send(resume(&session, 51)).await;
    let rest = bot2.events(151).await;
    seen.extend(rest.into_iter().filter(|(name, _)| name == "A"));
    assert_eq!(seen.len(), 200);
    let stats = gateway.stats();
    assert_eq!((stats.events, stats.events_again), (200, 0));
}

// Compression.

#[tokio::test]
async fn compressed_streams_hold_the_same_texts() {
    for compression in OFFERED {
        let gateway = Gateway::start().await.unwrap();
        let target = format!("/?v=10&encoding=json&compress={compression}");
        let mut bot1 = open(tcp(&gateway).await, &target).await;
        let session = bot1.start().await;
        let long = format!("\"{}\"", "äöü ".repeat(50_000));
        for data in ["{}", &long, "[1,2]"] {
            gateway.send(ShardId::ONE, "A", data).unwrap();
            assert_eq!(
                bot1.json().await["d"],
                serde_json::from_str::<Value>(data).unwrap()
            );
        }
        // A new connection has a new context.
        let mut bot2 = open(tcp(&gateway).await, &target).await;
        bot2.json().await;
        bot2.send(resume(&session, 3)).await;
        let rest = [("A", 4), ("RESUMED", 5)];
        assert_eq!(bot2.events(2).await, named(&rest), "{compression}");
    }
}

#[tokio::test]
async fn what_is_not_offered_is_refused_before_the_upgrade() {
    let gateway = memory();
    let kinds = ["lzma", "zlib-stream", "zstd-stream"];
    let unknown = kinds.into_iter().filter(|kind| !OFFERED.contains(kind));
    let targets = unknown.map(|kind| format!("/?compress={kind}"));
    for target in targets.chain(["/?encoding=etf".to_owned()]) {
        assert!(
            try_open(gateway.connect(), &target).await.is_err(),
            "{target}"
        );
    }
}

// REST.

async fn get(gateway: &Gateway, head: &str) -> (u16, String) {
    let mut stream = tcp(gateway).await;
    stream
        .write_all(format!("{head}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn rest_tells_url_and_limits_to_whoever_has_the_token() {
    let gateway = Gateway::builder()
        .token("t")
        .shards(7)
        .max_concurrency(16)
        .session_starts(2000, 5)
        .start()
        .await
        .unwrap();
    open(tcp(&gateway).await, "/").await.start().await;
    let authorized = "HTTP/1.1\r\nHost: x\r\nAuthorization: Bot t";
    let (status, body) = get(&gateway, &format!("GET /api/v10/gateway/bot {authorized}")).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["url"]), (200, &json!(gateway.url())));
    assert_eq!(body["shards"], 7);
    let limit = &body["session_start_limit"];
    assert_eq!(
        (&limit["total"], &limit["remaining"]),
        (&json!(2000), &json!(4))
    );
    assert_eq!(limit["max_concurrency"], 16);
    assert!((86_300_000..=86_400_000).contains(&limit["reset_after"].as_u64().unwrap()));

    assert_eq!(get(&gateway, "GET /gateway HTTP/1.1").await.0, 200);
    assert_eq!(get(&gateway, "GET /gateway/bot HTTP/1.1").await.0, 401);
    assert_eq!(
        get(
            &gateway,
            "GET /gateway/bot HTTP/1.1\r\nAuthorization: Bot x"
        )
        .await
        .0,
        401
    );
    assert_eq!(
        get(&gateway, "GET /gateway/bot HTTP/1.1\r\nAuthorization: t")
            .await
            .0,
        401
    );
    assert_eq!(get(&gateway, "POST /gateway HTTP/1.1").await.0, 405);
    assert_eq!(get(&gateway, "GET /users HTTP/1.1").await.0, 404);
    assert_eq!(get(&gateway, "\u{1}").await.0, 400);
    gateway.misbehave_always([Fault::rest(502, &[("X-A", "b")], "<html>").times(1)]);
    assert_eq!(
        get(&gateway, "GET /gateway HTTP/1.1").await,
        (502, "<html>".into())
    );
    assert_eq!(get(&gateway, "GET /gateway HTTP/1.1").await.0, 200);
    assert_eq!(gateway.stats().rests, 9);
}

#[tokio::test]
async fn no_token_is_ever_shown() {
    let gateway = Gateway::builder().token("UNSHOWN").start().await.unwrap();
    get(
        &gateway,
        "GET /gateway/bot HTTP/1.1\r\nAuthorization: Bot UNSHOWN",
    )
    .await;
    let mut bot1 = open(tcp(&gateway).await, "/").await;
    bot1.json().await;
    let mut hello = identify(0, 1);
    hello["d"]["token"] = json!("UNSHOWN");
    bot1.send(hello).await;
    let ready = bot1.json().await;
    let mut again = resume(ready["d"]["session_id"].as_str().unwrap(), 1);
    again["d"]["token"] = json!("UNSHOWN");
    let mut bot2 = open(tcp(&gateway).await, "/").await;
    bot2.json().await;
    bot2.send(again).await;
    assert_eq!(bot2.json().await["t"], "RESUMED");
    let shown = format!("{gateway:?} {:?} {:?}", gateway.log(), gateway.shared);
    assert!(shown.contains("Identify") && !shown.contains("UNSHOWN"));
    let lines: Vec<_> = (gateway.log().iter())
        .map(|record| serde_json::to_string(record).unwrap())
        .collect();
    assert!(
        lines.iter().any(|line| line.contains(r#""act":"resume""#)),
        "{lines:?}"
    );
}

// Watching.

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_record_or_with_the_log() {
    let gateway = Gateway::builder()
        .patience(Duration::from_secs(3))
        .log_len(4)
        .start_in_memory();
    let start = Instant::now();
    let nothing = gateway.wait_for(|_| true).await.unwrap_err();
    assert_eq!((start.elapsed().as_secs(), nothing.last.len()), (3, 0));
    let wait = gateway.wait_for_nth(2, |record| matches!(record.act, Act::Heartbeat { .. }));
    let act = async {
        let mut bot = bot(&gateway).await;
        sleep(Duration::from_secs(1)).await;
        bot.send(json!({"op": 1, "d": 5})).await;
        bot.send(json!({"op": 1, "d": 6})).await;
        bot
    };
    let (record, _bot) = tokio::join!(wait, act);
    let record = record.unwrap();
    assert_eq!(
        (record.at.as_secs(), record.act),
        (4, Act::Heartbeat { seq: Some(6) })
    );
    assert!(gateway.log().len() <= 4);
}

#[tokio::test]
async fn dropping_the_gateway_ends_all_connections_and_who_follows_it() {
    let gateway = Gateway::start().await.unwrap();
    let mut follow = gateway.follow();
    let mut by_tcp = open(tcp(&gateway).await, "/").await;
    by_tcp.start().await;
    let mut in_memory = bot(&gateway).await;
    in_memory.json().await;
    assert!(matches!(
        follow.next().await.unwrap().act,
        Act::Connect { .. }
    ));
    drop(gateway);
    assert_eq!(by_tcp.see().await, Seen::End);
    assert_eq!(in_memory.see().await, Seen::End);
    while follow.next().await.is_some() {}
}

#[test]
fn options_have_the_defaults_that_the_docs_state() {
    let shown = format!("{:?}", Builder::default());
    for part in [
        "heartbeat_interval: 41.25s",
        "sends_max: 120",
        "payload_len_max: 4096",
    ] {
        assert!(shown.contains(part), "{part}");
    }
}
