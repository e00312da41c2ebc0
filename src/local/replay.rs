//! What was sent, and what would be sent again? A session with its numbered events; pure.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::event::Event;
use crate::{id::ShardId, secret::Token};

/// A session as the server sees it. It outlives its connections.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) shard: ShardId,
    /// What the tokens of the bot that it belongs to have in common.
    pub(super) owner: Token,
    /// The connection that it is on.
    pub(super) attached: Option<u64>,
    /// Since when it is on none.
    pub(super) detached_at: Option<Instant>,
    /// How many events of the feed it has got.
    pub(super) fed: u64,
    /// When the next of them is due.
    pub(super) feed_due: Instant,
    entries: VecDeque<Entry>,
    /// How many of `entries` went out on the current connection or were acknowledged by RESUME.
    sent: usize,
    next_seq: u64,
    /// The number of the last event that cannot be replayed any more.
    forgotten: u64,
}

#[derive(Debug)]
struct Entry {
    seq: u64,
    event: Arc<Event>,
    /// Whether it was on any connection before.
    again: bool,
}

/// An event on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) seq: u64,
    pub(super) event: Arc<Event>,
    pub(super) again: bool,
}

/// Why a session cannot be resumed from a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CannotReplay {
    /// Events behind that sequence are no longer kept.
    Forgotten,
    /// The sequence is above all that were given out.
    NeverSent,
}

impl Session {
    pub(super) fn new(
        id: String,
        shard: ShardId,
        owner: Token,
        connection: u64,
        now: Instant,
    ) -> Self {
        Self {
            id,
            shard,
            owner,
            attached: Some(connection),
            detached_at: None,
            fed: 0,
            feed_due: now,
            entries: VecDeque::new(),
            sent: 0,
            next_seq: 1,
            forgotten: 0,
        }
    }

    /// Numbers an event and keeps it. Of those that were sent, or that nobody is there to get,
    /// only `replay_len` are kept.
    pub(super) fn push(&mut self, event: Arc<Event>, replay_len: usize) {
        self.entries.push_back(Entry {
            seq: self.next_seq,
            event,
            again: false,
        });
        self.next_seq = self.next_seq.saturating_add(1);
        let is_detached = self.attached.is_none();
        while self.entries.len() > replay_len && (is_detached || self.sent > 0) {
            if let Some(entry) = self.entries.pop_front() {
                self.forgotten = entry.seq;
                self.sent = self.sent.saturating_sub(1);
            }
        }
    }

    /// The next event for the current connection.
    pub(super) fn next(&mut self) -> Option<Outgoing> {
        let entry = self.entries.get_mut(self.sent)?;
        self.sent += 1;
        Some(Outgoing {
            seq: entry.seq,
            event: Arc::clone(&entry.event),
            again: std::mem::replace(&mut entry.again, true),
        })
    }

    /// How many events wait to be sent.
    pub(super) fn backlog(&self) -> usize {
        self.entries.len() - self.sent
    }

    /// Goes back to right after `seq`; how many events come again.
    pub(super) fn rewind(&mut self, seq: u64) -> Result<u64, CannotReplay> {
        if seq >= self.next_seq {
            return Err(CannotReplay::NeverSent);
        }
        if seq < self.forgotten {
            return Err(CannotReplay::Forgotten);
        }
        self.sent = self.entries.partition_point(|entry| entry.seq <= seq);
        Ok(self.backlog() as u64)
    }

    /// Leaves out numbers before the next event.
    pub(super) fn skip(&mut self, numbers: u64) {
        self.number_from(self.next_unsent().saturating_add(numbers));
    }

    /// Numbers the next event `seq` and those behind it accordingly, and forgets those before.
    pub(super) fn renumber(&mut self, seq: u64) {
        self.entries.drain(..self.sent);
        self.sent = 0;
        self.forgotten = seq.saturating_sub(1);
        self.number_from(seq);
    }

    fn next_unsent(&self) -> u64 {
        self.entries
            .get(self.sent)
            .map_or(self.next_seq, |entry| entry.seq)
    }

    fn number_from(&mut self, seq: u64) {
        self.next_seq = seq;
        for entry in self.entries.iter_mut().skip(self.sent) {
            entry.seq = self.next_seq;
            self.next_seq = self.next_seq.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(events: u64) -> Session {
        let token = Token::from("t");
        let mut session = Session::new("s".into(), ShardId::ONE, token, 1, Instant::now());
        (0..events).for_each(|_| session.push(event(), 5));
        session
    }

    fn event() -> Arc<Event> {
        Arc::new(Event::new("A", "null").unwrap())
    }

    fn drain(session: &mut Session) -> Vec<(u64, bool)> {
        std::iter::from_fn(|| session.next())
            .map(|out| (out.seq, out.again))
            .collect()
    }

    #[test]
    fn a_rewind_replays_exactly_what_lies_behind_the_sequence() {
        let mut session = session(3);
        assert_eq!(drain(&mut session), [(1, false), (2, false), (3, false)]);
        session.push(event(), 5);
        assert_eq!(session.rewind(1), Ok(3));
        assert_eq!(drain(&mut session), [(2, true), (3, true), (4, false)]);
        assert_eq!(session.rewind(4), Ok(0));
        assert_eq!(session.rewind(5), Err(CannotReplay::NeverSent));
    }

    #[test]
    fn events_never_sent_are_kept_while_somebody_is_there_to_get_them() {
        let mut live = session(8);
        assert_eq!(live.backlog(), 8);
        drain(&mut live);
        live.push(event(), 5);
        assert_eq!(live.rewind(3), Err(CannotReplay::Forgotten));
        assert_eq!(live.rewind(4), Ok(5));

        let mut left = session(0);
        left.attached = None;
        (0..8).for_each(|_| left.push(event(), 5));
        assert_eq!(left.rewind(2), Err(CannotReplay::Forgotten));
        assert_eq!(left.rewind(3), Ok(5));
    }

    #[test]
    fn numbers_can_be_left_out_or_start_again() {
        let mut session = session(2);
        session.next();
        session.skip(10);
        session.push(event(), 5);
        assert_eq!(drain(&mut session), [(12, false), (13, false)]);
        session.push(event(), 5);
        session.renumber(1);
        assert_eq!(drain(&mut session), [(1, false)]);
        assert_eq!(session.rewind(13), Err(CannotReplay::NeverSent));
    }
}
