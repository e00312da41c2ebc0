//! What shall go wrong? A schedule as data, made from a seed and a profile before anything runs.

use fastrand::Rng;
use shardstream::{
    Compression, Reconnect,
    local::{Dialect, Fault, Step},
};
use std::time::Duration;

/// All that happens in one run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) profile: &'static str,
    pub(crate) setup: Setup,
    /// In the order of their times.
    pub(crate) acts: Vec<Act>,
    /// Of each shard, the weather of its connections in turn; the weather is fair after them.
    pub(crate) pipes: Vec<Vec<Weather>>,
}

/// What stays the same for the whole run.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) dialect: Dialect,
    pub(crate) compression: Compression,
    pub(crate) is_typed: bool,
    pub(crate) interval: Duration,
    pub(crate) buffered_events: usize,
    /// How long a connection lives; `None` for what is usual on the platform.
    pub(crate) recycle: Option<Duration>,
    /// How long things go wrong.
    pub(crate) life: Duration,
}

/// Something that happens to a shard at a time.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) at_ms: u64,
    pub(crate) shard: u32,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The consumer takes nothing for so many milliseconds.
    Doze(u64),
    /// The server forgets the sessions of the shard.
    Forget,
    /// The server takes these steps on the shard's connections.
    Order(Vec<Step>),
    /// The user asks for a new connection.
    Renew(Reconnect),
    /// So many events, each this long.
    Send(u32, usize),
    /// Faults that all connections have from now on.
    Stand(Vec<Fault>),
}

/// How one connection is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    pub(crate) dial: Dialled,
    /// The most that is read or written at a time.
    pub(crate) chunk: usize,
    /// So many of 100 reads and writes are not ready at first.
    pub(crate) pending: u8,
    /// And then wait for so many milliseconds at most; with 0 they are woken at once.
    pub(crate) nap_ms: u64,
    pub(crate) end: Option<Break>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Dialled {
    Opens,
    OpensAfter(u64),
    Hangs,
    Refused,
}

/// How and where a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Break {
    /// What the client reads is counted, else what it writes.
    pub(crate) on_read: bool,
    pub(crate) byte: u64,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    End,
    Reset,
    /// Nothing comes any more; what is written goes nowhere.
    Silent,
    /// Nothing comes any more, and nothing can be written.
    Stalled,
}

impl Weather {
    pub(crate) const FAIR: Self = Self {
        seed: 0,
        dial: Dialled::Opens,
        chunk: usize::MAX,
        pending: 0,
        nap_ms: 0,
        end: None,
    };
}

/// What a profile has more or less of.
#[derive(Clone, Copy, Debug)]
struct Profile {
    name: &'static str,
    qq: bool,
    life_s: u64,
    shards_max: u32,
    /// So many of 100 connections break, among the first so many of a shard.
    breaks: u8,
    pipes: usize,
    hows: &'static [How],
    /// So many of 100 connections are ragged.
    ragged: u8,
    /// So many of 100 dials do not open at once.
    dials: u8,
    /// How many orders and so on there are at most.
    orders: u32,
    order: fn(&mut Rng, &Setup) -> What,
    dozes: u32,
}

const CALM: Profile = Profile {
    name: "calm",
    qq: false,
    life_s: 60,
    shards_max: 2,
    breaks: 0,
    pipes: 4,
    hows: &[How::Reset],
    ragged: 30,
    dials: 0,
    orders: 1,
    order: lawyer,
    dozes: 0,
};

const PROFILES: &[Profile] = &[
    CALM,
    Profile {
        name: "ragged",
        ragged: 100,
        orders: 3,
        ..CALM
    },
    Profile {
        name: "cuts",
        breaks: 90,
        pipes: 20,
        hows: &[How::End, How::Reset],
        ..CALM
    },
    Profile {
        name: "storm",
        life_s: 120,
        shards_max: 3,
        breaks: 40,
        pipes: 12,
        hows: &[How::End, How::Reset, How::Silent],
        dials: 20,
        orders: 14,
        order: storm,
        ..CALM
    },
    Profile {
        name: "silent",
        life_s: 150,
        breaks: 70,
        pipes: 8,
        hows: &[How::Silent, How::Stalled],
        ..CALM
    },
    Profile {
        name: "hostile",
        breaks: 10,
        orders: 8,
        order: hostile,
        ..CALM
    },
    Profile {
        name: "lawyer",
        orders: 12,
        ..CALM
    },
    Profile {
        name: "slow",
        breaks: 30,
        pipes: 8,
        dozes: 5,
        orders: 3,
        order: storm,
        ..CALM
    },
    Profile {
        name: "outage",
        life_s: 180,
        breaks: 30,
        pipes: 14,
        dials: 80,
        ..CALM
    },
    Profile {
        name: "qq",
        qq: true,
        life_s: 120,
        breaks: 40,
        pipes: 10,
        hows: &[How::End, How::Reset, How::Silent],
        dials: 10,
        orders: 8,
        order: storm,
        ..CALM
    },
    Profile {
        name: "qq_slow",
        qq: true,
        breaks: 20,
        dozes: 4,
        orders: 6,
        ..CALM
    },
];

