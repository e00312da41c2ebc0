//! What a monitoring system asks for: `/metrics` in the text of Prometheus, and `/health`.
//!
//! `cargo run --example metrics --features metrics` says where both are, and serves them until
//! Ctrl-C. The bot is on a gateway in this very process, which cuts the connection once; with
//! `DISCORD_TOKEN` set it is on Discord.

use std::{env, error::Error, io, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use shardstream::{
    Config, Health, Intents, Shard, ShardHandle, ShardId, Shutdown,
    discord::Discord,
    local::{self, Fault, Feed, Gateway},
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const FRAMES: &str = include_str!("frames/harbour.jsonl");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Before the first shard, which registers its metrics when it is made.
    let metrics = PrometheusBuilder::new().install_recorder()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("http://{address}/metrics http://{address}/health");

    let events: Result<Vec<_>, _> = FRAMES.lines().map(local::Event::from_frame).collect();
    let gateway = Gateway::builder().feed(Feed::new(events?)).start().await?;
    gateway.misbehave([Fault::rst_after(5)]);
    let config = match env::var("DISCORD_TOKEN") {
        Ok(token) => Config::builder(token, Intents::non_privileged()),
        Err(_) => {
            Config::builder("any token", Intents::non_privileged()).gateway_url(gateway.url())
        }
    };
    let mut shard = Shard::with_config(ShardId::ONE, config.build()?);
    tokio::spawn(serve(listener, metrics, shard.handle()));
    loop {
        tokio::select! {
            event = shard.next_event() => match event {
                Err(error) if error.is_fatal() => return Err(error.into()),
                Err(error) => eprintln!("{error}"),
                Ok(_) => {}
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    shard.shutdown(Shutdown::End).await;
    Ok(())
}

/// One request after the other; a program that has a web server answers there.
async fn serve(listener: TcpListener, metrics: PrometheusHandle, shard: ShardHandle<Discord>) {
    while let Ok((client, _)) = listener.accept().await {
        let answer = answer(client, &metrics, &shard);
        if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(1), answer).await {
            eprintln!("a client went away: {error}");
        }
    }
}

async fn answer(
    mut client: TcpStream,
    metrics: &PrometheusHandle,
    shard: &ShardHandle<Discord>,
) -> io::Result<()> {
    let mut lines = BufReader::new((&mut client).take(8192)).lines();
    let request = lines.next_line().await?.unwrap_or_default();
    while lines
        .next_line()
        .await?
        .is_some_and(|header| !header.is_empty())
    {}
    let (status, body) = match (request.split(' ').nth(1), shard.health()) {
        (Some("/metrics"), _) => ("200 OK", metrics.render()),
        (Some("/health"), Health::Ready) => ("200 OK", "ready".into()),
        (Some("/health"), health) => ("503 Service Unavailable", format!("{health:?}")),
        _ => ("404 Not Found", "/metrics or /health".into()),
    };
    let length = body.len();
    let head = format!("Content-Type: text/plain; version=0.0.4\r\nContent-Length: {length}");
    let answer = format!("HTTP/1.1 {status}\r\n{head}\r\nConnection: close\r\n\r\n{body}");
    client.write_all(answer.as_bytes()).await
}
