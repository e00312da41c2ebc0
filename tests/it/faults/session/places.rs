//! What these tests stand on: a gateway in either place, a shard on it, and all that it gave.

use std::{
    io,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use shardstream::{
    Cause, Config, ConfigBuilder, Dial, Duplex, Intents, Limits, Message, Notice, Shard, ShardId,
    discord::Discord,
    local::{Act, Builder, Gateway, Record, Step},
    queue::LocalQueue,
};
use tokio::{
    runtime,
    time::{Instant, timeout},
};

/// By how much all limits are shorter over sockets.
const SCALE: u32 = 100;
/// What a measured wait may differ by in paused time: timers count milliseconds.
const SLACK: Duration = Duration::from_millis(20);

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The time from one moment to another that must come later.
pub(super) fn since(from: Duration, to: Duration) -> Duration {
    to.checked_sub(from).expect("in this order")
}

/// The most that fall into any window of that length.
pub(super) fn most_within(times: &[Duration], window: Duration) -> usize {
    let within = |from: &Duration| {
        let recent = times.iter().filter(|at| *at >= from);
        recent.take_while(|at| since(*from, **at) <= window).count()
    };
    times.iter().map(within).max().unwrap_or(0)
}

/// Where a scenario runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Over pipes, in paused time, with the limits that users have.
    Memory,
    /// Over sockets of this machine, with scaled limits.
    Sockets,
}

/// Runs a scenario in memory.
pub(super) fn in_memory<F: Future<Output = ()>>(scenario: impl Fn(Place) -> F) {
    let mut builder = runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(scenario(Place::Memory));
}

/// Runs a scenario in memory and over sockets.
pub(super) fn in_both<F: Future<Output = ()>>(scenario: impl Fn(Place) -> F) {
    in_memory(&scenario);
    let mut builder = runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(scenario(Place::Sockets));
}

impl Place {
    /// A time of the design in this place.
    pub(super) fn time(self, time: Duration) -> Duration {
        match self {
            Self::Memory => time,
            Self::Sockets => time / SCALE,
        }
    }

    /// The limits of this place.
    pub(super) fn limits(self) -> Limits {
        let mut limits = Limits::default();
        for limit in [
            &mut limits.backoff,
            &mut limits.backoff_max,
            &mut limits.close,
            &mut limits.heartbeat_interval_max,
            &mut limits.heartbeat_interval_min,
            &mut limits.hello,
            &mut limits.identify_backoff,
            &mut limits.identify_backoff_max,
            &mut limits.identify_window,
            &mut limits.ready,
            &mut limits.ready_max,
            &mut limits.resumed,
            &mut limits.send_window,
            &mut limits.silence_margin,
        ] {
            *limit = self.time(*limit);
        }
        limits
    }

    pub(super) async fn world(self) -> World {
        self.world_with(|builder| builder).await
    }

    pub(super) async fn world_with(self, options: impl FnOnce(Builder) -> Builder) -> World {
        let builder = options(self.gateway());
        let gateway = match self {
            Self::Memory => builder.start_in_memory(),
            Self::Sockets => builder.start().await.expect("a port"),
        };
        World::new(self, gateway)
    }

    /// A gateway with the times of this place.
    pub(super) fn gateway(self) -> Builder {
        Gateway::builder()
            .heartbeat_interval(self.time(ms(41_250)))
            .identify_window(self.limits().identify_window)
            .send_limit(120, self.limits().send_window)
            .patience(self.patience())
    }

    /// How long a test waits for what must come.
    fn patience(self) -> Duration {
        match self {
            Self::Memory => secs(400_000),
            Self::Sockets => secs(20),
        }
    }
}

/// A gateway, and how to reach it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) place: Place,
    pub(super) gateway: Arc<Gateway>,
    started: Instant,
    sent: AtomicU64,
    dials: Arc<Mutex<Vec<Instant>>>,
}

/// Dials the gateway in memory, whatever the host, and notes when.
#[derive(Debug)]
struct Memory {
    gateway: Arc<Gateway>,
    dials: Arc<Mutex<Vec<Instant>>>,
}

impl Dial for Memory {
    fn dial(&self, _: &str, _: u16, _: &Limits) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        self.dials
            .lock()
            .expect("nobody panics with it")
            .push(Instant::now());
        let stream = self.gateway.connect();
        async move { Ok(Box::new(stream) as Box<dyn Duplex>) }.boxed()
    }
}

/// One thing that a shard gave.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Got {
    Event {
        name: String,
        seq: Option<u64>,
        replayed: bool,
    },
    Notice(Notice),
    /// An error that is not fatal: its kind.
    Failed(&'static str),
    /// The end: kind, close code and text.
    End(&'static str, Option<u16>, String),
}

impl Got {
    pub(super) fn is_event(&self, wanted: &str) -> bool {
        matches!(self, Self::Event { name, .. } if name == wanted)
    }

    pub(super) fn is_notice(&self, wanted: &str) -> bool {
        matches!(self, Self::Notice(notice) if notice.name() == wanted)
    }

    pub(super) const fn is_end(&self) -> bool {
        matches!(self, Self::End(..))
    }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) at: Duration,
    pub(super) cause: Cause,
    pub(super) resumable: bool,
    pub(super) retry_in: Duration,
}

