//! What does a broker cost? The same events, typed, by shards in one process, and by a node, a NATS
//! server and a worker: how many a second on this machine, and how much processor time each takes.

use std::{
    env,
    io::{self, Write as _},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use shardstream::{
    Compression, Config, Intents, ShardId,
    local::{Event, Feed, Gateway},
    stream::{self, ShardEventStream},
};

use super::{
    SHARDS,
    broker::Broker,
    process::{self, Book, Process, asked_to_leave, told},
};

/// Thirteen events of the shape that Discord sends, invented.
const FRAMES: &str = include_str!("../../examples/frames/harbour.jsonl");

/// How often each shard sends them.
const REPEAT: u64 = 600;

/// How many events a process counts before it says so.
const COUNT: &str = "SHARDSTREAM_CLUSTER_COUNT";

/// No process takes longer.
const PATIENCE: Duration = Duration::from_mins(5);

/// Counts events, and says when all are there.
pub(crate) struct Counter {
    count: AtomicU64,
    wanted: Option<u64>,
}

impl Counter {
    pub(crate) fn new() -> Self {
        let wanted = env::var(COUNT).ok();
        Self {
            count: AtomicU64::new(0),
            wanted: wanted.and_then(|text| text.parse().ok()),
        }
    }

    pub(crate) fn count(&self) {
        let count = 1 + self.count.fetch_add(1, Ordering::Relaxed);
        if self.wanted == Some(count) {
            let mut out = io::stdout().lock();
            writeln!(out, "\nhandled 0 0 {count}").expect("a reader");
            out.flush().expect("a reader");
        }
    }
}

/// All shards in this process, typed events counted.
pub(crate) fn run_direct() {
    let Some(gateway) = told(process::GATEWAY) else {
        return;
    };
    process::runtime().block_on(async {
        let config = config(&gateway);
        let queue = shardstream::queue::LocalQueue::with_limits(
            SHARDS.into(),
            1000,
            1000,
            Duration::from_hours(24),
            Duration::from_secs(5),
        );
        let queue = std::sync::Arc::new(queue);
        let shards = stream::create_range(0..SHARDS, SHARDS, config, |_: ShardId, builder| {
            builder.queue(queue.clone()).build()
        });
        let mut events = ShardEventStream::new(shards);
        let counter = Counter::new();
        let counting = async {
            while let Some((_, event)) = events.next().await {
                let event = event.expect("an event");
                if !matches!(event, shardstream::discord::Event::Gateway(_)) {
                    counter.count();
                }
            }
        };
        tokio::select! {
            () = counting => {}
            () = asked_to_leave() => {}
        }
    });
}

fn config(gateway: &str) -> Config<shardstream::discord::Discord> {
    Config::builder("its.token", Intents::GUILDS)
        .gateway_url(gateway)
        .compression(Compression::None)
        .build()
        .expect("a configuration")
}

pub(crate) fn measure(program: &'static str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let gateway = || {
        let events: Result<Vec<_>, _> = FRAMES.lines().map(Event::from_frame).collect();
        let gateway = Gateway::builder()
            .max_concurrency(SHARDS)
            .shards(SHARDS)
            .log_events(false)
            .feed(Feed::new(events.expect("frames")).repeat(REPEAT))
            .start();
        runtime.block_on(gateway).expect("a port")
    };
    // READY is one more.
    let each = 1 + REPEAT * FRAMES.lines().count() as u64;
    let total = each * u64::from(SHARDS);
    let book = Book::default();
    let direct = gateway();
    let urls = (direct.url(), direct.rest_url());
    let count = [(COUNT, total.to_string())];
    let begin = Instant::now();
    let alone = Process::start(
        "direct",
        "the_direct_process",
        "",
        urls,
        Some(&book),
        &count,
    );
    wait(&book);
    let (took_alone, cpu_alone) = (begin.elapsed(), alone.cpu());
    drop((alone, direct));
    print("no broker", total, took_alone, &[("process", cpu_alone)]);

    let book = Book::default();
    let broker = Broker::start(program);
    let behind = gateway();
    let urls = (behind.url(), behind.rest_url());
    let url = broker.url();
    let worker = ("", "");
    let begin = Instant::now();
    let node = Process::node("node", &url, urls);
    let worker = Process::start(
        "worker",
        "the_worker_process",
        &url,
        worker,
        Some(&book),
        &count,
    );
    wait(&book);
    let took = begin.elapsed();
    let parts = [
        ("node", node.cpu()),
        ("NATS", broker.cpu()),
        ("worker", worker.cpu()),
    ];
    print("with broker", total, took, &parts);
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    let cpu: Duration = parts.iter().map(|(_, cpu)| *cpu).sum();
    eprintln!(
        "cluster | with a broker: {:.1} times as long, {:.1} times the processor time",
        ratio(took, took_alone),
        ratio(cpu, cpu_alone),
    );
}

fn wait(book: &Book) {
    let begin = Instant::now();
    while book.lock().is_ok_and(|book| book.is_empty()) {
        assert!(begin.elapsed() < PATIENCE, "it takes too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn print(what: &str, total: u64, took: Duration, parts: &[(&str, Duration)]) {
    #[expect(clippy::cast_precision_loss, reason = "a count of events, for people")]
    let total = total as f64;
    let each = |cpu: &Duration| cpu.as_secs_f64() * 1e6 / total;
    let parts = parts
        .iter()
        .map(|(name, cpu)| format!("{name} {:.1} us", each(cpu)));
    let parts: Vec<_> = parts.collect();
    eprintln!(
        "cluster | {what}: {:.0} events a second; processor time an event: {}",
        total / took.as_secs_f64(),
        parts.join(", "),
    );
}
