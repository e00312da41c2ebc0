//! Sets of shards over real sockets: order and counts. How long things take is asked in virtual
//! time, beside the code.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{StreamExt, future::BoxFuture};
use serde::Deserialize;
use shardstream::{
    Config, Error, Intents, Limits, Message, Shard, ShardId, Shutdown,
    local::{Act, Gateway, Step},
    queue::{LocalQueue, Permit, Queue},
    rest,
    stream::{self, ShardMessageStream},
};
use tokio::{sync::Barrier, time::timeout};

/// For all that a test waits for, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// The window of five seconds, scaled down.
const WINDOW: Duration = Duration::from_millis(100);

/// All shards that the gateway recommends, by the queue of the library or by another one.
async fn recommended(gateway: &Gateway, queue: Option<Arc<dyn Queue>>) -> Vec<Shard> {
    let client = rest::Client::new(crate::watch::token()).base_url(gateway.rest_url());
    let mut limits = Limits::default();
    limits.identify_window = WINDOW;
    let mut config = Config::builder(crate::watch::token(), Intents::GUILDS).limits(limits);
    if let Some(queue) = queue {
        config = config.queue(queue);
    }
    let config = config.build().unwrap();
    let shards = stream::create_recommended(&client, config, |_, builder| builder.build());
    shards.await.unwrap().collect()
}

/// A gateway that recommends so many and leaves the pace to the client: its own clock would see
/// what a busy machine does to two messages on their way.
async fn gateway(shards: u32, max_concurrency: u32) -> Gateway {
    let builder = Gateway::builder()
        .shards(shards)
        .max_concurrency(max_concurrency)
        .identify_window(Duration::ZERO)
        .log_events(false);
    builder.start().await.unwrap()
}

type Stream = ShardMessageStream<Shard>;

/// The next dispatch: the number of its shard, its name, its sequence, its text.
async fn next(stream: &mut Stream) -> (u32, String, u64, String) {
    loop {
        let item = timeout(PATIENCE, stream.next()).await.expect("an item");
        let (shard, message) = item.expect("the shards go on");
        if let Message::Frame(frame) = message.unwrap() {
            let name = frame.event_name().unwrap().into_owned();
            return (
                shard.id().number(),
                name,
                frame.seq().unwrap(),
                frame.text().to_owned(),
            );
        }
    }
}

async fn until_ready(stream: &mut Stream, mut shards: u32) {
    while shards > 0 {
        let (_, name, ..) = next(stream).await;
        assert_eq!(name, "READY");
        shards -= 1;
    }
}

/// The queue of the library, which all shards come to at once, and which notes when they identify.
#[derive(Debug)]
struct Noting {
    queue: LocalQueue,
    all_are_here: Arc<Barrier>,
    identified: Arc<Mutex<Vec<(u32, Instant)>>>,
}

impl Queue for Noting {
    fn acquire(&self, shard: ShardId) -> BoxFuture<'static, Result<Permit, Error>> {
        let (queue, all_are_here) = (self.queue.clone(), Arc::clone(&self.all_are_here));
        let identified = Arc::clone(&self.identified);
        Box::pin(async move {
            all_are_here.wait().await;
            let permit = Arc::new(Mutex::new(Some(queue.acquire(shard).await?)));
            let unused = Arc::clone(&permit);
            let spend = move || {
                // Before the queue's own look at the clock, so that no gap seems too short.
                let now = (shard.number(), Instant::now());
                identified.lock().unwrap().push(now);
                if let Some(permit) = permit.lock().unwrap().take() {
                    permit.spend();
                }
            };
            Ok(Permit::new(spend, move || {
                drop(unused.lock().unwrap().take());
            }))
        })
    }
}

/// Goal: the pace of identifies over real sockets. Method: all 64 wait before the first may go; the
/// times are those at which the client sent, so a slow machine only makes gaps longer.
#[tokio::test]
async fn sixty_four_shards_identify_one_a_bucket_and_window_and_in_bucket_order() {
    let gateway = gateway(64, 16).await;
    let identified = Arc::new(Mutex::new(Vec::new()));
    let queue = Noting {
        queue: LocalQueue::with_limits(16, 1_000, 1_000, Duration::from_hours(24), WINDOW),
        all_are_here: Arc::new(Barrier::new(64)),
        identified: Arc::clone(&identified),
    };
    let shards = recommended(&gateway, Some(Arc::new(queue))).await;
    let mut stream = ShardMessageStream::new(shards);
    until_ready(&mut stream, 64).await;

    let identified = identified.lock().unwrap().clone();
    assert_eq!(identified.len(), 64);
    for bucket in 0..16 {
        let in_bucket = identified.iter().filter(|(shard, _)| shard % 16 == bucket);
        let in_bucket: Vec<_> = in_bucket.collect();
        assert_eq!(in_bucket.len(), 4);
        for pair in in_bucket.windows(2) {
            assert!(pair[1].1 - pair[0].1 >= WINDOW, "{in_bucket:?}");
        }
        // The first found its bucket free, the others were waiting by then.
        assert!(in_bucket[1..].is_sorted_by_key(|(shard, _)| shard));
    }
    let mut times: Vec<_> = identified.iter().map(|(_, at)| *at).collect();
    times.sort();
    for window in times.windows(17) {
        assert!(window[16] - window[0] >= WINDOW, "17 in one window");
    }
    let stats = gateway.stats();
    assert_eq!(
        (stats.identifies, stats.readies, stats.refused),
        (64, 64, 0)
    );
}