/// What this build can be asked for.
fn compressions() -> Vec<Compression> {
    let mut all = vec![Compression::None, Compression::Zlib, Compression::Zstd];
    all.retain(|kind| kind.is_built_in());
    all
}

impl Plan {
    /// The schedule of a seed; each takes another profile than the one before.
    pub(crate) fn new(seed: u64) -> Self {
        let count = PROFILES.len() as u64;
        let index = usize::try_from(seed % count).unwrap_or_default();
        let profile = PROFILES[index];
        let rng = &mut Rng::with_seed(seed);
        let is_qq = profile.qq;
        let setup = Setup {
            dialect: if is_qq { Dialect::Qq } else { Dialect::Discord },
            compression: rng.choice(compressions()).unwrap_or(Compression::None),
            is_typed: rng.bool(),
            interval: Duration::from_millis(rng.u64(5_000..20_000)),
            buffered_events: if profile.dozes > 0 {
                rng.usize(1..20)
            } else {
                1024
            },
            recycle: (is_qq && rng.bool()).then(|| Duration::from_secs(rng.u64(20..90))),
            life: Duration::from_secs(profile.life_s),
        };
        let shards = if rng.u8(..4) == 0 {
            rng.u32(1..=profile.shards_max)
        } else {
            1
        };
        let pipes = (0..shards)
            .map(|_| (0..profile.pipes).map(|_| weather(rng, &profile)).collect())
            .collect();
        let mut plan = Self {
            seed,
            profile: profile.name,
            acts: Vec::new(),
            pipes,
            setup,
        };
        plan.fill(rng, &profile);
        plan
    }

    fn fill(&mut self, rng: &mut Rng, profile: &Profile) {
        let life_ms = profile.life_s * 1000;
        let shards = self.shards();
        let mut acts = Vec::new();
        let mut add = |rng: &mut Rng, what| {
            let (at_ms, shard) = (rng.u64(..life_ms), rng.u32(..shards));
            acts.push(Act { at_ms, shard, what });
        };
        for _ in 0..40 * shards {
            let len = [8, 8, 80, 900, 5_000][rng.usize(..5)];
            let events = [1, 1, 2, 5][rng.usize(..4)];
            add(rng, What::Send(events, len));
        }
        for _ in 0..rng.u32(..3) {
            add(rng, What::Send(1, 90_000));
        }
        for _ in 0..profile.dozes {
            let ms = rng.u64(..60_000);
            add(rng, What::Doze(ms));
            add(rng, What::Send(40, 30));
        }
        // Not all are as bad as they may be.
        for _ in 0..=rng.u32(..profile.orders) {
            let what = (profile.order)(rng, &self.setup);
            add(rng, what);
        }
        acts.sort_by_key(|act| act.at_ms);
        self.acts = acts;
    }

    /// The cuts alone: connections that break at any byte, so that every other one gets as far as
    /// an event.
    pub(crate) fn of_cuts(seed: u64, cuts: usize) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let mut plan = Self::new(seed - seed % PROFILES.len() as u64);
        plan.profile = "cuts alone";
        let mut early = 2;
        plan.pipes = vec![
            (0..cuts)
                .map(|_| {
                    // Three resumes in a row without an event would be the end of the session.
                    let byte = if early < 2 {
                        rng.u64(..6_000)
                    } else {
                        rng.u64(4_000..6_000)
                    };
                    early = if byte < 4_000 { early + 1 } else { 0 };
                    let on_read = early == 0 || rng.u8(..4) > 0;
                    let byte = if on_read { byte } else { byte % 420 };
                    let how = if rng.bool() { How::Reset } else { How::End };
                    let end = Some(Break { on_read, byte, how });
                    Weather {
                        seed: rng.u64(..),
                        end,
                        ..Weather::FAIR
                    }
                })
                .collect(),
        ];
        plan.setup.life = Duration::from_secs(16 * cuts as u64);
        let feed = |n: u64| Act {
            at_ms: 300 * n,
            shard: 0,
            what: What::Send(2, 150),
        };
        plan.acts = (0..54 * cuts as u64).map(feed).collect();
        plan
    }

    pub(crate) fn shards(&self) -> u32 {
        u32::try_from(self.pipes.len()).unwrap_or(1)
    }
}

