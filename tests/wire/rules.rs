//! Was it right? What must hold of every run, judged from what users saw, what the server saw and
//! what the pipes saw.

use std::{collections::BTreeMap, time::Duration};

use shardstream::{
    ErrorKind, Limits, Notice, ShardId,
    local::{Act as Acted, Dialect, Record, Step},
};

use super::{
    plan::{Plan, What},
    world::{Outcome, Remains, Seen, Side},
};

/// No shard may try to connect more often within a minute: five times from the quick bucket, else
/// a second apart at least, each time at two urls at most.
const DIALS_MAX: usize = 70;
/// What a timer may be late by.
const TICK: Duration = Duration::from_millis(2);

/// What is wrong, and the figures.
pub(crate) fn judge(plan: &Plan, remains: &Remains) -> Outcome {
    let mut problems = remains.problems.clone();
    let mut outcome = Outcome::default();
    for side in &remains.sides {
        let mut walk = Walk::default();
        for (at, seen) in &side.seen {
            let before = walk.problems.len();
            walk.step(seen);
            if walk.problems.len() > before {
                walk.problems
                    .push(format!("  at {:?}: {seen:?}", *at - remains.began));
            }
        }
        let id = side.id;
        problems.extend(
            walk.problems
                .iter()
                .map(|problem| format!("shard {id}: {problem}")),
        );
        outcome.events += walk.events;
        outcome.lost_sessions += walk.lost_sessions;
        if walk.lost_sessions > 0 && !may_lose(plan, remains, side) {
            problems.push(format!("shard {id}: a session was lost for no reason"));
        }
        pipes(plan, side, &mut problems, &mut outcome);
    }
    server(remains, &mut problems, &mut outcome);
    outcome.problems = problems;
    outcome
}

/// What one user saw, step by step.
#[derive(Default)]
struct Walk {
    problems: Vec<String>,
    session: Option<Session>,
    /// The number of the last event of the feed.
    number: Option<u64>,
    connected: bool,
    /// Between a connect and RESUMED: how many events were replayed so far.
    replaying: Option<u64>,
    /// RESUMED came on this connection.
    is_resumed: bool,
    /// A gap that was told, up to its end.
    gap: Option<(u64, u64)>,
    events: u64,
    lost_sessions: u64,
}

struct Session {
    seq: u64,
    /// Some event of the feed was seen in it.
    is_fed: bool,
}

impl Walk {
    fn wrong(&mut self, what: &str) {
        self.problems.push(what.to_owned());
    }

