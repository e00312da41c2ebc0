//! Requests for members over a gateway in memory, in paused time: the answers are given by hand.

use std::{
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, sleep, timeout},
};

use super::Members;
use crate::{
    Config, ConfigBuilder, Dial, Duplex, Error, ErrorKind, Id, Limits, Shard, ShardHandle, ShardId,
    discord::{Discord, Event, Intents, RequestGuildMembers, model::Guild},
    local::{Act, Builder, Fault, Gateway, Moment, Step},
    queue::LocalQueue,
};

const GUILD: Id<Guild> = Id::new(7);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Dials the gateway in memory, whatever the host.
#[derive(Debug)]
struct Memory(Arc<Gateway>);

impl Dial for Memory {
    fn dial(&self, _: &str, _: u16, _: &Limits) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let stream = self.0.connect();
        async move { Ok(Box::new(stream) as Box<dyn Duplex>) }.boxed()
    }
}

/// A gateway, and a shard on it whose events are taken by a task.
struct Bench {
    gateway: Arc<Gateway>,
    handle: ShardHandle,
    /// Counts the parts that came as events.
    taken: JoinHandle<usize>,
}

fn start(builder: Builder) -> Arc<Gateway> {
    Arc::new(builder.patience(Duration::from_hours(1)).start_in_memory())
}

fn config(gateway: &Arc<Gateway>) -> ConfigBuilder<Discord> {
    Config::builder(
        crate::observe::watch::TOKEN,
        Intents::GUILDS | Intents::GUILD_MEMBERS,
    )
    .gateway_url(gateway.url())
    .queue(Arc::new(LocalQueue::new()))
    .dialler(Arc::new(Memory(Arc::clone(gateway))))
}

impl Bench {
    /// The gateway answers no request for members; the test does.
    fn new() -> Self {
        let gateway = start(Gateway::builder());
        gateway.misbehave_always([Fault::at(Moment::Command(8), [])]);
        Self::on(gateway)
    }

    fn on(gateway: Arc<Gateway>) -> Self {
        let config = config(&gateway).build().unwrap();
        let shard = Shard::with_config(ShardId::ONE, config);
        Self {
            gateway,
            handle: shard.handle(),
            taken: tokio::spawn(take(shard)),
        }
    }

    fn ask(&self, request: RequestGuildMembers) -> JoinHandle<Result<Members, Error>> {
        tokio::spawn(self.handle.request_members(request))
    }

    /// The `nth` request that came, counted from 1.
    async fn asked(&self, nth: usize) -> Value {
        let is_request = |act: &Act| matches!(act, Act::Command { op: 8, .. });
        let record = self
            .gateway
            .wait_for_nth(nth, |record| is_request(&record.act));
        match record.await.unwrap().act {
            Act::Command { data, .. } => serde_json::from_str(&data).unwrap(),
            act => panic!("{act:?}"),
        }
    }

    fn count(&self) -> u64 {
        self.gateway.stats().commands
    }

    /// A part of the answer to a request, with two members.
    fn answer(&self, asked: &Value, index: u64, count: u64) {
        let member = |id: u64| {
            json!({"user": {
                "id": id.to_string(), "username": "x", "discriminator": "0", "avatar": null
            }})
        };
        let part = json!({
            "guild_id": asked["guild_id"], "members": [member(index * 2), member(index * 2 + 1)],
            "chunk_index": index, "chunk_count": count, "nonce": asked["nonce"],
        });
        self.send("GUILD_MEMBERS_CHUNK", &part);
    }

    fn rate_limit(&self, nonce: &Value, retry_after: f64) {
        let meta = json!({"guild_id": GUILD.to_string(), "nonce": nonce});
        let limited = json!({"opcode": 8, "retry_after": retry_after, "meta": meta});
        self.send("RATE_LIMITED", &limited);
    }

    fn send(&self, name: &str, data: &Value) {
        self.gateway
            .send(ShardId::ONE, name, &data.to_string())
            .unwrap();
    }

    /// Ends the connection; the shard comes back by itself.
    fn cut(&self) {
        assert_eq!(self.gateway.order(ShardId::ONE, [Step::Rst]), 1);
    }

    async fn resumed(&self, nth: usize) {
        let resumed = |act: &Act| matches!(act, Act::Resumed { .. });
        let seen = self
            .gateway
            .wait_for_nth(nth, |record| resumed(&record.act));
        seen.await.unwrap();
    }
}