impl World {
    pub(super) fn new(place: Place, gateway: Gateway) -> Self {
        Self {
            place,
            gateway: Arc::new(gateway),
            started: Instant::now(),
            sent: AtomicU64::new(0),
            dials: Arc::default(),
        }
    }

    pub(super) fn config(&self) -> ConfigBuilder<Discord> {
        let limits = self.place.limits();
        let window = limits.identify_window;
        let queue = LocalQueue::with_limits(1, 1000, 1000, secs(86_400), window);
        let config = Config::builder(crate::watch::token_of("places"), Intents::GUILDS)
            .gateway_url(self.gateway.url())
            .limits(limits)
            .queue(Arc::new(queue));
        let memory = Memory {
            gateway: Arc::clone(&self.gateway),
            dials: Arc::clone(&self.dials),
        };
        match self.place {
            Place::Memory => config.dialler(Arc::new(memory)),
            Place::Sockets => config,
        }
    }

    pub(super) fn player(&self) -> Player<'_> {
        self.player_with(|config| config)
    }

    pub(super) fn player_with(
        &self,
        options: impl FnOnce(ConfigBuilder<Discord>) -> ConfigBuilder<Discord>,
    ) -> Player<'_> {
        let config = options(self.config()).build().expect("a configuration");
        Player {
            world: self,
            shard: Shard::with_config(ShardId::ONE, config),
            all: Vec::new(),
            checked_from: 0,
        }
    }

    /// A shard whose session is live, and has shown that it works.
    pub(super) async fn playing(&self) -> Player<'_> {
        let mut player = self.player();
        player.until_event("READY").await;
        player.goes_on().await;
        player
    }

    /// Sends so many events, named `E1`, `E2` and so on through the test.
    pub(super) fn send(&self, events: u64) {
        for _ in 0..events {
            let n = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
            let name = format!("E{n}");
            self.gateway.send(ShardId::ONE, &name, "{}").expect("JSON");
        }
    }

    pub(super) fn order(&self, steps: impl AsRef<[Step]>) {
        assert_eq!(self.gateway.order(ShardId::ONE, steps), 1);
    }

    /// The time by now, as in the records of the gateway.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// When the gateway was dialled; in memory only.
    pub(super) fn dials(&self) -> Vec<Duration> {
        let dials = self.dials.lock().expect("nobody panics with it");
        dials.iter().map(|at| *at - self.started).collect()
    }

    /// The times at which the gateway saw this.
    pub(super) fn times(&self, wanted: impl Fn(&Act) -> bool) -> Vec<Duration> {
        let seen = self.seen(wanted);
        seen.into_iter().map(|record| record.at).collect()
    }

    pub(super) fn seen(&self, wanted: impl Fn(&Act) -> bool) -> Vec<Record> {
        let log = self.gateway.log();
        log.into_iter().filter(|seen| wanted(&seen.act)).collect()
    }

    pub(super) fn connects(&self) -> Vec<Duration> {
        self.times(|act| matches!(act, Act::Connect { .. }))
    }

    pub(super) fn identifies(&self) -> Vec<Duration> {
        self.times(|act| matches!(act, Act::Identify { .. }))
    }

    pub(super) fn heartbeats(&self) -> Vec<Duration> {
        self.times(|act| matches!(act, Act::Heartbeat { .. }))
    }

    /// The sequences that RESUMEs carried.
    pub(super) fn resumes(&self) -> Vec<u64> {
        let log = self.gateway.log();
        log.into_iter()
            .filter_map(|record| match record.act {
                Act::Resume { seq, .. } => Some(seq),
                _ => None,
            })
            .collect()
    }

    /// The codes of the close frames that the client sent.
    pub(super) fn closes(&self) -> Vec<Option<u16>> {
        let log = self.gateway.log();
        log.into_iter()
            .filter_map(|record| match record.act {
                Act::Close { code, .. } => Some(code),
                _ => None,
            })
            .collect()
    }

    /// Compares a time that passed with the design; over sockets only that it did not take for
    /// ever, because the machine may be busy.
    pub(super) fn took(&self, took: Duration, expected: RangeInclusive<Duration>) {
        match self.place {
            Place::Memory => {
                let (low, high) = expected.into_inner();
                assert!(
                    took + SLACK >= low && took <= high + SLACK,
                    "{took:?} is not {low:?}..={high:?}"
                );
            }
            Place::Sockets => assert!(took < secs(10), "{took:?}"),
        }
    }
}

/// A shard, and all that it gave.
#[derive(Debug)]
pub(super) struct Player<'a> {
    pub(super) world: &'a World,
    pub(super) shard: Shard,
    pub(super) all: Vec<(Duration, Got)>,
    checked_from: u64,
}

