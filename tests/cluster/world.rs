//! A gateway that never stops sending, a NATS server, nodes and workers; and what must be true of
//! what the workers have handled.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use shardstream::{
    Config, ErrorKind, Intents, ShardId,
    cluster::{Node, Worker},
    discord::Discord,
    local::{Act, Gateway, Stats},
};
use tokio::runtime::{Builder, Runtime};

use super::{
    LEASE, SHARDS,
    broker::{Broker, Way},
    process::{BOT, Book, Handled, Process},
};

/// Each shard has an event so often.
const INTERVAL: Duration = Duration::from_millis(30);

/// So long anything may take on a busy machine before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// Events by name, so that each shard has several subjects.
const NAMES: [&str; 3] = ["TIDE_HIGH", "TIDE_LOW", "FOG"];

pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) nodes: Vec<Process>,
    pub(crate) ways: Vec<Way>,
    workers: Vec<Process>,
    book: Book,
    gateway: Arc<Gateway>,
    sent: Arc<Vec<AtomicU64>>,
    stop: Arc<AtomicBool>,
    feed: Option<JoinHandle<()>>,
    runtime: Runtime,
    begin: Instant,
}

fn shard(number: u32) -> ShardId {
    ShardId::new(number, SHARDS).expect("a shard")
}

impl World {
    /// So many nodes, and two workers; everything runs.
    pub(crate) fn start(program: &'static str, nodes: usize) -> Self {
        let begin = Instant::now();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let gateway = Gateway::builder()
            .max_concurrency(SHARDS)
            .shards(SHARDS)
            .log_events(false)
            .start();
        let gateway = Arc::new(runtime.block_on(gateway).expect("a port"));
        let mut world = Self {
            broker: Broker::start(program),
            nodes: Vec::new(),
            ways: Vec::new(),
            workers: Vec::new(),
            book: Book::default(),
            gateway,
            sent: Arc::new((0..SHARDS).map(|_| AtomicU64::new(0)).collect()),
            stop: Arc::default(),
            feed: None,
            runtime,
            begin,
        };
        for _ in 0..nodes {
            world.add_node();
        }
        for number in 0..2 {
            let url = world.broker.url();
            let name = format!("worker {number}");
            world
                .workers
                .push(Process::worker(&name, &url, &world.book));
        }
        for number in 0..SHARDS {
            let id = Some(shard(number));
            let ready = world
                .gateway
                .wait_for(|record| record.shard == id && matches!(record.act, Act::Ready { .. }));
            world.runtime.block_on(ready).expect("the shard is ready");
        }
        world.feed = Some(world.feed());
        world.wait_until_all_flow();
        world.say("all flows");
        world
    }

    pub(crate) fn say(&self, what: &str) {
        eprintln!(
            "cluster | {:>5.1} s | {what}",
            self.begin.elapsed().as_secs_f64()
        );
    }

    /// One more node, with a way of its own to the broker.
    pub(crate) fn add_node(&mut self) {
        let way = Way::to(self.runtime.handle(), self.broker.port());
        let name = format!("node {}", self.nodes.len());
        let gateway = (self.gateway.url(), self.gateway.rest_url());
        self.nodes.push(Process::node(&name, &way.url, gateway));
        self.ways.push(way);
    }

    /// Another node in the place of one that is gone.
    pub(crate) fn replace_node(&mut self, index: usize) {
        let gateway = (self.gateway.url(), self.gateway.rest_url());
        let name = format!("{} again", self.nodes[index].name);
        self.nodes[index] = Process::node(&name, &self.ways[index].url, gateway);
    }

    /// A node stands still for three leases, and goes on.
    pub(crate) fn stand_still(&self, index: usize) {
        self.say(&format!("node {index} stands still"));
        self.nodes[index].signal("STOP");
        sleep(3 * LEASE);
        self.nodes[index].signal("CONT");
        self.say(&format!("node {index} goes on"));
    }

