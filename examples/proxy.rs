//! A bot behind a proxy: discovery and gateway both go through it, and what it refuses has a name.
//!
//! `cargo run --example proxy -- socks5://user:password@127.0.0.1:1080` takes any proxy of this
//! machine; with no argument it starts a small one itself. The gateway is in this process. A real
//! bot behind a proxy sets nothing in its code: `HTTPS_PROXY=http://proxy:3128 my-bot`.

use std::{env, error::Error, time::Duration};

use shardstream::{
    Config, Intents, Shard, ShardId, Shutdown,
    local::{self, Feed, Gateway},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Thirteen events of the shape that Discord sends, invented.
const FRAMES: &str = include_str!("frames/harbour.jsonl");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let events: Result<Vec<_>, _> = FRAMES.lines().map(local::Event::from_frame).collect();
    let gateway = Gateway::builder().feed(Feed::new(events?)).start().await?;
    let proxy = match env::args().nth(1) {
        Some(url) => url,
        None => start_proxy().await?,
    };
    let builder = Config::builder("any token", Intents::non_privileged())
        .rest_url(gateway.rest_url())
        .gateway_url(gateway.url());
    let config = builder.clone().proxy(proxy).build()?;

    let found = config.rest_client().gateway_bot().await?;
    println!("discovered: {} shard", found.shards);
    let mut shard = Shard::with_config(ShardId::ONE, config);
    for _ in 0..4 {
        let event = timeout(Duration::from_secs(15), shard.next_event()).await??;
        println!("{}", event.kind().name());
    }
    shard.shutdown(Shutdown::End).await;

    // Nobody listens there. A shard would say the same, and try again.
    let elsewhere = builder.proxy("http://user:password@127.0.0.1:1").build()?;
    if let Err(error) = elsewhere.rest_client().gateway_bot().await {
        println!("{}: {error}", error.kind().name());
    }
    Ok(())
}

/// The least that a proxy can be: it reads `CONNECT host:port` and passes bytes on.
async fn start_proxy() -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut client = BufReader::new(client);
                let mut lines = vec![String::new()];
                while client.read_line(&mut lines[0]).await? > 2 {
                    lines.insert(0, String::new());
                }
                let asked = lines.last().and_then(|line| line.split(' ').nth(1));
                let mut server = TcpStream::connect(asked.unwrap_or_default()).await?;
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    Ok(url)
}