    fn step(&mut self, seen: &Seen) {
        match seen {
            Seen::Error {
                is_fatal: true,
                kind,
            } => self.wrong(&format!("fatal: {kind:?}")),
            Seen::Error { kind, .. } => {
                let known = [ErrorKind::Connect, ErrorKind::Compression, ErrorKind::Frame];
                if !known.contains(kind) {
                    self.wrong("an error that nothing here causes");
                }
            }
            Seen::Notice(notice) => self.notice(notice),
            Seen::Event {
                name,
                number,
                seq,
                replayed,
                same,
            } => {
                self.events += 1;
                if !self.connected {
                    self.wrong("an event without a connection");
                }
                if !same {
                    self.wrong("an event that was not sent so");
                }
                let Some(seq) = *seq else {
                    return self.wrong("an event without a sequence");
                };
                match name.as_str() {
                    "READY" => self.ready(seq, *replayed),
                    "RESUMED" => self.resumed(seq, *replayed),
                    _ => self.event(*number, seq, *replayed),
                }
            }
        }
    }

    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Connected => {
                if self.connected {
                    self.wrong("connected twice");
                }
                (self.connected, self.is_resumed) = (true, false);
                self.replaying = self.session.as_ref().map(|_| 0);
            }
            Notice::Disconnected { .. } => {
                self.connected = false;
                self.replaying = None;
            }
            Notice::Gap { after, next } => self.gap = Some((*after, *next)),
            Notice::Resumed { replayed } => {
                if self.replaying != Some(*replayed) {
                    let counted = self.replaying;
                    self.wrong(&format!("{replayed} said to be replayed, not {counted:?}"));
                }
            }
            Notice::SessionLost { last_seq } => {
                self.lost_sessions += 1;
                match self.session.take() {
                    None => self.wrong("a session lost that was not there"),
                    Some(session) if session.seq != *last_seq => {
                        self.wrong("the end of the lost session was not given");
                    }
                    Some(_) => {}
                }
            }
            _ => {}
        }
    }

    fn ready(&mut self, seq: u64, replayed: bool) {
        if self.session.is_some() {
            self.wrong("READY, and the session before was not told to be lost");
        }
        if replayed || seq != 1 {
            self.wrong("READY is not the first event of its session");
        }
        self.session = Some(Session { seq, is_fed: false });
        self.replaying = None;
    }

    fn resumed(&mut self, seq: u64, replayed: bool) {
        // One that was lost on the way is kept by the server as any event is: it comes again
        // before the last one, ends the replay for all that a client can tell, and then the last
        // one comes as if it were live.
        if replayed || (self.replaying.take().is_none() && !self.is_resumed) {
            self.wrong("RESUMED, and nothing was resumed");
        }
        self.is_resumed = true;
        self.advance(seq);
    }

    fn event(&mut self, number: Option<u64>, seq: u64, replayed: bool) {
        if replayed != self.replaying.is_some() {
            self.wrong("a wrong mark of a replay");
        }
        if let Some(replayed) = &mut self.replaying {
            *replayed += 1;
        }
        let missing = self.advance(seq);
        let Some(number) = number else {
            // Also one of the server's own making, that nobody sent; told already.
            return;
        };
        let is_fed = self
            .session
            .as_mut()
            .map(|session| std::mem::replace(&mut session.is_fed, true));
        match self.number.replace(number) {
            Some(last) if number <= last => self.wrong("an event twice, or out of order"),
            Some(last) if is_fed == Some(true) && number > last + 1 + missing => {
                self.wrong("an event is missing");
            }
            _ => {}
        }
    }

    /// Goes to `seq`; how many sequences are missing, as was told.
    fn advance(&mut self, seq: u64) -> u64 {
        let gap = self.gap.take();
        let Some(session) = &mut self.session else {
            self.wrong("an event without a session");
            return 0;
        };
        let last = std::mem::replace(&mut session.seq, seq);
        let expected = if seq == last + 1 {
            None
        } else {
            Some((last, seq))
        };
        if gap != expected {
            self.wrong(&format!("after {last} came {seq}, and told was {gap:?}"));
        }
        seq.saturating_sub(last + 1)
    }
}

/// Whether anything happened for which a session may be given up.
fn may_lose(plan: &Plan, remains: &Remains, side: &Side) -> bool {
    let is_qq = plan.setup.dialect == Dialect::Qq;
    let ends = |code: u16| match code {
        4006 | 4007 => true,
        4003 | 4009 => !is_qq,
        4900..=4999 => is_qq,
        _ => false,
    };
    let by_server = remains.log.iter().any(|record| {
        let is_mine = record.shard == Some(side.id);
        is_mine
            && match &record.act {
                Acted::SentClose {
                    code: Some(code), ..
                } => ends(*code),
                Acted::Sent { op: Some(9), .. } | Acted::Refused { .. } => true,
                _ => false,
            }
    });
    let by_user = plan.acts.iter().any(|act| {
        let number = act.shard == side.id.number();
        number
            && match &act.what {
                What::Renew(how) => *how == shardstream::Reconnect::Fresh,
                What::Forget => true,
                What::Order(steps) => steps.iter().any(|step| matches!(step, Step::Mute)),
                _ => false,
            }
    });
    // Three resumes in a row without an event or an ack.
    by_server || by_user || resumes_in_vain(remains, side) >= 3
}

/// The most connections in a row, since a session began, on which the user saw no event.
fn resumes_in_vain(remains: &Remains, side: &Side) -> usize {
    let books = side.dialler.books();
    let mut most = 0;
    let mut since = remains.began;
    for (at, seen) in &side.seen {
        let is_progress = matches!(
            seen,
            Seen::Event {
                number: Some(_),
                ..
            }
        );
        if is_progress {
            let dials = books
                .dials
                .iter()
                .filter(|dial| **dial >= since && **dial <= *at);
            most = most.max(dials.count());
            since = *at;
        }
    }
    most
}

