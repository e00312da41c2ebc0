//! What goes wrong, and when? Schedules: data that is made before the run, from a seed and a
//! profile, and that can be printed, pasted and cut down.

use std::fmt::Write as _;

use super::dice::Dice;

/// What kind of days a shard has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Profile {
    /// At most one fault an hour.
    Calm,
    /// Payloads, close codes and answers that no good server sends.
    Hostile,
    /// Only what is rare and legal: op 7 first, READY in answer to RESUME, two Hellos, late acks.
    Lawyer,
    /// Ten faults an hour of every common kind, and a user who does things.
    Office,
    /// No service for long, then everybody at once; a small budget of identifies.
    Outage,
    /// QQ: a connection lives for half an hour, a credential for two.
    Qq,
    /// A fault every ten seconds.
    Storm,
    /// Shards are cut one by one and come back in another order, through few places.
    Swizzle,
}

impl Profile {
    pub(crate) const ALL: [Self; 8] = [
        Self::Calm,
        Self::Hostile,
        Self::Lawyer,
        Self::Office,
        Self::Outage,
        Self::Qq,
        Self::Storm,
        Self::Swizzle,
    ];
}

/// One thing that happens to one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Milliseconds since the beginning.
    pub(crate) at: u64,
    pub(crate) shard: usize,
    pub(crate) kind: Kind,
}

/// What happens. Times are milliseconds; `times` and `count` are how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    // --- The net
    /// Both directions end; what is on the way is lost; both sides know.
    Cut,
    /// Nothing arrives in either direction any more, and nobody is told.
    Blackhole,
    /// Nothing arrives at the client any more.
    Mute,
    /// The socket takes nothing more from the client.
    Stall,
    /// How long a message takes from now on, in each direction.
    Latency {
        ms: u64,
    },
    /// A frame that breaks RFC 6455 (0), is too long (1), or compressed data that is broken (2).
    Broken {
        how: u8,
    },
    // --- Connecting
    /// No connect succeeds: refused (0), never answered (1), or this HTTP status.
    Down {
        ms: u64,
        how: u16,
    },
    /// No connect succeeds: HTTP 429 with this `Retry-After`.
    Busy {
        ms: u64,
        after_s: u64,
    },
    /// No connect to the resume url succeeds; `how` as for `Down`.
    ResumeUrlDown {
        ms: u64,
        how: u16,
    },
    // --- The handshake, the next so many times
    NoHello {
        times: u32,
    },
    BadHello {
        times: u32,
    },
    /// The first message is op 7.
    ReconnectFirst {
        times: u32,
    },
    /// IDENTIFY is not answered.
    NoReady {
        times: u32,
    },
    /// READY comes so much later.
    SlowReady {
        ms: u64,
    },
    /// READY names no session.
    BadReady {
        times: u32,
    },
    /// READY names a place to resume that is missing, odd or not allowed.
    OddUrl {
        which: u8,
    },
    /// IDENTIFY is refused.
    RefuseIdentify {
        times: u32,
    },
    /// RESUME is not answered.
    NoResumed {
        times: u32,
    },
    /// RESUME is answered with op 9 true.
    RefuseResume {
        times: u32,
    },
    /// RESUME is answered with a new session.
    ReadyOnResume {
        times: u32,
    },
    /// RESUMED comes, and then a close.
    CloseAfterResumed {
        times: u32,
    },
    /// READY comes, and then op 9 false.
    DieAfterReady {
        times: u32,
    },
    /// What the next replay brings comes so far apart, for two minutes at most.
    SlowReplay {
        ms: u64,
    },
    /// Our close frame is not answered.
    NoClose {
        times: u32,
    },
    // --- The session
    /// The server forgets the session and tells nobody; a RESUME is refused with op 9 or a code.
    Forget {
        code: u16,
    },
    /// Op 9 false.
    Invalidate,
    /// Op 9 true.
    Interrupt,
    /// The server closes with this code; 0 for none.
    Close {
        code: u16,
    },
    /// Op 7.
    Reconnect,
    /// So many events at once.
    Burst {
        count: u32,
    },
    /// The next so many events cannot be read, their sequence perhaps.
    Garble {
        count: u32,
        seq: bool,
    },
    /// The last so many events come a second time.
    Repeat {
        count: u32,
    },
    /// So many sequences are never used.
    Skip {
        count: u32,
    },
    /// The sequence starts again at 1 without a new session.
    Renumber,
    /// So many events without a sequence.
    Unnumbered {
        count: u32,
    },
    /// A message that means nothing, of form `which`.
    Noise {
        which: u8,
    },
    // --- The heartbeat
    /// Heartbeats are not acknowledged on this connection.
    NoAcks,
    /// Acks come so much later on this connection.
    LateAcks {
        ms: u64,
    },
    /// Op 1, so many times.
    Ask {
        times: u32,
    },
    /// Op 1, so many times, two seconds apart.
    Nag {
        times: u32,
    },
    /// An ack that nothing calls for.
    StrayAck,
    /// Hello once more.
    Hello {
        interval: u64,
    },
    // --- The user
    /// Takes no events for so long.
    Pause {
        ms: u64,
    },
    /// Queues so many commands.
    Commands {
        count: u32,
    },
    /// Sets so many presences.
    Presences {
        count: u32,
    },
    /// Asks for a new connection.
    Renew {
        fresh: bool,
    },
    /// Asks for a heartbeat.
    Beat,
    /// Ends the shard, and starts it again after so long; with its session or without.
    Restart {
        ms: u64,
        keep: bool,
    },
    /// The process dies without a word, and is started again after so long from what it had.
    Crash {
        ms: u64,
    },
    // --- The credential
    /// None can be had for so long.
    NoToken {
        ms: u64,
    },
    /// All that were given out are worth nothing from now on.
    ExpireTokens,
    // --- The process
    /// Timers fire so much late, for a minute.
    LateTimers {
        ms: u64,
    },
    /// It does not run for so long; what arrived is read before any deadline is judged.
    Suspend {
        ms: u64,
    },
}

