//! A bot has grown: two shards become four while it runs, and no event is lost or given twice.
//!
//! `cargo run --example reshard` needs nothing else: it starts a gateway in this very process.

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use futures::StreamExt as _;
use shardstream::{
    Config, Intents, ShardId, Shutdown,
    discord::Event,
    local::Gateway,
    queue::LocalQueue,
    stream::{ShardEventStream, create_range},
};
use tokio::time::timeout;

/// Something happens in these all the time, and goes on for a while after the shards are four.
const GUILDS: [u64; 4] = [4 << 22, 5 << 22, 6 << 22, 7 << 22];
const ROUNDS_AFTER: u64 = 20;

/// What was given of each guild.
type Given = BTreeMap<String, Vec<u64>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // As that of a bot that may start 16 shards at a time, but less slow.
    let window = Duration::from_millis(100);
    let builder = Gateway::builder().max_concurrency(16);
    let gateway = builder.identify_window(window).start().await?;
    let day = Duration::from_hours(24);
    let queue = LocalQueue::with_limits(16, 1000, 1000, day, window);
    let config = Config::builder("any token", Intents::GUILD_MESSAGES)
        .gateway_url(gateway.url())
        .queue(Arc::new(queue))
        .build()?;
    let shards = |total| create_range(0..total, total, config.clone(), |_, shard| shard.build());

    let mut stream = ShardEventStream::new(shards(2));
    for _ in 0..2 {
        let ready =
            async { while !matches!(stream.next().await, Some((_, Ok(Event::Ready(_))))) {} };
        timeout(Duration::from_secs(20), ready).await?;
    }
    println!("two shards are ready");

    let mut stream = stream.reshard(shards(4));
    let mut given = Given::new();
    let (mut rounds, mut last) = (0, u64::MAX);
    while rounds < last {
        happen(&gateway, rounds)?;
        rounds += 1;
        while let Ok(Some((_, event))) = timeout(Duration::from_millis(5), stream.next()).await {
            note(&event?, &mut given)?;
        }
        if stream.is_complete() && last == u64::MAX {
            println!("four shards have taken over");
            last = rounds + ROUNDS_AFTER;
        }
    }
    let missing = |given: &Given| given.values().any(|events| (events.len() as u64) < last);
    while missing(&given) {
        let next = timeout(Duration::from_secs(20), stream.next()).await?;
        note(&next.ok_or("a shard has ended")?.1?, &mut given)?;
    }
    for (guild, events) in given {
        let is_exact = events.into_iter().eq(0..last);
        println!("guild {guild}: each event once and in order: {is_exact}");
    }
    stream.shutdown(Shutdown::End).await;
    Ok(())
}

fn note(event: &Event, given: &mut Given) -> Result<(), Box<dyn Error>> {
    if let Event::Unknown(event) = event {
        let data: serde_json::Value = serde_json::from_str(&event.data)?;
        let events = given.entry(data["guild_id"].to_string()).or_default();
        events.extend(data["n"].as_u64());
    }
    Ok(())
}

/// Something happens in each guild. As on the platform the event goes to the shard that has the
/// guild, of however many there are.
fn happen(gateway: &Gateway, n: u64) -> Result<(), Box<dyn Error>> {
    for guild in GUILDS {
        for total in [2, 4] {
            let number = u32::try_from((guild >> 22) % u64::from(total))?;
            let shard = ShardId::new(number, total).ok_or("a number below its total")?;
            let data = format!(r#"{{"guild_id":"{guild}","n":{n}}}"#);
            gateway.send(shard, "SOMETHING_HAPPENED", &data)?;
        }
    }
    Ok(())
}
