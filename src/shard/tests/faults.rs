//! What goes wrong on the way, and what the user hears of it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::bench::{Bench, Got, next, notices, seqs, until, until_ready};
use crate::{
    Cause, Notice, Shard, ShardId,
    discord::Event,
    local::{Fault, Gateway, Step},
    platform::Compression,
};

/// What this build can be asked for.
fn compressions() -> impl Iterator<Item = Compression> {
    let all = [Compression::None, Compression::Zlib, Compression::Zstd];
    all.into_iter().filter(|kind| kind.is_built_in())
}

fn resumed(got: &Got) -> bool {
    matches!(got, Got::Event(name, _) if name == "RESUMED")
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_is_an_error_and_the_next_event_arrives() {
    for compression in compressions() {
        let bench = Bench::new();
        let config = bench.config().compression(compression).build().unwrap();
        let mut shard = Shard::with_config(ShardId::ONE, config);
        until_ready(&mut shard).await;
        for bad in [
            " ",
            "{",
            "[]",
            "null",
            r#"{"op":"0"}"#,
            r#"{"s":2,"t":"X","op":0,"#,
        ] {
            bench.gateway.order(ShardId::ONE, [Step::Send(bad.into())]);
            assert_eq!(next(&mut shard).await, Got::Failed("frame"), "{bad}");
        }
        // The last one showed its sequence: it counts as received.
        assert_eq!(shard.last_sequence(), Some(2));
        bench.gateway.order(ShardId::ONE, [Step::Renumber(3)]);
        bench.send(1);
        assert_eq!(next(&mut shard).await, Got::Event("TEST".into(), Some(3)));
        assert_eq!(bench.gateway.stats().connections, 1);
        assert_eq!(shard.status().counters.garbled, 6);
    }
}

/// Goal: the payload of an event costs that event and nothing else. Method: known and unknown
/// events with payloads of another shape, cut, or with keys in an order that hides where `d` ends.
#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_decoded_is_an_error_with_its_name() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    for (seq, name, data) in [
        (2, "TYPING_START", r#"{"user_id":"CANARY"}"#),
        (3, "TYPING_START", r#"{"user_id":}"#),
        (4, "NEVER_HEARD_OF", r#"{"a":CANARY}"#),
    ] {
        let frame = format!(r#"{{"t":"{name}","s":{seq},"op":0,"d":{data}}}"#);
        bench.gateway.order(ShardId::ONE, [Step::Send(frame)]);
        let error = shard.next_event().await.unwrap_err();
        assert!(!error.is_fatal());
        assert_eq!(error.seq(), Some(seq), "{error:?}");
        assert_eq!(error.event_name(), Some(name), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("CANARY"));
    }
    let behind = r#"{"t":"NEVER_HEARD_OF","s":5,"op":0,"d":{"a":1},"x":{"y":2}}"#;
    bench
        .gateway
        .order(ShardId::ONE, [Step::Send(behind.into())]);
    match shard.next_event().await.unwrap() {
        Event::Unknown(unknown) => assert_eq!(&*unknown.data, r#"{"a":1}"#),
        other => panic!("{other:?}"),
    }
    assert_eq!(shard.last_sequence(), Some(5));
    assert_eq!(bench.gateway.stats().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_text_are_an_error_and_the_next_event_arrives() {
    let bench = Bench::new();
    let config = bench
        .config()
        .compression(Compression::None)
        .build()
        .unwrap();
    let mut shard = Shard::with_config(ShardId::ONE, config);
    until_ready(&mut shard).await;
    let bad = Step::Binary(b"{\"op\":0,\"t\":\"\xff\"}".to_vec());
    bench.gateway.order(ShardId::ONE, [bad]);
    assert_eq!(next(&mut shard).await, Got::Failed("frame"));
    bench.send(1);
    assert_eq!(next(&mut shard).await, Got::Event("TEST".into(), Some(2)));
    assert_eq!(bench.gateway.stats().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn text_is_taken_where_compression_was_asked_for() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    let plain = r#"{"op":0,"s":2,"t":"TEST","d":1}"#;
    bench
        .gateway
        .order(ShardId::ONE, [Step::Text(plain.into())]);
    assert_eq!(next(&mut shard).await, Got::Event("TEST".into(), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn broken_compressed_data_is_an_error_and_the_session_resumes() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    bench.send(3);
    bench
        .gateway
        .order(ShardId::ONE, [Step::Binary(vec![0xff; 40])]);
    bench.send(3);
    let all = until(&mut shard, resumed).await;
    assert_eq!(seqs(&all, "TEST"), [2, 3, 4, 5, 6, 7]);
    assert!(all.contains(&Got::Failed("compression")), "{all:?}");
    assert_eq!(notices(&all), ["disconnected", "connected", "resumed"]);
    assert_eq!(shard.status().last_disconnect, Some(Cause::Compression));
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_limit_ends_the_connection_and_not_the_shard() {
    for compression in compressions() {
        let bench = Bench::new();
        let limits = crate::Limits {
            message_len_max: 100_000,
            inflated_len_max: 100_000,
            ..crate::Limits::default()
        };
        let config = bench.config().compression(compression).limits(limits);
        let mut shard = Shard::with_config(ShardId::ONE, config.build().unwrap());
        until_ready(&mut shard).await;
        let long = format!(r#"{{"op":0,"s":2,"t":"X","d":"{}"}}"#, "a".repeat(100_000));
        bench.gateway.order(ShardId::ONE, [Step::Send(long)]);
        let all = until(&mut shard, resumed).await;
        assert_eq!(notices(&all), ["disconnected", "connected", "resumed"]);
        assert_eq!(shard.status().last_disconnect, Some(Cause::TooLong));
    }
}

#[tokio::test(start_paused = true)]
async fn frames_of_any_size_arrive_whole_with_and_without_compression() {
    for compression in compressions() {
        let bench = Bench::new();
        let config = bench.config().compression(compression).build().unwrap();
        let mut shard = Shard::with_config(ShardId::ONE, config);
        until_ready(&mut shard).await;
        let sizes = [1, 60_000, 64 << 10, 70_000, 3, 2_000_000, 5];
        let data = |size: usize| format!("\"{}\"", "é".repeat(size));
        for size in sizes {
            bench
                .gateway
                .send(ShardId::ONE, "BIG", &data(size))
                .unwrap();
        }
        for size in sizes {
            match shard.next_message().await.unwrap() {
                crate::Message::Frame(frame) => assert!(frame.data() == data(size), "{size}"),
                crate::Message::Gateway(notice) => panic!("{notice:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fragments_and_slow_bytes_make_no_difference() {
    let bench = Bench::new();
    bench.gateway.misbehave([
        Fault::fragment(5),
        Fault::dribble(7, Duration::from_millis(3)),
    ]);
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    bench.send(40);
    let all = until(&mut shard, |got| {
        *got == Got::Event("TEST".into(), Some(41))
    })
    .await;
    assert_eq!(seqs(&all, "TEST"), (2..=41).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_is_an_error_and_the_next_one_comes() {
    let bench = Bench::new();
    bench.gateway.misbehave([Fault::http(503, &[], "")]);
    bench.gateway.misbehave([Fault::rst_on_accept()]);
    bench.gateway.misbehave([Fault::stall_upgrade()]);
    let mut shard = bench.shard();
    let begin = Instant::now();
    let all = until_ready(&mut shard).await;
    let failed = all.iter().filter(|got| **got == Got::Failed("connect"));
    assert_eq!(failed.count(), 3, "{all:?}");
    // The third was given up at the deadline.
    assert!(begin.elapsed() >= Duration::from_secs(10));
    assert!(begin.elapsed() <= Duration::from_secs(25));
}

#[tokio::test(start_paused = true)]
async fn three_forbidden_answers_in_a_row_are_the_end() {
    let bench = Bench::new();
    bench
        .gateway
        .misbehave_always([Fault::http(403, &[], "CANARY")]);
    let mut shard = bench.shard();
    let all = until(&mut shard, |got| matches!(got, Got::End(_))).await;
    let failed = Got::Failed("connect");
    assert_eq!(
        all,
        [failed.clone(), failed.clone(), failed, Got::End("refused")]
    );
}

#[tokio::test(start_paused = true)]
async fn a_gap_and_a_lost_session_are_told() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    bench.gateway.order(ShardId::ONE, [Step::SkipSequence(3)]);
    bench.send(1);
    let gap = Notice::Gap { after: 1, next: 5 };
    assert_eq!(next(&mut shard).await, Got::Notice(gap));
    assert_eq!(next(&mut shard).await, Got::Event("TEST".into(), Some(5)));
    bench
        .gateway
        .order(ShardId::ONE, [Step::InvalidSession(false)]);
    let all = until_ready(&mut shard).await;
    let lost = Notice::SessionLost { last_seq: 5 };
    assert!(all.contains(&Got::Notice(lost)), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_ack_is_found_and_resumed() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    bench
        .gateway
        .misbehave_always([Fault::withhold_acks().times(1)]);
    let all = until(&mut shard, resumed).await;
    assert_eq!(notices(&all), ["disconnected", "connected", "resumed"]);
    // Whichever deadline comes first: that depends on when the first beat fell due.
    let cause = shard.status().last_disconnect;
    assert!(matches!(cause, Some(Cause::MissingAck | Cause::Silence)));
}

#[tokio::test(start_paused = true)]
async fn a_dead_link_is_left_after_the_interval_and_its_margin() {
    let bench = Bench::new();
    bench.gateway.misbehave([Fault::hang_after(2)]);
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    bench.send(2);
    next(&mut shard).await;
    next(&mut shard).await;
    let begin = Instant::now();
    let lost = until(&mut shard, |got| matches!(got, Got::Notice(_))).await;
    assert_eq!(notices(&lost), ["disconnected"]);
    assert!(begin.elapsed() <= Duration::from_millis(41_250 * 2 + 10));
    until(&mut shard, resumed).await;
}

/// Goal: time that passed unseen (a suspended machine, a runtime that stood still) is no reason
/// to leave a link whose answers wait in the socket, and makes no burst of heartbeats.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_clock_costs_no_connection() {
    let gateway = Gateway::builder().heartbeat_deadline(false);
    let bench = Bench::with(gateway);
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    for jump in [30, 41, 60, 300, 3600] {
        let before = bench.gateway.stats().heartbeats;
        bench.send(1);
        tokio::time::advance(Duration::from_secs(jump)).await;
        sleep(Duration::from_millis(50)).await;
        let beats = bench.gateway.stats().heartbeats - before;
        assert!(beats <= 2, "{beats} after {jump} s");
        sleep(Duration::from_secs(100)).await;
    }
    for seq in 2..=6 {
        assert_eq!(next(&mut shard).await, Got::Event("TEST".into(), Some(seq)));
    }
    assert_eq!(bench.gateway.stats().connections, 1);
}

/// Goal: a thousand cuts at random moments lose and double nothing.
#[tokio::test(start_paused = true)]
async fn a_thousand_cuts_lose_and_double_nothing() {
    let bench = Bench::with(Gateway::builder().log_events(false));
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..1_000 {
        let events = rng.u64(1..6);
        let fault = match rng.u8(..4) {
            0 => Fault::rst_after(events),
            1 => Fault::fin_after(events),
            2 => Fault::cut_within(events, rng.usize(..40)),
            _ => Fault::close_after(events, 4000),
        };
        bench.gateway.misbehave([fault]);
    }
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    let mut taken = Vec::new();
    let mut sent = 0;
    while bench.gateway.stats().connections <= 1_000 {
        bench.send(10);
        sent += 10;
        while taken.len() < sent {
            let got = next(&mut shard).await;
            taken.extend(seqs(&[got], "TEST"));
        }
    }
    assert_eq!(taken.len(), sent);
    assert!(taken.is_sorted_by(|a, b| a < b));
    assert_eq!(bench.gateway.stats().identifies, 1);
    assert!(shard.status().counters.resumes >= 1_000);
}

/// Goal: nothing secret is ever logged. Method: a life with faults under a subscriber that takes
/// everything, canaries for token, session and payload.
#[tokio::test(start_paused = true)]
async fn no_log_line_holds_a_secret_or_a_payload() {
    let log = crate::observe::capture::Log::default();
    let guard = tracing::subscriber::set_default(log.subscriber());
    let bench = Bench::new();
    bench.gateway.misbehave([
        Fault::ready_with("session_id", "\"CANARY-session\""),
        Fault::rst_after(2),
    ]);
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    for _ in 0..3 {
        let data = "\"CANARY-payload\"";
        bench.gateway.send(ShardId::ONE, "TEST", data).unwrap();
    }
    sleep(Duration::from_secs(100)).await;
    let hostile = Step::CloseWith {
        code: Some(4000),
        reason: "\u{1b}[31m\r\nforged \u{202e}".into(),
    };
    bench.gateway.order(ShardId::ONE, [hostile]);
    sleep(Duration::from_secs(100)).await;
    shard.shutdown(crate::Shutdown::Keep).await;
    drop(guard);
    let text = log.text();
    assert!(text.lines().count() > 20, "{text}");
    assert!(text.contains("identifying") && text.contains("resuming"));
    assert!(!text.contains("CANARY"), "{text}");
    assert!(
        text.bytes()
            .all(|b| b == b'\n' || (0x20..0x7f).contains(&b))
    );
    assert!(!text.lines().any(|line| line.starts_with("forged")));
}
