//! Many shards, over pipes in memory and with paused time, against the local gateway.

mod many;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream::FusedStream, task::AtomicWaker};
use tokio::{
    task::yield_now,
    time::{sleep, timeout},
};

use super::{ShardEventStream, ShardMessageStream, Source};
use crate::{
    Config, Error, Health, Intents, Message, Meta, Shard, ShardHandle, ShardId, Shutdown,
    discord::{Discord, Event},
    local::{Gateway, Step},
    queue::LocalQueue,
    shard::tests::bench::{Bench, name_of},
};

const PATIENCE: Duration = Duration::from_hours(1);

fn id(number: u32, total: u32) -> ShardId {
    ShardId::new(number, total).unwrap()
}

/// A gateway, and as many shards on it, which may all start at once.
fn bench(total: u32) -> (Bench, Vec<Shard>) {
    let bench = Bench::with(Gateway::builder().max_concurrency(total).log_events(false));
    let window = Duration::from_secs(5);
    let day = Duration::from_hours(24);
    let queue = LocalQueue::with_limits(total.into(), 1_000, 1_000, day, window);
    let config = bench.config().queue(Arc::new(queue)).build().unwrap();
    let shards = (0..total)
        .map(|number| Shard::with_config(id(number, total), config.clone()))
        .collect();
    (bench, shards)
}

