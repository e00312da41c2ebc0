//! What does the gateway do? A model of its side, told the time like the session. It shares no code
//! with what it judges: sessions with their replay buffers, the rules for what clients send, and a
//! book of everything that came.

use std::{
    collections::{HashSet, VecDeque},
    fmt::Write as _,
    time::{Duration, Instant},
};

use super::{
    noise::noise,
    permits::DAY_ENDS,
    schedule::{Kind, Schedule},
};

/// The interval that Hello names.
pub(super) const INTERVAL_MS: u64 = 41_250;
/// A QQ connection is recycled after this time.
const RECYCLE: Duration = Duration::from_mins(30);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Discord,
    Qq,
}

/// What a session holds under a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// An event, by its number in the life of the shard's world.
    Event(u64),
    /// One that cannot be read; its sequence perhaps.
    Garbled(u64, bool),
    /// READY or RESUMED.
    Control,
}

/// A session as the server remembers it.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// In order of their sequences, which have holes where some were skipped.
    pub(super) entries: Vec<(u64, Entry)>,
    pub(super) last: u64,
    /// With what a RESUME is refused, where it is: a close code, 0 for op 9.
    pub(super) invalid: Option<u16>,
    /// Since when nobody is attached.
    left: Option<Instant>,
}

impl Remembered {
    /// The entries after `seq`.
    pub(super) fn after(&self, seq: u64) -> &[(u64, Entry)] {
        let from = self.entries.partition_point(|(at, _)| *at <= seq);
        &self.entries[from..]
    }
}

/// What a message of the server is, for those who judge what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Ack,
    Ask,
    Broken(u8),
    Close(Option<u16>),
    Event {
        session: usize,
        seq: Option<u64>,
        number: u64,
        replay: bool,
        repeat: bool,
    },
    Garbled {
        session: usize,
        seq: u64,
        readable: bool,
    },
    Hello {
        interval: u64,
    },
    Invalid {
        resumable: bool,
    },
    Other,
    /// `url`: it names a place to resume that may be used.
    Ready {
        session: usize,
        good: bool,
        url: bool,
    },
    Reconnect,
    Resumed {
        session: usize,
        seq: u64,
    },
}

/// A message on its way to the client.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) text: String,
    pub(super) what: What,
    /// How much later than others it is sent.
    pub(super) later: Duration,
}

impl Packet {
    pub(super) fn new(what: What, text: String) -> Self {
        Self {
            text,
            what,
            later: Duration::ZERO,
        }
    }

    pub(super) fn bare(what: What) -> Self {
        Self::new(what, String::new())
    }
}

/// What a client sends, as far as the server looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Beat {
        seq: Option<u64>,
    },
    Close {
        code: u16,
    },
    Command {
        op: u64,
        number: u64,
    },
    Identify {
        token: u64,
    },
    Resume {
        token: u64,
        session: Option<usize>,
        seq: u64,
    },
}

impl Sent {
    /// Reads a payload, as far as it matters here.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        let token = || number_after(text, "\"token\":\"QQBot t").unwrap_or(u64::MAX);
        match number_after(text, "{\"op\":")? {
            1 => Some(Self::Beat {
                seq: number_after(text, "\"d\":"),
            }),
            2 => Some(Self::Identify { token: token() }),
            6 => Some(Self::Resume {
                token: token(),
                session: number_after(text, "\"session_id\":\"s")
                    .and_then(|index| usize::try_from(index).ok()),
                seq: number_after(text, "\"seq\":")?,
            }),
            _ if text.contains("QQBot") => None,
            op => Some(Self::Command {
                op,
                number: number_after(text, if op == 3 { "\"since\":" } else { "\"n\":" })?,
            }),
        }
    }
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let rest = &text[text.find(key)? + key.len()..];
    let end = rest
        .find(|unit: char| !unit.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// What the server will do the next so many times.
#[derive(Debug, Default)]
pub(super) struct Odd {
    no_hello: u32,
    bad_hello: u32,
    reconnect_first: u32,
    no_ready: u32,
    slow_ready: Duration,
    bad_ready: u32,
    url: Option<u8>,
    refuse_identify: u32,
    no_resumed: u32,
    refuse_resume: u32,
    ready_on_resume: u32,
    close_after_resumed: u32,
    die_after_ready: u32,
    slow_replay: u64,
    no_close: u32,
    garble: u32,
    garble_seq: bool,
}

/// The connection of a shard, the newest.
#[derive(Debug)]
pub(super) struct Conn {
    opened: Instant,
    pub(super) attached: Option<usize>,
    identified: bool,
    sends: VecDeque<Instant>,
    mute_acks: bool,
    ack_delay: Duration,
    closed: bool,
}

/// What the server knows of one shard.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) sessions: Vec<Remembered>,
    pub(super) conn: Option<Conn>,
    odd: Odd,
    numbers: u64,
}

