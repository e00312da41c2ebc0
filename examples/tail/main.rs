//! Prints what shards hand out, one JSON object a line, and takes raw commands on its input.
//!
//! `cargo run --example tail -- --help` tells the rest. Logs go to stderr, by `RUST_LOG`.
//!
//! | file | question |
//! |---|---|
//! | `args` | What does the command line say? |
//! | `items` | What did a shard give? |
//! | `lines` | What is printed? |
//! | `sessions` | Where are the sessions while nothing runs? |

mod args;
mod items;
mod lines;
mod sessions;

use std::{
    collections::BTreeMap,
    error::Error,
    io::{self, IsTerminal as _},
    process::ExitCode,
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;
use shardstream::{
    Config, Shard, ShardHandle, Shutdown, rest,
    stream::{self, FileStore, SessionStore as _},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::sleep,
};

use self::{
    args::{Args, HELP, Shards, discord_config, qq_config},
    items::{Merged, Printed},
    sessions::Kept,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        // Colours are for terminals; a file shall be plain text.
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let args = match args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => return bad_usage(&*problem),
    };
    let run = if args.is_qq {
        match qq_config(&args).and_then(|config| args.configure(config)) {
            Ok(config) => tail(&args, config).await,
            Err(problem) => return bad_usage(&*problem),
        }
    } else {
        match discord_config(&args).and_then(|config| args.configure(config)) {
            Ok(config) => tail(&args, config).await,
            Err(problem) => return bad_usage(&*problem),
        }
    };
    match run {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("tail: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn bad_usage(problem: &dyn Error) -> ExitCode {
    eprintln!("tail: {problem}\n\n{HELP}");
    ExitCode::from(2)
}

async fn tail<P: Printed>(args: &Args, config: Config<P>) -> io::Result<ExitCode> {
    let mut stop = Stop::new()?;
    let store = args.session_file.as_ref().map(FileStore::new);
    let kept = Kept::load::<P>(store.as_ref()).await;
    let made = tokio::select! {
        made = shards(&args.shards, config, &kept) => made,
        () = stop.asked() => return Ok(ExitCode::SUCCESS),
    };
    let Ok(shards) = made else {
        return Ok(ExitCode::FAILURE);
    };
    if let Some(id) = shards.first().map(Shard::id)
        && let Some(problem) = kept.problem(id.total())
    {
        let problem = format!("the session file is not used: {problem}");
        lines::problem(id.number(), &problem, "session_file");
    }

    // Also of shards that have ended, to say so when a command comes for them.
    let handles: BTreeMap<_, _> = shards
        .iter()
        .map(|shard| (shard.id().number(), shard.handle()))
        .collect();
    let mut merged = Merged::new(shards, args.raw);
    let mut commands = input();
    loop {
        let (shard, item) = tokio::select! {
            biased;
            () = stop.asked() => break,
            Some(line) = commands.recv() => {
                send(&handles, &line);
                continue;
            }
            item = merged.next() => match item {
                Some(item) => item,
                None => return Ok(ExitCode::FAILURE),
            },
        };
        item.print(shard);
        if item.is_message() && !args.stall.is_zero() {
            tokio::select! {
                () = sleep(args.stall) => {}
                () = stop.asked() => break,
            }
        }
    }
    let keep = if store.is_some() {
        Shutdown::Keep
    } else {
        Shutdown::End
    };
    let sessions = merged.shutdown(keep).await;
    if let Some(store) = store {
        store.save(&sessions).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The shards that are wanted, with their sessions. An error has been printed, and no call can
/// help.
async fn shards<P: Printed>(
    which: &Shards,
    config: Config<P>,
    kept: &Kept,
) -> Result<Vec<Shard<P>>, rest::Error> {
    if let Shards::Range(range, total) = which {
        let shards = stream::create_range(range.clone(), *total, config, |id, builder| {
            builder.resume(kept.of(id)).build()
        });
        return Ok(shards.collect());
    }
    let client = config.rest_client();
    let mut pause = Duration::from_secs(1);
    loop {
        let made = stream::create_recommended(&client, config.clone(), |id, builder| {
            builder.resume(kept.of(id)).build()
        });
        let error = match made.await {
            Ok(shards) => return Ok(shards.collect()),
            Err(error) => error,
        };
        // There is no shard yet; the first one stands for all.
        lines::error(0, &error, error.kind().name(), error.is_fatal());
        if error.is_fatal() {
            return Err(error);
        }
        // As a shard waits that cannot find its gateway.
        let asked = error.retry_after().unwrap_or_default();
        let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        sleep(jittered.max(asked.min(Duration::from_mins(15)))).await;
        pause = (pause * 2).min(Duration::from_mins(1));
    }
}

/// Ctrl-C or SIGTERM.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The lines of the input. A thread of its own reads them, which the end of the program does not
/// wait for.
fn input() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// Sends a line of the input as a raw command of the shard that it names; a refusal is an error
/// line.
fn send<P: Printed>(shards: &BTreeMap<u32, ShardHandle<P>>, line: &str) {
    #[derive(Deserialize)]
    struct Command {
        #[serde(default)]
        shard: u32,
        op: u64,
        d: Value,
    }

    let refused =
        |shard, problem: &str| lines::error(shard, &*Box::from(problem), "command", false);
    match serde_json::from_str::<Command>(line) {
        // A line without a shard is for the first one, and so is what cannot be read.
        Err(_) => refused(
            0,
            "an input line is not a command: {\"shard\":0,\"op\":3,\"d\":{}}",
        ),
        Ok(command) => match shards.get(&command.shard) {
            None => refused(command.shard, "no such shard here"),
            Some(shard) => {
                let sent = shard.sender().try_send_payload(command.op, &command.d);
                if let Err(error) = sent {
                    let (kind, fatal) = (error.kind().name(), error.is_fatal());
                    lines::error(command.shard, &error, kind, fatal);
                }
            }
        },
    }
}