fn weather(rng: &mut Rng, profile: &Profile) -> Weather {
    let is_ragged = rng.u8(..100) < profile.ragged;
    let chunk = [1, 7, 100, 1_400, 16_384][rng.usize(..5)];
    let naps = [0, 0, 3, 40];
    let breaks = rng.u8(..100) < profile.breaks;
    let end = breaks.then(|| {
        let on_read = rng.u8(..3) > 0;
        // Most of the handshake lies within the first kilobyte.
        let within = [900, 2_000, 6_000][rng.usize(..3)];
        let byte = rng.u64(..if on_read { within } else { within / 6 + 300 });
        let how = profile.hows[rng.usize(..profile.hows.len())];
        Break { on_read, byte, how }
    });
    let dial = if rng.u8(..100) < profile.dials {
        [
            Dialled::Refused,
            Dialled::OpensAfter(rng.u64(..9_000)),
            Dialled::Hangs,
        ][rng.usize(..3)]
    } else {
        Dialled::Opens
    };
    Weather {
        seed: rng.u64(..),
        dial,
        chunk: if is_ragged { chunk } else { usize::MAX },
        pending: if is_ragged { rng.u8(..60) } else { 0 },
        nap_ms: if chunk < 1_000 {
            naps[rng.usize(..3)]
        } else {
            naps[rng.usize(..4)]
        },
        end,
    }
}

/// What is rare, but allowed.
fn lawyer(rng: &mut Rng, setup: &Setup) -> What {
    let ms = Duration::from_millis(rng.u64(1..4_000));
    let is_zlib = setup.compression == Compression::Zlib && setup.dialect == Dialect::Discord;
    What::Order(vec![match rng.u8(..14) {
        0 => Step::Ack,
        1 => Step::DuplicateNext,
        2 => Step::Fragment(rng.usize(..40)),
        3 => Step::Hello,
        4 => Step::LoseNext,
        5 => Step::Ping(vec![7; rng.usize(..126)]),
        6 => Step::Reconnect,
        7 | 8 => Step::RequestHeartbeat,
        9 => Step::SkipSequence(rng.u64(..9)),
        10 => Step::Dribble {
            bytes: rng.usize(40..400),
            every: Duration::from_millis(2),
        },
        11 if is_zlib => Step::SplitNext(vec![rng.usize(..50), rng.usize(..200)]),
        12 => return What::Stand(vec![Fault::late_acks(ms).times(2)]),
        _ => Step::Wait(ms),
    }])
}

/// What a bad day brings.
fn storm(rng: &mut Rng, setup: &Setup) -> What {
    let is_qq = setup.dialect == Dialect::Qq;
    let mut codes = vec![1000, 1001, 1011, 3000, 4000, 4008];
    codes.extend(if is_qq {
        [4006, 4007, 4009, 4900]
    } else {
        [4003, 4007, 4009, 4999]
    });
    let cut = Step::CutNext {
        byte: rng.usize(..60),
        reset: rng.bool(),
    };
    What::Order(vec![match rng.u8(..16) {
        0 | 1 => Step::Rst,
        2 => Step::Fin,
        3 => Step::Reconnect,
        4 | 5 => Step::Close(codes[rng.usize(..codes.len())]),
        6 => Step::InvalidSession(true),
        // In answer to IDENTIFY it would be the credentials that QQ refuses.
        7 if !is_qq => Step::InvalidSession(false),
        8 => cut,
        9 if rng.bool() => Step::Hang,
        9 => Step::Mute,
        10 => return What::Forget,
        11 if rng.bool() => return What::Renew(Reconnect::Fresh),
        11 => return What::Renew(Reconnect::Resume),
        12 => {
            let faults = [
                Fault::http(503, &[("Retry-After", "2")], "down"),
                Fault::no_hello(),
                Fault::withhold_acks(),
                Fault::no_resumed(),
                Fault::ignore_resume(),
                Fault::refuse_resume(true),
                Fault::no_ready(),
                Fault::stall_upgrade(),
                Fault::token(503, &[], ""),
            ];
            let fault = faults[rng.usize(..faults.len())].clone();
            return What::Stand(vec![fault.times(rng.u32(1..3))]);
        }
        _ => return lawyer(rng, setup),
    }])
}

/// What no gateway should send.
fn hostile(rng: &mut Rng, setup: &Setup) -> What {
    let garbled = [
        "",
        " ",
        "{",
        "[]",
        "null",
        r#"{"op":"0"}"#,
        r#"{"op":0,"t":"#,
    ];
    What::Order(vec![match rng.u8(..9) {
        // A reserved opcode, a masked frame, a stray continuation, a length without end.
        0 => Step::Raw(vec![0x83, 0]),
        1 => Step::Raw(vec![0x81, 0x81, 1, 2, 3, 4, 5]),
        2 => Step::Raw(vec![0x80, 1, b'x']),
        3 => Step::Raw(vec![
            0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ]),
        4 => Step::Binary(vec![0xff; rng.usize(1..60)]),
        5 => Step::CloseWith {
            code: None,
            reason: String::new(),
        },
        6 | 7 => Step::Send(garbled[rng.usize(..garbled.len())].to_owned()),
        _ => return lawyer(rng, setup),
    }])
}
