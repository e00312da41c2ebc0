//! What came out: one JSON value, and tables in Markdown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::Serialize;

use super::{
    jobs::{COMPRESSIONS, Case, SHARDSTREAM, TWILIGHT},
    machine::Machine,
    run::{About, Outcome, Report, Runner},
};

#[derive(Serialize)]
pub struct Results {
    pub machine: Machine,
    pub rounds: usize,
    pub traces: BTreeMap<String, About>,
    pub skipped: BTreeSet<String>,
    pub outcomes: Vec<Outcome>,
}

impl Results {
    pub fn new(outcomes: Vec<Outcome>, runner: &Runner, machine: Machine, rounds: usize) -> Self {
        let (traces, skipped) = (runner.traces.clone(), runner.skipped.clone());
        Self {
            machine,
            rounds,
            traces,
            skipped,
            outcomes,
        }
    }
}

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

impl Report {
    /// CPU of an event on the wire, in nanoseconds.
    pub fn cpu_ns(&self) -> f64 {
        (self.user_ns + self.system_ns) as f64 / self.frames.max(1) as f64
    }

    /// Events on the wire a second.
    fn rate(&self) -> f64 {
        self.frames as f64 * 1e9 / self.wall_ns.max(1) as f64
    }
}

impl Outcome {
    pub fn median(&self, of: impl Fn(&Report) -> f64) -> Option<f64> {
        median(self.runs.iter().flatten().map(of).collect())
    }
}

impl Results {
    pub fn of(&self, case: Case) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(move |outcome| outcome.job.case == case)
    }

    fn find(&self, case: Case, client: &str, trace: &str, at: (&str, &str)) -> Option<&Outcome> {
        let (compression, mode) = at;
        self.of(case).find(|Outcome { job, .. }| {
            (job.client, job.trace, job.compression, job.mode) == (client, trace, compression, mode)
        })
    }

    /// How many times the CPU of this one twilight takes: the median of the rounds, each a pair.
    pub fn ratio(&self, outcome: &Outcome) -> Option<f64> {
        let job = &outcome.job;
        let mode = if job.mode == "own" {
            "narrowed"
        } else {
            job.mode
        };
        let base = self.find(job.case, TWILIGHT, job.trace, (job.compression, mode))?;
        let pairs = base.runs.iter().zip(&outcome.runs);
        let ratio = |(base, this): (&Option<Report>, &Option<Report>)| {
            Some(base.as_ref()?.cpu_ns() / this.as_ref()?.cpu_ns())
        };
        median(pairs.filter_map(ratio).collect())
    }
}

/// A row of the goals: the cases it is about, and what is to be reached.
struct Goal {
    name: &'static str,
    cells: &'static [(Case, &'static str, &'static str)],
    goals: [f64; 3],
}

const GOALS: &[Goal] = &[
    Goal {
        name: "mixed and no presences, burst, current_thread",
        cells: &[
            (Case::Burst, "mixed", "all"),
            (Case::Burst, "nopres", "all"),
        ],
        goals: [3.2, 1.95, 2.1],
    },
    Goal {
        name: "the same, multi_thread, consumer in main",
        cells: &[(Case::Main, "mixed", "all"), (Case::Main, "nopres", "all")],
        goals: [2.8, 1.8, 1.9],
    },
    Goal {
        name: "narrowed set or own five-field struct, burst, current_thread",
        cells: &[
            (Case::Narrowed, "mixed", "narrowed"),
            (Case::Narrowed, "nopres", "narrowed"),
            (Case::Narrowed, "mixed", "own"),
            (Case::Narrowed, "nopres", "own"),
        ],
        goals: [3.3, 1.8, 1.9],
    },
    Goal {
        name: "start-up trace",
        cells: &[(Case::Startup, "startup", "all")],
        goals: [2.9, 2.6, 2.4],
    },
    Goal {
        name: "raw, burst, mixed",
        cells: &[(Case::Raw, "mixed", "raw")],
        goals: [1.2, 1.2, 1.1],
    },
    Goal {
        name: "paced, one event per 200 us, current_thread",
        cells: &[(Case::Paced, "mixed", "all")],
        goals: [1.7, 1.5, 1.45],
    },
    Goal {
        name: "paced, multi_thread, consumer in main",
        cells: &[(Case::PacedMain, "mixed", "all")],
        goals: [1.0, 1.0, 1.0],
    },
];

