//! A test of a bot with no network: a session is recorded where something went wrong, and said
//! again to the bot as often as wanted.
//!
//! `cargo run --example offline_test` needs nothing else: the real gateway has its stand-in, too.

use std::{error::Error, time::Duration};

use shardstream::{
    Config, Intents, Notice, Shard, ShardId,
    discord::Event,
    local::{self, Fault, Feed, Gateway, Recorded},
};
use tokio::time::timeout;

/// Thirteen events of the shape that Discord sends, invented.
const FRAMES: &str = include_str!("frames/harbour.jsonl");

/// What the bot under test does: it keeps count.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    messages: u32,
    deleted: u32,
    resumes: u32,
}

impl Tally {
    fn handle(&mut self, event: &Event) {
        match event {
            Event::MessageCreate(_) => self.messages += 1,
            Event::MessageDelete(_) => self.deleted += 1,
            Event::Gateway(Notice::Resumed { .. }) => self.resumes += 1,
            _ => {}
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("offline-test-{}.jsonl", std::process::id()));

    // Where it happened. A real bot records with the same line, `record`.
    let events: Result<Vec<_>, _> = FRAMES.lines().map(local::Event::from_frame).collect();
    let feed = Feed::new(events?).repeat(2);
    let gateway = Gateway::builder().feed(feed).start().await?;
    gateway.misbehave([Fault::fin_after(10)]);
    let mut shard = shard(&gateway)?;
    let recording = shard.handle().record(&path)?;
    let before = run(&mut shard).await?;
    let lines = recording.finish().await?;
    println!("it happened:  {before:?}, recorded in {lines} lines");

    // The test: the same messages in the same order, the cut among them.
    let recorded = Recorded::read(&path)?;
    std::fs::remove_file(&path)?;
    println!("the report:   {recorded:?}");
    for _ in 0..2 {
        let gateway = Gateway::start().await?;
        gateway.replay(&recorded);
        let after = run(&mut self::shard(&gateway)?).await?;
        println!("it is tested: {after:?}");
        assert_eq!(after, before);
    }
    Ok(())
}

fn shard(gateway: &Gateway) -> Result<Shard, shardstream::Error> {
    let config = Config::builder("any token", Intents::non_privileged());
    let config = config.gateway_url(gateway.url()).build()?;
    Ok(Shard::with_config(ShardId::ONE, config))
}

/// The bot, up to the last of the events: 26, and READY before them, and RESUMED between them.
async fn run(shard: &mut Shard) -> Result<Tally, Box<dyn Error>> {
    let mut tally = Tally::default();
    while tally.resumes == 0 || shard.last_sequence() < Some(28) {
        let event = timeout(Duration::from_secs(15), shard.next_event()).await??;
        tally.handle(&event);
    }
    Ok(tally)
}
