//! What follows the end of a connection, row by row of DESIGN section 6, each on a bench.

use std::time::Duration;

use super::bench::{Bench, secs};
use crate::{
    notice::Notice,
    session::{Action, Endpoint, Input, Lost, Reconnect, State, Stop, Timer},
};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_cut_with_progress_resumes_within_half_a_second_at_the_resume_url() {
    for seed in 0..50 {
        let mut bench = Bench::new(seed);
        bench.progress();
        bench.cut();
        let (wait, endpoint) = bench.until_connect();
        assert!(wait <= millis(500), "{wait:?}");
        assert!(matches!(endpoint, Endpoint::Resume(_)), "{endpoint:?}");
    }
}

/// A server that numbers RESUMED may replay that of a connection before. It is no progress: else a
/// resume that is cut again and again would count as a success, and never end.
#[test]
fn a_resumed_that_is_replayed_is_no_progress() {
    let mut bench = Bench::resuming(7);
    for round in 0..3 {
        let resume = bench.handshake();
        assert!(resume.contains(r#""op":6"#), "{round}: {resume}");
        let seq = bench.seq().unwrap();
        let _ = bench.resumed(seq + 1);
        let _ = bench.resumed(seq + 2);
        bench.cut();
        let (wait, _) = bench.until_connect();
        let step = secs(1 << round);
        assert!(wait >= step / 2 && wait <= step, "{round}: {wait:?}");
    }
    let identify = bench.handshake();
    assert!(identify.contains(r#""op":2"#), "{identify}");
}

#[test]
fn a_new_session_has_three_resumes_of_its_own() {
    let mut bench = Bench::resuming(7);
    for _ in 0..2 {
        assert!(bench.handshake().contains(r#""op":6"#));
        bench.cut();
        bench.until_connect();
    }
    bench.reconnect(Reconnect::Fresh);
    bench.actions();
    bench.activate();
    bench.cut();
    for round in 0..3 {
        bench.until_connect();
        let resume = bench.handshake();
        assert!(resume.contains(r#""op":6"#), "{round}: {resume}");
        bench.cut();
    }
    bench.until_connect();
    assert!(bench.handshake().contains(r#""op":2"#));
}

#[test]
fn the_sixth_quick_return_in_a_minute_waits_one_to_five_seconds() {
    let mut bench = Bench::new(3);
    bench.progress();
    for round in 0..6 {
        bench.cut();
        let (wait, _) = bench.until_connect();
        if round < 5 {
            assert!(wait <= millis(500), "{round}: {wait:?}");
        } else {
            assert!(wait >= secs(1) && wait <= secs(5), "{round}: {wait:?}");
        }
        bench.handshake();
        let seq = bench.seq().unwrap();
        let _ = bench.resumed(seq + 1);
        let _ = bench.event(seq + 2);
    }
}

#[test]
fn op_7_with_progress_reconnects_without_delay_and_without_an_error() {
    let mut bench = Bench::new(3);
    bench.progress();
    let _ = bench.message(r#"{"op":7,"d":null}"#);
    assert_eq!(bench.state(), State::AwaitClose);
    let actions = bench.actions();
    assert!(actions.contains(&Action::Close(4000)), "{actions:?}");
    let _ = bench.give(Input::Lost(Lost::Closed { code: Some(4000) }));
    assert!(matches!(bench.actions()[..], [Action::Connect(_)]));
}

#[test]
fn op_7_followed_by_silence_is_given_up_after_three_seconds() {
    let mut bench = Bench::new(3);
    bench.progress();
    let _ = bench.message(r#"{"op":7,"d":null}"#);
    assert_eq!(
        bench.session.poll_timeout(bench.now),
        Some((bench.now + secs(3), Timer::Close))
    );
    bench.actions();
    bench.elapse();
    assert!(matches!(
        bench.actions()[..],
        [Action::Hangup, Action::Connect(_)]
    ));
}

#[test]
fn connects_that_fail_back_off_up_to_a_minute_and_a_success_without_progress_resets_nothing() {
    let mut bench = Bench::new(5);
    let mut waits = Vec::new();
    for round in 0..10 {
        bench.actions();
        if round % 2 == 0 {
            let _ = bench.give(Input::Lost(Lost::Connect {
                status: None,
                retry_after: None,
            }));
        } else {
            let _ = bench.give(Input::Connected);
            bench.hello();
            bench.cut();
        }
        waits.push(bench.until_connect().0);
    }
    for (wait, step) in waits.iter().zip([1, 2, 4, 8, 16, 32, 60, 60, 60, 60]) {
        let step = secs(step);
        assert!(*wait >= step / 2 && *wait <= step, "{waits:?}");
    }
}

/// The figure that users see: a server that accepts and closes.
#[test]
fn a_server_that_accepts_and_closes_sees_few_connects() {
    for seed in 0..200 {
        let mut bench = Bench::new(seed);
        let start = bench.now;
        let mut connects = vec![Duration::ZERO];
        while bench.now - start < secs(300) {
            bench.actions();
            let _ = bench.give(Input::Connected);
            bench.cut();
            bench.until_connect();
            connects.push(bench.now - start);
        }
        let within = |limit| connects.iter().filter(|at| **at < limit).count();
        assert!(within(secs(15)) <= 8, "seed {seed}: {connects:?}");
        assert!(within(secs(300)) <= 15, "seed {seed}: {connects:?}");
    }
}

#[test]
fn an_identify_refused_for_ever_backs_off_to_a_quarter_of_an_hour() {
    for seed in 0..50 {
        let mut bench = Bench::new(seed);
        let start = bench.now;
        let mut identifies = Vec::new();
        while bench.now - start < secs(86_400) {
            bench.actions();
            bench.handshake();
            identifies.push(bench.now - start);
            let _ = bench.message(r#"{"op":9,"d":false}"#);
            bench.until_connect();
        }
        let within = |limit| identifies.iter().filter(|at| **at < limit).count();
        assert!(within(secs(45)) <= 8, "seed {seed}: {}", within(secs(45)));
        assert!(identifies.len() <= 200, "seed {seed}: {}", identifies.len());
    }
}

#[test]
fn the_identify_backoff_is_reset_by_progress_only() {
    let mut bench = Bench::new(1);
    for _ in 0..4 {
        bench.actions();
        bench.handshake();
        bench.cut();
        bench.until_connect();
    }
    bench.activate();
    let _ = bench.message(r#"{"op":9,"d":false}"#);
    let (wait, _) = bench.until_connect();
    assert!(wait >= secs(40), "READY alone is no progress: {wait:?}");
    bench.progress();
    let _ = bench.message(r#"{"op":9,"d":false}"#);
    let (wait, _) = bench.until_connect();
    assert!(wait >= secs(1) && wait <= secs(5), "{wait:?}");
}

#[test]
fn op_9_false_loses_the_session_with_its_last_sequence() {
    let mut bench = Bench::new(1);
    bench.progress();
    let _ = bench.message(r#"{"op":9,"d":false}"#);
    let notices = bench.notices();
    assert!(
        notices.contains(&Notice::SessionLost { last_seq: 2 }),
        "{notices:?}"
    );
    assert_eq!(bench.seq(), None);
    let (wait, endpoint) = bench.until_connect();
    assert!(wait >= secs(1) && wait <= secs(5), "{wait:?}");
    assert_eq!(endpoint, Endpoint::Base);
    assert!(bench.handshake().contains(r#""op":2"#));
}

#[test]
fn op_9_with_anything_but_true_counts_as_false() {
    for d in ["false", "null", "0", "\"true\"", "{}", "1"] {
        let mut bench = Bench::new(1);
        bench.progress();
        let _ = bench.message(&format!(r#"{{"op":9,"d":{d}}}"#));
        assert_eq!(bench.seq(), None, "{d}");
    }
    for frame in [r#"{"op":9,"d":true}"#, r#"{"d": true ,"op":9}"#] {
        let mut bench = Bench::new(1);
        bench.progress();
        let _ = bench.message(frame);
        assert_eq!(bench.seq(), Some(2), "{frame}");
    }
}

#[test]
fn three_resumes_in_a_row_without_progress_end_in_an_identify() {
    let mut bench = Bench::resuming(7);
    for round in 1..=3 {
        bench.actions();
        let resume = bench.handshake();
        assert!(resume.contains(r#""op":6"#), "{round}: {resume}");
        let _ = bench.resumed(7 + round);
        bench.cut();
        let (wait, _) = bench.until_connect();
        assert!(wait <= secs(4), "{wait:?}");
    }
    assert_eq!(bench.seq(), None);
    assert!(bench.handshake().contains(r#""op":2"#));
}

#[test]
fn failures_before_resume_was_sent_do_not_count_against_the_session() {
    let mut bench = Bench::resuming(7);
    for _ in 0..20 {
        bench.actions();
        let _ = bench.give(Input::Connected);
        bench.hello();
        bench.cut();
        bench.until_connect();
    }
    assert_eq!(bench.seq(), Some(7));
}

#[test]
fn a_failed_resume_url_costs_one_try_and_never_the_session() {
    let mut bench = Bench::new(1);
    bench.progress();
    bench.cut();
    assert!(matches!(bench.until_connect().1, Endpoint::Resume(_)));
    let failed = Input::Lost(Lost::Connect {
        status: Some(401),
        retry_after: None,
    });
    let _ = bench.give(failed);
    assert_eq!(bench.actions(), [Action::Connect(Endpoint::Base)]);
    assert!(bench.handshake().contains(r#""op":6"#));
}

#[test]
fn a_connect_that_hangs_is_given_up_after_ten_seconds() {
    let mut bench = Bench::new(1);
    bench.actions();
    assert_eq!(bench.elapse(), secs(10));
    assert_eq!(bench.actions(), [Action::Hangup]);
    assert_eq!(bench.state(), State::Backoff);
}

#[test]
fn forbidden_upgrades_are_fatal_the_third_time_in_a_row() {
    let forbidden = |status| {
        Input::Lost(Lost::Connect {
            status: Some(status),
            retry_after: None,
        })
    };
    let mut bench = Bench::new(1);
    for status in [401, 403, 500, 403, 401] {
        let _ = bench.give(forbidden(status));
        bench.until_connect();
    }
    let _ = bench.give(forbidden(403));
    assert_eq!(bench.actions(), [Action::Stop(Stop::Forbidden)]);
}

#[test]
fn retry_after_is_kept_but_believed_for_a_quarter_of_an_hour_at_most() {
    let limited = |retry_after| {
        Input::Lost(Lost::Connect {
            status: Some(429),
            retry_after: Some(retry_after),
        })
    };
    let mut bench = Bench::new(1);
    let _ = bench.give(limited(secs(30)));
    assert_eq!(bench.until_connect().0, secs(30));
    let _ = bench.give(limited(secs(1_000_000_000)));
    assert_eq!(bench.until_connect().0, secs(900));
}

#[test]
fn a_shard_that_sent_too_fast_resumes_after_a_minute() {
    let mut bench = Bench::new(1);
    bench.progress();
    bench.close(4008);
    let (wait, _) = bench.until_connect();
    assert!(wait >= secs(60) && wait <= secs(75), "{wait:?}");
    assert_eq!(bench.seq(), Some(2));
}

/// Every code from 0 to 4999, with a session held and events flowing.
#[test]
fn every_close_code_is_fatal_or_identifies_or_resumes_as_the_table_says() {
    for code in 0..5000 {
        let mut bench = Bench::new(u64::from(code));
        bench.progress();
        bench.close(code);
        match code {
            4004 | 4010..=4014 => {
                let actions = bench.actions();
                assert!(
                    actions.contains(&Action::Stop(Stop::Closed(code))),
                    "{code}"
                );
                assert_eq!(bench.state(), State::Stopped);
            }
            4003 | 4006 | 4007 | 4009 => assert_eq!(bench.seq(), None, "{code}"),
            _ => assert_eq!(bench.seq(), Some(2), "{code}"),
        }
    }
}

#[test]
fn a_fatal_shard_does_nothing_ever_again() {
    let mut bench = Bench::new(1);
    bench.progress();
    bench.close(4014);
    bench.actions();
    let _ = bench.give(Input::Connected);
    bench.hello();
    bench.permit();
    bench.reconnect(Reconnect::Fresh);
    bench.advance(secs(86_400));
    assert_eq!(bench.actions(), []);
    assert!(bench.sent().is_empty());
    assert_eq!(bench.session.poll_timeout(bench.now), None);
}

#[test]
fn a_fatal_code_behind_our_own_close_still_stops() {
    let mut bench = Bench::new(1);
    bench.progress();
    let _ = bench.message(r#"{"op":9,"d":false}"#);
    bench.close(4004);
    assert!(bench.actions().contains(&Action::Stop(Stop::Closed(4004))));
}
