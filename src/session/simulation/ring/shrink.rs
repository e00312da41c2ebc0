//! Which of the faults does it take? Cuts a schedule down to one that still violates.

use super::{
    schedule::{Fault, Kind, Schedule},
    world::{Violation, replay},
};

/// Runs at most; each takes a few milliseconds.
const RUNS_MAX: usize = 3000;

/// The smallest schedule found that still shows a violation of the same invariant.
pub(crate) fn shrink(violation: &Violation) -> Schedule {
    let mut shrinker = Shrinker {
        best: (*violation.schedule).clone(),
        invariant: invariant(&violation.what).to_owned(),
        runs: 0,
    };
    // What comes after it is not needed.
    let mut cut = shrinker.best.clone();
    cut.faults.retain(|fault| fault.at <= violation.at);
    shrinker.attempt(cut);
    let mut before = usize::MAX;
    while before != shrinker.weight() && shrinker.runs < RUNS_MAX {
        before = shrinker.weight();
        shrinker.drop_faults();
        shrinker.drop_shards();
        shrinker.simplify();
    }
    shrinker.best
}

fn invariant(what: &str) -> &str {
    what.split(':').next().unwrap_or(what)
}

struct Shrinker {
    best: Schedule,
    invariant: String,
    runs: usize,
}

impl Shrinker {
    /// Takes `candidate` if it still fails in the same way.
    fn attempt(&mut self, candidate: Schedule) -> bool {
        if self.runs >= RUNS_MAX || candidate == self.best {
            return false;
        }
        self.runs += 1;
        let fails = replay(&candidate).is_err_and(|found| invariant(&found.what) == self.invariant);
        if fails {
            self.best = candidate;
        }
        fails
    }

    fn weight(&self) -> usize {
        let faults = self.best.faults.iter();
        let args = faults.map(|fault| {
            usize::try_from(fault.at).unwrap_or(0) + arguments(fault.kind).iter().sum::<usize>()
        });
        self.best.faults.len() + self.best.shards + args.sum::<usize>()
    }

    /// Delta debugging: halves, quarters, and so on down to single faults.
    fn drop_faults(&mut self) {
        let mut parts = 2;
        while !self.best.faults.is_empty() {
            let len = self.best.faults.len();
            let size = len.div_ceil(parts);
            let mut dropped = false;
            let mut from = 0;
            while from < self.best.faults.len() {
                let mut candidate = self.best.clone();
                let to = (from + size).min(candidate.faults.len());
                candidate.faults.drain(from..to);
                if self.attempt(candidate) {
                    dropped = true;
                } else {
                    from = to;
                }
            }
            if size == 1 && !dropped {
                return;
            }
            parts = if dropped {
                2.max(parts - 1)
            } else {
                (parts * 2).min(len)
            };
        }
    }

    fn drop_shards(&mut self) {
        for gone in (0..self.best.shards).rev() {
            if self.best.shards == 1 {
                return;
            }
            let mut candidate = self.best.clone();
            candidate.shards -= 1;
            candidate.faults.retain(|fault| fault.shard != gone);
            for fault in &mut candidate.faults {
                fault.shard -= usize::from(fault.shard > gone);
            }
            self.attempt(candidate);
        }
    }

    /// Earlier times, smaller arguments, a calmer world.
    fn simplify(&mut self) {
        for index in 0..self.best.faults.len() {
            let Fault { at, kind, .. } = self.best.faults[index];
            for smaller in [kind.halved(), kind.least()].into_iter().flatten() {
                let mut candidate = self.best.clone();
                candidate.faults[index].kind = smaller;
                self.attempt(candidate);
            }
            for earlier in [at / 2, at / 1000 * 1000] {
                let mut candidate = self.best.clone();
                candidate.faults[index].at = earlier;
                candidate
                    .faults
                    .sort_by_key(|fault| (fault.at, fault.shard));
                self.attempt(candidate);
            }
        }
        let last = self.best.faults.last().map_or(0, |fault| fault.at);
        let minute = (last / 60_000 + 1) * 60_000;
        let calmer: [fn(&mut Schedule); 4] = [
            |schedule| schedule.buffer = 1024,
            |schedule| schedule.places = 128,
            |schedule| schedule.total = 1000,
            |schedule| schedule.latency = 20,
        ];
        for calm in calmer {
            let mut candidate = self.best.clone();
            calm(&mut candidate);
            self.attempt(candidate);
        }
        let mut candidate = self.best.clone();
        candidate.span = minute;
        self.attempt(candidate);
    }
}

