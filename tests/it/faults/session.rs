//! Handshake, session and heartbeat: what a server may say at the wrong time, late, or never.
//!
//! The modules below look closer at some rows. Most of their scenarios run twice: in memory in
//! paused time with the limits that users have, where every wait is measured, and over sockets
//! with all limits a hundredth of that.

mod closes;
mod heartbeat;
mod hello;
mod places;
mod ready;
mod resume;

use std::time::Duration;

use shardstream::{
    Cause, Notice, ShardId,
    local::{Act, Fault, Gateway, Moment, Record, Step},
};
use tokio::time::Instant;

use super::world::{Bot, Got, World, closes, ms, secs, times};

/// Rows without a test here.
pub(super) const REASONS: &[(&str, &str)] = &[];

const INTERVAL: Duration = Duration::from_millis(41_250);

fn world() -> World {
    World::new(Gateway::builder())
}

async fn begun(world: &World) -> Bot {
    let mut bot = world.bot();
    bot.begin().await;
    bot
}

fn say(text: &str) -> Step {
    Step::Send(text.to_owned())
}

/// The sequences that RESUMEs carried.
fn resumes(gateway: &Gateway) -> Vec<u64> {
    let seq = |record: Record| match record.act {
        Act::Resume { seq, .. } => Some(seq),
        _ => None,
    };
    gateway.log().into_iter().filter_map(seq).collect()
}

fn identifies(gateway: &Gateway) -> Vec<Duration> {
    times(gateway, |act| matches!(act, Act::Identify { .. }))
}

fn heartbeats(gateway: &Gateway) -> Vec<Duration> {
    times(gateway, |act| matches!(act, Act::Heartbeat { .. }))
}

