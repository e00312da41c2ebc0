//! Sending: limits, queues, and what may be sent when.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use shardstream::{
    Cause, Error, ErrorKind, Sender, ShardId, Shutdown,
    discord::{BotActivity, BotStatus, Discord, UpdatePresence},
    local::{Act, Fault, Gateway, Moment, Record, Step},
};
use tokio::time::{Instant, sleep, timeout};

use super::world::{Bot, World, closes, ms, real_bot, real_bot_with, scaled_gateway, secs, times};

/// Rows without a test here.
pub(super) const REASONS: &[(&str, &str)] = &[];

/// A command without a limit of its own.
const OTHER: u64 = 4;
const PRESENCE: u64 = 3;
const LATER: Duration = Duration::from_mins(10);

/// The commands that arrived, and when.
fn commands(gateway: &Gateway) -> Vec<(Duration, u64, String)> {
    let command = |record: Record| match record.act {
        Act::Command { op, data } => Some((record.at, op, data)),
        _ => None,
    };
    gateway.log().into_iter().filter_map(command).collect()
}

/// The numbers that the commands with this op carried, in the order of their arrival.
fn numbers(gateway: &Gateway, op: u64) -> Vec<u64> {
    let commands = commands(gateway).into_iter();
    let with_op = commands.filter(|(_, sent, _)| *sent == op);
    with_op.map(|(_, _, data)| data.parse().unwrap()).collect()
}

/// The most of these times in any window: that begins with one of them.
fn busiest(times: &[Duration], window: Duration) -> usize {
    let inside = |start: &Duration| {
        let inside = |at: &&Duration| **at >= *start && **at - *start < window;
        times.iter().filter(inside).count()
    };
    times.iter().map(inside).max().unwrap_or(0)
}

/// When anything of the client arrived, by connection.
fn arrivals(gateway: &Gateway) -> BTreeMap<u64, Vec<Duration>> {
    let mut all = BTreeMap::<u64, Vec<Duration>>::new();
    for record in gateway.log() {
        if matches!(
            record.act,
            Act::Command { .. } | Act::Heartbeat { .. } | Act::Identify { .. } | Act::Resume { .. }
        ) {
            all.entry(record.connection).or_default().push(record.at);
        }
    }
    all
}

/// Gives so many numbered commands; waits for room in the queue, and not until they are sent.
async fn give(sender: &Sender<Discord>, numbers: std::ops::Range<u64>) {
    for n in numbers {
        sender.send_payload(OTHER, &n).await.unwrap();
    }
}

async fn begun(world: &World) -> Bot {
    let mut bot = world.bot();
    bot.begin().await;
    bot
}

fn assert_refused(refused: Result<(), Error>, why: &str) {
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Command);
    assert!(!error.is_fatal());
    assert!(error.to_string().contains(why), "{error}");
}