/// Goal: what `/gateway/bot` says of buckets is kept by whoever just follows the recommendation.
#[tokio::test]
async fn the_recommended_shards_know_how_many_may_start_at_once() {
    let gateway = gateway(64, 16).await;
    let shards = recommended(&gateway, None).await;
    let progress = stream::progress(shards.iter().map(Shard::handle));
    assert_eq!((progress.shards, progress.ready), (64, 0));
    assert_eq!(progress.identified_in, Some(3 * WINDOW));

    let mut stream = ShardMessageStream::new(shards);
    until_ready(&mut stream, 64).await;
    let progress = stream.progress();
    assert!(progress.is_complete());
    assert_eq!(progress.identified_in, Some(Duration::ZERO));
    assert_eq!(gateway.stats().identifies, 64);
    let sessions = stream.shutdown(Shutdown::Keep).await;
    assert_eq!(sessions.len(), 64);
}

#[derive(Deserialize)]
struct Tick {
    d: Number,
}

#[derive(Deserialize)]
struct Number {
    n: u64,
}

/// What each shard got: the numbers of the ticks, and the last sequence.
#[derive(Default)]
struct Got {
    ticks: Vec<u64>,
    seq: u64,
}

/// Takes what comes until every shard has so many ticks and `back` of them have resumed.
async fn take(stream: &mut Stream, got: &mut BTreeMap<u32, Got>, ticks: usize, back: u32) {
    let mut resumed = 0;
    while resumed < back || got.values().any(|got| got.ticks.len() < ticks) {
        let (shard, name, seq, text) = next(stream).await;
        let got = got.get_mut(&shard).unwrap();
        got.seq += 1;
        assert_eq!(seq, got.seq, "shard {shard} lost or doubled {name}");
        match name.as_str() {
            "TICK" => got
                .ticks
                .push(serde_json::from_str::<Tick>(&text).unwrap().d.n),
            "RESUMED" => resumed += 1,
            _ => panic!("{name}"),
        }
    }
}

/// Goal: one cut of everything costs no identify and no event. Method: numbered events before the
/// cut, while all are away, and after; each shard must have every number once and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_shards_cut_at_one_instant_resume_and_lose_or_double_nothing() {
    let gateway = gateway(200, 200).await;
    let shards = recommended(&gateway, None).await;
    let mut stream = ShardMessageStream::new(shards);
    until_ready(&mut stream, 200).await;
    let start = (0..200).map(|shard| {
        (
            shard,
            Got {
                ticks: Vec::new(),
                seq: 1,
            },
        )
    });
    let mut got: BTreeMap<u32, Got> = start.collect();

    let tick = |numbers: std::ops::Range<u64>| {
        for n in numbers {
            let sent = gateway.broadcast("TICK", &format!("{{\"n\":{n}}}"));
            assert_eq!(sent.unwrap(), 200);
        }
    };
    tick(0..20);
    take(&mut stream, &mut got, 20, 0).await;
    // These may be on their way, or not yet.
    tick(20..40);
    assert_eq!(gateway.order_all([Step::Rst]), 200);
    tick(40..60);
    take(&mut stream, &mut got, 60, 200).await;
    tick(60..80);
    take(&mut stream, &mut got, 80, 0).await;

    for (shard, got) in &got {
        assert_eq!(got.ticks, (0..80).collect::<Vec<_>>(), "shard {shard}");
    }
    let stats = gateway.stats();
    assert_eq!(
        (stats.identifies, stats.resumes, stats.resumed),
        (200, 200, 200)
    );
    let cut = |act: &Act| {
        matches!(
            act,
            Act::End {
                how: shardstream::local::End::Rst
            }
        )
    };
    let cuts = gateway
        .log()
        .iter()
        .filter(|record| cut(&record.act))
        .count();
    assert_eq!(cuts, 200);
}
