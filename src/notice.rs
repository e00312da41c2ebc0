//! What happened between the events? Notices, in order with the events around them.
//! Imports nothing of the crate.

use std::{fmt, time::Duration};

/// Something that the user should know and that is not an event of the platform.
///
/// Notices stand in the stream of events where they happened: everything before a
/// [`SessionLost`](Self::SessionLost) belongs to the old session, everything after it to the new.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The connection is open and the server has said Hello.
    Connected,
    /// The connection ended; the shard connects again by itself.
    Disconnected {
        /// Why.
        cause: Cause,
        /// Whether the session is kept, to be resumed; else the next connection identifies.
        resumable: bool,
        /// How long the shard waits before it connects again.
        retry_in: Duration,
    },
    /// Events are missing: after the event with sequence `after` came the one with `next`.
    Gap {
        /// The last sequence received before the gap.
        after: u64,
        /// The first sequence received behind the gap.
        next: u64,
    },
    /// The shard has waited for a minute to identify, and it is the day's limit that holds it back:
    /// much of it is used, so the starts of all shards are spaced over what is left of the day.
    /// Told once for each time that the shard waits.
    IdentifyHeldBack {
        /// How long it takes at least until the next start of any shard.
        next_in: Duration,
    },
    /// The buffer had filled up, the user took events, and the connection is read again.
    ReadingResumed,
    /// A [recording](crate::ShardHandle::record) ended that nobody ended: it could not be written,
    /// or not fast enough. The shard goes on.
    RecordingEnded {
        /// What the system said.
        why: String,
    },
    /// The session goes on where it was.
    Resumed {
        /// How many missed events were replayed before this notice.
        replayed: u64,
    },
    /// The session is gone: events after `last_seq` will not be replayed. What was missed must be
    /// fetched by other means.
    SessionLost {
        /// The sequence of the last event received in the lost session.
        last_seq: u64,
    },
    /// The user takes events slower than they come; the buffer is full and reading pauses. The
    /// heart goes on beating.
    SlowConsumer {
        /// How many events wait to be taken.
        events: usize,
        /// How many bytes they hold.
        bytes: usize,
    },
}

impl Notice {
    /// A short stable name in snake case, for logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::Gap { .. } => "gap",
            Self::IdentifyHeldBack { .. } => "identify_held_back",
            Self::ReadingResumed => "reading_resumed",
            Self::RecordingEnded { .. } => "recording_ended",
            Self::Resumed { .. } => "resumed",
            Self::SessionLost { .. } => "session_lost",
            Self::SlowConsumer { .. } => "slow_consumer",
        }
    }
}

/// Why a connection ended or did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The server's Hello carried no usable heartbeat interval.
    BadHello,
    /// READY could not be read.
    BadReady,
    /// A frame broke the rules of RFC 6455.
    BrokenFrame,
    /// The server closed.
    Closed {
        /// Its code; `None` where the close frame had none that may stand on the wire.
        code: Option<u16>,
    },
    /// Compressed data was broken or too large.
    Compression,
    /// The connection could not be established.
    Connect,
    /// The transport ended or failed: end of file, reset, TLS error.
    Cut,
    /// The server said that the session is invalid (op 9).
    InvalidSession {
        /// Whether it may be resumed.
        resumable: bool,
    },
    /// A heartbeat was not acknowledged before the next was due.
    MissingAck,
    /// No Hello came in time.
    NoHello,
    /// No READY came in time.
    NoReady,
    /// No RESUMED came in time.
    NoResumed,
    /// The server asked for it (op 7).
    Reconnect,
    /// The user asked for it.
    Requested,
    /// The sequence of events restarted without a new session.
    SequenceRestarted,
    /// No complete message came for longer than a heartbeat interval and its margin.
    Silence,
    /// A message was longer than the limit.
    TooLong,
    /// A write made no progress for too long.
    WriteStall,
}

impl Cause {
    /// The code of the server's close frame, where one ended the connection.
    pub const fn close_code(&self) -> Option<u16> {
        match self {
            Self::Closed { code } => *code,
            _ => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadHello => "hello carried no usable heartbeat interval",
            Self::BadReady => "ready could not be read",
            Self::BrokenFrame => "a frame broke the websocket protocol",
            Self::Closed { code: Some(code) } => {
                return write!(f, "the server closed with code {code}");
            }
            Self::Closed { code: None } => "the server closed without a code",
            Self::Compression => "compressed data was broken or too large",
            Self::Connect => "the connection could not be established",
            Self::Cut => "the connection was cut",
            Self::InvalidSession { resumable: true } => "the session was interrupted",
            Self::InvalidSession { resumable: false } => "the session is invalid",
            Self::MissingAck => "a heartbeat was not acknowledged",
            Self::NoHello => "no hello came in time",
            Self::NoReady => "no ready came in time",
            Self::NoResumed => "no resumed came in time",
            Self::Reconnect => "the server asked for a reconnect",
            Self::Requested => "a reconnect was requested",
            Self::SequenceRestarted => "the sequence of events restarted",
            Self::Silence => "no message came for too long",
            Self::TooLong => "a message was longer than the limit",
            Self::WriteStall => "a write made no progress",
        })
    }
}
