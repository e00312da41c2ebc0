//! Where rules end: exact counts, and thresholds on both sides. Each on a bench.

use std::time::Duration;

use super::bench::{Bench, INTERVAL, command, held, secs, setup};
use crate::{
    limits::Limits,
    notice::{Cause, Notice},
    session::{
        Action, Counters, Endpoint, Input, Lost, Reconnect, Setup, Shutdown, State, Timer, Verdict,
    },
};

const NANO: Duration = Duration::from_nanos(1);

fn deadline<P: crate::platform::Platform>(bench: &Bench<P>) -> Option<(Duration, Timer)> {
    let (at, timer) = bench.session.poll_timeout(bench.now)?;
    Some((at - bench.now, timer))
}

/// The next scheduled heartbeat is written, and nothing else.
fn beat(bench: &mut Bench) {
    bench.elapse();
    let sent = bench.sent();
    assert!(sent.len() == 1 && sent[0].contains(r#""op":1"#), "{sent:?}");
}

#[test]
fn each_counter_counts_what_it_names() {
    let mut bench = Bench::new(1);
    bench.progress();
    for _ in 0..2 {
        beat(&mut bench);
        bench.ack();
        let _ = bench.event(2);
        let _ = bench.give(Input::Garbled { seq: None });
        let _ = bench.give(Input::Command(command(4)));
        assert_eq!(bench.sent().len(), 1);
    }
    for seq in [3, 5] {
        bench.cut();
        bench.until_connect();
        bench.handshake();
        let _ = bench.event(seq);
        let _ = bench.resumed(seq + 1);
    }
    let _ = bench.message(r#"{"op":9,"d":false}"#);
    bench.until_connect();
    bench.handshake();
    let expected = Counters {
        connects: 4,
        identifies: 2,
        resumes: 2,
        heartbeats: 2,
        acks: 2,
        events: 6,
        duplicates: 2,
        repeated: 0,
        garbled: 2,
        commands: 2,
    };
    assert_eq!(bench.session.counters(), expected);
}

#[test]
fn counters_of_two_shards_add_up_field_by_field() {
    let counters = |n: u64| Counters {
        connects: n,
        identifies: n + 1,
        resumes: n + 2,
        heartbeats: n + 3,
        acks: n + 4,
        events: n + 5,
        duplicates: n + 6,
        repeated: n + 7,
        garbled: n + 8,
        commands: n + 9,
    };
    let mut sum = counters(3);
    sum += counters(100);
    let expected = Counters {
        connects: 103,
        identifies: 105,
        resumes: 107,
        heartbeats: 109,
        acks: 111,
        events: 113,
        duplicates: 115,
        repeated: 117,
        garbled: 119,
        commands: 121,
    };
    assert_eq!(sum, expected);
}

#[test]
fn the_latency_is_that_of_the_last_heartbeat_that_was_acked() {
    let mut bench = Bench::new(1);
    bench.activate();
    bench.ack();
    assert_eq!(bench.session.latency(), None, "no heartbeat was out");
    for millis in [70, 30] {
        beat(&mut bench);
        bench.now += Duration::from_millis(millis);
        bench.ack();
        let latency = Some(Duration::from_millis(millis));
        assert_eq!(bench.session.latency(), latency);
        bench.now += secs(1);
        bench.ack();
        assert_eq!(bench.session.latency(), latency, "nothing was unacked");
    }
}

#[test]
fn beats_are_behind_us_once_acked_on_a_live_session_and_never_more_than_were_sent() {
    let mut bench = Bench::new(1);
    bench.activate();
    let acked = |bench: &Bench| bench.session.acked_beats();
    assert_eq!(acked(&bench), None);
    beat(&mut bench);
    assert_eq!(acked(&bench), None, "no ack yet");
    bench.ack();
    assert_eq!(acked(&bench), Some(1));
    bench.ack();
    assert_eq!(acked(&bench), Some(1), "an ack of nothing");
    bench.cut();
    bench.until_connect();
    bench.handshake();
    bench.ack();
    assert_eq!(acked(&bench), None, "a replay may follow");

    let mut bench = Bench::new(1);
    bench.activate();
    for _ in 0..3 {
        beat(&mut bench);
        bench.ack();
    }
    bench.cut();
    assert_eq!(acked(&bench), None);
    bench.until_connect();
    bench.handshake();
    let _ = bench.resumed(2);
    assert_eq!(acked(&bench), None, "none was acked here");
    for beats in [4, 5] {
        beat(&mut bench);
        bench.ack();
        assert_eq!(acked(&bench), Some(beats));
    }
}

#[test]
fn the_interval_is_known_from_hello_until_we_close() {
    let mut bench = Bench::new(1);
    bench.connect();
    assert_eq!(bench.session.heartbeat_interval(), None);
    bench.hello();
    assert_eq!(bench.session.heartbeat_interval(), Some(INTERVAL));
    let _ = bench.message(r#"{"op":10,"d":{"heartbeat_interval":2000}}"#);
    assert_eq!(bench.session.heartbeat_interval(), Some(secs(2)));
    bench.reconnect(Reconnect::Resume);
    assert_eq!(bench.state(), State::AwaitClose);
    assert_eq!(bench.session.heartbeat_interval(), None);
}

#[test]
fn a_connect_has_ten_seconds_and_three_times_as_long_where_the_gateway_is_asked_for() {
    for (discovers, patience) in [(false, 10), (true, 30)] {
        let mut bench = Bench::with(Setup {
            discovers,
            ..setup(1)
        });
        assert_eq!(deadline(&bench), Some((secs(patience), Timer::Connect)));
        bench.actions();
        bench.progress();
        bench.cut();
        let (_, endpoint) = bench.until_connect();
        assert!(matches!(endpoint, Endpoint::Resume(_)), "{endpoint:?}");
        assert_eq!(deadline(&bench), Some((secs(10), Timer::Connect)));
    }
}

#[test]
fn a_connect_that_waits_for_its_place_has_its_ten_seconds_from_then_on() {
    let mut bench = Bench::new(1);
    bench.advance(secs(4));
    let _ = bench.give(Input::DialQueued);
    assert_eq!(deadline(&bench), None);
    bench.advance(secs(3600));
    assert_eq!(bench.state(), State::AwaitConnection);
    let _ = bench.give(Input::DialBegun);
    assert_eq!(deadline(&bench), Some((secs(10), Timer::Connect)));
    bench.connect();
    for late in [Input::DialQueued, Input::DialBegun] {
        let _ = bench.give(late);
        assert_eq!(deadline(&bench), Some((secs(10), Timer::Hello)));
        assert_eq!(bench.state(), State::AwaitHello);
    }
}

#[test]
fn a_deadline_passes_at_its_instant_and_not_a_nanosecond_before() {
    let mut bench = Bench::new(1);
    bench.advance(secs(10).saturating_sub(NANO));
    assert_eq!(bench.actions(), []);
    assert_eq!(bench.state(), State::AwaitConnection);
    bench.advance(NANO);
    assert_eq!(bench.actions(), [Action::Hangup]);
    assert_eq!(bench.state(), State::Backoff);
}

/// Goal: the silence is the interval and eight seconds, to the nanosecond. Method: acks come, so
/// that nothing else ends the connection, until the last beat that is written and stays alone.
#[test]
fn silence_is_an_interval_and_eight_seconds_without_any_message() {
    let mut silences = 0;
    for seed in 0..50 {
        let mut bench = Bench::new(seed);
        bench.progress();
        let (first, timer) = deadline(&bench).unwrap();
        assert_eq!(timer, Timer::Heartbeat);
        if first < secs(10) {
            // The next beat comes before the silence is over, and finds this one unacked.
            continue;
        }
        beat(&mut bench);
        let rest = (INTERVAL + secs(8)).saturating_sub(first);
        assert_eq!(deadline(&bench), Some((rest, Timer::Silence)));
        bench.advance(rest.saturating_sub(NANO));
        assert_eq!(bench.state(), State::Active);
        bench.advance(NANO);
        assert_eq!(bench.state(), State::Backoff);
        let silent = |notice: &Notice| {
            let cause = Cause::Silence;
            matches!(notice, Notice::Disconnected { cause: told, .. } if *told == cause)
        };
        assert!(bench.notices().iter().any(silent));
        silences += 1;
    }
    assert!(silences > 25, "{silences}");
}

#[test]
fn a_paused_connection_is_not_silent_and_is_anew_from_when_it_caught_up() {
    let mut bench = Bench::new(1);
    bench.progress();
    let _ = bench.give(Input::ReadingPaused);
    for _ in 0..10 {
        beat(&mut bench);
    }
    assert_eq!(deadline(&bench), Some((INTERVAL, Timer::Heartbeat)));
    bench.now += secs(40);
    let _ = bench.give(Input::CaughtUp);
    let next = INTERVAL.checked_sub(secs(40)).unwrap();
    assert_eq!(deadline(&bench), Some((next, Timer::Heartbeat)));
    beat(&mut bench);
    let silence = (INTERVAL + secs(8)).saturating_sub(next);
    let (first, _) = deadline(&bench).unwrap();
    assert_eq!(first, INTERVAL.min(silence));
}

#[test]
fn a_replay_that_stood_still_because_of_us_has_its_time_anew() {
    let mut bench = Bench::resuming(7);
    bench.handshake();
    assert_eq!(deadline_of(&bench, Timer::Resumed), Some(secs(30)));
    bench.advance(secs(2));
    let _ = bench.give(Input::ReadingPaused);
    assert_eq!(deadline_of(&bench, Timer::Resumed), None);
    bench.now += secs(100);
    let _ = bench.give(Input::CaughtUp);
    assert_eq!(deadline_of(&bench, Timer::Resumed), Some(secs(30)));
    // Once is enough: nothing is paused any more.
    bench.now += secs(1);
    let _ = bench.give(Input::CaughtUp);
    assert_eq!(deadline_of(&bench, Timer::Resumed), Some(secs(29)));
}

/// How far the state's own deadline is, if that is what it waits for.
fn deadline_of(bench: &Bench, timer: Timer) -> Option<Duration> {
    let (at, armed) = bench.session.deadline?;
    (armed == timer).then(|| at - bench.now)
}

#[test]
fn a_beat_that_is_wanted_goes_at_once_and_then_once_a_second() {
    let mut bench = Bench::new(1);
    let _ = bench.give(Input::Beat);
    bench.connect();
    let _ = bench.give(Input::Beat);
    assert!(bench.sent().is_empty(), "no interval is known yet");
    let mut bench = Bench::new(1);
    bench.progress();
    let _ = bench.give(Input::Beat);
    assert_eq!(bench.sent(), [r#"{"op":1,"d":2}"#]);
    let _ = bench.give(Input::Beat);
    assert!(bench.sent().is_empty());
    assert_eq!(bench.elapse(), secs(1));
    assert_eq!(bench.sent(), [r#"{"op":1,"d":2}"#]);
}

#[test]
fn a_request_before_hello_is_answered_once() {
    let mut bench = Bench::new(1);
    bench.connect();
    for _ in 0..3 {
        let _ = bench.message(r#"{"op":1,"d":null}"#);
    }
    assert_eq!(bench.sent(), [r#"{"op":1,"d":null}"#]);
    assert_eq!(bench.state(), State::AwaitHello);
}

#[test]
fn the_notice_of_an_end_tells_whether_a_session_is_left_and_how_long_the_wait_is() {
    let told = |bench: &mut Bench| {
        let told = bench.notices().into_iter().find_map(|notice| match notice {
            Notice::Disconnected {
                resumable,
                retry_in,
                ..
            } => Some((resumable, retry_in)),
            _ => None,
        });
        told.expect("an end is told")
    };
    let mut bench = Bench::new(1);
    bench.progress();
    bench.cut();
    let (resumable, wait) = told(&mut bench);
    assert!(resumable);
    assert_eq!(bench.until_connect().0, wait);

    let mut bench = Bench::new(1);
    bench.progress();
    bench.close(4006);
    let (resumable, wait) = told(&mut bench);
    assert!(!resumable, "the session is lost");
    assert_eq!(bench.until_connect().0, wait);

    let mut bench = Bench::new(1);
    bench.connect();
    bench.cut();
    let (resumable, wait) = told(&mut bench);
    assert!(!resumable, "there was none");
    assert_eq!(bench.until_connect().0, wait);

    let mut bench = Bench::new(1);
    bench.progress();
    bench.reconnect(Reconnect::Fresh);
    assert!(!told(&mut bench).0, "the user gave it up");
}

#[test]
fn a_refused_permit_waits_at_least_as_long_as_the_token_endpoint_asked_for() {
    for (asked, least) in [(None, secs(0)), (Some(secs(30)), secs(30))] {
        let mut bench = Bench::resuming(7);
        bench.connect();
        bench.hello();
        bench.actions();
        let _ = bench.give(Input::PermitRefused {
            fatal: false,
            retry_after: asked,
        });
        let (wait, _) = bench.until_connect();
        assert!(wait >= least && wait <= least.max(secs(1)), "{wait:?}");
        assert_eq!(bench.seq(), Some(7));
    }
    let mut bench = Bench::new(1);
    let before = bench.actions();
    let fatal = Input::PermitRefused {
        fatal: true,
        retry_after: None,
    };
    let _ = bench.give(fatal);
    assert_eq!((bench.state(), before), (State::AwaitConnection, vec![]));
}

#[test]
fn the_server_may_ask_for_a_wait_at_the_resume_url_as_well() {
    let mut bench = Bench::new(1);
    bench.progress();
    bench.cut();
    bench.until_connect();
    let _ = bench.give(Input::Lost(Lost::Connect {
        status: Some(429),
        retry_after: Some(secs(20)),
    }));
    assert_eq!(bench.until_connect(), (secs(20), Endpoint::Base));
    assert_eq!(bench.seq(), Some(2));
}

/// Goal: which wait follows which end, each within its whole range. Method: the extremes of many
/// seeds.
#[test]
fn each_wait_fills_its_range() {
    type End = fn(&mut Bench);
    let rows: [(&str, End, Duration, Duration); 5] = [
        (
            "a live session that is lost",
            |b| {
                b.progress();
                b.close(4006);
            },
            secs(1),
            secs(5),
        ),
        (
            "IDENTIFY without an answer",
            |b| {
                b.handshake();
                b.cut();
            },
            millis(2500),
            secs(5),
        ),
        (
            "a session that never worked",
            |b| {
                b.activate();
                b.close(4006);
            },
            millis(2500),
            secs(5),
        ),
        (
            "a cut before progress",
            |b| {
                b.activate();
                b.cut();
            },
            millis(500),
            secs(1),
        ),
        (
            "too much was sent",
            |b| {
                b.progress();
                b.close(4008);
            },
            secs(60),
            secs(75),
        ),
    ];
    for (name, end, low, high) in rows {
        let waits: Vec<_> = (0..200)
            .map(|seed| {
                let mut bench = Bench::new(seed);
                bench.actions();
                end(&mut bench);
                bench.until_connect().0
            })
            .collect();
        let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        let tenth = high.saturating_sub(low) / 10;
        assert!(*least >= low && *least < low + tenth, "{name}: {least:?}");
        assert!(*most <= high && *most + tenth > high, "{name}: {most:?}");
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_session_that_is_too_old_is_given_up_at_its_age_and_not_before() {
    for (early, kept) in [(NANO, Some(2)), (Duration::ZERO, None)] {
        let mut bench = Bench::with(Setup {
            session_age_max: Some(secs(20)),
            ..setup(1)
        });
        // It begins with READY, not with the shard.
        bench.now += secs(5);
        bench.actions();
        bench.progress();
        bench.now += secs(20).saturating_sub(early);
        bench.cut();
        assert_eq!(bench.seq(), kept);
    }
}

#[test]
fn the_same_duplicate_again_and_again_is_no_restart() {
    let mut bench = Bench::new(1);
    bench.progress();
    let _ = bench.event(10);
    for seq in [5, 5, 5, 5, 6, 6, 0, 1] {
        assert_eq!(bench.event(seq), Verdict::Internal);
    }
    assert_eq!(bench.state(), State::Active);
    let _ = bench.event(2);
    assert_eq!(bench.state(), State::AwaitClose);
}

#[test]
fn beats_so_fast_that_they_would_fill_the_window_leave_a_tenth_to_the_rest() {
    // 600 beats a minute would be more than all: 108 places are theirs, and one is an answer's.
    let limits = Limits {
        heartbeat_interval_min: millis(1),
        ..Limits::default()
    };
    for (interval, expected) in [(100, 10), (600, 17), (20_000, 114)] {
        let mut bench = Bench::with(Setup {
            limits: limits.clone().into(),
            ..setup(1)
        });
        bench.connect();
        let hello = format!(r#"{{"op":10,"d":{{"heartbeat_interval":{interval}}}}}"#);
        let _ = bench.message(&hello);
        bench.permit();
        bench.sent();
        let _ = bench.ready();
        let mut sent = 0;
        while bench.session.wants_command(bench.now) {
            let _ = bench.give(Input::Command(command(4)));
            sent += bench.sent().len();
        }
        assert_eq!(sent, expected, "every {interval} ms");
    }
}

#[test]
fn what_waits_for_the_send_window_is_told_when_it_may_go() {
    let mut bench = Bench::new(1);
    bench.progress();
    assert_eq!(window(&bench), None);
    let mut sent = 0;
    while bench.session.wants_command(bench.now) {
        let _ = bench.give(Input::Command(command(4)));
        sent += bench.sent().len();
    }
    assert_eq!(sent, 115);
    assert_eq!(window(&bench), Some(secs(61)));
    bench.now += secs(61).saturating_sub(NANO);
    assert!(!bench.session.wants_command(bench.now));
    assert_eq!(window(&bench), Some(NANO));
    bench.now += NANO;
    assert!(bench.session.wants_command(bench.now));
    assert_eq!(window(&bench), None);
}

#[test]
fn what_is_slowed_down_is_told_when_that_ends() {
    let mut bench = Bench::new(1);
    bench.progress();
    bench.close(4008);
    let until = bench.now + secs(600);
    bench.until_connect();
    bench.handshake();
    let _ = bench.resumed(3);
    // There is room: nothing but the end of the ten minutes can change that.
    assert_eq!(window(&bench), Some(until - bench.now));
    bench.now = until.checked_sub(secs(30)).unwrap();
    while bench.session.wants_command(bench.now) {
        let _ = bench.give(Input::Command(command(4)));
        assert_eq!(bench.sent().len(), 1);
    }
    // The window frees its places only after that.
    assert_eq!(window(&bench), Some(secs(30)));
    bench.now = until;
    assert!(bench.session.wants_command(bench.now));
    assert_eq!(window(&bench), None);
}

/// When something that waits for the send window may go.
fn window(bench: &Bench) -> Option<Duration> {
    let at = bench.session.room_at(bench.now)?;
    Some(at - bench.now)
}

#[test]
fn a_fresh_reconnect_drops_a_connect_only_where_it_would_resume() {
    let mut bench = Bench::resuming(7);
    bench.reconnect(Reconnect::Resume);
    assert_eq!(bench.actions(), []);
    bench.reconnect(Reconnect::Fresh);
    let lost = Action::Notify(Notice::SessionLost { last_seq: 7 });
    let again = Action::Connect(Endpoint::Base);
    assert_eq!(bench.actions(), [lost, Action::Hangup, again]);
    bench.reconnect(Reconnect::Fresh);
    assert_eq!(bench.actions(), []);
}

#[test]
fn the_close_handshake_has_its_three_seconds_for_a_shutdown_too() {
    let mut bench = Bench::new(1);
    bench.progress();
    bench.shutdown(Shutdown::Keep);
    assert_eq!(deadline(&bench), Some((secs(3), Timer::Close)));
}

#[test]
fn a_permit_of_a_held_session_starts_the_replays_thirty_seconds() {
    let mut bench = Bench::with(Setup {
        resume: Some(held(7)),
        ..setup(1)
    });
    bench.connect();
    bench.hello();
    bench.now += secs(1);
    bench.permit();
    assert_eq!(deadline_of(&bench, Timer::Resumed), Some(secs(30)));
    bench.sent();
    bench.now += secs(10);
    let _ = bench.event(8);
    assert_eq!(deadline_of(&bench, Timer::Resumed), Some(secs(30)));
}
