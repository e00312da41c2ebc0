//! Peers that do not read, do not answer, close oddly or vanish.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::join_all};
use shardstream::{
    Cause, Compression, Config, ErrorKind, Intents, Shutdown,
    local::{Act, Builder, Fault, Gateway, Moment, Record, Step},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::{
    super::world::{
        Bot, Door, Got, TcpServer, World, frame, ms, real_bot, scaled, scaled_gateway, secs, times,
    },
    CLOSE, TEXT, ends_and_resumes,
};

/// Fills the way to a peer that does not read.
async fn fill(bot: &Bot) {
    let sender = bot.shard.sender();
    for n in 0..20 {
        let pad = "x".repeat(200);
        sender
            .send_payload(4, &serde_json::json!([n, pad]))
            .await
            .expect("the side of the test works");
    }
}

/// Goal: a peer that does not read is read all the same, and left after ten seconds.
#[tokio::test(start_paused = true)]
async fn f33_a_peer_that_does_not_read_is_heard_for_ten_seconds_and_then_left() {
    let world = World::new(Gateway::builder());
    let (way, tap) = world.tapped(1 << 10);
    world.wire.plan([way]);
    let mut bot = world.bot();
    bot.begin().await;
    tap.hold(true);
    let start = Instant::now();
    fill(&bot).await;
    for _ in 0..9 {
        bot.goes_on().await;
        bot.idle(secs(1)).await;
    }
    assert_eq!(bot.causes(), []);
    assert_eq!(bot.disconnected().await, (Cause::WriteStall, true));
    let took = start.elapsed();
    assert!(took >= secs(10) && took <= secs(10) + ms(100), "{took:?}");
    bot.goes_on().await;
    bot.kept_its_session(1);
}

#[tokio::test(start_paused = true)]
async fn f33_a_peer_that_reads_again_in_time_gets_everything_once() {
    let world = World::new(Gateway::builder());
    let (way, tap) = world.tapped(1 << 10);
    world.wire.plan([way]);
    let mut bot = world.bot();
    bot.begin().await;
    for _ in 0..3 {
        tap.hold(true);
        fill(&bot).await;
        bot.idle(ms(9900)).await;
        tap.hold(false);
        // The commands' window passes, with events, so that no silence is added to the stall.
        for _ in 0..3 {
            bot.goes_on().await;
            bot.idle(secs(20)).await;
        }
        bot.goes_on().await;
    }
    assert_eq!(bot.causes(), []);
    let number = |record: Record| match record.act {
        Act::Command { data, .. } => {
            let data: serde_json::Value = serde_json::from_str(&data).unwrap();
            data[0].as_u64()
        }
        _ => None,
    };
    let commands: Vec<_> = world.gateway.log().into_iter().filter_map(number).collect();
    assert_eq!(commands, (0..20).collect::<Vec<_>>().repeat(3));
}

#[tokio::test(start_paused = true)]
async fn f34_a_close_frame_without_a_usable_code_resumes() {
    let with = |code: u16, reason: &[u8]| {
        let payload = [&code.to_be_bytes(), reason].concat();
        frame(CLOSE, &payload)
    };
    let unusable = [
        ("empty", frame(CLOSE, b"")),
        ("of one byte", frame(CLOSE, b"\x0f")),
        ("0", with(0, b"")),
        ("999", with(999, b"")),
        ("1004", with(1004, b"")),
        ("1005", with(1005, b"")),
        ("1006", with(1006, b"")),
        ("1015", with(1015, b"")),
        ("2999", with(2999, b"")),
        ("5000", with(5000, b"")),
        ("65535", with(65535, b"")),
        // A fatal code in a frame that is not one.
        ("not UTF-8", with(4004, b"\xff\xfe")),
    ];
    for (name, bytes) in unusable {
        let cause = Cause::Closed { code: None };
        ends_and_resumes(name, bytes, cause, None).await;
    }
    for code in [1000, 1001, 1011, 1012, 3000, 3999, 4000, 4999] {
        let cause = Cause::Closed { code: Some(code) };
        // 1000 and 1001 from a client would end its session.
        let answer = Some(code).filter(|code| *code > 1001);
        let bytes = with(code, "\u{e9}\n".repeat(41).as_bytes());
        ends_and_resumes(&code.to_string(), bytes, cause, answer).await;
    }
}

/// The time from our close frame to the next connect, when the server asked for a reconnect.
async fn time_to_return(world: &World, bot: &mut Bot) -> Duration {
    bot.order([Step::Reconnect]);
    bot.goes_on().await;
    bot.kept_its_session(1);
    let closed = times(&world.gateway, |act| {
        matches!(
            act,
            Act::Close {
                code: Some(4000),
                ..
            }
        )
    });
    let connected = times(&world.gateway, |act| matches!(act, Act::Connect { .. }));
    assert_eq!((closed.len(), connected.len()), (1, 2));
    connected[1].saturating_sub(closed[0])
}

#[tokio::test(start_paused = true)]
async fn f35_a_close_that_is_never_answered_is_waited_for_three_seconds() {
    let silent = [
        ("no answer", vec![]),
        ("hang", vec![Step::Hang]),
        ("pings instead", vec![Step::Ping(b"?".to_vec()), Step::Hang]),
    ];
    for (name, steps) in silent {
        let world = World::new(Gateway::builder());
        world.gateway.misbehave([Fault::at(Moment::Close, steps)]);
        let mut bot = world.bot();
        bot.begin().await;
        let took = time_to_return(&world, &mut bot).await;
        assert!(took >= ms(2998) && took <= ms(3002), "{name}: {took:?}");
    }
    let polite = [
        ("answer", vec![Step::Answer]),
        (
            "answer, TCP stays open",
            vec![Step::Raw(frame(CLOSE, b"\x0f\xa0")), Step::Hang],
        ),
        ("end of TCP", vec![Step::Fin]),
    ];
    for (name, steps) in polite {
        let world = World::new(Gateway::builder());
        world.gateway.misbehave([Fault::at(Moment::Close, steps)]);
        let mut bot = world.bot();
        bot.begin().await;
        let took = time_to_return(&world, &mut bot).await;
        assert!(took <= ms(2), "{name}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f35_a_shutdown_is_over_after_three_seconds_whatever_the_server_does() {
    for how in [Shutdown::End, Shutdown::Keep] {
        let world = World::new(Gateway::builder());
        world
            .gateway
            .misbehave([Fault::at(Moment::Close, [Step::Hang])]);
        let mut bot = world.bot();
        bot.begin().await;
        let start = Instant::now();
        let state = bot.shard.shutdown(how).await;
        let took = start.elapsed();
        assert!(took >= secs(3) && took <= ms(3002), "{took:?}");
        assert_eq!(state.is_some(), how == Shutdown::Keep);
        assert_eq!(bot.end_error().await.kind(), ErrorKind::Shutdown);
    }
}

/// What comes behind the server's close frame was never said; what comes behind ours is not
/// taken, and so comes in the replay, once.
#[tokio::test(start_paused = true)]
async fn f36_data_behind_a_close_frame_is_ignored() {
    let stray = frame(TEXT, br#"{"op":0,"t":"STRAY","s":99,"d":{}}"#);
    let bytes = [frame(CLOSE, b"\x0f\xa0"), stray.clone()].concat();
    let cause = Cause::Closed { code: Some(4000) };
    ends_and_resumes("close and data", bytes, cause, Some(4000)).await;

    let world = World::new(Gateway::builder());
    let close = Fault::at(
        Moment::Close,
        [Step::Raw(stray), Step::Wait(secs(1)), Step::Answer],
    );
    world.gateway.misbehave([close]);
    let mut bot = world.bot();
    bot.begin().await;
    let took = time_to_return(&world, &mut bot).await;
    assert!(took >= ms(998) && took <= ms(1002), "{took:?}");
    let strays = bot.count(|got| matches!(got, Got::Event { name, .. } if name == "STRAY"));
    assert_eq!(strays, 0);
}

/// Over real sockets: a server that ends its write side only, with the other still open.
#[tokio::test]
async fn f36_a_server_that_closes_its_write_side_only_is_left() {
    let listener = Door::bind().await;
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let gateway = Arc::new(scaled_gateway().resume_url(url.clone()).start_in_memory());
    let door = Door::open(listener, &gateway, None);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (left, was_left) = tokio::sync::oneshot::channel::<Duration>();
    let inner = Arc::clone(&gateway);
    door.plan([Box::new(move |mut stream: TcpStream| {
        async move {
            let mut pipe = inner.connect();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut stream, &mut pipe) => {}
                _ = ended => {}
            }
            stream.shutdown().await.unwrap();
            let start = Instant::now();
            let _ = stream.read_to_end(&mut Vec::new()).await;
            left.send(start.elapsed()).unwrap();
        }
        .boxed()
    }) as TcpServer]);
    let mut limits = scaled();
    limits.close = secs(3);
    let config = Config::builder(crate::watch::token(), Intents::GUILDS)
        .gateway_url(&url)
        .compression(Compression::None)
        .limits(limits);
    let mut bot = Bot::over_sockets(config, &gateway);
    bot.begin().await;
    end.send(()).unwrap();
    assert_eq!(bot.disconnected().await, (Cause::Cut, true));
    bot.goes_on().await;
    bot.kept_its_session(1);
    let took = was_left.await.unwrap();
    assert!(
        took < secs(3),
        "the other side was closed at once: {took:?}"
    );
}

/// A bot over real sockets with a session, and its gateway.
async fn begun(builder: Builder) -> (Arc<Gateway>, Bot) {
    let gateway = Arc::new(builder.start().await.expect("the side of the test works"));
    let mut bot = real_bot(&gateway);
    bot.begin().await;
    (gateway, bot)
}

/// Over real sockets: a reset in a state without a session is tried again.
#[tokio::test]
async fn f37_a_reset_before_there_is_a_session_is_tried_again() {
    let cases = [
        (Fault::at(Moment::Hello, [Step::Rst]), 1),
        // An IDENTIFY that was sent may have counted: a second one is booked.
        (Fault::at(Moment::Identify, [Step::Rst]), 2),
        (
            Fault::at(Moment::Identify, [Step::Wait(ms(50)), Step::Rst]),
            2,
        ),
    ];
    join_all(cases.map(|(fault, identifies)| async move {
        let gateway = Arc::new(scaled_gateway().start().await.unwrap());
        gateway.misbehave([fault.clone()]);
        let mut bot = real_bot(&gateway);
        assert_eq!(bot.disconnected().await, (Cause::Cut, false), "{fault:?}");
        bot.begin().await;
        let stats = gateway.stats();
        assert_eq!(
            (stats.identifies, stats.resumes),
            (identifies, 0),
            "{fault:?}"
        );
        assert_eq!((stats.connections, stats.refused), (2, 0), "{fault:?}");
        assert_eq!(bot.lost_sessions(), 0);
    }))
    .await;
}

/// The identify that was cut is booked: the next comes after the identify backoff.
#[tokio::test(start_paused = true)]
async fn f37_a_reset_while_identifying_waits_for_the_identify_backoff() {
    let world = World::new(Gateway::builder());
    for _ in 0..3 {
        world
            .gateway
            .misbehave([Fault::at(Moment::Identify, [Step::Rst])]);
    }
    let mut bot = world.bot();
    bot.begin().await;
    let at = times(&world.gateway, |act| matches!(act, Act::Identify { .. }));
    let gaps: Vec<_> = at
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .collect();
    for (gap, most) in gaps.iter().zip([5, 10, 20]) {
        // One in a window of 5 s, with the server's leave for the network.
        assert!(*gap >= (secs(most) / 2).max(ms(4900)), "{gaps:?}");
        assert!(*gap <= secs(most) + ms(10), "{gaps:?}");
    }
    assert_eq!(world.gateway.stats().refused, 0);
}

/// Over real sockets: resuming (before, in and after the replay), active, while we close.
#[tokio::test]
async fn f37_a_reset_with_a_session_resumes_in_every_state() {
    let mut faults = vec![
        ("hello", Fault::at(Moment::Hello, [Step::Rst])),
        ("before the replay", Fault::at(Moment::Resume, [Step::Rst])),
        ("after RESUMED", Fault::at(Moment::Heartbeat, [Step::Rst])),
        ("closing", Fault::at(Moment::Close, [Step::Rst])),
    ];
    faults.extend((1..=3).map(|n| ("in the replay", Fault::rst_after(n))));
    join_all(faults.into_iter().map(|(name, fault)| async move {
        let (gateway, mut bot) = begun(scaled_gateway().heartbeat_interval(ms(300))).await;
        gateway.misbehave([fault]);
        bot.order([Step::Rst]);
        assert!(bot.disconnected().await.1, "{name}");
        for _ in 0..3 {
            bot.send();
        }
        bot.catches_up().await;
        if name == "closing" {
            bot.order([Step::Reconnect]);
        }
        let seen = |bot: &Bot| bot.causes().len() == 2;
        while !seen(&bot) {
            bot.next().await;
        }
        bot.goes_on().await;
        let stats = gateway.stats();
        assert_eq!(
            (stats.identifies, stats.refused),
            (1, 0),
            "{name}: {stats:?}"
        );
        assert_eq!(stats.connections, 3, "{name}");
        assert_eq!(bot.lost_sessions(), 0, "{name}");
        assert!(
            bot.causes()
                .iter()
                .all(|cause| matches!(cause, Cause::Cut | Cause::Reconnect))
        );
    }))
    .await;
}

/// In backoff there is no connection to reset: attempts that are reset are connect failures.
#[tokio::test]
async fn f37_a_reset_of_every_attempt_in_backoff_keeps_the_session() {
    let (gateway, mut bot) = begun(scaled_gateway()).await;
    for _ in 0..4 {
        gateway.misbehave([Fault::rst_on_accept()]);
    }
    bot.order([Step::Rst]);
    bot.goes_on().await;
    bot.kept_its_session(1);
    assert_eq!(bot.errors(ErrorKind::Connect).len(), 4);
}
