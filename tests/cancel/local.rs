//! The gateway for tests: its own futures.

use std::{net::TcpListener, time::Duration};

use shardstream::{
    ShardId,
    local::{Act, Gateway, Record},
};
use tokio::time::sleep;

use crate::{
    bench::{Bench, until_ready},
    knife::{at_every_poll, at_every_poll_and_always},
};

fn is_ready(record: &Record) -> bool {
    matches!(record.act, Act::Ready { .. })
}

/// Goal: a start that is dropped leaves the port free.
#[test]
fn a_start_that_is_dropped_leaves_the_port_free() {
    at_every_poll("Builder::start", async |knife| {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let gateway = knife
            .cut(Gateway::builder().port(free.port()).start())
            .await;
        drop(gateway);
        // The task that listens ends with the gateway, at its next turn.
        sleep(Duration::from_millis(1)).await;
        let gateway = Gateway::builder().port(free.port()).start().await.unwrap();
        assert!(gateway.url().ends_with(&free.port().to_string()));
    });
    at_every_poll("Gateway::start", async |knife| {
        let gateway = knife
            .cut_and_repeat(async || Gateway::start().await)
            .await
            .unwrap();
        gateway.log().len()
    });
}

/// Goal: who waits anew for what has happened meanwhile finds it.
#[test]
fn a_record_that_was_waited_for_is_still_there() {
    at_every_poll("Gateway::wait_for", async |knife| {
        let bench = Bench::new();
        let mut shard = bench.shard();
        let waiting = knife.cut_and_repeat(async || bench.gateway.wait_for(is_ready).await);
        let (found, ()) = tokio::join!(waiting, until_ready(&mut shard));
        found.unwrap().connection
    });
    at_every_poll("Gateway::wait_for_nth", async |knife| {
        let bench = Bench::new();
        let mut shard = bench.shard();
        let heartbeat = |record: &Record| matches!(record.act, Act::Heartbeat { .. });
        let waiting = async {
            let found =
                knife.cut_and_repeat(async || bench.gateway.wait_for_nth(3, heartbeat).await);
            found.await.unwrap().connection
        };
        tokio::select! {
            connection = waiting => connection,
            () = async { loop { shard.next_event().await.unwrap(); } } => 0,
        }
    });
}

#[test]
fn whoever_follows_misses_no_record() {
    at_every_poll_and_always("Follow::next", async |knife| {
        let bench = Bench::new();
        let mut follow = bench.gateway.follow();
        let mut shard = bench.shard();
        let mut seen = Vec::new();
        let following = async {
            while seen.len() < 20 {
                let record = knife.cut_and_repeat(async || follow.next().await).await;
                seen.push(record.unwrap());
            }
        };
        let living = async {
            until_ready(&mut shard).await;
            for n in 0..20 {
                bench.delete(ShardId::ONE, n);
                shard.next_event().await.unwrap();
            }
        };
        tokio::join!(following, living);
        assert_eq!(seen, bench.gateway.log()[..20]);
    });
}