pub fn markdown(results: &Results) -> String {
    let mut out = String::new();
    about(results, &mut out);
    goals(results, &mut out);
    ahead(results, &mut out);
    for (case, title) in [
        (Case::Burst, "Burst, all events typed, current_thread"),
        (
            Case::Main,
            "Burst, all events typed, multi_thread, consumer in main",
        ),
        (
            Case::Spawn,
            "Burst, all events typed, multi_thread, consumer in a task",
        ),
        (Case::Narrowed, "Two kinds of events, burst, current_thread"),
        (Case::Startup, "Start-up: a thousand guilds, current_thread"),
        (Case::Raw, "Raw frames, burst, current_thread"),
        (Case::Paced, "An event every 200 us, current_thread"),
        (
            Case::PacedMain,
            "An event every 200 us, multi_thread, consumer in main",
        ),
        (
            Case::Backends,
            "Other back ends of this crate, burst, current_thread",
        ),
    ] {
        table(results, case, title, &mut out);
    }
    allocations(results, &mut out);
    memory(results, &mut out);
    merge(results, &mut out);
    idle(results, &mut out);
    out
}

/// Writing to a text cannot fail.
macro_rules! line {
    ($out:expr, $($arg:tt)*) => {{
        let _ = writeln!($out, $($arg)*);
    }};
}

fn about(results: &Results, out: &mut String) {
    let Machine {
        cpu,
        cores,
        kernel,
        rustc,
        date,
        load,
        versions,
    } = &results.machine;
    line!(out, "# What a gateway client costs\n");
    line!(
        out,
        "{date}, {cpu}, {cores} cores, Linux {kernel}, {rustc}; load {load} at the start; "
    );
    line!(
        out,
        "{} rounds. Written by `benches/compare/run`; how: `benches/compare/README.md`.\n",
        results.rounds
    );
    let crates: Vec<_> = versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    line!(out, "Locked: {}.\n", crates.join(", "));
    let mut seen = BTreeMap::new();
    for outcome in &results.outcomes {
        for report in outcome.runs.iter().flatten() {
            if let Some(version) = &report.version {
                seen.insert(outcome.job.client, version);
            }
        }
    }
    if !seen.is_empty() {
        let seen: Vec<_> = seen
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        line!(out, "Installed: {}.\n", seen.join(", "));
    }
    if !results.skipped.is_empty() {
        let skipped: Vec<_> = results.skipped.iter().map(String::as_str).collect();
        line!(
            out,
            "Skipped, for they were not there: {}.\n",
            skipped.join(", ")
        );
    }
    line!(
        out,
        "| trace | events | bytes each | zlib | zstd |\n|---|---|---|---|---|"
    );
    for (name, about) in &results.traces {
        let About {
            events,
            mean_bytes,
            zlib_ratio,
            zstd_ratio,
            ..
        } = about;
        if *events > 0 {
            line!(
                out,
                "| {name} | {events} | {mean_bytes:.0} | {zlib_ratio:.2}x | {zstd_ratio:.2}x |"
            );
        }
    }
}

