//! Every input in every state: what follows, reviewed like code.
//!
//! The table is `matrix.txt`. A change of behaviour shows up as a difference; look at it, and
//! where it is meant, write the new table by `SHARDSTREAM_BLESS=1 cargo test matrix`.

use std::fmt::Write as _;

use super::bench::{Bench, secs};
use crate::{
    notice::Notice,
    secret::Token,
    session::{Action, Command, Input, Lost, Reconnect, Shutdown, State, Verdict},
};

type Step = fn(&mut Bench);

const fn failed(status: Option<u16>) -> Lost {
    Lost::Connect {
        status,
        retry_after: None,
    }
}

/// How to get into each state from a bench whose session holds nothing, or session 7.
const STATES: [(&str, Option<u64>, &[Step]); 10] = [
    ("await_connection", None, &[]),
    ("backoff", Some(7), &[Bench::connect, Bench::cut]),
    ("await_hello", Some(7), &[Bench::connect]),
    (
        "await_permit (identify)",
        None,
        &[Bench::connect, Bench::hello],
    ),
    (
        "await_permit (resume)",
        Some(7),
        &[Bench::connect, Bench::hello],
    ),
    (
        "await_ready",
        None,
        &[Bench::connect, Bench::hello, Bench::permit, flush],
    ),
    (
        "await_resumed",
        Some(7),
        &[Bench::connect, Bench::hello, Bench::permit, flush],
    ),
    ("active", None, &[Bench::progress]),
    ("await_close", None, &[Bench::progress, reconnect]),
    ("stopped", None, &[Bench::progress, fatal]),
];

fn flush(bench: &mut Bench) {
    bench.sent();
}

fn reconnect(bench: &mut Bench) {
    bench.reconnect(Reconnect::Resume);
}

fn fatal(bench: &mut Bench) {
    bench.close(4014);
}

