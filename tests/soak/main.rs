//! Does it last? Sixteen shards in a storm on real sockets, for as long as asked, and what they
//! hold at quiet moments.
//!
//! The gateway and the storm are this process. The shards are another, this same program with
//! nothing but [`client`], so that what its allocator counts is the client's alone.
//!
//! `SHARDSTREAM_SOAK=30m` (or `90s`) says how long; without it, it is a few seconds, which find
//! what breaks at once. From 30 minutes on the verdict is full: what is live on the heap grows by
//! less than 64 KiB from minute 10 to minute 30. Heartbeats, deadlines and backoffs are scaled
//! down, so that half an hour sees thousands of faults. It ends by itself.
#![cfg(all(feature = "discord", feature = "local-gateway", feature = "zlib-rs"))]

mod client;
mod storm;
#[path = "../wire/walk.rs"]
mod walk;

use std::{
    env,
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use cap::Cap;
use shardstream::local::Gateway;

use storm::Storm;

#[global_allocator]
static HEAP: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

const SHARDS: u32 = 16;
/// The heartbeat interval.
const INTERVAL: Duration = Duration::from_millis(400);
/// How long it takes where nothing else is asked for.
const SHORT: Duration = Duration::from_secs(8);
const FULL: Duration = Duration::from_mins(30);
/// How much of the heap may grow from minute 10 to minute 30.
const GROWTH_MAX: i64 = 64 << 10;
/// How long the shards have to be well again once the faults stop.
const MENDED: Duration = Duration::from_mins(2);

/// What the client answers when it is looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Look {
    pub(crate) heap: i64,
    pub(crate) fds: usize,
    pub(crate) active: u32,
    pub(crate) events: u64,
    pub(crate) lost_sessions: u64,
    pub(crate) problems: u64,
    /// How far each shard's feed was taken.
    pub(crate) numbers: Vec<u64>,
}

impl Look {
    /// Behind this word comes a look, one a line.
    pub(crate) const WORD: &str = "look ";

    pub(crate) fn to_line(&self) -> String {
        let numbers: Vec<_> = self.numbers.iter().map(u64::to_string).collect();
        let counts = [
            self.heap.unsigned_abs(),
            self.fds as u64,
            u64::from(self.active),
            self.events,
            self.lost_sessions,
            self.problems,
        ];
        let counts = counts.map(|count| count.to_string()).join(" ");
        format!("{}{counts} {}", Self::WORD, numbers.join(" "))
    }

    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once(Self::WORD)?;
        let mut words = rest.split_whitespace().map(str::parse::<u64>);
        let mut next = || words.next()?.ok();
        Some(Self {
            heap: i64::try_from(next()?).ok()?,
            fds: usize::try_from(next()?).ok()?,
            active: u32::try_from(next()?).ok()?,
            events: next()?,
            lost_sessions: next()?,
            problems: next()?,
            numbers: words.map_while(Result::ok).collect(),
        })
    }
}

/// The client's process.
struct Bots {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Bots {
    fn start(port: &str) -> Self {
        let mut child = Command::new(env::current_exe().expect("a program"))
            .args(["the_client_process", "--exact", "--ignored", "--nocapture"])
            .env(client::URL, port)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Self {
            child,
            stdin,
            stdout,
        }
    }

    fn look(&mut self) -> Look {
        self.ask("look")
    }

