//! The numbers of large bots: a thousand shards that start and come back, a day of refusals.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};

use super::id;
use crate::{
    Degraded, Error, ErrorKind, Health, Limits, Message, Notice, Reconnect, Shard, ShardId,
    Shutdown,
    local::{Act, Builder, Fault, Gateway, Moment, Record, Step},
    queue::{LocalQueue, Permit, Queue},
    shard::tests::bench::Bench,
    stream::ShardMessageStream,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const WINDOW: Duration = Duration::from_secs(5);
/// What a bot may use of its thousand identifies a day.
const BUDGET: usize = 900;

fn gateway() -> Builder {
    Gateway::builder().log_events(false).log_len(1 << 20)
}

/// What the shards have given.
struct Given {
    stream: ShardMessageStream<Shard>,
    /// The sequences of the events of each shard, READY and RESUMED left out.
    seqs: BTreeMap<u32, Vec<u64>>,
    ready: BTreeSet<u32>,
    resumed: BTreeSet<u32>,
    errors: usize,
    /// What told that the day's limit holds a shard back, and when.
    held_back: Vec<(u32, Duration, &'static str)>,
    begin: Instant,
}

impl Given {
    fn by(shards: impl IntoIterator<Item = Shard>) -> Self {
        Self {
            stream: ShardMessageStream::new(shards),
            seqs: BTreeMap::new(),
            ready: BTreeSet::new(),
            resumed: BTreeSet::new(),
            errors: 0,
            held_back: Vec::new(),
            begin: Instant::now(),
        }
    }

    /// Takes what comes until `done`, or for so long at most; whether it was done.
    async fn take(&mut self, patience: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let taking = async {
            while !done(self) {
                let (shard, given) = self.stream.next().await.expect("shards that live");
                let number = shard.id().number();
                match given {
                    Ok(Message::Frame(frame)) => match &*frame.event_name().unwrap() {
                        "READY" => self.ready.extend([number]),
                        "RESUMED" => self.resumed.extend([number]),
                        _ => {
                            let seqs = self.seqs.entry(number).or_default();
                            seqs.push(frame.seq().unwrap());
                        }
                    },
                    Ok(Message::Gateway(notice @ Notice::IdentifyHeldBack { .. })) => {
                        let told = (number, self.begin.elapsed(), notice.name());
                        self.held_back.push(told);
                    }
                    Ok(Message::Gateway(_)) => {}
                    Err(error) if error.is_fatal() => panic!("shard {number}: {error}"),
                    Err(error) if error.kind() == ErrorKind::IdentifyLimit => {
                        let told = (number, self.begin.elapsed(), error.kind().name());
                        self.held_back.push(told);
                    }
                    Err(_) => self.errors += 1,
                }
            }
        };
        timeout(patience, taking).await.is_ok()
    }
}

/// As many shards as `total`, under that queue.
fn shards(bench: &Bench, total: u32, queue: LocalQueue, limits: Limits) -> Vec<Shard> {
    let config = bench.config().queue(Arc::new(queue)).limits(limits);
    let config = config.build().unwrap();
    (0..total)
        .map(|number| Shard::with_config(id(number, total), config.clone()))
        .collect()
}

/// A queue without a budget worth naming.
fn generous(max_concurrency: u64) -> LocalQueue {
    LocalQueue::with_limits(max_concurrency, 100_000, 100_000, DAY, WINDOW)
}

/// When which shard identified, as the server saw it.
fn identifies(log: &[Record]) -> Vec<(Duration, u32)> {
    let numbers = log.iter().filter_map(|record| match &record.act {
        Act::Identify { data, .. } => {
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            let number = data["shard"][0].as_u64().unwrap();
            Some((record.at, u32::try_from(number).unwrap()))
        }
        _ => None,
    });
    numbers.collect()
}

/// The most handshakes that the server saw at once, from the request to upgrade to RESUME, of the
/// connections after the first `before`.
fn handshakes_at_once(log: &[Record], before: u64) -> usize {
    let mut running = BTreeSet::new();
    let mut most = 0;
    for record in log.iter().filter(|record| record.connection > before) {
        match record.act {
            Act::Connect { .. } => running.extend([record.connection]),
            Act::Resume { .. } | Act::End { .. } => running.retain(|id| *id != record.connection),
            _ => {}
        }
        most = most.max(running.len());
    }
    most
}

/// The most identifies within a time of this length.
fn most_within(span: Duration, starts: &[(Duration, u32)]) -> usize {
    let mut most = 0;
    let mut first = 0;
    for (index, (at, _)) in starts.iter().enumerate() {
        while starts[first].0 + span <= *at {
            first += 1;
        }
        most = most.max(index + 1 - first);
    }
    most
}

/// Goal: the platform's rule at the size of a large bot, as its server sees it. Method: every
/// upgrade takes a while, so that the shards do not all arrive at once.
#[tokio::test(start_paused = true)]
async fn a_thousand_shards_identify_in_bucket_order_and_hardly_slower_than_allowed() {
    let bench = Bench::with(gateway().max_concurrency(16).session_starts(2_000, 2_000));
    let latency = Step::Wait(Duration::from_millis(300));
    let slow = Fault::at(Moment::Upgrade, [latency, Step::Answer]);
    bench.gateway.misbehave_always([slow]);
    let begin = Instant::now();
    let all = shards(&bench, 1_000, generous(16), Limits::default());
    let mut given = Given::by(all);
    let ideal = WINDOW * (1_000_u32.div_ceil(16) - 1);
    let done = given.take(ideal.mul_f64(1.1), |given| given.ready.len() == 1_000);
    assert!(done.await, "{} were ready in time", given.ready.len());
    println!("ready in {:?}, ideal {ideal:?}", begin.elapsed());

    let starts = identifies(&bench.gateway.log());
    assert_eq!(starts.len(), 1_000);
    assert!(most_within(WINDOW, &starts) <= 16);
    for bucket in 0..16 {
        let of_bucket = |(_, number): &&(Duration, u32)| number % 16 == bucket;
        let starts: Vec<_> = starts.iter().filter(of_bucket).collect();
        for pair in starts.windows(2) {
            assert!(pair[0].0 + WINDOW <= pair[1].0, "{pair:?} of one bucket");
            assert!(pair[0].1 < pair[1].1, "{pair:?} out of order");
        }
    }
    let rounds: Vec<_> = starts.iter().map(|(_, number)| number / 16).collect();
    assert!(rounds.is_sorted(), "{rounds:?}");
    assert_eq!(given.errors, 0);
}

/// Goal: a thousand shards that lose their connections at one instant are back soon, and do not
/// storm the gateway. Method: the reason of the default limit: each handshake takes nine seconds,
/// hardly less than the deadline lets it. Events come before, while and after they are away.
#[tokio::test(start_paused = true)]
async fn a_thousand_shards_cut_at_one_instant_resume_without_a_storm() {
    const SHARDS: u32 = 1_000;
    let bench = Bench::with(
        gateway()
            .max_concurrency(SHARDS)
            .session_starts(2_000, 2_000),
    );
    let all = shards(&bench, SHARDS, generous(SHARDS.into()), Limits::default());
    let mut given = Given::by(all);
    assert!(given.take(HOUR, |given| given.ready.len() == 1_000).await);
    let before = bench.gateway.stats().connections;
    let slow = [Step::Wait(Duration::from_secs(9)), Step::Answer];
    bench
        .gateway
        .misbehave_always([Fault::at(Moment::Upgrade, slow)]);
    let tell_all = || bench.gateway.broadcast("TEST", "{}").unwrap();
    assert_eq!(tell_all(), 1_000);
    assert_eq!(bench.gateway.order_all([Step::Rst]), 1_000);
    let cut = Instant::now();
    assert_eq!(tell_all(), 1_000);
    let resumed = |given: &Given| given.resumed.len() == 1_000;
    let done = given.take(Duration::from_mins(2), resumed).await;
    assert!(done, "{} have resumed in time", given.resumed.len());
    println!("all resumed after {:?}", cut.elapsed());

    tell_all();
    let told = |given: &Given| given.seqs.values().map(Vec::len).sum::<usize>() == 3_000;
    assert!(given.take(HOUR, told).await);
    sleep(Duration::from_secs(1)).await;
    assert!(!given.take(Duration::from_secs(1), |_| false).await);
    for (number, seqs) in &given.seqs {
        // READY was the first, and RESUMED is numbered like any event.
        assert_eq!(*seqs, [2, 3, 5], "shard {number}");
    }
    let log = bench.gateway.log();
    assert_eq!(identifies(&log).len(), 1_000, "one each, from the start");
    assert_eq!(bench.gateway.stats().connections, before + 1_000);
    let most = handshakes_at_once(&log, before);
    assert_eq!(most, Limits::default().handshakes_max);
    assert_eq!(given.errors, 0);
}

/// Goal: the limit is kept whatever becomes of a handshake, and a shard that waits for its place
/// can be shut down. Method: of one place, its holders are refused, cut, left without an answer or
/// a Hello, shut down, and dropped; those that wait are shut down or dropped, too.
#[tokio::test(start_paused = true)]
async fn a_place_is_given_back_on_every_path() {
    let bench = Bench::with(gateway().max_concurrency(100));
    let limits = Limits {
        handshakes_max: 1,
        ..Limits::default()
    };
    let mut all = shards(&bench, 12, generous(100), limits).into_iter();
    for fault in [
        Fault::rst_on_accept(),
        Fault::http(503, &[], ""),
        Fault::stall_upgrade(),
        Fault::no_hello(),
        Fault::hello_interval("0"),
    ] {
        bench.gateway.misbehave([fault]);
        let mut given = Given::by([all.next().unwrap()]);
        assert!(given.take(HOUR, |given| given.ready.len() == 1).await);
    }

    bench.gateway.misbehave([Fault::stall_upgrade()]);
    let mut holder = all.next().unwrap();
    let mut queued: Vec<_> = all.by_ref().take(3).collect();
    let poll = |shard: &mut Shard| {
        let polled = futures::FutureExt::now_or_never(shard.next_event());
        assert!(polled.is_none());
    };
    poll(&mut holder);
    sleep(Duration::from_millis(1)).await;
    queued.iter_mut().for_each(poll);
    sleep(Duration::from_millis(1)).await;
    let connections = bench.gateway.stats().connections;
    let begin = Instant::now();
    queued.pop().unwrap().shutdown(Shutdown::Keep).await;
    queued.pop().unwrap().shutdown(Shutdown::End).await;
    assert!(begin.elapsed().is_zero(), "nobody waits for a connection");
    queued.clear();
    holder.shutdown(Shutdown::End).await;
    assert_eq!(bench.gateway.stats().connections, connections);

    bench.gateway.misbehave([Fault::stall_upgrade()]);
    let mut holder = all.next().unwrap();
    poll(&mut holder);
    sleep(Duration::from_millis(1)).await;
    drop(holder);
    let mut given = Given::by(all);
    assert!(given.take(WINDOW, |given| given.ready.len() == 2).await);
}

/// Goal: the deadline of a connection starts with its turn. Method: each of four shards needs most
/// of the deadline for itself, one after the other.
#[tokio::test(start_paused = true)]
async fn a_shard_that_waits_for_its_turn_does_not_run_out_of_time() {
    let bench = Bench::with(gateway().max_concurrency(4));
    let slow = [Step::Wait(Duration::from_secs(9)), Step::Answer];
    bench
        .gateway
        .misbehave_always([Fault::at(Moment::Upgrade, slow)]);
    let limits = Limits {
        handshakes_max: 1,
        ..Limits::default()
    };
    let mut given = Given::by(shards(&bench, 4, generous(4), limits));
    let all = given.take(Duration::from_secs(37), |given| given.ready.len() == 4);
    assert!(all.await, "{:?}", given.ready);
    assert_eq!(given.errors, 0);
    assert_eq!(bench.gateway.stats().connections, 4);
}

/// Goal: who waits to identify, perhaps for a day, takes nobody's place. Method: there is one
/// place, and one identify is left; the shard that has it is cut while three others wait.
#[tokio::test(start_paused = true)]
async fn shards_that_wait_to_identify_do_not_hold_a_resume_up() {
    let bench = Bench::with(gateway());
    let limits = Limits {
        handshakes_max: 1,
        ..Limits::default()
    };
    let queue = LocalQueue::with_limits(1, 1_000, 101, DAY, WINDOW);
    let mut given = Given::by(shards(&bench, 4, queue, limits));
    assert!(!given.take(HOUR, |given| given.ready.len() > 1).await);
    let lucky = *given.ready.first().unwrap();
    assert_eq!(bench.gateway.order(id(lucky, 4), [Step::Rst]), 1);
    let resumed = given.take(Duration::from_secs(1), |given| !given.resumed.is_empty());
    assert!(resumed.await);
}

/// Goal: a long outage costs no more identifies than the day's budget. Method: 64 shards; every
/// connection of six hours is reset; the sessions are gone when it ends.
#[tokio::test(start_paused = true)]
async fn an_outage_of_six_hours_keeps_to_the_budget() {
    let bench = Bench::with(gateway().max_concurrency(16).heartbeat_interval(HOUR));
    let queue = LocalQueue::with_limits(16, 1_000, 1_000, DAY, WINDOW);
    let mut given = Given::by(shards(&bench, 64, queue, Limits::default()));
    assert!(given.take(HOUR, |given| given.ready.len() == 64).await);
    bench.gateway.misbehave_always([Fault::rst_on_accept()]);
    bench.gateway.order_all([Step::Rst]);
    assert!(!given.take(6 * HOUR, |_| false).await);
    assert!(given.errors > 64 * 6 * 60, "{} attempts", given.errors);

    bench.gateway.misbehave_always([]);
    given.ready.clear();
    let back = Instant::now();
    assert!(given.take(HOUR, |given| given.ready.len() == 64).await);
    println!("all back after {:?}", back.elapsed());
    assert!(!given.take(18 * HOUR, |_| false).await);
    let starts = identifies(&bench.gateway.log());
    assert_eq!(starts.len(), 128);
    assert!(!bench.gateway.is_token_reset());
}

/// Goal: an IDENTIFY that is refused for ever never costs the token. Method: 64 shards are refused
/// for two days, by a server that counts and resets the token at the 1,001st.
#[tokio::test(start_paused = true)]
async fn an_identify_refused_for_ever_keeps_to_the_budget() {
    for refusal in [Fault::refuse_identify(false), Fault::no_ready()] {
        let bench = Bench::with(gateway().max_concurrency(16).heartbeat_interval(HOUR));
        bench.gateway.misbehave_always([refusal]);
        let queue = LocalQueue::with_limits(16, 1_000, 1_000, DAY, WINDOW);
        let mut given = Given::by(shards(&bench, 64, queue, Limits::default()));
        assert!(!given.take(2 * DAY, |_| false).await);
        let starts = identifies(&bench.gateway.log());
        let most = most_within(DAY, &starts);
        println!("{} identifies, {most} in a day", starts.len());
        assert!(most <= BUDGET, "{most}");
        assert!(starts.len() > BUDGET, "it was tried as often as allowed");
        let shards: BTreeSet<_> = starts.iter().map(|(_, number)| number).collect();
        assert_eq!(shards.len(), 64, "none is left out");
        assert!(!bench.gateway.is_token_reset());
    }
}

/// Goal: a bot that has used much of its day tells why it does not start. Method: 600 of 1,000 are
/// used, so the next start comes at once and the others every five minutes or so.
#[tokio::test(start_paused = true)]
async fn a_shard_that_the_days_limit_holds_back_says_so_once() {
    let bench = Bench::with(gateway());
    let queue = LocalQueue::with_limits(1, 1_000, 400, DAY, WINDOW);
    let all = shards(&bench, 3, queue, Limits::default());
    let handles: Vec<_> = all.iter().map(Shard::handle).collect();
    let mut given = Given::by(all);
    assert!(!given.take(Duration::from_mins(2), |_| false).await);
    assert_eq!(given.ready, BTreeSet::from([0]));
    for handle in &handles[1..] {
        let Health::Degraded { why, .. } = handle.health() else {
            panic!("{:?}", handle.health());
        };
        assert_eq!(why, Degraded::IdentifyHeldBack);
    }
    assert!(given.take(HOUR, |given| given.ready.len() == 3).await);
    assert!(given.begin.elapsed() > 2 * DAY / 300, "spaced over the day");
    assert!(!given.take(HOUR, |_| false).await);
    given.held_back.sort_unstable();
    let minute = Duration::from_mins(1);
    let told = [1, 2].map(|number| (number, minute, "identify_held_back"));
    assert_eq!(given.held_back, told);
    assert!(handles.iter().all(|handle| handle.health().is_ready()));
}

/// Goal: what the platform says of the day's limit is obeyed, and asked for again when its day is
/// over. Method: one start is left but for the last tenth, and the day has not begun, so that the
/// platform cannot tell at first when it ends. Two shards start.
#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn the_days_limit_is_obeyed_and_asked_for_again_when_its_day_is_over() {
    use crate::{Config, discord::Intents, shard::tests::bench::Memory, stream};

    let bench = Bench::with(gateway().shards(2).session_starts(1_000, 101));
    // The queue is that of the token: nobody else's.
    let config = Config::builder(crate::observe::watch::token_of("limits"), Intents::GUILDS)
        .rest_url(bench.gateway.rest_url())
        .dialler(Arc::new(Memory(Arc::clone(&bench.gateway))))
        .build()
        .unwrap();
    let client = config.rest_client();
    let made = stream::create_recommended(&client, config, |_, builder| builder.build()).await;
    let mut given = Given::by(made.unwrap());
    assert!(!given.take(23 * HOUR, |_| false).await);
    assert_eq!(given.ready.len(), 1, "the last tenth is kept");
    let told: Vec<_> = given.held_back.iter().map(|(_, _, name)| *name).collect();
    assert_eq!(told, ["identify_limit"]);
    assert!(given.take(2 * HOUR, |given| given.ready.len() == 2).await);
    assert!(given.begin.elapsed() > DAY);

    let asked: Vec<_> = (bench.gateway.log().iter())
        .filter(|record| matches!(record.act, Act::Rest { .. }))
        .map(|record| record.at.as_secs())
        .collect();
    let day = DAY.as_secs();
    assert!(asked.len() >= 3, "{asked:?}");
    assert_eq!(asked[..2], [0, 30]);
    assert!(asked[2] > day && asked[2] <= day + 60, "{asked:?}");
    assert!(!given.take(DAY, |_| false).await);
    let rest = |record: &Record| matches!(record.act, Act::Rest { .. });
    let since = bench.gateway.log().into_iter().filter(rest).count();
    assert_eq!(since, asked.len(), "nobody asks while nobody waits");
    assert_eq!(given.errors, 0);
}

/// Who asks, and where the permit goes: it is settled by whether the IDENTIFY was sent.
type Question = (ShardId, oneshot::Sender<oneshot::Sender<bool>>);

/// A queue that asks another process, as far as a process goes in a test: it has a channel to it.
#[derive(Debug)]
struct Elsewhere(mpsc::UnboundedSender<Question>);

impl Queue for Elsewhere {
    fn acquire(&self, shard: ShardId) -> BoxFuture<'static, Result<Permit, Error>> {
        let (answer, granted) = oneshot::channel();
        let asked = self.0.send((shard, answer));
        Box::pin(async move {
            asked.unwrap();
            let gone = |_| Error::new(ErrorKind::Connect, "the queue is gone");
            let settle = Arc::new(Mutex::new(Some(granted.await.map_err(gone)?)));
            let say = move |sent| {
                let settle = settle.lock().unwrap().take();
                // A queue that is gone needs no word.
                let _heard: bool = settle.is_some_and(|settle| settle.send(sent).is_ok());
            };
            let unused = say.clone();
            Ok(Permit::new(move || say(true), move || unused(false)))
        })
    }
}

