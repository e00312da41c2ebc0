//! Both sets whole, over pipes in memory and with paused time, against the local gateway.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use futures::StreamExt;
use tokio::time::timeout;

use crate::{
    Config, Error, Shard, ShardHandle, ShardId,
    discord::{Discord, Event},
    local::{Gateway, Step},
    queue::LocalQueue,
    shard::tests::bench::Bench,
    stream::ShardEventStream,
};

const PATIENCE: Duration = Duration::from_hours(1);
const OLD: u32 = 4;
const NEW: u32 = 8;
const TURNS_MAX: usize = 200_000;

fn id(number: u32, total: u32) -> ShardId {
    ShardId::new(number, total).unwrap()
}

fn owner(guild: u64, total: u32) -> ShardId {
    id(super::owner(Some(guild), total), total)
}

/// A gateway on which all may identify at once.
fn bench(guilds: &[u64]) -> (Bench, Config<Discord>) {
    let builder = Gateway::builder().max_concurrency(16).log_events(false);
    let bench = Bench::with(builder.guilds(guilds));
    let (window, day) = (Duration::from_secs(5), Duration::from_hours(24));
    let queue = LocalQueue::with_limits(16, 1_000, 1_000, day, window);
    let config = bench.config().queue(Arc::new(queue)).build().unwrap();
    (bench, config)
}

fn shards(config: &Config<Discord>, total: u32) -> Vec<Shard> {
    let shard = |number| Shard::with_config(id(number, total), config.clone());
    (0..total).map(shard).collect()
}

/// The old set, ready.
async fn old_set(config: &Config<Discord>) -> ShardEventStream<Shard> {
    let mut stream = ShardEventStream::new(shards(config, OLD));
    let mut missing = OLD;
    while missing > 0 {
        let (_, event) = timeout(PATIENCE, stream.next()).await.unwrap().unwrap();
        missing -= u32::from(matches!(event.unwrap(), Event::Ready(_)));
    }
    stream
}

/// Guilds in which things happen, and what became of them.
struct World {
    bench: Bench,
    rng: Rng,
    guilds: Vec<u64>,
    /// How many different events there are.
    looks: u64,
    /// The guilds that the new set was shown. Before that it gets no events of theirs.
    shown: BTreeSet<u64>,
    to_show: Vec<u64>,
    published: BTreeMap<u64, Vec<u64>>,
    given: BTreeMap<u64, Vec<u64>>,
    disturbances: usize,
}

impl World {
    fn publish(&mut self) {
        let guild = self.guilds[self.rng.usize(..self.guilds.len())];
        let n = self.rng.u64(..self.looks);
        let (one, other) = (
            format!(r#"{{"guild_id":"{guild}","n":{n}}}"#),
            format!(r#"{{"n":{n},"guild_id":"{guild}"}}"#),
        );
        let gateway = &self.bench.gateway;
        // Nobody, once the old set is closed.
        gateway.send(owner(guild, OLD), "TEST", &one).unwrap();
        if self.shown.contains(&guild) {
            gateway.send(owner(guild, NEW), "TEST", &other).unwrap();
        }
        self.published.entry(guild).or_default().push(n);
    }

    /// The new set is shown a guild, as the platform does one by one after READY.
    fn show(&mut self) {
        let Some(guild) = self.to_show.pop() else {
            return;
        };
        let data = format!(r#"{{"id":"{guild}","unavailable":true}}"#);
        let reached = self
            .bench
            .gateway
            .send(owner(guild, NEW), "GUILD_DELETE", &data);
        if reached.unwrap() > 0 {
            self.shown.insert(guild);
        }
    }

    fn disturb(&mut self) {
        self.disturbances -= 1;
        let total = if self.rng.bool() { OLD } else { NEW };
        let shard = id(self.rng.u32(..total), total);
        let wait = Duration::from_millis(self.rng.u64(..400));
        let steps = match self.rng.u8(..8) {
            0 => vec![Step::Rst],
            1 => vec![Step::Reconnect],
            _ => vec![Step::Wait(wait)],
        };
        self.bench.gateway.order(shard, steps);
    }

    fn turn(&mut self) {
        for _ in 0..self.rng.usize(..4) {
            self.publish();
        }
        if self.rng.u8(..2) == 0 {
            self.show();
        }
        if self.disturbances > 0 && self.rng.u8(..8) == 0 {
            self.disturb();
        }
    }

    fn take(&mut self, shard: &ShardHandle, event: &Result<Event, Error>) {
        match event {
            Ok(Event::Ready(ready)) if shard.id().total() == NEW => {
                self.to_show
                    .extend(ready.guilds.iter().map(|guild| guild.id.get()));
                self.rng.shuffle(&mut self.to_show);
            }
            Ok(Event::Unknown(unknown)) => {
                let data: serde_json::Value = serde_json::from_str(&unknown.data).unwrap();
                let guild = data["guild_id"].as_str().unwrap().parse().unwrap();
                let given: &mut Vec<u64> = self.given.entry(guild).or_default();
                given.push(data["n"].as_u64().unwrap());
            }
            Ok(_) => {}
            Err(error) => panic!("{error:?} of {}", shard.id()),
        }
    }
}

/// Grows a set in a world made from `seed`; when the old set's last shards were closed.
async fn grow(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let guilds: Vec<_> = (0..200).map(|_| rng.u64(1..1 << 62)).collect();
    let (bench, config) = bench(&guilds);
    let mut world = World {
        bench,
        guilds,
        looks: [2, 5, 1 << 40][rng.usize(..3)],
        shown: BTreeSet::new(),
        to_show: Vec::new(),
        published: BTreeMap::new(),
        given: BTreeMap::new(),
        disturbances: rng.usize(..40),
        rng,
    };
    let mut stream = old_set(&config).await.reshard(shards(&config, NEW));
    let mut left = 100;
    for turn in 0.. {
        assert!(turn < TURNS_MAX, "no end, seed {seed}");
        world.turn();
        let wait = Duration::from_millis(world.rng.u64(..20));
        while let Ok(item) = timeout(wait, stream.next()).await {
            let (shard, event) = item.unwrap();
            world.take(&shard, &event);
            if world.rng.u8(..8) == 0 {
                break;
            }
        }
        left -= usize::from(stream.is_complete());
        if left == 0 {
            break;
        }
    }
    while let Ok(item) = timeout(Duration::from_mins(1), stream.next()).await {
        let (shard, event) = item.unwrap();
        world.take(&shard, &event);
    }
    for (guild, published) in &world.published {
        let given = world.given.get(guild).cloned().unwrap_or_default();
        assert_eq!(&given, published, "guild {guild}, seed {seed}");
    }
    assert!(stream.handles().all(|shard| shard.id().total() == NEW));
}

/// Goal: from 4 shards to 8 under a continuous feed for 200 guilds, each event is given once and in
/// the order of its guild. Method: random delays, cuts and resumes on all connections, equal
/// events, members in another order, guilds shown one by one; `SHARDSTREAM_SEEDS=A..B` names other
/// seeds.
#[tokio::test(start_paused = true)]
async fn a_set_grows_and_every_event_is_given_once_and_in_order() {
    let named = std::env::var("SHARDSTREAM_SEEDS").ok();
    let named = named.as_deref().and_then(|seeds| seeds.split_once(".."));
    let (from, to) = named.map_or((0, 12), |(from, to)| {
        (from.parse().unwrap(), to.parse().unwrap())
    });
    for seed in from..to {
        grow(seed).await;
    }
}
