//! Would it notice? Each fault that is planted in the core must be found, and the schedule that
//! found it must shrink to one that a person can read.
//!
//! `cargo test --release --lib planted -- --nocapture` prints the table.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::ring::{Options, Profile, Violation, replay, run, shrink};
use crate::planted::{Planted, with};

/// Runs in which a fault must be found: seeds, each in one profile after the other.
const RUNS_MAX: usize = 1000;
/// Faults in a shrunk schedule, as the median of all.
const MEDIAN_MAX: usize = 5;

/// How a planted fault was found.
struct Found {
    fault: Planted,
    runs: usize,
    violation: Violation,
    shrunk: usize,
}

fn search(fault: Planted) -> Option<(usize, Violation)> {
    (0..RUNS_MAX).find_map(|index| {
        let profile = Profile::ALL[index % Profile::ALL.len()];
        let seed = u64::try_from(index / Profile::ALL.len()).ok()?;
        let violation = with(fault, || run(seed, profile, &Options::default())).err()?;
        Some((index + 1, violation))
    })
}

fn find(fault: Planted) -> Result<Found, String> {
    let Some((runs, violation)) = search(fault) else {
        return Err(format!("{fault:?} is not found in {RUNS_MAX} runs"));
    };
    let schedule = with(fault, || shrink(&violation));
    if with(fault, || replay(&schedule)).is_ok() {
        return Err(format!("{fault:?}: the shrunk schedule shows nothing"));
    }
    // It is the planted fault that was found, and nothing else.
    if let Err(violation) = replay(&schedule) {
        return Err(format!("without {fault:?}: {violation}"));
    }
    let shrunk = schedule.faults().len();
    Ok(Found {
        fault,
        runs,
        violation,
        shrunk,
    })
}

/// Each fault's result, in order, on as many threads as there are cores.
fn find_all() -> Vec<Result<Found, String>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || {
            Planted::ALL
                .get(next.fetch_add(1, Ordering::Relaxed))
                .copied()
        };
        let mine = std::iter::from_fn(take);
        mine.map(|fault| (fault as usize, find(fault)))
            .collect::<Vec<_>>()
    };
    let mut all = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let results = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        results.flatten().collect::<Vec<_>>()
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

/// Goal: the simulation is not blind. Method: faults that libraries of this kind have had are
/// switched on one at a time, and the first of a thousand runs that shows a violation is shrunk.
#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "takes minutes without optimisation, seconds with --release"
)]
fn every_planted_fault_is_found_and_shrinks_to_a_few_faults() {
    let (mut shrunk, mut missed) = (Vec::new(), Vec::new());
    println!("| planted | runs | profile | found by | faults | shrunk |");
    println!("|---|---|---|---|---|---|");
    for result in find_all() {
        match result {
            Ok(found) => {
                let Found {
                    fault,
                    runs,
                    violation,
                    ..
                } = &found;
                let (profile, before) = (
                    violation.schedule.profile,
                    violation.schedule.faults().len(),
                );
                let what: String = violation.what.chars().take(60).collect();
                let after = found.shrunk;
                println!("| {fault:?} | {runs} | {profile:?} | {what} | {before} | {after} |");
                shrunk.push(after);
            }
            Err(problem) => {
                println!("{problem}");
                missed.push(problem);
            }
        }
    }
    shrunk.sort_unstable();
    let median = shrunk.get(shrunk.len() / 2).copied();
    println!(
        "{} of {}, {median:?} faults by the median",
        shrunk.len(),
        Planted::ALL.len()
    );
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(
        median.is_some_and(|median| median <= MEDIAN_MAX),
        "{shrunk:?}"
    );
}