fn goals(results: &Results, out: &mut String) {
    line!(out, "\n## Against twilight-gateway\n");
    line!(
        out,
        "How many times less CPU an event takes, user and system, with the same compression"
    );
    line!(
        out,
        "and runtime flavour. In brackets the goal, and what each part of the cell reached.\n"
    );
    line!(
        out,
        "| all events typed | none | zlib | zstd |\n|---|---|---|---|"
    );
    for goal in GOALS {
        let cell = |(compression, wanted): (&str, &f64)| {
            let parts = goal.cells.iter().filter_map(|&(case, trace, mode)| {
                let outcome = results.find(case, SHARDSTREAM, trace, (compression, mode))?;
                Some((trace, mode, results.ratio(outcome)?))
            });
            let parts: Vec<_> = parts.collect();
            let least = parts
                .iter()
                .map(|(.., ratio)| *ratio)
                .fold(f64::INFINITY, f64::min);
            if parts.is_empty() {
                return "-".to_owned();
            }
            let mark = if least >= *wanted { "" } else { " **missed**" };
            let each: Vec<_> = parts
                .iter()
                .map(|(trace, mode, ratio)| {
                    let own = if *mode == "own" { " own" } else { "" };
                    format!("{trace}{own} {ratio:.2}")
                })
                .collect();
            let each = if each.len() > 1 {
                format!("; {}", each.join(", "))
            } else {
                String::new()
            };
            format!("{least:.2}x{mark} (goal {wanted}{each})")
        };
        let cells: Vec<_> = COMPRESSIONS
            .into_iter()
            .zip(&goal.goals)
            .map(cell)
            .collect();
        line!(out, "| {} | {} |", goal.name, cells.join(" | "));
    }
}

/// Who takes less than this crate, in any case where it takes part.
fn ahead(results: &Results, out: &mut String) {
    let (mut all, mut compared) = (Vec::new(), 0);
    for outcome in &results.outcomes {
        let job = &outcome.job;
        let at = (job.compression, job.mode);
        let ours = results.find(job.case, SHARDSTREAM, job.trace, at);
        let cpu = |outcome: &Outcome| outcome.median(Report::cpu_ns);
        let is_timed = job.task == "events" && job.case != Case::Allocations;
        // Others' back ends are not this crate's.
        let is_other = !job.client.starts_with(SHARDSTREAM);
        let pair = ours.and_then(cpu).zip(cpu(outcome));
        let Some((ours, its)) = pair.filter(|_| is_timed && is_other) else {
            continue;
        };
        compared += 1;
        if its < ours {
            let (case, trace, compression) = (job.case.name(), job.trace, job.compression);
            all.push(format!("{} ({case}, {trace}, {compression})", job.client));
        }
    }
    if !all.is_empty() {
        line!(out, "\nAhead of this crate: {}.", all.join("; "));
    } else if compared > 0 {
        line!(
            out,
            "\nNo other client takes less in any of the {compared} places where one was compared."
        );
    }
}

fn table(results: &Results, case: Case, title: &str, out: &mut String) {
    let outcomes: Vec<_> = results
        .of(case)
        .filter(|outcome| !outcome.runs.is_empty())
        .collect();
    if outcomes.is_empty() {
        return;
    }
    line!(out, "\n## {title}\n");
    line!(
        out,
        "| trace | client | compression | mode | CPU ns an event | least-most | twilight takes \
         | events/s | peak MB |"
    );
    line!(out, "|---|---|---|---|---|---|---|---|---|");
    for outcome in outcomes {
        let job = &outcome.job;
        let values: Vec<_> = outcome.runs.iter().flatten().map(Report::cpu_ns).collect();
        let Some(cpu) = median(values.clone()) else {
            line!(
                out,
                "| {} | {} | {} | {} | failed | | | | |",
                job.trace,
                job.client,
                job.compression,
                job.mode
            );
            continue;
        };
        let (least, most) = values
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |(least, most), &value| {
                (least.min(value), most.max(value))
            });
        let ratio = results
            .ratio(outcome)
            .map_or_else(String::new, |ratio| format!("{ratio:.2}x"));
        let rate = outcome.median(Report::rate).unwrap_or_default();
        let peak = outcome
            .median(|report| report.peak_kb as f64 / 1024.0)
            .unwrap_or_default();
        line!(
            out,
            "| {} | {} | {} | {} | {cpu:.0} | {least:.0}-{most:.0} | {ratio} | {rate:.0} \
             | {peak:.1} |",
            job.trace,
            job.client,
            job.compression,
            job.mode,
        );
    }
}

