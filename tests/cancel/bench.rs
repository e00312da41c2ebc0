//! What the tests stand on: a gateway in memory, how to reach it, and what it saw.

use std::{io, sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt};
use shardstream::{
    Config, ConfigBuilder, Dial, Duplex, Intents, Limits, Shard, ShardId,
    discord::{Discord, Event},
    local::{Act, Builder, Gateway, Record, Step},
    queue::LocalQueue,
    rest,
};
/// Longer than the client waits for anything but a heartbeat.
pub(crate) const LONG: Duration = Duration::from_mins(2);

/// Dials the gateway in memory, whatever the host.
#[derive(Clone, Debug)]
pub(crate) struct Memory(pub(crate) Arc<Gateway>);

impl Dial for Memory {
    fn dial(&self, _: &str, _: u16, _: &Limits) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let stream = self.0.connect();
        async move { Ok(Box::new(stream) as Box<dyn Duplex>) }.boxed()
    }
}

/// A gateway, and how to reach it.
pub(crate) struct Bench {
    pub(crate) gateway: Arc<Gateway>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Gateway::builder())
    }

    pub(crate) fn with(builder: Builder) -> Self {
        let gateway = builder.patience(Duration::from_hours(1)).start_in_memory();
        let gateway = Arc::new(gateway);
        Self { gateway }
    }

    pub(crate) fn config(&self) -> ConfigBuilder<Discord> {
        Config::builder("token", Intents::GUILDS | Intents::GUILD_MEMBERS)
            .gateway_url(self.gateway.url())
            .rest_url(self.gateway.rest_url())
            .queue(Arc::new(LocalQueue::new()))
            .dialler(Arc::new(Memory(Arc::clone(&self.gateway))))
    }

    pub(crate) fn shard(&self) -> Shard {
        Shard::with_config(ShardId::ONE, self.config().build().unwrap())
    }

    pub(crate) fn rest(&self) -> rest::Client {
        rest::Client::new("token")
            .base_url(self.gateway.rest_url())
            .dialler(Arc::new(Memory(Arc::clone(&self.gateway))))
    }

    /// A message with this number is deleted.
    pub(crate) fn delete(&self, shard: ShardId, n: u64) {
        let data = format!(r#"{{"id":"{n}","channel_id":"1","guild_id":"1"}}"#);
        self.gateway.send(shard, "MESSAGE_DELETE", &data).unwrap();
    }

    /// Cuts the shard's connection, and waits until it is.
    pub(crate) async fn cut(&self, shard: ShardId) {
        let of_shard = move |record: &Record| record.shard == Some(shard);
        let is_end = |record: &Record| matches!(record.act, Act::End { .. });
        let ended = |record: &Record| of_shard(record) && is_end(record);
        let before = self
            .gateway
            .log()
            .iter()
            .filter(|record| ended(record))
            .count();
        assert_eq!(self.gateway.order(shard, [Step::Rst]), 1);
        self.gateway.wait_for_nth(before + 1, ended).await.unwrap();
    }

    /// Asks the shard to reconnect, and waits until it has resumed.
    pub(crate) async fn recycle(&self, shard: ShardId) {
        let resumed = |record: &Record| {
            record.shard == Some(shard) && matches!(record.act, Act::Resumed { .. })
        };
        let before = self
            .gateway
            .log()
            .iter()
            .filter(|record| resumed(record))
            .count();
        assert_eq!(self.gateway.order(shard, [Step::Reconnect]), 1);
        self.gateway
            .wait_for_nth(before + 1, resumed)
            .await
            .unwrap();
    }

    /// What was seen, in order: `of` picks.
    pub(crate) fn seen<T>(&self, of: impl FnMut(Record) -> Option<T>) -> Vec<T> {
        self.gateway.log().into_iter().filter_map(of).collect()
    }

    /// The commands that came: op and data.
    pub(crate) fn commands(&self) -> Vec<(u64, String)> {
        self.seen(|record| match record.act {
            Act::Command { op, data } => Some((op, data)),
            _ => None,
        })
    }

    /// The codes of the close frames that came.
    pub(crate) fn closes(&self) -> Vec<Option<u16>> {
        self.seen(|record| match record.act {
            Act::Close { code, .. } => Some(code),
            _ => None,
        })
    }

    /// How many connections have ended.
    pub(crate) fn ends(&self) -> usize {
        let ends = |record: Record| matches!(record.act, Act::End { .. }).then_some(());
        self.seen(ends).len()
    }
}

/// Takes events until READY.
pub(crate) async fn until_ready(shard: &mut Shard) {
    while !matches!(shard.next_event().await.unwrap(), Event::Ready(_)) {}
}