#[derive(Debug)]
pub(super) struct Server {
    dialect: Dialect,
    pub(super) sides: Vec<Side>,
    concurrency: u64,
    total: u64,
    /// What was used of the day before, and when that ends.
    day: (u64, Instant),
    keeps: Duration,
    /// Every identify that came, and from whom.
    pub(super) identifies: Vec<(Instant, usize)>,
    pub(super) resumes: u64,
    /// Tokens up to this number are refused.
    pub(super) revoked: u64,
    /// When tokens expire, by their number.
    pub(super) expires: Vec<Instant>,
    /// It recycles no connection any more.
    pub(super) rests: bool,
    pub(super) violations: Vec<String>,
    /// The codes of the close frames that came.
    pub(super) closes: HashSet<u16>,
}

impl Server {
    pub(super) fn new(dialect: Dialect, schedule: &Schedule, begin: Instant) -> Self {
        Self {
            dialect,
            sides: (0..schedule.shards).map(|_| Side::default()).collect(),
            concurrency: schedule.concurrency,
            total: schedule.total,
            day: (schedule.used, begin + DAY_ENDS),
            keeps: Duration::from_millis(schedule.keeps),
            identifies: Vec::new(),
            resumes: 0,
            revoked: 0,
            expires: Vec::new(),
            rests: false,
            violations: Vec::new(),
            closes: HashSet::new(),
        }
    }

