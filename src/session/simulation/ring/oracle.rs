//! Is what a shard does right? The judge of one shard: told what arrives, what the session does and
//! what the user takes, it knows by its own account what may happen next.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    server::{Dialect, Entry, Remembered, Sent, What},
    waits::{Ended, Waits},
};
use crate::{
    notice::{Cause, Notice},
    platform::GatewayUrl,
    session::{Begun, State},
};

/// What the user finds in the stream of events, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Event {
        session: usize,
        seq: Option<u64>,
        number: u64,
    },
    /// A message that could not be read.
    Garbled {
        session: usize,
        seq: u64,
    },
    Lost,
    Ready {
        session: usize,
    },
    Resumed {
        session: usize,
        seq: u64,
    },
}

/// What is known of the connection.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that hold independently of each other"
)]
struct Link {
    begun: Option<Begun>,
    established: bool,
    progress: bool,
    /// A heartbeat is out.
    beaten: bool,
    /// A RESUMED that had been sent before came in the replay.
    early_resumed: bool,
    rising: (u32, u64),
}

#[derive(Debug)]
pub(super) struct Oracle {
    dialect: Dialect,
    link: Link,
    /// The session that the shard holds, and the last sequence that it got of it.
    pub(super) held: Option<(usize, u64)>,
    /// Why the session may be given up.
    excuse: Option<&'static str>,
    failed_resumes: u32,
    /// Credentials refused since the last session began.
    pub(super) refused: u32,
    renew: bool,
    /// The place to resume that READY named, unless it failed.
    pub(super) url: Option<String>,
    dialled_url: bool,
    /// What the user took last.
    pub(super) taken: Option<(usize, u64)>,
    told_lost: bool,
    /// Where sequences were left out: what came, and what the user was told.
    jumps: Vec<(u64, u64)>,
    told_jumps: Vec<(u64, u64)>,
    last_number: u64,
    pub(super) last_command: u64,
    pub(super) waits: Waits,
    /// The presence that the session was told last, and when the last ones were sent.
    pub(super) presence: u64,
    presences: VecDeque<Instant>,
    /// READYs in a row that did not come.
    missed_readys: u32,
    pub(super) delivered: u64,
    pub(super) replayed: u64,
    pub(super) violations: Vec<String>,
}

impl Oracle {
    pub(super) fn new(dialect: Dialect, now: Instant) -> Self {
        Self {
            dialect,
            link: Link::default(),
            held: None,
            excuse: None,
            failed_resumes: 0,
            refused: 0,
            renew: false,
            url: None,
            dialled_url: false,
            taken: None,
            told_lost: false,
            jumps: Vec::new(),
            told_jumps: Vec::new(),
            last_number: 0,
            last_command: 0,
            waits: Waits::new(now),
            presence: 0,
            presences: VecDeque::new(),
            missed_readys: 0,
            delivered: 0,
            replayed: 0,
            violations: Vec::new(),
        }
    }