/// The cause of the next end, and how long it took to come.
async fn ended(bot: &mut Bot) -> (Cause, Duration) {
    let start = Instant::now();
    let (cause, _) = bot.disconnected().await;
    (cause, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn f51_hello_is_waited_for_ten_seconds() {
    let world = world();
    let late = Fault::late_hello(ms(9_980));
    world.gateway.misbehave([late]);
    let bot = begun(&world).await;
    assert!(bot.causes().is_empty());
    bot.kept_its_session(0);

    for fault in [Fault::no_hello(), Fault::late_hello(secs(10) + ms(20))] {
        let world = self::world();
        world.gateway.misbehave([fault]);
        let mut bot = world.bot();
        let (cause, took) = ended(&mut bot).await;
        assert_eq!(cause, Cause::NoHello);
        assert!(took >= secs(10) && took < secs(10) + ms(50), "{took:?}");
        bot.begin().await;
        bot.kept_its_session(0);
    }
}

#[tokio::test(start_paused = true)]
async fn f52_anything_may_come_before_hello() {
    // Op 7 at once, each time: with a growing wait.
    let world = world();
    for _ in 0..4 {
        let steps = [Step::Reconnect];
        world.gateway.misbehave([Fault::at(Moment::Hello, steps)]);
    }
    let bot = begun(&world).await;
    assert_eq!(bot.causes(), vec![Cause::Reconnect; 4]);
    let gaps = world.wire.gaps(0);
    assert!(gaps.iter().skip(1).all(|gap| *gap >= secs(1)), "{gaps:?}");
    bot.kept_its_session(0);

    // An event, an ack and garbage do not hurt.
    for text in [
        r#"{"op":0,"t":"TEST","s":9,"d":[1]}"#,
        r#"{"op":11}"#,
        r#"{"op":1,"d":null}"#,
        r#"{"op":200,"d":{}}"#,
        "garbage",
        "",
    ] {
        let world = self::world();
        let steps = [say(text), Step::Answer];
        world.gateway.misbehave([Fault::at(Moment::Hello, steps)]);
        let bot = begun(&world).await;
        assert!(bot.causes().is_empty(), "{text}");
        bot.kept_its_session(0);
    }

    // Op 9 before Hello, with a session: true keeps it, false does not.
    for resumable in [true, false] {
        let world = self::world();
        let mut bot = begun(&world).await;
        let steps = [Step::InvalidSession(resumable)];
        world.gateway.misbehave([Fault::at(Moment::Hello, steps)]);
        bot.order([Step::Rst]);
        bot.disconnected().await;
        let (cause, kept) = bot.disconnected().await;
        assert_eq!(
            (cause, kept),
            (Cause::InvalidSession { resumable }, resumable)
        );
        if resumable {
            bot.goes_on().await;
        } else {
            bot.lost_session();
            bot.begin().await;
        }
        assert_eq!(bot.lost_sessions(), usize::from(!resumable));
    }
}

#[tokio::test(start_paused = true)]
async fn f53_a_second_hello_changes_the_interval_and_nothing_else() {
    let world = world();
    let mut bot = begun(&world).await;
    bot.order([say(r#"{"op":10,"d":{"heartbeat_interval":2000}}"#)]);
    let before = heartbeats(&world.gateway).len();
    bot.idle(secs(60)).await;
    let beats = heartbeats(&world.gateway).len() - before;
    assert!((28..=31).contains(&beats), "{beats}");
    bot.goes_on().await;
    bot.kept_its_session(0);
}

#[tokio::test(start_paused = true)]
async fn f54_intervals_out_of_range_are_given_up_and_those_within_are_kept() {
    let bad = [
        "0",
        "1",
        "999",
        "999.9",
        "-1",
        "3600001",
        "1e300",
        "1e999",
        "18446744073709551615",
        "\"41250\"",
        "null",
        "{}",
        "true",
    ];
    for interval in bad {
        let world = world();
        world.gateway.misbehave([Fault::hello_interval(interval)]);
        let mut bot = world.bot();
        let (cause, kept) = bot.disconnected().await;
        assert_eq!((cause, kept), (Cause::BadHello, false), "{interval}");
        bot.begin().await;
        bot.kept_its_session(0);
    }
    for interval in ["1000", "1000.0", "41250.25", "3600000"] {
        let world = world();
        world.gateway.misbehave([Fault::hello_interval(interval)]);
        let bot = begun(&world).await;
        assert!(bot.causes().is_empty(), "{interval}");
    }
    let world = world();
    let hello = say(r#"{"op":10}"#);
    world.gateway.misbehave([Fault::at(Moment::Hello, [hello])]);
    assert_eq!(world.bot().disconnected().await.0, Cause::BadHello);
}

#[tokio::test(start_paused = true)]
async fn f55_ready_may_be_late_but_not_too_late_and_must_name_a_session() {
    // Late, on both sides of the deadline.
    for (delay, good) in [(ms(29_900), true), (ms(30_100), false)] {
        let world = world();
        let steps = [Step::Wait(delay), Step::Answer];
        world
            .gateway
            .misbehave([Fault::at(Moment::Identify, steps)]);
        let mut bot = world.bot();
        if good {
            bot.begin().await;
            assert!(bot.causes().is_empty());
        } else {
            assert_eq!(bot.disconnected().await.0, Cause::NoReady);
        }
    }
    // Never: the patience doubles, and each identify is paced.
    let world = world();
    world.gateway.misbehave_always([Fault::no_ready().times(3)]);
    let mut bot = world.bot();
    for patience in [30, 60, 120] {
        bot.until(connected).await;
        let (cause, took) = ended(&mut bot).await;
        assert_eq!(cause, Cause::NoReady);
        assert!(
            took >= secs(patience) && took < secs(patience + 1),
            "{took:?}"
        );
    }
    bot.begin().await;
    // Without a session it is no READY; without a resume url it is.
    let world = self::world();
    world
        .gateway
        .misbehave([Fault::ready_without("session_id")]);
    let mut bot = world.bot();
    assert_eq!(bot.disconnected().await.0, Cause::BadReady);
    bot.begin().await;
    assert_eq!(identifies(&world.gateway).len(), 2);
    let world = self::world();
    world
        .gateway
        .misbehave([Fault::ready_without("resume_gateway_url")]);
    let mut bot = begun(&world).await;
    bot.order([Step::Rst]);
    bot.goes_on().await;
    bot.kept_its_session(1);
    // Twice: the second is a new session, and the first is lost.
    let world = self::world();
    let mut bot = begun(&world).await;
    bot.order([say(
        r#"{"op":0,"t":"READY","s":1,"d":{"session_id":"other","user":{"id":"1","username":"x"}}}"#,
    )]);
    bot.until(|got| matches!(got, Got::Notice(Notice::SessionLost { last_seq: 2 })).then_some(()))
        .await;
    assert_eq!(bot.shard.session_id().as_deref(), Some("other"));
}

fn connected(got: &Got) -> Option<()> {
    matches!(got, Got::Notice(Notice::Connected)).then_some(())
}

#[tokio::test(start_paused = true)]
async fn f56_ready_in_answer_to_resume_is_a_new_session() {
    let world = world();
    let mut bot = begun(&world).await;
    let ready = Step::Ready(Vec::new());
    world
        .gateway
        .misbehave([Fault::at(Moment::Resume, [ready])]);
    bot.order([Step::Rst]);
    let lost = |got: &Got| match got {
        Got::Notice(Notice::SessionLost { last_seq }) => Some(*last_seq),
        _ => None,
    };
    assert_eq!(bot.until(lost).await, 2);
    assert_eq!(bot.event("READY").await, Some(1));
    assert_eq!(
        identifies(&world.gateway).len(),
        1,
        "nothing was identified anew"
    );
    assert_eq!(bot.shard.last_sequence(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn f57_resumed_is_waited_for_while_the_replay_flows_and_thirty_seconds_beyond() {
    // No answer at all, and a replay without an end: each is given up after 30 s, and resumed.
    for fault in [Fault::ignore_resume(), Fault::no_resumed()] {
        let world = world();
        let mut bot = begun(&world).await;
        world.gateway.misbehave([fault]);
        bot.order([Step::Rst]);
        bot.disconnected().await;
        bot.send();
        bot.until(connected).await;
        let (cause, took) = ended(&mut bot).await;
        assert_eq!(cause, Cause::NoResumed);
        assert!(took >= secs(30) && took < secs(31), "{took:?}");
        bot.goes_on().await;
        bot.kept_its_session(2);
    }
    // A replay that trickles for minutes is no failure. Heartbeats are acknowledged meanwhile.
    let world = world();
    let mut bot = begun(&world).await;
    let trickle = |seq: u64| {
        let event = format!(r#"{{"op":0,"t":"TEST","s":{seq},"d":[{seq}]}}"#);
        [Step::Wait(secs(20)), Step::Ack, Step::Send(event)]
    };
    let mut steps: Vec<_> = (3..10).flat_map(trickle).collect();
    steps.push(say(r#"{"op":0,"t":"RESUMED","s":10,"d":{}}"#));
    world.gateway.misbehave([Fault::at(Moment::Resume, steps)]);
    bot.order([Step::Rst]);
    assert_eq!(bot.event("RESUMED").await, Some(10));
    assert_eq!(bot.causes(), [Cause::Cut]);
    let replayed = |got: &Got| matches!(got, Got::Notice(Notice::Resumed { replayed: 7 }));
    assert_eq!(bot.count(replayed), 1);
}

#[tokio::test(start_paused = true)]
async fn f58_resumed_may_have_any_data_and_come_unasked() {
    for d in ["null", "\"\"", "{}", "[]", "7"] {
        let world = world();
        let mut bot = begun(&world).await;
        let resumed = say(&format!(r#"{{"op":0,"t":"RESUMED","s":3,"d":{d}}}"#));
        world
            .gateway
            .misbehave([Fault::at(Moment::Resume, [resumed])]);
        bot.order([Step::Rst]);
        let notice = |got: &Got| matches!(got, Got::Notice(Notice::Resumed { .. })).then_some(());
        bot.until(notice).await;
        assert_eq!(bot.shard.last_sequence(), Some(3), "{d}");
        assert!(bot.shard.is_ready(), "{d}");
    }
    let world = world();
    let mut bot = begun(&world).await;
    bot.order([say(r#"{"op":0,"t":"RESUMED","s":1,"d":{}}"#)]);
    bot.goes_on().await;
    bot.kept_its_session(0);
}

#[tokio::test(start_paused = true)]
async fn f59_a_refused_resume_identifies_and_a_broken_one_is_tried_three_times() {
    // Refused for good: by op 9 or by code.
    let refusals = [
        Fault::refuse_resume(false),
        Fault::close_on_resume(4006),
        Fault::close_on_resume(4007),
        Fault::close_on_resume(4009),
    ];
    for refusal in refusals {
        let world = world();
        let mut bot = begun(&world).await;
        world.gateway.misbehave([refusal.clone()]);
        bot.order([Step::Rst]);
        let lost = |got: &Got| match got {
            Got::Notice(Notice::SessionLost { last_seq }) => Some(*last_seq),
            _ => None,
        };
        assert_eq!(bot.until(lost).await, 2, "{refusal:?}");
        bot.lost_session();
        bot.begin().await;
        assert_eq!(resumes(&world.gateway).len(), 1, "{refusal:?}");
        let gap = world.wire.gaps(1)[0];
        assert!(
            gap >= secs(1) && gap <= secs(5) + ms(10),
            "{refusal:?}: {gap:?}"
        );
    }
    // Refused for now: resumed again.
    let world = world();
    let mut bot = begun(&world).await;
    world.gateway.misbehave([Fault::refuse_resume(true)]);
    bot.order([Step::Rst]);
    bot.goes_on().await;
    bot.kept_its_session(2);
    // Cut each time: three, then a new session.
    let world = self::world();
    let mut bot = begun(&world).await;
    let rst = Fault::at(Moment::Resume, [Step::Rst]);
    world.gateway.misbehave_always([rst]);
    bot.order([Step::Rst]);
    let lost = |got: &Got| matches!(got, Got::Notice(Notice::SessionLost { .. })).then_some(());
    bot.until(lost).await;
    bot.lost_session();
    bot.begin().await;
    assert_eq!(resumes(&world.gateway), [2, 2, 2]);
    assert_eq!(identifies(&world.gateway).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn f60_op_9_at_any_time_keeps_the_session_only_if_it_says_so() {
    for d in ["false", "null", "0", "\"false\"", "\"true\"", "{}"] {
        let world = world();
        let mut bot = begun(&world).await;
        bot.order([say(&format!(r#"{{"op":9,"d":{d}}}"#))]);
        assert_eq!(
            bot.disconnected().await,
            (Cause::InvalidSession { resumable: false }, false),
            "{d}"
        );
        assert_eq!(
            closes(&world.gateway).len(),
            1,
            "{d}: nothing but a close is sent"
        );
    }
    let world = world();
    let mut bot = begun(&world).await;
    bot.order([say(r#"{"op":9}"#)]);
    assert!(!bot.disconnected().await.1, "without d");
    let world = self::world();
    let mut bot = begun(&world).await;
    bot.order([say(r#"{"op":9,"d":true}"#)]);
    assert!(bot.disconnected().await.1);
    bot.goes_on().await;
    bot.kept_its_session(1);
    // In answer to our own close it means nothing.
    let world = self::world();
    let mut bot = begun(&world).await;
    world
        .gateway
        .misbehave_always([Fault::at(Moment::Close, [say(r#"{"op":9,"d":false}"#)]).times(1)]);
    bot.order([Step::Reconnect]);
    bot.goes_on().await;
    bot.kept_its_session(1);
}

#[tokio::test(start_paused = true)]
async fn f61_an_identify_refused_for_ever_is_paced() {
    let world = world();
    world
        .gateway
        .misbehave_always([Fault::refuse_identify(false)]);
    let mut bot = world.bot();
    bot.idle(secs(45)).await;
    let early = identifies(&world.gateway).len();
    assert!((3..=8).contains(&early), "{early}");
    bot.idle(secs(3600)).await;
    let hour = identifies(&world.gateway).len();
    assert!(hour <= 16, "{hour}");
    world.gateway.misbehave_always([]);
    bot.begin().await;
}

/// The figure for servers that accept and close (goal G8), through a whole shard.
#[tokio::test(start_paused = true)]
async fn f61_a_server_that_accepts_and_closes_sees_few_connects() {
    let world = world();
    world.gateway.misbehave_always([Fault::fin_on_accept()]);
    let mut bot = world.bot();
    bot.idle(secs(15)).await;
    let early = world.wire.dials().len();
    assert!((3..=8).contains(&early), "{early}");
    bot.idle(secs(285)).await;
    let all = world.wire.dials().len();
    assert!((6..=15).contains(&all), "{all}");
    world.gateway.misbehave_always([]);
    bot.begin().await;
}

#[tokio::test(start_paused = true)]
async fn f62_resumed_and_closed_in_a_loop_ends_in_a_new_session() {
    let world = world();
    let mut bot = begun(&world).await;
    let fault = Fault::at(Moment::Resume, [Step::Answer, Step::Close(4000)]);
    world.gateway.misbehave_always([fault]);
    bot.order([Step::Rst]);
    let lost = |got: &Got| matches!(got, Got::Notice(Notice::SessionLost { .. })).then_some(());
    bot.until(lost).await;
    assert_eq!(resumes(&world.gateway).len(), 3);
    bot.lost_session();
    bot.begin().await;
    assert_eq!(identifies(&world.gateway).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn f63_a_replay_cut_at_any_event_is_taken_up_behind_it() {
    const EVENTS: u64 = 8;
    for cut in 0..=EVENTS {
        let world = world();
        let mut bot = begun(&world).await;
        bot.order([Step::Rst]);
        for _ in 0..EVENTS {
            bot.send();
        }
        world.gateway.misbehave([Fault::rst_after(cut)]);
        bot.catches_up().await;
        bot.goes_on().await;
        assert_eq!(bot.lost_sessions(), 0, "cut after {cut}");
        assert_eq!(identifies(&world.gateway).len(), 1, "cut after {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn f64_overlaps_and_doubles_are_dropped_gaps_told_and_a_restart_identifies() {
    let event = |seq: u64| say(&format!(r#"{{"op":0,"t":"X","s":{seq},"d":null}}"#));
    let world = world();
    let mut bot = begun(&world).await;
    bot.order([
        event(3),
        event(3),
        event(2),
        event(4),
        event(9),
        event(8),
        event(10),
    ]);
    assert_eq!(bot.event("X").await, Some(3));
    assert_eq!(bot.event("X").await, Some(4));
    let gap = |got: &Got| match got {
        Got::Notice(Notice::Gap { after, next }) => Some((*after, *next)),
        _ => None,
    };
    assert_eq!(bot.until(gap).await, (4, 9));
    assert_eq!(bot.event("X").await, Some(9));
    assert_eq!(bot.event("X").await, Some(10));
    assert_eq!(bot.shard.status().counters.duplicates, 3);
    // Three rising ones in a row: the sequence restarted.
    bot.order([event(1), event(2), event(3)]);
    assert_eq!(bot.disconnected().await, (Cause::SequenceRestarted, false));
    bot.lost_session();
    bot.begin().await;
    // A replay that goes back over what was received.
    let world = self::world();
    let mut bot = begun(&world).await;
    let steps = [
        event(1),
        event(2),
        event(3),
        event(3),
        say(r#"{"op":0,"t":"RESUMED","s":4}"#),
    ];
    world.gateway.misbehave([Fault::at(Moment::Resume, steps)]);
    bot.order([Step::Rst]);
    assert_eq!(bot.event("X").await, Some(3));
    assert_eq!(bot.event("RESUMED").await, Some(4));
    assert_eq!(bot.lost_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn f65_op_7_in_each_state_reconnects_once() {
    // Active: at once, and no error.
    let world = world();
    let mut bot = begun(&world).await;
    bot.order([Step::Reconnect, Step::Reconnect]);
    bot.goes_on().await;
    bot.kept_its_session(1);
    assert!(world.wire.gaps(0)[0] < ms(100), "{:?}", world.wire.gaps(0));
    assert_eq!(bot.count(|got| matches!(got, Got::Error(_))), 0);
    assert_eq!(closes(&world.gateway), [Some(4000)]);
    // Instead of READY: the identify is booked.
    let world = self::world();
    world
        .gateway
        .misbehave([Fault::at(Moment::Identify, [Step::Reconnect])]);
    let bot = begun(&world).await;
    assert_eq!(identifies(&world.gateway).len(), 2);
    assert!(
        world.wire.gaps(0)[0] >= ms(2500),
        "{:?}",
        world.wire.gaps(0)
    );
    drop(bot);
    // Instead of a replay.
    let world = self::world();
    let mut bot = begun(&world).await;
    world
        .gateway
        .misbehave([Fault::at(Moment::Resume, [Step::Reconnect])]);
    bot.order([Step::Rst]);
    bot.goes_on().await;
    bot.kept_its_session(2);
}

#[tokio::test(start_paused = true)]
async fn f66_op_7_then_silence_is_given_up_after_three_seconds() {
    let world = world();
    let mut bot = begun(&world).await;
    let start = Instant::now();
    bot.order([Step::Reconnect, Step::Hang]);
    bot.goes_on().await;
    let took = start.elapsed();
    assert!(took >= secs(3) && took < secs(4), "{took:?}");
    bot.kept_its_session(1);
}

#[tokio::test(start_paused = true)]
async fn f67_a_requested_heartbeat_comes_at_once_and_a_flood_of_requests_gets_one_a_second() {
    let world = world();
    let mut bot = begun(&world).await;
    let before = heartbeats(&world.gateway).len();
    bot.order([Step::RequestHeartbeat]);
    bot.idle(ms(50)).await;
    assert_eq!(heartbeats(&world.gateway).len(), before + 1);
    // Ten thousand in twenty seconds.
    for _ in 0..1000 {
        bot.order(vec![Step::RequestHeartbeat; 10]);
        bot.idle(ms(20)).await;
    }
    let answers = heartbeats(&world.gateway).len() - before;
    assert!((20..=24).contains(&answers), "{answers}");
    bot.goes_on().await;
    bot.kept_its_session(0);
    // Before Hello there is no event: null.
    let world = self::world();
    let steps = [Step::RequestHeartbeat, Step::Expect(1), Step::Answer];
    world.gateway.misbehave([Fault::at(Moment::Hello, steps)]);
    let bot = begun(&world).await;
    let first = |record: Record| match record.act {
        Act::Heartbeat { seq } => Some(seq),
        _ => None,
    };
    assert_eq!(world.gateway.log().into_iter().find_map(first), Some(None));
    bot.kept_its_session(0);
}

#[tokio::test(start_paused = true)]
async fn f68_a_missing_ack_is_found_when_the_next_beat_is_due() {
    let world = world();
    let mut bot = begun(&world).await;
    bot.idle(INTERVAL * 2).await;
    let beats = heartbeats(&world.gateway).len();
    assert!(beats >= 1);
    world
        .gateway
        .misbehave_always([Fault::withhold_acks().times(1)]);
    let (cause, took) = ended(&mut bot).await;
    assert!(
        matches!(cause, Cause::MissingAck | Cause::Silence),
        "{cause:?}"
    );
    assert!(took <= INTERVAL * 2, "{took:?}");
    bot.goes_on().await;
    bot.kept_its_session(1);
}

#[tokio::test(start_paused = true)]
async fn f69_late_double_and_unasked_acks() {
    let world = world();
    let mut bot = begun(&world).await;
    // As late as may be where nothing else comes: within the eight seconds beyond the interval.
    let late = Fault::late_acks(ms(7_950));
    world.gateway.misbehave_always([late]);
    bot.idle(INTERVAL * 3).await;
    world.gateway.misbehave_always([Fault::duplicate_acks()]);
    bot.idle(INTERVAL * 3).await;
    bot.order([Step::Ack, Step::Ack, Step::Ack]);
    bot.goes_on().await;
    bot.kept_its_session(0);
}

#[tokio::test(start_paused = true)]
async fn f70_events_without_acks_are_no_life() {
    let world = world();
    let mut bot = begun(&world).await;
    bot.idle(INTERVAL).await;
    world.gateway.misbehave_always([Fault::withhold_acks()]);
    let start = Instant::now();
    while bot.causes().is_empty() {
        bot.goes_on().await;
        bot.idle(secs(3)).await;
        assert!(start.elapsed() < INTERVAL * 3, "still believed alive");
    }
    assert_eq!(bot.causes(), [Cause::MissingAck]);
    world.gateway.misbehave_always([]);
    bot.goes_on().await;
    bot.kept_its_session(1);
}

#[tokio::test(start_paused = true)]
async fn f71_total_silence_is_found_within_the_interval_and_eight_seconds() {
    for run in 0..20 {
        let world = world();
        let mut bot = begun(&world).await;
        bot.idle(secs(run * 3)).await;
        bot.goes_on().await;
        bot.order([Step::Hang]);
        let (cause, took) = ended(&mut bot).await;
        assert!(
            matches!(cause, Cause::MissingAck | Cause::Silence),
            "{cause:?}"
        );
        assert!(took <= INTERVAL + secs(8) + ms(10), "{took:?}");
        bot.goes_on().await;
        bot.kept_its_session(1);
    }
}

#[tokio::test(start_paused = true)]
async fn f73_a_user_away_for_ten_minutes_loses_neither_connection_nor_event() {
    let world = world();
    let mut bot = world.bot_with(|limits| limits.buffered_events_max = 16);
    bot.begin().await;
    for _ in 0..400 {
        bot.send();
    }
    let before = heartbeats(&world.gateway).len();
    tokio::time::sleep(secs(600)).await;
    let beats = heartbeats(&world.gateway).len() - before;
    assert!((13..=15).contains(&beats), "{beats}");
    bot.catches_up().await;
    bot.goes_on().await;
    bot.kept_its_session(0);
    let slow = |got: &Got| matches!(got, Got::Notice(Notice::SlowConsumer { .. }));
    assert!((1..=2).contains(&bot.count(slow)));
}

#[tokio::test(start_paused = true)]
async fn f74_heartbeats_go_on_though_the_send_limit_is_spent() {
    let world = world();
    let mut bot = begun(&world).await;
    let sender = bot.shard.sender();
    for _ in 0..200 {
        sender.try_send_payload(4, &0).expect("room in the queue");
    }
    bot.idle(INTERVAL * 3).await;
    let beats = heartbeats(&world.gateway);
    let gaps: Vec<_> = beats
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .collect();
    assert!(
        gaps.iter().all(|gap| *gap <= INTERVAL + secs(1)),
        "{gaps:?}"
    );
    bot.goes_on().await;
    bot.kept_its_session(0);
    assert_eq!(world.gateway.stats().commands, 200);
}

#[tokio::test(start_paused = true)]
async fn f75_a_clock_that_jumps_an_hour_costs_one_beat_and_no_live_link() {
    // The server shares the clock, and must not hold the hour against us.
    let world = World::new(Gateway::builder().heartbeat_deadline(false));
    let mut bot = begun(&world).await;
    bot.idle(INTERVAL * 2).await;
    let before = heartbeats(&world.gateway).len();
    // The process sleeps; what was sent meanwhile waits in the socket.
    tokio::time::advance(secs(3600)).await;
    bot.goes_on().await;
    bot.idle(secs(5)).await;
    let burst = heartbeats(&world.gateway).len() - before;
    assert!(burst <= 2, "{burst} beats in a burst");
    assert_eq!(identifies(&world.gateway).len(), 1);
    assert_eq!(bot.lost_sessions(), 0);
    assert_eq!(bot.shard.id(), ShardId::ONE);
}
