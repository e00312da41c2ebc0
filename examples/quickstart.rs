//! The main job in one command: events come, the connection is cut, nothing is lost.
//!
//! `cargo run --example quickstart` needs nothing else: it starts a gateway in this very process.
//! With `DISCORD_TOKEN` set it connects to Discord instead, until Ctrl-C.

use std::{
    collections::BTreeSet,
    error::Error,
    io::{self, IsTerminal as _},
    time::Duration,
};

use futures::StreamExt as _;
use shardstream::{
    Config, Intents, Notice, Shard, ShardId, Shutdown,
    discord::Event,
    local::{self, Act, Fault, Feed, Gateway},
};

/// Thirteen events of the shape that Discord sends, invented.
const FRAMES: &str = include_str!("frames/harbour.jsonl");
const ROUNDS: u64 = 8;
/// In the middle: the connection is reset after so many events.
const CUT_AFTER: u64 = 50;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    if let Ok(token) = std::env::var("DISCORD_TOKEN") {
        let mut shard = Shard::new(ShardId::ONE, token, Intents::non_privileged());
        loop {
            tokio::select! {
                event = shard.next_event() => match event {
                    Ok(event) => show(&event, shard.last_sequence(), false),
                    Err(error) if error.is_fatal() => return Err(error.into()),
                    Err(error) => eprintln!("{error}"),
                },
                _ = tokio::signal::ctrl_c() => break,
            }
        }
        shard.shutdown(Shutdown::End).await;
        return Ok(());
    }

    let events: Vec<_> = FRAMES
        .lines()
        .map(local::Event::from_frame)
        .collect::<Result<_, _>>()?;
    let feed = Feed::new(events)
        .repeat(ROUNDS)
        .interval(Duration::from_millis(5));
    let expected = FRAMES.lines().count() as u64 * ROUNDS;
    let gateway = Gateway::builder().feed(feed).start().await?;
    gateway.misbehave([Fault::rst_after(CUT_AFTER)]);
    println!("a gateway in this process listens at {}\n", gateway.url());

    let config = Config::builder("any token", Intents::non_privileged())
        .gateway_url(gateway.url())
        .build()?;
    let mut shard = Shard::with_config(ShardId::ONE, config);
    let received = tokio::time::timeout(Duration::from_secs(15), receive(&mut shard, expected));
    let received = received.await??;
    shard.shutdown(Shutdown::End).await;

    // The server's own record of what it sent, against what the shard handed out.
    let sent: BTreeSet<u64> = gateway.log().iter().filter_map(number_sent).collect();
    let distinct: BTreeSet<u64> = received.iter().copied().collect();
    let lost = sent.difference(&distinct).count();
    let doubled = received.len() - distinct.len();
    let stats = gateway.stats();
    println!(
        "\nThe server sent {} events and cut the connection once.",
        sent.len()
    );
    println!(
        "delivered={} lost={lost} doubled={doubled} resumes={}",
        received.len(),
        stats.resumed
    );
    if (lost, doubled, stats.resumed, stats.identifies) != (0, 0, 1, 1) {
        return Err("that is not what was promised".into());
    }
    Ok(())
}

/// Takes events until the server has sent all of its feed; the numbers of those of the feed.
async fn receive(shard: &mut Shard, expected: u64) -> Result<Vec<u64>, shardstream::Error> {
    let mut numbers = Vec::new();
    while (numbers.len() as u64) < expected {
        let Some((meta, event)) = shard.next().await else {
            break;
        };
        match event {
            Ok(event) => {
                // The first of each kind, and everything around the cut.
                let around = numbers.len() < FRAMES.lines().count() || meta.replayed;
                if around || matches!(event, Event::Gateway(_)) {
                    show(&event, meta.seq, meta.replayed);
                }
                let own = matches!(
                    event,
                    Event::Gateway(_) | Event::Ready(_) | Event::Resumed(_)
                );
                numbers.extend(meta.seq.filter(|_| !own));
            }
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(numbers)
}

/// The number of an event that the server sent from its feed, when it sent it first.
fn number_sent(record: &local::Record) -> Option<u64> {
    match &record.act {
        Act::Sent {
            event: Some(name),
            seq,
            again: false,
            ..
        } if name != "READY" && name != "RESUMED" => *seq,
        _ => None,
    }
}

/// One line about an event: typed fields where there are some to show.
fn show(event: &Event, seq: Option<u64>, replayed: bool) {
    let what = match event {
        Event::Ready(ready) => format!("I am {}", ready.user.username),
        Event::GuildCreate(_) => event
            .guild_id()
            .map_or_else(String::new, |id| format!("guild {id}")),
        Event::MessageCreate(message) => {
            format!("{} says {:?}", message.author.username, message.content)
        }
        Event::MessageUpdate(message) => format!("now says {:?}", message.content),
        Event::TypingStart(typing) => format!("user {} is typing", typing.user_id),
        Event::Unknown(unknown) => format!("{}, unknown to this version", unknown.name),
        Event::Gateway(Notice::Disconnected { cause, .. }) => format!("disconnected: {cause}"),
        Event::Gateway(notice) => format!("{notice:?}"),
        _ => String::new(),
    };
    let seq = seq.map(|seq| seq.to_string()).unwrap_or_default();
    let mark = if replayed { "replayed" } else { "" };
    println!("{seq:>4} {mark:8} {:28} {what}", event.kind().name());
}
