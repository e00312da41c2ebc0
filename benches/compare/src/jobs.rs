//! What is measured: the cases, and which clients can run them.

use serde::Serialize;

/// Clients that are compared within one case, in the same rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// All events typed, as fast as they are read, one thread.
    Burst,
    /// The same on several threads, the consumer in the main future.
    Main,
    /// The same, the consumer in a task.
    Spawn,
    /// Two kinds of events of all, typed, or as structs of five fields.
    Narrowed,
    /// READY and a thousand guilds.
    Startup,
    /// Frames as they came.
    Raw,
    /// An event every 200 microseconds, one thread.
    Paced,
    /// The same on several threads, the consumer in the main future.
    PacedMain,
    /// Other back ends for JSON and zlib.
    Backends,
    /// Allocations of an event, from builds that count them.
    Allocations,
    /// What 500 idle shards hold.
    Memory,
    /// One shard or a thousand in one stream.
    Merge,
    /// 2,000 shards that wait.
    Idle,
}

impl Case {
    pub const ALL: [Self; 13] = [
        Self::Burst,
        Self::Main,
        Self::Spawn,
        Self::Narrowed,
        Self::Startup,
        Self::Raw,
        Self::Paced,
        Self::PacedMain,
        Self::Backends,
        Self::Allocations,
        Self::Memory,
        Self::Merge,
        Self::Idle,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Main => "main",
            Self::Spawn => "spawn",
            Self::Narrowed => "narrowed",
            Self::Startup => "startup",
            Self::Raw => "raw",
            Self::Paced => "paced",
            Self::PacedMain => "pacedmain",
            Self::Backends => "backends",
            Self::Allocations => "allocations",
            Self::Memory => "memory",
            Self::Merge => "merge",
            Self::Idle => "idle",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name() == name)
    }

    /// Cases that say nothing more when they are repeated often, or take a minute.
    fn rounds_max(self) -> usize {
        match self {
            Self::Allocations | Self::Idle => 1,
            Self::Memory => 2,
            _ => usize::MAX,
        }
    }
}

pub const COMPRESSIONS: [&str; 3] = ["none", "zlib", "zstd"];

/// One client's part in a case: what is run, once in each round.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    pub case: Case,
    pub client: &'static str,
    /// The program's name below `target/clients`, or the script's.
    #[serde(skip)]
    pub program: String,
    pub trace: &'static str,
    pub compression: &'static str,
    pub mode: &'static str,
    pub flavour: &'static str,
    pub task: &'static str,
    pub is_paced: bool,
    pub shards: u32,
    #[serde(skip)]
    pub rounds_max: usize,
}

impl Job {
    fn new(case: Case, client: &'static str, program: String) -> Self {
        Self {
            case,
            client,
            program,
            trace: "mixed",
            compression: "none",
            mode: "all",
            flavour: "current",
            task: "events",
            is_paced: false,
            shards: 1,
            rounds_max: case.rounds_max(),
        }
    }

    /// What is compared with each other, side by side.
    pub fn group(&self) -> (Case, &'static str, &'static str, &'static str, bool) {
        // A struct of the user's own is compared with a narrowed set.
        let mode = if self.mode == "own" {
            "narrowed"
        } else {
            self.mode
        };
        (self.case, self.trace, self.compression, mode, self.is_paced)
    }

    pub fn label(&self) -> String {
        let Self {
            trace,
            compression,
            mode,
            flavour,
            ..
        } = self;
        let (case, client) = (self.case.name(), self.client);
        format!(
            "{case}: {client} {trace} {compression} {mode} {flavour} x{}",
            self.shards
        )
    }
}

pub const SHARDSTREAM: &str = "shardstream";
pub const TWILIGHT: &str = "twilight-gateway";
pub const SERENITY: &str = "serenity";
pub const DISCORDJS: &str = "@discordjs/ws";
pub const HIKARI: &str = "hikari";
pub const DISCORDPY: &str = "discord.py";
pub const CLIENTS: [&str; 6] = [
    SHARDSTREAM,
    TWILIGHT,
    SERENITY,
    DISCORDJS,
    HIKARI,
    DISCORDPY,
];

/// This crate and twilight, in the same way, with each compression.
fn both(case: Case, edit: impl Fn(&mut Job)) -> Vec<Job> {
    let mut jobs = Vec::new();
    for compression in COMPRESSIONS {
        for (client, program) in [
            (SHARDSTREAM, "shardstream".to_owned()),
            (TWILIGHT, format!("twilight-{compression}")),
        ] {
            let mut job = Job::new(case, client, program);
            job.compression = compression;
            edit(&mut job);
            jobs.push(job);
        }
    }
    jobs
}

