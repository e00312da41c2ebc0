//! What does one shard do? A session with a model of its driver: it carries out actions, moves
//! messages over a net that takes its time, and hands events to a user who may be slow.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    dice::Dice,
    oracle::{Found, Item, Oracle},
    patience::Patience,
    permits::{Permits, Tokens},
    schedule::Schedule,
    server::{Dialect, INTERVAL_MS, Packet, Sent, Server, What},
};
use crate::{
    id::ShardId,
    platform::{GatewayUrl, Platform},
    queue::buckets::Ticket,
    secret::Token,
    session::{Input, Lost, Resume, Session, Setup, Shutdown, State, Stop},
};

/// What the ring asks of a platform beside the trait.
pub(super) trait Spoken: Platform {
    const DIALECT: Dialect;
    const BASE: &'static str;
    fn new() -> Self;
}

/// An open connection.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that hold independently of each other"
)]
pub(super) struct Link {
    /// On the way to the client, and to the server: first in, first out.
    pub(super) down: VecDeque<(Instant, Packet)>,
    pub(super) up: VecDeque<(Instant, Sent)>,
    /// When the last of those on the way to the client arrives.
    last: Instant,
    /// Since when nothing reaches the client.
    pub(super) dead: Option<Instant>,
    /// Nothing reaches the server.
    pub(super) deaf: bool,
    /// The socket takes no more, and since when something waits for it.
    pub(super) stalled: bool,
    pub(super) stuck: Option<Instant>,
    /// Times of what was sent in the last minute.
    pub(super) sends: VecDeque<Instant>,
    pub(super) hello: Option<Instant>,
    /// When the last heartbeat was sent, or Hello came.
    pub(super) beat: Instant,
    pub(super) interval: Duration,
    pub(super) closing: bool,
    /// The first heartbeat without an ack, and the first request for one without an answer.
    pub(super) unacked: Option<Instant>,
    pub(super) asked: Option<Instant>,
    /// No heartbeat was sent yet, and none was asked for.
    pub(super) untouched: bool,
    /// When a second Hello made beats more frequent: what was reserved for them is too little.
    pub(super) hastened: Option<Instant>,
}

impl Link {
    /// Whether what is written now arrives.
    pub(super) const fn reaches_server(&self) -> bool {
        !self.deaf && !self.stalled
    }

    /// Whether the last heartbeat is too long ago.
    pub(super) fn beat_is_late(&self, now: Instant, excused: Option<Instant>) -> bool {
        let excused = excused.is_some_and(|until| until >= self.beat);
        !excused && now > self.beat + self.interval + Duration::from_secs(1)
    }
}

/// How an attempt to connect goes out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Open,
    Failed {
        status: Option<u16>,
        after: Option<Duration>,
    },
}

/// Why connects fail, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) until: Instant,
    pub(super) how: u16,
    pub(super) after: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Grant {
    None,
    Waiting {
        ticket: Ticket,
        renew: bool,
    },
    /// The permit is there, the credential is fetched.
    Fetching {
        ticket: Option<Ticket>,
        at: Instant,
        renew: bool,
    },
    Held {
        ticket: Option<Ticket>,
        token: u64,
        since: Instant,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Open,
    Paused,
    CatchingUp,
}

/// Where all shards meet.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) server: Server,
    pub(super) permits: Permits,
    pub(super) tokens: Tokens,
    pub(super) places: usize,
    /// Who makes a connection now, and who waits for a place.
    pub(super) dialling: Vec<usize>,
    pub(super) queued: VecDeque<usize>,
    /// The last identify of each bucket.
    sent: Vec<(u64, Instant)>,
    concurrency: u64,
}

impl Common {
    pub(super) fn new(schedule: &Schedule, dialect: Dialect, now: Instant) -> Self {
        Self {
            server: Server::new(dialect, schedule, now),
            permits: Permits::new(schedule, now),
            tokens: Tokens::new(now, dialect == Dialect::Qq),
            places: schedule.places,
            dialling: Vec::new(),
            queued: VecDeque::new(),
            sent: Vec::new(),
            concurrency: schedule.concurrency,
        }
    }

