//! The course of a shard: connect, events, a cut, a restart, the end.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{future::FutureExt, stream::StreamExt};
use tokio::time::{Instant, sleep, timeout};

use super::bench::{Bench, Got, is_event, name_of, next, notices, seqs, until, until_ready};
use crate::{
    Cause, Config, ErrorKind, Health, Notice, Reconnect, ResumeState, Shard, ShardId, Shutdown,
    State,
    discord::Intents,
    local::{Act, End, Fault, Gateway, Moment, Step},
};

fn closes(gateway: &Gateway) -> Vec<Option<u16>> {
    let code = |act: &Act| match act {
        Act::Close { code, .. } => Some(*code),
        _ => None,
    };
    gateway.log().iter().filter_map(|r| code(&r.act)).collect()
}

fn resumed_from(gateway: &Gateway) -> Vec<u64> {
    let seq = |act: &Act| match act {
        Act::Resume { seq, .. } => Some(*seq),
        _ => None,
    };
    gateway.log().iter().filter_map(|r| seq(&r.act)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_shard_identifies_gets_events_resumes_after_a_cut_and_ends() {
    let bench = Bench::new();
    bench.gateway.misbehave([Fault::rst_after(3)]);
    let mut shard = bench.shard();
    assert!(!shard.is_ready());
    let first = until_ready(&mut shard).await;
    let ready = Got::Event("READY".into(), Some(1));
    assert_eq!(first, [Got::Notice(Notice::Connected), ready]);
    assert!(shard.is_ready());
    bench.send(6);
    let resumed = Got::Event("RESUMED".into(), Some(8));
    let all = until(&mut shard, |got| *got == resumed).await;
    assert_eq!(seqs(&all, "TEST"), [2, 3, 4, 5, 6, 7], "{all:?}");
    assert_eq!(notices(&all), ["disconnected", "connected", "resumed"]);
    let stats = bench.gateway.stats();
    assert_eq!((stats.identifies, stats.resumes), (1, 1));

    assert_eq!(shard.shutdown(Shutdown::End).await, None);
    assert_eq!(next(&mut shard).await, Got::End("shutdown"));
    assert_eq!(next(&mut shard).await, Got::End("shutdown"));
    assert_eq!(shard.status().state, State::Stopped);
    assert_eq!(closes(&bench.gateway), [Some(1000)]);
    sleep(Duration::from_mins(10)).await;
    assert_eq!(bench.gateway.stats().connections, 2);
}

#[tokio::test(start_paused = true)]
async fn replayed_events_can_be_told_from_live_ones() {
    let bench = Bench::new();
    bench.gateway.misbehave([Fault::rst_after(2)]);
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    bench.send(4);
    let all = until(
        &mut shard,
        |got| matches!(got, Got::Event(name, _) if name == "RESUMED"),
    )
    .await;
    let live = |seq| Got::Event("TEST".into(), Some(seq));
    let replayed = |seq| Got::Replayed("TEST".into(), Some(seq));
    let events: Vec<_> = all.iter().filter(|got| is_event(got)).cloned().collect();
    let last = Got::Event("RESUMED".into(), Some(6));
    assert_eq!(events, [live(2), live(3), replayed(4), replayed(5), last]);
    let replay = Notice::Resumed { replayed: 2 };
    assert!(all.contains(&Got::Notice(replay)), "{all:?}");
}

/// Goal: a restart loses and doubles nothing that was still in the buffer. Method: all kinds of
/// progress, from nothing taken to all taken.
#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_behind_the_last_event_that_was_taken() {
    for taken in 0..=10 {
        let bench = Bench::new();
        let mut shard = bench.shard();
        until_ready(&mut shard).await;
        bench.send(10);
        bench.gateway.wait_for_nth(11, is_sent_event).await.unwrap();
        sleep(Duration::from_millis(10)).await;
        let mut all = Vec::new();
        for _ in 0..taken {
            all.push(next(&mut shard).await);
        }
        let state = shard.shutdown(Shutdown::Keep).await.expect("a session");
        assert_eq!(next(&mut shard).await, Got::End("shutdown"));
        assert_eq!(state.seq(), taken + 1);
        let text = serde_json::to_string(&state).unwrap();
        assert!(!text.contains("CANARY-bench") && !format!("{state:?}").contains("session_id: \""));
        let state: ResumeState = serde_json::from_str(&text).unwrap();
        assert_eq!(closes(&bench.gateway), [Some(4000)]);
        drop(shard);

        let mut shard = bench.shard_from(state);
        assert_eq!(shard.resume_state().unwrap().seq(), taken + 1);
        let resumed = |got: &Got| matches!(got, Got::Event(name, _) if name == "RESUMED");
        all.extend(until(&mut shard, resumed).await);
        assert_eq!(seqs(&all, "TEST"), (2..=11).collect::<Vec<_>>());
        assert_eq!(resumed_from(&bench.gateway), [taken + 1]);
        assert_eq!(bench.gateway.stats().identifies, 1);
    }
}

fn is_sent_event(record: &crate::local::Record) -> bool {
    matches!(&record.act, Act::Sent { event: Some(_), .. })
}

#[tokio::test(start_paused = true)]
async fn events_in_the_buffer_can_be_taken_after_an_ending_shutdown() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    bench.send(5);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(shard.shutdown(Shutdown::End).await, None);
    let all = until(&mut shard, |got| matches!(got, Got::End(_))).await;
    assert_eq!(seqs(&all, "TEST"), [2, 3, 4, 5, 6]);
    assert_eq!(shard.resume_state(), None);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_goes_on_though_its_future_and_the_shard_are_dropped() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    drop(shard.shutdown(Shutdown::End));
    drop(shard);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(closes(&bench.gateway), [Some(1000)]);
}