/// What the stream gives next, short enough to compare; notices are passed over.
async fn next(stream: &mut ShardEventStream<impl Source<Event = Event>>) -> Got {
    loop {
        let item = timeout(PATIENCE, stream.next()).await.expect("an item");
        match item {
            Some((_, Ok(Event::Gateway(_)))) => {}
            Some((shard, Ok(event))) => return Got::Event(shard.id().number(), name_of(&event)),
            Some((shard, Err(error))) => {
                return Got::Error(shard.id().number(), error.is_fatal());
            }
            None => return Got::End,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Got {
    Event(u32, String),
    Error(u32, bool),
    End,
}

async fn until_ready(stream: &mut ShardEventStream<impl Source<Event = Event>>, mut shards: usize) {
    while shards > 0 {
        match next(stream).await {
            Got::Event(_, name) if name == "READY" => shards -= 1,
            Got::Event(..) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn borrowed_shards_give_their_events_in_order_and_can_be_used_afterwards() {
    let (bench, mut shards) = bench(3);
    let mut stream = ShardEventStream::new(shards.iter_mut());
    until_ready(&mut stream, 3).await;
    for n in 0..300 {
        let data = format!("{{\"n\":{n}}}");
        bench.gateway.send(id(n % 3, 3), "TEST", &data).unwrap();
    }
    let mut seqs = vec![1; 3];
    for _ in 0..300 {
        let (shard, meta, event) = stream.next_with_meta().await.unwrap();
        assert_eq!(name_of(&event.unwrap()), "TEST");
        let last = &mut seqs[shard.id().number() as usize];
        *last += 1;
        assert_eq!(meta.seq, Some(*last));
    }
    assert_eq!(seqs, [101; 3]);
    drop(stream);
    bench.gateway.send(id(1, 3), "LAST", "{}").unwrap();
    assert_eq!(name_of(&shards[1].next_event().await.unwrap()), "LAST");
}

/// Goal: a shard with a hundred times the traffic keeps nobody waiting for longer than one batch.
/// Method: the busy shard's buffer is full before anything is taken, and the others have one
/// event each.
#[tokio::test(start_paused = true)]
async fn a_busy_shard_delays_the_others_by_one_batch_at_most() {
    let (bench, shards) = bench(100);
    let mut stream: ShardEventStream<_> = shards.into_iter().collect();
    until_ready(&mut stream, 100).await;
    for _ in 0..1_000 {
        bench.gateway.send(id(0, 100), "BUSY", "{}").unwrap();
    }
    sleep(Duration::from_millis(10)).await;
    for number in 1..100 {
        bench.gateway.send(id(number, 100), "QUIET", "{}").unwrap();
    }
    sleep(Duration::from_millis(10)).await;
    let (mut busy, mut quiet) = (0, 0);
    while quiet < 99 {
        match next(&mut stream).await {
            Got::Event(0, _) => busy += 1,
            Got::Event(..) => quiet += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(
        busy <= 2 * 64,
        "{busy} events of the busy shard came before"
    );
    for _ in busy..1_000 {
        assert_eq!(next(&mut stream).await, Got::Event(0, "BUSY".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fatal_shard_is_one_item_and_the_stream_ends_with_the_last() {
    let (bench, shards) = bench(2);
    let mut stream = ShardEventStream::new(shards);
    until_ready(&mut stream, 2).await;
    bench.gateway.order(id(0, 2), [Step::Close(4014)]);
    assert_eq!(next(&mut stream).await, Got::Error(0, true));
    assert_eq!(stream.len(), 1);
    bench.gateway.send(id(1, 2), "ON", "{}").unwrap();
    assert_eq!(next(&mut stream).await, Got::Event(1, "ON".into()));

    let handle = stream.handles().next().unwrap().clone();
    drop(handle.shutdown(Shutdown::End));
    assert_eq!(next(&mut stream).await, Got::Error(1, true));
    assert_eq!(next(&mut stream).await, Got::End);
    assert_eq!(next(&mut stream).await, Got::End);
    assert!(stream.is_terminated());
}

#[tokio::test(start_paused = true)]
async fn shards_come_and_go_while_the_stream_runs() {
    let (bench, mut shards) = bench(3);
    let late = shards.pop().unwrap();
    let mut stream = ShardEventStream::new(shards);
    until_ready(&mut stream, 2).await;

    // From another task, while the stream waits.
    let control = stream.control();
    let other = tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        control.add(late);
        sleep(Duration::from_mins(1)).await;
        (
            control.remove(id(0, 3)).await,
            control.remove(id(7, 9)).await,
        )
    });
    until_ready(&mut stream, 1).await;
    assert_eq!(stream.len(), 3);
    assert!(
        timeout(Duration::from_mins(2), stream.next())
            .await
            .is_err()
    );
    let (taken_out, nobody) = other.await.unwrap();
    assert!(nobody.is_none());
    assert_eq!(stream.len(), 2);

    let mut taken_out = taken_out.unwrap();
    for number in 0..3 {
        bench.gateway.send(id(number, 3), "GO", "{}").unwrap();
    }
    let mut from = [next(&mut stream).await, next(&mut stream).await];
    from.sort_by_key(|got| format!("{got:?}"));
    assert_eq!(from, [1, 2].map(|n| Got::Event(n, "GO".into())));
    assert_eq!(name_of(&taken_out.next_event().await.unwrap()), "GO");

    // Its slot is used again.
    stream.add(taken_out);
    bench.gateway.send(id(0, 3), "BACK", "{}").unwrap();
    assert_eq!(next(&mut stream).await, Got::Event(0, "BACK".into()));
    assert_eq!(stream.into_shards().count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_control_whose_stream_is_gone_has_nothing_to_give_and_keeps_no_shard() {
    let (bench, mut shards) = bench(2);
    let late = shards.pop().unwrap();
    let stream = ShardEventStream::new(shards);
    let control = stream.control();
    let asked = tokio::spawn({
        let control = control.clone();
        async move { control.remove(id(0, 2)).await }
    });
    yield_now().await;
    drop(stream);
    assert!(asked.await.unwrap().is_none());
    let handle = late.handle();
    control.add(late);
    assert!(control.remove(id(1, 2)).await.is_none());
    assert!(matches!(handle.health(), Health::Dead { .. }));
    assert_eq!(bench.gateway.stats().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_taking_a_shard_out_leaves_it_in() {
    let (_bench, shards) = bench(1);
    let mut stream = ShardEventStream::new(shards);
    let control = stream.control();
    assert!(control.remove(id(0, 1)).now_or_never().is_none());
    until_ready(&mut stream, 1).await;
    assert_eq!(stream.len(), 1);
}

/// The shard was on its way to who asked for it, and he never looked.
#[tokio::test(start_paused = true)]
async fn whoever_gives_up_when_the_shard_is_out_puts_it_back() {
    let (_bench, shards) = bench(1);
    let mut stream = ShardEventStream::new(shards);
    let control = stream.control();
    let mut taking = Box::pin(control.remove(id(0, 1)));
    assert!(taking.as_mut().now_or_never().is_none());
    assert!(
        stream
            .next()
            .now_or_never()
            .is_some_and(|end| end.is_none())
    );
    assert!(stream.is_terminated());
    drop(taking);
    assert!(!stream.is_terminated(), "a shard is on its way back");
    until_ready(&mut stream, 1).await;
    assert_eq!(stream.len(), 1);
}

/// A shard that has what the test gives it, and counts how often it is asked.
struct Counted {
    shard: Shard,
    inbox: Arc<Inbox>,
}

#[derive(Default)]
struct Inbox {
    waiting: AtomicUsize,
    polls: AtomicUsize,
    waker: AtomicWaker,
}

impl Source for Counted {
    type Platform = Discord;
    type Event = ();

    fn handle(&self) -> ShardHandle {
        self.shard.handle()
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Meta, Result<(), Error>)>> {
        self.inbox.polls.fetch_add(1, Ordering::SeqCst);
        self.inbox.waker.register(cx.waker());
        let take = |waiting: usize| waiting.checked_sub(1);
        let order = Ordering::SeqCst;
        match self.inbox.waiting.fetch_update(order, order, take) {
            Ok(_) => Poll::Ready(Some((Meta::default(), Ok(())))),
            Err(_) => Poll::Pending,
        }
    }

    fn poll_message(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        Poll::Pending
    }

    fn decode(_: Message) -> Option<(Meta, Result<(), Error>)> {
        None
    }

    fn has_had_its_turn(&self) -> bool {
        true
    }

    fn has_ended(&self) -> bool {
        false
    }
}

/// Goal: what one shard gives costs the others nothing, however many there are.
#[tokio::test]
async fn the_events_of_one_of_a_thousand_shards_poll_no_other() {
    let config = Config::new(crate::observe::watch::TOKEN, Intents::GUILDS);
    let shard = |number| Shard::with_config(id(number, 1_000), config.clone());
    let shards: Vec<_> = (0..1_000)
        .map(|number| Counted {
            shard: shard(number),
            inbox: Arc::default(),
        })
        .collect();
    let inboxes: Vec<_> = shards
        .iter()
        .map(|shard| Arc::clone(&shard.inbox))
        .collect();
    let polls = || -> Vec<usize> {
        let polls = inboxes
            .iter()
            .map(|inbox| inbox.polls.swap(0, Ordering::SeqCst));
        polls.collect()
    };
    let mut stream = ShardEventStream::new(shards);
    assert!(stream.next().now_or_never().is_none());
    assert!(polls().into_iter().all(|polls| polls == 1));
    for _ in 0..100 {
        inboxes[7].waiting.fetch_add(1, Ordering::SeqCst);
        inboxes[7].waker.wake();
        let (shard, _) = stream.next().now_or_never().unwrap().unwrap();
        assert_eq!(shard.id().number(), 7);
        assert!(stream.next().now_or_never().is_none());
    }
    let polls = polls();
    assert_eq!(polls.iter().sum::<usize>(), polls[7], "of others");
    assert_eq!(
        polls[7], 200,
        "one for the event, one to know that it was all"
    );
}

/// Method: a future of `next` lives for one poll only, and in the end everything was given once.
#[tokio::test(start_paused = true)]
async fn a_next_that_is_dropped_loses_nothing() {
    let (bench, mut shards) = bench(4);
    let mut stream = ShardMessageStream::new(shards.iter_mut());
    let mut seqs = vec![0; 4];
    for _ in 0..1_000 {
        let Some(item) = stream.next().now_or_never() else {
            for number in 0..4 {
                bench.gateway.send(id(number, 4), "TEST", "{}").unwrap();
            }
            sleep(Duration::from_millis(1)).await;
            continue;
        };
        let (shard, message) = item.unwrap();
        if let Message::Frame(frame) = message.unwrap() {
            let last = &mut seqs[shard.id().number() as usize];
            *last += 1;
            assert_eq!(frame.seq(), Some(*last));
        }
    }
    assert!(seqs.iter().all(|seq| *seq > 10), "{seqs:?}");
}

/// Goal: a task with more to take than the runtime's share of a turn neither spins nor starves
/// others. Method: 16 full buffers, all there before the first is taken, on one thread.
#[tokio::test(start_paused = true)]
async fn a_stream_that_always_has_something_lets_other_tasks_run() {
    let (bench, shards) = bench(16);
    let mut stream = ShardEventStream::new(shards);
    until_ready(&mut stream, 16).await;
    for number in 0..16 {
        for _ in 0..1_000 {
            bench.gateway.send(id(number, 16), "TEST", "{}").unwrap();
        }
    }
    sleep(Duration::from_secs(1)).await;
    let turns = Arc::new(AtomicUsize::new(0));
    let counter = tokio::spawn({
        let turns = Arc::clone(&turns);
        async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        }
    });
    let mut events = 0;
    while events < 16_000 {
        let (_, event) = stream.next().await.unwrap();
        events += usize::from(!matches!(event.unwrap(), Event::Gateway(_)));
    }
    assert!(turns.load(Ordering::Relaxed) > 0);
    counter.abort();
}