/// A run, as data: all that decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) seed: u64,
    pub(crate) profile: Profile,
    pub(crate) shards: usize,
    /// Identify buckets.
    pub(crate) concurrency: u64,
    /// Identifies a day.
    pub(crate) total: u64,
    /// How many of them the server has counted before, in a day that ends after 45 minutes.
    pub(crate) used: u64,
    /// How long the server keeps a session that nobody is attached to.
    pub(crate) keeps: u64,
    /// Events between the connection and the user.
    pub(crate) buffer: usize,
    /// Connections that are made at once.
    pub(crate) places: usize,
    /// Between two events of a shard, on average.
    pub(crate) pace: u64,
    /// How long a message takes in each direction.
    pub(crate) latency: u64,
    /// How long faults come; the fault-free end follows.
    pub(crate) span: u64,
    pub(crate) faults: Vec<Fault>,
}

/// What a run may be told beside its seed and profile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// How many hours faults come, instead of one.
    pub(crate) hours: Option<u64>,
    /// How many shards there are, instead of a number by chance.
    pub(crate) shards: Option<usize>,
}

const HOUR: u64 = 3_600_000;

type Draw = fn(&mut Dice) -> Kind;

impl Schedule {
    /// The schedule of `seed` in `profile`.
    pub(crate) fn new(seed: u64, profile: Profile, options: &Options) -> Self {
        let mut dice = Dice::new(seed, 1 + profile as u64);
        let span = options.hours.unwrap_or(1) * HOUR;
        let most = if profile == Profile::Swizzle { 6 } else { 3 };
        let least = if profile == Profile::Swizzle { 3 } else { 1 };
        let drawn = usize::try_from(dice.within(least, most)).unwrap_or(1);
        let small = profile == Profile::Outage && dice.percent(50);
        let mut schedule = Self {
            seed,
            profile,
            shards: options.shards.unwrap_or(drawn),
            concurrency: dice.pick(&[1, 1, 2, 16]),
            total: if small { dice.within(8, 60) } else { 1000 },
            used: 0,
            keeps: dice.pick(&[HOUR * 12, 600_000, 180_000]),
            buffer: usize::try_from(dice.pick(&[1, 8, 64, 1024])).unwrap_or(1024),
            places: if profile == Profile::Swizzle { 2 } else { 128 },
            pace: dice.pick(&[3000, 10_000, 30_000, 60_000]),
            latency: dice.pick(&[1, 20, 60, 150, 800]),
            span,
            faults: Vec::new(),
        };
        if small && dice.percent(40) {
            schedule.used = schedule.total * dice.within(40, 85) / 100;
        }
        schedule.draw(&mut dice);
        schedule.faults.sort_by_key(|fault| (fault.at, fault.shard));
        schedule
    }

    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// As Rust, to be pasted into `regress.rs`.
    pub(crate) fn literal(&self) -> String {
        let mut text = format!(
            "Schedule {{ seed: {}, profile: Profile::{:?}, ",
            self.seed, self.profile
        );
        let _infallible = write!(
            text,
            "shards: {}, concurrency: {}, total: {}, used: {}, keeps: {}, buffer: {}, places: {}, \
             pace: {}, latency: {}, span: {}, faults: vec![",
            self.shards,
            self.concurrency,
            self.total,
            self.used,
            self.keeps,
            self.buffer,
            self.places,
            self.pace,
            self.latency,
            self.span,
        );
        for Fault { at, shard, kind } in &self.faults {
            let _infallible = write!(
                text,
                "Fault {{ at: {at}, shard: {shard}, kind: Kind::{kind:?} }}, "
            );
        }
        text.push_str("] }");
        text
    }