    fn accuse(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// A new process begins, with this session or none.
    pub(super) fn restart(&mut self, now: Instant, held: Option<(usize, u64)>) {
        self.waits = Waits::new(now);
        self.presence = 0;
        self.presences.clear();
        self.missed_readys = 0;
        self.link = Link::default();
        self.held = held;
        self.taken = held.or(self.taken);
        self.excuse = None;
        self.failed_resumes = 0;
        (self.refused, self.renew, self.dialled_url) = (0, false, false);
        // What was not taken of the old process, is not: the end of a session, too.
        self.told_lost = held.is_none();
    }

    pub(super) fn connected(&mut self) {
        self.link = Link::default();
        self.excuse = None;
        self.dialled_url = false;
    }

    /// The session wants to connect, at the place to resume where one is given.
    pub(super) fn connects(&mut self, to: Option<&GatewayUrl>) {
        if std::mem::take(&mut self.dialled_url) {
            // It failed there.
            self.url = None;
        }
        let named = to.map(GatewayUrl::to_string);
        if named.is_some() && named != self.url.clone().filter(|_| self.held.is_some()) {
            self.accuse(format!("I20: a connect to {named:?}, not {:?}", self.url));
        }
        self.dialled_url = named.is_some();
    }

    /// A permit is asked for; `renew` where the credential shall be fetched again.
    pub(super) fn asks(&mut self, renew: bool) {
        if renew != self.renew {
            self.accuse(format!("I23: renew is {renew}"));
        }
    }

    /// The credential that was asked for was given.
    pub(super) const fn given(&mut self) {
        self.renew = false;
    }

    /// The session is about to hear this.
    pub(super) fn hear(&mut self, what: What, state: State) {
        if state == State::AwaitClose {
            return;
        }
        let unanswered = self.link.begun == Some(Begun::Identify) && !self.link.established;
        let refused = match what {
            What::Close(Some(4004)) => true,
            What::Close(Some(4903)) | What::Invalid { .. } => unanswered,
            _ => false,
        };
        if refused && self.dialect == Dialect::Qq {
            self.refused += 1;
            self.renew = true;
        }
        match what {
            What::Invalid { resumable: false } => self.excuse = Some("op 9"),
            What::Close(Some(code)) if ends_session(self.dialect, code) => {
                self.excuse = Some("close code");
            }
            What::Ready { good: true, .. } => self.excuse = Some("READY"),
            What::Ack if self.link.beaten => {
                self.link.beaten = false;
                if self.link.established {
                    self.progress();
                }
            }
            What::Event { seq: Some(seq), .. } => self.duplicate(seq, state),
            _ => {}
        }
    }

    fn duplicate(&mut self, seq: u64, state: State) {
        let Some((_, held)) = self.held.filter(|_| state == State::Active) else {
            return;
        };
        let (count, last) = self.link.rising;
        self.link.rising = if seq > held {
            (0, 0)
        } else if count > 0 && seq > last {
            (count + 1, seq)
        } else {
            (1, seq)
        };
        if self.link.rising.0 >= 3 {
            self.excuse = Some("the sequence restarted");
        }
    }

    fn progress(&mut self) {
        if !self.link.progress {
            self.waits.progress();
        }
        self.link.progress = true;
        self.failed_resumes = 0;
    }

    /// The session has passed a message on.
    pub(super) fn passed(&mut self, what: What, replayed: bool) -> Option<Item> {
        if replayed {
            self.replayed += 1;
        }
        match what {
            What::Ready {
                session,
                good: true,
                url,
            } => {
                self.held = Some((session, 1));
                let named = url && self.dialect == Dialect::Discord;
                self.url = named.then(|| "wss://gateway-r.discord.gg/".to_owned());
                self.link.established = true;
                (self.refused, self.missed_readys) = (0, 0);
                if self.dialect == Dialect::Discord {
                    // A new session has to be told again.
                    self.presence = 0;
                }
                Some(Item::Ready { session })
            }
            What::Resumed { session, seq } => {
                if self.link.established {
                    // An earlier one, replayed: it counts as an event.
                    self.link.early_resumed = true;
                }
                self.link.established = true;
                self.refused = 0;
                self.advance(session, seq);
                Some(Item::Resumed { session, seq })
            }
            What::Event {
                session,
                seq,
                number,
                replay,
                ..
            } => {
                if replayed && !replay {
                    self.accuse("I1: a live event is said to be replayed");
                }
                if !replayed && replay && !self.link.established {
                    self.accuse("I1: a replayed event is said to be live");
                }
                if let Some(seq) = seq {
                    self.advance(session, seq);
                    self.progress();
                }
                Some(Item::Event {
                    session,
                    seq,
                    number,
                })
            }
            _ => {
                self.accuse(format!("I2: {what:?} was passed on"));
                None
            }
        }
    }

    fn advance(&mut self, session: usize, seq: u64) {
        match &mut self.held {
            Some((held, last)) if *held == session => {
                if seq > *last + 1 {
                    self.jumps.push((*last, seq));
                }
                *last = (*last).max(seq);
            }
            held => {
                let what = format!("I2: an event of session {session}, held is {held:?}");
                self.accuse(what);
            }
        }
    }

    /// A message that could not be read was reported.
    pub(super) fn garbled(&mut self, session: usize, seq: u64, readable: bool, state: State) {
        if readable && matches!(state, State::Active | State::AwaitResumed) {
            self.advance(session, seq);
        }
    }

    /// A message has been dealt with: the user knows of each gap, and of none that is not.
    pub(super) fn tells_gaps(&mut self) {
        let (came, told) = (&mut self.jumps, &mut self.told_jumps);
        let (came, told) = (std::mem::take(came), std::mem::take(told));
        if came != told {
            self.accuse(format!("I3: gaps {came:?}, and the user was told {told:?}"));
        }
    }

    /// The user wants the session to be given up.
    pub(super) fn fresh(&mut self) {
        self.excuse = Some("the user");
    }

    pub(super) fn noticed(&mut self, now: Instant, notice: &Notice) -> Option<Item> {
        match notice {
            Notice::Disconnected {
                cause, retry_in, ..
            } => {
                if *cause == Cause::NoReady {
                    self.missed_readys += 1;
                }
                let identified = self.link.begun == Some(Begun::Identify);
                let ended = Ended {
                    unanswered: identified && !self.link.established,
                    progress: self.link.progress,
                    dialect: self.dialect,
                };
                let fault = self.waits.ended(now, cause, ended, *retry_in);
                self.violations.extend(fault);
                if self.link.begun == Some(Begun::Resume) && !self.link.progress {
                    self.failed_resumes += 1;
                }
                None
            }
            Notice::SessionLost { last_seq } => {
                let Some((_, seq)) = self.held.take() else {
                    self.accuse("I3: a session is lost that was not held");
                    return None;
                };
                if *last_seq != seq {
                    self.accuse(format!("I3: lost at {last_seq}, but it was {seq}"));
                }
                if self.excuse.is_none() && self.failed_resumes < 3 {
                    self.accuse(format!(
                        "I8: the session was given up for nothing, after {} failed resumes",
                        self.failed_resumes
                    ));
                }
                self.failed_resumes = 0;
                Some(Item::Lost)
            }
            Notice::Gap { after, next } => {
                self.told_jumps.push((*after, *next));
                None
            }
            _ => None,
        }
    }

    /// The session writes this. `state` is the one in which it does.
    pub(super) fn sent(&mut self, now: Instant, sent: &Sent, state: State) {
        match sent {
            Sent::Beat { seq } => {
                self.link.beaten = true;
                if *seq != self.held.map(|(_, seq)| seq) {
                    self.accuse(format!("I4: a heartbeat with {seq:?}, not {:?}", self.held));
                }
            }
            Sent::Identify { .. } => {
                self.link.begun = Some(Begun::Identify);
                self.waits.identified();
                if let Some(held) = self.held {
                    self.accuse(format!("I8: an identify while {held:?} is held"));
                }
            }
            Sent::Resume { session, seq, .. } => {
                self.link.begun = Some(Begun::Resume);
                if self.failed_resumes >= 3 {
                    self.accuse("I8: a fourth resume");
                }
                let sent = session.map(|session| (session, *seq));
                if sent != self.held {
                    self.accuse(format!("I4: a resume of {sent:?}, not {:?}", self.held));
                }
            }
            Sent::Command { op, number } => {
                if *op == 3 {
                    self.presence(now, *number);
                }
                if !self.link.established || state != State::Active {
                    self.accuse(format!("I16: a command in {state:?}"));
                }
            }
            Sent::Close { .. } => {}
        }
    }

    /// Five in twenty seconds, the latest wins.
    fn presence(&mut self, now: Instant, number: u64) {
        if number <= self.presence {
            self.accuse(format!("I16: presence {number} after {}", self.presence));
        }
        self.presence = number;
        if self.dialect == Dialect::Discord {
            self.presences.push_back(now);
            let window = Duration::from_secs(20);
            while self
                .presences
                .front()
                .is_some_and(|at| now.duration_since(*at) >= window)
            {
                self.presences.pop_front();
            }
            if self.presences.len() > 5 {
                self.accuse("I6: more than five presences in twenty seconds");
            }
        }
    }

    /// Commands go in order, each once.
    pub(super) fn command(&mut self, number: u64) {
        if number != self.last_command + 1 {
            self.accuse(format!("I16: command {number} after {}", self.last_command));
        }
        self.last_command = number;
    }

    /// The user takes an item: nothing may be missing before it.
    pub(super) fn take(&mut self, item: Item, sessions: &[Remembered]) {
        match item {
            Item::Event {
                session,
                seq,
                number,
            } => {
                self.delivered += 1;
                match (seq, self.taken) {
                    (Some(seq), Some((of, last))) if of == session => {
                        self.follow(session, last, seq, &sessions[session]);
                        if number <= self.last_number {
                            self.accuse(format!("I1: event {number} after {}", self.last_number));
                        }
                        self.last_number = number;
                    }
                    (None, _) => {}
                    (_, taken) => {
                        let what = format!("I3: an event of session {session} after {taken:?}");
                        self.accuse(what);
                    }
                }
            }
            Item::Garbled { session, seq } => {
                if let Some((of, last)) = self.taken
                    && of == session
                    && seq > last
                {
                    self.follow(session, last, seq, &sessions[session]);
                }
            }
            Item::Resumed { session, seq } => match self.taken {
                Some((of, last)) if of == session => {
                    self.follow(session, last, seq, &sessions[session]);
                }
                taken => {
                    self.accuse(format!("I3: RESUMED of session {session} after {taken:?}"));
                }
            },
            Item::Lost => self.told_lost = true,
            Item::Ready { session } => {
                if self.taken.is_some() && !self.told_lost {
                    self.accuse("I3: a new session, and the user knows of no loss");
                }
                self.told_lost = false;
                self.taken = Some((session, 1));
            }
        }
    }

    /// Between `last` and `seq` the server has nothing that the user should have got.
    fn follow(&mut self, session: usize, last: u64, seq: u64, held: &Remembered) {
        if seq <= last {
            self.accuse(format!(
                "I1: sequence {seq} after {last} of session {session}"
            ));
            return;
        }
        let skipped = held.after(last).iter().take_while(|(at, _)| *at < seq);
        if let Some((missing, entry)) = skipped.copied().find(|(_, entry)| counts(*entry)) {
            self.accuse(format!(
                "I1: sequence {missing} of session {session} is missing before {seq}: {entry:?}"
            ));
        }
        self.taken = Some((session, seq));
    }

    /// At the end nothing may be missing that the session still holds. A session whose loss was
    /// told brings nothing more, also where the next one still waits for the day's budget.
    pub(super) fn finish(&mut self, sessions: &[Remembered]) {
        let Some((session, last)) = self.taken.filter(|_| !self.told_lost) else {
            return;
        };
        let rest = sessions[session]
            .after(last)
            .iter()
            .find(|(_, entry)| counts(*entry));
        if sessions[session].invalid.is_none()
            && let Some((missing, _)) = rest
        {
            self.accuse(format!(
                "I1: sequence {missing} of session {session} never came"
            ));
        }
    }

    /// Whether a heartbeat is out that no ack came for.
    pub(super) const fn is_beaten(&self) -> bool {
        self.link.beaten
    }

    pub(super) fn is_established(&self) -> bool {
        self.link.established
    }
}

/// Whether the user must get it. What cannot be read he hears of.
fn counts(entry: Entry) -> bool {
    matches!(entry, Entry::Event(_))
}

/// Whether a close code ends the session: DESIGN section 6, written down a second time.
pub(super) fn ends_session(dialect: Dialect, code: u16) -> bool {
    match dialect {
        Dialect::Discord => matches!(code, 4003 | 4006 | 4007 | 4009),
        Dialect::Qq => match code {
            4003 | 4004 | 4006 | 4007 => true,
            4000..=4002 | 4005 | 4008..=4014 | 4914 | 4915 => false,
            4000..=4999 => true,
            _ => false,
        },
    }
}

/// The codes after which no connect may follow.
pub(super) fn is_fatal(dialect: Dialect, code: u16) -> bool {
    match dialect {
        Dialect::Discord => matches!(code, 4004 | 4010..=4014),
        Dialect::Qq => matches!(code, 4001 | 4002 | 4010..=4014 | 4914 | 4915),
    }
}

impl Oracle {
    /// How long a state may last; nothing where waiting has no bound.
    pub(super) fn patience(&self, state: State) -> Option<Duration> {
        let seconds = match state {
            // A rate limit's wait, an identify backoff, a `Retry-After`.
            State::Backoff => 900,
            State::AwaitConnection if self.dialect == Dialect::Qq => 30,
            State::AwaitConnection => 10,
            State::AwaitHello => 10,
            State::AwaitReady => 120.min(30 << self.missed_readys.min(4)),
            State::AwaitResumed => 30,
            State::AwaitClose => 3,
            _ => return None,
        };
        Some(Duration::from_secs(seconds))
    }
}

/// When a dead link was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) died: Instant,
    pub(super) at: Instant,
    /// The heartbeat interval of the link.
    pub(super) interval: Duration,
}
