//! Seeds by the thousand.
//!
//! `SIM_SEEDS` says how many: so many of this ring, spread over the profiles (ring 2 takes half of
//! it), and a hundred cuts for each in the test of the cuts. By default as many as take a few
//! seconds in a build without optimisation. `SIM_SEEDS=10000 cargo test --release --lib simulation`
//! is what a change of the rules wants; `SIM_FIRST` is the first seed, where others are wanted.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Options, Profile, Report, Schedule, Violation,
    dice::Dice,
    replay, run,
    schedule::{Fault, Kind},
    shrink,
};

/// Hello's heartbeat interval, but where a second Hello names another.
const INTERVAL: Duration = Duration::from_millis(41_250);
/// So many seeds where nothing else is asked for.
const SEEDS: u64 = 96;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

fn seeds() -> u64 {
    number("SIM_SEEDS").unwrap_or(SEEDS)
}

/// What all runs come to.
#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    begun: Option<Instant>,
    total: Report,
    longest: Duration,
    links: usize,
    violations: Vec<Violation>,
}

impl Sum {
    fn add(&mut self, ran: Result<Report, Violation>) {
        self.seeds += 1;
        match ran {
            Ok(report) => {
                let total = &mut self.total;
                total.time += report.time;
                total.steps += report.steps;
                total.connects += report.connects;
                total.cuts += report.cuts;
                total.identifies += report.identifies;
                total.resumes += report.resumes;
                total.events += report.events;
                total.replayed += report.replayed;
                total.fatal += report.fatal;
                for (took, interval) in report.found {
                    self.links += 1;
                    if interval == INTERVAL {
                        self.longest = self.longest.max(took);
                    }
                }
            }
            Err(violation) => self.violations.push(violation),
        }
    }

    fn print(&self, what: &str) {
        let total = &self.total;
        println!(
            "{what}: {} seeds, {} simulated hours, {} steps, {} connects, {} cuts, {} resumes, \
             {} identifies, {} shards ended as they had to; {} events delivered ({} replayed), \
             lost 0, doubled 0, out of order 0; {} dead links found, the slowest after {:?}; \
             {:.1?}",
            self.seeds,
            total.time.as_secs() / 3600,
            total.steps,
            total.connects,
            total.cuts,
            total.resumes,
            total.identifies,
            total.fatal,
            total.events,
            total.replayed,
            self.links,
            self.longest,
            self.begun.map(|begun| begun.elapsed()).unwrap_or_default(),
        );
    }

    /// Shows what was found: how much of each kind, and the first of each, cut down.
    fn judge(&self) {
        if self.violations.is_empty() {
            return;
        }
        let mut kinds = BTreeMap::<&str, Vec<&Violation>>::new();
        for violation in &self.violations {
            let kind = violation.what.split(':').next().unwrap_or_default();
            kinds.entry(kind).or_default().push(violation);
        }
        for (kind, all) in &kinds {
            let first = all[0];
            let minimal = shrink(first);
            let what = replay(&minimal).expect_err("it still fails").what;
            println!(
                "{kind}: {} times; the first: {}\n  seed {}, {:?}, {} faults; with {}: {what}\n{}",
                all.len(),
                first.what,
                first.schedule.seed,
                first.schedule.profile,
                first.schedule.faults().len(),
                minimal.faults().len(),
                minimal.literal(),
            );
        }
        panic!(
            "{} of {} runs violate {:?}",
            self.violations.len(),
            self.seeds,
            kinds.keys()
        );
    }
}

/// Runs `seeds` runs on all processors; `make` says what run a seed is.
fn all(seeds: u64, make: impl Fn(u64) -> Result<Report, Violation> + Sync) -> Sum {
    let begun = Some(Instant::now());
    let sum = Mutex::new(Sum {
        begun,
        ..Sum::default()
    });
    let next = AtomicU64::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let ran = make(seed);
                    sum.lock().unwrap().add(ran);
                }
            });
        }
    });
    sum.into_inner().unwrap()
}

fn spread(seed: u64) -> Profile {
    Profile::ALL[usize::try_from(seed).unwrap() % Profile::ALL.len()]
}

/// Goal: no invariant is ever violated, and a dead link is found within the heartbeat interval and
/// eight seconds. Method: each seed an hour of faults and twenty minutes without.
#[test]
fn whatever_happens_nothing_that_must_not_be_is() {
    let first = number("SIM_FIRST").unwrap_or(0);
    let sum = all(seeds(), |seed| {
        run(first + seed, spread(seed), &Options::default())
    });
    sum.print("ring 1");
    sum.judge();
    assert!(sum.longest <= INTERVAL + Duration::from_secs(8));
    assert!(sum.links > 0 && sum.total.cuts > sum.seeds);
}

/// Goal: 0 lost, 0 doubled, 0 out of order, however often a connection is cut. Method: cuts at
/// random moments, in handshakes and replays, too; never three in a row so close that the session
/// has to be given up, so each event must arrive in the end. A hundred cuts for each seed asked
/// for: a million with `SIM_SEEDS=10000`.
#[test]
fn a_million_random_cuts_lose_double_and_reorder_nothing() {
    const CUTS: u64 = 1350;
    let sum = all((seeds() / 10).max(4), |seed| replay(&cuts(seed, CUTS)));
    sum.print("cuts");
    sum.judge();
    assert_eq!(sum.total.identifies, sum.seeds, "every session was resumed");
    assert!(sum.total.cuts >= sum.seeds * 1000, "{}", sum.total.cuts);
    assert!(sum.total.replayed > sum.total.cuts / 2);
}

