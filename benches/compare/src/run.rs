//! The server, and one run of one client against it.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::jobs::{Case, Job};

/// No run takes so long.
const PATIENCE: Duration = Duration::from_mins(3);
/// Events of a merge, over all shards.
const MERGED: usize = 400_000;

/// What the server says of a trace.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct About {
    burst: u16,
    paced: u16,
    prelude: usize,
    pub events: usize,
    pub paced_events: usize,
    pub narrowed: usize,
    pub mean_bytes: f64,
    pub zlib_ratio: f64,
    pub zstd_ratio: f64,
}

#[derive(Deserialize)]
struct Listing {
    traces: BTreeMap<String, About>,
}

/// What a client prints.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Report {
    pub version: Option<String>,
    pub events: usize,
    pub errors: usize,
    pub first_error: Option<String>,
    pub user_ns: u64,
    pub system_ns: u64,
    pub wall_ns: u64,
    pub peak_kb: u64,
    pub allocations: u64,
    pub allocated: u64,
    pub resident_kb_per_shard: f64,
    pub cpu_percent: f64,
    /// Frames on the wire that the figures are divided by; the client is not asked.
    #[serde(skip_deserializing)]
    pub frames: usize,
}

/// A job with its runs, one a round; `None` where it failed.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    #[serde(flatten)]
    pub job: Job,
    pub runs: Vec<Option<Report>>,
}

impl Outcome {
    pub fn new(job: Job) -> Self {
        Self {
            job,
            runs: Vec::new(),
        }
    }
}

pub struct Runner {
    server: Child,
    /// The server lives for as long as this is open.
    stdin: Option<ChildStdin>,
    pub traces: BTreeMap<String, About>,
    folder: PathBuf,
    pub skipped: BTreeSet<String>,
    pub failures: usize,
}

impl Runner {
    /// Starts the server; it checks its traces before it says where they are.
    pub fn start(traces: &[&str], seed: u64) -> Result<Self, Box<dyn Error>> {
        let folder = Path::new("target").to_path_buf();
        let mut server = Command::new(folder.join("clients/gateway"))
            .args(["--traces", &traces.join(","), "--seed", &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = server.stdin.take();
        let stdout = server.stdout.take().ok_or("no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let listing: Listing = serde_json::from_str(&line)?;
        for (name, about) in &listing.traces {
            let About {
                events,
                mean_bytes,
                zlib_ratio,
                zstd_ratio,
                ..
            } = about;
            eprintln!(
                "{name}: {events} events, {mean_bytes:.0} bytes each, zlib {zlib_ratio:.2}x, \
                 zstd {zstd_ratio:.2}x"
            );
        }
        let traces = listing.traces;
        Ok(Self {
            server,
            stdin,
            traces,
            folder,
            skipped: BTreeSet::new(),
            failures: 0,
        })
    }

    /// Whether the client is there. It says once which is not.
    pub fn can_run(&mut self, job: &Job) -> bool {
        let is_there = self.command(job).is_some();
        if !is_there && self.skipped.insert(job.program.clone()) {
            eprintln!("skipped: {} is not there ({})", job.client, job.program);
        }
        is_there
    }

    fn command(&self, job: &Job) -> Option<Command> {
        let exists = |path: &Path| path.exists().then(|| path.to_path_buf());
        let script = || exists(&Path::new("clients").join(&job.program));
        if job.program.ends_with(".py") {
            let python = exists(&self.folder.join("venv/bin/python"))?;
            let mut command = Command::new(python);
            command.arg(script()?);
            return Some(command);
        }
        if job.program.ends_with(".mjs") {
            let modules = exists(&self.folder.join("npm"))?.canonicalize().ok()?;
            let mut command = Command::new("node");
            command.arg(script()?).env("COMPARE_MODULES", modules);
            return Some(command);
        }
        exists(&self.folder.join("clients").join(&job.program)).map(Command::new)
    }

    pub fn run(&mut self, job: &Job) -> Option<Report> {
        let (mut report, error) = match self.try_run(job) {
            Ok(report) => (Some(report), None),
            Err(error) => (None, Some(error.to_string())),
        };
        if let Some(bad) = report.take_if(|report| report.errors > 0) {
            let first = bad.first_error.unwrap_or_default();
            eprintln!(
                "failed: {}: {} errors, such as {first}",
                job.label(),
                bad.errors
            );
            self.failures += 1;
        }
        if let Some(error) = error {
            eprintln!("failed: {}: {error}", job.label());
            self.failures += 1;
        }
        if let Some(report) = &report {
            eprintln!("{}: {:.0} ns an event", job.label(), report.cpu_ns());
        }
        report
    }

    fn try_run(&self, job: &Job) -> Result<Report, Box<dyn Error>> {
        let about = self.traces.get(job.trace).ok_or("no such trace")?;
        let port = if job.is_paced {
            about.paced
        } else {
            about.burst
        };
        let frames = match (job.is_paced, job.case) {
            (_, Case::Merge) => MERGED,
            (true, _) => about.paced_events,
            (false, _) => about.events,
        };
        // All but the narrowed get READY and what comes with it; those get one message of it.
        let (skip, events) = match (job.case, job.mode) {
            (Case::Merge, _) => (0, MERGED / job.shards as usize),
            (_, "narrowed" | "own") => (1, about.narrowed),
            _ => (about.prelude, frames),
        };
        let mut command = self.command(job).ok_or("not there")?;
        for (name, value) in [
            ("--port", port.to_string()),
            ("--compression", job.compression.to_owned()),
            ("--mode", job.mode.to_owned()),
            ("--flavour", job.flavour.to_owned()),
            ("--task", job.task.to_owned()),
            ("--skip", skip.to_string()),
            ("--events", events.to_string()),
            ("--shards", job.shards.to_string()),
        ] {
            command.args([name, &value]);
        }
        let mut report = wait(command)?;
        report.frames = frames;
        Ok(report)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It leaves by itself; how does not matter any more.
        let _status = self.server.wait();
    }
}

/// The report that the command prints, within reason.
fn wait(mut command: Command) -> Result<Report, Box<dyn Error>> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let stdout = thread::spawn(move || text(stdout));
    let stderr = thread::spawn(move || text(stderr));
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err("it took too long".into());
        }
        thread::sleep(Duration::from_millis(20));
    };
    let stdout = stdout.join().map_err(|_| "no output")?;
    let stderr = stderr.join().map_err(|_| "no output")?;
    let line = stdout.lines().rev().find(|line| line.starts_with('{'));
    let Some(line) = line.filter(|_| status.success()) else {
        let shown: String = stderr.chars().take(600).collect();
        return Err(format!("{status}: {shown}").into());
    };
    Ok(serde_json::from_str(line)?)
}

fn text(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What was read until then is shown.
        let _read = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
