//! What reaches the user: sets of events for a shard and for a call.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::bench::{Bench, Got, next, notices, until, until_ready};
use crate::{
    ErrorKind, EventFlags, Reconnect, Shard, ShardId, Shutdown,
    discord::{Discord, Event, EventKind},
    platform::EventSet as _,
};

fn shard(bench: &Bench, flags: EventFlags) -> Shard {
    let config = bench.config().event_flags(flags).build().unwrap();
    Shard::with_config(ShardId::ONE, config)
}

/// Runs the shard for a while in which it must give nothing.
async fn gives_nothing(shard: &mut Shard) {
    let given = timeout(Duration::from_secs(100), shard.next_message()).await;
    assert!(given.is_err(), "{given:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_lives_and_resumes_though_ready_resumed_and_notices_are_not_wanted() {
    let bench = Bench::new();
    let mut shard = shard(&bench, EventFlags::UNKNOWN);
    gives_nothing(&mut shard).await;
    assert!(shard.is_ready());
    bench.send(2);
    assert_eq!(next(&mut shard).await, Got::Event("TEST".into(), Some(2)));
    assert_eq!(next(&mut shard).await, Got::Event("TEST".into(), Some(3)));
    shard.reconnect(Reconnect::Resume);
    gives_nothing(&mut shard).await;
    let seen = bench.gateway.stats();
    assert_eq!((seen.identifies, seen.resumed), (1, 1));
    bench.send(1);
    let Got::Event(name, Some(seq)) = next(&mut shard).await else {
        panic!("an event")
    };
    assert!(name == "TEST" && seq > 3, "{name} {seq}");
    // What was not wanted counts as taken: it does not come again.
    bench
        .gateway
        .send(ShardId::ONE, "MESSAGE_CREATE", "{}")
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    let state = shard.shutdown(Shutdown::Keep).await.unwrap();
    assert_eq!(state.seq(), seq + 1);
}

#[tokio::test(start_paused = true)]
async fn the_flag_of_an_event_decides_whether_it_reaches_the_user() {
    let all = || EventKind::ALL.iter().map(|kind| kind.name());
    let even = EventKind::ALL.iter().step_by(2);
    let even = even.fold(EventFlags::UNKNOWN, |set, kind| set | (*kind).into());
    for flags in [even | EventFlags::GATEWAY, !even | EventFlags::UNKNOWN] {
        let bench = Bench::new();
        let mut shard = shard(&bench, flags);
        let first = timeout(Duration::from_secs(1), shard.next_message()).await;
        assert_eq!(first.is_ok(), flags.has_notices());
        sleep(Duration::from_secs(1)).await;
        for name in all().filter(|name| !matches!(*name, "READY" | "RESUMED")) {
            bench.gateway.send(ShardId::ONE, name, "{}").unwrap();
        }
        bench.send(1);
        let given = until(
            &mut shard,
            |got| matches!(got, Got::Event(name, _) if name == "TEST"),
        );
        let given = given.await;
        assert!(notices(&given).is_empty(), "{given:?}");
        let names = given.iter().filter_map(|got| match got {
            Got::Event(name, _) => Some(name.as_str()),
            _ => None,
        });
        let mut wanted: Vec<_> = all().filter(|name| flags.has_event(name)).collect();
        wanted.retain(|name| *name != "RESUMED");
        wanted.push("TEST");
        assert_eq!(names.collect::<Vec<_>>(), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn both_filters_must_let_an_event_pass() {
    let bench = Bench::new();
    let flags = EventFlags::READY | EventFlags::TYPING_START | EventFlags::UNKNOWN;
    let config = bench.config().event_flags(flags);
    let config = config.event_filter(|name| name != "TEST").build().unwrap();
    let mut shard = Shard::with_config(ShardId::ONE, config);
    until_ready(&mut shard).await;
    bench.send(1);
    for name in ["MESSAGE_CREATE", "TYPING_START", "OTHER"] {
        bench.gateway.send(ShardId::ONE, name, "{}").unwrap();
    }
    let typing = Got::Event("TYPING_START".into(), Some(4));
    assert_eq!(next(&mut shard).await, typing);
    assert_eq!(next(&mut shard).await, Got::Event("OTHER".into(), Some(5)));
}

#[tokio::test(start_paused = true)]
async fn a_call_skips_what_it_does_not_want_without_decoding_it() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    let ready = shard.next_event_of(EventFlags::READY).await.unwrap();
    assert!(matches!(ready, Event::Ready(_)));
    // No message has this shape: decoded, it would be an error.
    for _ in 0..3 {
        bench
            .gateway
            .send(ShardId::ONE, "MESSAGE_CREATE", "{}")
            .unwrap();
    }
    bench.send(1);
    let event = shard.next_event_of(EventFlags::UNKNOWN).await.unwrap();
    assert!(matches!(event, Event::Unknown(_)), "{event:?}");
    assert_eq!(shard.resume_state().unwrap().seq(), 5);

    // A call that is dropped takes what it skips, and nothing that it wants.
    bench
        .gateway
        .send(ShardId::ONE, "MESSAGE_CREATE", "{}")
        .unwrap();
    let wanted = shard.next_event_of(EventFlags::UNKNOWN);
    assert!(timeout(Duration::from_secs(1), wanted).await.is_err());
    assert_eq!(shard.resume_state().unwrap().seq(), 6);
    bench.send(1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(next(&mut shard).await, Got::Event("TEST".into(), Some(7)));

    // Errors are never skipped, and notices are told apart from events.
    bench
        .gateway
        .send(ShardId::ONE, "MESSAGE_CREATE", "{}")
        .unwrap();
    let failed = shard.next_event_of(EventFlags::MESSAGE_CREATE).await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Event);
    shard.reconnect(Reconnect::Resume);
    let notice = shard.next_event_of(EventFlags::GATEWAY).await.unwrap();
    assert!(matches!(notice, Event::Gateway(_)), "{notice:?}");
    let ended = shard.shutdown(Shutdown::End).await;
    assert!(ended.is_none());
    let end = shard.next_event_of(EventFlags::empty()).await.unwrap_err();
    assert_eq!(end.kind(), ErrorKind::Shutdown);
}

#[test]
fn a_shard_and_its_futures_can_be_sent() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let mut shard = is_send(Shard::<Discord>::new(
        ShardId::ONE,
        crate::observe::watch::TOKEN,
        crate::Intents::empty(),
    ));
    drop(is_send(shard.next_event_of(EventFlags::READY)));
}