fn cuts(seed: u64, count: u64) -> Schedule {
    let mut dice = Dice::new(seed, 3);
    let mut schedule = Schedule::new(
        seed,
        Profile::Calm,
        &Options {
            shards: Some(1),
            ..Options::default()
        },
    );
    (schedule.pace, schedule.keeps, schedule.latency) = (700, 86_400_000, dice.pick(&[1, 20, 60]));
    let mut at = 5000;
    schedule.faults = (0..count)
        .map(|index| {
            // Two at any moment, and then time enough for what is replayed to arrive.
            at += if index % 3 == 2 {
                dice.within(7000, 9000)
            } else {
                dice.within(300, 7000)
            };
            Fault {
                at,
                shard: 0,
                kind: Kind::Cut,
            }
        })
        .collect();
    schedule.span = at + 1000;
    schedule
}

/// Goal: no day takes more than nine tenths of the identifies, and no state lasts for ever.
/// Method: two days of each profile, QQ's among them.
#[test]
fn two_days_of_every_profile_keep_the_budget_and_every_deadline() {
    let rounds = (seeds() / 1000).clamp(1, 25);
    let profiles = u64::try_from(Profile::ALL.len()).unwrap();
    let sum = all(rounds * profiles, |seed| {
        let shards = usize::try_from(1 + seed / profiles % 4).unwrap();
        let options = Options {
            hours: Some(48),
            shards: Some(shards),
        };
        let mut schedule = Schedule::new(seed, spread(seed), &options);
        // The days are long enough without.
        schedule.pace = 60_000;
        replay(&schedule)
    });
    sum.print("two days");
    sum.judge();
}

#[test]
fn the_same_schedule_gives_the_same_life_and_another_seed_another() {
    for seed in 0..16 {
        let options = Options::default();
        let life = |seed| run(seed, spread(seed), &options).map_err(|found| found.to_string());
        assert_eq!(life(seed), life(seed), "seed {seed}");
        assert_ne!(
            life(seed).map(|report| report.hash),
            life(seed + 8).map(|report| report.hash)
        );
    }
}

/// Goal: what happens to one shard changes nothing for another, unless they wait for the same
/// permits. Method: runs with a bucket for each shard, and the same without one shard's faults.
#[test]
fn the_faults_of_one_shard_change_nothing_for_another() {
    for seed in 0..20 {
        let profile =
            [Profile::Office, Profile::Lawyer, Profile::Storm][usize::try_from(seed % 3).unwrap()];
        let options = Options {
            shards: Some(3),
            ..Options::default()
        };
        let mut schedule = Schedule::new(seed, profile, &options);
        (schedule.concurrency, schedule.total) = (16, 1_000_000);
        let mut without = schedule.clone();
        without.faults.retain(|fault| fault.shard != 1);
        let (with, without) = (replay(&schedule).unwrap(), replay(&without).unwrap());
        assert_ne!(with.hashes[1], without.hashes[1], "seed {seed}");
        for other in [0, 2] {
            assert_eq!(
                with.hashes[other], without.hashes[other],
                "seed {seed}, shard {other}"
            );
        }
    }
}

#[test]
fn a_quiet_day_is_one_connection_and_one_identify() {
    let options = Options {
        hours: Some(24),
        shards: Some(1),
    };
    let mut schedule = Schedule::new(1, Profile::Calm, &options);
    schedule.faults.clear();
    let report = replay(&schedule).unwrap();
    assert_eq!(
        (report.connects, report.identifies, report.resumes),
        (1, 1, 0)
    );
    assert!(report.events > 1000, "{}", report.events);
}

#[test]
fn half_a_day_of_qq_is_a_resume_every_half_hour_and_one_identify() {
    let options = Options {
        hours: Some(12),
        shards: Some(1),
    };
    let mut schedule = Schedule::new(1, Profile::Qq, &options);
    schedule.faults.clear();
    let report = replay(&schedule).unwrap();
    assert_eq!(report.identifies, 1);
    assert!((23..=25).contains(&report.resumes), "{}", report.resumes);
}

#[test]
fn an_outage_of_six_hours_is_followed_by_a_resume() {
    let options = Options {
        hours: Some(7),
        shards: Some(1),
    };
    let mut schedule = Schedule::new(9, Profile::Calm, &options);
    schedule.keeps = 86_400_000;
    let down = Kind::Down {
        ms: 6 * 3_600_000,
        how: 0,
    };
    schedule.faults = [down, Kind::Cut]
        .map(|kind| Fault {
            at: 600_000,
            shard: 0,
            kind,
        })
        .into();
    let report = replay(&schedule).unwrap();
    assert_eq!(
        (report.identifies, report.resumes, report.connects),
        (1, 1, 2)
    );
}

/// Goal: a schedule can be pasted. Method: those of `regress.rs` print as they stand there.
#[test]
fn a_printed_schedule_is_the_rust_that_makes_it() {
    let plain = |text: &str| text.replace([' ', '\n', ','], "");
    let source = plain(include_str!("regress.rs"));
    for schedule in super::regress::ALL {
        let literal = plain(&schedule().literal());
        assert!(source.contains(&literal), "{literal}");
    }
}