/// The process that holds the queue. Whoever asked and is gone without a word has identified.
async fn serve(queue: LocalQueue, mut asked: mpsc::UnboundedReceiver<Question>) {
    while let Some((shard, mut answer)) = asked.recv().await {
        let permit = queue.acquire(shard);
        tokio::spawn(async move {
            let permit = tokio::select! {
                () = answer.closed() => return,
                permit = permit => permit.unwrap(),
            };
            let (settle, word) = oneshot::channel();
            if answer.send(settle).is_ok() && word.await.unwrap_or(true) {
                permit.spend();
            }
        });
    }
}

/// Goal: a set can span processes. Method: two with eight shards each share a queue that is
/// elsewhere; some shards give up while they wait. The server is strict about the buckets.
#[tokio::test(start_paused = true)]
async fn processes_that_share_a_queue_keep_the_limits_together() {
    let bench = Bench::with(gateway().max_concurrency(2));
    let (sender, asked) = mpsc::unbounded_channel();
    let server = tokio::spawn(serve(generous(2), asked));
    let mut given: Vec<Given> = Vec::new();
    for process in [0..8, 8..16] {
        let queue = Arc::new(Elsewhere(sender.clone()));
        let config = bench.config().queue(queue).build().unwrap();
        let all = process.map(|number| Shard::with_config(id(number, 16), config.clone()));
        given.push(Given::by(all));
    }
    let (mut second, mut first) = (given.pop().unwrap(), given.pop().unwrap());
    let gone: Vec<_> = second.stream.handles().skip(6).cloned().collect();
    let (one, two, ()) = tokio::join!(
        first.take(HOUR, |given| given.ready.len() == 8),
        second.take(HOUR, |given| given.ready.len() == 8),
        async {
            sleep(Duration::from_secs(1)).await;
            for handle in gone {
                handle.reconnect(Reconnect::Fresh);
            }
        },
    );
    assert!(one && two);
    let starts = identifies(&bench.gateway.log());
    assert!(most_within(WINDOW, &starts) <= 2);
    assert_eq!(starts.len(), 16);
    assert_eq!(bench.gateway.stats().connections, 18);
    assert_eq!(first.errors + second.errors, 0);
    server.abort();
}
