//! A shard of QQ against QQ's gateway in memory: tokens that expire, discovery, recycling.

use std::{sync::Arc, time::Duration};

use futures::future::{FutureExt, join_all};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::bench::{Got, Memory, next, seqs, until, until_ready};
use crate::{
    Config, ConfigBuilder, Error, Notice, Reconnect, Shard, ShardId,
    local::{Act, Builder, Dialect, Fault, Gateway, Moment, Record, Step},
    observe::{capture::Log, watch},
    qq::{Credentials, Event, Intents, QQ},
    queue::LocalQueue,
};

const APP_ID: &str = "102000001";
const SECRET: &str = watch::CLIENT_SECRET;

fn gateway() -> Builder {
    Gateway::builder()
        .platform(Dialect::Qq)
        .credentials(APP_ID, SECRET)
        .patience(Duration::from_hours(1))
        .log_events(false)
        .log_len(1 << 17)
}

fn config(gateway: &Arc<Gateway>) -> ConfigBuilder<QQ> {
    let credentials = Credentials::new(APP_ID, SECRET);
    Config::builder(credentials, Intents::GROUP_AND_C2C_EVENT)
        .rest_url(gateway.rest_url())
        .dialler(Arc::new(Memory(Arc::clone(gateway))))
        .queue(Arc::new(LocalQueue::new()))
}

fn start(builder: Builder) -> (Arc<Gateway>, Shard<QQ>) {
    let gateway = Arc::new(builder.start_in_memory());
    let config = config(&gateway).build().unwrap();
    (
        Arc::clone(&gateway),
        Shard::with_config(ShardId::ONE, config),
    )
}

/// Everything up to the end, with the error that it was.
async fn until_end(shard: &mut Shard<QQ>) -> (Vec<Got>, Error) {
    let all = until(shard, |got| matches!(got, Got::End(_))).await;
    (all, shard.next_event().await.unwrap_err())
}

fn is_resumed(got: &Got) -> bool {
    matches!(got, Got::Event(name, _) if name == "RESUMED")
}

/// Of the IDENTIFYs and RESUMEs: the time, whether it was an IDENTIFY, and the token's number.
fn handshakes(gateway: &Gateway) -> Vec<(Duration, bool, u64)> {
    let handshake = |record: &Record| match &record.act {
        Act::Identify { token, .. } => Some((record.at, true, token.unwrap_or(0))),
        Act::Resume { token, .. } => Some((record.at, false, token.unwrap_or(0))),
        _ => None,
    };
    gateway.log().iter().filter_map(handshake).collect()
}

/// Each handshake carried a token that lived for 45 s at least, and few were needed.
fn tokens_were_good(gateway: &Gateway) {
    let log = gateway.log();
    let ends = |number: u64| {
        let issued = log.iter().filter_map(|record| match record.act {
            Act::Token {
                token,
                expires_in_s,
                ..
            } if token == number => Some(record.at + Duration::from_secs(expires_in_s)),
            _ => None,
        });
        issued.max().expect("a token from here")
    };
    let handshakes = handshakes(gateway);
    for (at, _, token) in &handshakes {
        assert!(*at + Duration::from_secs(45) <= ends(*token), "{at:?}");
    }
    let newest = handshakes.last().expect("handshakes").2;
    assert!((24..=26).contains(&newest), "{newest}");
}

/// Recycling is no fault: the shard came back at once.
fn recycles_took_no_time(gateway: &Gateway) {
    let mut closed = None;
    for record in &gateway.log() {
        match record.act {
            Act::Close { .. } | Act::SentClose { .. } => closed = Some(record.at),
            Act::Resume { .. } => {
                let since = closed.take().expect("closed before");
                let away = record.at.saturating_sub(since);
                assert!(away < Duration::from_millis(100), "{away:?}");
            }
            _ => {}
        }
    }
}

