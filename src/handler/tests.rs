//! Bots with handlers, over pipes in memory and with paused time, against the local gateway.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{sleep, timeout},
};

use super::{Bot, Context};
use crate::{
    Error, ErrorKind, ShardId, Shutdown,
    discord::{Discord, EventKind},
    local::Step,
    observe::capture::Log,
    shard::tests::bench::{Bench, name_of},
};

/// What handlers write down, and how the test reads it.
fn diary() -> (UnboundedSender<String>, UnboundedReceiver<String>) {
    unbounded_channel()
}

async fn read(diary: &mut UnboundedReceiver<String>) -> String {
    let line = timeout(Duration::from_hours(1), diary.recv()).await;
    line.expect("a line").expect("somebody who writes")
}

fn bot(bench: &Bench) -> Bot {
    Bot::with_config(bench.config().build().unwrap())
}

/// A handler that writes what it was called with.
fn note(
    out: &UnboundedSender<String>,
    what: &'static str,
) -> impl Fn(Context, crate::discord::Event) -> futures::future::Ready<()> + Send + Sync + 'static {
    let out = out.clone();
    move |context, event| {
        let seq = context.meta().seq.unwrap_or_default();
        out.send(format!("{what} {} {seq}", name_of(&event)))
            .unwrap();
        futures::future::ready(())
    }
}

