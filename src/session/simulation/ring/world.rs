//! What happens next? The run of a schedule: shards, one server and one queue in virtual time, and
//! the verdict.

use std::time::{Duration, Instant};

use super::{
    client::{Common, Outage, Shard, Spoken},
    schedule::{Fault, Kind, Profile, Schedule},
    server::Dialect,
};
use crate::{
    discord::{Discord, Intents},
    qq::{self, QQ},
    session::{Input, Reconnect, Shutdown, State},
};

/// How long nothing goes wrong at the end: longer than any wait that a rule knows.
const CALM: Duration = Duration::from_mins(20);
/// At the end of it no events come any more, so that the last ones arrive.
const SILENCE: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_mins(1);

/// What a run without a violation was like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Simulated, over all shards.
    pub(crate) time: Duration,
    pub(crate) steps: u64,
    pub(crate) connects: u64,
    /// Connections that were open when they were cut.
    pub(crate) cuts: u64,
    pub(crate) identifies: u64,
    pub(crate) resumes: u64,
    /// Events that the user took.
    pub(crate) events: u64,
    pub(crate) replayed: u64,
    /// Shards that had ended by the end, as they had to.
    pub(crate) fatal: u64,
    /// After how long a link was found dead that had died without a word, and its interval.
    pub(crate) found: Vec<(Duration, Duration)>,
    /// Of all that was done and when; and the same of each shard.
    pub(crate) hash: u64,
    pub(crate) hashes: Vec<u64>,
    /// How many sessions the user had to hear of as lost.
    pub(crate) sessions: u64,
}

/// What must never be.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// The invariant first, such as `I5: …`.
    pub(crate) what: String,
    /// Milliseconds since the beginning.
    pub(crate) at: u64,
    pub(crate) shard: usize,
    pub(crate) schedule: Box<Schedule>,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Schedule { seed, profile, .. } = *self.schedule;
        let (what, at, shard) = (&self.what, self.at, self.shard);
        let count = self.schedule.faults.len();
        write!(
            f,
            "{what}\n  at {at} ms, shard {shard}, seed {seed}, {profile:?}, {count} faults:\n{}",
            self.schedule.literal()
        )
    }
}

impl Spoken for Discord {
    const DIALECT: Dialect = Dialect::Discord;
    const BASE: &'static str = "wss://gateway.discord.gg";
    fn new() -> Self {
        Self::new(Intents::GUILDS)
    }
}

impl Spoken for QQ {
    const DIALECT: Dialect = Dialect::Qq;
    const BASE: &'static str = "wss://api.sgroup.qq.com/websocket";
    fn new() -> Self {
        Self::new(qq::Intents::PUBLIC_GUILD_MESSAGES)
    }
}

/// Runs a schedule to its end, or to the first thing that must not be.
pub(crate) fn replay(schedule: &Schedule) -> Result<Report, Violation> {
    match schedule.profile {
        Profile::Qq => World::<QQ>::new(schedule).run(),
        _ => World::<Discord>::new(schedule).run(),
    }
}

struct World<'a, P: Spoken> {
    schedule: &'a Schedule,
    begin: Instant,
    now: Instant,
    shards: Vec<Shard<P>>,
    common: Common,
}

impl<'a, P: Spoken> World<'a, P> {
    fn new(schedule: &'a Schedule) -> Self {
        let begin = Instant::now();
        let shards = (0..schedule.shards).map(|index| Shard::new(index, schedule, begin));
        Self {
            schedule,
            begin,
            now: begin,
            shards: shards.collect(),
            common: Common::new(schedule, P::DIALECT, begin),
        }
    }

    fn run(mut self) -> Result<Report, Violation> {
        for fault in &self.schedule.faults {
            self.until(self.begin + Duration::from_millis(fault.at))?;
            if fault.shard < self.shards.len() {
                self.suffer(fault);
                self.check(fault.shard)?;
            }
        }
        self.until(self.begin + Duration::from_millis(self.schedule.span))?;
        self.calm();
        let rest = self.now + CALM;
        let silence = rest + 3 * SILENCE;
        // A recycle takes longer than the silence, where a credential has to be renewed.
        self.until(rest)?;
        self.common.server.rests = true;
        for index in 0..self.shards.len() {
            self.refresh(index);
        }
        self.until(silence)?;
        for shard in &mut self.shards {
            shard.silent = true;
            shard.next = Some(self.now);
        }
        self.until(silence + SILENCE)?;
        self.is_well()?;
        self.end()?;
        Ok(self.report())
    }

