//! The server when it misbehaves.

use std::time::Duration;

use futures::SinkExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};
use tokio_websockets::{CloseCode, Message};

use super::{Seen, bot, get, identify, memory, named, open, resume, tcp, try_open};
use crate::{
    id::ShardId,
    local::{Act, Fault, Gateway, Moment, Record, Step, pack::unpack::OFFERED},
};

#[tokio::test]
async fn connections_can_be_cut_before_the_upgrade() {
    let gateway = Gateway::start().await.unwrap();
    for (fault, is_reset) in [
        (Fault::rst_on_accept(), true),
        (Fault::fin_on_accept(), false),
    ] {
        gateway.misbehave([fault]);
        let mut stream = tcp(&gateway).await;
        let end = stream.read(&mut [0; 8]).await;
        assert_eq!(end.is_err(), is_reset, "{end:?}");
    }
    gateway.misbehave([Fault::http(429, &[("Retry-After", "7")], "no")]);
    let (status, body) = get(&gateway, "GET / HTTP/1.1\r\nUpgrade: websocket").await;
    assert_eq!((status, body.as_str()), (429, "no"));
    gateway.misbehave([Fault::at(
        Moment::Upgrade,
        [Step::Raw(b"SSH-2.0\r\n".into()), Step::Fin],
    )]);
    let mut stream = tcp(&gateway).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "SSH-2.0\r\n");
    // All used up: the next one is served.
    open(tcp(&gateway).await, "/").await.start().await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_and_hello_can_be_withheld_or_come_late() {
    let gateway = memory();
    gateway.misbehave([Fault::stall_upgrade()]);
    let stalled = timeout(Duration::from_mins(1), try_open(gateway.connect(), "/")).await;
    assert!(stalled.is_err());
    gateway.misbehave([Fault::no_hello()]);
    let mut silent = bot(&gateway).await;
    assert!(
        timeout(Duration::from_mins(10), silent.see())
            .await
            .is_err()
    );
    gateway.misbehave([Fault::late_hello(Duration::from_secs(9))]);
    let mut late = bot(&gateway).await;
    let start = Instant::now();
    late.start().await;
    assert_eq!(start.elapsed().as_secs(), 9);
    gateway.misbehave([Fault::hello_interval("-1")]);
    let mut odd = bot(&gateway).await;
    assert_eq!(odd.json().await["d"]["heartbeat_interval"], -1);
}

