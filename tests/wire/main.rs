//! Does a whole shard survive the wire? Everything but the socket is real: driver, WebSocket,
//! inflate, JSON, typed events. The wire is a pipe in memory that shortens, delays and breaks what
//! goes through it, as a schedule says that was made from a seed; time is paused, so that hours of
//! backoff cost nothing.
//!
//! | variable | what it does |
//! |---|---|
//! | `SIM_SEEDS` | half of so many seeds are run, and as many cuts; by default few |
//! | `SIM_SEED` | only this seed is run, with all that its users saw |
//!
//! Each run ends with a phase without faults in which every shard has to be active again. What must
//! hold is in [`rules`].
#![cfg(all(
    feature = "discord",
    feature = "qq",
    feature = "local-gateway",
    feature = "http"
))]

mod bot;
mod pipe;
mod plan;
mod rules;
mod shrink;
mod walk;
mod world;

use std::{
    env,
    io::{self, Write as _},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use plan::Plan;
use world::{Outcome, run};

/// Where the environment does not say how many.
const SEEDS: u64 = 110;
const CUTS: u64 = 200;
/// In one run of [`Plan::of_cuts`].
const CUTS_A_RUN: u64 = 100;

/// What the environment asks for.
fn asked() -> Option<u64> {
    let seeds = env::var("SIM_SEEDS").ok()?;
    Some(seeds.parse().expect("SIM_SEEDS is a number"))
}

/// The sum of all runs; panics with the first that was wrong, its schedule made small.
fn all(count: u64, plan: impl Fn(u64) -> Plan + Sync) -> Outcome {
    let next = AtomicU64::new(0);
    let sum = Mutex::new(Outcome::default());
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        return;
                    }
                    let plan = plan(seed);
                    let outcome = run(&plan);
                    if !outcome.problems.is_empty() {
                        // The others need not go on.
                        next.store(count, Ordering::Relaxed);
                        panic!("{}", shrink::report(&plan, &outcome));
                    }
                    let mut sum = sum.lock().expect("nothing panics under this lock");
                    sum.cuts += outcome.cuts;
                    sum.events += outcome.events;
                    sum.identifies += outcome.identifies;
                    sum.lost_sessions += outcome.lost_sessions;
                    sum.silences += outcome.silences;
                    sum.silence_max = sum.silence_max.max(outcome.silence_max);
                }
            });
        }
    });
    sum.into_inner().expect("nothing panics under this lock")
}

/// Past the harness, which shows nothing of a test that passes.
fn print(line: &str) {
    io::stderr().write_all(line.as_bytes()).expect("stderr");
}

/// Goal: every event is given once and in order, or its loss is told; nobody hangs, connects twice
/// or misbehaves; a dead link is found in time. Method: schedules from seeds, see [`plan`].
#[test]
fn a_shard_survives_whatever_the_wire_does() {
    if let Ok(seed) = env::var("SIM_SEED") {
        let plan = Plan::new(seed.parse().expect("SIM_SEED is a number"));
        let outcome = run(&plan);
        print(&format!("{plan:#?}\n{outcome:#?}\n"));
        assert!(
            outcome.problems.is_empty(),
            "{}",
            shrink::report(&plan, &outcome)
        );
        return;
    }
    let seeds = asked().map_or(SEEDS, |seeds| seeds / 2);
    let sum = all(seeds, Plan::new);
    print(&format!(
        "wire | {seeds} seeds: {} events, {} cuts, {} identifies, {} sessions lost and told; \
         {} links fell silent, found {:?} after the interval at most: 0 violations\n",
        sum.events, sum.cuts, sum.identifies, sum.lost_sessions, sum.silences, sum.silence_max,
    ));
    // Else the schedules would be too gentle to tell anything.
    assert!(sum.cuts >= seeds / 2 && sum.silences >= seeds / 10 && sum.lost_sessions >= seeds / 50);
    assert!(sum.silence_max <= Duration::from_secs(9));
}

/// Goal: a cut at whatever byte, of either direction, loses nothing, doubles nothing and costs no
/// session. Method: connections that all break, each at a random byte.
#[test]
fn ten_thousand_random_cuts_lose_nothing() {
    let cuts = asked().unwrap_or(CUTS);
    let runs = cuts.div_ceil(CUTS_A_RUN);
    let len = usize::try_from(CUTS_A_RUN).expect("few");
    let sum = all(runs, |seed| Plan::of_cuts(seed, len));
    print(&format!(
        "wire | {} cuts: {} events, 0 lost, 0 doubled, 0 out of order, {} identifies in {runs} \
         sessions\n",
        sum.cuts, sum.events, sum.identifies,
    ));
    assert!(sum.cuts >= runs * CUTS_A_RUN, "{}", sum.cuts);
    assert_eq!(sum.lost_sessions, 0);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..11 {
        let plan = Plan::new(seed);
        let (one, other) = (run(&plan), run(&plan));
        assert_eq!(one.hash, other.hash, "seed {seed}, {}", plan.profile);
        assert!(one.events > 0);
    }
}