    fn ask(&mut self, how: &str) -> Look {
        writeln!(self.stdin, "{how}").expect("the client lives");
        let mut line = String::new();
        loop {
            line.clear();
            let len = self.stdout.read_line(&mut line).expect("text");
            assert!(len > 0, "the client has ended");
            if let Some(look) = Look::parse(&line) {
                return look;
            }
        }
    }
}

impl Drop for Bots {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `30m`, `90s`.
fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count = digits.parse().ok()?;
    match unit {
        "m" => Some(Duration::from_mins(count)),
        "s" => Some(Duration::from_secs(count)),
        _ => None,
    }
}

/// Past the harness, which shows nothing of a test that passes.
fn print(line: &str) {
    writeln!(io::stderr(), "soak | {line}").expect("stderr");
}

#[test]
#[ignore = "the process that the other test starts and measures"]
fn the_client_process() {
    client::run();
}

#[test]
fn sixteen_shards_last_through_a_storm() {
    let length = match env::var("SHARDSTREAM_SOAK") {
        Ok(text) => duration(&text).expect("SHARDSTREAM_SOAK is like 30m or 90s"),
        Err(_) => SHORT,
    };
    if length < FULL {
        print(&format!(
            "{length:?} only; SHARDSTREAM_SOAK=30m is the full run"
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let gateway = runtime.block_on(storm::gateway()).expect("a port");
    let mut bots = Bots::start(gateway.url());
    let mut storm = Storm::new(7);
    let cycle = (length / 30).clamp(Duration::from_secs(4), Duration::from_mins(1));
    let begin = Instant::now();
    let mut looks = Vec::new();
    quiet(&gateway, &mut storm, &mut bots);
    while begin.elapsed() < length {
        let until = Instant::now() + cycle;
        while Instant::now() < until {
            storm.blow(&gateway);
            std::thread::sleep(Duration::from_millis(25));
        }
        let look = quiet(&gateway, &mut storm, &mut bots);
        let at = begin.elapsed();
        print(&format!(
            "minute {:>5.1} | heap {:>8} B | {} fds | {} faults | {} events | {} sessions lost \
             and told | {} violations",
            at.as_secs_f64() / 60.0,
            look.heap,
            look.fds,
            storm.faults(),
            look.events,
            look.lost_sessions,
            look.problems,
        ));
        assert_eq!(look.problems, 0, "see what the client said");
        looks.push((at, look));
    }
    print(&storm.summary());
    judge(&looks, length >= FULL);
    assert!(storm.faults() >= looks.len() as u64);
}

/// Waits until all shards are well and have taken everything; what they hold then. Faults that are
/// planned for connections to come are used up by them.
fn quiet(gateway: &Gateway, storm: &mut Storm, bots: &mut Bots) -> Look {
    let until = Instant::now() + MENDED;
    let is_well =
        |look: &Look, storm: &Storm| look.active == SHARDS && storm.is_taken(&look.numbers);
    // Once more behind the same events for all, so that buffers are alike each time.
    for _ in 0..2 {
        loop {
            storm.send_to_all(gateway, 4);
            std::thread::sleep(INTERVAL);
            let look = bots.look();
            if is_well(&look, storm) {
                break;
            }
            if Instant::now() >= until {
                bots.ask(client::WHY);
                panic!("not well again: {look:?}");
            }
        }
    }
    std::thread::sleep(3 * INTERVAL);
    // What is between two connections just now holds less, and would not be compared with its like.
    let looks = (0..5).map(|_| {
        loop {
            std::thread::sleep(INTERVAL / 4);
            let look = bots.look();
            if look.active == SHARDS {
                break look;
            }
            assert!(Instant::now() < until, "not well again: {look:?}");
        }
    });
    // At its least: a heartbeat may be under way.
    looks.min_by_key(|look| look.heap).expect("five")
}

fn judge(looks: &[(Duration, Look)], is_full: bool) {
    let fds = |look: &(Duration, Look)| look.1.fds;
    let (least, most) = (looks.iter().map(fds).min(), looks.iter().map(fds).max());
    assert_eq!(least, most, "descriptors");
    let mean = |from: u64, to: u64| {
        let within = looks
            .iter()
            .filter(|(at, _)| (from..to).contains(&(at.as_secs() / 60)));
        let heaps: Vec<_> = within.map(|(_, look)| look.heap).collect();
        heaps.iter().sum::<i64>() / i64::try_from(heaps.len().max(1)).unwrap_or(1)
    };
    if is_full {
        let (early, late) = (mean(10, 15), mean(25, 30));
        print(&format!(
            "heap: {early} B in minutes 10 to 15, {late} B in minutes 25 to 30, {} B more",
            late - early
        ));
        assert!(late - early < GROWTH_MAX, "the heap grows");
    }
    print(&format!(
        "{least:?} descriptors throughout, 0 lost, 0 doubled, 0 out of order"
    ));
}