    /// Lets time pass until `end`.
    fn until(&mut self, end: Instant) -> Result<(), Violation> {
        let mut turns = (self.now, 0);
        loop {
            let permit = self.common.permits.next(self.now);
            let first = self
                .shards
                .iter()
                .filter_map(|shard| Some((shard.next?, shard.index)));
            let first = first.min();
            let at = permit.into_iter().chain(first.map(|(at, _)| at)).min();
            let Some(at) = at.filter(|at| *at <= end) else {
                self.now = self.now.max(end);
                return Ok(());
            };
            self.now = self.now.max(at);
            turns = if turns.0 == self.now {
                (self.now, turns.1 + 1)
            } else {
                (self.now, 0)
            };
            if turns.1 > 20_000 {
                return Err(self.violation("I11: the world spins".into(), 0));
            }
            if permit.is_some_and(|permit| permit <= self.now) {
                while let Some((shard, ticket)) = self.common.permits.poll(self.now) {
                    self.shards[shard].granted(self.now, ticket, &mut self.common);
                    self.check(shard)?;
                }
            } else if let Some((_, shard)) = first {
                self.shards[shard].step(self.now, &mut self.common);
                self.check(shard)?;
            }
        }
    }

    /// After each step: what was noted, and who may connect now.
    fn check(&mut self, index: usize) -> Result<(), Violation> {
        let noted = self.common.server.violations.pop();
        if let Some(what) = noted.or_else(|| self.shards[index].oracle.violations.pop()) {
            return Err(self.violation(what, index));
        }
        while self.common.dialling.len() < self.common.places
            && let Some(next) = self.common.queued.pop_front()
        {
            self.common.dialling.push(next);
            let shard = &mut self.shards[next];
            shard.dial(self.now);
            if let Some(session) = &mut shard.session {
                let _internal = session.handle(self.now, Input::DialBegun);
            }
            self.refresh(next);
        }
        self.refresh(index);
        Ok(())
    }

    fn refresh(&mut self, index: usize) {
        let shard = &mut self.shards[index];
        shard.next = shard.next_moment(self.now, &self.common.server);
    }

    fn violation(&self, what: String, shard: usize) -> Violation {
        let at = (self.now - self.begin).as_millis();
        Violation {
            what,
            at: u64::try_from(at).unwrap_or(0),
            shard,
            schedule: Box::new(self.schedule.clone()),
        }
    }

    fn suffer(&mut self, fault: &Fault) {
        let (now, common) = (self.now, &mut self.common);
        let shard = &mut self.shards[fault.shard];
        let until = |ms: u64| now + Duration::from_millis(ms);
        let outage = |ms, how, after| {
            Some(Outage {
                until: until(ms),
                how,
                after,
            })
        };
        match fault.kind {
            Kind::Cut => shard.cut(now, common),
            Kind::Blackhole => shard.deaden(now, true),
            Kind::Mute => shard.deaden(now, false),
            Kind::Stall => {
                if let Some(link) = &mut shard.link {
                    link.stalled = true;
                }
            }
            Kind::Latency { ms } => shard.latency = ms,
            Kind::Down { ms, how } => shard.down = outage(ms, how, None),
            Kind::Busy { ms, after_s } => {
                shard.down = outage(ms, 429, Some(Duration::from_secs(after_s)));
            }
            Kind::ResumeUrlDown { ms, how } => shard.resume_url_down = outage(ms, how, None),
            Kind::Pause { ms } => shard.stopped_until = Some(until(ms)),
            Kind::Commands { count } => shard.command(4, count),
            Kind::Presences { count } => shard.command(3, count),
            Kind::Renew { fresh } => {
                let how = if fresh {
                    Reconnect::Fresh
                } else {
                    Reconnect::Resume
                };
                if fresh {
                    shard.oracle.fresh();
                    if shard.state() == State::AwaitConnection {
                        shard.at_will = true;
                    }
                }
                shard.give(now, Input::Reconnect(how), common);
                shard.at_will = false;
            }
            Kind::Beat => shard.give(now, Input::Beat, common),
            Kind::Crash { .. } | Kind::Restart { .. } => self.restart(fault),
            Kind::NoToken { ms } => common.tokens.down_until = until(ms),
            Kind::LateTimers { ms } => {
                shard.late = Some((Duration::from_millis(ms), now + MINUTE));
                shard.excused = shard.excused.max(Some(now + 2 * MINUTE));
            }
            Kind::Suspend { ms } => {
                shard.asleep_until = Some(until(ms));
                shard.excused = shard.excused.max(Some(until(ms) + MINUTE));
            }
            kind => {
                let mut out = Vec::new();
                common.server.suffer(now, fault.shard, kind, &mut out);
                shard.send_down(now, &mut out);
            }
        }
    }

