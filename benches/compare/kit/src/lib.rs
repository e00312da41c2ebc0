//! What the clients in Rust share: arguments, runtime flavours, and the measuring.

use std::{
    error::Error,
    fs,
    future::Future,
    io::Write as _,
    time::{Duration, Instant},
};

use lexopt::{Arg::Long, ValueExt as _};
use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;

/// Counts what every thread allocates.
#[cfg(feature = "count")]
#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// Where the consumer of events runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// A runtime of one thread.
    Current,
    /// Several threads, the consumer in the future of `#[tokio::main]`.
    Main,
    /// Several threads, the consumer in a task.
    Spawn,
}

/// What a client does with the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every event typed.
    All,
    /// MESSAGE_CREATE and INTERACTION_CREATE typed.
    Narrowed,
    /// The same two, as structs of the user with five fields.
    Own,
    /// Every frame as it came.
    Raw,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The events of one shard.
    Events,
    /// Memory of many shards that have become idle.
    Memory,
    /// CPU of many shards that are idle.
    Idle,
    /// Many shards in one stream, from memory.
    Merge,
}

#[derive(Clone, Debug)]
pub struct Args {
    pub port: u16,
    pub compression: String,
    pub flavour: Flavour,
    pub mode: Mode,
    pub task: Task,
    /// Events before the first that counts.
    pub skip: usize,
    /// Events that count, of each shard.
    pub events: usize,
    pub shards: u32,
    /// How long idle shards are watched.
    pub watch: Duration,
}

impl Args {
    /// Those of the process.
    ///
    /// # Errors
    ///
    /// A message for who called it.
    pub fn from_env() -> Result<Self, Box<dyn Error>> {
        let mut args = Self {
            port: 0,
            compression: "none".into(),
            flavour: Flavour::Current,
            mode: Mode::All,
            task: Task::Events,
            skip: 1,
            events: 0,
            shards: 1,
            watch: Duration::from_secs(60),
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            let Long(name) = arg else {
                return Err(arg.unexpected().into());
            };
            let name = name.to_owned();
            let value = parser.value()?;
            match name.as_str() {
                "port" => args.port = value.parse()?,
                "compression" => args.compression = value.string()?,
                "flavour" => args.flavour = value.parse_with(flavour)?,
                "mode" => args.mode = value.parse_with(mode)?,
                "task" => args.task = value.parse_with(task)?,
                "skip" => args.skip = value.parse()?,
                "events" => args.events = value.parse()?,
                "shards" => args.shards = value.parse()?,
                "watch" => args.watch = Duration::from_secs(value.parse()?),
                _ => return Err(format!("no option --{name}").into()),
            }
        }
        Ok(args)
    }

    pub fn gateway(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }
}

fn flavour(name: &str) -> Result<Flavour, String> {
    match name {
        "current" => Ok(Flavour::Current),
        "main" => Ok(Flavour::Main),
        "spawn" => Ok(Flavour::Spawn),
        _ => Err(format!("no flavour {name}")),
    }
}

fn mode(name: &str) -> Result<Mode, String> {
    match name {
        "all" => Ok(Mode::All),
        "narrowed" => Ok(Mode::Narrowed),
        "own" => Ok(Mode::Own),
        "raw" => Ok(Mode::Raw),
        _ => Err(format!("no mode {name}")),
    }
}

fn task(name: &str) -> Result<Task, String> {
    match name {
        "events" => Ok(Task::Events),
        "memory" => Ok(Task::Memory),
        "idle" => Ok(Task::Idle),
        "merge" => Ok(Task::Merge),
        _ => Err(format!("no task {name}")),
    }
}

/// Runs a client on the runtime of this flavour.
///
/// # Panics
///
/// There is no runtime, or the client panicked.
pub fn run<F>(flavour: Flavour, client: F) -> F::Output
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let mut builder = match flavour {
        Flavour::Current => tokio::runtime::Builder::new_current_thread(),
        Flavour::Main | Flavour::Spawn => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().expect("a runtime");
    let out = match flavour {
        Flavour::Current | Flavour::Main => runtime.block_on(client),
        Flavour::Spawn => runtime.block_on(async { tokio::spawn(client).await.expect("no panic") }),
    };
    // What is still open does not matter any more.
    runtime.shutdown_background();
    out
}

/// What the process has used so far.
#[derive(Clone, Copy, Debug)]
struct Usage {
    at: Instant,
    user: Duration,
    system: Duration,
    allocations: u64,
    allocated: u64,
}

