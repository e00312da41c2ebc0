//! A gateway to connect any bot to, with no network: `cargo run --example local_gateway -- --help`.
//!
//! The first line on stdout says where it listens; then comes one JSON object a line for what
//! clients do, and at Ctrl-C or SIGTERM a last one with the counts.

use std::{
    error::Error,
    ffi::OsStr,
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use serde_json::json;
use shardstream::local::{Act, Builder, Dialect, Event, Fault, Feed, Gateway};

const HELP: &str = "\
Usage: local_gateway [OPTIONS]

  --platform NAME       the platform to be, discord or qq (default: discord)
  --port N              the port of 127.0.0.1 to listen on (default: 0, any that is free)
  --frames PATH         a directory with one recorded frame a .json file, taken in the order of
                        their names, or a file with one frame a line; each session gets them after
                        READY, numbered anew. READY and RESUMED are left out. Frames without a
                        number, as webhooks get them, will do
  --repeat N            all of the frames so many times over (default: 1)
  --interval-ms N       the pause between frames (default: 0)
  --cut-after N         reset the connection once, after so many frames
  --shards N            how many shards to recommend (default: 1)
  --max-concurrency N   how many buckets may identify at a time (default: 1)
  --heartbeat-ms N      the heartbeat interval (default: 41250)
  --token T             the only token that is accepted; on QQ that of `Bot APPID.TOKEN`
                        (default: any that is not empty)
  --recycle-ms N        how long a connection lives before op 7 (default: discord never, qq 30
                        minutes)
  --app-id A --client-secret S
                        qq: whom the token endpoint gives tokens (default: anybody)
  --token-ms N          qq: how long a token lives (default: 2 hours)
  --help                this text
";

#[derive(Debug, Default, PartialEq)]
struct Arguments {
    platform: Dialect,
    port: u16,
    frames: Option<String>,
    repeat: Option<u64>,
    interval_ms: u64,
    cut_after: Option<u64>,
    shards: Option<u32>,
    max_concurrency: Option<u32>,
    heartbeat_ms: Option<u64>,
    token: Option<String>,
    recycle_ms: Option<u64>,
    app_id: Option<String>,
    client_secret: Option<String>,
    token_ms: Option<u64>,
    help: bool,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(flag) = words.next() {
            if matches!(flag.as_str(), "--help" | "-h") {
                arguments.help = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{flag} needs a value"));
            match flag.as_str() {
                "--platform" => match value?.as_str() {
                    "discord" => arguments.platform = Dialect::Discord,
                    "qq" => arguments.platform = Dialect::Qq,
                    other => return Err(format!("--platform: {other} is not offered")),
                },
                "--port" => arguments.port = number(&flag, &value?)?,
                "--frames" => arguments.frames = Some(value?),
                "--repeat" => arguments.repeat = Some(number(&flag, &value?)?),
                "--interval-ms" => arguments.interval_ms = number(&flag, &value?)?,
                "--cut-after" => arguments.cut_after = Some(number(&flag, &value?)?),
                "--shards" => arguments.shards = Some(positive(&flag, &value?)?),
                "--max-concurrency" => {
                    arguments.max_concurrency = Some(positive(&flag, &value?)?);
                }
                "--heartbeat-ms" => arguments.heartbeat_ms = Some(number(&flag, &value?)?),
                "--token" => arguments.token = Some(value?),
                "--recycle-ms" => arguments.recycle_ms = Some(number(&flag, &value?)?),
                "--app-id" => arguments.app_id = Some(value?),
                "--client-secret" => arguments.client_secret = Some(value?),
                "--token-ms" => arguments.token_ms = Some(number(&flag, &value?)?),
                _ => return Err(format!("{flag} is no option")),
            }
        }
        if arguments.app_id.is_some() != arguments.client_secret.is_some() {
            return Err("--app-id and --client-secret go together".to_owned());
        }
        Ok(arguments)
    }

    fn builder(&self) -> Result<Builder, String> {
        let mut builder = Gateway::builder()
            .platform(self.platform)
            .port(self.port)
            .log_events(false);
        if let Some(path) = &self.frames {
            let events = frames(Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
            let feed = Feed::new(events)
                .repeat(self.repeat.unwrap_or(1))
                .interval(Duration::from_millis(self.interval_ms));
            builder = builder.feed(feed);
        }
        if let Some(shards) = self.shards {
            builder = builder.shards(shards);
        }
        if let Some(buckets) = self.max_concurrency {
            builder = builder.max_concurrency(buckets);
        }
        if let Some(interval) = self.heartbeat_ms {
            builder = builder.heartbeat_interval(Duration::from_millis(interval));
        }
        if let Some(token) = &self.token {
            builder = builder.token(token.as_str());
        }
        if let Some(lifetime) = self.recycle_ms {
            builder = builder.recycle_after(Duration::from_millis(lifetime));
        }
        if let (Some(app_id), Some(secret)) = (&self.app_id, &self.client_secret) {
            builder = builder.credentials(app_id, secret.as_str());
        }
        if let Some(lifetime) = self.token_ms {
            builder = builder.token_lifetime(Duration::from_millis(lifetime));
        }
        Ok(builder)
    }
}

fn number<T: std::str::FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{flag}: {value} is no such number"))
}

fn positive(flag: &str, value: &str) -> Result<u32, String> {
    match number(flag, value)? {
        0 => Err(format!("{flag}: 0 is too few")),
        number => Ok(number),
    }
}

/// The events of a directory or of a file with one frame a line.
fn frames(path: &Path) -> Result<Vec<Event>, Box<dyn Error>> {
    let mut texts = Vec::new();
    if path.is_dir() {
        let mut files: Vec<_> = fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.retain(|file| file.extension() == Some(OsStr::new("json")));
        files.sort();
        for file in files {
            texts.push((file.display().to_string(), fs::read_to_string(&file)?));
        }
    } else {
        let text = fs::read_to_string(path)?;
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty());
        texts.extend(lines.map(|(index, line)| (format!("line {}", index + 1), line.to_owned())));
    }
    let mut events = Vec::with_capacity(texts.len());
    for (place, text) in texts {
        let event = Event::from_frame(&text).map_err(|error| format!("{place}: {error}"))?;
        if !matches!(event.name(), "READY" | "RESUMED") {
            events.push(event);
        }
    }
    Ok(events)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) if arguments.help => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(arguments) => arguments,
        Err(error) => return bad_usage(&error),
    };
    let builder = match arguments.builder() {
        Ok(builder) => builder,
        Err(error) => return bad_usage(&error),
    };
    match serve(builder, arguments.cut_after).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read stdout has gone, and with it the reason to go on.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local_gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bad_usage(error: &str) -> ExitCode {
    eprintln!("local_gateway: {error}\n\n{HELP}");
    ExitCode::from(2)
}

