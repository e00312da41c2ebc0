//! All in paused time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, advance, sleep, timeout},
};

use super::{BudgetState, LocalQueue, QUEUES, QueueKey, lock};
use crate::{
    error::{Error, ErrorKind},
    id::ShardId,
    queue::{HeldBack, Permit, Queue},
};

const WINDOW: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn queue(max_concurrency: u64) -> LocalQueue {
    LocalQueue::with_limits(max_concurrency, 100_000, 100_000, DAY, WINDOW)
}

fn shard(number: u32) -> ShardId {
    ShardId::new(number, 100_000).unwrap()
}

async fn is_waiting(queue: &LocalQueue, number: u32) -> bool {
    timeout(Duration::from_millis(1), queue.acquire(shard(number)))
        .await
        .is_err()
}

/// Starts `shards`, each in a task of its own; the order and times of their starts.
async fn start_all(queue: &LocalQueue, shards: impl Iterator<Item = u32>) -> Vec<(u32, Duration)> {
    let begin = Instant::now();
    let (sender, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for number in shards {
        let (permit, sender) = (queue.acquire(shard(number)), sender.clone());
        tasks.spawn(async move {
            permit.await.unwrap().spend();
            sender.send((number, begin.elapsed())).unwrap();
        });
    }
    drop(sender);
    tasks.join_all().await;
    let mut all = Vec::new();
    while let Some(start) = starts.recv().await {
        all.push(start);
    }
    all
}

/// Goal: the platform's rule at the size of a large bot. Method: shards come in order, or in a
/// random one; each start is held against those before it.
#[tokio::test(start_paused = true)]
async fn a_thousand_shards_start_in_order_and_as_fast_as_sixteen_buckets_allow() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    for shuffled in [false, true] {
        let mut shards: Vec<u32> = (0..1000).collect();
        if shuffled {
            fastrand::Rng::with_seed(seed).shuffle(&mut shards);
        }
        let starts = start_all(&queue(16), shards.into_iter()).await;
        assert_eq!(starts.len(), 1000);
        for (index, (number, at)) in starts.iter().enumerate() {
            let before = &starts[..index];
            let recent = before.iter().filter(|(_, other)| *other + WINDOW > *at);
            let recent: Vec<_> = recent.map(|(number, _)| number % 16).collect();
            assert!(recent.len() < 16 && !recent.contains(&(number % 16)));
            if !shuffled {
                assert_eq!(*number as usize / 16, index / 16, "rounds in order");
            } else if !at.is_zero() {
                // Whoever came first started at once; the others waited together.
                let bucket = before.iter().filter(|(other, _)| other % 16 == number % 16);
                let late = bucket.skip(1).all(|(other, _)| other < number);
                assert!(late, "{number} started out of order");
            }
        }
        let ideal = WINDOW * (1000_u32.div_ceil(16) - 1);
        let last = starts.last().unwrap().1;
        assert!(last <= ideal.mul_f64(1.1), "{last:?}");
    }
}

/// F76. Goal: spacing is measured at the send. Method: a permit lies for six seconds, or an hour.
#[tokio::test(start_paused = true)]
async fn a_permit_that_is_spent_late_delays_the_next_shard_of_its_bucket_only() {
    for stall in [Duration::from_secs(6), HOUR] {
        let queue = queue(2);
        let permit = queue.acquire(shard(0)).await.unwrap();
        let next = tokio::spawn(queue.acquire(shard(2)));
        queue.acquire(shard(1)).await.unwrap().spend();
        sleep(stall).await;
        assert!(!next.is_finished());
        let sent = Instant::now();
        permit.spend();
        next.await.unwrap().unwrap().spend();
        assert!(sent.elapsed() >= WINDOW && sent.elapsed() < WINDOW * 11 / 10);
    }
}

