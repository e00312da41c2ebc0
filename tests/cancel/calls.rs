//! Questions to others: what is dropped keeps no place, no connection and no permit.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use shardstream::{
    Config, CredentialError, CredentialSource, Dial, Duplex, Intents, Limits, Shard, ShardId,
    Token, TokenRequest,
    local::{Dialect, Gateway},
    qq,
    queue::{LocalQueue, Queue},
    rest,
    stream::{self, Recommend as _},
};
use tokio::time::{Instant, sleep};

use crate::{
    bench::{Bench, LONG, Memory},
    knife::at_every_poll,
};

/// Counts what is under way and what was given up.
#[derive(Clone, Debug, Default)]
struct Counts {
    begun: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

struct Open(Arc<AtomicUsize>);

impl Counts {
    fn begin(&self) -> Open {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(&self.open))
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes a while for each connection, and knows how many are being made.
#[derive(Debug)]
struct Slow(Memory, Counts);

impl Dial for Slow {
    fn dial(
        &self,
        host: &str,
        port: u16,
        limits: &Limits,
    ) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let (dialling, open) = (self.0.dial(host, port, limits), self.1.begin());
        async move {
            sleep(Duration::from_millis(5)).await;
            drop(open);
            dialling.await
        }
        .boxed()
    }
}

/// Takes a while for each token.
#[derive(Debug)]
struct Source(Counts);

impl CredentialSource for Source {
    fn bot(&self) -> u64 {
        1
    }

    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }

    fn token(&self, _: TokenRequest) -> BoxFuture<'static, Result<Token, CredentialError>> {
        let open = self.0.begin();
        async move {
            sleep(Duration::from_millis(5)).await;
            drop(open);
            Ok(Token::from("token"))
        }
        .boxed()
    }
}

/// Goal: a call that is dropped gives its connection up, at whatever stage; the next one works.
#[test]
fn a_rest_call_that_is_dropped_keeps_no_connection() {
    at_every_poll("rest::Client::gateway_bot", async |knife| {
        let bench = Bench::with(Gateway::builder().shards(3));
        let counts = Counts::default();
        let slow = Slow(Memory(Arc::clone(&bench.gateway)), counts.clone());
        let client = bench.rest().dialler(Arc::new(slow));
        let first = knife.cut(client.gateway_bot()).await;
        assert_eq!(counts.open(), 0, "a connection is still being made");
        sleep(Duration::from_secs(1)).await;
        assert!(bench.ends() >= usize::from(first.is_some()));
        let answer = match first {
            Some(answer) => answer,
            None => client.gateway_bot().await,
        };
        sleep(Duration::from_secs(1)).await;
        let rests = bench.gateway.stats().rests;
        assert!((1..=2).contains(&rests), "{rests}");
        // None is left open: as many have ended as were made.
        let made = counts.begun.load(Ordering::Relaxed);
        assert!(bench.ends() <= made && made <= 2);
        answer.unwrap().shards
    });
}

/// Goal: the same with a token that must be fetched first, and which is fetched once for all.
#[test]
fn a_rest_call_that_is_dropped_leaves_the_token_to_the_next() {
    at_every_poll("rest::Client::gateway_bot of QQ", async |knife| {
        let bench = Bench::with(Gateway::builder().platform(Dialect::Qq).shards(2));
        let credentials = qq::Credentials::new("1", "secret");
        let client = rest::Client::of::<qq::QQ>(credentials)
            .base_url(bench.gateway.rest_url())
            .dialler(Arc::new(Memory(Arc::clone(&bench.gateway))));
        let other = client.gateway_bot();
        let (first, other) = tokio::join!(knife.cut(client.gateway_bot()), other);
        let last = client.gateway_bot().await.unwrap();
        assert!(first.is_none_or(|first| first.is_ok()));
        (
            other.unwrap().shards,
            last.shards,
            bench.gateway.stats().tokens,
        )
    });
}

/// Goal: who gives up before the shards are made has asked in vain and nothing more.
#[test]
fn shards_are_made_after_a_call_that_was_dropped() {
    at_every_poll("create_recommended", async |knife| {
        let bench = Bench::with(Gateway::builder().shards(3));
        let (client, config) = (bench.rest(), bench.config().build().unwrap());
        let make = async || {
            let config = config.clone();
            stream::create_recommended(&client, config, |_, builder| builder.build())
                .await
                .unwrap()
                .map(|shard| shard.id())
                .collect::<Vec<_>>()
        };
        let shards = knife.cut_and_repeat(make).await;
        assert_eq!(bench.gateway.stats().connections, 0);
        shards
    });
}

#[test]
fn a_recommendation_can_be_asked_for_again() {
    at_every_poll("Recommend::recommended", async |knife| {
        let bench = Bench::with(Gateway::builder().shards(3));
        let client = bench.rest();
        let answer = knife
            .cut_and_repeat(async || client.recommended().await)
            .await;
        answer.unwrap().shards
    });
}

/// Goal: a wait that is dropped frees its place, and a permit is with nobody. Method: one waits
/// behind the one that is dropped, and gets the permit as early as the window allows.
#[test]
fn a_place_in_the_queue_is_given_up() {
    at_every_poll("LocalQueue::acquire", async |knife| {
        let queue = LocalQueue::new();
        let id = |number| ShardId::new(number, 3).unwrap();
        queue.acquire(id(0)).await.unwrap().spend();
        let begin = Instant::now();
        let first = async {
            let permit = knife.cut(queue.acquire(id(1))).await;
            permit.map(|permit| permit.unwrap().spend())
        };
        let second = async {
            queue.acquire(id(2)).await.unwrap().spend();
            begin.elapsed().as_secs()
        };
        let (first, seconds) = tokio::join!(first, second);
        assert_eq!(seconds, if first.is_some() { 10 } else { 5 });
        queue.acquire(id(0)).await.unwrap().spend();
        assert_eq!(begin.elapsed().as_secs(), seconds + 5);
    });
}

/// Goal: what users put in, a dialler, a source of tokens and a queue, is dropped with whatever
/// waits for it. Method: the shard that waits is dropped at every poll.
#[test]
fn what_a_shard_waits_for_is_dropped_with_it() {
    at_every_poll("dropped with the shard", async |knife| {
        let bench = Bench::new();
        let (dials, tokens) = (Counts::default(), Counts::default());
        let queue = LocalQueue::new();
        let slow = Slow(Memory(Arc::clone(&bench.gateway)), dials.clone());
        let config = Config::builder("token", Intents::GUILDS)
            .gateway_url(bench.gateway.url())
            .queue(Arc::new(queue.clone()))
            .credential_source(Arc::new(Source(tokens.clone())))
            .dialler(Arc::new(slow))
            .build()
            .unwrap();
        let mut shard = Shard::with_config(ShardId::ONE, config);
        let run = async move {
            while !shard.is_ready() {
                // In small steps, to be dropped at many places.
                let next = shard.next_event();
                drop(tokio::time::timeout(Duration::from_millis(1), next).await);
            }
        };
        let ready = knife.cut(run).await;
        sleep(Duration::from_millis(1)).await;
        assert_eq!((dials.open(), tokens.open()), (0, 0));
        sleep(LONG).await;
        let stats = bench.gateway.stats();
        assert!(stats.connections <= 1 && stats.identifies <= 1, "{stats:?}");
        let made = dials.begun.load(Ordering::Relaxed);
        assert_eq!(bench.ends(), made, "a connection is left");
        if ready.is_some() {
            assert_eq!(stats.readies, 1);
        }
        // A permit that is out would hold the bucket for ever.
        queue.acquire(ShardId::ONE).await.unwrap().spend();
    });
}
