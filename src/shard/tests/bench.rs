//! What the tests stand on: a gateway in memory, a shard on it, and words for what it gives.

use std::{io, sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt};
use tokio::time::timeout;

use crate::{
    Config, ConfigBuilder, Dial, Duplex, Error, Limits, Notice, Shard, ShardId,
    discord::{Discord, Event, Intents},
    local::{Builder, Gateway},
    observe::watch,
    platform::Platform,
    queue::LocalQueue,
    shard::{Message, ResumeState},
};

/// Dials the gateway in memory, whatever the host.
#[derive(Debug)]
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

/// One thing that a shard gave, short enough to compare.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Got {
    Event(String, Option<u64>),
    Replayed(String, Option<u64>),
    Notice(Notice),
    Failed(&'static str),
    End(&'static str),
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Gateway::builder())
    }

    pub(crate) fn with(builder: Builder) -> Self {
        let gateway = builder.patience(Duration::from_hours(1)).start_in_memory();
        Self {
            gateway: Arc::new(gateway),
        }
    }

    pub(crate) fn config(&self) -> ConfigBuilder<Discord> {
        let queue = Arc::new(LocalQueue::new());
        self.config_with_default_queue().queue(queue)
    }

    /// Tests that share a token share the queue, and each has a clock of its own.
    pub(crate) fn config_with_default_queue(&self) -> ConfigBuilder<Discord> {
        Config::builder(watch::token_of("bench"), Intents::GUILDS)
            .gateway_url(self.gateway.url())
            .dialler(Arc::new(Memory(Arc::clone(&self.gateway))))
    }

    pub(crate) fn shard(&self) -> Shard {
        self.shard_from(None)
    }

    pub(crate) fn shard_from(&self, state: impl Into<Option<ResumeState>>) -> Shard {
        let config = self.config().resume(state).build().unwrap();
        Shard::with_config(ShardId::ONE, config)
    }

    /// Sends so many events to the shard.
    pub(crate) fn send(&self, events: u64) {
        for n in 0..events {
            let data = format!("{{\"n\":{n}}}");
            self.gateway.send(ShardId::ONE, "TEST", &data).unwrap();
        }
    }
}

/// Longer than anything takes here. Time is paused, so waiting costs nothing; but a heart that
/// beats would go on for ever.
const PATIENCE: Duration = Duration::from_hours(2);

/// The next thing, by `next_message`.
pub(crate) async fn next<P: Platform>(shard: &mut Shard<P>) -> Got {
    let got = timeout(PATIENCE, given(shard)).await;
    got.unwrap_or_else(|_| panic!("nothing was given; {:?}", shard.status()))
}

async fn given<P: Platform>(shard: &mut Shard<P>) -> Got {
    match shard.next_message().await {
        Ok(Message::Frame(frame)) => {
            let name = frame.event_name().unwrap().into_owned();
            if frame.replayed() {
                Got::Replayed(name, frame.seq())
            } else {
                Got::Event(name, frame.seq())
            }
        }
        Ok(Message::Gateway(notice)) => Got::Notice(notice),
        Err(error) => failed(&error),
    }
}

pub(crate) fn failed(error: &Error) -> Got {
    if error.is_fatal() {
        Got::End(error.kind().name())
    } else {
        Got::Failed(error.kind().name())
    }
}

/// Everything up to and with the first that `last` is true of.
pub(crate) async fn until<P: Platform>(
    shard: &mut Shard<P>,
    mut last: impl FnMut(&Got) -> bool,
) -> Vec<Got> {
    let mut all = Vec::new();
    loop {
        let Ok(got) = timeout(PATIENCE, given(shard)).await else {
            panic!("not given after {all:?}; {:?}", shard.status());
        };
        let found = last(&got);
        all.push(got);
        if found {
            return all;
        }
    }
}

/// Everything up to READY.
pub(crate) async fn until_ready<P: Platform>(shard: &mut Shard<P>) -> Vec<Got> {
    until(
        shard,
        |got| matches!(got, Got::Event(name, _) if name == "READY"),
    )
    .await
}

pub(crate) fn is_event(got: &Got) -> bool {
    matches!(got, Got::Event(..) | Got::Replayed(..))
}

/// The sequences of the events with this name, in order.
pub(crate) fn seqs(all: &[Got], wanted: &str) -> Vec<u64> {
    all.iter()
        .filter_map(|got| match got {
            Got::Event(name, seq) | Got::Replayed(name, seq) if name == wanted => *seq,
            _ => None,
        })
        .collect()
}

pub(crate) fn notices(all: &[Got]) -> Vec<&'static str> {
    all.iter()
        .filter_map(|got| match got {
            Got::Notice(notice) => Some(notice.name()),
            _ => None,
        })
        .collect()
}

/// The name of a typed event, for who takes them typed.
pub(crate) fn name_of(event: &Event) -> String {
    match event {
        Event::Gateway(notice) => notice.name().to_owned(),
        Event::Unknown(unknown) => unknown.name.to_string(),
        event => event.kind().name().to_owned(),
    }
}