/// Goal: two days as a bot lives them cost one IDENTIFY, and no event. Method: the platform's own
/// figures (recycling every 30 minutes by op 7 and 4009, tokens of 2 hours), an event every 97 s.
#[tokio::test(start_paused = true)]
async fn two_days_of_recycles_and_tokens_cost_one_identify_and_lose_nothing() {
    const DAYS: Duration = Duration::from_hours(48);
    const EVERY: Duration = Duration::from_secs(97);
    let (gateway, mut shard) = start(gateway());
    until_ready(&mut shard).await;
    let begin = Instant::now();
    let feeder = {
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move {
            let mut sent = 0;
            while begin.elapsed() < DAYS {
                sleep(EVERY).await;
                sent += 1;
                let data = format!(r#"{{"id":"ROBOT1.0_{sent}"}}"#);
                let event = "C2C_MESSAGE_CREATE";
                assert_eq!(gateway.send(ShardId::ONE, event, &data).unwrap(), 1);
            }
            sent
        })
    };
    let mut got = Vec::new();
    while !feeder.is_finished() {
        let more = until(&mut shard, |got| {
            matches!(got, Got::Event(..) | Got::Replayed(..))
        });
        got.extend(more.await);
    }
    let sent: usize = feeder.await.unwrap();
    assert!(sent > 1700, "{sent}");
    let stats = gateway.stats();
    assert_eq!(seqs(&got, "C2C_MESSAGE_CREATE").len(), sent);
    assert!(
        !got.iter()
            .any(|got| matches!(got, Got::Failed(_) | Got::End(_)))
    );
    assert_eq!((stats.identifies, stats.refused), (1, 0));
    assert!(stats.resumed >= 94, "{stats:?}");
    assert_eq!(shard.status().counters.repeated, 0);

    tokens_were_good(&gateway);
    recycles_took_no_time(&gateway);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_before_a_resume_when_it_has_run_out() {
    let (gateway, mut shard) = start(gateway().token_lifetime(Duration::from_mins(20)));
    until_ready(&mut shard).await;
    until(&mut shard, is_resumed).await;
    let tokens: Vec<_> = handshakes(&gateway)
        .iter()
        .map(|(_, _, token)| *token)
        .collect();
    assert_eq!(tokens, [1, 2]);
    assert_eq!(gateway.stats().refused, 0);
}

/// Goal: whatever the endpoint does while a session is held, the session outlives it.
#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_fails_costs_time_and_never_the_session() {
    let http =
        |status: u16, headers: &[(&str, &str)], body: &str| Fault::token(status, headers, body);
    let raw = |steps: Vec<Step>| Fault::at(Moment::Token, steps);
    let huge = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}",
        "LEAK".repeat(20_000)
    );
    let slow = Step::Dribble {
        bytes: 1,
        every: Duration::from_secs(2),
    };
    let faults = [
        http(500, &[], "LEAK"),
        http(503, &[], "LEAK"),
        http(404, &[], "LEAK"),
        http(302, &[("Location", "https://LEAK.example")], ""),
        http(429, &[("Retry-After", "20")], "LEAK"),
        http(200, &[], "<html>LEAK</html>"),
        http(200, &[], r#"{"access_token":"LEAK LEAK"}"#),
        http(200, &[], &"[".repeat(60_000)),
        Fault::refuse_token(100_001),
        Fault::refuse_token(100_002),
        Fault::token_without("access_token"),
        raw(vec![Step::Fin]),
        raw(vec![Step::Rst]),
        raw(vec![Step::Hang]),
        raw(vec![slow, Step::Answer]),
        raw(vec![Step::Raw(huge.into_bytes()), Step::Fin]),
    ];
    for fault in faults {
        let what = format!("{fault:?}").chars().take(120).collect::<String>();
        let (gateway, mut shard) = start(gateway().token_lifetime(Duration::from_mins(20)));
        until_ready(&mut shard).await;
        gateway.misbehave_always([fault.times(4)]);
        let all = until(&mut shard, is_resumed).await;
        let failed = all
            .iter()
            .filter(|got| **got == Got::Failed("connect"))
            .count();
        assert_eq!(failed, 4, "{what}: {all:?}");
        let stats = gateway.stats();
        assert_eq!((stats.identifies, stats.refused), (1, 0), "{what}");
        let shown = format!("{all:?}");
        assert!(
            !shown.contains("LEAK") && !shown.contains("CANARY"),
            "{shown}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_the_token_endpoint_is_kept() {
    let (gateway, mut shard) = start(gateway());
    let limited = Fault::token(429, &[("Retry-After", "120")], "");
    gateway.misbehave_always([limited.times(1)]);
    let begin = Instant::now();
    until_ready(&mut shard).await;
    assert!(begin.elapsed() >= Duration::from_mins(2));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_the_endpoint_refuses_for_good_end_the_shard_unconnected() {
    for (fault, asked, said) in [
        (Fault::refuse_token(100_016), 1, "client secret is wrong"),
        (Fault::refuse_token(100_007), 1, "100007"),
        (Fault::refuse_token(10_004), 1, "no such bot"),
        (Fault::token(401, &[], ""), 3, "401"),
        (Fault::token(403, &[], ""), 3, "403"),
    ] {
        let (gateway, mut shard) = start(gateway());
        gateway.misbehave_always([fault]);
        let (_, error) = until_end(&mut shard).await;
        assert_eq!(error.kind(), crate::ErrorKind::Credentials);
        assert!(error.to_string().contains(said), "{error}");
        let stats = gateway.stats();
        assert_eq!((stats.rests, stats.connections), (asked, 0), "{said}");
        sleep(Duration::from_hours(1)).await;
        assert_eq!(gateway.stats().rests, asked, "{said}");
    }
}

/// Goal: a refused IDENTIFY is tried with a token fetched again, though it is the same, and not
/// for ever. Method: each way in which the gateway refuses.
#[tokio::test(start_paused = true)]
async fn an_identify_refused_for_ever_ends_at_the_fourth_and_names_likely_causes() {
    let op_9_alone = Fault::at(
        Moment::Identify,
        [Step::Send(r#"{"op":9,"d":false}"#.to_owned()), Step::Hang],
    );
    for (fault, code) in [
        (Fault::refuse_identify(false), None),
        (op_9_alone, None),
        (Fault::close_on_identify(4903), Some(4903)),
        (Fault::close_on_identify(4004), Some(4004)),
    ] {
        let (gateway, mut shard) = start(gateway());
        gateway.misbehave_always([fault]);
        let begin = Instant::now();
        let (_, error) = until_end(&mut shard).await;
        assert_eq!(error.close_code(), code);
        for cause in ["secret", "intent", "allow list"] {
            assert!(error.to_string().contains(cause), "{error}");
        }
        let spent = begin.elapsed().as_secs_f64();
        // Half of 5, 10 and 20 s at least, and all of it and the close handshakes at most.
        assert!((17.5..=60.0).contains(&spent), "{spent}");
        let stats = gateway.stats();
        assert_eq!((stats.identifies, stats.tokens), (4, 4), "{code:?}");
        let again = |record: &Record| matches!(record.act, Act::Token { again: true, .. });
        assert_eq!(
            gateway.log().iter().filter(|record| again(record)).count(),
            3
        );
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_with_a_ready_between_count_from_zero_again() {
    let (gateway, mut shard) = start(gateway());
    for round in 1..=3 {
        gateway.misbehave_always([Fault::refuse_identify(false).times(3)]);
        until_ready(&mut shard).await;
        assert_eq!(gateway.stats().identifies, 4 * round);
        shard.reconnect(Reconnect::Fresh);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_revoked_is_dropped_and_fetched_again() {
    let (gateway, mut shard) = start(gateway());
    until_ready(&mut shard).await;
    assert_eq!(gateway.revoke_tokens(), 1);
    gateway.order(ShardId::ONE, [Step::Close(4004)]);
    let all = until_ready(&mut shard).await;
    assert!(all.contains(&Got::Notice(Notice::SessionLost { last_seq: 1 })));
    let carried: Vec<_> = handshakes(&gateway)
        .iter()
        .map(|(_, new, token)| (*new, *token))
        .collect();
    assert_eq!(carried, [(true, 1), (true, 2)]);
}

#[tokio::test(start_paused = true)]
async fn resumes_that_do_not_survive_end_in_an_identify_after_three() {
    let (gateway, mut shard) = start(gateway());
    until_ready(&mut shard).await;
    let resumed = r#"{"op":0,"s":1,"t":"RESUMED","d":""}"#;
    let dies = Fault::at(
        Moment::Resume,
        [Step::Send(resumed.to_owned()), Step::Close(4009)],
    );
    gateway.misbehave_always([dies]);
    gateway.order(ShardId::ONE, [Step::Rst]);
    let all = until_ready(&mut shard).await;
    assert_eq!(
        all.iter().filter(|got| is_resumed(got)).count(),
        3,
        "{all:?}"
    );
    let stats = gateway.stats();
    assert_eq!((stats.identifies, stats.resumes), (2, 3));
}

/// A discovery that cannot be used is tried again; a session is not needed for it yet.
#[tokio::test(start_paused = true)]
async fn a_gateway_is_found_whatever_happens_on_the_way() {
    let evil = r#"{"url":"wss://evil.example/LEAK","shards":1,"session_start_limit":
        {"total":1000,"remaining":1000,"reset_after":1,"max_concurrency":1}}"#;
    for (fault, times, failures) in [
        // `GET /gateway` is asked where `/gateway/bot` cannot answer.
        (Fault::rest(500, &[], "LEAK"), 1, 0),
        (Fault::rest(404, &[], "LEAK"), 1, 0),
        (Fault::rest(200, &[], "LEAK"), 1, 0),
        (Fault::rest(500, &[], "LEAK"), 2, 1),
        (Fault::rest(503, &[], "LEAK"), 8, 4),
        (Fault::rest(429, &[("Retry-After", "7")], "LEAK"), 2, 2),
        (Fault::rest(401, &[], "LEAK"), 2, 2),
        (Fault::rest(200, &[], evil), 2, 2),
        (Fault::at(Moment::Rest, [Step::Fin]), 2, 2),
        (Fault::at(Moment::Rest, [Step::Hang]), 1, 1),
    ] {
        let what = format!("{fault:?}");
        let (gateway, mut shard) = start(gateway());
        gateway.misbehave_always([fault.times(times)]);
        let all = until_ready(&mut shard).await;
        let failed = all
            .iter()
            .filter(|got| **got == Got::Failed("connect"))
            .count();
        assert_eq!(failed, failures, "{what}: {all:?}");
        assert!(!format!("{all:?}").contains("LEAK"));
    }
    let (gateway, mut shard) = start(gateway());
    gateway.misbehave_always([Fault::rest(403, &[], "")]);
    let (_, error) = until_end(&mut shard).await;
    assert_eq!(error.kind(), crate::ErrorKind::Refused);
    assert_eq!(gateway.stats().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn the_platform_is_asked_once_and_anew_after_three_failed_connects() {
    let (gateway, mut shard) = start(gateway());
    let asked = |gateway: &Gateway| {
        let target = |record: &Record| match &record.act {
            Act::Rest { target, .. } => target.ends_with("/gateway/bot"),
            _ => false,
        };
        gateway.log().iter().filter(|record| target(record)).count()
    };
    until_ready(&mut shard).await;
    until(&mut shard, is_resumed).await;
    assert_eq!(asked(&gateway), 1);
    // The address that was discovered is tried three times, and then what the platform says now.
    gateway.misbehave_always([Fault::http(503, &[], "").times(3)]);
    gateway.order(ShardId::ONE, [Step::Rst]);
    until(&mut shard, is_resumed).await;
    assert_eq!(asked(&gateway), 2);
    // It cannot say: the old address is good enough.
    gateway.misbehave_always([
        Fault::http(503, &[], "").times(3),
        Fault::rest(503, &[], ""),
    ]);
    gateway.order(ShardId::ONE, [Step::Rst]);
    until(&mut shard, is_resumed).await;
    assert_eq!(gateway.stats().identifies, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_older_than_it_may_be_is_given_up_at_a_recycle() {
    let gateway = Arc::new(gateway().start_in_memory());
    let age = Duration::from_hours(2);
    let config = config(&gateway).session_age_max(age).build().unwrap();
    let mut shard = Shard::with_config(ShardId::ONE, config);
    until_ready(&mut shard).await;
    let begin = Instant::now();
    let all = until_ready(&mut shard).await;
    assert!(begin.elapsed() >= age && begin.elapsed() < age + Duration::from_mins(31));
    assert_eq!(
        all.iter().filter(|got| is_resumed(got)).count(),
        3,
        "{all:?}"
    );
    assert!(!all.iter().any(|got| matches!(got, Got::Failed(_))));
    assert_eq!(gateway.stats().identifies, 2);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_twice_is_dropped_only_where_that_was_asked_for() {
    for (drop_repeated, expected) in [(false, 4), (true, 3)] {
        let gateway = Arc::new(gateway().start_in_memory());
        let config = config(&gateway).drop_repeated(drop_repeated);
        let mut shard = Shard::with_config(ShardId::ONE, config.build().unwrap());
        until_ready(&mut shard).await;
        for (name, id) in [
            ("GROUP_AT_MESSAGE_CREATE", "a"),
            ("GROUP_AT_MESSAGE_CREATE", "a"),
            ("GROUP_AT_MESSAGE_CREATE", "b"),
            ("GROUP_MESSAGE_CREATE", "a"),
            ("FRIEND_ADD", "a"),
        ] {
            let data = format!(r#"{{"id":"{id}"}}"#);
            gateway.send(ShardId::ONE, name, &data).unwrap();
        }
        let all = until(
            &mut shard,
            |got| matches!(got, Got::Event(name, _) if name == "FRIEND_ADD"),
        );
        assert_eq!(all.await.len(), expected + 1);
        assert_eq!(shard.status().counters.repeated, u64::from(drop_repeated));
        assert_eq!(shard.last_sequence(), Some(6));
    }
}

#[tokio::test(start_paused = true)]
async fn the_static_token_of_old_needs_no_endpoint() {
    let gateway = Arc::new(gateway().token("CANARYtoken").start_in_memory());
    let credentials = Credentials::legacy(APP_ID, "CANARYtoken");
    let config = Config::builder(credentials, Intents::default())
        .rest_url(gateway.rest_url())
        .dialler(Arc::new(Memory(Arc::clone(&gateway))));
    let mut shard = Shard::with_config(ShardId::ONE, config.build().unwrap());
    until_ready(&mut shard).await;
    assert_eq!((gateway.stats().tokens, gateway.stats().refused), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_shards_ask_for_one_token_and_one_address() {
    let gateway = Arc::new(gateway().start_in_memory());
    let config = config(&gateway).build().unwrap();
    let shards = (0..1000).map(|number| ShardId::new(number, 1000).unwrap());
    let mut shards: Vec<_> = shards
        .map(|id| Shard::with_config(id, config.clone()))
        .collect();
    join_all(shards.iter_mut().map(next)).await;
    let stats = gateway.stats();
    assert_eq!((stats.tokens, stats.rests, stats.connections), (1, 2, 1000));
}

/// Goal: whoever stops waiting takes nothing from others or from himself later. Method: dropped
/// after each number of polls.
#[tokio::test(start_paused = true)]
async fn a_request_for_a_token_can_be_dropped_at_every_poll() {
    let mut done = false;
    for polls in 0..200 {
        let gateway = Arc::new(gateway().start_in_memory());
        let config = config(&gateway).build().unwrap();
        let ask = |renew| {
            let rest_url = gateway.rest_url().to_owned();
            let connector = config.connector().clone();
            let request = crate::TokenRequest::new(renew, rest_url, connector);
            config.source().token(request)
        };
        let mut dropped = ask(false);
        let other = (polls % 2 == 0).then(|| ask(false));
        for _ in 0..polls {
            if (&mut dropped).now_or_never().is_some() {
                done = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(dropped);
        let first = ask(false).await.unwrap();
        if let Some(other) = other {
            assert_eq!(other.await.unwrap().expose(), first.expose());
        }
        // The one that was dropped may have been answered already.
        let asked = gateway.stats().tokens;
        assert!((1..=2).contains(&asked), "{polls}");
        assert_eq!(ask(false).await.unwrap().expose(), first.expose());
        assert_eq!(gateway.stats().tokens, asked, "{polls}");
        // Refused: fetched again, though it is the same.
        assert_eq!(ask(true).await.unwrap().expose(), first.expose());
        assert_eq!(gateway.stats().tokens, asked + 1, "{polls}");
        if done {
            return;
        }
    }
    panic!("never done");
}

/// The sources of secrets: the configuration, the endpoint's answer, what the gateway refuses.
#[tokio::test(start_paused = true)]
async fn no_secret_and_no_token_is_logged_or_shown() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.subscriber());
    let (gateway, mut shard) = start(gateway());
    gateway.misbehave_always([
        Fault::token_with("access_token", r#""CANARYaccess""#),
        Fault::rest(401, &[], "CANARY").times(1),
    ]);
    let (all, error) = until_end(&mut shard).await;
    let shown = format!("{all:?} {error} {error:?} {:?} {:?}", shard, shard.config());
    for text in [shown, log.text()] {
        assert!(
            text.contains("credentials") && !text.contains("CANARY"),
            "{text}"
        );
    }
    assert!(log.text().contains("fetched an access token"));
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_the_times_of_a_life_and_the_events_by_name() {
    let (gateway, mut shard) = start(gateway());
    assert!(shard.can_reconnect() && !shard.is_ready());
    until_ready(&mut shard).await;
    for _ in 0..3 {
        gateway.send(ShardId::ONE, "FRIEND_ADD", "{}").unwrap();
    }
    gateway.send(ShardId::ONE, "NEW_THING", "{}").unwrap();
    until(&mut shard, |got| {
        *got == Got::Event("NEW_THING".into(), Some(5))
    })
    .await;
    sleep(Duration::from_mins(10)).await;
    let status = shard.status();
    assert_eq!(status.connected_for.as_secs(), 600);
    let beat = status.last_heartbeat.expect("beats");
    assert!(status.last_ack.expect("acks") >= beat);
    let now = Instant::now().into_std();
    assert!(now - beat <= Duration::from_secs(42), "{beat:?}");
    assert!(status.counters.heartbeats >= 14 && status.state_changes >= 4);
    assert!(status.state_since < beat);
    gateway.order(ShardId::ONE, [Step::Rst]);
    until(&mut shard, is_resumed).await;
    let status = shard.status();
    assert!(status.connected_for.as_secs() == 600 && status.state_since > beat);
    let counts = shard.event_counts();
    let names: Vec<_> = counts.iter().collect();
    let expected = [
        ("FRIEND_ADD", 3),
        ("NEW_THING", 1),
        ("READY", 1),
        ("RESUMED", 1),
    ];
    assert_eq!(names, expected);
    shard.shutdown(crate::Shutdown::End).await;
    assert!(!shard.can_reconnect());
}

#[tokio::test(start_paused = true)]
async fn a_channel_gets_the_events_and_holds_the_shard_back_and_its_end_loses_nothing() {
    let (gateway, mut shard) = start(gateway());
    let (sender, mut receiver) = mpsc::channel(2);
    let name = |item: Result<Event, Error>| item.unwrap().kind().name();
    {
        let forward = shard.forward_to(&sender);
        let take = async {
            assert_eq!(name(receiver.recv().await.unwrap()), "GATEWAY");
            assert_eq!(name(receiver.recv().await.unwrap()), "READY");
            for n in 0..9 {
                let data = format!(r#"{{"openid":"{n}"}}"#);
                gateway.send(ShardId::ONE, "FRIEND_ADD", &data).unwrap();
            }
            // Nobody takes: two fit, and the others stay where they are.
            sleep(Duration::from_mins(5)).await;
            assert_eq!(receiver.len(), 2);
            for n in 0..4 {
                match receiver.recv().await.unwrap().unwrap() {
                    Event::FriendAdd(event) => assert_eq!(event.openid.to_string(), n.to_string()),
                    other => panic!("{other:?}"),
                }
            }
            receiver.close();
        };
        let (ended, ()) = futures::future::join(forward, take).await;
        assert!(ended.is_ok());
    }
    let mut kept = 0;
    while receiver.recv().await.is_some() {
        kept += 1;
    }
    let (sender, mut receiver) = mpsc::channel(64);
    // Dropped at every poll of a while, it has still lost nothing.
    for _ in 0..20 {
        let _ = shard.forward_to(&sender).now_or_never();
        tokio::task::yield_now().await;
    }
    while kept < 5 {
        match receiver.recv().now_or_never() {
            Some(item) => kept += usize::from(name(item.unwrap()) == "FRIEND_ADD"),
            None => assert!(shard.forward_to(&sender).now_or_never().is_none()),
        }
    }
    drop(shard.shutdown(crate::Shutdown::End));
    let error = shard.forward_to(&sender).await.unwrap_err();
    assert!(error.is_fatal());
    let last = std::iter::from_fn(|| receiver.try_recv().ok()).last();
    assert_eq!(last.unwrap().unwrap_err().kind(), error.kind());
}

/// What follows a close of each code while events flow: the rows of the rules, at the wire.
#[tokio::test(start_paused = true)]
async fn after_each_close_code_the_shard_resumes_identifies_or_ends() {
    let ends: &[u16] = &[4001, 4002, 4010, 4011, 4012, 4013, 4014, 4914, 4915];
    let identifies: &[u16] = &[4003, 4004, 4006, 4007, 4900, 4902, 4903, 4913, 4999];
    let resumes: &[u16] = &[1000, 1001, 1011, 3000, 4000, 4005, 4008, 4009];
    for code in [ends, identifies, resumes].concat() {
        let (gateway, mut shard) = start(gateway());
        until_ready(&mut shard).await;
        gateway.send(ShardId::ONE, "FRIEND_ADD", "{}").unwrap();
        next(&mut shard).await;
        gateway.order(ShardId::ONE, [Step::Close(code)]);
        let begin = Instant::now();
        if ends.contains(&code) {
            let (_, error) = until_end(&mut shard).await;
            assert_eq!(error.close_code(), Some(code));
            assert_eq!(error.kind(), crate::ErrorKind::Refused, "{code}");
            sleep(Duration::from_hours(1)).await;
            assert_eq!(gateway.stats().connections, 1, "{code}");
            continue;
        }
        let handshake = |got: &Got| matches!(got, Got::Event(name, _) if name != "FRIEND_ADD");
        let all = until(&mut shard, handshake).await;
        assert!(
            !all.iter().any(|got| matches!(got, Got::Failed(_))),
            "{code}"
        );
        let stats = gateway.stats();
        // This gateway forgets a session that it closed with 4005; what is tried counts.
        let (_, anew, _) = handshakes(&gateway)[1];
        assert_eq!(anew, identifies.contains(&code), "{code}");
        let least = match code {
            4004 => 2500,
            4008 => 60_000,
            code if identifies.contains(&code) => 1000,
            _ => 0,
        };
        let away = begin.elapsed().as_millis();
        assert!((least..=75_000).contains(&away), "{code}: {away}");
        assert_eq!(stats.tokens, if code == 4004 { 2 } else { 1 }, "{code}");
    }
}

/// Goal: a link that has died in silence is found, and its session resumed.
#[tokio::test(start_paused = true)]
async fn missing_acks_end_the_connection_and_the_session_goes_on() {
    let (gateway, mut shard) = start(gateway());
    until_ready(&mut shard).await;
    gateway.misbehave_always([Fault::withhold_acks().times(3)]);
    let begin = Instant::now();
    let all = until(&mut shard, is_resumed).await;
    assert!(
        begin.elapsed() <= Duration::from_secs(100),
        "{:?}",
        begin.elapsed()
    );
    assert!(!all.iter().any(|got| matches!(got, Got::Failed(_))));
    assert_eq!(gateway.stats().identifies, 1);
}