    /// An IDENTIFY was written; what is wrong with that.
    pub(super) fn identified(&mut self, now: Instant, shard: usize) -> Option<String> {
        let key = u64::try_from(shard).unwrap_or(0) % self.concurrency;
        let before = self
            .sent
            .iter()
            .find(|(other, _)| *other == key)
            .map(|(_, at)| *at);
        self.sent.retain(|(other, _)| *other != key);
        self.sent.push((key, now));
        let gap = now - before?;
        (gap < Duration::from_secs(5)).then(|| format!("I5: an identify {gap:?} after another"))
    }

    pub(super) fn is_dialling(&self, shard: usize) -> bool {
        self.dialling.contains(&shard) || self.queued.contains(&shard)
    }

    pub(super) fn leave_place(&mut self, shard: usize) {
        self.dialling.retain(|other| *other != shard);
        self.queued.retain(|other| *other != shard);
    }
}

/// What a shard has lived through.
#[derive(Debug, Default)]
pub(super) struct Lived {
    pub(super) connects: u64,
    pub(super) cuts: u64,
    pub(super) resumes: u64,
    pub(super) steps: u64,
    pub(super) found: Vec<Found>,
    pub(super) hash: u64,
    pub(super) fatal: Option<Stop>,
}

pub(super) struct Shard<P: Platform> {
    pub(super) index: usize,
    pub(super) shards: usize,
    pub(super) seed: u64,
    pub(super) begin: Instant,
    pub(super) lives: u64,
    pub(super) session: Option<Session<P>>,
    pub(super) link: Option<Link>,
    pub(super) dial: Option<(Instant, Outcome)>,
    /// Where the dial goes to.
    pub(super) at_resume_url: bool,
    pub(super) grant: Grant,
    pub(super) reading: Reading,
    pub(super) buffer: VecDeque<Item>,
    pub(super) buffer_max: usize,
    pub(super) stopped_until: Option<Instant>,
    pub(super) oracle: Oracle,
    pub(super) patience: Patience,
    pub(super) dice: Dice,
    pub(super) latency: u64,
    pub(super) pace: u64,
    /// No events any more.
    pub(super) silent: bool,
    pub(super) next_event: Instant,
    pub(super) commands: VecDeque<(u64, u64)>,
    pub(super) commanded: u64,
    pub(super) presences: u64,
    /// The presence that the user set last.
    pub(super) presence_set: u64,
    pub(super) down: Option<Outage>,
    pub(super) resume_url_down: Option<Outage>,
    /// Timers fire so much late, until then.
    pub(super) late: Option<(Duration, Instant)>,
    pub(super) asleep_until: Option<Instant>,
    /// When it did not run, or fired late, for the last time.
    pub(super) excused: Option<Instant>,
    /// A session to start with, when.
    pub(super) starts: Option<(Instant, bool)>,
    pub(super) state: (State, Instant),
    /// When a replay went on.
    pub(super) news_at: Instant,
    /// First heartbeats in a row that came exactly after the interval, or at once.
    pub(super) at_ends: u32,
    /// HTTP 401 or 403 at the base url, in a row.
    pub(super) forbidden: u32,
    pub(super) lived: Lived,
    /// How the shard is being ended, and after how many milliseconds it starts again.
    pub(super) shutting: Option<(Shutdown, Option<u64>)>,
    pub(super) pending_found: Option<Found>,
    /// A connect that comes now is the user's will.
    pub(super) at_will: bool,
    pub(super) scratch: Vec<u8>,
    pub(super) packets: Vec<Packet>,
    pub(super) next: Option<Instant>,
}

