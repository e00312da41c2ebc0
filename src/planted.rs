//! Would our tests notice? Thirty faults that gateway libraries have had, each planted in one line
//! of the pure core by `planted!(Fault)`.
//!
//! The tests of the simulation switch them on one at a time and ask that it finds each. Nothing of
//! it is in any other build: there the macro is the constant `false`.

use std::cell::Cell;

/// Whether this fault is planted, in this thread and now.
macro_rules! planted {
    ($fault:ident) => {
        crate::planted::is_planted(crate::planted::Planted::$fault)
    };
}

/// Declares the faults, and the list of them all.
macro_rules! faults {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// A fault: what is broken, and what a user would see.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Planted {
            $($(#[$doc])+ $name,)+
        }

        impl Planted {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

faults! {
    /// An ack that lies unread behind a full buffer counts as missing: a bot that takes its time
    /// over an event loses its connection.
    AckDeadlineNotSuspended,
    /// An ack does not count: each connection ends with its second heartbeat.
    AckFlagNotCleared,
    /// An open socket counts as progress: a server that hangs up at once is called again each
    /// second, thousands of times a day.
    BackoffResetOnConnect,
    /// A permit that is out does not hold its bucket: two shards that got theirs together identify
    /// within one window, and one of them is refused.
    BucketNotHeld,
    /// Buckets are `shard / max_concurrency` in place of `%`: shards of one bucket identify
    /// together and are refused, those of others wait for nothing.
    BucketsByQuotient,
    /// A presence stays in its place after it was sent, and is sent until the limit stops it.
    CommandSentAgain,
    /// Commands go out between RESUME and RESUMED: the server closes with 4003.
    CommandsInReplay,
    /// A token that was refused is used again: the shard never comes back from an expired one.
    CredentialNotRenewed,
    /// RESUME is tried for ever with a session that the server cannot serve: the bot stays away.
    DeadSessionResumed,
    /// What was received before is delivered again: a command of a user of the bot runs twice.
    DuplicatesDelivered,
    /// A close code that no reconnect can help is one more disconnect: the shard goes on calling
    /// with a token that was reset, and nobody is told.
    FatalCodeResumed,
    /// The sequence jumps and nobody is told: a bot cannot back-fill.
    GapNotTold,
    /// Heartbeats are not counted as sent: a server that asks for them often closes with 4008.
    HeartbeatsNotCounted,
    /// No deadline for Hello: a server that accepts and says nothing holds the shard for ever.
    HelloDeadlineMissing,
    /// READY alone resets the backoff of identifies: one that is followed by a close each time
    /// uses up the day's identifies within hours.
    IdentifyBackoffResetOnReady,
    /// Delays are the whole step: shards that were cut together come back together.
    JitterDropped,
    /// All of the day's identifies are used: a bot that starts again loses its token.
    LastTenthUsed,
    /// Commands fill the whole send window: the heartbeat after them is one too many, 4008.
    NoRoomForHeartbeats,
    /// A permit that was not used is kept: all other shards of its bucket wait for ever.
    PermitNotReturned,
    /// The quick return has no limit: a server that cuts after each event is called again within
    /// half a second for ever.
    QuickBucketNeverEmpty,
    /// 4008 is one more disconnect: the shard is back before the server's window is over.
    RateLimitNotWaitedFor,
    /// READY has 30 s each time: a large bot on a slow day identifies again and again.
    ReadyDeadlineNotDoubled,
    /// RESUMED has 30 s however much is replayed: a long replay is cut off each time.
    ReplayDeadlineNotRenewed,
    /// Op 9 with `true` drops the session: what happened since the cut is lost.
    ResumableSessionLost,
    /// A resume url that cannot be reached is tried for ever: the session dies meanwhile.
    ResumeUrlKept,
    /// The sequence of a message that could not be read does not count: each resume brings the
    /// same message again.
    SeqNotStoredOnGarbled,
    /// RESUMED's own sequence does not count: the next event looks like one after a gap.
    SeqNotStoredOnResumed,
    /// The shard closes with 1000 where it means to resume: the session ends, the bot goes offline.
    SessionEndedByClose,
    /// A session is lost and nobody is told: a bot goes on with stale guilds.
    SessionLostNotTold,
    /// Silence is noticed an interval late: a dead link stands for 41 s more.
    SilenceHeardLate,
}

thread_local! {
    static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
}

pub(crate) fn is_planted(fault: Planted) -> bool {
    PLANTED.get() == Some(fault)
}

/// Runs with a fault planted in this thread.
pub(crate) fn with<T>(fault: Planted, run: impl FnOnce() -> T) -> T {
    /// Digs it out again, also where `run` panics.
    struct Dig;

    impl Drop for Dig {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }

    let _dig = Dig;
    PLANTED.set(Some(fault));
    run()
}

#[test]
fn there_are_thirty_and_each_is_planted_alone_in_its_thread_and_for_its_run() {
    assert_eq!(Planted::ALL.len(), 30);
    let planted = || {
        let all = Planted::ALL.iter().copied();
        all.filter(|fault| is_planted(*fault)).collect::<Vec<_>>()
    };
    for fault in Planted::ALL {
        assert_eq!(with(*fault, planted), [*fault]);
        let elsewhere = with(*fault, || std::thread::spawn(planted).join());
        assert!(elsewhere.is_ok_and(|none| none.is_empty()));
        let panics = std::panic::catch_unwind(|| with(*fault, || panic!("meant to")));
        assert!(panics.is_err() && planted().is_empty());
    }
}
