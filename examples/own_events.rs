//! Your own event type: of the events you name, the fields you name, borrowed from the frame.
//!
//! `cargo run --example own_events` needs nothing else: it starts a gateway in this very process.

use std::{borrow::Cow, error::Error, time::Duration};

use serde::Deserialize;
use shardstream::{
    Config, Id, Intents, Notice, Shard, ShardId, Shutdown,
    local::{self, Feed, Gateway},
    own_events,
};

/// Thirteen events of the shape that Discord sends, invented.
const FRAMES: &str = include_str!("frames/harbour.jsonl");

own_events! {
    /// What a harbour master wants to know.
    #[derive(Debug)]
    enum Harbour<'a> {
        Said(Said<'a>) = "MESSAGE_CREATE" | "MESSAGE_UPDATE",
        Typing(Typing) = "TYPING_START",
        Joined = "GUILD_MEMBER_ADD",
        Gateway(Notice) = notice,
    }
}

#[derive(Debug, Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow)]
    author: Author<'a>,
}

#[derive(Debug, Deserialize)]
struct Author<'a> {
    #[serde(borrow)]
    username: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct Typing {
    user_id: Id<()>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let events: Result<Vec<_>, _> = FRAMES.lines().map(local::Event::from_frame).collect();
    let feed = Feed::new(events?);
    let gateway = Gateway::builder().feed(feed).start().await?;
    let config = Config::builder("any token", Intents::non_privileged())
        .gateway_url(gateway.url())
        .build()?;

    let mut shard = Shard::with_config(ShardId::ONE, config).typed::<Harbour<'_>>();
    // Five of the thirteen are named above; the others are never copied or decoded.
    let mut left = 5;
    while left > 0 {
        let event = tokio::time::timeout(Duration::from_secs(15), shard.next_event());
        match event.await?? {
            Harbour::Said(said) => println!("{} says {:?}", said.author.username, said.content),
            Harbour::Typing(typing) => println!("{} is typing", typing.user_id),
            Harbour::Joined => println!("somebody joined"),
            Harbour::Gateway(notice) => {
                println!("{}", notice.name());
                continue;
            }
        }
        left -= 1;
    }
    shard.shutdown(Shutdown::End).await;
    Ok(())
}