    fn draw(&mut self, dice: &mut Dice) {
        let hours = self.span / HOUR;
        match self.profile {
            Profile::Calm => {
                let count = dice.within(0, hours);
                self.scatter(dice, count, &[NET, SESSION, USER]);
            }
            Profile::Office => {
                self.scatter(dice, 10 * hours, &[NET, CONNECT, SESSION, BEAT, USER]);
            }
            Profile::Storm => {
                self.scatter(
                    dice,
                    360 * hours,
                    &[NET, NET, CONNECT, SHAKE, SESSION, BEAT, USER, PROCESS],
                );
            }
            Profile::Hostile => {
                self.scatter(dice, 60 * hours, &[SHAKE, HOSTILE, SESSION, BEAT, ODD]);
                if dice.percent(5) {
                    let code = dice.pick(&[4004, 4010, 4011, 4012, 4013, 4014]);
                    self.push(dice, Kind::Close { code });
                }
            }
            Profile::Lawyer => {
                self.scatter(dice, 40 * hours, &[LAW, LAW, USER, PROCESS]);
                if dice.percent(30) {
                    self.crowd(dice);
                }
            }
            Profile::Outage => {
                self.scatter(dice, 6 * hours, &[NET, CONNECT, SESSION, SHAKE]);
                self.outages(dice);
            }
            Profile::Swizzle => {
                self.scatter(dice, 4 * hours, &[NET, CONNECT]);
                self.swizzles(dice);
            }
            Profile::Qq => {
                let count = dice.within(0, 24 * hours);
                self.scatter(dice, count, &[NET, CONNECT, SESSION, QQ, USER, PROCESS]);
                if dice.percent(4) {
                    let code = dice.pick(&[4001, 4002, 4010, 4012, 4013, 4014, 4914, 4915]);
                    self.push(dice, Kind::Close { code });
                }
            }
        }
    }

    fn scatter(&mut self, dice: &mut Dice, count: u64, groups: &[&[Draw]]) {
        for _ in 0..count {
            let group = dice.pick(groups);
            let kind = dice.pick(group)(dice);
            self.push(dice, kind);
        }
    }

    fn push(&mut self, dice: &mut Dice, kind: Kind) {
        let at = dice.within(0, self.span - 1);
        let last = u64::try_from(self.shards - 1).unwrap_or(0);
        let shard = usize::try_from(dice.within(0, last)).unwrap_or(0);
        self.faults.push(Fault { at, shard, kind });
    }

    /// The user has much to say, and the server asks for heartbeats all the while.
    fn crowd(&mut self, dice: &mut Dice) {
        self.push(dice, Kind::Commands { count: 250 });
        let crowded = self.faults.last().copied();
        self.faults.extend(crowded.map(|fault| Fault {
            kind: Kind::Nag { times: 40 },
            ..fault
        }));
    }

    /// Everybody is cut and nobody comes back, from a minute to the most of the time.
    fn outages(&mut self, dice: &mut Dice) {
        for _ in 0..dice.within(1, 2 * self.span / HOUR) {
            let at = dice.within(0, self.span - 1);
            let longest = (self.span - at).clamp(60_000, 6 * HOUR);
            let ms = dice.within(60_000, longest);
            let how = dice.pick(&[0, 1, 500, 503, 520]);
            let cut = dice.pick(&[Kind::Cut, Kind::Blackhole, Kind::Close { code: 1001 }]);
            for shard in 0..self.shards {
                let down = Kind::Down { ms, how };
                self.faults.push(Fault {
                    at,
                    shard,
                    kind: down,
                });
                let at = at + dice.within(0, 50);
                self.faults.push(Fault {
                    at,
                    shard,
                    kind: cut,
                });
            }
        }
    }