fn pipes(plan: &Plan, side: &Side, problems: &mut Vec<String>, outcome: &mut Outcome) {
    let id = side.id;
    let books = side.dialler.books();
    outcome.cuts += books.cuts;
    if books.sockets_max > 1 {
        problems.push(format!("shard {id}: {} sockets at once", books.sockets_max));
    }
    if books.live > 0 {
        problems.push(format!("shard {id}: {} pipes at the end", books.live));
    }
    for (index, dial) in books.dials.iter().enumerate() {
        let behind = books.dials.iter().skip(index);
        let within = behind.take_while(|next| next.duration_since(*dial).as_secs() < 60);
        if within.count() > DIALS_MAX {
            problems.push(format!("shard {id}: it connects again and again"));
            break;
        }
    }
    let margin = Limits::default().silence_margin + TICK;
    for silence in &books.silences {
        outcome.silences += 1;
        let beyond = silence.saturating_sub(plan.setup.interval);
        outcome.silence_max = outcome.silence_max.max(beyond);
        if beyond > margin {
            problems.push(format!(
                "shard {id}: a silent link was kept for {silence:?}"
            ));
        }
    }
}

/// What no server must see.
fn server(remains: &Remains, problems: &mut Vec<String>, outcome: &mut Outcome) {
    if remains.is_token_reset {
        problems.push("the token was reset".to_owned());
    }
    // Close reasons of its own: scripts give none.
    let forgiven = [
        "",
        "no heartbeat for too long",
        "connection expired",
        "invalid session",
    ];
    let mut resumed = BTreeMap::<(Option<ShardId>, &str), u64>::new();
    for Record { act, shard, at, .. } in &remains.log {
        let mut wrong = |what: String| problems.push(format!("at {at:?}: {what}"));
        match act {
            Acted::SentClose { code, reason } if !forgiven.contains(&reason.as_str()) => {
                wrong(format!("the server closed with {code:?}: {reason}"));
            }
            Acted::Refused { reason } if *reason != "no such session" => {
                wrong(format!("the server refused: {reason}"));
            }
            Acted::Unreadable { len } => wrong(format!("{len} bytes that cannot be read")),
            Acted::Close {
                code: Some(1000 | 1001),
                ..
            } => {
                wrong("a close that ends the session".to_owned());
            }
            Acted::Identify { .. } => outcome.identifies += 1,
            Acted::Resume {
                session_id, seq, ..
            } => {
                let last = resumed.entry((*shard, session_id.as_str())).or_default();
                if seq < last {
                    wrong(format!("a resume from {seq}, after one from {last}"));
                }
                *last = *seq;
            }
            _ => {}
        }
    }
}

/// The rules find what they are for.
mod tests {
    use super::*;

    fn event(name: &str, number: Option<u64>, seq: u64, replayed: bool) -> Seen {
        let (name, seq) = (name.to_owned(), Some(seq));
        Seen::Event {
            name,
            number,
            seq,
            replayed,
            same: true,
        }
    }

    fn fed(number: u64, seq: u64) -> Seen {
        event("E", Some(number), seq, false)
    }

    /// A session with READY and two events, and what follows them.
    fn problems(more: &[Seen]) -> Vec<String> {
        let mut walk = Walk::default();
        let begin = [
            Seen::Notice(Notice::Connected),
            event("READY", None, 1, false),
            fed(0, 2),
            fed(1, 3),
        ];
        for seen in begin.iter().chain(more) {
            walk.step(seen);
        }
        walk.problems
    }

    #[test]
    fn what_is_lost_doubled_or_out_of_order_is_found() {
        assert!(problems(&[fed(2, 4), fed(3, 5)]).is_empty());
        for (more, what) in [
            (vec![fed(2, 5)], "told was None"),
            (vec![fed(3, 4)], "missing"),
            (vec![fed(1, 4)], "twice"),
            (vec![fed(1, 3)], "twice"),
            (vec![fed(0, 4)], "out of order"),
            (vec![event("E", Some(2), 4, true)], "mark"),
            (vec![event("READY", None, 1, false)], "not told"),
            (
                vec![event("RESUMED", None, 4, false)],
                "nothing was resumed",
            ),
            (
                vec![Seen::Notice(Notice::SessionLost { last_seq: 4 })],
                "not given",
            ),
            (vec![Seen::Notice(Notice::Connected)], "connected twice"),
        ] {
            let found = problems(&more).join("\n");
            assert!(found.contains(what), "{more:?}: {found}");
        }
    }

    #[test]
    fn what_was_told_is_no_loss() {
        let gap = Notice::Gap { after: 3, next: 6 };
        let told = [Seen::Notice(gap), fed(4, 6), fed(5, 7)];
        assert!(problems(&told).is_empty());
        let lost = Seen::Notice(Notice::SessionLost { last_seq: 3 });
        let again = [lost, event("READY", None, 1, false), fed(9, 2)];
        assert!(problems(&again).is_empty(), "{:?}", problems(&again));
    }
}