#[tokio::test(start_paused = true)]
async fn acks_can_be_withheld_doubled_or_late() {
    let gateway = memory();
    gateway.misbehave([
        Fault::withhold_acks().times(1),
        Fault::duplicate_acks().times(1),
    ]);
    let mut bot = bot(&gateway).await;
    bot.json().await;
    for _ in 0..3 {
        bot.send(json!({"op": 1, "d": null})).await;
    }
    for _ in 0..3 {
        assert_eq!(bot.json().await["op"], 11);
    }
    assert!(timeout(Duration::from_secs(1), bot.see()).await.is_err());
    gateway.misbehave_always([Fault::late_acks(Duration::from_secs(3))]);
    let start = Instant::now();
    bot.send(json!({"op": 1, "d": null})).await;
    assert_eq!(bot.json().await["op"], 11);
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn identify_and_resume_can_be_answered_wrongly() {
    let gateway = Gateway::builder()
        .identify_window(Duration::ZERO)
        .start_in_memory();
    let answer = async |fault: Fault, message: Value| {
        gateway.misbehave([fault]);
        let mut bot = bot(&gateway).await;
        bot.json().await;
        bot.send(message).await;
        bot.see().await
    };
    let Seen::Json(ready) = answer(Fault::ready_without("session_id"), identify(0, 1)).await else {
        panic!("no READY")
    };
    assert!(ready["d"].get("session_id").is_none() && ready["d"]["v"] == 10);
    let evil = Fault::ready_with("resume_gateway_url", "\"ws://evil.example\"");
    let Seen::Json(ready) = answer(evil, identify(0, 1)).await else {
        panic!("no READY")
    };
    assert_eq!(ready["d"]["resume_gateway_url"], "ws://evil.example");
    let session = ready["d"]["session_id"].as_str().unwrap().to_owned();
    let op9 = |d: bool| Seen::Json(json!({"t": null, "s": null, "op": 9, "d": d}));
    assert_eq!(
        answer(Fault::refuse_identify(true), identify(0, 1)).await,
        op9(true)
    );
    assert_eq!(
        answer(Fault::close_on_identify(4011), identify(0, 1)).await,
        Seen::Close(Some(4011))
    );
    assert_eq!(
        answer(Fault::refuse_resume(true), resume(&session, 1)).await,
        op9(true)
    );
    assert_eq!(
        answer(Fault::close_on_resume(4000), resume(&session, 1)).await,
        Seen::Close(Some(4000))
    );
    let ready = answer(
        Fault::at(Moment::Resume, [Step::Ready(vec![])]),
        resume(&session, 1),
    )
    .await;
    assert!(matches!(ready, Seen::Json(ready) if ready["t"] == "READY"));
    // Still there after all this; and gone after a refusal for good.
    let mut good = bot(&gateway).await;
    good.json().await;
    good.send(resume(&session, 1)).await;
    assert_eq!(good.json().await["t"], "RESUMED");
    drop(good);
    assert_eq!(
        answer(Fault::refuse_resume(false), resume(&session, 1)).await,
        op9(false)
    );
    assert_eq!(
        answer(Fault::at(Moment::Accept, []), resume(&session, 1)).await,
        op9(false)
    );
}

#[tokio::test(start_paused = true)]
async fn ready_and_resumed_can_be_withheld() {
    let gateway = memory();
    let mut bot1 = bot(&gateway).await;
    let session = bot1.start().await;
    gateway.send(ShardId::ONE, "A", "{}").unwrap();
    gateway.misbehave([Fault::no_resumed()]);
    let mut bot2 = bot(&gateway).await;
    bot2.json().await;
    bot2.send(resume(&session, 1)).await;
    gateway.send(ShardId::ONE, "B", "{}").unwrap();
    assert_eq!(bot2.events(2).await, named(&[("A", 2), ("B", 3)]));
    gateway.misbehave_shard(ShardId::ONE, [Fault::no_ready()]);
    let mut bot3 = bot(&gateway).await;
    bot3.json().await;
    bot3.send(identify(0, 1)).await;
    assert!(timeout(Duration::from_mins(1), bot3.see()).await.is_err());
}

#[tokio::test]
async fn the_sequence_can_be_made_wrong() {
    let gateway = memory();
    let faults = [
        Fault::at(Moment::Events(1), [Step::DuplicateNext]),
        Fault::at(Moment::Events(2), [Step::LoseNext]),
        Fault::at(Moment::Events(3), [Step::SwapNext]),
        Fault::at(Moment::Events(5), [Step::SkipSequence(10)]),
        Fault::at(Moment::Events(6), [Step::Renumber(1)]),
    ];
    gateway.misbehave(faults);
    let mut bot = bot(&gateway).await;
    bot.start().await;
    (0..7).for_each(|_| assert_eq!(gateway.send(ShardId::ONE, "A", "{}"), Ok(1)));
    let seqs: Vec<_> = bot
        .events(7)
        .await
        .into_iter()
        .map(|(_, seq)| seq)
        .collect();
    assert_eq!(seqs, [2, 3, 3, 6, 5, 17, 1]);
}

#[tokio::test]
async fn frames_can_be_cut_corrupted_split_and_dribbled() {
    let gateway = Gateway::start().await.unwrap();
    gateway.misbehave([Fault::cut_within(1, 4)]);
    let mut bot1 = open(tcp(&gateway).await, "/").await;
    let session = bot1.start().await;
    gateway.broadcast("A", "{}").unwrap();
    gateway.broadcast("A", "{}").unwrap();
    assert_eq!(bot1.events(1).await, named(&[("A", 2)]));
    assert_eq!(bot1.see().await, Seen::End);

    gateway.misbehave([
        Fault::at(Moment::Events(1), [Step::CorruptNext(0)]),
        Fault::fragment(5),
        Fault::hang_after(9),
    ]);
    let (compression, garbage) = match OFFERED.first() {
        Some(kind) => (format!("compress={kind}"), Seen::Text("broken".into())),
        // Text that is not UTF-8 ends the connection.
        None => (String::new(), Seen::End),
    };
    let mut bot2 = open(tcp(&gateway).await, &format!("/?{compression}")).await;
    bot2.json().await;
    bot2.send(resume(&session, 1)).await;
    assert_eq!(bot2.json().await["s"], 2);
    assert_eq!(bot2.see().await, garbage);

    gateway.misbehave([Fault::dribble(7, Duration::from_millis(1))]);
    let mut bot3 = open(tcp(&gateway).await, "/").await;
    bot3.json().await;
    bot3.send(resume(&session, 1)).await;
    let all = [("A", 2), ("A", 3), ("RESUMED", 4), ("RESUMED", 5)];
    assert_eq!(bot3.events(4).await, named(&all));
}

#[tokio::test(start_paused = true)]
async fn live_connections_take_orders() {
    let gateway = memory();
    let mut bot1 = bot(&gateway).await;
    let session = bot1.start().await;
    let steps = [
        Step::Reconnect,
        Step::RequestHeartbeat,
        Step::Text("{".into()),
        Step::Binary(b"\"b\"".into()),
        Step::Send(r#"{"op":99}"#.into()),
        Step::InvalidSession(true),
    ];
    assert_eq!(gateway.order(ShardId::ONE, &steps), 1);
    assert_eq!(bot1.json().await["op"], 7);
    assert_eq!(bot1.json().await["op"], 1);
    assert_eq!(bot1.see().await, Seen::Text("{".into()));
    assert_eq!(bot1.json().await, "b");
    assert_eq!(bot1.json().await["op"], 99);
    assert_eq!(
        bot1.json().await,
        json!({"t": null, "s": null, "op": 9, "d": true})
    );
    let close = Step::CloseWith {
        code: None,
        reason: String::new(),
    };
    assert!(gateway.order_connection(1, [close]));
    assert_eq!(bot1.see().await, Seen::Close(None));
    drop(bot1);
    let ended = |record: &Record| matches!(record.act, Act::End { .. });
    gateway.wait_for(ended).await.unwrap();

    let mut bot2 = bot(&gateway).await;
    bot2.json().await;
    bot2.send(resume(&session, 1)).await;
    assert_eq!(bot2.events(1).await, named(&[("RESUMED", 2)]));
    // A hung connection does nothing, and can still be cut.
    assert_eq!(gateway.order_all([Step::Hang]), 1);
    bot2.send(json!({"op": 1, "d": 2})).await;
    assert!(timeout(Duration::from_mins(10), bot2.see()).await.is_err());
    assert_eq!(gateway.stats().heartbeats, 0);
    gateway.order_all([Step::Rst]);
    assert_eq!(bot2.see().await, Seen::End);
    assert_eq!(gateway.order(ShardId::ONE, [Step::Ack]), 0);
}

#[tokio::test(start_paused = true)]
async fn a_muted_server_hears_but_never_answers() {
    let gateway = memory();
    gateway.script([Step::Upgrade, Step::Hello, Step::Mute]);
    let mut bot = bot(&gateway).await;
    bot.json().await;
    bot.send(json!({"op": 1, "d": null})).await;
    bot.socket
        .send(Message::close(CloseCode::try_from(4000).ok(), ""))
        .await
        .unwrap();
    assert!(timeout(Duration::from_mins(10), bot.see()).await.is_err());
    assert_eq!(
        (gateway.stats().heartbeats, gateway.stats().closes_received),
        (1, 1)
    );
}

#[tokio::test]
async fn a_script_says_every_word_of_a_connection() {
    let gateway = memory();
    gateway.script([
        Step::Upgrade,
        Step::Send(r#"{"op":10,"d":{"heartbeat_interval":1000}}"#.into()),
        Step::Expect(2),
        Step::Answer,
        Step::Expect(1),
        Step::Answer,
        Step::Close(4000),
    ]);
    let mut bot = bot(&gateway).await;
    assert_eq!(bot.json().await["d"]["heartbeat_interval"], 1000);
    bot.send(json!({"op": 1, "d": null})).await;
    bot.send(identify(0, 1)).await;
    bot.send(json!({"op": 3, "d": {}})).await;
    bot.send(json!({"op": 1, "d": 1})).await;
    // The first heartbeat came before it was expected.
    assert_eq!(bot.json().await["op"], 11);
    assert_eq!(bot.see().await, Seen::Close(Some(4000)));
}