/// Takes events until the shard ends; how many were parts.
async fn take(mut shard: Shard) -> usize {
    let mut parts = 0;
    loop {
        match shard.next_event().await {
            Ok(Event::GuildMembersChunk(_)) => parts += 1,
            Ok(_) => {}
            Err(error) if error.is_fatal() => return parts,
            Err(_) => {}
        }
    }
}

fn ids(members: &Members) -> Vec<u64> {
    let ids = members.members.iter();
    ids.filter_map(|member| Some(member.user.as_ref()?.id.get()))
        .collect()
}

async fn failed(asking: JoinHandle<Result<Members, Error>>) -> String {
    let error = asking.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unanswered, "{error}");
    assert!(!error.is_fatal());
    error.to_string()
}

#[tokio::test(start_paused = true)]
async fn parts_in_any_order_make_one_list_and_come_as_events_as_well() {
    let bench = Bench::new();
    let asking = bench.ask(RequestGuildMembers::all(GUILD));
    let asked = bench.asked(1).await;
    assert_eq!((&asked["query"], &asked["limit"]), (&json!(""), &json!(0)));
    assert!(asked["nonce"].as_str().unwrap().len() <= 32);
    // The answer to somebody else, and what no nonce says whose it is.
    bench.answer(&json!({"guild_id": "7", "nonce": "other"}), 0, 1);
    bench.answer(&json!({"guild_id": "7"}), 0, 1);
    for index in [2, 0, 3, 0, 1] {
        sleep(secs(14)).await;
        bench.answer(&asked, index, 4);
    }
    let members = asking.await.unwrap().unwrap();
    assert_eq!(ids(&members), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(members.guild_id, GUILD);
    bench.handle.shutdown(crate::Shutdown::End).await;
    assert_eq!(bench.taken.await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn users_who_are_not_there_are_named() {
    let bench = Bench::new();
    let users = [1, 2].map(Id::new);
    let asking = bench.ask(RequestGuildMembers::users(GUILD, users).unwrap());
    let asked = bench.asked(1).await;
    bench.send(
        "GUILD_MEMBERS_CHUNK",
        &json!({"guild_id": "7", "members": [], "chunk_index": 0, "chunk_count": 1,
            "not_found": asked["user_ids"], "nonce": asked["nonce"]}),
    );
    let members = asking.await.unwrap().unwrap();
    assert_eq!((members.members.len(), members.not_found.len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_part_that_never_comes_fails_the_request_thirty_seconds_after_the_last() {
    let bench = Bench::new();
    let asking = bench.ask(RequestGuildMembers::all(GUILD));
    let asked = bench.asked(1).await;
    bench.answer(&asked, 0, 3);
    sleep(secs(29)).await;
    bench.answer(&asked, 2, 3);
    let start = Instant::now();
    sleep(secs(20)).await;
    bench.answer(&asked, 0, 3);
    let why = failed(asking).await;
    assert!(why.contains("2 of 3 parts"), "{why}");
    assert_eq!(
        start.elapsed().as_secs(),
        30,
        "one that was there already is no progress"
    );
    assert_eq!(bench.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_a_request_fails_after_thirty_seconds() {
    let bench = Bench::new();
    let asking = bench.ask(RequestGuildMembers::query(GUILD, "a", 5).unwrap());
    bench.asked(1).await;
    let start = Instant::now();
    let why = failed(asking).await;
    assert!(why.contains("no answer came within 30s"), "{why}");
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn rate_limited_is_asked_again_when_discord_says_and_four_times_at_most() {
    let bench = Bench::new();
    let asking = bench.ask(RequestGuildMembers::all(GUILD));
    let asked = bench.asked(1).await;
    // Of another request, and of another op.
    bench.rate_limit(&json!("other"), 100.0);
    bench.send(
        "RATE_LIMITED",
        &json!({"opcode": 31, "retry_after": 90.0,
        "meta": {"guild_id": "7", "nonce": asked["nonce"]}}),
    );
    let start = Instant::now();
    bench.rate_limit(&asked["nonce"], 47.5);
    let again = bench.asked(2).await;
    assert_eq!(start.elapsed().as_secs(), 47);
    assert_ne!(asked["nonce"], again["nonce"]);
    bench.answer(&again, 0, 1);
    assert_eq!(ids(&asking.await.unwrap().unwrap()), [0, 1]);

    // Where Discord names no nonce, it is the one for all members.
    let asking = bench.ask(RequestGuildMembers::all(GUILD));
    for nth in 3..=6 {
        bench.asked(nth).await;
        bench.rate_limit(&Value::Null, 1.0);
    }
    let why = failed(asking).await;
    assert!(why.contains("refused it as too early"), "{why}");
    assert_eq!(bench.count(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_that_makes_no_sense_is_not_believed() {
    for (wrong, pause) in [(-1.0, 30), (1e300, 30), (1e9, 900)] {
        let bench = Bench::new();
        let asking = bench.ask(RequestGuildMembers::all(GUILD));
        let asked = bench.asked(1).await;
        let start = Instant::now();
        bench.rate_limit(&asked["nonce"], wrong);
        let again = bench.asked(2).await;
        assert_eq!(start.elapsed().as_secs(), pause, "{wrong}");
        bench.answer(&again, 0, 1);
        asking.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn all_members_of_a_guild_are_asked_for_once_in_thirty_seconds_and_others_do_not_wait() {
    let bench = Bench::new();
    let start = Instant::now();
    let full = |guild| bench.ask(RequestGuildMembers::all(Id::new(guild)));
    let asking = [full(7), full(7), full(8)];
    let narrow = bench.ask(RequestGuildMembers::query(GUILD, "a", 5).unwrap());
    for nth in 1..=3 {
        bench.answer(&bench.asked(nth).await, 0, 1);
    }
    narrow.await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 0);
    bench.answer(&bench.asked(4).await, 0, 1);
    assert_eq!(start.elapsed().as_secs(), 30);
    for asking in asking {
        asking.await.unwrap().unwrap();
    }
    assert_eq!(bench.count(), 4);
}

/// Goal: a bot that asks for members of all its guilds at once gets them all, though the limit of
/// all commands makes most requests wait longer than an answer may take.
#[tokio::test(start_paused = true)]
async fn any_number_of_requests_keeps_to_the_limit_of_commands_and_is_answered() {
    let bench = Bench::on(start(Gateway::builder()));
    let start = Instant::now();
    let asking: Vec<_> = (0..400)
        .map(|n| bench.ask(RequestGuildMembers::all(Id::new(n))))
        .collect();
    for asking in asking {
        asking.await.unwrap().unwrap();
    }
    assert!(start.elapsed() > secs(150), "{:?}", start.elapsed());
    let stats = bench.gateway.stats();
    assert_eq!(
        (stats.commands, stats.closes_sent, stats.connections),
        (400, 0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_resume_replays_completes_the_answer() {
    let bench = Bench::new();
    let asking = bench.ask(RequestGuildMembers::all(GUILD));
    let asked = bench.asked(1).await;
    bench.answer(&asked, 0, 2);
    sleep(secs(1)).await;
    bench.cut();
    bench.answer(&asked, 1, 2);
    assert_eq!(ids(&asking.await.unwrap().unwrap()), [0, 1, 2, 3]);
    assert_eq!((bench.count(), bench.gateway.stats().resumed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_a_cut_took_is_asked_for_again_and_not_mixed() {
    let bench = Bench::new();
    let asking = bench.ask(RequestGuildMembers::all(GUILD));
    let asked = bench.asked(1).await;
    let start = Instant::now();
    bench.answer(&asked, 0, 2);
    sleep(secs(1)).await;
    bench.cut();
    bench.resumed(1).await;
    let again = bench.asked(2).await;
    assert_eq!(
        start.elapsed().as_secs(),
        30,
        "the limit of full lists holds"
    );
    bench.answer(&again, 1, 3);
    bench.answer(&asked, 1, 2);
    bench.answer(&again, 0, 3);
    sleep(secs(1)).await;
    assert!(!asking.is_finished());
    bench.answer(&again, 2, 3);
    assert_eq!(ids(&asking.await.unwrap().unwrap()), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_goes_on_after_the_resume_is_not_asked_for_again() {
    let bench = Bench::new();
    let asking = bench.ask(RequestGuildMembers::all(GUILD));
    let asked = bench.asked(1).await;
    bench.cut();
    bench.resumed(1).await;
    for index in 0..4 {
        sleep(secs(15)).await;
        bench.answer(&asked, index, 4);
    }
    asking.await.unwrap().unwrap();
    assert_eq!(bench.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn in_a_new_session_the_request_is_sent_again_and_four_times_at_most() {
    let bench = Bench::new();
    let asking = bench.ask(RequestGuildMembers::query(GUILD, "a", 5).unwrap());
    for nth in 1..=4 {
        bench.asked(nth).await;
        // With progress in between, the next IDENTIFY is not put off for longer each time.
        bench.send("TEST", &json!({}));
        sleep(secs(1)).await;
        bench.gateway.end_sessions(ShardId::ONE);
        bench.cut();
    }
    let why = failed(asking).await;
    assert!(why.contains("4 times") && why.contains("lost"), "{why}");
    assert_eq!((bench.count(), bench.gateway.stats().resumed), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_session_a_request_fails_and_waits_for_a_short_outage() {
    let bench = Bench::new();
    bench.gateway.misbehave_always([Fault::http(503, &[], "")]);
    let asking = bench.ask(RequestGuildMembers::all(GUILD));
    sleep(secs(6)).await;
    bench
        .gateway
        .misbehave_always([Fault::at(Moment::Command(8), [])]);
    let asked = bench.asked(1).await;
    bench.answer(&asked, 0, 1);
    asking.await.unwrap().unwrap();

    let asking = bench.ask(RequestGuildMembers::query(GUILD, "a", 5).unwrap());
    bench.asked(2).await;
    bench.gateway.misbehave_always([Fault::http(503, &[], "")]);
    sleep(secs(20)).await;
    bench.cut();
    let start = Instant::now();
    let why = failed(asking).await;
    assert!(why.contains("no session"), "{why}");
    assert_eq!(start.elapsed().as_secs(), 30);
}

/// Goal: dropped wherever it may be, a request leaves nothing behind. Method: it is polled once,
/// twice and so on, with the world moving on between, until it is done; each time another one is
/// answered after it.
#[tokio::test(start_paused = true)]
async fn dropped_at_every_poll_it_leaves_nothing_behind() {
    let mut finished = false;
    for polls in 0..100 {
        let bench = Bench::on(start(Gateway::builder()));
        let request = || RequestGuildMembers::query(GUILD, "a", 5).unwrap();
        {
            let mut asking = pin!(bench.handle.request_members(request()));
            for _ in 0..polls {
                let waker = Context::from_waker(Waker::noop());
                if let Poll::Ready(done) = asking.as_mut().poll(&mut { waker }) {
                    done.unwrap();
                    finished = true;
                    break;
                }
                yield_now().await;
            }
        }
        assert_eq!(bench.handle.taps(), 0, "{polls}");
        let all = (0..20).map(|_| bench.ask(request()));
        for asking in all.collect::<Vec<_>>() {
            asking.await.unwrap().unwrap();
        }
        assert_eq!(bench.handle.taps(), 0);
        assert_eq!(bench.handle.sender().room(), 256);
        if finished {
            assert!(polls >= 3, "{polls}");
            return;
        }
    }
    panic!("it never finished");
}

/// Goal: dropped in any of the states that it waits in, a request leaves nothing behind. Method:
/// each state is brought about and checked by what was sent; then another request is answered.
#[tokio::test(start_paused = true)]
async fn dropped_in_each_state_it_leaves_nothing_behind() {
    let narrow = || RequestGuildMembers::query(GUILD, "a", 5).unwrap();
    let full = || RequestGuildMembers::all(GUILD);
    let mute = || Fault::at(Moment::Command(8), []);
    for state in [
        "turn", "session", "room", "queue", "spacing", "answer", "retry",
    ] {
        let bench = Bench::on(start(Gateway::builder()));
        bench.ask(narrow()).await.unwrap().unwrap();
        let sender = bench.handle.sender();
        let crowd = |n: u64| {
            for n in 0..n {
                sender.try_send_payload(4, &n).unwrap();
            }
        };
        let mut others = Vec::new();
        bench.gateway.misbehave_always([mute()]);
        match state {
            "turn" => others.extend((0..16).map(|_| bench.ask(narrow()))),
            "session" => {
                bench
                    .gateway
                    .misbehave_always([mute(), Fault::http(503, &[], "")]);
                bench.cut();
            }
            "room" => {
                crowd(200);
                sleep(secs(1)).await;
                crowd(sender.room() as u64);
            }
            "queue" => crowd(200),
            "spacing" => others.push(bench.ask(full())),
            _ => {}
        }
        sleep(secs(1)).await;
        let before = bench.count();
        let asking = bench.ask(if state == "queue" { narrow() } else { full() });
        sleep(secs(1)).await;
        if state == "retry" {
            bench.rate_limit(&bench.asked(2).await["nonce"], 60.0);
            sleep(secs(1)).await;
        }
        let sent = u64::from(matches!(state, "answer" | "retry"));
        assert_eq!(bench.count() - before, sent, "{state}");
        for asking in others.iter().chain([&asking]) {
            asking.abort();
        }
        assert!(asking.await.unwrap_err().is_cancelled(), "{state}");
        sleep(secs(1)).await;
        assert_eq!(bench.handle.taps(), 0, "{state}");
        bench.gateway.misbehave_always([]);
        let after: Vec<_> = (0..20).map(|_| bench.ask(narrow())).collect();
        for asking in after {
            asking.await.unwrap().unwrap();
        }
        assert_eq!((bench.handle.taps(), sender.room()), (0, 256), "{state}");
    }
}

/// Goal: an answer that comes at once and is larger than what is held for one who does not listen
/// is no trouble for one who does. Method: so small a buffer that a turn of the driver fills it.
#[tokio::test(start_paused = true)]
async fn a_burst_of_parts_leaves_the_listener_its_turns() {
    let gateway = start(Gateway::builder());
    gateway.misbehave_always([Fault::at(Moment::Command(8), [])]);
    let limits = Limits {
        buffered_bytes_max: 4096,
        ..Limits::default()
    };
    let config = config(&gateway).limits(limits).event_filter(|_| false);
    let shard = Shard::with_config(ShardId::ONE, config.build().unwrap());
    let bench = Bench {
        gateway,
        handle: shard.handle(),
        taken: tokio::spawn(take(shard)),
    };
    let asking = bench.ask(RequestGuildMembers::all(GUILD));
    let asked = bench.asked(1).await;
    for index in 0..100 {
        bench.answer(&asked, index, 100);
    }
    assert_eq!(asking.await.unwrap().unwrap().members.len(), 200);
    // One who does not listen hears why there is no answer.
    let request = RequestGuildMembers::query(GUILD, "a", 100).unwrap();
    let mut asking = pin!(bench.handle.request_members(request));
    assert!(timeout(secs(1), &mut asking).await.is_err());
    let asked = bench.asked(2).await;
    for index in 0..100 {
        bench.answer(&asked, index, 100);
    }
    sleep(secs(1)).await;
    let why = asking.await.unwrap_err();
    assert!(why.to_string().contains("not taken as it came"), "{why}");
    assert_eq!(bench.handle.taps(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_discord_would_not_answer_is_refused() {
    let gateway = start(Gateway::builder());
    let shard = Shard::with_config(
        ShardId::new(0, 2).unwrap(),
        config(&gateway).build().unwrap(),
    );
    let home = Id::new(2 << 22);
    let presences = RequestGuildMembers::all(home).presences();
    let elsewhere = RequestGuildMembers::all(Id::new(1 << 22));
    for (request, why) in [(presences, "GUILD_PRESENCES"), (elsewhere, "[1, 2]")] {
        let error = shard.request_members(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Command);
        assert!(error.to_string().contains(why), "{error}");
    }
    let config = config(&gateway).platform(Discord::new(Intents::GUILDS));
    let shard = Shard::with_config(ShardId::ONE, config.build().unwrap());
    for all in [
        RequestGuildMembers::all(home),
        RequestGuildMembers::query(home, "", 3).unwrap(),
    ] {
        let error = shard.request_members(all).await.unwrap_err();
        assert!(error.to_string().contains("GUILD_MEMBERS"), "{error}");
    }
    assert_eq!(gateway.stats().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn it_works_while_nobody_takes_events_and_ends_with_the_shard() {
    let gateway = start(Gateway::builder());
    for filtered in [false, true] {
        let config = config(&gateway).event_filter(move |_| !filtered);
        let shard = Shard::with_config(ShardId::ONE, config.build().unwrap());
        let request = || RequestGuildMembers::all(Id::new(u64::from(filtered)));
        shard.request_members(request()).await.unwrap();
        gateway.misbehave_always([Fault::at(Moment::Command(8), [])]);
        let asking = shard.request_members(request());
        let ending = async {
            sleep(secs(40)).await;
            drop(shard);
        };
        let (ended, ()) = futures::future::join(asking, ending).await;
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Command);
        gateway.misbehave_always([]);
    }
}

fn guild(id: u64) -> String {
    json!({"id": id.to_string(), "name": "Harbour", "owner_id": "1",
        "verification_level": 0, "default_message_notifications": 0,
        "explicit_content_filter": 0, "mfa_level": 0})
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn all_guilds_have_arrived_over_a_cut_and_every_event_was_given() {
    let gateway = start(Gateway::builder().guilds([7, 8, 9]));
    let mut shard = Shard::with_config(ShardId::ONE, config(&gateway).build().unwrap());
    let mut names = Vec::new();
    let arriving = shard.guilds_arrived(secs(20), |event| {
        names.push(event.unwrap().kind().name());
    });
    let events = async {
        let ready = |act: &Act| matches!(act, Act::Ready { .. });
        gateway.wait_for(|record| ready(&record.act)).await.unwrap();
        sleep(secs(15)).await;
        gateway
            .send(ShardId::ONE, "GUILD_CREATE", &guild(7))
            .unwrap();
        sleep(secs(1)).await;
        gateway.order(ShardId::ONE, [Step::Rst]);
        gateway
            .send(ShardId::ONE, "GUILD_CREATE", &guild(8))
            .unwrap();
        let down = r#"{"id":"9","unavailable":true}"#;
        gateway.send(ShardId::ONE, "GUILD_DELETE", down).unwrap();
    };
    let (arrivals, ()) = futures::future::join(arriving, events).await;
    let arrivals = arrivals.unwrap();
    assert!(arrivals.is_complete());
    assert_eq!((arrivals.arrived(), arrivals.down().len()), (2, 1));
    for (name, count) in [("READY", 1), ("GUILD_CREATE", 2), ("GUILD_DELETE", 1)] {
        assert_eq!(
            names.iter().filter(|known| **known == name).count(),
            count,
            "{names:?}"
        );
    }
    // Nothing was taken beyond the last guild: the rest of the replay is still to come.
    assert!(matches!(
        shard.next_event().await,
        Ok(Event::Gateway(_) | Event::Resumed(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn guilds_that_do_not_arrive_in_time_are_missing() {
    let gateway = start(Gateway::builder().guilds([7, 8]));
    let queue = Arc::new(LocalQueue::new());
    // Time before READY does not count.
    gateway.misbehave([Fault::no_ready()]);
    let config = config(&gateway).queue(queue).build().unwrap();
    let mut shard = Shard::with_config(ShardId::ONE, config);
    let mut ready = None;
    let arriving = shard.guilds_arrived(secs(20), |event| {
        if let Ok(Event::Ready(_)) = event {
            ready = Some(Instant::now());
        }
    });
    let arrivals = arriving.await.unwrap();
    assert_eq!(ready.unwrap().elapsed().as_secs(), 20);
    assert!(arrivals.has_begun() && !arrivals.is_complete());
    assert_eq!(arrivals.missing().collect::<Vec<_>>(), [7, 8].map(Id::new));
    shard.shutdown(crate::Shutdown::End).await;
    let ended = shard
        .guilds_arrived(secs(20), |event| panic!("{event:?}"))
        .await;
    assert!(ended.unwrap_err().is_fatal());
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_stopped_reading_says_why_no_answer_comes() {
    let gateway = start(Gateway::builder());
    gateway.misbehave_always([Fault::at(Moment::Command(8), [])]);
    let shard = Shard::with_config(ShardId::ONE, config(&gateway).build().unwrap());
    let asking = shard.request_members(RequestGuildMembers::all(GUILD));
    let events = async {
        let ready = |act: &Act| matches!(act, Act::Command { .. });
        gateway.wait_for(|record| ready(&record.act)).await.unwrap();
        for _ in 0..2000 {
            gateway.send(ShardId::ONE, "TEST", "{}").unwrap();
        }
    };
    let (answer, ()) = futures::future::join(timeout(secs(60), asking), events).await;
    let why = answer.unwrap().unwrap_err().to_string();
    assert!(why.contains("nobody takes"), "{why}");
}
