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
    Compression, Config, ConfigBuilder, Error, Message, Meta, Notice, ResumeState, Shard, ShardId,
    Shutdown,
    discord::{self, Discord},
    platform::Platform,
    qq::{self, QQ},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

const HELP: &str = "\
Prints the events of a Discord or QQ bot, one JSON object a line.

tail [--platform discord|qq] [--url WS_URL] [--api-url HTTP_URL] [--token T]
     [--app-id A --client-secret S] [--intents N] [--compression none|zlib|zstd]
     [--events typed|raw] [--session-file FILE] [--stall MS]

  --platform     whose bot it is (default: discord)
  --url          the gateway to connect to (default: the platform's); ws:// for loopback hosts only
  --api-url      the base of REST calls, QQ's token among them (default: the platform's);
                 http:// for loopback hosts only
  --token        Discord: the bot's token (default: the environment variable DISCORD_TOKEN);
                 QQ: with --app-id, the static token of old
  --app-id       QQ: the id of the bot's app (default: the environment variable QQ_APP_ID)
  --client-secret
                 QQ: the secret of the bot's app (default: QQ_CLIENT_SECRET)
  --intents      the bits of the events to ask for (default: all that need no permission)
  --compression  how the server compresses (default: zlib where that is offered and built in)
  --events       typed: decoded into the library's types; raw: as the server wrote them
  --session-file resume from this file at start and write it at the end
  --stall        sleep that many milliseconds after each message (MESSAGE_CREATE)

