//! What happened? Every act of client and server with its time; counts; waiting for them.

use std::{collections::VecDeque, sync::MutexGuard, time::Duration};

use serde::Serialize;
use tokio::sync::watch;

use crate::id::ShardId;

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// The time since the gateway was started.
    #[serde(rename = "at_ms", serialize_with = "millis")]
    pub at: Duration,
    /// Which connection, counted from 1 in the order in which they were accepted.
    pub connection: u64,
    /// The shard of the connection, once it has identified or resumed.
    pub shard: Option<ShardId>,
    /// What happened.
    #[serde(flatten)]
    pub act: Act,
}

fn millis<S: serde::Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(at.as_millis()).unwrap_or(u64::MAX))
}

/// What a client or the server did. No token is ever in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "act", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Act {
    /// The client sent a close frame.
    Close {
        /// Its code.
        code: Option<u16>,
        /// Its reason.
        reason: String,
    },
    /// The client sent a command.
    Command {
        /// Its op.
        op: u64,
        /// Its data as JSON.
        data: String,
    },
    /// The client asked for the upgrade to WebSocket.
    Connect {
        /// The path with its query.
        target: String,
        /// The headers, those with secrets redacted.
        headers: Vec<(String, String)>,
    },
    /// The connection ended.
    End {
        /// Whether the client did it, and how.
        how: End,
    },
    /// The client sent a heartbeat.
    Heartbeat {
        /// The sequence that it carried.
        seq: Option<u64>,
    },
    /// The client sent IDENTIFY.
    Identify {
        /// Its intents.
        intents: Option<u64>,
        /// Its data as JSON, the token redacted.
        data: String,
        /// Which token it carried ([`Act::Token`]), where that was issued here.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<u64>,
    },
    /// The server started a session and said READY.
    Ready {
        /// The session.
        session_id: String,
    },
    /// The server refused an IDENTIFY or RESUME.
    Refused {
        /// The rule that was broken.
        reason: &'static str,
    },
    /// A REST request was answered.
    Rest {
        /// `GET` and the like.
        method: String,
        /// The path with its query.
        target: String,
        /// The status of the answer.
        status: u16,
        /// Which token it carried ([`Act::Token`]), where that was issued here.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<u64>,
    },
    /// The client sent RESUME.
    Resume {
        /// The session that it wants to resume.
        session_id: String,
        /// The last sequence that it has.
        seq: u64,
        /// Which token it carried ([`Act::Token`]), where that was issued here.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<u64>,
    },
    /// The server resumed the session.
    Resumed {
        /// How many events are replayed.
        replayed: u64,
    },
    /// The server put a message on the connection.
    Sent {
        /// Its op, where it was one of the server's own making.
        op: Option<u64>,
        /// The event.
        event: Option<String>,
        /// The number of the event.
        seq: Option<u64>,
        /// Whether the event had been sent before, on whatever connection.
        again: bool,
    },
    /// The server sent a close frame.
    SentClose {
        /// Its code.
        code: Option<u16>,
        /// Its reason.
        reason: String,
    },
    /// The token endpoint gave a token.
    Token {
        /// Which one, counted from 1 in the order in which they were made.
        token: u64,
        /// For how many seconds it is still valid.
        expires_in_s: u64,
        /// Whether it had been given before.
        again: bool,
    },
    /// The bot has spent the identifies of its day: the token is reset, all sessions are ended.
    TokenReset,
    /// The client sent something that cannot be read as a message of the protocol.
    Unreadable {
        /// How many bytes long it is.
        len: usize,
    },
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// The client ended or reset the connection.
    Client,
    /// The server ended it in good order.
    Fin,
    /// The server reset it.
    Rst,
}

/// How often things happened since the gateway was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Heartbeats acknowledged.
    pub acks: u64,
    /// Close frames that clients sent.
    pub closes_received: u64,
    /// Close frames that the server sent.
    pub closes_sent: u64,
    /// Commands that clients sent.
    pub commands: u64,
    /// Requests to upgrade.
    pub connections: u64,
    /// Different events put on a connection, READY and RESUMED not counted.
    pub events: u64,
    /// Events put on a connection once more, READY and RESUMED not counted.
    pub events_again: u64,
    /// Heartbeats that clients sent.
    pub heartbeats: u64,
    /// IDENTIFYs that clients sent.
    pub identifies: u64,
    /// Sessions started.
    pub readies: u64,
    /// IDENTIFYs and RESUMEs refused.
    pub refused: u64,
    /// REST requests answered.
    pub rests: u64,
    /// RESUMEs that clients sent.
    pub resumes: u64,
    /// Sessions resumed.
    pub resumed: u64,
    /// How often the token endpoint gave a token, a new one or the same again.
    pub tokens: u64,
}

