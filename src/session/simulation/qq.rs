//! Rows that differ by platform: QQ's credentials expire, it delivers at least once, and what it
//! does not name identifies. Each on a bench.

use super::bench::{Bench, secs, setup_of};
use crate::{
    notice::Notice,
    qq::{Intents, QQ},
    session::{Action, Input, Setup, State, Stop, Verdict},
};

fn bench(seed: u64) -> Bench<QQ> {
    Bench::with(setup_of(
        Intents::GUILDS,
        "wss://api.sgroup.qq.com/websocket",
        seed,
    ))
}

/// Connects as far as IDENTIFY or RESUME; whether the credential is fetched again for it.
fn renews(bench: &mut Bench<QQ>) -> bool {
    bench.connect();
    bench.hello();
    let asked = bench.actions().into_iter().find_map(|action| match action {
        Action::RequestPermit { renew, .. } => Some(renew),
        _ => None,
    });
    bench.permit();
    assert_eq!(bench.sent().len(), 1);
    asked.expect("a permit is asked for")
}

fn refuse(bench: &mut Bench<QQ>, how: Option<u16>) {
    match how {
        Some(code) => bench.close(code),
        None => assert_eq!(bench.message(r#"{"op":9,"d":false}"#), Verdict::Internal),
    }
}

#[test]
fn a_refused_credential_is_fetched_again_and_the_fourth_refusal_is_the_last() {
    for how in [None, Some(4004), Some(4903)] {
        let mut bench = bench(1);
        for round in 0..4 {
            assert_eq!(renews(&mut bench), round > 0, "{how:?} {round}");
            refuse(&mut bench, how);
            if round < 3 {
                let (wait, _) = bench.until_connect();
                let step = secs(5) * 2u32.pow(round);
                assert!(wait >= step / 2 && wait <= step, "{wait:?}");
            }
        }
        let stop = Action::Stop(Stop::Credentials { code: how });
        assert!(bench.actions().contains(&stop), "{how:?}");
        assert_eq!(bench.state(), State::Stopped);
    }
}

#[test]
fn a_ready_between_lets_refusals_count_from_zero_again() {
    let mut bench = bench(1);
    for _ in 0..3 {
        for _ in 0..3 {
            renews(&mut bench);
            refuse(&mut bench, Some(4004));
            bench.until_connect();
        }
        assert!(renews(&mut bench));
        let _ = bench.ready();
        let _ = bench.event(2);
        bench.cut();
        bench.until_connect();
        assert!(!renews(&mut bench), "it was taken");
        let _ = bench.resumed(3);
        bench.close(4006);
        bench.until_connect();
    }
}

#[test]
fn what_ends_a_session_that_was_ready_or_says_nothing_renews_no_credential() {
    for code in [None, Some(4903), Some(4006)] {
        let mut bench = bench(1);
        renews(&mut bench);
        let _ = bench.ready();
        let _ = bench.event(2);
        refuse(&mut bench, code);
        assert_eq!(bench.seq(), None);
        bench.until_connect();
        assert!(!renews(&mut bench), "{code:?} after READY");
        bench.cut();
        bench.until_connect();
        assert!(!renews(&mut bench), "a cut before READY");
        bench.close(4900);
        bench.until_connect();
        assert!(!renews(&mut bench), "another code before READY");
    }
}

#[test]
fn a_credential_refused_at_work_waits_as_a_refused_identify_does() {
    for seed in 0..50 {
        let mut bench = bench(seed);
        renews(&mut bench);
        let _ = bench.ready();
        let _ = bench.event(2);
        bench.close(4004);
        let (wait, _) = bench.until_connect();
        assert!(wait >= secs(5) / 2 && wait <= secs(5), "{wait:?}");
    }
}

/// Every code from 0 to 4999, with a session held and events flowing.
#[test]
fn every_close_code_is_fatal_or_identifies_or_resumes_as_the_table_says() {
    for code in 0..5000 {
        let mut bench = bench(u64::from(code));
        renews(&mut bench);
        let _ = bench.ready();
        let _ = bench.event(2);
        bench.close(code);
        match code {
            4001 | 4002 | 4010..=4014 | 4914 | 4915 => {
                let stop = Action::Stop(Stop::Closed(code));
                assert!(bench.actions().contains(&stop), "{code}");
            }
            // Those that it does not name, too: only what lies outside 4xxx is resumed.
            0..4000 | 4000 | 4005 | 4008 | 4009 => {
                assert_eq!(bench.seq(), Some(2), "{code}");
            }
            _ => assert_eq!(bench.seq(), None, "{code}"),
        }
    }
}

#[test]
fn a_message_that_comes_twice_is_dropped_where_that_was_asked_for() {
    let say = |bench: &mut Bench<QQ>, name: &str, seq: u64| {
        bench.message(&format!(
            r#"{{"op":0,"s":{seq},"t":"{name}","d":{{"id":"one"}}}}"#
        ))
    };
    let fresh = Verdict::Deliver { replayed: false };
    for drop_repeated in [false, true] {
        let mut bench = Bench::with(Setup {
            drop_repeated,
            ..setup_of(Intents::GUILDS, "wss://api.sgroup.qq.com", 1)
        });
        renews(&mut bench);
        let _ = bench.ready();
        let second = if drop_repeated {
            Verdict::Internal
        } else {
            fresh
        };
        assert_eq!(say(&mut bench, "C2C_MESSAGE_CREATE", 2), fresh);
        assert_eq!(say(&mut bench, "C2C_MESSAGE_CREATE", 3), second);
        assert_eq!(bench.seq(), Some(3), "it counts as received");
        // The same id under another event, and events that are no messages.
        assert_eq!(say(&mut bench, "AT_MESSAGE_CREATE", 4), fresh);
        assert_eq!(say(&mut bench, "GUILD_UPDATE", 5), fresh);
        assert_eq!(say(&mut bench, "GUILD_UPDATE", 6), fresh);
        assert_eq!(say(&mut bench, "C2C_MESSAGE_CREATE", 7), second);
        let counters = bench.session.counters();
        let repeated = if drop_repeated { 2 } else { 0 };
        // READY is one of them.
        assert_eq!(
            (counters.repeated, counters.events),
            (repeated, 7 - repeated)
        );
        bench.now += secs(300);
        assert_eq!(say(&mut bench, "C2C_MESSAGE_CREATE", 8), fresh);
    }
}

#[test]
fn a_repeated_message_of_a_replay_keeps_the_replay_alive() {
    let mut bench = Bench::with(Setup {
        drop_repeated: true,
        ..setup_of(Intents::GUILDS, "wss://api.sgroup.qq.com", 1)
    });
    renews(&mut bench);
    let _ = bench.ready();
    let message =
        |seq: u64| format!(r#"{{"op":0,"s":{seq},"t":"C2C_MESSAGE_CREATE","d":{{"id":"one"}}}}"#);
    let _ = bench.message(&message(2));
    bench.cut();
    bench.until_connect();
    renews(&mut bench);
    bench.now += secs(20);
    assert_eq!(bench.message(&message(3)), Verdict::Internal);
    bench.advance(secs(20));
    assert_eq!(bench.state(), State::AwaitResumed);
    bench.actions();
    let _ = bench.give(Input::Garbled { seq: Some(4) });
    let _ = bench.resumed(5);
    assert_eq!(bench.notices(), [Notice::Resumed { replayed: 1 }]);
}