    /// The broker is killed, and started again with its store after a while.
    pub(crate) fn restart_broker(&mut self, after: Duration) {
        self.say("the broker is killed");
        self.broker.kill();
        sleep(after);
        self.broker.restart();
        self.say("the broker is back");
    }

    /// A node does not reach the broker for three leases; what it has sent arrives then.
    pub(crate) fn cut_off(&self, index: usize) {
        self.say(&format!("node {index} is cut off"));
        self.ways[index].cut();
        self.wait_until_all_flow();
        sleep(LEASE);
        self.ways[index].mend();
        self.say(&format!("node {index} is connected"));
        self.wait_until_all_flow();
    }

    /// All nodes are replaced, one by one.
    pub(crate) fn roll(&mut self) {
        for index in 0..self.nodes.len() {
            self.nodes[index].leave();
            self.replace_node(index);
            self.wait_until_all_flow();
            self.say(&format!("node {index} was replaced"));
        }
    }

    /// Writes garbage into these entries.
    pub(crate) fn spoil(&self, keys: &[&str]) {
        let (url, bucket) = (self.broker.url(), format!("shardstream_{BOT}_discord"));
        self.runtime.block_on(async {
            let client = async_nats::connect(url).await.expect("a NATS server");
            let bucket = async_nats::jetstream::new(client)
                .get_key_value(bucket)
                .await;
            let bucket = bucket.expect("the bucket is there");
            for key in keys {
                let written = bucket.put(*key, "\u{0}garbage".into()).await;
                written.expect("written");
            }
        });
    }

    /// Sends one command a shard from here, and some that are refused.
    pub(crate) fn send_commands(&self) {
        let url = self.broker.url();
        let worker = Worker::<Discord>::builder(BOT)
            .url(url)
            .lease(LEASE)
            .group("other");
        self.runtime.block_on(async {
            let commands = worker.connect().await.expect("a NATS server").commands();
            let refused = commands.send_payload(shard(3), 2, "own").await;
            assert_eq!(refused.expect_err("refused").kind(), ErrorKind::Command);
            let nobodys = ShardId::new(99, 100).expect("a shard");
            let unanswered = commands.send_payload(nobodys, 3, "lost").await;
            assert_eq!(
                unanswered.expect_err("nobody's").kind(),
                ErrorKind::Unanswered
            );
            for number in 0..SHARDS {
                let sent = commands.send_payload(shard(number), 3, &number).await;
                sent.expect("accepted");
            }
            for number in 0..SHARDS {
                let wanted = number.to_string();
                let is_it =
                    |act: &Act| matches!(act, Act::Command { op: 3, data } if *data == wanted);
                let seen = self
                    .gateway
                    .wait_for(|record| record.shard == Some(shard(number)) && is_it(&record.act));
                seen.await.expect("sent by the owner");
            }
        });
    }

    /// Drops every future of the cluster, at its polls.
    pub(crate) fn drop_futures(&self) {
        let (broker, gateway) = (self.broker.url(), &self.gateway);
        let dropped = super::dropped::all(&broker, (gateway.url(), gateway.rest_url()));
        self.runtime.block_on(dropped);
    }

    pub(crate) fn wait_for_resumes(&self, count: u64) {
        let begin = Instant::now();
        while self.stats().resumed < count {
            assert!(begin.elapsed() < PATIENCE, "{:?}", self.stats());
            sleep(Duration::from_millis(20));
        }
    }

    fn feed(&self) -> JoinHandle<()> {
        let (gateway, sent) = (Arc::clone(&self.gateway), Arc::clone(&self.sent));
        let stop = Arc::clone(&self.stop);
        thread::spawn(move || {
            while !stop.load(Ordering::Acquire) {
                for number in 0..SHARDS {
                    let count = &sent[number as usize];
                    let next = count.load(Ordering::Acquire);
                    let name = NAMES[usize::try_from(next).unwrap_or(0) % NAMES.len()];
                    let data = format!("{{\"n\":{next}}}");
                    let sessions = gateway.send(shard(number), name, &data).expect("JSON");
                    if sessions > 0 {
                        count.fetch_add(1, Ordering::AcqRel);
                    }
                }
                sleep(INTERVAL);
            }
        })
    }