    /// One shard after the other is cut off; they may come back in another order.
    fn swizzles(&mut self, dice: &mut Dice) {
        for _ in 0..dice.within(2, 6) * self.span / HOUR {
            let begin = dice.within(0, self.span - 1);
            let mut order: Vec<usize> = (0..self.shards).collect();
            for index in (1..order.len()).rev() {
                let last = u64::try_from(index).unwrap_or(0);
                order.swap(index, usize::try_from(dice.within(0, last)).unwrap_or(0));
            }
            let mut at = begin;
            for shard in order {
                at += dice.within(0, 3000);
                let ms = dice.within(0, 60_000);
                let how = dice.pick(&[0, 1]);
                let cut = dice.pick(&[Kind::Cut, Kind::Blackhole, Kind::Reconnect]);
                for kind in [Kind::Down { ms, how }, cut] {
                    self.faults.push(Fault { at, shard, kind });
                }
            }
        }
    }
}

fn times(dice: &mut Dice) -> u32 {
    dice.pick(&[1, 1, 1, 2, 3, 5])
}

const NET: &[Draw] = &[
    |_| Kind::Cut,
    |_| Kind::Cut,
    |_| Kind::Cut,
    |_| Kind::Blackhole,
    |_| Kind::Mute,
    |_| Kind::Stall,
    |d| Kind::Latency {
        ms: d.pick(&[1, 5, 50, 300, 1000, 3000, 5000]),
    },
    |d| Kind::Latency {
        ms: d.within(1, 200),
    },
];
const CONNECT: &[Draw] = &[
    |d| Kind::Down {
        ms: d.within(100, 120_000),
        how: d.pick(&[0, 0, 1, 404, 500, 502, 503, 520]),
    },
    |d| Kind::Busy {
        ms: d.within(100, 60_000),
        after_s: d.pick(&[0, 1, 30, 600, 1_000_000_000]),
    },
    |d| Kind::ResumeUrlDown {
        ms: d.within(1000, 600_000),
        how: d.pick(&[0, 1, 401, 403, 404, 503]),
    },
    |_| Kind::Cut,
];
const SHAKE: &[Draw] = &[
    |d| Kind::NoHello { times: times(d) },
    |d| Kind::BadHello { times: times(d) },
    |d| Kind::ReconnectFirst { times: times(d) },
    |d| Kind::NoReady { times: times(d) },
    |d| Kind::SlowReady {
        ms: d.within(1000, 60_000),
    },
    |d| Kind::BadReady { times: times(d) },
    |d| Kind::NoResumed { times: times(d) },
    |d| Kind::RefuseResume { times: times(d) },
    |d| Kind::CloseAfterResumed { times: times(d) },
    |d| Kind::DieAfterReady { times: times(d) },
    |d| Kind::SlowReplay {
        ms: d.pick(&[100, 2000, 20_000]),
    },
    |d| Kind::NoClose { times: times(d) },
    |_| Kind::Cut,
    |_| Kind::Reconnect,
];
const ODD: &[Draw] = &[
    |d| Kind::OddUrl {
        which: d.pick(&[0, 1, 2, 3, 4, 5, 6]),
    },
    |d| Kind::RefuseIdentify { times: times(d) },
    |_| Kind::Invalidate,
    |d| Kind::Forget {
        code: d.pick(&[0, 4003, 4006, 4007, 4009]),
    },
    |_| Kind::Cut,
];
const SESSION: &[Draw] = &[
    |d| Kind::Forget {
        code: d.pick(&[0, 0, 4006, 4007]),
    },
    |_| Kind::Invalidate,
    |_| Kind::Interrupt,
    |d| Kind::Close {
        code: d.pick(&[0, 1000, 1001, 1006, 1011, 1012, 3000, 4000, 4005, 4009]),
    },
    |d| Kind::Close {
        code: d.pick(&[4000, 4003, 4006, 4007, 4008]),
    },
    |_| Kind::Reconnect,
    |_| Kind::Reconnect,
    |d| Kind::Burst {
        count: d.pick(&[5, 40, 200]),
    },
    |d| Kind::Skip {
        count: d.pick(&[1, 2, 1000]),
    },
    |d| Kind::Unnumbered { count: times(d) },
];
const HOSTILE: &[Draw] = &[
    |d| Kind::Garble {
        count: times(d),
        seq: true,
    },
    |d| Kind::Garble {
        count: times(d),
        seq: false,
    },
    |d| Kind::Repeat {
        count: d.pick(&[1, 2, 3, 10]),
    },
    |d| Kind::Skip {
        count: d.pick(&[1, 2, 1_000_000]),
    },
    |_| Kind::Renumber,
    |d| Kind::Noise {
        which: d.pick(&[0, 1, 2, 3, 4, 5, 6, 7]),
    },
    |d| Kind::Noise {
        which: d.pick(&[0, 1, 2, 3, 4, 5, 6, 7]),
    },
    |d| Kind::Broken {
        how: d.pick(&[0, 1, 2]),
    },
    |d| Kind::Ask {
        times: d.pick(&[1, 3, 200]),
    },
    |d| Kind::Close {
        code: d.pick(&[0, 999, 1002, 1003, 1009, 2999, 4001, 4002, 4015, 4999]),
    },
    |d| Kind::Hello {
        interval: d.pick(&[0, 999, 1000, 10_000, 3_600_001]),
    },
];
const BEAT: &[Draw] = &[
    |_| Kind::NoAcks,
    |d| Kind::LateAcks {
        ms: d.pick(&[100, 5000, 20_000, 45_000]),
    },
    |d| Kind::Ask {
        times: d.pick(&[1, 1, 2, 30]),
    },
    |_| Kind::StrayAck,
    |d| Kind::Nag {
        times: d.pick(&[5, 20, 40]),
    },
    |d| Kind::Hello {
        interval: d.pick(&[20_000, 41_250, 60_000]),
    },
];
const LAW: &[Draw] = &[
    |d| Kind::ReconnectFirst { times: times(d) },
    |d| Kind::ReadyOnResume { times: times(d) },
    |d| Kind::Hello {
        interval: d.pick(&[5000, 20_000, 41_250, 60_000]),
    },
    |d| Kind::LateAcks {
        ms: d.within(100, 40_000),
    },
    |d| Kind::SlowReady {
        ms: d.within(1000, 29_000),
    },
    |d| Kind::RefuseResume { times: times(d) },
    |d| Kind::NoClose { times: times(d) },
    |_| Kind::Cut,
    |_| Kind::Reconnect,
    |_| Kind::Interrupt,
    |d| Kind::Close {
        code: d.pick(&[0, 1000, 1001, 4000, 4009]),
    },
    |d| Kind::Ask {
        times: d.pick(&[1, 2, 5]),
    },
    |_| Kind::StrayAck,
    |d| Kind::Skip {
        count: d.pick(&[1, 2]),
    },
    |d| Kind::Repeat {
        count: d.pick(&[1, 2]),
    },
    |d| Kind::Noise {
        which: d.pick(&[0, 1, 2]),
    },
    |d| Kind::RefuseIdentify {
        times: 1 + times(d) % 2,
    },
];
const USER: &[Draw] = &[
    |d| Kind::Pause {
        ms: d.pick(&[1000, 30_000, 120_000, 600_000]),
    },
    |d| Kind::Commands {
        count: d.pick(&[1, 5, 60, 300]),
    },
    |d| Kind::Presences {
        count: d.pick(&[1, 3, 12]),
    },
    |_| Kind::Renew { fresh: false },
    |d| Kind::Renew {
        fresh: d.percent(20),
    },
    |_| Kind::Beat,
    |d| Kind::Restart {
        ms: d.within(0, 60_000),
        keep: d.percent(80),
    },
    |d| Kind::Crash {
        ms: d.within(0, 60_000),
    },
];
const PROCESS: &[Draw] = &[
    |d| Kind::LateTimers {
        ms: d.within(1, 2000),
    },
    |d| Kind::Suspend {
        ms: d.pick(&[500, 5000, 60_000, 600_000]),
    },
    |d| Kind::Latency {
        ms: d.within(1, 5000),
    },
];
const QQ: &[Draw] = &[
    |_| Kind::Close { code: 4009 },
    |d| Kind::Close {
        code: d.pick(&[4900, 4902, 4903, 4907, 4913, 4999]),
    },
    |d| Kind::Forget {
        code: d.pick(&[0, 4006, 4902]),
    },
    |d| Kind::RefuseIdentify {
        times: d.pick(&[1, 2]),
    },
    |_| Kind::ExpireTokens,
    |d| Kind::NoToken {
        ms: d.within(1000, 300_000),
    },
];
