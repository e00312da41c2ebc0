//! What may follow what? The rules for what one user sees, in constant memory.

use shardstream::{ErrorKind, Notice};

/// What a user saw.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// An event: its name, its place in the feed where it is of that, and whether it is as it was
    /// sent.
    Event {
        name: String,
        number: Option<u64>,
        seq: Option<u64>,
        replayed: bool,
        same: bool,
    },
    Error {
        kind: ErrorKind,
        is_fatal: bool,
    },
    Notice(Notice),
}

/// What one user saw, step by step.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) problems: Vec<String>,
    session: Option<Session>,
    /// The number of the last event of the feed.
    pub(crate) number: Option<u64>,
    connected: bool,
    /// Between a connect and RESUMED: how many events were replayed so far.
    replaying: Option<u64>,
    /// RESUMED came on this connection.
    is_resumed: bool,
    /// A gap that was told, up to its end.
    gap: Option<(u64, u64)>,
    pub(crate) events: u64,
    pub(crate) lost_sessions: u64,
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

    pub(crate) fn step(&mut self, seen: &Seen) {
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
            Notice::Resumed { replayed } if self.replaying != Some(*replayed) => {
                let counted = self.replaying;
                self.wrong(&format!("{replayed} said to be replayed, not {counted:?}"));
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