async fn serve(builder: Builder, cut_after: Option<u64>) -> io::Result<()> {
    let stop = stop_signal()?;
    tokio::pin!(stop);
    let gateway = builder.start().await?;
    if let Some(frames) = cut_after {
        gateway.misbehave_always([Fault::rst_after(frames).times(1)]);
    }
    say(&format!(
        "listening {} {}",
        gateway.url(),
        gateway.rest_url()
    ))?;
    let mut follow = gateway.follow();
    loop {
        tokio::select! {
            Some(record) = follow.next() => {
                if !matches!(record.act, Act::Sent { .. }) {
                    say(&serde_json::to_string(&record)?)?;
                }
            }
            () = &mut stop => break,
        }
    }
    say(&json!({"act": "summary", "sent": gateway.stats()}).to_string())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Resolves at Ctrl-C, and where there is one at SIGTERM. Listens from the call on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_flag_is_read() {
        let line = "--platform qq --port 7 --frames x --repeat 2 --interval-ms 3 \
            --cut-after 4 --shards 5 --max-concurrency 6 --heartbeat-ms 1000 --token t \
            --recycle-ms 8 --app-id a --client-secret s --token-ms 9";
        let expected = Arguments {
            platform: Dialect::Qq,
            port: 7,
            frames: Some("x".into()),
            repeat: Some(2),
            interval_ms: 3,
            cut_after: Some(4),
            shards: Some(5),
            max_concurrency: Some(6),
            heartbeat_ms: Some(1000),
            token: Some("t".into()),
            recycle_ms: Some(8),
            app_id: Some("a".into()),
            client_secret: Some("s".into()),
            token_ms: Some(9),
            help: false,
        };
        assert_eq!(parse(line), Ok(expected));
    }

    #[test]
    fn bad_usage_names_the_flag() {
        for line in [
            "--port",
            "--port x",
            "--port 70000",
            "--shards 0",
            "--platform x",
            "--app-id a",
            "--x 1",
        ] {
            let flag = line.split(' ').next().unwrap();
            assert!(parse(line).unwrap_err().contains(flag), "{line}");
        }
    }
}