    /// The process ends, and begins again.
    fn restart(&mut self, fault: &Fault) {
        let shard = &mut self.shards[fault.shard];
        match fault.kind {
            Kind::Restart { ms, keep } => {
                let how = if keep { Shutdown::Keep } else { Shutdown::End };
                shard.end(self.now, how, Some(ms), &mut self.common);
            }
            Kind::Crash { ms } if shard.session.is_some() && shard.lived.fatal.is_none() => {
                shard.crash(self.now, &mut self.common);
                shard.shutting = None;
                shard.starts = Some((self.now + Duration::from_millis(ms), true));
            }
            _ => {}
        }
    }

    /// From now on nothing goes wrong.
    fn calm(&mut self) {
        self.common.server.behave();
        self.common.tokens.down_until = self.now;
        for index in 0..self.shards.len() {
            let shard = &mut self.shards[index];
            (shard.down, shard.resume_url_down, shard.late) = (None, None, None);
            shard.latency = shard.latency.min(50);
            for at in [&mut shard.stopped_until, &mut shard.asleep_until] {
                *at = at.map(|at| at.min(self.now));
            }
            if let Some((at, _)) = &mut shard.starts {
                *at = (*at).min(self.now);
            }
            self.refresh(index);
        }
    }

    /// Every shard that could is active, with acks, and has all its events.
    fn is_well(&mut self) -> Result<(), Violation> {
        for index in 0..self.shards.len() {
            let sessions = &self.common.server.sides[index].sessions;
            let shard = &mut self.shards[index];
            if shard.lived.fatal.is_none() {
                shard.oracle.finish(sessions);
            }
            let state = shard.state();
            let waits = state == State::AwaitPermit && self.common.permits.is_held_back(self.now);
            let active = state == State::Active
                && shard.oracle.is_established()
                && self.common.server.serves(index);
            if active && !shard.is_told() {
                shard
                    .oracle
                    .violations
                    .push("I16: a command was never sent".into());
            }
            if shard.lived.fatal.is_none() && !waits && !active {
                shard
                    .oracle
                    .violations
                    .push(format!("I11: not well at the end, but {state:?}"));
            }
            self.check(index)?;
        }
        Ok(())
    }

    /// All shards end; nothing stays open, nothing held.
    fn end(&mut self) -> Result<(), Violation> {
        for index in 0..self.shards.len() {
            let how = if index % 2 == 0 {
                Shutdown::End
            } else {
                Shutdown::Keep
            };
            self.shards[index].end(self.now, how, None, &mut self.common);
            self.check(index)?;
        }
        self.until(self.now + Duration::from_secs(4))?;
        for index in 0..self.shards.len() {
            let shard = &mut self.shards[index];
            if shard.link.is_some() || (shard.session.is_some() && shard.lived.fatal.is_none()) {
                let what = format!("I14: {:?} after the end", shard.state());
                shard.oracle.violations.push(what);
            }
            self.check(index)?;
        }
        let (granted, settled) = (self.common.permits.granted, self.common.permits.settled);
        if granted != settled {
            let what = format!("I17: {granted} permits granted, {settled} settled");
            return Err(self.violation(what, 0));
        }
        Ok(())
    }

    fn report(self) -> Report {
        let mut report = Report {
            time: (self.now - self.begin) * u32::try_from(self.shards.len()).unwrap_or(1),
            identifies: self.common.server.identifies.len() as u64,
            ..Report::default()
        };
        for shard in self.shards {
            let lived = shard.lived;
            report.steps += lived.steps;
            report.connects += lived.connects;
            report.cuts += lived.cuts;
            report.resumes += lived.resumes;
            report.events += shard.oracle.delivered;
            report.replayed += shard.oracle.replayed;
            report.fatal += u64::from(lived.fatal.is_some());
            report.found.extend(
                lived
                    .found
                    .iter()
                    .map(|found| (found.at - found.died, found.interval)),
            );
            report.hash = report.hash.rotate_left(7) ^ lived.hash;
            report.hashes.push(lived.hash);
        }
        report
    }
}
