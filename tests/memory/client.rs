//! The process that is attacked and measured: a shard, or one REST call.

use std::{env, time::Duration};

use futures::FutureExt as _;
use shardstream::{
    Compression, Config, Error, Intents, Limits, Message, Notice, Shard, ShardId, rest,
};
use tokio::{io::AsyncReadExt as _, time::timeout};

use super::{HEAP, PATIENCE, resident};

/// The environment variable with the orders.
pub(crate) const ORDERS: &str = "SHARDSTREAM_MEMORY";

/// Who is attacked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A shard whose events nobody takes, until the standard input ends.
    Idle,
    /// A REST call.
    Rest,
    /// A shard whose events are taken.
    Shard,
}

const KINDS: [Kind; 3] = [Kind::Idle, Kind::Rest, Kind::Shard];

/// What the process is to do.
pub(crate) struct Orders {
    pub(crate) kind: Kind,
    zlib: bool,
    /// It ends when something that begins with this has happened so many times.
    until: String,
    times: usize,
}

impl Orders {
    pub(crate) fn of(kind: Kind, until: &str) -> Self {
        Self {
            kind,
            zlib: false,
            until: until.to_owned(),
            times: 1,
        }
    }

    pub(crate) fn shard(until: &str) -> Self {
        Self::of(Kind::Shard, until)
    }

    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    pub(crate) fn zlib(self) -> Self {
        Self { zlib: true, ..self }
    }

    /// For the environment of the process, with the server's port.
    pub(crate) fn to_text(&self, port: u16) -> String {
        let kind = KINDS.iter().position(|&kind| kind == self.kind);
        let (zlib, times, until) = (self.zlib, self.times, &self.until);
        format!("{port},{},{zlib},{times},{until}", kind.unwrap_or_default())
    }

    fn from_text(text: &str) -> Option<(u16, Self)> {
        let mut words = text.splitn(5, ',');
        let port = words.next()?.parse().ok()?;
        let orders = Self {
            kind: *KINDS.get(words.next()?.parse::<usize>().ok()?)?,
            zlib: words.next()?.parse().ok()?,
            times: words.next()?.parse().ok()?,
            until: words.next()?.to_owned(),
        };
        Some((port, orders))
    }
}

/// Does what the environment orders and prints what it cost; nothing where there are no orders.
pub(crate) fn run() {
    let Ok(text) = env::var(ORDERS) else {
        println!("{ORDERS} is not set: nothing to do");
        return;
    };
    let (port, orders) = Orders::from_text(&text).expect("orders");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let before = HEAP.allocated();
    runtime.block_on(async {
        match orders.kind {
            Kind::Idle => idle(port, &orders).await,
            Kind::Rest => rest(port, &orders).await,
            Kind::Shard => taken(port, &orders).await,
        }
    });
    let peak = HEAP.max_allocated().saturating_sub(before);
    println!("\npeak={peak} resident={} end", resident());
}

fn shard(port: u16, orders: &Orders) -> Shard {
    let mut limits = Limits::default();
    limits.backoff = Duration::from_millis(10);
    limits.identify_backoff = Duration::from_millis(10);
    limits.write_stall = Duration::from_secs(1);
    let compression = if orders.zlib {
        Compression::Zlib
    } else {
        Compression::None
    };
    let config = Config::builder("token", Intents::GUILDS)
        .gateway_url(format!("ws://127.0.0.1:{port}"))
        .compression(compression)
        .limits(limits)
        .build()
        .expect("a configuration");
    Shard::with_config(ShardId::ONE, config)
}

async fn taken(port: u16, orders: &Orders) {
    let mut shard = shard(port, orders);
    let mut left = orders.times;
    while left > 0 {
        let message = timeout(PATIENCE, shard.next_message()).await;
        let message = message.unwrap_or_else(|_| panic!("no {} comes", orders.until));
        let what = name(&message);
        println!("{what}");
        left -= usize::from(what.starts_with(&orders.until));
    }
}

async fn idle(port: u16, orders: &Orders) {
    let mut shard = shard(port, orders);
    // It connects when it is first asked.
    assert!(shard.next_message().now_or_never().is_none());
    let mut end = Vec::new();
    let mut stdin = tokio::io::stdin();
    let read = stdin.read_to_end(&mut end);
    timeout(PATIENCE, read)
        .await
        .expect("in time")
        .expect("a pipe");
    // What waited is good.
    for expected in ["connected", "frame READY"] {
        let message = timeout(PATIENCE, shard.next_message())
            .await
            .expect("in time");
        assert!(name(&message).starts_with(expected), "{}", name(&message));
    }
}

async fn rest(port: u16, orders: &Orders) {
    let base = format!("http://127.0.0.1:{port}");
    let client = rest::Client::new("token").base_url(&base);
    let answer = timeout(PATIENCE, client.gateway_bot())
        .await
        .expect("in time");
    let error = answer.expect_err("a body of 10 MiB");
    println!("error {error}");
    assert!(orders.until == "error");
}

fn name(message: &Result<Message, Error>) -> String {
    match message {
        Ok(Message::Frame(frame)) => {
            let name = frame.event_name().unwrap_or_default();
            format!("frame {name} {}", frame.text().len())
        }
        Ok(Message::Gateway(Notice::Disconnected { cause, .. })) => {
            format!("disconnected {cause:?}")
        }
        Ok(Message::Gateway(notice)) => notice.name().to_owned(),
        Ok(_) => "unknown".to_owned(),
        Err(error) => format!("error {}: {error}", error.kind().name()),
    }
}