/// Every input, and of messages and ends one for each row of the rules.
const INPUTS: [(&str, Step); 35] = [
    ("connected", Bench::connect),
    ("dial queued, then begun", |b| {
        give(b, Input::DialQueued);
        give(b, Input::DialBegun);
    }),
    ("lost: connect failed", |b| lost(b, failed(None))),
    ("lost: connect 403", |b| lost(b, failed(Some(403)))),
    ("lost: closed without code", |b| {
        lost(b, Lost::Closed { code: None });
    }),
    ("lost: closed 1000", |b| b.close(1000)),
    ("lost: closed 4000", |b| b.close(4000)),
    ("lost: closed 4004", |b| b.close(4004)),
    ("lost: closed 4007", |b| b.close(4007)),
    ("lost: closed 4008", |b| b.close(4008)),
    ("lost: cut", Bench::cut),
    ("lost: broken frame", |b| lost(b, Lost::BrokenFrame)),
    ("lost: too long", |b| lost(b, Lost::TooLong)),
    ("lost: compression", |b| lost(b, Lost::Compression)),
    ("lost: write stall", |b| lost(b, Lost::WriteStall)),
    ("hello", Bench::hello),
    ("hello without interval", |b| say(b, r#"{"op":10}"#)),
    ("ready", |b| drop(b.ready())),
    ("resumed", |b| drop(b.resumed(9))),
    ("event", |b| drop(b.event(8))),
    ("event received before", |b| drop(b.event(1))),
    ("op 1", |b| say(b, r#"{"op":1,"d":null}"#)),
    ("op 7", |b| say(b, r#"{"op":7,"d":null}"#)),
    ("op 9 true", |b| say(b, r#"{"op":9,"d":true}"#)),
    ("op 9 false", |b| say(b, r#"{"op":9,"d":false}"#)),
    ("ack", Bench::ack),
    ("unknown op", |b| say(b, r#"{"op":200}"#)),
    ("garbled", |b| give(b, Input::Garbled { seq: Some(8) })),
    ("permit", |b| give(b, Input::Permit(Token::from("t")))),
    ("permit refused", |b| refuse(b, false)),
    ("permit refused for good", |b| refuse(b, true)),
    ("command", |b| give(b, Input::Command(command()))),
    ("pause, then caught up", |b| {
        give(b, Input::ReadingPaused);
        give(b, Input::CaughtUp);
    }),
    ("reconnect fresh", |b| b.reconnect(Reconnect::Fresh)),
    ("shutdown keep", |b| b.shutdown(Shutdown::Keep)),
];

fn lost(bench: &mut Bench, lost: Lost) {
    give(bench, Input::Lost(lost));
}

fn say(bench: &mut Bench, text: &str) {
    let _ = bench.message(text);
}

fn give(bench: &mut Bench, input: Input<'_>) {
    let _ = bench.give(input);
}

fn command() -> Command {
    let payload = b"{}".to_vec();
    Command { op: 4, payload }
}

fn refuse(bench: &mut Bench, fatal: bool) {
    let retry_after = None;
    give(bench, Input::PermitRefused { fatal, retry_after });
}

fn drop(_: Verdict) {}

fn table() -> String {
    let mut table = String::new();
    for (name, held, steps) in STATES {
        for (input, step) in INPUTS {
            let mut bench = held.map_or_else(|| Bench::new(1), Bench::resuming);
            for before in steps {
                before(&mut bench);
            }
            bench.actions();
            step(&mut bench);
            let mut line = format!("{name} + {input} -> {:?}", bench.state());
            match bench.seq() {
                Some(seq) => write!(line, ", holds {seq}"),
                None => write!(line, ", holds none"),
            }
            .unwrap();
            for action in bench.actions() {
                write!(line, "; {}", short(&action)).unwrap();
            }
            for sent in bench.sent() {
                write!(line, "; sends {}", sent.get(..8).unwrap_or(&sent)).unwrap();
            }
            table.push_str(&line);
            table.push('\n');
            assert!(bounded(&bench), "{line}: waits without a deadline");
        }
    }
    table
}

/// No state waits for ever but those that may.
fn bounded(bench: &Bench) -> bool {
    let unbounded = matches!(bench.state(), State::Stopped);
    unbounded || bench.session.poll_timeout(bench.now).is_some()
}

/// An action without its random parts.
fn short(action: &Action) -> String {
    match action {
        Action::Notify(Notice::Disconnected {
            cause, retry_in, ..
        }) => {
            let wait = match retry_in.as_millis() {
                0 => "0",
                1..=500 => "0..0.5 s",
                501..=1000 => "0.5..1 s",
                1001..=5000 => "1..5 s",
                60_000..=75_000 => "60..75 s",
                _ => "?",
            };
            format!("disconnected ({cause:?}), back in {wait}")
        }
        Action::Notify(notice) => format!("{notice:?}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_input_in_every_state_does_what_the_table_says() {
    let table = table();
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/session/simulation/matrix.txt"
    );
    if std::env::var_os("SHARDSTREAM_BLESS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    println!("{} states x {} inputs\n{table}", STATES.len(), INPUTS.len());
    let reviewed = std::fs::read_to_string(path).unwrap();
    for (line, (now, then)) in table.lines().zip(reviewed.lines()).enumerate() {
        assert_eq!(now, then, "line {}", line + 1);
    }
    assert_eq!(table.lines().count(), reviewed.lines().count());
}

#[test]
fn the_table_reaches_every_state() {
    for state in [
        State::Backoff,
        State::AwaitConnection,
        State::AwaitHello,
        State::AwaitPermit,
        State::AwaitReady,
        State::AwaitResumed,
        State::Active,
        State::AwaitClose,
        State::Stopped,
    ] {
        let reached = STATES.iter().any(|(_, held, steps)| {
            let mut bench = held.map_or_else(|| Bench::new(1), Bench::resuming);
            for step in *steps {
                step(&mut bench);
            }
            bench.state() == state
        });
        assert!(reached, "{state:?}");
    }
}

/// Timers are inputs too: each state's own deadline leads somewhere.
#[test]
fn every_deadline_leads_out_of_its_state_or_beats() {
    for (name, held, steps) in STATES {
        let mut bench = held.map_or_else(|| Bench::new(1), Bench::resuming);
        for step in steps {
            step(&mut bench);
        }
        if bench.state() == State::Stopped {
            continue;
        }
        let state = bench.state();
        let mut left = false;
        for _ in 0..8 {
            bench.elapse();
            left |= bench.state() != state || !bench.sent().is_empty();
        }
        assert!(left, "{name}");
        assert!(bench.now.elapsed() < secs(3600));
    }
}