#[tokio::test(start_paused = true)]
async fn shards_that_give_up_leave_no_hole() {
    let queue = queue(1);
    let begin = Instant::now();
    queue.acquire(shard(0)).await.unwrap().spend();
    let waiting: Vec<_> = (1..100)
        .map(|n| tokio::spawn(queue.acquire(shard(n))))
        .collect();
    sleep(Duration::from_secs(1)).await;
    for task in &waiting[..98] {
        task.abort();
    }
    waiting
        .into_iter()
        .next_back()
        .unwrap()
        .await
        .unwrap()
        .unwrap()
        .spend();
    assert!(begin.elapsed() < WINDOW * 11 / 10, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_dropped_goes_to_the_next_shard_at_once() {
    let queue = queue(1);
    let permit = queue.acquire(shard(0)).await.unwrap();
    let next = tokio::spawn(queue.acquire(shard(1)));
    assert!(is_waiting(&queue, 2).await);
    let begin = Instant::now();
    drop(permit);
    next.await.unwrap().unwrap().spend();
    assert!(begin.elapsed() < Duration::from_millis(10));
}

/// Goal: no shard sleeps on when the budget loosens. Method: permits of one bucket make it scarce
/// for another; they are given back, or spent after the day has ended.
#[tokio::test(start_paused = true)]
async fn a_shard_that_waited_for_the_budget_is_woken_when_it_loosens() {
    let scarce = || LocalQueue::with_limits(4, 10, 6, HOUR, WINDOW);
    let queue = scarce();
    let permit = queue.acquire(shard(0)).await.unwrap();
    let next = tokio::spawn(queue.acquire(shard(1)));
    sleep(WINDOW).await;
    assert!(!next.is_finished());
    drop(permit);
    timeout(WINDOW, next)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .spend();

    let queue = scarce();
    let permit = queue.acquire(shard(0)).await.unwrap();
    let next = tokio::spawn(queue.acquire(shard(1)));
    sleep(2 * HOUR).await;
    assert!(!next.is_finished());
    permit.spend();
    timeout(WINDOW, next)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .spend();
}

/// Goal: a scarce budget goes to the shards in their order. Method: each has a bucket of its own;
/// the first to come starts at once, the others wait together.
#[tokio::test(start_paused = true)]
async fn a_scarce_budget_is_given_out_in_order_across_buckets() {
    for numbers in [[7, 0, 3, 1, 2], [7, 2, 1, 3, 0]] {
        let queue = LocalQueue::with_limits(16, 100, 30, HOUR, WINDOW);
        let starts = start_all(&queue, numbers.into_iter()).await;
        let order: Vec<_> = starts.iter().map(|(number, _)| *number).collect();
        assert_eq!(order, [7, 0, 1, 2, 3]);
        let mut pairs = starts.windows(2);
        assert!(pairs.all(|pair| pair[1].1 > pair[0].1 + Duration::from_mins(2)));
    }
}

/// F93. Goal: no permit leaks whenever the future is dropped. Method: dropped after each number of
/// polls, also once it would be ready.
#[tokio::test(start_paused = true)]
async fn dropping_a_waiting_future_at_any_poll_leaks_nothing() {
    for polls in 0..4 {
        let queue = queue(1);
        queue.acquire(shard(0)).await.unwrap().spend();
        let mut waiting = queue.acquire(shard(1));
        for _ in 0..polls {
            let ready = waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            drop(ready);
            advance(Duration::from_secs(2)).await;
        }
        drop(waiting);
        let begin = Instant::now();
        queue.acquire(shard(2)).await.unwrap().spend();
        assert!(begin.elapsed() <= WINDOW + Duration::from_millis(1));
    }
}

/// F95. Goal: what a queue of one's own can do to a shard. Method: one that is closed, one that
/// never grants, one whose permit comes when the shard is gone.
#[tokio::test(start_paused = true)]
async fn a_foreign_queue_may_fail_or_wait_and_gets_its_permits_back() {
    #[derive(Debug)]
    struct Foreign {
        delay: Option<Duration>,
        out: Arc<AtomicU32>,
    }
    impl Queue for Foreign {
        fn acquire(
            &self,
            _: ShardId,
        ) -> futures::future::BoxFuture<'static, Result<Permit, Error>> {
            let (delay, spent) = (self.delay, Arc::clone(&self.out));
            let returned = Arc::clone(&spent);
            Box::pin(async move {
                let delay = delay.ok_or_else(|| Error::new(ErrorKind::Connect, "closed"))?;
                sleep(delay).await;
                spent.fetch_add(1, Ordering::Relaxed);
                Ok(Permit::new(
                    move || assert_eq!(spent.fetch_sub(1, Ordering::Relaxed), 1),
                    move || assert_eq!(returned.fetch_sub(1, Ordering::Relaxed), 1),
                ))
            })
        }
    }
    let out = Arc::new(AtomicU32::new(0));
    let foreign = |delay| -> Box<dyn Queue> {
        let out = Arc::clone(&out);
        Box::new(Foreign { delay, out })
    };
    assert!(foreign(None).acquire(ShardId::ONE).await.is_err());
    let never = foreign(Some(Duration::MAX / 4)).acquire(ShardId::ONE);
    assert!(timeout(HOUR, never).await.is_err());
    foreign(Some(WINDOW))
        .acquire(ShardId::ONE)
        .await
        .unwrap()
        .spend();
    let unused = foreign(Some(WINDOW)).acquire(ShardId::ONE).await.unwrap();
    assert_eq!(out.load(Ordering::Relaxed), 1);
    drop(unused);
    assert_eq!(out.load(Ordering::Relaxed), 0);
}

/// F96. Goal: impossible figures of discovery are clamped and an empty budget waits for its reset.
#[tokio::test(start_paused = true)]
async fn impossible_limits_are_clamped_and_an_empty_budget_waits_for_its_reset() {
    for max_concurrency in [0, 1, 1 << 32, u64::MAX] {
        for (total, remaining) in [(0, 1000), (10, 1000), (u64::MAX, u64::MAX)] {
            let reset = Duration::ZERO;
            let queue = LocalQueue::with_limits(max_concurrency, total, remaining, reset, WINDOW);
            let begin = Instant::now();
            queue.acquire(shard(0)).await.unwrap().spend();
            queue.acquire(shard(0)).await.unwrap().spend();
            assert!((WINDOW..WINDOW * 2).contains(&begin.elapsed()));
        }
    }
    for reset in [Duration::ZERO, HOUR] {
        let queue = LocalQueue::with_limits(1, 1000, 0, reset, WINDOW);
        let begin = Instant::now();
        queue.acquire(shard(0)).await.unwrap().spend();
        let waited = begin.elapsed();
        assert!(
            waited >= reset && waited <= reset + Duration::from_secs(61),
            "{waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn new_limits_hold_for_shards_that_wait() {
    let queue = LocalQueue::with_limits(1, 1000, 0, DAY, WINDOW);
    let begin = Instant::now();
    let waiting: Vec<_> = (0..16)
        .map(|n| tokio::spawn(queue.acquire(shard(n))))
        .collect();
    sleep(Duration::from_secs(1)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    queue.update(16, 1000, 1000, DAY);
    for task in waiting {
        task.await.unwrap().unwrap().spend();
    }
    assert!(begin.elapsed() < Duration::from_secs(2));
    // From 16 buckets to one: all of them have just started.
    queue.update(1, 1000, 984, DAY);
    let begin = Instant::now();
    queue.acquire(shard(16)).await.unwrap().spend();
    assert!(begin.elapsed() >= WINDOW);
}

/// Goal: shards whose every IDENTIFY is refused cost the bot no token. Method: 64 shards ask again
/// at once, for six hours and for three days; each count is held against nine tenths.
#[tokio::test(start_paused = true)]
async fn refused_identifies_never_exceed_the_budget() {
    let queue = LocalQueue::with_limits(16, 1000, 1000, DAY, WINDOW);
    let starts = Arc::new(std::sync::Mutex::new(Vec::new()));
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..64 {
        let (queue, starts) = (queue.clone(), Arc::clone(&starts));
        tasks.spawn(async move {
            loop {
                queue.acquire(shard(number)).await.unwrap().spend();
                starts.lock().unwrap().push((number, Instant::now()));
            }
        });
    }
    sleep(6 * HOUR).await;
    let after_six_hours = starts.lock().unwrap().len();
    assert!((500..=620).contains(&after_six_hours), "{after_six_hours}");
    sleep(3 * DAY).await;
    tasks.abort_all();
    let starts = starts.lock().unwrap().clone();
    assert!(begin.elapsed() >= 3 * DAY);
    for (index, (_, start)) in starts.iter().enumerate() {
        let rest = &starts[index..];
        let within = rest.partition_point(|(_, other)| *other < *start + DAY);
        assert!(within <= 900, "{within}");
    }
    let counts: Vec<_> = (0..64)
        .map(|shard| starts.iter().filter(|(number, _)| *number == shard).count())
        .collect();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*least + 3 >= *most, "no shard starves: {counts:?}");
}

#[tokio::test(start_paused = true)]
async fn shards_of_one_bot_share_a_queue_and_other_bots_do_not() {
    let key = |base, credential| QueueKey::new("discord", base, credential);
    let one = LocalQueue::shared(key("wss://a", "CANARY"), WINDOW);
    let same = LocalQueue::shared(key("wss://a", "CANARY"), WINDOW * 2);
    let other = LocalQueue::shared(key("wss://a", "another"), WINDOW);
    let elsewhere = LocalQueue::shared(key("wss://b", "CANARY"), WINDOW);
    one.acquire(shard(0)).await.unwrap().spend();
    assert!(is_waiting(&same, 1).await);
    assert!(!is_waiting(&other, 1).await);
    assert!(!is_waiting(&elsewhere, 1).await);
    sleep(WINDOW).await;
    one.acquire(shard(0)).await.unwrap().spend();
    sleep(WINDOW).await;
    assert!(is_waiting(&one, 0).await, "the longest window holds");
    let shown = format!("{one:?} {:?}", key("wss://a", "CANARY"));
    assert!(!shown.contains("CANARY"));
    drop((one, same));
    let anew = LocalQueue::shared(key("wss://a", "CANARY"), WINDOW);
    assert!(!is_waiting(&anew, 1).await, "forgotten with its last shard");
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_process_keeps_what_was_used_of_the_day() {
    let queue = LocalQueue::with_limits(1, 10, 10, Duration::ZERO, Duration::ZERO);
    for _ in 0..5 {
        queue.acquire(shard(0)).await.unwrap().spend();
    }
    let text = serde_json::to_string(&queue.budget()).unwrap();
    let state: BudgetState = serde_json::from_str(&text).unwrap();
    let next = LocalQueue::with_limits(1, 10, 10, Duration::ZERO, Duration::ZERO);
    assert!(!is_waiting(&next, 0).await);
    next.restore_budget(&state);
    assert!(is_waiting(&next, 0).await);
    let begin = Instant::now();
    next.acquire(shard(0)).await.unwrap().spend();
    assert!(begin.elapsed() > HOUR, "{:?}", begin.elapsed());
}

/// Goal: a queue is not bound to the runtime that first used it.
#[test]
fn a_queue_outlives_the_runtime_of_its_first_shard() {
    let queue = LocalQueue::with_limits(1, 1000, 1000, DAY, Duration::from_millis(50));
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.spawn(queue.acquire(shard(1)));
        runtime.block_on(queue.acquire(shard(0))).unwrap().spend();
    }
}

#[tokio::test(start_paused = true)]
async fn the_outlook_counts_the_buckets_and_the_budget_on_top_of_what_was_used() {
    let outlook = |queue: &LocalQueue, starts| queue.outlook(starts).unwrap();
    let wide = queue(16);
    for (starts, rounds) in [(0, 0), (1, 0), (16, 0), (17, 1), (33, 2), (1000, 62)] {
        assert_eq!(outlook(&wide, starts), WINDOW * rounds, "{starts}");
    }
    // Of ten, five are free; from there on what is left of the hour is shared by four.
    let scarce = LocalQueue::with_limits(16, 10, 10, HOUR, WINDOW);
    assert_eq!(outlook(&scarce, 5), Duration::ZERO);
    let sixth = outlook(&scarce, 6);
    assert!(sixth >= HOUR / 5 && sixth <= DAY / 4, "{sixth:?}");
    assert!(outlook(&scarce, 7) > sixth);
    // To ask changes nothing.
    assert_eq!(outlook(&scarce, 6), sixth);
}

#[tokio::test(start_paused = true)]
async fn what_holds_the_next_start_back_is_told_with_its_time() {
    let spent = LocalQueue::with_limits(1, 10, 1, HOUR, WINDOW);
    let next_in = HOUR + Duration::from_mins(1);
    assert_eq!(spent.held_back(), Some(HeldBack::Spent { next_in }));
    let free = LocalQueue::with_limits(1, 10, 10, HOUR, WINDOW);
    assert_eq!(free.held_back(), None);
    let spaced = LocalQueue::with_limits(1, 10, 5, HOUR, WINDOW);
    spaced.acquire(shard(0)).await.unwrap().spend();
    let next_in = next_in / 3;
    assert_eq!(spaced.held_back(), Some(HeldBack::Spaced { next_in }));
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_ones_own_need_not_tell_anything() {
    #[derive(Debug)]
    struct Silent;
    impl Queue for Silent {
        fn acquire(
            &self,
            _: ShardId,
        ) -> futures::future::BoxFuture<'static, Result<Permit, Error>> {
            Box::pin(async { Ok(Permit::new(|| {}, || {})) })
        }
    }
    let permit = Silent.acquire(ShardId::ONE).await.unwrap();
    assert_eq!(format!("{permit:?}"), "Permit { .. }");
    assert_eq!((Silent.held_back(), Silent.outlook(7)), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_queue_shows_how_many_wait() {
    let queue = queue(1);
    let _permit = queue.acquire(shard(0)).await.unwrap();
    assert_eq!(format!("{queue:?}"), "LocalQueue { waiting: 0, .. }");
    let waiting = queue.acquire(shard(1));
    let waiting = tokio::spawn(waiting);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(format!("{queue:?}"), "LocalQueue { waiting: 1, .. }");
    waiting.abort();
    assert!(waiting.await.is_err());
    assert_eq!(format!("{queue:?}"), "LocalQueue { waiting: 0, .. }");
}

#[test]
fn shared_queues_that_nobody_holds_are_not_kept() {
    let key = |credential| QueueKey::new("discord", "wss://kept", credential);
    drop(LocalQueue::shared(key("one"), WINDOW));
    let _other = LocalQueue::shared(key("another"), WINDOW);
    let queues = lock(&QUEUES);
    assert!(!queues.contains_key(&key("one")) && queues.contains_key(&key("another")));
}

/// Goal: while the budget is wide, buckets have nothing to do with one another. Method: a shard
/// that is first in its bucket could start, and nobody polls it.
#[tokio::test(start_paused = true)]
async fn a_shard_that_is_not_polled_holds_up_its_own_bucket_only() {
    let queue = queue(2);
    let permit = queue.acquire(shard(2)).await.unwrap();
    let mut idle = queue.acquire(shard(0));
    let mut context = Context::from_waker(Waker::noop());
    assert!(idle.as_mut().poll(&mut context).is_pending());
    drop(permit);
    assert!(is_waiting(&queue, 4).await);
    assert!(!is_waiting(&queue, 1).await);
    assert!(idle.as_mut().poll(&mut context).is_ready());
}

/// Goal: between two processes the time of day counts. Method: a state that was written down a day
/// ago, by the clock of the system; and one that was written down later than now.
#[tokio::test(start_paused = true)]
async fn what_was_used_ages_while_no_process_runs() {
    let queue = LocalQueue::with_limits(1, 10, 10, Duration::ZERO, Duration::ZERO);
    for _ in 0..5 {
        queue.acquire(shard(0)).await.unwrap().spend();
    }
    let taken: serde_json::Value = serde_json::to_value(queue.budget()).unwrap();
    let now_ms = u64::try_from(
        std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_millis(),
    )
    .unwrap();
    let taken_ms = taken["taken_at_ms"].as_u64().unwrap();
    assert!(now_ms.abs_diff(taken_ms) < 3_600_000, "{taken_ms}");
    let day_ms = 86_400_000 + 60_000;
    for (taken_ms, counts) in [(now_ms - day_ms, false), (now_ms + day_ms, true)] {
        let mut state = taken.clone();
        state["taken_at_ms"] = taken_ms.into();
        let state: BudgetState = serde_json::from_value(state).unwrap();
        let next = LocalQueue::with_limits(1, 10, 10, Duration::ZERO, Duration::ZERO);
        next.restore_budget(&state);
        assert_eq!(is_waiting(&next, 0).await, counts, "{taken_ms}");
    }
}