    /// A new connection takes the place of the old one.
    pub(super) fn open(&mut self, now: Instant, shard: usize) -> Option<Packet> {
        self.gone(now, shard);
        let side = &mut self.sides[shard];
        side.conn = Some(Conn {
            opened: now,
            attached: None,
            identified: false,
            sends: VecDeque::new(),
            mute_acks: false,
            ack_delay: Duration::ZERO,
            closed: false,
        });
        if took(&mut side.odd.no_hello) {
            return None;
        }
        if took(&mut side.odd.reconnect_first) {
            return Some(Packet::new(What::Reconnect, r#"{"op":7,"d":null}"#.into()));
        }
        let bad = took(&mut side.odd.bad_hello);
        Some(hello(if bad { 0 } else { INTERVAL_MS }))
    }

    pub(super) fn gone(&mut self, now: Instant, shard: usize) {
        let side = &mut self.sides[shard];
        if let Some(index) = side.conn.take().and_then(|conn| conn.attached) {
            side.sessions[index].left = Some(now);
        }
    }

    /// When the server does something by itself.
    pub(super) fn recycles_at(&self, shard: usize) -> Option<Instant> {
        let conn = self.sides[shard]
            .conn
            .as_ref()
            .filter(|conn| !conn.closed)?;
        (self.dialect == Dialect::Qq && !self.rests).then(|| conn.opened + RECYCLE)
    }

    /// The session that is living, by its number: the newest, unless it was given up.
    fn living(&mut self, now: Instant, shard: usize) -> Option<usize> {
        let keeps = self.keeps;
        let side = &mut self.sides[shard];
        let index = side.sessions.len().checked_sub(1)?;
        let session = &mut side.sessions[index];
        if session
            .left
            .is_some_and(|left| now.duration_since(left) > keeps)
        {
            session.invalid.get_or_insert(0);
        }
        session.invalid.is_none().then_some(index)
    }

    /// Whether the shard's connection serves a session that lives.
    pub(super) fn serves(&self, shard: usize) -> bool {
        let side = &self.sides[shard];
        let attached = side.conn.as_ref().and_then(|conn| conn.attached);
        attached.is_some_and(|index| side.sessions[index].invalid.is_none())
    }

    /// An event of the world: kept in the session that lives, and sent where that is attached.
    pub(super) fn emit(&mut self, now: Instant, shard: usize) -> Option<Packet> {
        let index = self.living(now, shard)?;
        let side = &mut self.sides[shard];
        side.numbers += 1;
        let entry = if took(&mut side.odd.garble) {
            Entry::Garbled(side.numbers, side.odd.garble_seq)
        } else {
            Entry::Event(side.numbers)
        };
        let session = &mut side.sessions[index];
        session.last += 1;
        session.entries.push((session.last, entry));
        let seq = session.last;
        let attached = side
            .conn
            .as_ref()
            .is_some_and(|conn| conn.attached == Some(index));
        attached.then(|| message(index, seq, entry, false, false))
    }

    /// A payload of the client has come.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        shard: usize,
        sent: &Sent,
        out: &mut Vec<Packet>,
    ) {
        let Some(conn) = self.sides[shard].conn.as_mut().filter(|conn| !conn.closed) else {
            return;
        };
        if let Sent::Close { code } = sent {
            self.closed_by_client(now, shard, *code, out);
            return;
        }
        conn.sends.push_back(now);
        while conn
            .sends
            .front()
            .is_some_and(|at| now.duration_since(*at) >= MINUTE)
        {
            conn.sends.pop_front();
        }
        if conn.sends.len() > 120 {
            self.close(now, shard, 4008, out);
            return;
        }
        match sent {
            Sent::Beat { .. } => {
                if !conn.mute_acks {
                    let mut ack = Packet::new(What::Ack, r#"{"op":11}"#.into());
                    ack.later = conn.ack_delay;
                    out.push(ack);
                }
            }
            Sent::Identify { token } => self.identify(now, shard, *token, out),
            Sent::Resume {
                token,
                session,
                seq,
            } => {
                self.resume(now, shard, (*token, *session, *seq), out);
            }
            Sent::Command { .. } | Sent::Close { .. } => {}
        }
    }

    fn closed_by_client(&mut self, now: Instant, shard: usize, code: u16, out: &mut Vec<Packet>) {
        self.closes.insert(code);
        let attached = self.sides[shard]
            .conn
            .as_ref()
            .and_then(|conn| conn.attached);
        self.gone(now, shard);
        let side = &mut self.sides[shard];
        if let (1000 | 1001, Some(index)) = (code, attached) {
            side.sessions[index].invalid.get_or_insert(0);
        }
        if !took(&mut side.odd.no_close) {
            out.push(Packet::bare(What::Close(Some(code))));
        }
    }

    fn close(&mut self, now: Instant, shard: usize, code: u16, out: &mut Vec<Packet>) {
        let dead = match self.dialect {
            Dialect::Discord => matches!(code, 4003 | 4006 | 4007 | 4009),
            Dialect::Qq => {
                matches!(code, 4003 | 4004 | 4006 | 4007 | 4015..=4913 | 4916..=4999)
            }
        };
        if dead {
            self.invalidate(shard, 0);
        }
        let side = &mut self.sides[shard];
        if let Some(conn) = &mut side.conn {
            conn.closed = true;
            if let Some(index) = conn.attached.take() {
                side.sessions[index].left = Some(now);
            }
            out.push(Packet::bare(What::Close((code > 0).then_some(code))));
        }
    }

    fn invalidate(&mut self, shard: usize, code: u16) {
        let side = &mut self.sides[shard];
        if let Some(session) = side.sessions.last_mut() {
            session.invalid.get_or_insert(code);
        }
        if let Some(conn) = &mut side.conn {
            conn.attached = None;
        }
    }

    fn knows(&self, now: Instant, token: u64) -> bool {
        let number = usize::try_from(token).unwrap_or(usize::MAX);
        self.dialect == Dialect::Discord
            || (token >= self.revoked && self.expires.get(number).is_some_and(|at| *at > now))
    }

    fn identify(&mut self, now: Instant, shard: usize, token: u64, out: &mut Vec<Packet>) {
        self.book(now, shard);
        if !self.knows(now, token) {
            out.push(invalid(false));
            self.close(now, shard, 4903, out);
            return;
        }
        let window = Duration::from_secs(5);
        let key = |shard: usize| u64::try_from(shard).unwrap_or(0) % self.concurrency;
        let recent = self.identifies.iter().rev().skip(1);
        let too_soon = self.dialect == Dialect::Discord
            && recent
                .take_while(|(at, _)| now.duration_since(*at) < window)
                .any(|(_, other)| key(*other) == key(shard));
        let side = &mut self.sides[shard];
        let Some(conn) = &mut side.conn else {
            return;
        };
        if std::mem::replace(&mut conn.identified, true) {
            self.violations
                .push("I5: a second identify on a connection".into());
            self.close(now, shard, 4005, out);
            return;
        }
        if too_soon || took(&mut side.odd.refuse_identify) {
            out.push(invalid(false));
            if self.dialect == Dialect::Qq {
                self.close(now, shard, 4903, out);
            }
            return;
        }
        if !took(&mut side.odd.no_ready) {
            self.ready(shard, out);
        }
    }

    fn book(&mut self, now: Instant, shard: usize) {
        self.identifies.push((now, shard));
        let day = self.identifies.iter().rev();
        let used = day
            .take_while(|(at, _)| now.duration_since(*at) < DAY)
            .count();
        let before = if now < self.day.1 { self.day.0 } else { 0 };
        let used = u64::try_from(used).unwrap_or(u64::MAX) + before;
        if used * 10 > (self.total * 9).max(10) {
            self.violations
                .push(format!("I9: {used} identifies in a day of {}", self.total));
        }
    }

    fn ready(&mut self, shard: usize, out: &mut Vec<Packet>) {
        let side = &mut self.sides[shard];
        if let Some(old) = side.sessions.last_mut() {
            old.invalid.get_or_insert(0);
        }
        let index = side.sessions.len();
        let good = !took(&mut side.odd.bad_ready);
        side.sessions.push(Remembered {
            entries: vec![(1, Entry::Control)],
            last: 1,
            invalid: (!good).then_some(0),
            left: None,
        });
        if let Some(conn) = &mut side.conn {
            conn.attached = good.then_some(index);
        }
        let mut text = String::from(r#"{"t":"READY","s":1,"op":0,"d":{"v":10,"user":{"id":"1"}"#);
        if good {
            let _infallible = write!(text, r#","session_id":"s{index}""#);
        }
        let odd = side.odd.url.take();
        text.push_str(match odd {
            None => r#","resume_gateway_url":"wss://gateway-r.discord.gg""#,
            Some(0) => "",
            Some(1) => r#","resume_gateway_url":null"#,
            Some(2) => r#","resume_gateway_url":7"#,
            Some(3) => r#","resume_gateway_url":"ws://gateway-r.discord.gg""#,
            Some(4) => r#","resume_gateway_url":"wss://discord.gg.evil.example""#,
            Some(5) => r#","resume_gateway_url":"wss://evil.example#.discord.gg""#,
            Some(_) => r#","resume_gateway_url":"wss://a@gateway-r.discord.gg""#,
        });
        text.push_str("}}");
        let mut ready = Packet::new(
            What::Ready {
                session: index,
                good,
                url: odd.is_none(),
            },
            text,
        );
        ready.later = std::mem::take(&mut side.odd.slow_ready);
        out.push(ready);
        if took(&mut side.odd.die_after_ready) {
            out.push(invalid(false));
            self.invalidate(shard, 0);
        }
    }

    fn resume(
        &mut self,
        now: Instant,
        shard: usize,
        (token, index, seq): (u64, Option<usize>, u64),
        out: &mut Vec<Packet>,
    ) {
        self.resumes += 1;
        if !self.knows(now, token) {
            self.close(now, shard, 4004, out);
            return;
        }
        let living = self.living(now, shard);
        let side = &mut self.sides[shard];
        if took(&mut side.odd.refuse_resume) {
            out.push(invalid(true));
            return;
        }
        if took(&mut side.odd.no_resumed) {
            return;
        }
        if took(&mut side.odd.ready_on_resume) {
            self.ready(shard, out);
            return;
        }
        let Some(index) = index.filter(|index| living == Some(*index)) else {
            let known = index.and_then(|index| side.sessions.get(index));
            match known
                .and_then(|session| session.invalid)
                .filter(|code| *code > 0)
            {
                Some(code) => self.close(now, shard, code, out),
                None => out.push(invalid(false)),
            }
            return;
        };
        let session = &mut side.sessions[index];
        if seq > session.last {
            self.violations.push("I4: a resume from the future".into());
            self.close(now, shard, 4007, out);
            return;
        }
        session.left = None;
        let apart = std::mem::take(&mut side.odd.slow_replay);
        for ((seq, entry), place) in session.after(seq).iter().zip(1..) {
            let mut message = message(index, *seq, *entry, true, false);
            message.later = Duration::from_millis((apart * place).min(120_000));
            out.push(message);
        }
        session.last += 1;
        session.entries.push((session.last, Entry::Control));
        out.push(resumed(index, session.last));
        if let Some(conn) = &mut side.conn {
            conn.attached = Some(index);
        }
        if took(&mut side.odd.close_after_resumed) {
            self.close(now, shard, 4000, out);
        }
    }

    /// No more faults: what comes next is served as it should be.
    pub(super) fn behave(&mut self) {
        for side in &mut self.sides {
            side.odd = Odd::default();
            if let Some(conn) = &mut side.conn {
                conn.mute_acks = false;
                conn.ack_delay = Duration::ZERO;
            }
        }
    }

    /// A fault on the server's side.
    pub(super) fn suffer(&mut self, now: Instant, shard: usize, kind: Kind, out: &mut Vec<Packet>) {
        let odd = &mut self.sides[shard].odd;
        match kind {
            Kind::NoHello { times } => odd.no_hello = times,
            Kind::BadHello { times } => odd.bad_hello = times,
            Kind::ReconnectFirst { times } => odd.reconnect_first = times,
            Kind::NoReady { times } => odd.no_ready = times,
            Kind::SlowReady { ms } => odd.slow_ready = Duration::from_millis(ms),
            Kind::BadReady { times } => odd.bad_ready = times,
            Kind::OddUrl { which } => odd.url = Some(which),
            Kind::RefuseIdentify { times } => odd.refuse_identify = times,
            Kind::NoResumed { times } => odd.no_resumed = times,
            Kind::RefuseResume { times } => odd.refuse_resume = times,
            Kind::ReadyOnResume { times } => odd.ready_on_resume = times,
            Kind::CloseAfterResumed { times } => odd.close_after_resumed = times,
            Kind::DieAfterReady { times } => odd.die_after_ready = times,
            Kind::SlowReplay { ms } => odd.slow_replay = ms,
            Kind::NoClose { times } => odd.no_close = times,
            Kind::Garble { count, seq } => (odd.garble, odd.garble_seq) = (count, seq),
            Kind::Forget { code } => {
                self.invalidate(shard, code);
                self.close(now, shard, 0, out);
            }
            Kind::ExpireTokens => {
                self.revoked = u64::try_from(self.expires.len()).unwrap_or(0);
            }
            _ => self.act_up(now, shard, kind, out),
        }
    }

    /// A fault that takes a connection.
    fn act_up(&mut self, now: Instant, shard: usize, kind: Kind, out: &mut Vec<Packet>) {
        let Some(conn) = self.sides[shard].conn.as_mut().filter(|conn| !conn.closed) else {
            return;
        };
        let plain = |what, text: &str| Packet::new(what, text.into());
        match kind {
            Kind::NoAcks => conn.mute_acks = true,
            Kind::LateAcks { ms } => conn.ack_delay = Duration::from_millis(ms),
            Kind::Invalidate => {
                self.invalidate(shard, 0);
                out.push(invalid(false));
            }
            Kind::Interrupt => out.push(invalid(true)),
            Kind::Close { code } => self.close(now, shard, code, out),
            Kind::Reconnect => out.push(plain(What::Reconnect, r#"{"op":7,"d":null}"#)),
            Kind::Burst { count } => {
                for _ in 0..count {
                    out.extend(self.emit(now, shard));
                }
            }
            Kind::Repeat { count } => self.repeat(shard, count, out),
            Kind::Skip { count } => {
                if let Some(index) = conn.attached {
                    self.sides[shard].sessions[index].last += u64::from(count);
                }
            }
            Kind::Renumber => self.renumber(shard, out),
            Kind::Unnumbered { count } => {
                if let Some(session) = conn.attached {
                    out.extend((0..count).map(|_| unnumbered(session)));
                }
            }
            Kind::Noise { which } => out.push(noise(which)),
            Kind::Ask { times } => {
                out.extend((0..times).map(|_| plain(What::Ask, r#"{"op":1,"d":null}"#)));
            }
            Kind::Nag { times } => out.extend((0..times).map(|time| {
                let mut ask = plain(What::Ask, r#"{"op":1,"d":null}"#);
                ask.later = Duration::from_secs(2) * time;
                ask
            })),
            Kind::StrayAck => out.push(plain(What::Ack, r#"{"op":11}"#)),
            Kind::Hello { interval } => out.push(hello(interval)),
            Kind::Broken { how } => {
                conn.closed = true;
                if let Some(index) = conn.attached.take() {
                    self.sides[shard].sessions[index].left = Some(now);
                }
                out.push(Packet::bare(What::Broken(how)));
            }
            _ => {}
        }
    }

    fn repeat(&self, shard: usize, count: u32, out: &mut Vec<Packet>) {
        let side = &self.sides[shard];
        let Some(index) = side.conn.as_ref().and_then(|conn| conn.attached) else {
            return;
        };
        let entries = &side.sessions[index].entries;
        let from = entries
            .len()
            .saturating_sub(usize::try_from(count).unwrap_or(0));
        for (seq, entry) in &entries[from..] {
            if let Entry::Event(_) = entry {
                out.push(message(index, *seq, *entry, false, true));
            }
        }
    }

    /// What comes from now on has numbers that were used before: the session is worth nothing.
    fn renumber(&mut self, shard: usize, out: &mut Vec<Packet>) {
        let side = &mut self.sides[shard];
        let Some(index) = side.conn.as_ref().and_then(|conn| conn.attached) else {
            return;
        };
        let session = &side.sessions[index];
        let unread = |(_, entry): &(u64, Entry)| matches!(entry, Entry::Garbled(_, false));
        let last = session.entries.last().map_or(0, |(seq, _)| *seq);
        let few = session.entries.len() < 4 || last < 4;
        if few || session.entries.iter().any(unread) {
            // The client might not have got as far.
            return;
        }
        self.invalidate(shard, 0);
        for seq in 1..=3 {
            out.push(message(index, seq, Entry::Event(0), false, true));
        }
    }
}

fn took(times: &mut u32) -> bool {
    let took = *times > 0;
    *times = times.saturating_sub(1);
    took
}

fn hello(interval: u64) -> Packet {
    let text = format!(r#"{{"t":null,"s":null,"op":10,"d":{{"heartbeat_interval":{interval}}}}}"#);
    Packet::new(What::Hello { interval }, text)
}

fn invalid(resumable: bool) -> Packet {
    let text = format!(r#"{{"op":9,"d":{resumable}}}"#);
    Packet::new(What::Invalid { resumable }, text)
}

fn resumed(session: usize, seq: u64) -> Packet {
    let text = format!(r#"{{"t":"RESUMED","s":{seq},"op":0,"d":{{}}}}"#);
    Packet::new(What::Resumed { session, seq }, text)
}

fn unnumbered(session: usize) -> Packet {
    let what = What::Event {
        session,
        seq: None,
        number: 0,
        replay: false,
        repeat: false,
    };
    Packet::new(what, r#"{"t":"TYPING_START","op":0,"d":{}}"#.into())
}

fn message(session: usize, seq: u64, entry: Entry, replay: bool, repeat: bool) -> Packet {
    match entry {
        Entry::Control => {
            // RESUMED, replayed like any other.
            let what = What::Resumed { session, seq };
            Packet {
                what,
                ..resumed(session, seq)
            }
        }
        Entry::Garbled(_, readable) => Packet::bare(What::Garbled {
            session,
            seq,
            readable,
        }),
        Entry::Event(number) => {
            let what = What::Event {
                session,
                seq: Some(seq),
                number,
                replay,
                repeat,
            };
            let mut text = String::with_capacity(80);
            let _infallible = write!(
                text,
                r#"{{"t":"MESSAGE_CREATE","s":{seq},"op":0,"d":{{"number":{number}}}}}"#
            );
            Packet::new(what, text)
        }
    }
}
