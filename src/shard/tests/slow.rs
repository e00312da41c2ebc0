//! What if the user is slow? The heart beats, reading pauses, nothing is lost.

use std::time::Duration;

use tokio::time::sleep;

use super::bench::{Bench, Got, next, notices, seqs, until, until_ready};
use crate::{
    Degraded, Health, Limits, Notice, Shard, ShardId, Shutdown,
    local::{Gateway, Step},
};

fn small(events: usize) -> Limits {
    Limits {
        buffered_events_max: events,
        ..Limits::default()
    }
}

/// A shard with a buffer of so many events, and a heartbeat every second.
fn bench(events: usize) -> (Bench, Shard) {
    let builder = Gateway::builder()
        .heartbeat_interval(Duration::from_secs(1))
        .resume_window(Duration::from_hours(1))
        .log_events(false);
    let bench = Bench::with(builder);
    let config = bench.config().limits(small(events)).build().unwrap();
    (bench, Shard::with_config(ShardId::ONE, config))
}

/// Goal: an application that takes ten minutes loses no connection, and then gets everything.
/// Method: more events than the buffer and all pipes hold, so that acks lie behind unread data.
#[tokio::test(start_paused = true)]
async fn the_heart_beats_while_the_buffer_is_full() {
    let (bench, mut shard) = bench(20);
    until_ready(&mut shard).await;
    for _ in 0..10 {
        bench.send(1_000);
        sleep(Duration::from_mins(1)).await;
    }
    let stats = bench.gateway.stats();
    assert!(stats.heartbeats >= 595, "{stats:?}");
    assert_eq!(stats.connections, 1);
    assert!(shard.status().buffered_events <= 20);

    let last = Got::Event("TEST".into(), Some(10_001));
    let all = until(&mut shard, |got| *got == last).await;
    assert_eq!(seqs(&all, "TEST"), (2..=10_001).collect::<Vec<_>>());
    let slow = all.iter().find(|got| matches!(got, Got::Notice(_)));
    match slow {
        Some(Got::Notice(Notice::SlowConsumer { events: 20, bytes })) => assert!(*bytes > 100),
        other => panic!("{other:?}"),
    }
    sleep(Duration::from_secs(1)).await;
    bench.send(1);
    let rest = until(&mut shard, |got| matches!(got, Got::Event(..))).await;
    let told = [notices(&all), notices(&rest)].concat();
    assert_eq!(told, ["slow_consumer", "reading_resumed"]);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(bench.gateway.stats().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_cut_while_the_buffer_is_full_is_resumed_and_nothing_is_lost() {
    let (bench, mut shard) = bench(20);
    until_ready(&mut shard).await;
    bench.send(500);
    sleep(Duration::from_secs(20)).await;
    bench.gateway.order(ShardId::ONE, [Step::Rst]);
    // Longer than any deadline of a resume.
    sleep(Duration::from_mins(5)).await;
    bench.send(100);
    let last = |got: &Got| matches!(got, Got::Event(_, Some(601)) | Got::Replayed(_, Some(601)));
    let all = until(&mut shard, last).await;
    assert_eq!(seqs(&all, "TEST").len(), 600, "{:?}", notices(&all));
    assert!(seqs(&all, "TEST").is_sorted_by(|a, b| a < b));
    assert_eq!(bench.gateway.stats().identifies, 1);
    assert!(
        bench.gateway.stats().resumes <= 3,
        "{:?}",
        bench.gateway.stats()
    );
}

/// A replay that stands still because the buffer is full is no reason to leave the connection.
#[tokio::test(start_paused = true)]
async fn a_replay_longer_than_the_buffer_waits_for_the_user() {
    let (bench, mut shard) = bench(20);
    until_ready(&mut shard).await;
    bench.gateway.order(ShardId::ONE, [Step::Rst]);
    bench.send(500);
    // Longer than any deadline of a resume.
    sleep(Duration::from_mins(5)).await;
    let last = |got: &Got| matches!(got, Got::Event(name, _) if name == "RESUMED");
    let all = until(&mut shard, last).await;
    assert_eq!(seqs(&all, "TEST"), (2..=501).collect::<Vec<_>>());
    let stats = bench.gateway.stats();
    assert_eq!(
        (stats.identifies, stats.resumes),
        (1, 1),
        "{:?}",
        notices(&all)
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_does_not_hold_a_shutdown_up() {
    for how in [Shutdown::End, Shutdown::Keep] {
        let (bench, mut shard) = bench(5);
        until_ready(&mut shard).await;
        bench.send(100);
        sleep(Duration::from_secs(5)).await;
        let begin = tokio::time::Instant::now();
        let state = shard.shutdown(how).await;
        assert!(begin.elapsed() <= Duration::from_millis(3_001));
        assert_eq!(
            state.map(|state| state.seq()),
            (how == Shutdown::Keep).then_some(1)
        );
        let all = until(&mut shard, |got| matches!(got, Got::End(_))).await;
        // READY was taken, and its batch is still in hand.
        let taken = if how == Shutdown::Keep { 0 } else { 4 };
        assert_eq!(seqs(&all, "TEST").len(), taken);
        assert_eq!(bench.gateway.stats().closes_received, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_nobody_polls_is_degraded_after_a_minute_and_mends() {
    let (bench, mut shard) = bench(1024);
    until_ready(&mut shard).await;
    sleep(Duration::from_mins(10)).await;
    assert!(shard.health().is_ready(), "nothing waits");
    bench.send(3);
    sleep(Duration::from_secs(59)).await;
    assert!(shard.health().is_ready());
    sleep(Duration::from_secs(4)).await;
    match shard.health() {
        Health::Degraded { why, .. } => assert_eq!(why, Degraded::Unpolled),
        other => panic!("{other:?}"),
    }
    next(&mut shard).await;
    sleep(Duration::from_secs(4)).await;
    assert!(shard.health().is_ready());
    assert_eq!(bench.gateway.stats().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_is_a_degraded_health_and_one_notice() {
    let (bench, mut shard) = bench(5);
    until_ready(&mut shard).await;
    bench.send(50);
    sleep(Duration::from_secs(2)).await;
    match shard.health() {
        Health::Degraded { why, .. } => assert_eq!(why, Degraded::SlowConsumer),
        other => panic!("{other:?}"),
    }
    // Taken one at a time, it stops and goes many times: told once a minute.
    let last = Got::Event("TEST".into(), Some(51));
    let all = until(&mut shard, |got| *got == last).await;
    let told = notices(&all);
    assert_eq!(
        told.iter().filter(|name| **name == "slow_consumer").count(),
        1
    );
    assert!(
        told.iter()
            .filter(|name| **name == "reading_resumed")
            .count()
            <= 1
    );
    sleep(Duration::from_secs(1)).await;
    assert!(shard.health().is_ready());
}
