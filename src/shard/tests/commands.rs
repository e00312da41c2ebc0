//! Commands and permits: what is sent, when, and what is given back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::{self, BoxFuture, FutureExt};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::bench::{Bench, Got, next, notices, until, until_ready};
use crate::{
    Error, ErrorKind, Shard, ShardId, Shutdown,
    local::{Act, Fault, Gateway},
    queue::{Permit, Queue},
};

fn commands(gateway: &Gateway) -> Vec<(u64, String)> {
    let command = |act: Act| match act {
        Act::Command { op, data } => Some((op, data)),
        _ => None,
    };
    let log = gateway.log().into_iter();
    log.filter_map(|record| command(record.act)).collect()
}

#[tokio::test(start_paused = true)]
async fn commands_given_before_ready_are_sent_after_it_in_order() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    let sender = shard.sender();
    for n in 0..3 {
        sender.try_send_payload(3, &json!({ "n": n })).unwrap();
    }
    until_ready(&mut shard).await;
    sender.send_payload(4, &json!(3)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let expected = [
        (3, "{\"n\":0}"),
        (3, "{\"n\":1}"),
        (3, "{\"n\":2}"),
        (4, "3"),
    ];
    let expected = expected.map(|(op, data)| (op, data.to_owned()));
    assert_eq!(commands(&bench.gateway), expected);
    assert_eq!(shard.status().counters.commands, 4);
}

/// Goal: any number of commands keeps to the limit of the server, beside heartbeats.
#[tokio::test(start_paused = true)]
async fn many_commands_keep_to_the_servers_limit() {
    let bench = Bench::new();
    let mut shard = bench.shard();
    until_ready(&mut shard).await;
    let sender = shard.sender();
    let given = async {
        for n in 0..500 {
            sender.send_payload(4, &n).await.unwrap();
        }
        sleep(Duration::from_mins(5)).await;
    };
    // Nothing is given meanwhile: no close, no cut.
    let drained = async { panic!("{:?}", next(&mut shard).await) };
    tokio::select! {
        () = given => {}
        () = drained => {}
    }
    let stats = bench.gateway.stats();
    assert_eq!(
        (stats.commands, stats.closes_sent, stats.connections),
        (500, 0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_no_command_is_lost_over_a_cut() {
    let bench = Bench::new();
    bench.gateway.misbehave([Fault::rst_after(1)]);
    let mut shard = bench.shard();
    let sender = shard.sender();
    let mut taken = 0;
    while sender.try_send_payload(4, &taken).is_ok() {
        taken += 1;
    }
    assert_eq!((taken, sender.room()), (256, 0));
    let waiting = timeout(Duration::from_secs(1), sender.send_payload(4, &0)).await;
    assert!(waiting.is_err(), "there is no room");
    until_ready(&mut shard).await;
    // As many as may be sent have been sent and read: only the next is on its way at the cut.
    sleep(Duration::from_secs(1)).await;
    bench.send(1);
    sleep(Duration::from_mins(5)).await;
    assert_eq!(bench.gateway.stats().resumed, 1);
    let sent = bench.gateway.stats().commands;
    assert!(
        (255..=256).contains(&sent),
        "one may have been lost on its way: {sent}"
    );
}

/// A queue that counts what it gives out and gets back.
#[derive(Debug, Default)]
struct Counting {
    asked: AtomicUsize,
    spent: Arc<AtomicUsize>,
    returned: Arc<AtomicUsize>,
    /// Permits are given from this time on, counted from each question.
    delay: Duration,
    /// So many questions are answered by an error first.
    errors: usize,
    fatal: bool,
}

impl Counting {
    fn counts(&self) -> [usize; 3] {
        let get = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        [get(&self.asked), get(&self.spent), get(&self.returned)]
    }
}

impl Queue for Counting {
    fn acquire(&self, _: ShardId) -> BoxFuture<'static, Result<Permit, Error>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        if asked < self.errors {
            let kind = if self.fatal {
                ErrorKind::Configuration
            } else {
                ErrorKind::Connect
            };
            return future::ready(Err(Error::new(kind, "the queue is closed"))).boxed();
        }
        let (spent, returned) = (Arc::clone(&self.spent), Arc::clone(&self.returned));
        let count = |count: Arc<AtomicUsize>| {
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let permit = Permit::new(count(spent), count(returned));
        let delay = self.delay;
        async move {
            sleep(delay).await;
            Ok(permit)
        }
        .boxed()
    }
}

fn shard(bench: &Bench, queue: &Arc<Counting>) -> Shard {
    let config = bench.config().queue(Arc::clone(queue) as Arc<dyn Queue>);
    Shard::with_config(ShardId::ONE, config.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_spent_with_identify_and_none_is_asked_for_to_resume() {
    let bench = Bench::new();
    bench.gateway.misbehave([Fault::rst_after(1)]);
    let queue = Arc::new(Counting::default());
    let mut shard = shard(&bench, &queue);
    until_ready(&mut shard).await;
    assert_eq!(queue.counts(), [1, 1, 0]);
    bench.send(1);
    until(
        &mut shard,
        |got| matches!(got, Got::Event(name, _) if name == "RESUMED"),
    )
    .await;
    assert_eq!(queue.counts(), [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_heart_beats_while_a_permit_is_waited_for() {
    let bench = Bench::new();
    let queue = Arc::new(Counting {
        delay: Duration::from_hours(1),
        ..Counting::default()
    });
    let mut shard = shard(&bench, &queue);
    until_ready(&mut shard).await;
    let stats = bench.gateway.stats();
    assert_eq!((stats.connections, stats.identifies), (1, 1));
    assert!(stats.heartbeats >= 3600 / 42, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_not_used_goes_back() {
    for drop_it in [false, true] {
        let bench = Bench::new();
        let queue = Arc::new(Counting {
            delay: Duration::from_hours(1),
            ..Counting::default()
        });
        let mut shard = shard(&bench, &queue);
        let waited = timeout(Duration::from_mins(1), until_ready(&mut shard)).await;
        assert!(waited.is_err());
        if drop_it {
            drop(shard);
        } else {
            shard.shutdown(Shutdown::End).await;
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(queue.counts(), [1, 0, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_is_asked_again_unless_the_error_is_fatal() {
    let bench = Bench::new();
    let queue = Arc::new(Counting {
        errors: 2,
        ..Counting::default()
    });
    let all = until_ready(&mut shard(&bench, &queue)).await;
    let failed = all.iter().filter(|got| **got == Got::Failed("connect"));
    assert_eq!(failed.count(), 2, "{all:?}");
    assert_eq!(
        notices(&all)
            .iter()
            .filter(|name| **name == "disconnected")
            .count(),
        2
    );
    assert_eq!(queue.counts()[..2], [3, 1]);

    let queue = Arc::new(Counting {
        errors: 1,
        fatal: true,
        ..Counting::default()
    });
    let mut shard = shard(&bench, &queue);
    let all = until(&mut shard, |got| matches!(got, Got::End(_))).await;
    assert_eq!(all.last(), Some(&Got::End("configuration")));
    let error = shard.next_event().await.unwrap_err();
    assert_eq!(error.to_string(), "the queue is closed");
}
