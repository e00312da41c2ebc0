//! Raw forwarding: frames go on to another task as they came, nothing decoded and nothing copied.
//!
//! `cargo run --example raw` needs nothing else: it starts a gateway in this very process.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use serde::Deserialize;
use shardstream::{
    Config, EventFlags, Frame, Intents, Message, Shard, ShardId, Shutdown,
    local::{self, Feed, Gateway},
};
use tokio::sync::mpsc;

/// Thirteen events of the shape that Discord sends, invented.
const FRAMES: &str = include_str!("frames/harbour.jsonl");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let events: Result<Vec<_>, _> = FRAMES.lines().map(local::Event::from_frame).collect();
    let gateway = Gateway::builder().feed(Feed::new(events?)).start().await?;
    let config = Config::builder("any token", Intents::non_privileged())
        .gateway_url(gateway.url())
        // Everything that may be said, and what this version does not know; no notices.
        .event_flags(EventFlags::MESSAGE_CREATE | EventFlags::MESSAGE_UPDATE | EventFlags::UNKNOWN)
        .build()?;
    let mut shard = Shard::with_config(ShardId::ONE, config);

    // In place of a socket or a queue: whoever is behind it gets the very bytes of the server.
    let (forward, mut forwarded) = mpsc::channel::<Bytes>(16);
    let worker = tokio::spawn(async move {
        while let Some(bytes) = forwarded.recv().await {
            if let Err(error) = show(&bytes) {
                eprintln!("{error}");
            }
        }
    });
    for _ in 0..4 {
        let message = tokio::time::timeout(Duration::from_secs(15), shard.next_message());
        if let Message::Frame(frame) = message.await?? {
            forward.send(frame.into_bytes()).await?;
        }
    }
    drop(forward);
    shard.shutdown(Shutdown::End).await;
    worker.await?;
    Ok(())
}

/// What another process might do with a frame.
fn show(bytes: &[u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
    #[derive(Deserialize)]
    struct Said {
        content: Option<String>,
    }
    let frame = Frame::from_text(std::str::from_utf8(bytes)?)?;
    let said: Said = frame.parse()?;
    let seq = frame.seq().unwrap_or_default();
    let name = frame.event_name().unwrap_or_default();
    println!("seq={seq} {name}: {:?}", said.content);
    Ok(())
}
