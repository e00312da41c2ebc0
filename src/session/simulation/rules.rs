//! Single rules of DESIGN section 6, each on a bench.

use std::time::Duration;

use super::bench::{Bench, INTERVAL, command, held, secs, setup};
use crate::{
    limits::Limits,
    notice::{Cause, Notice},
    session::{
        Action, Command, Endpoint, Input, Lost, Reconnect, Setup, Shutdown, State, Stop, Timer,
        Verdict,
    },
};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_fresh_shard_identifies_after_hello_and_permit_and_then_receives() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.first, [Action::Connect(Endpoint::Base)]);
    let _ = bench.give(Input::Connected);
    assert_eq!(bench.state(), State::AwaitHello);
    bench.hello();
    let asked = Action::RequestPermit {
        identify: true,
        renew: false,
    };
    assert_eq!(bench.actions(), [Action::Notify(Notice::Connected), asked]);
    bench.permit();
    let identify = bench.sent().pop().unwrap();
    assert!(identify.contains(r#""op":2"#), "{identify}");
    assert_eq!(bench.ready(), Verdict::Deliver { replayed: false });
    assert_eq!((bench.state(), bench.seq()), (State::Active, Some(1)));
    assert_eq!(bench.event(2), Verdict::Deliver { replayed: false });
    assert_eq!(bench.seq(), Some(2));
}

#[test]
fn a_held_session_is_resumed_with_the_received_sequence_and_replays_are_marked() {
    let mut bench = Bench::resuming(7);
    let resume = bench.handshake();
    assert!(
        resume.contains(r#""op":6"#) && resume.contains(r#""seq":7"#),
        "{resume}"
    );
    assert_eq!(bench.state(), State::AwaitResumed);
    assert_eq!(bench.event(8), Verdict::Deliver { replayed: true });
    assert_eq!(bench.event(9), Verdict::Deliver { replayed: true });
    bench.actions();
    assert_eq!(bench.resumed(10), Verdict::Deliver { replayed: false });
    assert_eq!(bench.notices(), [Notice::Resumed { replayed: 2 }]);
    assert_eq!(bench.event(11), Verdict::Deliver { replayed: false });
    assert_eq!(bench.seq(), Some(11));
}

#[test]
fn hello_ready_and_resumed_have_their_deadlines() {
    let mut bench = Bench::new(1);
    let _ = bench.give(Input::Connected);
    assert_eq!(bench.elapse(), secs(10));
    assert!(bench.notices().iter().any(is_cause(&Cause::NoHello)));

    // READY's patience doubles up to two minutes. No other deadline interferes: acks come.
    let mut bench = Bench::new(1);
    for patience in [30, 60, 120, 120] {
        bench.actions();
        bench.handshake();
        let start = bench.now;
        while bench.state() == State::AwaitReady {
            bench.elapse();
            if bench.sent().is_empty() {
                continue;
            }
            bench.ack();
        }
        assert_eq!(bench.now - start, secs(patience));
        bench.until_connect();
    }

    let mut bench = Bench::resuming(7);
    bench.handshake();
    bench.advance(secs(29));
    assert_eq!(bench.state(), State::AwaitResumed);
    let _ = bench.event(8);
    bench.advance(secs(29));
    assert_eq!(bench.state(), State::AwaitResumed);
    bench.advance(secs(1));
    assert!(bench.notices().iter().any(is_cause(&Cause::NoResumed)));
}

fn is_cause(wanted: &Cause) -> impl Fn(&Notice) -> bool + '_ {
    move |notice| matches!(notice, Notice::Disconnected { cause, .. } if cause == wanted)
}

#[test]
fn heartbeat_intervals_are_believed_from_a_second_to_an_hour_on_both_sides() {
    for (interval, good) in [
        ("1000", true),
        ("999.999", false),
        ("3600000", true),
        ("3600000.1", false),
        ("41250.5", true),
        ("0", false),
        ("-1", false),
        ("1e300", false),
        ("1e999", false),
        ("18446744073709551615", false),
        ("\"41250\"", false),
        ("null", false),
        ("[]", false),
    ] {
        let mut bench = Bench::new(1);
        let _ = bench.give(Input::Connected);
        let hello = format!(r#"{{"op":10,"d":{{"heartbeat_interval":{interval}}}}}"#);
        let _ = bench.message(&hello);
        let expected = if good {
            State::AwaitPermit
        } else {
            State::AwaitClose
        };
        assert_eq!(bench.state(), expected, "{interval}");
    }
    for hello in [
        r#"{"op":10}"#,
        r#"{"op":10,"d":null}"#,
        r#"{"op":10,"d":{}}"#,
    ] {
        let mut bench = Bench::new(1);
        let _ = bench.give(Input::Connected);
        let _ = bench.message(hello);
        assert!(
            bench.notices().iter().any(is_cause(&Cause::BadHello)),
            "{hello}"
        );
    }
}

#[test]
fn a_second_hello_changes_the_interval_and_identifies_no_second_time() {
    let mut bench = Bench::new(1);
    bench.activate();
    let _ = bench.message(r#"{"op":10,"d":{"heartbeat_interval":2000}}"#);
    assert_eq!(bench.state(), State::Active);
    assert_eq!(bench.actions(), []);
    let (at, timer) = bench.session.poll_timeout(bench.now).unwrap();
    assert!(timer == Timer::Heartbeat && at - bench.now <= secs(2));
}

#[test]
fn the_first_heartbeat_comes_within_the_interval_and_carries_null_before_any_event() {
    for seed in 0..50 {
        let mut bench = Bench::new(seed);
        let _ = bench.give(Input::Connected);
        bench.hello();
        assert!(bench.elapse() <= INTERVAL);
        assert_eq!(bench.sent(), [r#"{"op":1,"d":null}"#]);
    }
    let mut bench = Bench::resuming(7);
    let _ = bench.give(Input::Connected);
    bench.hello();
    bench.elapse();
    assert_eq!(bench.sent(), [r#"{"op":1,"d":7}"#]);
}

#[test]
fn a_heartbeat_unacked_when_the_next_is_due_ends_the_connection_though_events_flow() {
    let mut bench = Bench::new(1);
    bench.progress();
    bench.elapse();
    bench.sent();
    let beat = bench.now;
    let mut seq = 2;
    while bench.state() == State::Active {
        let (at, _) = bench.session.poll_timeout(bench.now).unwrap();
        let step = secs(5).min(at - bench.now);
        bench.advance(step);
        seq += 1;
        let _ = bench.event(seq);
    }
    assert_eq!(bench.now - beat, INTERVAL);
    assert!(bench.notices().iter().any(is_cause(&Cause::MissingAck)));
}

#[test]
fn silence_ends_the_connection_eight_seconds_after_the_interval() {
    // The jitter that puts the first beat just before the end of the interval: acks cannot tell.
    let mut worst = Duration::ZERO;
    for seed in 0..200 {
        let mut bench = Bench::new(seed);
        bench.progress();
        let heard = bench.now;
        while bench.state() == State::Active {
            bench.elapse();
            bench.sent();
        }
        worst = worst.max(bench.now - heard);
    }
    assert!(worst <= INTERVAL + secs(8), "{worst:?}");
    assert!(worst > INTERVAL, "{worst:?}");
}

#[test]
fn while_reading_is_paused_the_heart_beats_and_no_ack_is_missed() {
    let mut bench = Bench::new(1);
    bench.progress();
    let _ = bench.give(Input::ReadingPaused);
    let mut beats = 0;
    for _ in 0..20 {
        bench.elapse();
        beats += bench.sent().len();
    }
    assert_eq!((bench.state(), beats), (State::Active, 20));
    let _ = bench.give(Input::CaughtUp);
    bench.elapse();
    assert_eq!(bench.state(), State::Active, "the deadline starts anew");
    bench.elapse();
    assert_eq!(bench.state(), State::Backoff, "and holds again");
}

#[test]
fn a_requested_heartbeat_is_answered_at_once_and_floods_once_a_second() {
    let mut bench = Bench::new(1);
    bench.progress();
    let start = bench.now;
    let mut answers = 0;
    while bench.now - start < secs(55) {
        bench.now += millis(5);
        let _ = bench.message(r#"{"op":1,"d":null}"#);
        bench.session.handle_timeout(bench.now);
        let sent = bench.sent();
        assert!(sent.iter().all(|beat| beat == r#"{"op":1,"d":2}"#));
        answers += sent.len();
        bench.ack();
    }
    assert!((55..=58).contains(&answers), "{answers}");
}

#[test]
fn commands_answers_and_beats_together_keep_the_servers_limit() {
    let mut bench = Bench::new(1);
    bench.progress();
    let start = bench.now;
    let mut times = Vec::new();
    while bench.now - start < secs(300) {
        bench.now += millis(20);
        bench.session.handle_timeout(bench.now);
        let _ = bench.message(r#"{"op":1,"d":null}"#);
        bench.ack();
        while bench.session.wants_command(bench.now) {
            let _ = bench.give(Input::Command(command(4)));
            times.extend(bench.sent().iter().map(|_| bench.now));
        }
        times.extend(bench.sent().iter().map(|_| bench.now));
    }
    let within_a_minute = |(index, end): (usize, &std::time::Instant)| {
        let rest = &times[times.partition_point(|at| *at + secs(60) <= *end)..=index];
        rest.len()
    };
    let busiest = times.iter().enumerate().map(within_a_minute).max();
    assert!(busiest <= Some(120), "{busiest:?}");
    assert!(busiest >= Some(117), "{busiest:?}");
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn nothing_of_the_user_is_sent_before_ready_nor_in_a_replay() {
    let mut bench = Bench::resuming(7);
    for _ in 0..3 {
        assert!(!bench.session.wants_command(bench.now));
        match bench.state() {
            State::AwaitConnection => bench.connect(),
            State::AwaitHello => bench.hello(),
            _ => {
                bench.permit();
                bench.sent();
            }
        }
    }
    assert_eq!(bench.state(), State::AwaitResumed);
    assert!(!bench.session.wants_command(bench.now));
    let _ = bench.resumed(8);
    assert!(bench.session.wants_command(bench.now));
    let _ = bench.message(r#"{"op":9,"d":true}"#);
    assert!(!bench.session.wants_command(bench.now));
    assert!(bench.sent().is_empty());
}

/// Sends commands of this op until the session wants no more; how many went.
fn flood(bench: &mut Bench, op: u64) -> usize {
    let mut sent = 0;
    for _ in 0..1000 {
        if !bench.session.wants_command(bench.now) {
            break;
        }
        let _ = bench.give(Input::Command(command(op)));
        sent += bench.sent().len();
    }
    sent
}

#[test]
fn a_presence_that_waits_for_its_own_limit_goes_when_the_limit_allows() {
    let mut bench = Bench::new(1);
    bench.progress();
    assert_eq!(flood(&mut bench, 3), 5);
    assert_eq!(flood(&mut bench, 4), 110);
    // The presence waits for both limits, and its own ends first.
    bench.advance(secs(20));
    assert!(!bench.sent().iter().any(|text| text.contains(r#""op":3"#)));
    bench.ack();
    bench.advance(secs(41));
    let presences = bench.sent();
    let presences = presences.iter().filter(|text| text.contains(r#""op":3"#));
    assert_eq!(presences.count(), 1);
}

#[test]
fn a_presence_survives_a_cut_and_its_limit_does_too() {
    let mut bench = Bench::new(1);
    bench.progress();
    assert_eq!(flood(&mut bench, 3), 5);
    bench.cut();
    let (waited, _) = bench.until_connect();
    assert!(bench.handshake().contains(r#""op":6"#));
    let _ = bench.resumed(3);
    assert_eq!(bench.sent(), [""; 0]);
    bench.now += secs(21).saturating_sub(waited);
    let presences = bench.sent();
    let presences = presences.iter().filter(|text| text.contains(r#""op":3"#));
    assert_eq!(presences.count(), 1);
}

/// Goal: a presence that was set outlives the session that it was set in, is told to each new one
/// once, and to none that resumes.
#[test]
fn a_presence_is_set_again_in_a_new_session_and_not_in_a_resumed_one() {
    let set = r#"{"op":3,"d":{"since":null,"activities":[],"status":"idle","afk":false}}"#;
    let give = |bench: &mut Bench, payload: &str| {
        let payload = payload.as_bytes().to_vec();
        assert!(bench.session.wants_command(bench.now));
        let _ = bench.give(Input::Command(Command { op: 3, payload }));
        assert_eq!(bench.sent().len(), 1);
    };
    let mut bench = Bench::new(1);
    bench.activate();
    give(&mut bench, set);
    // The server would refuse it again.
    give(&mut bench, r#"{"op":3,"d":{"status":"sleepy"}}"#);

    bench.cut();
    bench.until_connect();
    assert!(bench.handshake().contains(r#""op":6"#));
    let _ = bench.resumed(2);
    bench.actions();
    assert_eq!(bench.sent(), [""; 0]);

    for _ in 0..2 {
        let _ = bench.message(r#"{"op":9,"d":false}"#);
        bench.until_connect();
        assert!(bench.handshake().contains(r#""op":2"#));
        assert_eq!(bench.sent(), [""; 0], "not before READY");
        let _ = bench.ready();
        bench.actions();
        assert_eq!(bench.sent(), [set]);
    }
}

#[test]
fn a_command_that_no_socket_was_given_survives_a_cut() {
    let mut bench = Bench::new(1);
    bench.progress();
    let _ = bench.give(Input::Command(command(4)));
    bench.cut();
    bench.until_connect();
    bench.handshake();
    assert_eq!(bench.sent(), [""; 0], "not before RESUMED");
    let _ = bench.resumed(3);
    assert_eq!(bench.sent(), [r#"{"op":4,"d":{}}"#]);
}

#[test]
fn after_4008_commands_have_half_of_the_window_for_ten_minutes() {
    let mut bench = Bench::new(1);
    bench.progress();
    assert_eq!(flood(&mut bench, 4), 115);
    bench.close(4008);
    let start = bench.now;
    let (waited, _) = bench.until_connect();
    assert!((secs(60)..=secs(75)).contains(&waited), "{waited:?}");
    bench.handshake();
    let _ = bench.resumed(3);
    assert_eq!(flood(&mut bench, 4), 55);
    for (at, expected) in [(secs(599), 56), (secs(600), 60)] {
        // A minute without any sends lies before the first.
        bench.now = start + at;
        bench.sent();
        assert_eq!(flood(&mut bench, 4), expected, "{at:?}");
        assert!(!bench.session.wants_command(bench.now));
    }
}

#[test]
fn duplicates_are_dropped_and_gaps_are_told() {
    let mut bench = Bench::new(1);
    bench.progress();
    assert_eq!(bench.event(2), Verdict::Internal);
    assert_eq!(bench.event(0), Verdict::Internal);
    assert_eq!(bench.session.counters().duplicates, 2);
    bench.actions();
    assert_eq!(bench.event(5), Verdict::Deliver { replayed: false });
    assert_eq!(bench.notices(), [Notice::Gap { after: 2, next: 5 }]);
    assert_eq!(bench.event(4), Verdict::Internal);
    assert_eq!(bench.event(6), Verdict::Deliver { replayed: false });
    assert_eq!(bench.notices(), []);
}

#[test]
fn three_rising_duplicates_in_a_row_mean_that_the_sequence_restarted() {
    let mut bench = Bench::new(1);
    bench.progress();
    let _ = bench.event(1000);
    for seq in [5, 4, 3, 5, 1001, 7, 8] {
        let _ = bench.event(seq);
    }
    assert_eq!(bench.state(), State::Active);
    let _ = bench.event(9);
    assert_eq!(bench.state(), State::AwaitClose);
    let notices = bench.notices();
    assert!(
        notices.contains(&Notice::SessionLost { last_seq: 1001 }),
        "{notices:?}"
    );
}

#[test]
fn an_overlapping_replay_is_no_restart() {
    let mut bench = Bench::resuming(100);
    bench.handshake();
    for seq in 90..=100 {
        assert_eq!(bench.event(seq), Verdict::Internal);
    }
    assert_eq!(bench.event(101), Verdict::Deliver { replayed: true });
    let _ = bench.resumed(102);
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn ready_in_answer_to_resume_or_out_of_the_blue_is_a_new_session() {
    for active in [false, true] {
        let mut bench = Bench::resuming(7);
        bench.handshake();
        if active {
            let _ = bench.resumed(8);
        }
        bench.actions();
        assert_eq!(bench.ready(), Verdict::Deliver { replayed: false });
        let last_seq = if active { 8 } else { 7 };
        assert_eq!(bench.notices(), [Notice::SessionLost { last_seq }]);
        assert_eq!((bench.state(), bench.seq()), (State::Active, Some(1)));
    }
}

#[test]
fn an_unreadable_ready_ends_in_another_identify() {
    for d in ["{}", "null", "[]", r#"{"session_id":7}"#] {
        let mut bench = Bench::new(1);
        bench.handshake();
        let ready = format!(r#"{{"t":"READY","s":1,"op":0,"d":{d}}}"#);
        assert_eq!(bench.message(&ready), Verdict::Internal, "{d}");
        let (wait, _) = bench.until_connect();
        assert!(wait >= millis(2500), "{d}: {wait:?}");
        assert!(bench.handshake().contains(r#""op":2"#));
    }
}

#[test]
fn a_resume_url_that_cannot_be_used_never_costs_the_session() {
    for url in [
        "null",
        "7",
        r#""ws://evil.io""#,
        r#""wss://evil.io""#,
        r#""""#,
    ] {
        let mut bench = Bench::new(1);
        bench.handshake();
        let ready = format!(
            r#"{{"t":"READY","s":1,"op":0,"d":{{"session_id":"a","resume_gateway_url":{url}}}}}"#
        );
        assert_eq!(bench.message(&ready), Verdict::Deliver { replayed: false });
        bench.cut();
        assert_eq!(bench.until_connect().1, Endpoint::Base, "{url}");
        assert!(bench.handshake().contains(r#""op":6"#), "{url}");
    }
}

#[test]
fn the_sequence_of_an_unreadable_message_counts_as_received() {
    let mut bench = Bench::new(1);
    bench.progress();
    let _ = bench.give(Input::Garbled { seq: Some(3) });
    assert_eq!(bench.seq(), Some(3));
    let _ = bench.give(Input::Garbled { seq: None });
    let _ = bench.give(Input::Garbled { seq: Some(1) });
    assert_eq!(bench.seq(), Some(3));
    let _ = bench.give(Input::Garbled {
        seq: Some(u64::MAX),
    });
    assert_eq!(bench.event(4), Verdict::Internal);
    assert_eq!(bench.session.counters().garbled, 4);
}

#[test]
fn an_event_without_a_sequence_is_delivered_and_moves_nothing() {
    let mut bench = Bench::new(1);
    bench.progress();
    for frame in [
        r#"{"t":"RATE_LIMITED","op":0,"d":{}}"#,
        r#"{"t":"X","s":null,"op":0,"d":{}}"#,
        r#"{"t":"X","s":-1,"op":0,"d":{}}"#,
        r#"{"t":"X","s":"9","op":0,"d":{}}"#,
        r#"{"t":null,"s":3,"op":0,"d":{}}"#,
    ] {
        assert_eq!(
            bench.message(frame),
            Verdict::Deliver { replayed: false },
            "{frame}"
        );
    }
    assert_eq!(bench.seq(), Some(3));
}

#[test]
fn a_permit_is_returned_when_the_connection_ends_before_the_handshake_is_written() {
    for permitted in [false, true] {
        let mut bench = Bench::new(1);
        let _ = bench.give(Input::Connected);
        bench.hello();
        if permitted {
            bench.permit();
        }
        bench.actions();
        bench.cut();
        assert!(
            bench.actions().contains(&Action::ReturnPermit),
            "{permitted}"
        );
        assert_eq!(bench.session.counters().identifies, 0);
    }
    let mut bench = Bench::new(1);
    bench.handshake();
    bench.actions();
    bench.cut();
    assert!(
        !bench.actions().contains(&Action::ReturnPermit),
        "it was used"
    );
}

#[test]
fn a_late_permit_of_an_earlier_connection_is_ignored() {
    let mut bench = Bench::new(1);
    let _ = bench.give(Input::Connected);
    bench.hello();
    bench.cut();
    bench.permit();
    bench.until_connect();
    let _ = bench.give(Input::Connected);
    bench.permit();
    assert_eq!(bench.state(), State::AwaitHello);
    assert!(bench.sent().is_empty());
}

#[test]
fn a_shutdown_closes_with_the_code_that_ends_or_keeps_the_session() {
    for (how, code, kept) in [(Shutdown::End, 1000, None), (Shutdown::Keep, 4000, Some(2))] {
        let mut bench = Bench::new(1);
        bench.progress();
        bench.shutdown(how);
        assert_eq!(bench.actions(), [Action::Close(code)]);
        let _ = bench.give(Input::Lost(Lost::Closed { code: Some(code) }));
        assert_eq!(bench.actions(), [Action::Stop(Stop::Shutdown)]);
        assert_eq!(bench.seq(), kept);
    }
}

#[test]
fn a_shutdown_ends_in_every_state_within_the_close_deadline() {
    let steps: [fn(&mut Bench); 7] = [
        |_| {},
        Bench::connect,
        Bench::hello,
        Bench::permit,
        |bench| assert_ne!(bench.ready(), Verdict::Internal),
        |bench| assert_eq!(bench.message(r#"{"op":7}"#), Verdict::Internal),
        Bench::cut,
    ];
    for upto in 0..=steps.len() {
        let mut bench = Bench::new(1);
        for step in &steps[..upto] {
            step(&mut bench);
        }
        let start = bench.now;
        bench.shutdown(Shutdown::Keep);
        if bench.state() == State::AwaitClose {
            bench.elapse();
        }
        assert_eq!(bench.state(), State::Stopped, "after {upto} steps");
        assert!(bench.now - start <= secs(3));
        assert!(bench.actions().contains(&Action::Stop(Stop::Shutdown)));
    }
}

#[test]
fn a_requested_reconnect_resumes_or_begins_anew() {
    for (how, op) in [
        (Reconnect::Resume, r#""op":6"#),
        (Reconnect::Fresh, r#""op":2"#),
    ] {
        let mut bench = Bench::new(1);
        bench.progress();
        bench.reconnect(how);
        let (wait, _) = bench.until_connect();
        assert_eq!(wait, Duration::ZERO);
        assert!(bench.handshake().contains(op), "{how:?}");
    }
}

#[test]
fn the_limits_are_obeyed_where_they_are_configured() {
    let limits = Limits {
        hello: millis(70),
        ..Limits::default()
    };
    let mut bench = Bench::with(Setup {
        limits: limits.into(),
        resume: Some(held(3)),
        ..setup(1)
    });
    let _ = bench.give(Input::Connected);
    assert_eq!(bench.elapse(), millis(70));
}