    pub(crate) fn stats(&self) -> Stats {
        self.gateway.stats()
    }

    pub(crate) fn handled(&self) -> Vec<Handled> {
        self.book
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn sent(&self) -> Vec<u64> {
        let sent = self.sent.iter();
        sent.map(|count| count.load(Ordering::Acquire)).collect()
    }

    /// Waits until an event of each shard was handled that is sent from now on; how long it took.
    pub(crate) fn wait_until_all_flow(&self) -> Duration {
        let (from, begin) = (self.sent(), Instant::now());
        loop {
            let mut last = vec![None; SHARDS as usize];
            for handled in self.handled() {
                let last = &mut last[handled.shard as usize];
                *last = (*last).max(Some(handled.number));
            }
            let flows = last.iter().zip(&from);
            let still: Vec<_> = flows
                .enumerate()
                .filter(|(_, (last, from))| last.is_none_or(|last| last < **from))
                .map(|(number, _)| number)
                .collect();
            if still.is_empty() {
                return begin.elapsed();
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "nothing comes of shards {still:?}"
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Ends the feed, waits until all is handled, and holds what was handled against the feed:
    /// everything once, each shard in order. Nothing was refused by the gateway.
    pub(crate) fn finish(mut self) -> Stats {
        self.stop.store(true, Ordering::Release);
        if let Some(feed) = self.feed.take() {
            feed.join().expect("the feed does not panic");
        }
        let sent = self.sent();
        let total = usize::try_from(sent.iter().sum::<u64>()).unwrap_or(usize::MAX);
        let begin = Instant::now();
        while self.handled().len() < total && begin.elapsed() < PATIENCE {
            sleep(Duration::from_millis(20));
        }
        // What comes twice may come a little later.
        sleep(Duration::from_millis(300));
        let mut handled = self.handled();
        handled.sort_unstable();
        for number in 0..SHARDS {
            let of_shard = handled.iter().filter(|handled| handled.shard == number);
            let numbers: Vec<_> = of_shard.map(|handled| handled.number).collect();
            let expected: Vec<_> = (0..sent[number as usize]).collect();
            if numbers != expected {
                let at = numbers
                    .iter()
                    .zip(&expected)
                    .position(|(got, want)| got != want);
                let at = at.unwrap_or_else(|| numbers.len().min(expected.len()));
                let around = |numbers: &[u64]| {
                    let from = at.saturating_sub(3).min(numbers.len());
                    numbers[from..(at + 12).min(numbers.len())].to_vec()
                };
                panic!(
                    "shard {number}: {} handled of {} sent; at {at}: {:?} for {:?}",
                    numbers.len(),
                    expected.len(),
                    around(&numbers),
                    around(&expected),
                );
            }
        }
        let stats = self.stats();
        assert_eq!(stats.refused, 0, "the gateway refused something");
        let alive = (self.workers.iter_mut()).all(Process::is_running);
        assert!(alive, "a worker has ended");
        self.say(&format!("{total} events, each once and in order"));
        stats
    }
}

/// What a node and a worker say that find no usable broker there.
pub(crate) fn refused(url: &str) -> String {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let config = Config::new("its.token", Intents::GUILDS);
        let node = Node::builder(config, "bot").url(url).connect().await;
        let worker = Worker::<Discord>::builder("bot").url(url).connect().await;
        let (node, worker) = (node.expect_err("no node"), worker.expect_err("no worker"));
        assert_eq!(
            (node.kind(), worker.kind()),
            (ErrorKind::Connect, ErrorKind::Connect)
        );
        assert_eq!(node.to_string(), worker.to_string());
        node.to_string()
    })
}

/// Tests with so many processes take turns.
pub(crate) fn turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
