//! Both sets whole, over pipes in memory and with paused time, against the local gateway.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use futures::StreamExt;
use tokio::time::{sleep, timeout};

use crate::{
    Config, Error, Message, Shard, ShardHandle, ShardId, Shutdown,
    discord::{Discord, Event},
    local::{Fault, Gateway, Moment, Step},
    queue::LocalQueue,
    shard::tests::bench::{Bench, name_of},
    stream::{Reshard, ShardEventStream},
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
    /// A new shard is still to lose its session.
    losing: bool,
    readies: u32,
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
                let guilds = ready.guilds.iter().map(|guild| guild.id.get());
                self.to_show.extend(guilds);
                self.shown.retain(|guild| !self.to_show.contains(guild));
                self.to_show.sort_unstable();
                self.to_show.dedup();
                self.readies += 1;
                if self.readies >= NEW && mem::take(&mut self.losing) {
                    let lost = id(self.rng.u32(..NEW), NEW);
                    self.bench
                        .gateway
                        .order(lost, [Step::InvalidSession(false)]);
                }
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
        losing: rng.bool(),
        readies: 0,
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
/// the order of its guild. Method: random delays, cuts and resumes on all connections, a new shard
/// that loses its session, equal events, members in another order, guilds shown one by one.
/// `SHARDSTREAM_SEEDS=A..B` names other seeds.
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

/// What the stream gives until nothing comes for a minute: which shard of how many, and what.
async fn all(stream: &mut Reshard<Shard>) -> Vec<(ShardId, String)> {
    let mut all = Vec::new();
    while let Ok(Some((shard, event))) = timeout(Duration::from_mins(1), stream.next()).await {
        let what = match event {
            Ok(event) => name_of(&event),
            Err(error) => format!("{} {:?}", error.kind().name(), error.close_code()),
        };
        all.push((shard.id(), what));
        assert!(all.len() < 10_000);
    }
    all
}

fn count(all: &[(ShardId, String)], wanted: &str) -> usize {
    all.iter().filter(|(_, what)| what == wanted).count()
}

/// A guild that number `shard` of the old set owns, and number `shard + 4` of the new.
fn guild_of(shard: u64) -> u64 {
    (shard + 4) << 22
}

fn send(bench: &Bench, total: u32, guild: u64, name: &str) -> usize {
    let data = format!(r#"{{"guild_id":"{guild}"}}"#);
    let to = owner(guild, total);
    bench.gateway.send(to, name, &data).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_new_shard_that_ends_is_told_and_the_old_set_goes_on() {
    let (bench, config) = bench(&[]);
    let old = old_set(&config).await;
    let refused = Fault::close_on_identify(4014);
    bench.gateway.misbehave_shard(id(3, NEW), [refused]);
    let mut stream = old.reshard(shards(&config, NEW));
    let told = all(&mut stream).await;
    assert_eq!(count(&told, "refused Some(4014)"), 1);
    assert!(stream.is_given_up() && !stream.is_complete());
    assert_eq!(stream.progress().shards, 0);
    assert_eq!(send(&bench, OLD, guild_of(1), "ON"), 1);
    assert_eq!(send(&bench, NEW, guild_of(1), "ON"), 0);
    assert_eq!(all(&mut stream).await, [(id(1, OLD), "ON".to_owned())]);
    assert_eq!(stream.shutdown(Shutdown::Keep).await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_guilds_of_an_old_shard_that_ends_are_the_new_sets_before_the_others() {
    let (bench, config) = bench(&[]);
    let old = old_set(&config).await;
    // The last of the new set is late.
    let late = Fault::at(
        Moment::Identify,
        [Step::Wait(Duration::from_secs(25)), Step::Answer],
    );
    bench.gateway.misbehave_shard(id(7, NEW), [late]);
    let mut stream = old.reshard(shards(&config, NEW));
    let begun = async {
        let mut readies = 0;
        while readies < 7 {
            let (_, event) = stream.next().await.unwrap();
            readies += u32::from(matches!(event.unwrap(), Event::Ready(_)));
        }
    };
    timeout(PATIENCE, begun).await.unwrap();
    bench.gateway.order(id(1, OLD), [Step::Close(4014)]);
    let gone = async { while stream.next().await.unwrap().1.is_ok() {} };
    timeout(PATIENCE, gone).await.unwrap();
    for shard in 0..2 {
        send(&bench, OLD, guild_of(shard), "ON");
        send(&bench, NEW, guild_of(shard), "ON");
    }
    let told = all(&mut stream).await;
    let from = |shard| {
        told.iter()
            .filter(|(id, _)| *id == shard)
            .any(|(_, what)| what == "ON")
    };
    assert_eq!(count(&told, "ON"), 2, "{told:?}");
    assert!(from(id(0, OLD)) && from(id(5, NEW)), "{told:?}");
    assert!(stream.is_complete());
    // None of the old set's errors is the user's business once it is closed.
    assert_eq!(count(&told, "shutdown None"), 0);
}

#[tokio::test(start_paused = true)]
async fn without_an_old_set_the_new_one_starts_plainly() {
    let (bench, config) = bench(&[guild_of(0)]);
    let mut stream = Reshard::new([], shards(&config, NEW));
    assert!(stream.is_complete());
    assert_eq!(count(&all(&mut stream).await, "READY"), 8);
    send(&bench, NEW, guild_of(0), "ON");
    assert_eq!(count(&all(&mut stream).await, "ON"), 1);
}

#[tokio::test(start_paused = true)]
async fn keeping_in_the_middle_keeps_the_set_whose_events_these_are() {
    let (bench, config) = bench(&[]);
    let old = old_set(&config).await;
    bench
        .gateway
        .misbehave_shard(id(7, NEW), [Fault::no_ready()]);
    let mut stream = old.reshard(shards(&config, NEW));
    let begun = async {
        let mut readies = 0;
        while readies < 7 {
            let (_, event) = stream.next().await.unwrap();
            readies += u32::from(matches!(event.unwrap(), Event::Ready(_)));
        }
    };
    timeout(PATIENCE, begun).await.unwrap();
    let kept = stream.shutdown(Shutdown::Keep).await;
    let totals: Vec<_> = kept.iter().map(|state| state.shard().total()).collect();
    assert_eq!(totals, [OLD; 4]);
}

crate::own_events! {
    #[derive(Debug)]
    enum Only {
        On = "ON",
    }
}

/// Goal: also who wants neither READY nor notices is handed over, once nothing is shown any more.
#[tokio::test(start_paused = true)]
async fn a_set_grows_though_only_one_event_is_wanted() {
    let (bench, config) = bench(&[guild_of(0)]);
    let typed = |total| shards(&config, total).into_iter().map(Shard::typed::<Only>);
    let mut old = ShardEventStream::new(typed(OLD));
    assert!(timeout(Duration::from_secs(1), old.next()).await.is_err());
    let mut stream = old.reshard(typed(NEW));
    let mut given = 0;
    for n in 0..200 {
        let data = format!(r#"{{"guild_id":"{}","n":{n}}}"#, guild_of(0));
        for total in [OLD, NEW] {
            let to = owner(guild_of(0), total);
            bench.gateway.send(to, "ON", &data).unwrap();
        }
        sleep(Duration::from_millis(300)).await;
        while let Ok(item) = timeout(Duration::from_millis(1), stream.next()).await {
            assert!(matches!(item.unwrap().1.unwrap(), Only::On));
            given += 1;
        }
    }
    assert!(stream.is_complete());
    assert_eq!(given, 200);
}

#[tokio::test(start_paused = true)]
async fn raw_messages_are_handed_over_as_events_are() {
    let (bench, config) = bench(&[]);
    let mut stream = old_set(&config).await.reshard(shards(&config, NEW));
    let mut from = BTreeMap::<u32, u32>::new();
    for _ in 0..100 {
        send(&bench, OLD, guild_of(2), "ON");
        send(&bench, NEW, guild_of(2), "ON");
        while let Ok(item) = timeout(Duration::from_millis(100), stream.next_message()).await {
            let (shard, message) = item.unwrap();
            if let Message::Frame(frame) = message.unwrap()
                && frame.event_name().as_deref() == Some("ON")
            {
                *from.entry(shard.id().total()).or_default() += 1;
            }
        }
    }
    assert_eq!(from.values().sum::<u32>(), 100);
    assert!(
        from.contains_key(&OLD) && from.contains_key(&NEW),
        "{from:?}"
    );
}

/// Goal: who has passed a mark has all that was sent before it was asked for. Method: what was sent
/// comes late, over the same connection or over the next one.
#[tokio::test(start_paused = true)]
async fn a_mark_is_passed_with_everything_that_was_sent_before() {
    let (bench, config) = bench(&[]);
    let mut shard = shards(&config, 1).remove(0);
    let handle = shard.handle();
    let late = Step::Wait(Duration::from_millis(700));
    let rounds = [late.clone(), Step::Rst, late.clone(), Step::Reconnect, late];
    let mut taken = 0;
    let mut sent = 0;
    while !shard.is_ready() {
        timeout(PATIENCE, shard.next_event())
            .await
            .unwrap()
            .unwrap();
    }
    for (ticket, step) in (1..).zip(rounds) {
        bench.gateway.order(id(0, 1), [step]);
        for _ in 0..10 {
            sent += 1;
            bench.gateway.send(id(0, 1), "TEST", "{}").unwrap();
        }
        handle.set_mark(ticket);
        assert!(!handle.has_passed(ticket));
        for _ in 0..2_000 {
            let event = timeout(Duration::from_millis(10), shard.next_event()).await;
            let is_test = |event: &Event| matches!(event, Event::Unknown(_));
            taken += u64::from(event.is_ok_and(|event| is_test(&event.unwrap())));
            if handle.has_passed(ticket) {
                break;
            }
        }
        assert!(handle.has_passed(ticket), "mark {ticket}");
        assert_eq!(taken, sent, "mark {ticket}");
    }
}
