//! A shutdown that was asked for goes on, and a bot that is dropped is gone.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use shardstream::{
    Error, ErrorKind, Health, Reconnect, ResumeState, Shard, ShardId, Shutdown, State,
    handler::Bot,
    local::{Gateway, Step},
    stream::{self, Reshard, Sessions, ShardEventStream, ShardMessageStream},
};
use tokio::time::{Instant, sleep};

use crate::{
    bench::{Bench, LONG, until_ready},
    knife::{Knife, at_every_poll, at_every_poll_and_always},
};

/// What is left of a session: the sequence to go on from.
fn seqs(sessions: impl IntoIterator<Item = ResumeState>) -> Vec<u64> {
    sessions.into_iter().map(|state| state.seq()).collect()
}

/// A shard with a session that two of three events were taken of.
async fn live(bench: &Bench) -> Shard {
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    (0..3).for_each(|n| bench.delete(ShardId::ONE, n));
    for _ in 0..2 {
        shard.next_event().await.unwrap();
    }
    shard
}

/// Goal: the shutdown goes on whenever its future is dropped: the close frame has the code, the
/// shard ends, and the session can be had later. Method: the server is slow to answer the close,
/// so that the future waits; what is gone is compared with what it would have given.
fn goes_on<S>(
    name: &str,
    make: impl Fn(Shard) -> S,
    shutdown: impl AsyncFn(&S, &Knife, Shutdown) -> Option<Vec<u64>>,
) {
    for (how, code) in [(Shutdown::Keep, 4000), (Shutdown::End, 1000)] {
        at_every_poll(&format!("{name} {how:?}"), async |knife| {
            let bench = Bench::new();
            let shard = live(&bench).await;
            let handle = shard.handle();
            let source = make(shard);
            let given = shutdown(&source, knife, how).await;
            sleep(LONG).await;
            assert_eq!(bench.closes(), [Some(code)]);
            assert!(matches!(handle.health(), Health::Dead { .. }));
            assert_eq!(handle.status().state, State::Stopped);
            let kept = seqs(handle.shutdown(how).await);
            assert!(given.is_none_or(|given| given == kept));
            let expected: &[u64] = if how == Shutdown::Keep { &[3] } else { &[] };
            assert_eq!(kept, expected);
            let error = handle.sender().send_payload(4, &1).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Command);
            drop(source);
        });
    }
}

#[test]
fn shutdown_of_a_shard_goes_on() {
    goes_on(
        "Shard::shutdown",
        |shard| shard,
        async |shard, knife, how| knife.cut(shard.shutdown(how)).await.map(seqs),
    );
}

#[test]
fn shutdown_by_a_handle_goes_on() {
    goes_on(
        "ShardHandle::shutdown",
        |shard| shard,
        async |shard, knife, how| knife.cut(shard.handle().shutdown(how)).await.map(seqs),
    );
}

#[test]
fn shutdown_of_a_set_goes_on() {
    goes_on(
        "stream::shutdown",
        |shard| shard,
        async |shard, knife, how| {
            knife
                .cut(stream::shutdown([shard.handle()], how))
                .await
                .map(seqs)
        },
    );
}

#[test]
fn shutdown_of_a_stream_goes_on() {
    let make = |shard| ShardEventStream::new([shard]);
    goes_on(
        "ShardEventStream::shutdown",
        make,
        async |stream, knife, how| knife.cut(stream.shutdown(how)).await.map(seqs),
    );
    let make = |shard| ShardMessageStream::new([shard]);
    goes_on(
        "ShardMessageStream::shutdown",
        make,
        async |stream, knife, how| knife.cut(stream.shutdown(how)).await.map(seqs),
    );
}

#[test]
fn shutdown_while_resharding_goes_on() {
    let make = |shard| Reshard::new([], [shard]);
    goes_on("Reshard::shutdown", make, async |stream, knife, how| {
        knife.cut(stream.shutdown(how)).await.map(seqs)
    });
}

/// Goal: the same where the shard is dropped with the future.
#[test]
fn a_shutdown_goes_on_without_its_future_and_its_shard() {
    at_every_poll("shutdown, and the shard dropped", async |knife| {
        let bench = Bench::new();
        let shard = live(&bench).await;
        let handle = shard.handle();
        let given = knife.cut(shard.shutdown(Shutdown::Keep)).await;
        drop(shard);
        sleep(LONG).await;
        let kept = handle.resume_state();
        assert!(given.is_none_or(|given| given == kept));
        (
            bench.closes(),
            seqs(kept),
            bench.gateway.stats().closes_sent,
        )
    });
}

/// Goal: a change that nobody was waiting for is given by the next call, the end as well. Method:
/// each call is for one change, which is brought about while the call waits or was dropped.
#[test]
fn a_watch_misses_no_change() {
    at_every_poll_and_always("Watch::changed", async |knife| {
        let bench = Bench::new();
        let mut shard = bench.shard();
        let (handle, mut watch) = (shard.handle(), shard.watch());
        let taking = tokio::spawn(async move {
            while !shard
                .next_event()
                .await
                .is_err_and(|error| error.is_fatal())
            {}
        });
        let mut seen = Vec::new();
        loop {
            let changed = knife.cut_and_repeat(async || watch.changed().await).await;
            let Some(status) = changed else { break };
            match (status.state, seen.last()) {
                (State::Active, _) if status.counters.connects == 1 => {
                    bench.gateway.order(ShardId::ONE, [Step::Rst]);
                }
                (State::Active, _) if status.counters.connects == 2 => {
                    handle.reconnect(Reconnect::Fresh);
                }
                (State::Active, _) => drop(handle.shutdown(Shutdown::End)),
                _ => {}
            }
            seen.push(status.state);
        }
        taking.await.unwrap();
        assert!(watch.changed().await.is_none());
        seen.dedup();
        seen
    });
}

