//! Prints what a shard hands out, one JSON object a line, and takes raw commands on its input.
//!
//! `cargo run --example tail -- --help` tells the rest. Logs go to stderr, by `RUST_LOG`.

use std::{
    error::Error as StdError,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shardstream::{
    Compression, Config, Error, Intents, Message, Meta, Notice, ResumeState, Shard, ShardId,
    Shutdown,
    discord::{Discord, Event},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

const HELP: &str = "\
Prints the events of a Discord bot, one JSON object a line.

tail [--url WS_URL] [--api-url HTTP_URL] [--token T] [--intents N]
     [--compression none|zlib|zstd] [--events typed|raw] [--session-file FILE] [--stall MS]

  --url          the gateway to connect to (default: Discord's); ws:// for loopback hosts only
  --api-url      the base of REST calls (default: Discord's)
  --token        the bot's token (default: the environment variable DISCORD_TOKEN)
  --intents      the bits of the events to ask for (default: all that are not privileged)
  --compression  how the server compresses (default: zlib, where that is built in)
  --events       typed: decoded into the library's types; raw: as the server wrote them
  --session-file resume from this file at start and write it at the end
  --stall        sleep that many milliseconds after each MESSAGE_CREATE

Input: {\"shard\":0,\"op\":3,\"d\":{...}} a line is sent as a raw command.
Ctrl-C or SIGTERM ends; exit 0. All shards ended: exit 1. Bad usage: exit 2.
";

/// What the command line says.
struct Args {
    config: Config<Discord>,
    raw: bool,
    session_file: Option<PathBuf>,
    stall: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let args = match parse_args() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("tail: {problem}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match tail(args).await {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("tail: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn parse_args() -> Result<Option<Args>, Box<dyn StdError>> {
    use lexopt::{Arg, ValueExt as _};

    let mut parser = lexopt::Parser::from_env();
    let mut token = std::env::var("DISCORD_TOKEN").ok();
    let mut intents = Intents::non_privileged();
    let (mut url, mut api_url, mut session_file) = (None, None, None);
    let (mut compression, mut raw, mut stall) = (None, false, Duration::ZERO);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("url") => url = Some(parser.value()?.string()?),
            Arg::Long("api-url") => api_url = Some(parser.value()?.string()?),
            Arg::Long("token") => token = Some(parser.value()?.string()?),
            Arg::Long("intents") => {
                intents = Intents::from_bits_retain(parser.value()?.parse()?);
            }
            Arg::Long("compression") => {
                compression = Some(match parser.value()?.string()?.as_str() {
                    "none" => Compression::None,
                    "zlib" => Compression::Zlib,
                    "zstd" => Compression::Zstd,
                    other => return Err(format!("--compression {other:?} is unknown").into()),
                });
            }
            Arg::Long("events") => {
                raw = match parser.value()?.string()?.as_str() {
                    "raw" => true,
                    "typed" => false,
                    other => return Err(format!("--events {other:?} is unknown").into()),
                };
            }
            Arg::Long("session-file") => session_file = Some(parser.value()?.into()),
            Arg::Long("stall") => stall = Duration::from_millis(parser.value()?.parse()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let token = token.ok_or("a token is needed: --token or DISCORD_TOKEN")?;
    let mut config = Config::builder(token, intents);
    if let Some(compression) = compression {
        config = config.compression(compression);
    }
    if let Some(url) = url {
        config = config.gateway_url(url);
    }
    if let Some(api_url) = api_url {
        config = config.rest_url(api_url);
    }
    Ok(Some(Args {
        config: config.build()?,
        raw,
        session_file,
        stall,
    }))
}

async fn tail(args: Args) -> Result<ExitCode, Box<dyn StdError>> {
    let id = ShardId::ONE;
    let mut config = shardstream::ConfigBuilder::from(args.config);
    if let Some(path) = &args.session_file {
        match SessionFile::read(path, id) {
            Ok(Some(state)) => config = config.resume(state),
            Ok(None) => {}
            Err(problem) => print(&json!({
                "shard": id.number(),
                "error": format!("the session file is not used: {problem}"),
                "kind": "session_file",
                "fatal": false,
            })),
        }
    }
    let mut shard = Shard::with_config(id, config.build()?);

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut commands = input();
    let ended = loop {
        let item = tokio::select! {
            biased;
            _ = terminate.recv() => break false,
            _ = interrupt.recv() => break false,
            Some(line) = commands.recv() => {
                send(&shard, &line);
                continue;
            }
            item = next(&mut shard, args.raw) => item,
        };
        let Some(item) = item else { break true };
        item.print(id);
        if matches!(&item, Item::Error(error, _) if error.is_fatal()) {
            break true;
        }
        if item.is_message_create() && !args.stall.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(args.stall) => {}
                _ = terminate.recv() => break false,
                _ = interrupt.recv() => break false,
            }
        }
    };
    if ended {
        return Ok(ExitCode::FAILURE);
    }
    let keep = args.session_file.is_some();
    let how = if keep { Shutdown::Keep } else { Shutdown::End };
    let state = shard.shutdown(how).await;
    if let (Some(path), Some(state)) = (&args.session_file, state) {
        SessionFile::write(path, id, state)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines of the input. A thread of its own reads them, which the end of the program does not
/// wait for.
fn input() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// Something that the shard gave.
enum Item {
    Dispatch {
        name: String,
        seq: Option<u64>,
        replayed: bool,
        typed: bool,
    },
    Notice(Notice),
    Error(Error, Meta),
}

/// The next item of either kind of stream; `None` once the shard has ended.
async fn next(shard: &mut Shard, raw: bool) -> Option<Item> {
    if raw {
        return Some(match shard.next_message().await {
            Ok(Message::Frame(frame)) => Item::Dispatch {
                name: frame.event_name().unwrap_or_default().into_owned(),
                seq: frame.seq(),
                replayed: frame.replayed(),
                typed: true,
            },
            Ok(Message::Gateway(notice)) => Item::Notice(notice),
            Ok(_) => return None,
            Err(error) => Item::Error(error, Meta::default()),
        });
    }
    let (meta, event) = shard.next().await?;
    Some(match event {
        Ok(Event::Gateway(notice)) => Item::Notice(notice),
        Ok(event) => Item::Dispatch {
            name: name_of(&event).to_owned(),
            seq: meta.seq,
            replayed: meta.replayed,
            typed: !matches!(event, Event::Unknown(_)),
        },
        Err(error) => Item::Error(error, meta),
    })
}

fn name_of(event: &Event) -> &str {
    match event {
        Event::Unknown(unknown) => &unknown.name,
        event => event.kind().name(),
    }
}

impl Item {
    fn is_message_create(&self) -> bool {
        matches!(self, Self::Dispatch { name, .. } if name == "MESSAGE_CREATE")
    }

    fn print(&self, id: ShardId) {
        let shard = id.number();
        match self {
            Self::Dispatch {
                name,
                seq,
                replayed,
                typed,
            } => print_dispatch(shard, name, *seq, *replayed, *typed),
            Self::Notice(notice) => print_notice(shard, notice),
            Self::Error(error, meta) => {
                if let Some(name) = error.event_name() {
                    print_dispatch(shard, name, error.seq(), meta.replayed, false);
                }
                print_error(shard, error);
            }
        }
    }
}

fn print_dispatch(shard: u32, name: &str, seq: Option<u64>, replayed: bool, typed: bool) {
    let mut line = json!({"shard": shard, "event": name, "seq": seq});
    if replayed {
        line["replayed"] = true.into();
    }
    if !typed {
        line["typed"] = false.into();
    }
    print(&line);
}

fn print_notice(shard: u32, notice: &Notice) {
    let mut line = json!({"shard": shard, "notice": notice.name()});
    match notice {
        Notice::Disconnected {
            cause,
            resumable,
            retry_in,
        } => {
            line["cause"] = cause.to_string().into();
            line["resumable"] = (*resumable).into();
            line["retry_in_ms"] = u64::try_from(retry_in.as_millis()).ok().into();
        }
        Notice::Gap { after, next } => {
            line["after"] = (*after).into();
            line["next"] = (*next).into();
        }
        Notice::Resumed { replayed } => line["replayed"] = (*replayed).into(),
        Notice::SessionLost { last_seq } => line["last_seq"] = (*last_seq).into(),
        Notice::SlowConsumer { events, bytes } => {
            line["events"] = (*events).into();
            line["bytes"] = (*bytes).into();
        }
        _ => {}
    }
    print(&line);
}

fn print_error(shard: u32, error: &Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    print(&json!({
        "shard": shard,
        "error": text,
        "kind": error.kind().name(),
        "fatal": error.is_fatal(),
    }));
}

/// One line, flushed. A closed output ends the program, as for any filter.
fn print(line: &Value) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Sends a line of the input as a raw command; a refusal is an error line.
fn send(shard: &Shard, line: &str) {
    #[derive(Deserialize)]
    struct Command {
        #[serde(default)]
        shard: u32,
        op: u64,
        d: Value,
    }

    let id = shard.id().number();
    let refused = |problem: &str| {
        print(&json!({"shard": id, "error": problem, "kind": "command", "fatal": false}));
    };
    match serde_json::from_str::<Command>(line) {
        Err(_) => refused("an input line is not a command: {\"shard\":0,\"op\":3,\"d\":{}}"),
        Ok(command) if command.shard != id => refused("no such shard here"),
        Ok(command) => {
            if let Err(error) = shard.sender().try_send_payload(command.op, &command.d) {
                print_error(id, &error);
            }
        }
    }
}

/// Where sessions outlive the process. It holds no token, yet whoever has it can take the
/// session over: only its owner may read it.
#[derive(Serialize, Deserialize)]
struct SessionFile {
    version: u32,
    platform: String,
    total: u32,
    shards: Vec<ResumeState>,
}

impl SessionFile {
    const VERSION: u32 = 1;

    fn read(path: &Path, id: ShardId) -> Result<Option<ResumeState>, Box<dyn StdError>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let file: Self = serde_json::from_str(&text).map_err(|_| "it is corrupt")?;
        if file.version != Self::VERSION {
            return Err("it is of another version".into());
        }
        if file.platform != "discord" {
            return Err("it is of another platform".into());
        }
        if file.total != id.total() {
            return Err("it is of another number of shards".into());
        }
        let of_shard = |state: &ResumeState| state.shard() == id;
        Ok(file.shards.into_iter().find(of_shard))
    }

    fn write(path: &Path, id: ShardId, state: ResumeState) -> std::io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt as _;

        let file = Self {
            version: Self::VERSION,
            platform: "discord".into(),
            total: id.total(),
            shards: vec![state],
        };
        // Written beside and moved over, so that a crash leaves the old file or the new one.
        let beside = path.with_extension("new");
        let _ = std::fs::remove_file(&beside);
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        serde_json::to_writer(&mut out, &file)?;
        out.sync_all()?;
        std::fs::rename(&beside, path)
    }
}