impl<P: Spoken> Shard<P> {
    pub(super) fn new(index: usize, schedule: &Schedule, begin: Instant) -> Self {
        Self {
            index,
            shards: schedule.shards,
            seed: schedule.seed,
            begin,
            lives: 0,
            session: None,
            link: None,
            dial: None,
            at_resume_url: false,
            grant: Grant::None,
            reading: Reading::Open,
            buffer: VecDeque::new(),
            buffer_max: schedule.buffer,
            stopped_until: None,
            oracle: Oracle::new(P::DIALECT, begin),
            patience: Patience::new(begin),
            dice: Dice::new(schedule.seed, 100 + index as u64),
            latency: schedule.latency,
            pace: schedule.pace,
            silent: false,
            next_event: begin,
            commands: VecDeque::new(),
            commanded: 0,
            presences: 0,
            presence_set: 0,
            down: None,
            resume_url_down: None,
            late: None,
            asleep_until: None,
            excused: None,
            starts: Some((begin, false)),
            state: (State::Stopped, begin),
            news_at: begin,
            at_ends: 0,
            forbidden: 0,
            lived: Lived {
                hash: 0xcbf2_9ce4_8422_2325,
                ..Lived::default()
            },
            shutting: None,
            pending_found: None,
            at_will: false,
            scratch: Vec::new(),
            packets: Vec::new(),
            next: Some(begin),
        }
    }

    /// Starts the process, with the session that the user has or none.
    fn start(&mut self, now: Instant, keep: bool, common: &mut Common) {
        self.lives += 1;
        let held = self
            .oracle
            .taken
            .filter(|_| keep && self.oracle.held.is_some());
        let resume = held.map(|(session, seq)| Resume {
            session_id: format!("s{session}"),
            seq,
            url: self
                .oracle
                .url
                .as_deref()
                .and_then(|url| GatewayUrl::configured(url).ok()),
        });
        self.oracle.restart(now, held);
        self.patience = Patience::new(now);
        self.commands.clear();
        (self.oracle.last_command, self.presence_set) = (self.commanded, 0);
        self.forbidden = 0;
        let number = u32::try_from(self.index).unwrap_or(0);
        let total = u32::try_from(self.shards).unwrap_or(1);
        let setup = Setup {
            platform: P::new(),
            shard: ShardId::new(number, total).expect("below the total"),
            bases: vec![GatewayUrl::configured(P::BASE).expect("a gateway")],
            discovers: P::DIALECT == Dialect::Qq,
            session_age_max: None,
            drop_repeated: P::DIALECT == Dialect::Qq && self.seed.is_multiple_of(2),
            limits: Arc::default(),
            resume,
            seed: Dice::new(self.seed, (self.lives << 16) + u64::from(number)).roll(),
        };
        self.session = Some(Session::new(setup, now));
        self.settle(now, common);
    }

    /// The process is gone without a word.
    pub(super) fn crash(&mut self, now: Instant, common: &mut Common) {
        self.return_permit(common);
        self.end_dial(common);
        self.session = None;
        // The server hears of it when the system closes the socket.
        if self.link.take().is_some() {
            common.server.gone(now, self.index);
        }
        self.snapshot();
    }

    /// What the user has: of a session that it took nothing of, the beginning.
    pub(super) fn snapshot(&mut self) {
        self.buffer.clear();
        self.reading = Reading::Open;
        let Some((session, received)) = self.oracle.held else {
            return;
        };
        let taken = match self.oracle.taken {
            Some((of, seq)) if of == session => seq.min(received),
            _ => 1,
        };
        self.oracle.taken = Some((session, taken));
    }

    /// When there is something to do.
    pub(super) fn next_moment(&self, now: Instant, server: &Server) -> Option<Instant> {
        let awake = |at: Instant| self.asleep_until.map_or(at, |until| at.max(until));
        let mut next = (!self.silent).then_some(self.next_event);
        let mut add = |at: Option<Instant>| next = next.into_iter().chain(at).min();
        if let Some(link) = &self.link {
            add(link.up.front().map(|(at, _)| *at));
            if self.may_read() {
                add(link.down.front().map(|(at, _)| awake(*at)));
            }
            add(link.stuck.map(|at| awake(at + Duration::from_secs(10))));
            add(server.recycles_at(self.index));
        }
        add(self.dial.map(|(at, _)| awake(at)));
        if let Grant::Fetching { at, .. } = self.grant {
            add(Some(awake(at)));
        }
        add(self.stopped_until.map(awake));
        add(self.starts.map(|(at, _)| at));
        if let Some(session) = &self.session
            && let Some((at, _)) = session.poll_timeout(now)
        {
            add(Some(awake(at + self.lateness(at))));
        }
        next
    }