fn arguments(kind: Kind) -> Vec<usize> {
    let text = format!("{kind:?}");
    let numbers = text.split(|unit: char| !unit.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

impl Kind {
    /// With its number halved, where it has one that may be any.
    fn halved(self) -> Option<Self> {
        self.with(|number| number / 2)
    }

    fn least(self) -> Option<Self> {
        self.with(|_| 1)
    }

    fn with(self, change: fn(u64) -> u64) -> Option<Self> {
        let few = |count: u32| {
            u32::try_from(change(u64::from(count)))
                .unwrap_or(count)
                .max(1)
        };
        Some(match self {
            Self::Latency { ms } => Self::Latency {
                ms: change(ms).max(1),
            },
            Self::Down { ms, how } => Self::Down {
                ms: change(ms),
                how,
            },
            Self::Busy { ms, after_s } => Self::Busy {
                ms: change(ms),
                after_s,
            },
            Self::ResumeUrlDown { ms, how } => Self::ResumeUrlDown {
                ms: change(ms),
                how,
            },
            Self::NoHello { times } => Self::NoHello { times: few(times) },
            Self::BadHello { times } => Self::BadHello { times: few(times) },
            Self::ReconnectFirst { times } => Self::ReconnectFirst { times: few(times) },
            Self::NoReady { times } => Self::NoReady { times: few(times) },
            Self::SlowReady { ms } => Self::SlowReady { ms: change(ms) },
            Self::BadReady { times } => Self::BadReady { times: few(times) },
            Self::RefuseIdentify { times } => Self::RefuseIdentify { times: few(times) },
            Self::NoResumed { times } => Self::NoResumed { times: few(times) },
            Self::RefuseResume { times } => Self::RefuseResume { times: few(times) },
            Self::ReadyOnResume { times } => Self::ReadyOnResume { times: few(times) },
            Self::CloseAfterResumed { times } => Self::CloseAfterResumed { times: few(times) },
            Self::NoClose { times } => Self::NoClose { times: few(times) },
            Self::Burst { count } => Self::Burst { count: few(count) },
            Self::Garble { count, seq } => Self::Garble {
                count: few(count),
                seq,
            },
            Self::Repeat { count } => Self::Repeat { count: few(count) },
            Self::Skip { count } => Self::Skip { count: few(count) },
            Self::Unnumbered { count } => Self::Unnumbered { count: few(count) },
            Self::LateAcks { ms } => Self::LateAcks { ms: change(ms) },
            Self::DieAfterReady { times } => Self::DieAfterReady { times: few(times) },
            Self::SlowReplay { ms } => Self::SlowReplay { ms: change(ms) },
            Self::Nag { times } => Self::Nag { times: few(times) },
            Self::Ask { times } => Self::Ask { times: few(times) },
            Self::Pause { ms } => Self::Pause { ms: change(ms) },
            Self::Commands { count } => Self::Commands { count: few(count) },
            Self::Presences { count } => Self::Presences { count: few(count) },
            Self::Restart { ms, keep } => Self::Restart {
                ms: change(ms),
                keep,
            },
            Self::Crash { ms } => Self::Crash { ms: change(ms) },
            Self::NoToken { ms } => Self::NoToken { ms: change(ms) },
            Self::LateTimers { ms } => Self::LateTimers { ms: change(ms) },
            Self::Suspend { ms } => Self::Suspend { ms: change(ms) },
            _ => return None,
        })
    }
}