fn allocations(results: &Results, out: &mut String) {
    let outcomes: Vec<_> = results.of(Case::Allocations).collect();
    if outcomes.is_empty() {
        return;
    }
    line!(out, "\n## Allocations of an event on the wire\n");
    line!(
        out,
        "By builds of their own that count every call of the allocator, growing included. Goals \
         without compression: 6 typed, 0.5 own, 0.05 raw.\n"
    );
    line!(
        out,
        "| trace | client | mode | allocations | bytes |\n|---|---|---|---|---|"
    );
    for outcome in outcomes {
        let job = &outcome.job;
        let each = |of: fn(&Report) -> u64| {
            outcome
                .median(|report| of(report) as f64 / report.frames as f64)
                .unwrap_or(f64::NAN)
        };
        let (calls, bytes) = (
            each(|report| report.allocations),
            each(|report| report.allocated),
        );
        line!(
            out,
            "| {} | {} | {} | {calls:.2} | {bytes:.0} |",
            job.trace,
            job.client,
            job.mode
        );
    }
}

fn memory(results: &Results, out: &mut String) {
    let outcomes: Vec<_> = results.of(Case::Memory).collect();
    if outcomes.is_empty() {
        return;
    }
    line!(out, "\n## Memory of an idle shard\n");
    line!(
        out,
        "500 shards in one process, each after a READY of 72 KB and 500 messages; resident memory \
         above that of the process before, by shard, in KB; without TLS. The messages come as fast \
         as they are read, on one shard after the other (goals: 14, 60, 480), or on all at once.\n"
    );
    line!(
        out,
        "| client | messages | none | zlib | zstd |\n|---|---|---|---|---|"
    );
    for (is_paced, name) in [(true, "in turn"), (false, "at once")] {
        for client in [SHARDSTREAM, TWILIGHT] {
            let cell = |compression| {
                let found = outcomes.iter().find(|Outcome { job, .. }| {
                    (job.client, job.compression, job.is_paced) == (client, compression, is_paced)
                });
                let value = found.and_then(|it| it.median(|run| run.resident_kb_per_shard));
                value.map_or_else(|| "-".to_owned(), |kb| format!("{kb:.1}"))
            };
            line!(
                out,
                "| {client} | {name} | {} |",
                COMPRESSIONS.map(cell).join(" | ")
            );
        }
    }
}

fn merge(results: &Results, out: &mut String) {
    let cpu = |shards| {
        let outcome = results
            .of(Case::Merge)
            .find(|outcome| outcome.job.shards == shards)?;
        outcome.median(Report::cpu_ns)
    };
    if let (Some(one), Some(many)) = (cpu(1), cpu(1_000)) {
        line!(out, "\n## Merging\n");
        line!(
            out,
            "The same 400,000 small events through one `ShardEventStream`, out of memory: from \
             one shard {one:.0} ns an event, from 1,000 shards {many:.0} ns; {:+.0} ns (goal: at \
             most +150).",
            many - one
        );
    }
}

fn idle(results: &Results, out: &mut String) {
    let outcomes: Vec<_> = results.of(Case::Idle).collect();
    if outcomes.is_empty() {
        return;
    }
    line!(out, "\n## 2,000 idle shards\n");
    line!(
        out,
        "Connected in one process, beating every 41.25 s, watched for 60 s; percent of one core \
         (goal: below 2).\n"
    );
    for outcome in outcomes {
        let percent = outcome
            .median(|report| report.cpu_percent)
            .unwrap_or(f64::NAN);
        line!(out, "- {}: {percent:.2} %", outcome.job.client);
    }
}