impl Player<'_> {
    /// The next thing.
    pub(super) async fn next(&mut self) -> Got {
        let got = match self.shard.next_message().await {
            Ok(Message::Frame(frame)) => Got::Event {
                name: frame.event_name().expect("an event").into_owned(),
                seq: frame.seq(),
                replayed: frame.replayed(),
            },
            Ok(Message::Gateway(notice)) => Got::Notice(notice),
            Ok(other) => panic!("{other:?}"),
            Err(error) if error.is_fatal() => {
                Got::End(error.kind().name(), error.close_code(), error.to_string())
            }
            Err(error) => Got::Failed(error.kind().name()),
        };
        self.all.push((self.world.elapsed(), got.clone()));
        got
    }

    /// Takes what comes up to and with the first that `last` is true of: that one.
    pub(super) async fn until(&mut self, mut last: impl FnMut(&Got) -> bool) -> Got {
        let patience = self.world.place.patience();
        let search = async {
            loop {
                let got = self.next().await;
                if last(&got) {
                    return got;
                }
                assert!(!got.is_end(), "ended: {got:?}");
            }
        };
        let Ok(got) = timeout(patience, search).await else {
            panic!("not within {patience:?}: {:?}", self.all);
        };
        got
    }

    pub(super) async fn until_event(&mut self, name: &str) -> Option<u64> {
        match self.until(|got| got.is_event(name)).await {
            Got::Event { seq, .. } => seq,
            got => panic!("{got:?}"),
        }
    }

    pub(super) async fn until_notice(&mut self, name: &str) -> Notice {
        match self.until(|got| got.is_notice(name)).await {
            Got::Notice(notice) => notice,
            got => panic!("{got:?}"),
        }
    }

    /// The next end of a connection.
    pub(super) async fn until_ended(&mut self) -> Ended {
        self.until_notice("disconnected").await;
        self.ended().pop().expect("just given")
    }

    /// The end of the shard: kind, close code and text.
    pub(super) async fn until_end(&mut self) -> (&'static str, Option<u16>, String) {
        match self.until(Got::is_end).await {
            Got::End(kind, code, text) => (kind, code, text),
            got => panic!("{got:?}"),
        }
    }

    /// Takes what comes for so long.
    pub(super) async fn run_for(&mut self, time: Duration) {
        let until = Instant::now() + self.world.place.time(time);
        let all = async {
            while !self.next().await.is_end() {}
            tokio::time::sleep_until(until).await;
        };
        // That time passes is what was asked for.
        let _passed = tokio::time::timeout_at(until, all).await;
    }

    /// The next good event arrives; every event until then arrived once, in order, and with the
    /// sequence that the gateway gave it.
    pub(super) async fn goes_on(&mut self) {
        self.world.send(1);
        let sent = self.world.sent.load(Ordering::Relaxed);
        self.until_event(&format!("E{sent}")).await;
        let arrived = self.numbers();
        let expected: Vec<_> = (self.checked_from + 1..=sent).collect();
        assert_eq!(arrived, expected, "{:#?}", self.all);
        self.sequences_are_right();
    }

    /// Events until now may be missing: they went to a session that was lost.
    pub(super) fn forgive_losses(&mut self) {
        self.checked_from = self.world.sent.load(Ordering::Relaxed);
    }

    /// The numbers of the events that arrived and that may not be missing.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.events()
            .filter_map(|(name, _)| name.strip_prefix('E')?.parse().ok())
            .filter(|n| *n > self.checked_from)
            .collect()
    }

    fn sequences_are_right(&self) {
        let log = self.world.gateway.log();
        for (name, got) in self.events() {
            if !name.starts_with('E') {
                continue;
            }
            let given = log.iter().rev().find_map(|record| match &record.act {
                Act::Sent {
                    event: Some(event),
                    seq,
                    ..
                } if event == name => *seq,
                _ => None,
            });
            assert_eq!(got, given, "{name}");
        }
    }

    /// Names and sequences of the events.
    pub(super) fn events(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        self.all.iter().filter_map(|(_, got)| match got {
            Got::Event { name, seq, .. } => Some((name.as_str(), *seq)),
            _ => None,
        })
    }

    /// How often a notice of this name came.
    pub(super) fn notices(&self, name: &str) -> usize {
        let all = self.all.iter();
        all.filter(|(_, got)| got.is_notice(name)).count()
    }

    /// How the connections ended.
    pub(super) fn ended(&self) -> Vec<Ended> {
        self.all
            .iter()
            .filter_map(|(at, got)| match got {
                Got::Notice(Notice::Disconnected {
                    cause,
                    resumable,
                    retry_in,
                }) => Some(Ended {
                    at: *at,
                    cause: cause.clone(),
                    resumable: *resumable,
                    retry_in: *retry_in,
                }),
                _ => None,
            })
            .collect()
    }

    /// Checks a wait that was announced; `range` is of the design.
    pub(super) fn waits(&self, ended: &Ended, range: RangeInclusive<Duration>) {
        let place = self.world.place;
        let (low, high) = range.into_inner();
        let range = place.time(low)..=place.time(high);
        assert!(range.contains(&ended.retry_in), "{ended:?} not {range:?}");
    }
}