    pub(super) fn lateness(&self, at: Instant) -> Duration {
        match self.late {
            Some((late, until)) if at <= until => late,
            _ => Duration::ZERO,
        }
    }

    /// Does what is due: the server's part, then what arrived, and deadlines last.
    pub(super) fn step(&mut self, now: Instant, common: &mut Common) {
        self.lived.steps += 1;
        if let Some((at, keep)) = self.starts
            && at <= now
        {
            self.starts = None;
            self.start(now, keep, common);
        }
        self.serve(now, common);
        if self.asleep_until.is_some_and(|until| until > now) {
            return;
        }
        self.asleep_until = None;
        if self.stopped_until.is_some_and(|until| until <= now) {
            self.stopped_until = None;
            self.drain(common);
        }
        self.dialled(now, common);
        self.fetched(now, common);
        while self.may_read()
            && let Some(link) = &mut self.link
            && link.down.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, packet)) = link.down.pop_front()
        {
            self.arrive(now, &packet, common);
        }
        if self.reading == Reading::CatchingUp {
            self.reading = Reading::Open;
            if let Some(link) = &mut self.link {
                link.unacked = None;
                // What had died meanwhile could not be seen.
                link.dead = link.dead.map(|_| now);
            }
            self.news_at = now;
            self.patience.caught_up(now);
            self.give(now, Input::CaughtUp, common);
        }
        self.judge(now, common);
    }

    /// What the server does: reads, and makes events.
    fn serve(&mut self, now: Instant, common: &mut Common) {
        let mut out = std::mem::take(&mut self.packets);
        while let Some(link) = &mut self.link
            && link.up.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, sent)) = link.up.pop_front()
        {
            common.server.expires.clone_from(&common.tokens.issued);
            common.server.receive(now, self.index, &sent, &mut out);
            self.send_down(now, &mut out);
        }
        if common
            .server
            .recycles_at(self.index)
            .is_some_and(|at| at <= now)
        {
            let close = super::schedule::Kind::Close { code: 4009 };
            common.server.suffer(now, self.index, close, &mut out);
        }
        if !self.silent && self.next_event <= now {
            out.extend(common.server.emit(now, self.index));
            self.next_event = now + self.dice.millis(0, self.pace * 2);
        }
        self.send_down(now, &mut out);
        self.packets = out;
    }

    pub(super) fn send_down(&mut self, now: Instant, out: &mut Vec<Packet>) {
        for packet in out.drain(..) {
            let delay = self.delay();
            let Some(link) = self.link.as_mut().filter(|link| link.dead.is_none()) else {
                continue;
            };
            let at = now + delay + packet.later;
            // What the server says late lets others pass.
            let is_late = matches!(packet.what, What::Ack | What::Ask) && !packet.later.is_zero();
            let at = if is_late { at } else { at.max(link.last) };
            if !is_late {
                link.last = at;
            }
            let place = link.down.partition_point(|(other, _)| *other <= at);
            link.down.insert(place, (at, packet));
        }
    }

    /// A message's way: the latency, give or take a tenth.
    pub(super) fn delay(&mut self) -> Duration {
        self.dice.millis(
            self.latency - self.latency / 10,
            self.latency + self.latency / 10,
        )
    }

    fn dialled(&mut self, now: Instant, common: &mut Common) {
        let Some((_, outcome)) = self.dial.filter(|(at, _)| *at <= now) else {
            return;
        };
        self.dial = None;
        match outcome {
            Outcome::Open => {
                self.lived.connects += 1;
                self.forbidden = 0;
                self.oracle.connected();
                self.patience.connected(now);
                self.link = Some(Link {
                    down: VecDeque::new(),
                    up: VecDeque::new(),
                    last: now,
                    dead: None,
                    deaf: false,
                    stalled: false,
                    stuck: None,
                    sends: VecDeque::new(),
                    hello: None,
                    beat: now,
                    interval: Duration::from_millis(INTERVAL_MS),
                    closing: false,
                    unacked: None,
                    asked: None,
                    untouched: true,
                    hastened: None,
                });
                self.reading = Reading::Open;
                let mut out: Vec<_> = common.server.open(now, self.index).into_iter().collect();
                self.send_down(now, &mut out);
                self.give(now, Input::Connected, common);
            }
            Outcome::Failed { status, after } => {
                let refused = matches!(status, Some(401 | 403));
                if !self.at_resume_url {
                    self.forbidden = if refused { self.forbidden + 1 } else { 0 };
                }
                self.end_dial(common);
                self.oracle.waits.failed(now, self.at_resume_url, after);
                let lost = Lost::Connect {
                    status,
                    retry_after: after,
                };
                self.give(now, Input::Lost(lost), common);
            }
        }
    }

    fn fetched(&mut self, now: Instant, common: &mut Common) {
        let Grant::Fetching { ticket, at, renew } = self.grant else {
            return;
        };
        if at > now {
            return;
        }
        if let Some(token) = common.tokens.take(now, renew) {
            self.grant = Grant::Held {
                ticket,
                token,
                since: now,
            };
            self.oracle.given();
            self.patience.permitted(now);
            let text = format!("QQBot t{token}");
            self.give(now, Input::Permit(Token::from(text.as_str())), common);
        } else {
            self.return_permit(common);
            let retry_after = self.dice.percent(50).then_some(Duration::from_secs(2));
            let refused = Input::PermitRefused {
                fatal: false,
                retry_after,
            };
            self.give(now, refused, common);
        }
    }

    /// The permit is this shard's.
    pub(super) fn granted(&mut self, now: Instant, ticket: Ticket, common: &mut Common) {
        match self.grant {
            Grant::Waiting {
                ticket: waiting,
                renew,
            } if waiting == ticket => {
                let at = now + self.dice.millis(0, 80);
                self.grant = Grant::Fetching {
                    ticket: Some(ticket),
                    at,
                    renew,
                };
            }
            _ => {
                self.oracle
                    .violations
                    .push("I17: a permit for nobody".into());
                common.permits.give_back(ticket);
            }
        }
    }
}