/// When the bots are stopped.
const STOPPED: Duration = Duration::from_secs(20);

/// Goal: a bot whose future is dropped is gone at once, with its handlers; its session is not
/// ended. Method: handlers that never end, counted; a connection that ends without a close frame.
fn is_gone(name: &str, run: impl AsyncFn(Bot, &Knife) -> Option<Result<Sessions, Error>>) {
    at_every_poll(name, async |knife| {
        let bench = Bench::new();
        let (running, called) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
        let (inside, calls) = (Arc::clone(&running), Arc::clone(&called));
        let bot = Bot::with_config(bench.config().build().unwrap())
            .grace(Duration::from_secs(1))
            .on("MESSAGE_DELETE", move |_, _| {
                calls.fetch_add(1, Ordering::Relaxed);
                let inside = Arc::clone(&inside);
                async move {
                    std::future::pending::<()>().await;
                    drop(inside);
                }
            });
        let handle = bot.handle();
        let gateway = Arc::clone(&bench.gateway);
        let feed = tokio::spawn(async move {
            let ready = |record: &shardstream::local::Record| {
                matches!(record.act, shardstream::local::Act::Ready { .. })
            };
            gateway.wait_for(ready).await.unwrap();
            for n in 0..3 {
                let data = format!(r#"{{"id":"{n}","channel_id":"1"}}"#);
                gateway.send(ShardId::ONE, "MESSAGE_DELETE", &data).unwrap();
                sleep(Duration::from_secs(1)).await;
            }
        });
        let begin = Instant::now();
        let ended = run(bot, knife).await;
        let lived = begin.elapsed();
        feed.abort();
        // Tasks that were aborted end at their next turn.
        sleep(Duration::from_millis(1)).await;
        assert_eq!(Arc::strong_count(&running), 1, "a handler is left");
        let served = called.load(Ordering::Relaxed);
        sleep(LONG).await;
        assert_eq!(called.load(Ordering::Relaxed), served);
        let status = handle.shards()[0].status();
        assert!(matches!(status.health, Health::Dead { .. }), "{status:?}");
        assert!(handle.send_payload(4, &1).await.is_err());
        assert_eq!(bench.ends() as u64, bench.gateway.stats().connections);
        // A shutdown that has begun goes on; where it is dropped, it may not have.
        let closes = bench.closes();
        if lived < STOPPED || !closes.is_empty() {
            let expected = if lived < STOPPED {
                vec![]
            } else {
                vec![Some(1000)]
            };
            assert_eq!(closes, expected);
        } else {
            assert!(ended.is_none());
        }
        assert!(ended.is_none_or(|ended| ended.unwrap().is_empty()));
    });
}

#[test]
fn a_bot_that_is_dropped_is_gone() {
    let until = || sleep(STOPPED);
    is_gone("Bot::run_until", async |bot, knife| {
        knife.cut(bot.run_until(until())).await
    });
    is_gone("Bot::run", async |bot, knife| {
        let handle = bot.handle();
        let stop = async {
            until().await;
            handle.stop();
        };
        let running = knife.cut(bot.run());
        tokio::pin!(running, stop);
        let mut stopped = false;
        loop {
            tokio::select! {
                biased;
                ended = &mut running => return ended,
                () = &mut stop, if !stopped => stopped = true,
            }
        }
    });
}

#[test]
fn what_is_saved_last_is_what_the_file_holds() {
    use shardstream::stream::{FileStore, SessionStore as _};

    let state = |n: u32| -> Sessions {
        let text =
            format!(r#"{{"platform":"discord","shard":[0,1],"session_id":"s{n}","seq":{n}}}"#);
        [serde_json::from_str::<ResumeState>(&text).unwrap()]
            .into_iter()
            .collect()
    };
    let number = AtomicUsize::new(0);
    let left = Mutex::new(Vec::new());
    at_every_poll("FileStore", async |knife| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let name = format!("shardstream-cancel-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        left.lock().unwrap().push(path.clone());
        let store = FileStore::new(path);
        store.save(&state(1)).await.unwrap();
        let saved = knife.cut(store.save(&state(2))).await;
        assert!(saved.is_none_or(|saved| saved.is_ok()));
        let loaded = knife.cut(store.load()).await;
        for loaded in loaded.into_iter().chain([store.load().await]) {
            // As a whole, whichever it is.
            assert!([state(1), state(2)].contains(&loaded.unwrap()));
        }
        store.save(&state(3)).await.unwrap();
        store.load().await.unwrap()
    });
    // The runtimes have waited for what was still being written.
    for path in left.into_inner().unwrap() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"s3\""), "{text}");
        std::fs::remove_file(path).unwrap();
    }
}

/// A gateway with two buckets lets both shards of a pair in at once.
pub(crate) fn pair() -> Bench {
    Bench::with(Gateway::builder().max_concurrency(2))
}

/// Goal: the file is completed, and the recording over, whenever its end is waited for no more.
#[test]
fn a_recording_that_nobody_waits_for_is_completed() {
    at_every_poll("Recording::finish", async |knife| {
        let bench = Bench::new();
        let name = format!("recording-{}-{}", std::process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        let mut shard = bench.shard();
        let recording = shard.handle().record(&path).unwrap();
        until_ready(&mut shard).await;
        let given = knife.cut(recording.finish()).await;
        sleep(LONG).await;
        // What it is, the connection, Hello and READY.
        assert!(given.is_none_or(|lines| lines.unwrap() == 4));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(text.ends_with("}\n") && text.lines().count() == 4, "{text}");
        let again = shard.handle().record(&path).unwrap();
        assert!(again.finish().await.is_ok());
        std::fs::remove_file(&path).unwrap();
    });
}
