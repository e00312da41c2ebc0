//! Callbacks by event: typed, as a type of one's own, for every event, and for what goes wrong.
//!
//! `cargo run --example handlers` needs nothing else: it starts a
//! gateway in this very process.

use std::{error::Error, time::Duration};

use serde::Deserialize;
use shardstream::{
    Config, Intents,
    discord::{Event, EventKind},
    handler::{Bot, Context},
    local::{self, Feed, Gateway},
};

/// Thirteen events of the shape that Discord sends, invented.
const FRAMES: &str = include_str!("frames/harbour.jsonl");

/// The one field of a message that is read below.
#[derive(Deserialize)]
struct Said {
    content: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let events: Result<Vec<_>, _> = FRAMES.lines().map(local::Event::from_frame).collect();
    let feed = Feed::new(events?);
    let gateway = Gateway::builder().feed(feed).start().await?;
    let config = Config::builder("any token", Intents::non_privileged())
        .gateway_url(gateway.url())
        .build()?;

    let bot = Bot::with_config(config)
        // One after the other, so that the lines below come in one order.
        .concurrency(1)
        .on("READY", |context: Context, _| async move {
            let live = if context.session_id().is_some() {
                "live"
            } else {
                "gone"
            };
            println!("ready: shard {}, session {live}", context.shard().id());
        })
        .on(EventKind::MessageCreate, greet)
        .on_as("MESSAGE_CREATE", |_, said: Said| async move {
            println!("of {} bytes", said.content.len());
        })
        .on("TYPING_START", |_, _| async {
            panic!("a bug in this handler")
        })
        .on_any_raw(|context, frame| async move {
            // The last one of the feed.
            if frame.seq() == Some(FRAMES.lines().count() as u64 + 1) {
                println!("stopping after {:?} events", context.meta().seq);
                context.bot().stop();
            }
        })
        .on_error(|_, error| async move {
            println!("{}: {error}", error.event_name().unwrap_or("-"));
        });

    // A panic is told to `on_error`; the default hook would write it to stderr as well.
    std::panic::set_hook(Box::new(|_| {}));
    tokio::time::timeout(Duration::from_secs(15), bot.run()).await??;
    println!("identifies={}", gateway.stats().identifies);
    Ok(())
}

async fn greet(context: Context, event: Event) {
    if let Event::MessageCreate(message) = event {
        let (author, seq) = (&message.author.username, context.meta().seq);
        println!("{author}: {:?} (seq {seq:?})", message.content);
    }
}
