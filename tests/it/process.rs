//! Programs under `examples/` as child processes, every wait with a deadline.
//!
//! Every program runs with `RUST_LOG=trace`, and all that it writes is looked through: no secret in
//! either output, and in what it logs nothing but printable ASCII.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::watch;

/// How long anything may take on a busy machine before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The levels of the records that a program writes, the most important first.
const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// A running program.
pub(crate) struct Program {
    name: String,
    /// Of its records, those of the first so many levels are what the test wants to see.
    levels: usize,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    /// Every line of output so far.
    pub(crate) seen: Vec<String>,
}

impl Program {
    /// Starts `examples/name`. Of its records the test is shown those that it would have written
    /// with `log` as its `RUST_LOG`: a level, or something else for none.
    pub(crate) fn start<A: AsRef<OsStr>>(name: &str, args: &[A], log: &str) -> Self {
        Self::start_in(name, args, log, &[])
    }

    /// The same, in an environment of these variables.
    pub(crate) fn start_in<A: AsRef<OsStr>>(
        name: &str,
        args: &[A],
        log: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let mut child = Command::new(example(name))
            .args(args)
            .env_clear()
            .envs(variables.iter().copied())
            .env("RUST_LOG", "trace")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = child.stdout.take().expect("piped");
        let mut errors = child.stderr.take().expect("piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        Self {
            name: name.into(),
            levels: shown_levels(log),
            stdin: child.stdin.take(),
            child,
            lines,
            stderr: Some(stderr),
            seen: Vec::new(),
        }
    }

    /// The next line of output; `None` at its end.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{} is silent; so far:\n{}", self.name, self.seen.join("\n"))
            }
        }
    }

    /// Reads lines until one is wanted, and gives it.
    pub(crate) fn until(&mut self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        while let Some(line) = self.line() {
            let value = serde_json::from_str(&line).unwrap_or(Value::Null);
            if wanted(&value) {
                return value;
            }
        }
        panic!("{} ended; it said:\n{}", self.name, self.seen.join("\n"));
    }

    /// Writes a line to its input.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("input is open");
        writeln!(stdin, "{line}").expect("the program reads its input");
    }

    /// Asks it to end, waits until it has, and gives its exit and what it wrote to stderr.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, String) {
        let killed = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(killed.expect("kill runs").success());
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> (ExitStatus, String) {
        while self.line().is_some() {}
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "{} does not end", self.name);
            std::thread::sleep(Duration::from_millis(5));
        };
        (status, self.looked_through())
    }

    /// Fails the test where a program has written what it must not. What it wrote to stderr, as
    /// far as the test wants to see it.
    fn looked_through(&mut self) -> String {
        let stderr = self.stderr.take();
        let stderr = stderr.map(|thread| thread.join().expect("reads"));
        let stderr = stderr.unwrap_or_default();
        for line in &self.seen {
            let leak = watch::leak(without_sessions(&self.name, line));
            assert_eq!(leak, None, "{} printed {line}", self.name);
        }
        for line in stderr.lines() {
            let problem = watch::problem(line.as_bytes());
            assert_eq!(problem, None, "{} logged {line:?}", self.name);
        }
        let shown = |line: &&str| level(line).is_none_or(|level| level < self.levels);
        let lines = stderr.lines().filter(shown);
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    /// Every line so far, as JSON.
    pub(crate) fn values(&self) -> Vec<Value> {
        let parsed = self.seen.iter().map(|line| serde_json::from_str(line));
        parsed.filter_map(Result::ok).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.stderr.is_some() && !std::thread::panicking() {
            while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
                self.seen.push(line);
            }
            self.looked_through();
        }
    }
}

fn shown_levels(log: &str) -> usize {
    let last = LEVELS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(log));
    last.map_or(0, |last| last + 1)
}

/// The level of a record, behind its time; `None` for what is no record.
fn level(line: &str) -> Option<usize> {
    let word = line.split_ascii_whitespace().nth(1)?;
    LEVELS.iter().position(|name| *name == word)
}

/// A line without the sessions that the local gateway writes down: they are its own.
fn without_sessions(program: &str, line: &str) -> String {
    let parsed = serde_json::from_str(line);
    match parsed {
        Ok(Value::Object(mut record)) if program == "local_gateway" => {
            record.remove("session_id");
            Value::Object(record).to_string()
        }
        _ => line.to_owned(),
    }
}

/// Where cargo has put an example: beside the folder of this test.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("target");
    let path = folder.join("examples").join(name);
    assert!(
        path.exists(),
        "{name} is not built: run `cargo build --examples`"
    );
    path
}

/// A local gateway, and where it listens.
pub(crate) fn gateway<A: AsRef<OsStr>>(args: &[A], log: &str) -> (Program, String, String) {
    let mut gateway = Program::start("local_gateway", args, log);
    let first = gateway.line().expect("a first line");
    let mut words = first.split(' ');
    assert_eq!(words.next(), Some("listening"), "{first}");
    let mut url = || words.next().expect("two urls").to_owned();
    let (ws, http) = (url(), url());
    (gateway, ws, http)
}

/// Runs an example that ends by itself and has nothing to warn of, and gives what it printed.
pub(crate) fn printed(name: &str) -> Vec<String> {
    let mut program = Program::start::<&str>(name, &[], "warn");
    let (status, stderr) = program.wait();
    assert!(status.success(), "{name}: {stderr}");
    assert_eq!(stderr, "", "{name}");
    std::mem::take(&mut program.seen)
}