Input: {\"shard\":0,\"op\":3,\"d\":{...}} a line is sent as a raw command.
Ctrl-C or SIGTERM ends; exit 0. All shards ended: exit 1. Bad usage: exit 2.
";

/// What the command line says.
#[derive(Default)]
struct Args {
    is_qq: bool,
    token: Option<String>,
    app_id: Option<String>,
    client_secret: Option<String>,
    intents: Option<u64>,
    url: Option<String>,
    api_url: Option<String>,
    compression: Option<Compression>,
    raw: bool,
    session_file: Option<PathBuf>,
    stall: Duration,
}

/// What a bot of either platform is printed by.
trait Printed: Platform {
    /// An event's name, and whether it has a type of its own; or the notice that it is.
    fn look(event: &Self::Event) -> Result<(&str, bool), &Notice>;
}

impl Printed for Discord {
    fn look(event: &discord::Event) -> Result<(&str, bool), &Notice> {
        match event {
            discord::Event::Gateway(notice) => Err(notice),
            discord::Event::Unknown(unknown) => Ok((&unknown.name, false)),
            event => Ok((event.kind().name(), true)),
        }
    }
}

impl Printed for QQ {
    fn look(event: &qq::Event) -> Result<(&str, bool), &Notice> {
        match event {
            qq::Event::Gateway(notice) => Err(notice),
            qq::Event::Unknown(unknown) => Ok((&unknown.name, false)),
            event => Ok((event.kind().name(), true)),
        }
    }
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

fn bad_usage(problem: &dyn StdError) -> ExitCode {
    eprintln!("tail: {problem}\n\n{HELP}");
    ExitCode::from(2)
}

fn parse_args() -> Result<Option<Args>, Box<dyn StdError>> {
    use lexopt::{Arg, ValueExt as _};

    let mut parser = lexopt::Parser::from_env();
    let mut args = Args::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("platform") => {
                args.is_qq = match parser.value()?.string()?.as_str() {
                    "discord" => false,
                    "qq" => true,
                    other => return Err(format!("--platform {other:?} is unknown").into()),
                };
            }
            Arg::Long("url") => args.url = Some(parser.value()?.string()?),
            Arg::Long("api-url") => args.api_url = Some(parser.value()?.string()?),
            Arg::Long("token") => args.token = Some(parser.value()?.string()?),
            Arg::Long("app-id") => args.app_id = Some(parser.value()?.string()?),
            Arg::Long("client-secret") => args.client_secret = Some(parser.value()?.string()?),
            Arg::Long("intents") => args.intents = Some(parser.value()?.parse()?),
            Arg::Long("compression") => {
                args.compression = Some(match parser.value()?.string()?.as_str() {
                    "none" => Compression::None,
                    "zlib" => Compression::Zlib,
                    "zstd" => Compression::Zstd,
                    other => return Err(format!("--compression {other:?} is unknown").into()),
                });
            }
            Arg::Long("events") => {
                args.raw = match parser.value()?.string()?.as_str() {
                    "raw" => true,
                    "typed" => false,
                    other => return Err(format!("--events {other:?} is unknown").into()),
                };
            }
            Arg::Long("session-file") => args.session_file = Some(parser.value()?.into()),
            Arg::Long("stall") => args.stall = Duration::from_millis(parser.value()?.parse()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(args))
}

fn discord_config(args: &Args) -> Result<ConfigBuilder<Discord>, Box<dyn StdError>> {
    if args.app_id.is_some() || args.client_secret.is_some() {
        return Err("--app-id and --client-secret are for --platform qq".into());
    }
    let token = or_env(args.token.as_ref(), "DISCORD_TOKEN");
    let token = token.ok_or("a token is needed: --token or DISCORD_TOKEN")?;
    let all = discord::Intents::non_privileged();
    let intents = args.intents.map_or(all, discord::Intents::from_bits_retain);
    Ok(Config::builder(token, intents))
}

fn qq_config(args: &Args) -> Result<ConfigBuilder<QQ>, Box<dyn StdError>> {
    let app_id = or_env(args.app_id.as_ref(), "QQ_APP_ID");
    let app_id = app_id.ok_or("an app id is needed: --app-id or QQ_APP_ID")?;
    let credentials = match (&args.token, &args.client_secret) {
        (Some(_), Some(_)) => return Err("--token and --client-secret exclude each other".into()),
        (Some(token), None) => qq::Credentials::legacy(app_id, token.as_str()),
        (None, secret) => {
            let secret = or_env(secret.as_ref(), "QQ_CLIENT_SECRET");
            let secret = secret.ok_or("a secret is needed: --client-secret or QQ_CLIENT_SECRET")?;
            qq::Credentials::new(app_id, secret)
        }
    };
    let all = qq::Intents::non_privileged();
    let intents = args.intents.map_or(all, qq::Intents::from_bits_retain);
    Ok(Config::builder(credentials, intents))
}

/// What an argument says, or else the environment.
fn or_env(argument: Option<&String>, name: &str) -> Option<String> {
    argument.cloned().or_else(|| std::env::var(name).ok())
}

impl Args {
    /// What means the same on every platform.
    fn configure<P: Platform>(
        &self,
        mut config: ConfigBuilder<P>,
    ) -> Result<Config<P>, Box<dyn StdError>> {
        if let Some(compression) = self.compression {
            config = config.compression(compression);
        }
        if let Some(url) = &self.url {
            config = config.gateway_url(url);
        }
        if let Some(api_url) = &self.api_url {
            config = config.rest_url(api_url);
        }
        Ok(config.build()?)
    }
}

async fn tail<P: Printed>(args: &Args, config: Config<P>) -> Result<ExitCode, Box<dyn StdError>> {
    let id = ShardId::ONE;
    let mut config = ConfigBuilder::from(config);
    if let Some(path) = &args.session_file {
        match SessionFile::read::<P>(path, id) {
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
        if item.is_message() && !args.stall.is_zero() {
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
        SessionFile::write::<P>(path, id, state)?;
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
async fn next<P: Printed>(shard: &mut Shard<P>, raw: bool) -> Option<Item> {
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
    Some(match event.as_ref().map(P::look) {
        Ok(Err(notice)) => Item::Notice(notice.clone()),
        Ok(Ok((name, typed))) => Item::Dispatch {
            name: name.to_owned(),
            seq: meta.seq,
            replayed: meta.replayed,
            typed,
        },
        Err(error) => Item::Error(error.clone(), meta),
    })
}

impl Item {
    fn is_message(&self) -> bool {
        matches!(self, Self::Dispatch { name, .. } if name.ends_with("MESSAGE_CREATE"))
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
        Notice::IdentifyHeldBack { next_in } => {
            line["next_in_ms"] = u64::try_from(next_in.as_millis()).ok().into();
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
fn send<P: Platform>(shard: &Shard<P>, line: &str) {
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

    fn read<P: Platform>(
        path: &Path,
        id: ShardId,
    ) -> Result<Option<ResumeState>, Box<dyn StdError>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let file: Self = serde_json::from_str(&text).map_err(|_| "it is corrupt")?;
        if file.version != Self::VERSION {
            return Err("it is of another version".into());
        }
        if file.platform != P::NAME {
            return Err("it is of another platform".into());
        }
        if file.total != id.total() {
            return Err("it is of another number of shards".into());
        }
        let of_shard = |state: &ResumeState| state.shard() == id;
        Ok(file.shards.into_iter().find(of_shard))
    }

    fn write<P: Platform>(path: &Path, id: ShardId, state: ResumeState) -> std::io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt as _;

        let file = Self {
            version: Self::VERSION,
            platform: P::NAME.into(),
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
