//! As many shards as the platform recommends, as one stream, and a bar for how far they are.
//!
//! `cargo run --example sharded` asks a gateway in this very process, whose window for identifies
//! is shorter than the five seconds of the platforms. With `DISCORD_TOKEN` set it asks Discord, and
//! runs until Ctrl-C.

use std::{collections::BTreeMap, env, error::Error, time::Duration};

use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use shardstream::{
    Config, Intents, Limits, Shutdown,
    discord::Event,
    local::{self, Feed, Gateway},
    rest,
    stream::{self, ShardEventStream},
};

const FRAMES: &str = include_str!("frames/harbour.jsonl");
const SHARDS: u32 = 8;
const WINDOW: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let gateway = harbour()?.start().await?;
    let mut limits = Limits::default();
    let (token, client, expected) = if let Ok(token) = env::var("DISCORD_TOKEN") {
        (token.clone(), rest::Client::new(token), usize::MAX)
    } else {
        limits.identify_window = WINDOW;
        let client = rest::Client::new("any token").base_url(gateway.rest_url());
        let expected = FRAMES.lines().count() * SHARDS as usize;
        ("any token".to_owned(), client, expected)
    };
    let config = Config::builder(token, Intents::GUILDS | Intents::GUILD_MESSAGES);
    let config = config.limits(limits).build()?;
    let shards = stream::create_recommended(&client, config, |_, builder| builder.build()).await?;
    let mut stream = ShardEventStream::new(shards);
    let soonest = stream.progress().identified_in.unwrap_or_default();
    println!("{} shards; all can be there in {soonest:?}", stream.len());

    // It shows on a terminal only.
    let bar = ProgressBar::new(stream.len() as u64);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {pos} of {len} are ready",
    )?);
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let mut events = BTreeMap::new();
    while events.values().sum::<usize>() < expected || !bar.is_finished() {
        tokio::select! {
            item = stream.next() => match item {
                Some((_, Ok(Event::Gateway(_) | Event::Ready(_) | Event::Resumed(_)))) => {}
                Some((shard, Ok(_))) => *events.entry(shard.id().number()).or_default() += 1,
                Some((shard, Err(error))) => {
                    bar.suspend(|| eprintln!("shard {}: {error}", shard.id()));
                }
                // All shards have ended, each with an error that says why.
                None => break,
            },
            _ = tick.tick(), if !bar.is_finished() => {
                let progress = stream.progress();
                bar.set_position(progress.ready as u64);
                if progress.is_complete() {
                    bar.finish();
                    println!("{} of {} are ready", progress.ready, progress.shards);
                }
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    println!("events by shard: {events:?}");
    let counters = stream.progress().counters;
    stream.shutdown(Shutdown::End).await;
    println!(
        "{} identifies, {} resumes",
        counters.identifies, counters.resumes
    );
    Ok(())
}

/// A gateway that recommends eight shards, of which four may start at once.
fn harbour() -> Result<local::Builder, local::BadEvent> {
    let events: Result<Vec<_>, _> = FRAMES.lines().map(local::Event::from_frame).collect();
    let builder = Gateway::builder().shards(SHARDS).max_concurrency(4);
    // Its clock may see two identifies closer together than they were sent.
    Ok(builder
        .identify_window(WINDOW / 10)
        .feed(Feed::new(events?)))
}