#[tokio::test(start_paused = true)]
async fn each_handler_is_called_with_its_events_by_name_and_by_kind() {
    #[derive(Deserialize)]
    struct Mine {
        n: u64,
    }

    let bench = Bench::new();
    let (out, mut lines) = diary();
    let (raw, mine) = (out.clone(), out.clone());
    let bot = bot(&bench)
        .on(EventKind::Ready, note(&out, "kind"))
        .on("TEST", note(&out, "name"))
        .on("OTHER", note(&out, "other"))
        .on_raw("TEST".to_owned(), move |_, frame| {
            raw.send(format!("raw {}", frame.data())).unwrap();
            async {}
        })
        .on_as("TEST", move |_, data: Mine| {
            mine.send(format!("mine {}", data.n)).unwrap();
            async {}
        })
        .on_any(note(&out, "any"));
    let handle = bot.handle();
    assert_eq!((handle.seq(), handle.session_id()), (None, None));
    let running = tokio::spawn(bot.run());
    for expected in ["kind READY 1", "any READY 1"] {
        assert_eq!(read(&mut lines).await, expected);
    }
    bench.send(1);
    let mut called = Vec::new();
    for _ in 0..4 {
        called.push(read(&mut lines).await);
    }
    called.sort();
    assert_eq!(
        called,
        ["any TEST 2", "mine 0", "name TEST 2", "raw {\"n\":0}"]
    );
    assert_eq!(handle.seq(), Some(2));
    assert!(handle.session_id().is_some());
    assert_eq!(handle.progress().ready, 1);
    handle.stop();
    assert!(running.await.unwrap().unwrap().is_empty());
    assert_eq!(bench.gateway.stats().identifies, 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_is_an_error_and_nothing_else() {
    let bench = Bench::new();
    let (out, mut lines) = diary();
    let errors = out.clone();
    let bot = bot(&bench)
        .on("TEST", |context, _| async move {
            sleep(Duration::from_millis(1)).await;
            assert!(context.meta().seq != Some(2), "the second");
        })
        // Before its first await.
        .on("TEST", |context: Context, _| {
            assert!(context.meta().seq != Some(3), "the third");
            async {}
        })
        .on("TEST", note(&out, "saw"))
        .on_error(move |context, error: Error| {
            assert_eq!(error.kind(), ErrorKind::Handler);
            let name = error.event_name().unwrap_or_default().to_owned();
            errors
                .send(format!("panic {name} {:?}", context.meta().seq))
                .unwrap();
            async { panic!("even here") }
        });
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    bench.gateway.broadcast("NOBODY", "{}").unwrap();
    while handle.session_id().is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    bench.send(3);
    let mut said = Vec::new();
    for _ in 0..5 {
        said.push(read(&mut lines).await);
    }
    said.sort();
    let panics = ["panic TEST Some(2)", "panic TEST Some(3)"];
    let saw = ["saw TEST 2", "saw TEST 3", "saw TEST 4"];
    assert_eq!(said, [&panics[..], &saw[..]].concat());
    handle.stop();
    running.await.unwrap().unwrap();
    assert_eq!(bench.gateway.stats().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_decoded_goes_to_the_handlers_of_errors_once() {
    let bench = Bench::new();
    let (out, mut lines) = diary();
    let errors = out.clone();
    let bot = bot(&bench)
        .on("TYPING_START", note(&out, "one"))
        .on("TYPING_START", note(&out, "two"))
        .on_error(move |_, error: Error| {
            errors
                .send(format!("{} {:?}", error.kind().name(), error.event_name()))
                .unwrap();
            async {}
        })
        .on("TEST", note(&out, "then"));
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    while handle.session_id().is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    bench
        .gateway
        .send(ShardId::ONE, "TYPING_START", "7")
        .unwrap();
    bench.send(1);
    assert_eq!(read(&mut lines).await, "event Some(\"TYPING_START\")");
    assert_eq!(read(&mut lines).await, "then TEST 3");
    handle.stop();
    running.await.unwrap().unwrap();
}

/// Goal: no more handlers than allowed run at once, and a bot whose handlers take minutes stays
/// connected and gets everything.
#[tokio::test(start_paused = true)]
async fn so_many_handlers_run_at_once_and_slow_ones_harm_nothing() {
    static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);

    let bench = Bench::new();
    let (out, mut lines) = diary();
    let bot = bot(&bench).concurrency(3).on("TEST", move |context, _| {
        let out = out.clone();
        async move {
            let now = AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1;
            MOST.fetch_max(now, Ordering::SeqCst);
            sleep(Duration::from_mins(2)).await;
            AT_ONCE.fetch_sub(1, Ordering::SeqCst);
            out.send(format!("{:?}", context.meta().seq)).unwrap();
        }
    });
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    while handle.session_id().is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    bench.send(30);
    for _ in 0..30 {
        read(&mut lines).await;
    }
    assert_eq!(MOST.load(Ordering::SeqCst), 3);
    assert_eq!(bench.gateway.stats().connections, 1);
    assert!(bench.gateway.stats().heartbeats >= 20);
    handle.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_keeps_the_order() {
    let bench = Bench::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let bot = bot(&bench).concurrency(1).on("TEST", move |context, _| {
        let seen = Arc::clone(&seen);
        async move {
            let seq = context.meta().seq.unwrap();
            // The earlier takes longer.
            sleep(Duration::from_secs(100 - seq)).await;
            seen.lock().unwrap().push(seq);
        }
    });
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    while handle.session_id().is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    bench.send(5);
    sleep(Duration::from_mins(30)).await;
    handle.stop();
    running.await.unwrap().unwrap();
    assert_eq!(*order.lock().unwrap(), [2, 3, 4, 5, 6]);
}

/// Also what a handler does before its first await is one at a time.
#[tokio::test(start_paused = true)]
async fn one_at_a_time_does_not_begin_the_next() {
    let bench = Bench::new();
    let (out, mut lines) = diary();
    let bot = bot(&bench)
        .concurrency(1)
        .on("TEST", move |context: Context, _| {
            let (out, seq) = (out.clone(), context.meta().seq.unwrap());
            out.send(format!("begin {seq}")).unwrap();
            async move {
                sleep(Duration::from_secs(1)).await;
                out.send(format!("end {seq}")).unwrap();
            }
        });
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    while handle.session_id().is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    bench.send(2);
    for expected in ["begin 2", "end 2", "begin 3", "end 3"] {
        assert_eq!(read(&mut lines).await, expected);
    }
    handle.stop();
    running.await.unwrap().unwrap();
}

/// Goal: what counts as taken was handled. Method: the bot is stopped while an event waits for a
/// place, and the session that it keeps goes on behind all that was handled.
#[tokio::test(start_paused = true)]
async fn an_event_that_waits_for_a_place_when_the_bot_stops_is_handled_still() {
    for how in [Shutdown::Keep, Shutdown::End] {
        let bench = Bench::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let order = Arc::clone(&seen);
        let bot = bot(&bench).concurrency(1).on("TEST", move |context, _| {
            let order = Arc::clone(&order);
            async move {
                sleep(Duration::from_millis(500)).await;
                order.lock().unwrap().push(context.meta().seq.unwrap());
            }
        });
        let handle = bot.handle();
        let running = tokio::spawn(bot.run());
        while handle.session_id().is_none() {
            sleep(Duration::from_millis(1)).await;
        }
        bench.send(4);
        sleep(Duration::from_millis(100)).await;
        handle.stop_with(how);
        let sessions = running.await.unwrap().unwrap();
        let seen = seen.lock().unwrap().clone();
        match how {
            Shutdown::Keep => {
                let state = sessions.of(ShardId::ONE).unwrap();
                assert_eq!(seen.last(), Some(&state.seq()));
                assert!(
                    seen.len() < 4,
                    "what was not taken is left to the next start"
                );
            }
            Shutdown::End => assert_eq!(seen, [2, 3, 4, 5]),
        }
    }
}

/// In every kind of handler, before its first await.
#[tokio::test(start_paused = true)]
async fn handlers_of_notices_and_errors_may_panic_too() {
    let bench = Bench::new();
    let (out, mut lines) = diary();
    let errors = out.clone();
    let bot = bot(&bench)
        .on_notice(|_, _| -> futures::future::Ready<()> { panic!("a notice") })
        .on_error(|_, _| -> futures::future::Ready<()> { panic!("an error") })
        .on_error(move |_, error: Error| {
            let said = format!("{} {:?}", error.kind().name(), error.event_name());
            errors.send(said).unwrap();
            async {}
        })
        .on("TEST", note(&out, "then"));
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    assert_eq!(read(&mut lines).await, "handler Some(\"connected\")");
    while handle.session_id().is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    bench
        .gateway
        .send(ShardId::ONE, "TYPING_START", "7")
        .unwrap();
    bench.send(1);
    assert_eq!(read(&mut lines).await, "then TEST 3");
    handle.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_grace_is_one_for_all_that_is_left() {
    let bench = Bench::new();
    let bot = bot(&bench)
        .grace(Duration::from_secs(4))
        .concurrency(1)
        .on_any(|_, _| std::future::pending());
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    while handle.session_id().is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    bench.send(3);
    sleep(Duration::from_secs(1)).await;
    let begin = tokio::time::Instant::now();
    handle.stop();
    running.await.unwrap().unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_handlers_log_lies_in_the_span_of_their_shard() {
    let log = Log::default();
    let _default = tracing::subscriber::set_default(log.subscriber());
    let bench = Bench::new();
    let (out, mut lines) = diary();
    let bot = bot(&bench)
        .on("READY", |_, _| {
            tracing::info!("mark before");
            async { tracing::info!("mark within") }
        })
        .on_notice(|_, _| async { tracing::info!("mark notice") })
        .on_error(|_, _| async { tracing::info!("mark error") })
        .on("TEST", |_, _| async { panic!("logged") })
        .on("TEST", note(&out, "done"));
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    while handle.session_id().is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    bench.send(1);
    read(&mut lines).await;
    handle.stop();
    running.await.unwrap().unwrap();
    let text = log.text();
    let marks = ["mark before", "mark within", "mark notice", "mark error"];
    for mark in marks.into_iter().chain(["a handler panicked"]) {
        let line = text.lines().find(|line| line.contains(mark));
        let line = line.unwrap_or_else(|| panic!("{mark}: {text}"));
        assert!(
            line.contains("shard{platform=\"discord\" shard=0"),
            "{line}"
        );
        assert_eq!(line.matches("shard=0").count(), 1, "{line}");
    }
}

/// The same bot on another platform: handlers by name and by kind, and its sessions.
#[cfg(feature = "qq")]
#[tokio::test(start_paused = true)]
async fn a_bot_of_qq_is_called_as_well() {
    use crate::{
        Config,
        local::{Dialect, Gateway},
        qq::{self, Credentials, QQ},
        queue::LocalQueue,
        shard::tests::bench::Memory,
    };

    let builder = Gateway::builder().platform(Dialect::Qq);
    let builder = builder.credentials("102", crate::observe::watch::CLIENT_SECRET);
    let gateway = Arc::new(builder.patience(Duration::from_hours(1)).start_in_memory());
    let credentials = Credentials::new("102", crate::observe::watch::CLIENT_SECRET);
    let config = Config::builder(credentials, qq::Intents::GROUP_AND_C2C_EVENT)
        .rest_url(gateway.rest_url())
        .dialler(Arc::new(Memory(Arc::clone(&gateway))))
        .queue(Arc::new(LocalQueue::new()))
        .build()
        .unwrap();
    let (out, mut lines) = diary();
    let (ready, other) = (out.clone(), out.clone());
    let bot = Bot::<QQ>::with_config(config)
        .on(qq::EventKind::Ready, move |context: Context<QQ>, event| {
            let is_ready = matches!(event, qq::Event::Ready(_));
            let live = context.session_id().is_some();
            ready.send(format!("ready {is_ready} {live}")).unwrap();
            async {}
        })
        .on_any_raw(move |_, frame| {
            let name = frame.event_name().unwrap_or_default().into_owned();
            other.send(name).unwrap();
            async {}
        });
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    for expected in ["ready true true", "READY"] {
        assert_eq!(read(&mut lines).await, expected);
    }
    gateway.send(ShardId::ONE, "TEST", "{}").unwrap();
    assert_eq!(read(&mut lines).await, "TEST");
    handle.stop_with(Shutdown::Keep);
    let sessions = running.await.unwrap().unwrap();
    assert_eq!(sessions.of(ShardId::ONE).unwrap().seq(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bot_whose_shards_have_all_ended_returns_the_last_error() {
    let bench = Bench::new();
    let (out, mut lines) = diary();
    let bot = bot(&bench).on_error(move |_, error: Error| {
        out.send(format!("{:?}", error.close_code())).unwrap();
        async {}
    });
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    while handle.session_id().is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    bench.gateway.order_all([Step::Close(4014)]);
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.close_code(), Some(4014));
    assert_eq!(read(&mut lines).await, "Some(4014)");

    let nobody = Bot::<Discord>::with_shards([]).run().await;
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_keeps_its_session_gives_it_and_another_goes_on() {
    let bench = Bench::new();
    let (out, mut lines) = diary();
    let first = bot(&bench).on_any(note(&out, "first"));
    let handle = first.handle();
    let running = tokio::spawn(first.run());
    read(&mut lines).await;
    handle.stop_with(Shutdown::Keep);
    // The first call decides.
    handle.stop();
    let sessions = running.await.unwrap().unwrap();
    let state = sessions.of(ShardId::ONE).unwrap().clone();

    bench.send(2);
    let config = bench.config().resume(state).build().unwrap();
    let second = Bot::with_config(config).on("TEST", note(&out, "second"));
    let handle = second.handle();
    let until = async {
        assert_eq!(read(&mut lines).await, "second TEST 2");
        assert_eq!(read(&mut lines).await, "second TEST 3");
    };
    second.run_until(until).await.unwrap();
    assert_eq!(bench.gateway.stats().identifies, 1);
    assert_eq!(bench.gateway.stats().resumes, 1);
    drop(handle);
}

#[tokio::test(start_paused = true)]
async fn commands_are_sent_by_the_handle() {
    let bench = Bench::new();
    let bot = bot(&bench);
    let handle = bot.handle();
    let running = tokio::spawn(bot.run());
    handle
        .send_payload(4, &serde_json::json!({"guild_id": "1"}))
        .await
        .unwrap();
    let refused = handle.send_payload(2, &()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Command);
    let sent = bench
        .gateway
        .wait_for(|record| format!("{:?}", record.act).contains("op: 4"));
    sent.await.unwrap();
    handle.stop();
    running.await.unwrap().unwrap();
    assert!(handle.send_payload(4, &()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn handlers_that_never_end_are_dropped_after_the_grace() {
    let bench = Bench::new();
    let bot = bot(&bench)
        .grace(Duration::from_secs(2))
        .on("READY", |_, _| std::future::pending());
    let begin = tokio::time::Instant::now();
    bot.run_until(sleep(Duration::from_secs(10))).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(16));
}