#[tokio::test(start_paused = true)]
async fn f86_ten_thousand_commands_keep_to_the_servers_limit_beside_heartbeats() {
    let world = World::new(Gateway::builder());
    let mut bot = begun(&world).await;
    let start = Instant::now();
    give(&bot.shard.sender(), 0..10_000).await;
    bot.idle(LATER).await;
    bot.goes_on().await;
    bot.kept_its_session(0);

    let all: Vec<u64> = (0..10_000).collect();
    assert_eq!(numbers(&world.gateway, OTHER), all, "each once, in order");
    let arrivals = arrivals(&world.gateway);
    let arrivals = &arrivals[&1];
    let most = busiest(arrivals, secs(60));
    assert!((116..=120).contains(&most), "{most}");
    // The server closes a connection that sends more; and beats are never crowded out.
    assert_eq!(world.gateway.stats().closes_sent, 0);
    let beats = times(&world.gateway, |act| matches!(act, Act::Heartbeat { .. }));
    let longest = beats.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(longest <= Some(ms(41_300)), "{longest:?}");
    assert!(start.elapsed() < secs(120 * 60), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn f86_the_queue_is_bounded_and_says_when_it_is_full() {
    let world = World::new(Gateway::builder());
    let mut bot = world.bot_with(|limits| limits.commands_max = 256);
    let sender = bot.shard.sender();
    for n in 0..10_000_u64 {
        let given = sender.try_send_payload(OTHER, &n);
        if n < 256 {
            given.unwrap();
        } else {
            assert_refused(given, "full");
        }
    }
    // Who waits for room is not served while there is none, and gives up without a trace.
    let waited = timeout(secs(1), sender.send_payload(OTHER, &10_000)).await;
    assert!(waited.is_err(), "{waited:?}");
    bot.begin().await;
    bot.idle(LATER).await;
    let given: Vec<u64> = (0..256).collect();
    assert_eq!(numbers(&world.gateway, OTHER), given);
    assert_eq!(sender.room(), 256);
}

#[tokio::test]
async fn f87_4096_bytes_are_sent_and_one_more_is_refused_before_sending() {
    let gateway = scaled_gateway().start().await.unwrap().into();
    let mut bot = real_bot(&gateway);
    bot.begin().await;
    let sender = bot.shard.sender();
    let around = r#"{"op":4,"d":""}"#.len();
    let room = 4096 - around;
    // Characters of one, two and four bytes: bytes count, not characters.
    for (character, len) in [("a", 1), ("ä", 2), ("🦀", 4)] {
        let fits = character.repeat(room / len);
        sender.send_payload(OTHER, &fits).await.unwrap();
        let longer = character.repeat(room / len + 1);
        assert_refused(sender.send_payload(OTHER, &longer).await, "4096");
        assert_refused(sender.try_send_payload(OTHER, &longer), "4096");
    }
    let long = BotActivity::playing("x".repeat(4096));
    let presence = UpdatePresence::new(BotStatus::Online).activity(long);
    assert_refused(sender.command(&presence).await, "4096");
    let third = |record: &Record| matches!(record.act, Act::Command { .. });
    gateway.wait_for_nth(3, third).await.unwrap();
    let lens = commands(&gateway)
        .into_iter()
        .map(|(_, _, data)| data.len());
    let expected = [1, 2, 4].map(|len| room / len * len + 2);
    assert_eq!(lens.collect::<Vec<_>>(), expected);
    bot.goes_on().await;
    bot.kept_its_session(0);
}

/// Where each command arrived: its number, and after which READY or RESUMED of its connection.
fn arrived_on_live_sessions(gateway: &Gateway) -> Vec<u64> {
    let mut live = None;
    let mut numbers = Vec::new();
    for record in gateway.log() {
        match record.act {
            Act::Sent { event, .. } if matches!(event.as_deref(), Some("READY" | "RESUMED")) => {
                live = Some(record.connection);
            }
            Act::Sent { op: Some(9), .. } | Act::SentClose { .. } | Act::End { .. } => live = None,
            Act::Command { data, .. } => {
                assert_eq!(live, Some(record.connection), "{data} came too early");
                numbers.push(data.parse().unwrap());
            }
            _ => {}
        }
    }
    numbers
}

#[tokio::test(start_paused = true)]
async fn f88_commands_wait_for_ready_and_for_the_end_of_a_replay() {
    let world = World::new(Gateway::builder());
    let slow = |moment| Fault::at(moment, [Step::Wait(secs(9)), Step::Answer]);
    let slowly = [Moment::Hello, Moment::Identify, Moment::Resume].map(slow);
    world.gateway.misbehave(slowly.clone());
    let mut bot = world.bot();
    let sender = bot.shard.sender();
    // Before anything is connected, before Hello, before READY.
    give(&sender, 0..3).await;
    bot.idle(secs(5)).await;
    give(&sender, 3..6).await;
    bot.idle(secs(10)).await;
    give(&sender, 6..9).await;
    bot.begin().await;
    give(&sender, 9..12).await;
    bot.idle(secs(1)).await;
    assert_eq!(world.gateway.stats().commands, 12);
    // While disconnected, before Hello, and in a replay that stands still.
    let mut slowly = slowly.to_vec();
    slowly.push(Fault::at(Moment::Events(1), [Step::Wait(secs(9))]));
    world.gateway.misbehave(slowly);
    bot.order([Step::Rst]);
    bot.disconnected().await;
    bot.send();
    bot.send();
    give(&sender, 12..15).await;
    for n in 5..11 {
        bot.idle(secs(5)).await;
        give(&sender, n * 3..n * 3 + 3).await;
    }
    bot.goes_on().await;
    bot.idle(secs(60)).await;
    let all: Vec<u64> = (0..33).collect();
    assert_eq!(arrived_on_live_sessions(&world.gateway), all);
    bot.kept_its_session(1);
}

/// Goal: not one payload follows op 9. Method: so many commands that most still wait for the send
/// window, then op 9, which is answered by nothing but a close frame.
#[tokio::test(start_paused = true)]
async fn f88_nothing_is_sent_after_op_9_and_what_waits_is_sent_on_the_next_session() {
    for resumable in [true, false] {
        let world = World::new(Gateway::builder());
        let mut bot = begun(&world).await;
        let sender = bot.shard.sender();
        give(&sender, 0..200).await;
        bot.idle(secs(1)).await;
        let sent = world.gateway.stats().commands;
        assert!((110..120).contains(&sent), "{sent}");
        // Its close is left unanswered, and the window would open again meanwhile.
        let silent = Fault::at(Moment::Close, []);
        world.gateway.misbehave_always([silent]);
        bot.order([Step::InvalidSession(resumable)]);
        bot.disconnected().await;
        bot.idle(LATER).await;
        let all: Vec<u64> = (0..200).collect();
        assert_eq!(arrived_on_live_sessions(&world.gateway), all);
        let stats = world.gateway.stats();
        let expected = if resumable { (1, 1) } else { (2, 0) };
        assert_eq!((stats.identifies, stats.resumes), expected);
    }
}

#[tokio::test]
async fn f88_after_the_end_every_command_is_refused() {
    let gateway = scaled_gateway().start().await.unwrap().into();
    let mut bot = real_bot(&gateway);
    bot.begin().await;
    let sender = bot.shard.sender();
    assert!(!sender.is_closed());
    bot.order([Step::Close(4014)]);
    assert_eq!(bot.end_error().await.close_code(), Some(4014));
    assert!(sender.is_closed());
    assert_refused(sender.send_payload(OTHER, &1).await, "ended");
    assert_refused(sender.try_send_payload(OTHER, &1), "ended");
    let presence = UpdatePresence::new(BotStatus::Online);
    assert_refused(sender.try_command(&presence), "ended");

    let mut bot = real_bot(&gateway);
    bot.begin().await;
    let sender = bot.shard.sender();
    bot.shard.shutdown(Shutdown::End).await;
    assert_refused(sender.send_payload(OTHER, &1).await, "ended");
    // Also one that waits for room when the end comes.
    let bot = real_bot_with(&gateway, |limits| limits.commands_max = 1);
    let sender = bot.shard.sender();
    sender.try_send_payload(OTHER, &1).unwrap();
    let waiting = tokio::spawn(async move { sender.send_payload(OTHER, &2).await });
    tokio::task::yield_now().await;
    drop(bot);
    assert_refused(waiting.await.unwrap(), "ended");
    assert_eq!(gateway.stats().commands, 0);
}

#[tokio::test]
async fn f89_heartbeat_identify_and_resume_cannot_be_sent_by_hand() {
    let gateway = scaled_gateway().start().await.unwrap().into();
    let mut bot = real_bot(&gateway);
    bot.begin().await;
    let sender = bot.shard.sender();
    for op in [1, 2, 6] {
        assert_refused(sender.send_payload(op, &json!({})).await, "itself");
        assert_refused(sender.try_send_payload(op, &json!(null)), "itself");
    }
    sender.send_payload(OTHER, &json!({})).await.unwrap();
    let command = |record: &Record| matches!(record.act, Act::Command { .. });
    gateway.wait_for(command).await.unwrap();
    bot.goes_on().await;
    bot.kept_its_session(0);
    assert_eq!(gateway.stats().heartbeats, 0);
}

/// Goal: over any cut each command goes to the socket once, in order, and only what was in flight
/// may be lost. Method: resets while commands flow; what the shard sent against what arrived.
#[tokio::test]
async fn f90_a_cut_repeats_no_command_and_loses_none_that_waits() {
    const CUTS: u64 = 5;
    const EACH: u64 = 60;
    let gateway = scaled_gateway().send_limit(100_000, secs(60));
    let gateway = gateway.start().await.unwrap().into();
    let mut bot = real_bot_with(&gateway, |limits| limits.sends_max = 100_000);
    bot.begin().await;
    let sender = bot.shard.sender();
    for cut in 0..CUTS {
        give(&sender, cut * EACH..cut * EACH + EACH / 2).await;
        bot.order([Step::Rst]);
        give(&sender, cut * EACH + EACH / 2..(cut + 1) * EACH).await;
        bot.disconnected().await;
        bot.goes_on().await;
    }
    give(&sender, CUTS * EACH..CUTS * EACH + 1).await;
    let last = (CUTS * EACH).to_string();
    let arrived =
        |record: &Record| matches!(&record.act, Act::Command { data, .. } if *data == last);
    gateway.wait_for(arrived).await.unwrap();
    let numbers = numbers(&gateway, OTHER);
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "each at most once, in order: {numbers:?}"
    );
    // Every command was handed to a socket, once.
    assert_eq!(bot.shard.status().counters.commands, CUTS * EACH + 1);
    bot.kept_its_session(CUTS);
}

/// A command that waits in the queue when the session itself is lost is sent on the next.
#[tokio::test(start_paused = true)]
async fn f90_what_waits_outlives_the_session() {
    let world = World::new(Gateway::builder());
    let mut bot = begun(&world).await;
    let sender = bot.shard.sender();
    give(&sender, 0..150).await;
    bot.idle(secs(1)).await;
    let before = numbers(&world.gateway, OTHER).len();
    world.gateway.end_sessions(ShardId::ONE);
    bot.order([Step::Rst]);
    bot.lost_session();
    bot.begin().await;
    bot.idle(LATER).await;
    let all: Vec<u64> = (0..150).collect();
    assert_eq!(numbers(&world.gateway, OTHER), all);
    assert!((100..150).contains(&before), "{before}");
    assert_eq!(world.gateway.stats().identifies, 2);
}

#[tokio::test(start_paused = true)]
async fn f91_after_4008_the_next_connection_waits_a_minute_and_sends_half_for_ten() {
    let world = World::new(Gateway::builder());
    let mut bot = begun(&world).await;
    let sender = bot.shard.sender();
    give(&sender, 0..100).await;
    bot.idle(secs(1)).await;
    bot.order([Step::Close(4008)]);
    let cause = Cause::Closed { code: Some(4008) };
    assert_eq!(bot.disconnected().await, (cause, true));
    let closed = Instant::now();
    let sent_at = times(&world.gateway, |act| matches!(act, Act::SentClose { .. }));
    bot.goes_on().await;
    let gap = closed.elapsed();
    assert!(gap >= secs(60) && gap <= secs(76), "{gap:?}");

    give(&sender, 100..1500).await;
    bot.idle(LATER).await;
    bot.goes_on().await;
    bot.kept_its_session(1);
    let commands = commands(&world.gateway).into_iter();
    let since_close = commands.map(|(at, ..)| at.saturating_sub(sent_at[0]));
    let later = since_close.filter(|at| !at.is_zero());
    let (slow, full): (Vec<_>, Vec<_>) = later.partition(|at| *at < LATER);
    // Of the slow minutes the first has a RESUME in it, and each may have two heartbeats.
    let most = busiest(&slow, secs(60));
    assert!((55..=60).contains(&most), "{most}");
    // A minute without a connection, nine with one.
    assert!((9 * 55..=9 * 60).contains(&slow.len()), "{}", slow.len());
    let most = busiest(&full, secs(60));
    assert!((115..=120).contains(&most), "{most}");
    assert_eq!(slow.len() + full.len(), 1400);
}

#[tokio::test]
async fn f92_a_command_that_the_server_closes_for_is_not_sent_again() {
    // 4001: the server does not know the op; 4002: it cannot read the payload.
    for (op, code) in [(99, 4001), (OTHER, 4002)] {
        let gateway = scaled_gateway().start().await.unwrap().into();
        let mut bot = real_bot(&gateway);
        let fault = Fault::at(Moment::Command(OTHER), [Step::Close(4002)]).times(1);
        gateway.misbehave([fault]);
        bot.begin().await;
        let sender = bot.shard.sender();
        sender.send_payload(op, &1).await.unwrap();
        let cause = Cause::Closed { code: Some(code) };
        assert_eq!(bot.disconnected().await, (cause, true));
        bot.goes_on().await;
        sender.send_payload(OTHER, &2).await.unwrap();
        let second = |record: &Record| matches!(record.act, Act::Command { .. });
        gateway.wait_for_nth(2, second).await.unwrap();
        bot.goes_on().await;
        let sent: Vec<_> = commands(&gateway)
            .into_iter()
            .map(|(_, op, data)| (op, data))
            .collect();
        assert_eq!(sent, [(op, "1".to_owned()), (OTHER, "2".to_owned())]);
        bot.kept_its_session(1);
        assert_eq!(closes(&gateway).len(), 1, "our answer to its close");
    }
}

/// A presence as a raw payload or as a command, to be told by its number.
fn set_presence(sender: &Sender<Discord>, n: u64) {
    let presence = UpdatePresence::new(BotStatus::Online).since(n);
    let given = if n.is_multiple_of(2) {
        sender.try_command(&presence)
    } else {
        sender.try_send_payload(PRESENCE, &presence)
    };
    given.unwrap();
}

/// The presences that arrived: when, and their numbers.
fn presences(gateway: &Gateway) -> (Vec<Duration>, Vec<u64>) {
    let presence = |(at, op, data): (Duration, u64, String)| {
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        (op == PRESENCE).then(|| (at, data["since"].as_u64().unwrap()))
    };
    commands(gateway).into_iter().filter_map(presence).unzip()
}

#[tokio::test(start_paused = true)]
async fn presences_keep_to_five_in_twenty_seconds_and_the_latest_wins() {
    let world = World::new(Gateway::builder());
    let mut bot = begun(&world).await;
    let sender = bot.shard.sender();
    for n in 0..9 {
        set_presence(&sender, n);
    }
    // No other command waits behind them.
    give(&sender, 0..3).await;
    bot.idle(secs(1)).await;
    assert_eq!(presences(&world.gateway).1, [0, 1, 2, 3, 4]);
    assert_eq!(numbers(&world.gateway, OTHER), [0, 1, 2]);
    set_presence(&sender, 9);
    bot.idle(secs(18)).await;
    assert_eq!(presences(&world.gateway).1, [0, 1, 2, 3, 4]);
    bot.idle(secs(3)).await;
    assert_eq!(presences(&world.gateway).1, [0, 1, 2, 3, 4, 9]);
    // A cut changes neither the limit nor what waits.
    for n in 10..20 {
        set_presence(&sender, n);
    }
    bot.idle(ms(1)).await;
    bot.order([Step::Rst]);
    bot.disconnected().await;
    set_presence(&sender, 20);
    bot.goes_on().await;
    bot.idle(secs(60)).await;
    let (at, numbers) = presences(&world.gateway);
    assert_eq!(numbers, [0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 20]);
    assert_eq!(busiest(&at, secs(20)), 5);
    bot.kept_its_session(1);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_presences_keep_to_their_limit_and_the_last_one_stands() {
    let world = World::new(Gateway::builder());
    let mut bot = begun(&world).await;
    let sender = bot.shard.sender();
    for n in 0..10_000_u64 {
        let presence = UpdatePresence::new(BotStatus::Idle).since(n);
        sender.command(&presence).await.unwrap();
        if n % 100 == 0 {
            sleep(secs(1)).await;
        }
    }
    bot.idle(secs(60)).await;
    let (at, numbers) = presences(&world.gateway);
    assert_eq!(busiest(&at, secs(20)), 5);
    assert_eq!(numbers.last(), Some(&9999));
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    assert!((25..=40).contains(&numbers.len()), "{numbers:?}");
}
