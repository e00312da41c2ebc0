//! The programs of the page that this crate resembles, against the local gateway. They are written
//! as there but for the crate's name, where they are pointed at, and that they tell what they saw.

use std::time::Duration;

use futures::StreamExt;
use shardstream::{
    Config, Intents, Shard, ShardId,
    discord::{Event, EventKind},
    local::{self, Feed, Gateway, Step},
    rest::Client,
    stream::{self, ShardEventStream},
};
use tokio::{sync::mpsc, time::timeout};

const FRAMES: &str = include_str!("../../../examples/frames/harbour.jsonl");

type Seen = mpsc::UnboundedSender<(ShardId, Event)>;

async fn one_shard(token: String, gateway_url: &str, seen: Seen) -> anyhow::Result<()> {
    let intents = Intents::GUILDS | Intents::GUILD_VOICE_STATES;

    // On the page: `Shard::new(ShardId::ONE, token, intents)`, which connects to Discord.
    let config = Config::builder(token, intents).gateway_url(gateway_url);
    let mut shard = Shard::with_config(ShardId::ONE, config.build()?);
    tracing::info!("started shard");

    loop {
        let event = match shard.next_event().await {
            Ok(event) => event,
            Err(source) => {
                tracing::warn!(?source, "error receiving event");

                if source.is_fatal() {
                    break;
                }

                continue;
            }
        };

        tracing::debug!(?event, "received event");
        seen.send((shard.id(), event))?;
    }

    Ok(())
}

async fn many_shards(token: String, base_url: &str, seen: Seen) -> anyhow::Result<()> {
    // On the page without the base, which is then that of Discord.
    let client = Client::new(token.clone()).base_url(base_url);
    let config = Config::new(token, Intents::GUILDS);

    let mut shards = stream::create_recommended(&client, config, |_, builder| builder.build())
        .await?
        .collect::<Vec<_>>();

    let mut stream = ShardEventStream::new(shards.iter_mut());

    while let Some((shard, event)) = stream.next().await {
        let event = match event {
            Ok(event) => event,
            Err(source) => {
                tracing::warn!(?source, "error receiving event");

                if source.is_fatal() {
                    break;
                }

                continue;
            }
        };

        tracing::debug!(?event, shard = ?shard.id(), "received event");
        seen.send((shard.id(), event))?;
    }

    Ok(())
}

/// A gateway that feeds each session, and how many events of the feed there are.
async fn gateway(shards: u32) -> (Gateway, usize) {
    let events: Result<Vec<_>, _> = FRAMES.lines().map(local::Event::from_frame).collect();
    let events = events.unwrap();
    let len = events.len();
    let builder = Gateway::builder().shards(shards).max_concurrency(shards);
    (builder.feed(Feed::new(events)).start().await.unwrap(), len)
}

/// Runs a program until it has seen READY and the feed on every shard, and a fatal close ends it.
async fn run<F>(
    program: impl FnOnce(String, Seen) -> F,
    gateway: &Gateway,
    shards: u32,
    feed: usize,
) where
    F: Future<Output = anyhow::Result<()>>,
{
    let (sender, mut seen) = mpsc::unbounded_channel::<(ShardId, Event)>();
    let watch = async {
        let mut counts = vec![0; shards as usize];
        while counts.iter().any(|count| *count < feed + 1) {
            let (shard, event) = seen.recv().await.expect("the program goes on");
            assert_eq!(shard.total(), shards);
            let count = &mut counts[shard.number() as usize];
            match event.kind() {
                EventKind::Gateway => continue,
                EventKind::Ready => assert_eq!(*count, 0),
                _ => {}
            }
            *count += 1;
        }
        assert_eq!(gateway.order_all([Step::Close(4014)]), shards as usize);
        // What still comes must find somebody, or the program would end with an error.
        while seen.recv().await.is_some() {}
    };
    let both = async { tokio::join!(program(crate::watch::token().into(), sender), watch) };
    let (ended, ()) = timeout(Duration::from_secs(30), both).await.expect("ends");
    ended.unwrap();
    let stats = gateway.stats();
    assert_eq!(stats.identifies, u64::from(shards));
    assert_eq!(stats.connections, u64::from(shards));
}

#[tokio::test]
async fn the_program_of_one_shard_runs() {
    let (gateway, feed) = gateway(1).await;
    let program = |token, seen| one_shard(token, gateway.url(), seen);
    run(program, &gateway, 1, feed).await;
    assert_eq!(gateway.stats().rests, 0);
}

#[tokio::test]
async fn the_program_of_the_recommended_shards_runs() {
    let (gateway, feed) = gateway(3).await;
    let program = |token, seen| many_shards(token, gateway.rest_url(), seen);
    run(program, &gateway, 3, feed).await;
    assert_eq!(gateway.stats().rests, 1);
}
