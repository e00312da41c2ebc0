//! Schedules that once showed a bug, of the session or of its judge, as they were printed. Each
//! runs without a violation now.

#![expect(clippy::unreadable_literal, reason = "as printed")]

use super::{
    replay,
    schedule::{Fault, Kind, Profile, Schedule},
};

/// A RESUMED of an earlier connection, replayed, was taken for progress.
fn a_replayed_resumed_is_no_progress() -> Schedule {
    Schedule {
        seed: 790,
        profile: Profile::Storm,
        shards: 2,
        concurrency: 1,
        total: 1000,
        used: 0,
        keeps: 43200000,
        buffer: 1024,
        places: 128,
        pace: 60000,
        latency: 20,
        span: 300000,
        faults: vec![
            Fault {
                at: 28000,
                shard: 1,
                kind: Kind::Reconnect,
            },
            Fault {
                at: 67000,
                shard: 1,
                kind: Kind::Cut,
            },
            Fault {
                at: 134000,
                shard: 1,
                kind: Kind::Latency { ms: 1127 },
            },
            Fault {
                at: 172842,
                shard: 1,
                kind: Kind::Cut,
            },
            Fault {
                at: 242000,
                shard: 1,
                kind: Kind::Stall,
            },
            Fault {
                at: 243000,
                shard: 1,
                kind: Kind::Latency { ms: 94 },
            },
            Fault {
                at: 291698,
                shard: 1,
                kind: Kind::Cut,
            },
            Fault {
                at: 297000,
                shard: 1,
                kind: Kind::Mute,
            },
        ],
    }
}

/// The failed resumes of a session that the user gave up were counted against the next one.
fn a_new_session_has_three_resumes_of_its_own() -> Schedule {
    Schedule {
        seed: 46,
        profile: Profile::Storm,
        shards: 1,
        concurrency: 16,
        total: 1000,
        used: 0,
        keeps: 180000,
        buffer: 1,
        places: 128,
        pace: 3000,
        latency: 150,
        span: 3600000,
        faults: vec![
            Fault {
                at: 1485000,
                shard: 0,
                kind: Kind::Cut,
            },
            Fault {
                at: 1515000,
                shard: 0,
                kind: Kind::Pause { ms: 600000 },
            },
            Fault {
                at: 1522000,
                shard: 0,
                kind: Kind::Blackhole,
            },
            Fault {
                at: 2041000,
                shard: 0,
                kind: Kind::RefuseResume { times: 1 },
            },
            Fault {
                at: 2153000,
                shard: 0,
                kind: Kind::Pause { ms: 600000 },
            },
            Fault {
                at: 2166000,
                shard: 0,
                kind: Kind::Renew { fresh: true },
            },
            Fault {
                at: 2632000,
                shard: 0,
                kind: Kind::Cut,
            },
        ],
    }
}

/// The judge missed events of a session whose loss was told, while the next one waited for the
/// budget of the day.
fn a_session_whose_loss_was_told_brings_nothing_more() -> Schedule {
    Schedule {
        seed: 112628,
        profile: Profile::Outage,
        shards: 3,
        concurrency: 1,
        total: 10,
        used: 0,
        keeps: 43200000,
        buffer: 1024,
        places: 128,
        pace: 30000,
        latency: 800,
        span: 3600000,
        faults: vec![
            Fault {
                at: 99000,
                shard: 1,
                kind: Kind::Close { code: 4003 },
            },
            Fault {
                at: 753000,
                shard: 2,
                kind: Kind::NoResumed { times: 3 },
            },
            Fault {
                at: 1908000,
                shard: 2,
                kind: Kind::Cut,
            },
        ],
    }
}

/// The judge took an ack with content for none.
fn an_ack_is_an_ack_whatever_it_carries() -> Schedule {
    Schedule {
        seed: 117921,
        profile: Profile::Hostile,
        shards: 1,
        concurrency: 16,
        total: 1000,
        used: 0,
        keeps: 43200000,
        buffer: 1024,
        places: 128,
        pace: 30000,
        latency: 20,
        span: 1560000,
        faults: vec![
            Fault {
                at: 1198000,
                shard: 0,
                kind: Kind::Forget { code: 4009 },
            },
            Fault {
                at: 1312000,
                shard: 0,
                kind: Kind::LateAcks { ms: 10000 },
            },
            Fault {
                at: 1422000,
                shard: 0,
                kind: Kind::Nag { times: 10 },
            },
            Fault {
                at: 1428000,
                shard: 0,
                kind: Kind::NoAcks,
            },
            Fault {
                at: 1511000,
                shard: 0,
                kind: Kind::Noise { which: 4 },
            },
        ],
    }
}

pub(super) const ALL: [fn() -> Schedule; 4] = [
    a_replayed_resumed_is_no_progress,
    a_new_session_has_three_resumes_of_its_own,
    a_session_whose_loss_was_told_brings_nothing_more,
    an_ack_is_an_ack_whatever_it_carries,
];

#[test]
fn what_once_failed_does_not_fail_again() {
    for schedule in ALL {
        if let Err(violation) = replay(&schedule()) {
            panic!("{violation}");
        }
    }
}