fn usage() -> Usage {
    let (allocations, allocated) = allocated();
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("always there");
    let duration = |time: nix::sys::time::TimeVal| {
        let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
        Duration::from_micros(u64::try_from(micros).unwrap_or_default())
    };
    Usage {
        at: Instant::now(),
        user: duration(usage.user_time()),
        system: duration(usage.system_time()),
        allocations,
        allocated,
    }
}

#[cfg(feature = "count")]
fn allocated() -> (u64, u64) {
    let stats = ALLOCATOR.stats();
    let calls = stats.allocations + stats.reallocations;
    (calls as u64, stats.bytes_allocated as u64)
}

#[cfg(not(feature = "count"))]
fn allocated() -> (u64, u64) {
    (0, 0)
}

/// A value of `/proc/self/status`, in KB.
fn status_kb(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}

/// What is resident now, in KB.
pub fn resident_kb() -> u64 {
    status_kb("VmRSS")
}

/// Counts events, and takes the two readings between which all is counted.
#[derive(Debug)]
pub struct Meter {
    skip: usize,
    end: usize,
    taken: usize,
    errors: usize,
    first_error: Option<String>,
    begin: Option<Usage>,
    first: Option<Instant>,
}

/// What a run found; one line on stdout.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub events: usize,
    pub errors: usize,
    pub first_error: Option<String>,
    pub user_ns: u64,
    pub system_ns: u64,
    /// From the first event that counts to the last.
    pub wall_ns: u64,
    pub peak_kb: u64,
    pub allocations: u64,
    pub allocated: u64,
    pub resident_kb_per_shard: f64,
    pub cpu_percent: f64,
}

impl Report {
    /// Prints it. That is the last thing a client does.
    ///
    /// # Panics
    ///
    /// There is no stdout.
    pub fn print(&self) {
        let line = serde_json::to_string(self).expect("plain data");
        writeln!(std::io::stdout(), "{line}").expect("a stdout");
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Meter {
    pub fn new(args: &Args) -> Self {
        Self {
            skip: args.skip,
            end: args.skip + args.events,
            taken: 0,
            errors: 0,
            first_error: None,
            begin: None,
            first: None,
        }
    }

    /// Counts an event; `Some` when it was the last.
    #[inline]
    pub fn take(&mut self) -> Option<Report> {
        self.taken += 1;
        if self.taken == self.skip {
            self.begin = Some(usage());
        } else if self.taken == self.skip + 1 {
            self.first = Some(Instant::now());
        }
        (self.taken == self.end).then(|| self.report())
    }

    pub fn fail(&mut self, error: &dyn std::fmt::Display) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    fn report(&mut self) -> Report {
        let (end, begin) = (usage(), self.begin.expect("events were skipped"));
        Report {
            events: self.end - self.skip,
            errors: self.errors,
            first_error: self.first_error.take(),
            user_ns: nanos(end.user.saturating_sub(begin.user)),
            system_ns: nanos(end.system.saturating_sub(begin.system)),
            wall_ns: nanos(end.at - self.first.unwrap_or(begin.at)),
            peak_kb: status_kb("VmHWM"),
            allocations: end.allocations - begin.allocations,
            allocated: end.allocated - begin.allocated,
            ..Report::default()
        }
    }
}

/// How long shards have been idle when their memory is read.
const IDLE: Duration = Duration::from_secs(5);

/// What many shards take that have had their events and wait: memory, or CPU.
pub async fn settle(args: &Args, before_kb: u64) -> Report {
    tokio::time::sleep(IDLE).await;
    let grown_kb = resident_kb().saturating_sub(before_kb);
    let mut report = Report {
        events: args.events,
        resident_kb_per_shard: grown_kb as f64 / f64::from(args.shards),
        peak_kb: status_kb("VmHWM"),
        ..Report::default()
    };
    if args.task == Task::Idle {
        watch_cpu(args.watch, &mut report).await;
    }
    report
}

async fn watch_cpu(watch: Duration, report: &mut Report) {
    let begin = usage();
    tokio::time::sleep(watch).await;
    let end = usage();
    let cpu = (end.user + end.system).saturating_sub(begin.user + begin.system);
    report.user_ns = nanos(end.user.saturating_sub(begin.user));
    report.system_ns = nanos(end.system.saturating_sub(begin.system));
    report.wall_ns = nanos(end.at - begin.at);
    report.cpu_percent = 100.0 * cpu.as_secs_f64() / (end.at - begin.at).as_secs_f64();
}
