//! Numbers for Prometheus at `/metrics`, and at `/health` whether the bot is served: 200 or 503.
//!
//! `cargo run --example metrics -- 9187` listens on that port of this machine, with none on any,
//! until Ctrl-C. It takes them from the shard's status. Who has a recorder for the crate `metrics`
//! anyway finds more in the feature `metrics`, under the same names.

use std::{env, error::Error, fmt::Write as _, io};

use shardstream::{
    Config, Intents, Shard, ShardHandle, ShardId,
    local::{self, Feed, Gateway},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Thirteen events of the shape that Discord sends, invented.
const FRAMES: &str = include_str!("frames/harbour.jsonl");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let events: Result<Vec<_>, _> = FRAMES.lines().map(local::Event::from_frame).collect();
    let gateway = Gateway::builder().feed(Feed::new(events?)).start().await?;
    let config = Config::builder("any token", Intents::non_privileged());
    let config = config.gateway_url(gateway.url()).build()?;
    let mut shard = Shard::with_config(ShardId::ONE, config);
    let handle = shard.handle();
    // The bot; a slow one would not make its numbers wait.
    tokio::spawn(async move { while shard.next_event().await.is_ok() {} });

    let port = env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let handle = handle.clone();
        // Who asks badly gets no answer.
        tokio::spawn(async move { answer(stream, &handle).await });
    }
}

async fn answer(stream: TcpStream, shard: &ShardHandle) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    let (status, body) = match request.split(' ').nth(1) {
        Some("/health") if shard.health().is_ready() => ("200 OK", "ready\n".to_owned()),
        Some("/health") => ("503 Service Unavailable", format!("{:?}\n", shard.health())),
        Some("/metrics") => ("200 OK", metrics(shard)),
        _ => ("404 Not Found", String::new()),
    };
    let len = body.len();
    let head = "Content-Type: text/plain; version=0.0.4\r\nConnection: close";
    let answer = format!("HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {len}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await
}

fn metrics(shard: &ShardHandle) -> String {
    let (status, id) = (shard.status(), shard.id());
    let shard_labels = format!("shard=\"{}\",total=\"{}\"", id.number(), id.total());
    let mut text = String::new();
    for (name, kind, value) in [
        ("ready", "gauge", u64::from(status.health.is_ready())),
        ("connects", "counter", status.counters.connects),
        ("resumes", "counter", status.counters.resumes),
        ("identifies", "counter", status.counters.identifies),
        ("bytes_in", "counter", status.bytes_in),
        ("buffered_events", "gauge", status.buffered_events as u64),
    ] {
        let _ = writeln!(text, "# TYPE shardstream_{name} {kind}");
        let _ = writeln!(text, "shardstream_{name}{{{shard_labels}}} {value}");
    }
    text += "# TYPE shardstream_events counter\n";
    for (event, count) in shard.event_counts().iter() {
        let labels = format!("{shard_labels},event=\"{event}\"");
        let _ = writeln!(text, "shardstream_events{{{labels}}} {count}");
    }
    text
}