#[tokio::test(start_paused = true)]
async fn the_first_of_two_shutdowns_decides() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    let handle = shard.handle();
    let (keep, end) = (
        handle.shutdown(Shutdown::Keep),
        shard.shutdown(Shutdown::End),
    );
    let (kept, ended) = futures::future::join(keep, end).await;
    assert_eq!(kept.map(|state| state.seq()), Some(1));
    assert_eq!(ended, None);
    assert_eq!(closes(&bench.gateway), [Some(4000)]);
}

/// Goal: whatever a shard waits for, a shutdown ends it within the close handshake's time, and a
/// drop closes the socket at once, without a close frame. Method: faults that hold it in a state.
#[tokio::test(start_paused = true)]
async fn a_shard_ends_in_every_state() {
    let hang = |moment| Fault::at(moment, [Step::Hang]);
    for (state, fault) in [
        (State::AwaitConnection, Some(hang(Moment::Upgrade))),
        (State::AwaitHello, Some(Fault::no_hello())),
        (State::AwaitReady, Some(Fault::no_ready())),
        (State::Active, None),
        (State::Backoff, Some(Fault::http(503, &[], ""))),
    ] {
        for drop_it in [false, true] {
            let bench = Bench::new();
            bench
                .gateway
                .misbehave_always(Vec::from_iter(fault.clone()));
            let mut shard = bench.shard();
            let handle = shard.handle();
            let poll = async { while next(&mut shard).await != Got::End("") {} };
            let reached = async {
                let mut watch = handle.watch();
                while watch.status().state != state {
                    watch.changed().await.unwrap();
                }
            };
            tokio::select! {
                () = poll => {}
                () = reached => {}
            }
            let begin = Instant::now();
            if drop_it {
                drop(shard);
                assert_eq!(handle.shutdown(Shutdown::End).await, None);
            } else {
                assert_eq!(shard.shutdown(Shutdown::End).await, None, "{state:?}");
            }
            assert!(begin.elapsed() <= Duration::from_millis(3_001), "{state:?}");
            assert!(matches!(handle.health(), Health::Dead { .. }), "{state:?}");
            assert!(handle.sender().is_closed());
            sleep(Duration::from_secs(1)).await;
            let open = bench.gateway.stats().connections;
            if state == State::Active {
                let how = if drop_it { vec![] } else { vec![Some(1000)] };
                assert_eq!(closes(&bench.gateway), how, "{state:?}");
                let ended = |act: &Act| matches!(act, Act::End { .. });
                assert!(bench.gateway.log().iter().any(|r| ended(&r.act)));
            }
            sleep(Duration::from_hours(1)).await;
            assert_eq!(bench.gateway.stats().connections, open, "{state:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_dropped_before_its_task_ran_ends_as_well() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    let handle = shard.handle();
    assert!(shard.next_event().now_or_never().is_none());
    drop(shard);
    assert_eq!(handle.shutdown(Shutdown::End).await, None);
    assert!(handle.sender().is_closed());
    assert_eq!(bench.gateway.stats().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_shard_leaves_its_session_resumable() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    bench.send(2);
    let first = next(&mut shard).await;
    assert_eq!(first, Got::Event("TEST".into(), Some(2)));
    let state = shard.resume_state();
    drop(shard);
    let mut shard = bench.shard_from(state);
    let resumed = |got: &Got| matches!(got, Got::Event(name, _) if name == "RESUMED");
    let all = until(&mut shard, resumed).await;
    assert_eq!(seqs(&all, "TEST"), [3]);
    let client = |act: &Act| matches!(act, Act::End { how: End::Client });
    assert!(bench.gateway.log().iter().any(|r| client(&r.act)));
    assert_eq!(closes(&bench.gateway), []);
}

#[tokio::test(start_paused = true)]
async fn a_state_of_another_shard_is_ignored() {
    let bench = Bench::new();
    let text = r#"{"platform":"discord","shard":[1,2],"session_id":"abc","seq":9}"#;
    let state: ResumeState = serde_json::from_str(text).unwrap();
    let mut shard = bench.shard_from(state);
    assert_eq!(shard.resume_state(), None);
    until_ready(&mut shard).await;
    assert_eq!(bench.gateway.stats().resumes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_fatal_close_is_given_for_ever_and_ends_the_stream() {
    let bench = Bench::new();
    bench.gateway.misbehave([Fault::close_on_identify(4014)]);
    let mut shard = bench.shard();
    let mut all = Vec::new();
    let error = loop {
        match shard.next_event().await {
            Ok(event) => all.push(name_of(&event)),
            Err(error) => break error,
        }
    };
    assert_eq!(all, ["connected"]);
    assert_eq!(
        (error.kind(), error.close_code()),
        (ErrorKind::Refused, Some(4014))
    );
    assert!(error.to_string().contains("4014"), "{error}");
    for _ in 0..3 {
        let again = shard.next_event().await.unwrap_err();
        assert_eq!(again.close_code(), Some(4014));
    }
    assert!(shard.next().await.is_none());
    let why = |shard: &Shard| match shard.health() {
        Health::Dead { why } => why.close_code(),
        _ => None,
    };
    assert_eq!(why(&shard), Some(4014));
    let refused = shard.sender().send_payload(3, &1).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Command);
    let closed = Cause::Closed { code: Some(4014) };
    assert_eq!(shard.status().last_disconnect, Some(closed));
    sleep(Duration::from_hours(1)).await;
    assert_eq!(bench.gateway.stats().connections, 1);

    // The stream gives the error itself, once.
    bench.gateway.misbehave([Fault::close_on_identify(4014)]);
    let all: Vec<_> = bench.shard().collect().await;
    assert_eq!(all.iter().filter(|(_, item)| item.is_err()).count(), 1);
    assert!(all.last().unwrap().1.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_bad_configuration_is_the_first_error_and_nothing_is_connected() {
    let config = Config::new("", Intents::GUILDS);
    let mut shard = Shard::with_config(ShardId::ONE, config);
    for _ in 0..2 {
        let error = shard.next_event().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.is_fatal());
    }
    assert!(matches!(shard.health(), Health::Dead { .. }));
    assert_eq!(shard.shutdown(Shutdown::Keep).await, None);
}

/// Compiles, or does not.
#[test]
fn a_shard_and_all_its_parts_may_cross_threads() {
    const fn sends<T: Send + Sync + Unpin + 'static>() {}
    const fn future<T: Send>(_: &T) {}
    sends::<Shard>();
    sends::<crate::ShardHandle>();
    sends::<crate::Sender<crate::discord::Discord>>();
    sends::<crate::Frame>();
    sends::<crate::Watch>();
    let mut shard = Shard::new(ShardId::ONE, crate::observe::watch::TOKEN, Intents::GUILDS);
    future(&shard.next_event());
    future(&shard.next_message());
    future(&shard.sender().send_payload(3, &1));
    future(&shard.watch().changed());
    future(&shard.shutdown(Shutdown::End));
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let mut shard = Shard::new(ShardId::ONE, crate::observe::watch::TOKEN, Intents::GUILDS);
    let future = std::pin::pin!(shard.next_event());
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::Configuration),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shard_that_outlives_its_runtime_ends_instead_of_waiting_for_ever() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let first = runtime();
    let (bench, mut shard) = first.block_on(async {
        let bench = Bench::new();
        let mut shard = bench.shard();
        until_ready(&mut shard).await;
        (bench, shard)
    });
    drop(first);
    assert_eq!(runtime().block_on(next(&mut shard)), Got::End("shutdown"));
    assert!(shard.sender().is_closed());
    drop(bench);
}

/// Goal: no event is lost or doubled whatever future is dropped when. Method: every wait is
/// dropped after one poll, many times, before the same wait is allowed to end.
#[tokio::test(start_paused = true)]
async fn a_dropped_wait_takes_nothing() {
    let bench = Bench::new();
    bench.gateway.misbehave([Fault::rst_after(7)]);
    let mut shard = bench.shard();
    let feed = bench.gateway.clone();
    let mut all = Vec::new();
    let mut sent = 0;
    while all.iter().filter(|name| *name == "TEST").count() < 50 {
        if shard.is_ready() && sent < 50 {
            sent += 1;
            feed.send(ShardId::ONE, "TEST", "1").unwrap();
        }
        for _ in 0..3 {
            if let Some(event) = shard.next_event().now_or_never() {
                all.push(name_of(&event.unwrap()));
            }
            tokio::task::yield_now().await;
        }
        if let Ok(item) = timeout(Duration::from_millis(7), shard.next()).await {
            all.push(name_of(&item.unwrap().1.unwrap()));
        }
        if let Some(message) = shard.next_message().now_or_never() {
            match message.unwrap() {
                crate::Message::Frame(frame) => all.push(frame.event_name().unwrap().into_owned()),
                crate::Message::Gateway(notice) => all.push(notice.name().to_owned()),
            }
        }
    }
    assert_eq!(all.iter().filter(|name| *name == "TEST").count(), 50);
    assert_eq!(shard.status().seq_taken, shard.status().seq_received);
    assert_eq!(bench.gateway.stats().resumed, 1);
}

/// The same over real sockets, with driver, user and server on different threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_and_sockets_make_no_difference() {
    let events: Vec<_> = (0..2_000)
        .map(|n| crate::local::Event::new("TEST", format!("{{\"n\":{n}}}")).unwrap())
        .collect();
    let gateway = Gateway::builder().feed(crate::local::Feed::new(events));
    let gateway = gateway.log_events(false).start().await.unwrap();
    gateway.misbehave([Fault::rst_after(700)]);
    let limits = crate::Limits {
        buffered_events_max: 100,
        ..crate::Limits::default()
    };
    let config = Config::builder(crate::observe::watch::TOKEN, Intents::GUILDS)
        .gateway_url(gateway.url())
        .limits(limits);
    let mut shard: Shard = Shard::with_config(ShardId::ONE, config.build().unwrap());
    let user = tokio::spawn(async move {
        let mut taken = Vec::new();
        while taken.len() < 2_000 {
            if let Got::Event(_, seq) | Got::Replayed(_, seq) = next(&mut shard).await {
                taken.extend(seq);
            }
        }
        (taken, shard.shutdown(Shutdown::End).await)
    });
    let (taken, kept) = user.await.unwrap();
    assert!(taken.is_sorted_by(|a, b| a < b));
    assert_eq!(kept, None);
    let stats = gateway.stats();
    assert_eq!((stats.identifies, stats.resumed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_by_hand_resumes_or_starts_afresh() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    shard.reconnect(Reconnect::Resume);
    let resumed = |got: &Got| matches!(got, Got::Event(name, _) if name == "RESUMED");
    let all = until(&mut shard, resumed).await;
    assert_eq!(notices(&all), ["disconnected", "connected", "resumed"]);
    let before = shard.session_id().unwrap();
    shard.reconnect(Reconnect::Fresh);
    let all = until_ready(&mut shard).await;
    assert_eq!(notices(&all), ["disconnected", "session_lost", "connected"]);
    assert_ne!(shard.session_id().unwrap(), before);
    // What is taken of the new session counts from its beginning.
    assert_eq!(shard.resume_state().unwrap().seq(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_taken_of_a_lost_session_does_not_count_for_the_new() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    bench.send(5);
    sleep(Duration::from_secs(1)).await;
    shard.reconnect(Reconnect::Fresh);
    let mut watch = shard.watch();
    let old = shard.session_id().unwrap();
    while watch.status().session_id.is_none_or(|id| *id == *old) {
        watch.changed().await.unwrap();
    }
    // Five events of the old session, notices, and READY wait.
    let state = shard.resume_state().unwrap();
    assert_eq!(state.seq(), 1);
    let all = until_ready(&mut shard).await;
    assert_eq!(seqs(&all, "TEST"), [2, 3, 4, 5, 6]);
    let lost = Got::Notice(Notice::SessionLost { last_seq: 6 });
    let at = |wanted: &Got| all.iter().position(|got| got == wanted).unwrap();
    assert!(at(&Got::Event("TEST".into(), Some(6))) < at(&lost));
    assert!(at(&lost) < at(&Got::Event("READY".into(), Some(1))));
}

#[tokio::test(start_paused = true)]
async fn events_that_are_not_wanted_do_not_arrive_and_count_as_taken() {
    let bench = Bench::new();
    let config = bench.config().event_filter(|name| name != "TEST").build();
    let mut shard = Shard::with_config(ShardId::ONE, config.unwrap());
    until_ready(&mut shard).await;
    bench.send(5);
    bench.gateway.send(ShardId::ONE, "OTHER", "{}").unwrap();
    let other = Got::Event("OTHER".into(), Some(7));
    assert_eq!(next(&mut shard).await, other);
    bench.send(3);
    sleep(Duration::from_secs(1)).await;
    let state = shard.shutdown(Shutdown::Keep).await.unwrap();
    assert_eq!(state.seq(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_what_goes_on() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    let before = shard.status();
    assert!(!before.health.is_ready() && before.seq_taken.is_none());
    let mut watch = shard.watch();
    until_ready(&mut shard).await;
    bench.send(3);
    sleep(Duration::from_secs(200)).await;
    let status = watch.changed().await.unwrap();
    assert_eq!(status.state, State::Active);
    let status = shard.status();
    assert_eq!((status.seq_received, status.seq_taken), (Some(4), Some(1)));
    assert!(status.buffered_events >= 3);
    assert!(status.buffered_bytes > 30 && status.bytes_in > 100 && status.bytes_out > 100);
    assert_eq!(
        (status.counters.connects, status.counters.identifies),
        (1, 1)
    );
    assert!(status.counters.heartbeats >= 4, "{status:?}");
    assert!(status.latency.last().unwrap() < Duration::from_millis(50));
    assert!(status.latency.recent().len() >= 4);
    assert!(status.connected_since.is_some() && status.last_disconnect.is_none());
    shard.reconnect(Reconnect::Resume);
    let resumed = |got: &Got| matches!(got, Got::Event(name, _) if name == "RESUMED");
    until(&mut shard, resumed).await;
    assert_eq!(shard.status().last_disconnect, Some(Cause::Requested));
    assert!(shard.status().bytes_in > status.bytes_in);
    drop(shard);
    while watch.changed().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn shards_with_default_queues_of_one_bot_keep_five_seconds_apart() {
    let bench = Bench::new();
    let config = bench.config_with_default_queue().build().unwrap();
    let begin = Instant::now();
    let mut shards: Vec<_> = (0..3)
        .map(|n| Shard::with_config(ShardId::new(n, 3).unwrap(), config.clone()))
        .collect();
    for shard in &mut shards {
        until_ready(shard).await;
    }
    assert!(begin.elapsed() >= Duration::from_secs(10));
    assert_eq!(bench.gateway.stats().refused, 0);
    let _shared: Arc<Gateway> = Arc::clone(&bench.gateway);
}