impl Stats {
    fn count(&mut self, act: &Act) {
        let counter = match act {
            Act::Close { .. } => &mut self.closes_received,
            Act::Command { .. } => &mut self.commands,
            Act::Connect { .. } => &mut self.connections,
            Act::Heartbeat { .. } => &mut self.heartbeats,
            Act::Identify { .. } => &mut self.identifies,
            Act::Ready { .. } => &mut self.readies,
            Act::Refused { .. } => &mut self.refused,
            Act::Rest { .. } => &mut self.rests,
            Act::Resume { .. } => &mut self.resumes,
            Act::Resumed { .. } => &mut self.resumed,
            Act::Sent { op: Some(11), .. } => &mut self.acks,
            Act::Sent {
                op, event, again, ..
            } => match (op, event.as_deref()) {
                (Some(0), Some("READY" | "RESUMED")) => return,
                (Some(0), _) if *again => &mut self.events_again,
                (Some(0), _) => &mut self.events,
                _ => return,
            },
            Act::SentClose { .. } => &mut self.closes_sent,
            Act::Token { .. } => &mut self.tokens,
            Act::End { .. } | Act::TokenReset | Act::Unreadable { .. } => return,
        };
        *counter += 1;
    }
}

/// The last records, numbered through.
#[derive(Debug)]
pub(super) struct Log {
    records: VecDeque<Record>,
    /// The number of the oldest record kept.
    first: u64,
    len_max: usize,
    with_events: bool,
    pub(super) stats: Stats,
    /// The number of the next record; whoever waits watches it.
    next: watch::Sender<u64>,
}

impl Log {
    pub(super) fn new(len_max: usize, with_events: bool) -> Self {
        Self {
            records: VecDeque::new(),
            first: 0,
            len_max,
            with_events,
            stats: Stats::default(),
            next: watch::Sender::new(0),
        }
    }

    pub(super) fn push(&mut self, record: Record) {
        self.stats.count(&record.act);
        let is_event = matches!(record.act, Act::Sent { op: Some(0), .. });
        if is_event && !self.with_events {
            return;
        }
        if self.records.len() >= self.len_max && self.records.pop_front().is_some() {
            self.first += 1;
        }
        if self.len_max > 0 {
            self.records.push_back(record);
        } else {
            self.first += 1;
        }
        self.next.send_modify(|next| *next += 1);
    }

    /// The records from that number on, and the number of the one that comes next.
    pub(super) fn since(&self, number: u64) -> (Vec<Record>, u64) {
        let skip = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let records = self.records.iter().skip(skip).cloned().collect();
        (records, self.first + self.records.len() as u64)
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }
}

/// Follows what happens, from the start of the gateway on.
///
/// It holds no memory of its own: records that the gateway has dropped by then (see
/// [`Builder::log_len`](super::Builder::log_len)) are passed over. It ends when the gateway is
/// dropped.
#[derive(Debug)]
pub struct Follow {
    pub(super) shared: std::sync::Weak<super::Shared>,
    pub(super) changes: watch::Receiver<u64>,
    pub(super) taken: u64,
    pub(super) ready: VecDeque<Record>,
}

impl Follow {
    /// The next record, or `None` once the gateway is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no record.
    pub async fn next(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(record);
            }
            // Seen before looking: what is pushed while looking wakes `changed` again.
            self.changes.borrow_and_update();
            {
                let shared = self.shared.upgrade()?;
                let world: MutexGuard<'_, super::world::World> = shared.lock();
                let (records, next) = world.log.since(self.taken);
                self.ready.extend(records);
                self.taken = next;
            }
            if self.ready.is_empty() && self.changes.changed().await.is_err() {
                return None;
            }
        }
    }
}