/// Those who ask for a compression of their own, or for none.
fn peers(case: Case, trace: &'static str) -> Vec<Job> {
    let each = [
        (SERENITY, "serenity", "none"),
        (DISCORDJS, "discordjs.mjs", "none"),
        (DISCORDJS, "discordjs.mjs", "zlib"),
        (HIKARI, "hikari_client.py", "zlib"),
        (DISCORDPY, "discordpy_client.py", "zlib"),
    ];
    let job = |(client, program, compression): (&'static str, &str, &'static str)| {
        let mut job = Job::new(case, client, program.to_owned());
        (job.trace, job.compression, job.rounds_max) = (trace, compression, 3);
        job
    };
    each.into_iter().map(job).collect()
}

/// The jobs of a case.
pub fn of(case: Case) -> Vec<Job> {
    let chats = ["mixed", "nopres"];
    let on_both = |edit: &dyn Fn(&mut Job)| -> Vec<Job> {
        let jobs = chats.map(|trace| {
            both(case, |job| {
                job.trace = trace;
                edit(job);
            })
        });
        jobs.concat()
    };
    match case {
        Case::Burst => {
            let mut jobs = on_both(&|_| {});
            jobs.extend(chats.into_iter().flat_map(|trace| peers(case, trace)));
            jobs
        }
        Case::Main => on_both(&|job| job.flavour = "main"),
        Case::Spawn => both(case, |job| job.flavour = "spawn"),
        Case::Narrowed => {
            let mut jobs = on_both(&|job| job.mode = "narrowed");
            let mut own = jobs.clone();
            own.retain(|job| job.client == SHARDSTREAM);
            for job in &mut own {
                job.mode = "own";
            }
            jobs.append(&mut own);
            jobs
        }
        Case::Startup => {
            let mut jobs = both(case, |job| job.trace = "startup");
            jobs.extend(peers(case, "startup"));
            jobs
        }
        Case::Raw => both(case, |job| job.mode = "raw"),
        Case::Paced => both(case, |job| job.is_paced = true),
        Case::PacedMain => both(case, |job| (job.is_paced, job.flavour) = (true, "main")),
        Case::Backends => backends(),
        Case::Allocations => allocations(),
        Case::Memory => {
            let mut jobs = both(case, |job| {
                (job.trace, job.task, job.shards) = ("memory", "memory", 500);
                job.is_paced = true;
            });
            let mut at_once = jobs.clone();
            for job in &mut at_once {
                job.is_paced = false;
            }
            jobs.append(&mut at_once);
            jobs
        }
        Case::Merge => [1, 1_000].map(merge).to_vec(),
        Case::Idle => {
            let mut jobs = both(case, |job| {
                (job.trace, job.task, job.shards) = ("idle", "idle", 2_000);
            });
            // How the shards that only beat are compressed is all the same.
            jobs.retain(|job| job.compression == "none");
            jobs
        }
    }
}

fn merge(shards: u32) -> Job {
    let mut job = Job::new(Case::Merge, SHARDSTREAM, "shardstream".to_owned());
    (job.task, job.shards, job.trace) = ("merge", shards, "memory");
    job
}

/// The back ends that a build may choose, on the trace where each might pay.
fn backends() -> Vec<Job> {
    let mut jobs = Vec::new();
    for (build, compression) in [
        ("", "none"),
        ("-simd-json", "none"),
        ("", "zlib"),
        ("-zlib-stock", "zlib"),
        ("-zlib-ng", "zlib"),
    ] {
        for trace in ["mixed", "startup"] {
            let client = match build {
                "-simd-json" => "shardstream, simd-json",
                "-zlib-stock" => "shardstream, zlib-stock",
                "-zlib-ng" => "shardstream, zlib-ng",
                _ => SHARDSTREAM,
            };
            let mut job = Job::new(Case::Backends, client, format!("shardstream{build}"));
            (job.trace, job.compression) = (trace, compression);
            jobs.push(job);
        }
    }
    jobs
}

fn allocations() -> Vec<Job> {
    let mut jobs = Vec::new();
    for (client, program, modes) in [
        (
            SHARDSTREAM,
            "shardstream-count",
            &["all", "narrowed", "own", "raw"][..],
        ),
        (
            TWILIGHT,
            "twilight-none-count",
            &["all", "narrowed", "raw"][..],
        ),
    ] {
        for trace in ["mixed", "nopres", "startup"] {
            for &mode in modes {
                if trace == "startup" && !["all", "raw"].contains(&mode) {
                    continue;
                }
                let mut job = Job::new(Case::Allocations, client, program.to_owned());
                (job.trace, job.mode) = (trace, mode);
                jobs.push(job);
            }
        }
    }
    jobs
}
