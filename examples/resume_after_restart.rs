//! A restart that loses nothing: the sessions of all shards go to a file and come back from it.
//!
//! `cargo run --example resume_after_restart` lives twice, on a gateway in this very process that
//! goes on sending in between. With `DISCORD_TOKEN` set it lives once, on Discord and until Ctrl-C,
//! and the next call goes on from the file `sessions.json`.

use std::{collections::BTreeMap, env, error::Error, time::Duration};

use shardstream::{
    Config, Intents, Shutdown,
    local::{self, Feed, Gateway},
    rest::Client,
    stream::{self, FileStore, SessionStore, ShardEventStream},
};

const FRAMES: &str = include_str!("frames/harbour.jsonl");

/// The sequences of the events that were taken, by shard.
type Taken = BTreeMap<u32, Vec<u64>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(token) = env::var("DISCORD_TOKEN") {
        let store = FileStore::new("sessions.json");
        live(token.clone(), &Client::new(token), &store, u64::MAX).await?;
        return Ok(());
    }
    let events: Result<Vec<_>, _> = FRAMES.lines().map(local::Event::from_frame).collect();
    let feed = Feed::new(events?).interval(Duration::from_millis(5));
    // READY comes before what is fed, and RESUMED somewhere within.
    let last = FRAMES.lines().count() as u64 * 3 + 2;
    let gateway = Gateway::builder()
        .shards(2)
        .max_concurrency(2)
        .feed(feed.repeat(3));
    let gateway = gateway.start().await?;
    let client = Client::new("any token").base_url(gateway.rest_url());
    let path = env::temp_dir().join(format!("shardstream-sessions-{}", std::process::id()));
    let store = FileStore::new(&path);

    let mut taken = live("any token".into(), &client, &store, 10).await?;
    for (shard, more) in live("any token".into(), &client, &store, last).await? {
        taken.entry(shard).or_default().extend(more);
    }
    std::fs::remove_file(path)?;
    for (shard, seqs) in taken {
        let each_once = seqs.iter().copied().eq(1..=last);
        println!("shard {shard}: events 1 to {last}, each once: {each_once}");
    }
    let stats = gateway.stats();
    println!("{} identifies, {} resumes", stats.identifies, stats.resumes);
    Ok(())
}

/// One life of a bot: until every shard has come to the sequence `until`, or Ctrl-C.
async fn live(
    token: String,
    client: &Client,
    store: &impl SessionStore,
    until: u64,
) -> Result<Taken, Box<dyn Error>> {
    let sessions = store.load().await?;
    let config = Config::new(token, Intents::GUILDS | Intents::GUILD_MESSAGES);
    let shards = stream::create_recommended(client, config, |id, builder| {
        builder.resume(sessions.of(id).cloned()).build()
    });
    let mut stream = ShardEventStream::new(shards.await?);
    println!(
        "{} of {} shards have a session",
        sessions.len(),
        stream.len()
    );

    let mut got: Taken = stream
        .handles()
        .map(|shard| (shard.id().number(), vec![]))
        .collect();
    while got
        .values()
        .any(|seqs| seqs.last().is_none_or(|&last| last < until))
    {
        let item = tokio::select! {
            item = stream.next_with_meta() => item,
            _ = tokio::signal::ctrl_c() => break,
        };
        // All shards have ended, each with an error that says why.
        let Some((shard, meta, event)) = item else {
            break;
        };
        if let Err(error) = event {
            eprintln!("shard {}: {error}", shard.id());
        }
        got.entry(shard.id().number()).or_default().extend(meta.seq);
    }
    // Keep: the sessions stay alive for a while, each at the last event that was taken above.
    store.save(&stream.shutdown(Shutdown::Keep).await).await?;
    Ok(got)
}
