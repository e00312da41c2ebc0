//! Futures that are dropped before they are done.

use std::{future::pending, task::Poll, time::Duration};

use futures::future::poll_fn;
use shardstream::{
    Compression, Config, Intents, ShardId,
    cluster::{Node, NodeBuilder, Worker, WorkerBuilder},
    discord::{BotStatus, Discord, UpdatePresence},
};
use tokio::time::timeout;

use super::{LEASE, SHARDS, process::BOT};

/// More than any of these futures takes.
const POLLS_MAX: usize = 1000;
/// Those that are never done are dropped at these polls, or after this time.
const POLLS: [usize; 7] = [1, 2, 5, 12, 30, 80, 300];
const LIFE: Duration = LEASE;

/// What the future gives; `None` where it was dropped after so many polls.
fn cut<T>(polls: usize, future: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
    let mut future = Box::pin(future);
    let mut polled = 0;
    poll_fn(move |cx| {
        polled += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled >= polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
}

/// Drops it at the first poll, a new one at the second, until one is done.
async fn cut_at_all<T>(mut future: impl AsyncFnMut() -> T) -> T {
    for polls in 1..=POLLS_MAX {
        if let Some(output) = cut(polls, future()).await {
            return output;
        }
    }
    panic!("never done");
}

/// Every public future of the cluster; all events of the feed must be handled once all the same.
pub(crate) async fn all(broker: &str, gateway: (&str, &str)) {
    let node = || {
        let config = Config::builder("its.token", Intents::GUILDS)
            .gateway_url(gateway.0)
            .rest_url(gateway.1)
            .compression(Compression::None)
            .build();
        let config = config.expect("a configuration");
        let node: NodeBuilder<Discord> = Node::builder(config, BOT);
        node.url(broker).shards(SHARDS).lease(LEASE)
    };
    let worker = |group: &str| -> WorkerBuilder<Discord> {
        let worker = Worker::builder(BOT).url(broker).lease(LEASE);
        if group.is_empty() {
            worker
        } else {
            worker.group(group)
        }
    };
    drop(cut_at_all(async || node().connect().await.expect("a server")).await);
    let connected = cut_at_all(async || worker("other").connect().await);
    let commands = connected.await.expect("a server").commands();
    let shard = ShardId::new(0, SHARDS).expect("a shard");
    let presence = UpdatePresence::new(BotStatus::Idle);
    let sent = cut_at_all(async || commands.command(shard, &presence).await);
    sent.await.expect("sent by the owner");
    let sent = cut_at_all(async || commands.send_payload(shard, 3, &0).await);
    sent.await.expect("sent by the owner");

    for polls in POLLS {
        // It takes its share of the shards, and is gone.
        let node = node().connect().await.expect("a server");
        let life = cut(polls, node.run_until(pending()));
        if let Ok(Some(ended)) = timeout(LIFE, life).await {
            ended.expect("no fatal error");
        }
        // It begins to handle what is meant for the others in its group, and is gone.
        let worker = worker("").connect().await.expect("a server");
        let life = cut(polls, worker.run_until(|_| pending(), pending()));
        if let Ok(Some(ended)) = timeout(LIFE, life).await {
            ended.expect("no fatal error");
        }
    }
}
