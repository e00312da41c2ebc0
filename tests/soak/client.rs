//! The process that is measured: the shards, and users who check every event they get.

use std::{
    env, fs,
    io::{BufRead as _, stdin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use fastrand::Rng;
use futures::StreamExt as _;
use shardstream::{
    Compression, Config, Error, Intents, Limits, Message, Meta, Shard, State,
    discord::{Discord, Event},
    local,
    platform::Platform as _,
    queue::LocalQueue,
};
use tokio::sync::mpsc;

use super::{
    HEAP, Look, SHARDS,
    storm::{self, UNKNOWN},
    walk::{Seen, Walk},
};

/// The environment variable with the gateway's url.
pub(crate) const URL: &str = "SHARDSTREAM_SOAK_URL";

/// Looked at so, it tells what the shards wait for that are not active.
pub(crate) const WHY: &str = "why";

/// Shards with a number below this have a user who is slow now and then, and little space.
const SLOW: u32 = 4;

pub(crate) fn run() {
    let Ok(url) = env::var(URL) else {
        println!("{URL} is not set: nothing to do");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let before = HEAP.allocated();
    runtime.block_on(soak(&url, before));
}

/// Answers whoever looks until the standard input ends.
async fn soak(url: &str, before: usize) {
    let (sender, mut asked) = mpsc::channel(1);
    thread::spawn(move || {
        let lines = stdin().lock().lines().map_while(Result::ok);
        lines
            .take_while(|line| sender.blocking_send(line == WHY).is_ok())
            .for_each(drop);
    });
    let queue = Arc::new(LocalQueue::with_limits(
        SHARDS.into(),
        1_000_000,
        1_000_000,
        Duration::from_hours(24),
        Duration::from_millis(25),
    ));
    let problems = Arc::new(AtomicU64::new(0));
    let mut sides = Vec::new();
    for number in 0..SHARDS {
        let shard = Shard::with_config(storm::shard(number), config(url, number, &queue));
        let handle = shard.handle();
        let walk = Arc::new(Mutex::new(Walk::default()));
        let user = User {
            number,
            walk: Arc::clone(&walk),
            problems: Arc::clone(&problems),
            rng: Rng::with_seed(number.into()),
        };
        if number.is_multiple_of(2) {
            tokio::spawn(user.raw(shard));
        } else {
            tokio::spawn(user.typed(shard));
        }
        sides.push((handle, walk));
    }
    while let Some(why) = asked.recv().await {
        let mut look = Look {
            problems: problems.load(Ordering::Relaxed),
            fds: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
            ..Look::default()
        };
        for (handle, walk) in &sides {
            let status = handle.status();
            let is_active = status.state == State::Active;
            look.active += u32::from(is_active);
            if why && !is_active {
                eprintln!("soak | shard {}: {status:?}", handle.id());
            }
            let walk = walk.lock().expect("nothing panics under this lock");
            look.events += walk.events;
            look.lost_sessions += walk.lost_sessions;
            look.numbers.push(walk.number.unwrap_or_default());
        }
        let live = HEAP.allocated().saturating_sub(before);
        look.heap = i64::try_from(live).unwrap_or(i64::MAX);
        println!("\n{}", look.to_line());
    }
}

fn config(url: &str, number: u32, queue: &Arc<LocalQueue>) -> Config<Discord> {
    let mut limits = Limits::default();
    let short = Duration::from_millis(50);
    limits.heartbeat_interval_min = short;
    limits.silence_margin = Duration::from_millis(500);
    (limits.backoff, limits.backoff_max) = (short, 4 * short);
    (limits.identify_backoff, limits.identify_backoff_max) = (short, 4 * short);
    (limits.connect, limits.hello, limits.resumed) = (20 * short, 20 * short, 20 * short);
    (limits.ready, limits.ready_max) = (20 * short, 40 * short);
    limits.close = 4 * short;
    limits.write_stall = 20 * short;
    limits.send_window = Duration::from_secs(2);
    if number < SLOW {
        limits.buffered_events_max = 8;
    }
    let kinds = [Compression::Zlib, Compression::None, Compression::Zstd];
    let kind = kinds[number as usize % kinds.len()];
    let kind = if kind.is_built_in() {
        kind
    } else {
        Compression::Zlib
    };
    Config::builder("CANARY.token", Intents::GUILDS)
        .gateway_url(url)
        .compression(kind)
        .limits(limits)
        .queue(Arc::clone(queue) as Arc<_>)
        .build()
        .expect("a configuration")
}

struct User {
    number: u32,
    walk: Arc<Mutex<Walk>>,
    problems: Arc<AtomicU64>,
    rng: Rng,
}

impl User {
    async fn raw(mut self, mut shard: Shard) {
        loop {
            let seen = match shard.next_message().await {
                Ok(Message::Frame(frame)) => {
                    let name = frame.event_name().unwrap_or_default();
                    let id = frame.data().strip_prefix(r#"{"id":""#);
                    let text = id.or_else(|| frame.data().strip_prefix(r#"{"n":"#));
                    let number = read(text, id.is_some());
                    let (seq, replayed) = (frame.seq(), frame.replayed());
                    event(&name, number, (seq, replayed), |sent| {
                        sent.data() == frame.data()
                    })
                }
                Ok(Message::Gateway(notice)) => Seen::Notice(notice),
                Ok(_) => continue,
                Err(error) => failed(&error),
            };
            self.note(&seen).await;
        }
    }

    async fn typed(mut self, mut shard: Shard) {
        while let Some((meta, result)) = shard.next().await {
            let Meta { seq, replayed, .. } = meta;
            let meta = (seq, replayed);
            let seen = match result {
                Ok(Event::Gateway(notice)) => Seen::Notice(notice),
                Ok(Event::Unknown(unknown)) => {
                    let number = read(unknown.data.strip_prefix(r#"{"n":"#), false);
                    event(UNKNOWN, number, meta, |sent| sent.data() == &*unknown.data)
                }
                Ok(Event::MessageDelete(deleted)) => {
                    let number = deleted.id.get().checked_sub(1);
                    event("MESSAGE_DELETE", number, meta, |sent| {
                        let sent = Discord::decode(sent.name(), sent.data());
                        sent.is_ok_and(|sent| match sent {
                            Event::MessageDelete(sent) => sent == deleted,
                            _ => false,
                        })
                    })
                }
                Ok(other) => event(other.kind().name(), None, meta, |_| false),
                Err(error) => failed(&error),
            };
            self.note(&seen).await;
        }
    }

    async fn note(&mut self, seen: &Seen) {
        let told = {
            let mut walk = self.walk.lock().expect("nothing panics under this lock");
            walk.step(seen);
            std::mem::take(&mut walk.problems)
        };
        for problem in told {
            // The first of them are enough.
            if self.problems.fetch_add(1, Ordering::Relaxed) < 20 {
                let number = self.number;
                eprintln!("soak | shard {number}: {problem}: {}", shown(seen));
            }
        }
        if self.number < SLOW && self.rng.u16(..500) == 0 {
            tokio::time::sleep(Duration::from_millis(self.rng.u64(..2_000))).await;
        }
    }
}

fn shown(seen: &Seen) -> String {
    format!("{seen:?}").chars().take(300).collect()
}

/// The number at the beginning of a payload.
fn read(text: Option<&str>, is_id: bool) -> Option<u64> {
    let digits = text?.split(|unit: char| !unit.is_ascii_digit()).next()?;
    digits.parse::<u64>().ok()?.checked_sub(u64::from(is_id))
}

fn event(
    name: &str,
    number: Option<u64>,
    (seq, replayed): (Option<u64>, bool),
    is_it: impl Fn(&local::Event) -> bool,
) -> Seen {
    let of_feed = !matches!(name, "READY" | "RESUMED");
    let number = number.filter(|_| of_feed);
    let same = number.is_some_and(|number| {
        let sent = storm::feed(number);
        sent.name() == name && is_it(&sent)
    });
    Seen::Event {
        name: name.to_owned(),
        number,
        seq,
        replayed,
        same: same || !of_feed,
    }
}

fn failed(error: &Error) -> Seen {
    Seen::Error {
        kind: error.kind(),
        is_fatal: error.is_fatal(),
    }
}