/// What others do to it.
impl<P: Spoken> Shard<P> {
    pub(super) fn cut(&mut self, now: Instant, common: &mut Common) {
        if self.link.is_some() {
            self.lived.cuts += 1;
            self.drop_link(now, common);
            self.give(now, Input::Lost(Lost::Cut), common);
        }
    }

    /// Nothing arrives at the client any more, nor at the server if `both`.
    pub(super) fn deaden(&mut self, now: Instant, both: bool) {
        if let Some(link) = &mut self.link {
            link.dead.get_or_insert(now);
            link.deaf |= both;
            link.down.clear();
            if both {
                link.up.clear();
            }
        }
    }

    pub(super) fn command(&mut self, op: u64, count: u32) {
        for _ in 0..count {
            // The user's queue has a bound.
            if self.commands.len() < 256 {
                let number = if op == 4 {
                    &mut self.commanded
                } else {
                    &mut self.presences
                };
                *number += 1;
                self.commands.push_back((op, *number));
                if op == 3 {
                    self.presence_set = self.presences;
                }
            }
        }
    }

    /// The user ends the shard, and starts it again after `restart` milliseconds.
    pub(super) fn end(
        &mut self,
        now: Instant,
        how: Shutdown,
        restart: Option<u64>,
        common: &mut Common,
    ) {
        if self.session.is_none() || self.shutting.is_some() || self.lived.fatal.is_some() {
            return;
        }
        if how == Shutdown::Keep {
            self.snapshot();
        }
        self.shutting = Some((how, restart));
        self.give(now, Input::Shutdown(how), common);
    }
}
