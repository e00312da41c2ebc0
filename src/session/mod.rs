//! What are the rules of the conversation? A state machine that is told the time and never sees a
//! socket. Imports `id`, `secret`, `error`, `limits`, `notice`, `platform`, `codec`; pure.

use std::time::{Duration, Instant};

use crate::{
    codec::envelope::Envelope,
    id::ShardId,
    limits::Limits,
    notice::Notice,
    platform::{GatewayUrl, Platform},
    secret::Token,
};

/// News for the session.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// The connection that [`Action::Connect`] asked for is open.
    Connected,
    /// The connection is gone, or could not be made.
    Lost(Lost),
    /// A readable message, borrowed for this call.
    Message(&'a Envelope<'a>),
    /// A message that could not be read; its sequence where it could.
    Garbled { seq: Option<u64> },
    /// The permit that [`Action::RequestPermit`] asked for, with a valid credential.
    Permit(Token),
    /// No credential could be had (token endpoint): try again later, or never.
    PermitRefused {
        fatal: bool,
        retry_after: Option<Duration>,
    },
    /// A complete payload that the user wants sent; only while [`Session::wants_command`].
    Command(Vec<u8>),
    /// Reading has paused because the user's buffer is full.
    ReadingPaused,
    /// After a pause, everything that had arrived has been read.
    CaughtUp,
    /// The user wants a new connection.
    Reconnect(Reconnect),
    /// The user wants to end.
    Shutdown(Shutdown),
}

/// How a connection ended, or an attempt to make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The attempt failed: name, TCP, TLS, proxy, or an HTTP answer that is no upgrade.
    Connect {
        status: Option<u16>,
        retry_after: Option<Duration>,
    },
    /// The peer sent a close frame.
    Closed { code: Option<u16> },
    /// End of file, reset, TLS error.
    Cut,
    /// A frame broke RFC 6455.
    BrokenFrame,
    /// A message was longer than the limit, on the wire or inflated.
    TooLong,
    /// Compressed data was broken.
    Compression,
    /// A write made no progress.
    WriteStall,
}

/// What the driver must do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Open a connection, with a fresh decompression context.
    Connect(Endpoint),
    /// Get a credential, and where `identify` is set an identify permit first. With `renew` the
    /// credential must be fetched again even if the cached one still looks valid.
    RequestPermit { identify: bool, renew: bool },
    /// The permit or the credential is not needed any more, asked for or already granted.
    ReturnPermit,
    /// Send a close frame with this code and go on reading until the peer answers.
    Close(u16),
    /// Drop the connection, or the attempt to make one, now.
    Hangup,
    /// Tell the user, in order with the messages.
    Notify(Notice),
    /// The shard has ended; nothing follows.
    Stop(Stop),
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The configured or discovered gateway.
    Base,
    /// Where READY said to resume, as validated.
    Resume(GatewayUrl),
}

/// Why a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The server closed with a code that no reconnect can help.
    Closed(u16),
    /// Credentials were refused too often, or for good.
    Credentials,
    /// HTTP 401 or 403 in answer to the upgrade, three times in a row.
    Forbidden,
    /// The user asked for it.
    Shutdown,
}

/// What the user should get of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// An event for the user.
    Deliver { replayed: bool },
    /// The session's own business.
    Internal,
}

/// A deadline's reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    Backoff,
    Close,
    Connect,
    Heartbeat,
    Hello,
    Ready,
    Resumed,
    SendWindow,
    Silence,
}

/// How a user asks for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconnect {
    /// With a new session: the old one is given up.
    Fresh,
    /// With the session that is held, if any.
    Resume,
}

/// How a user ends a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// The session ends as well: the bot goes offline at once (close code 1000).
    End,
    /// The session stays resumable for as long as the platform keeps it (close code 4000).
    Keep,
}

/// A session to resume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) session_id: String,
    pub(crate) seq: u64,
    pub(crate) url: Option<GatewayUrl>,
}

/// What a shard is doing, named by what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// Waiting before the next connect.
    Backoff,
    /// Waiting for the connection.
    AwaitConnection,
    /// Waiting for Hello.
    AwaitHello,
    /// Waiting for an identify permit, or for a credential.
    AwaitPermit,
    /// Waiting for READY.
    AwaitReady,
    /// Waiting for the end of the replay.
    AwaitResumed,
    /// Receiving events.
    Active,
    /// Waiting for the peer to answer our close frame.
    AwaitClose,
    /// Ended.
    Stopped,
}

/// The state machine of one shard.
#[derive(Debug)]
pub(crate) struct Session<P: Platform> {
    platform: P,
}

/// What a session is made from.
#[derive(Clone, Debug)]
pub(crate) struct Setup<P> {
    pub(crate) platform: P,
    pub(crate) shard: ShardId,
    /// The configured gateway: what a resume url is held against.
    pub(crate) base: GatewayUrl,
    pub(crate) limits: Limits,
    pub(crate) resume: Option<Resume>,
    /// Of all randomness: jitter of heartbeats and delays.
    pub(crate) seed: u64,
}

#[allow(
    clippy::unused_self,
    clippy::needless_pass_by_value,
    clippy::needless_pass_by_ref_mut
)]
impl<P: Platform> Session<P> {
    /// A session that will connect at its first [`poll_action`](Self::poll_action).
    pub(crate) fn new(setup: Setup<P>, now: Instant) -> Self {
        let _ = now;
        Self {
            platform: setup.platform,
        }
    }

    /// Takes news. Never fails: bad input is a transition.
    pub(crate) fn handle(&mut self, now: Instant, input: Input<'_>) -> Verdict {
        let _ = (now, input);
        todo!()
    }

    /// Tells that time has passed. A call before the deadline does nothing.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
        todo!()
    }

    /// What to do next, until `None`. Drain after every `handle_*`.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        todo!()
    }

    /// Writes the next payload to send into `out`, which is cleared first; `false` when there is
    /// none. Call when the socket has room; drain like actions.
    pub(crate) fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let _ = (now, out);
        todo!()
    }

    /// The next deadline and its reason. `None` only where waiting has no bound.
    pub(crate) fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        todo!()
    }

    /// Whether a command would be sent now: the driver takes one from the user's queue.
    pub(crate) fn wants_command(&self, now: Instant) -> bool {
        let _ = now;
        todo!()
    }

    /// What the shard waits for.
    pub(crate) fn state(&self) -> State {
        todo!()
    }

    /// The session id and the *received* cursor, while a session is held.
    pub(crate) fn resume(&self) -> Option<&Resume> {
        todo!()
    }

    /// The heartbeat interval of the current connection.
    pub(crate) fn heartbeat_interval(&self) -> Option<Duration> {
        todo!()
    }

    /// Counters since the shard began.
    pub(crate) fn counters(&self) -> Counters {
        todo!()
    }

    /// The time from the last acknowledged heartbeat to its ack.
    pub(crate) fn latency(&self) -> Option<Duration> {
        todo!()
    }

    #[allow(dead_code)]
    fn platform(&self) -> &P {
        &self.platform
    }
}

/// What a shard has counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections opened.
    pub connects: u64,
    /// IDENTIFYs sent.
    pub identifies: u64,
    /// RESUMEs sent.
    pub resumes: u64,
    /// Heartbeats sent.
    pub heartbeats: u64,
    /// Heartbeat acks received.
    pub acks: u64,
    /// Events received, without duplicates.
    pub events: u64,
    /// Events dropped because their sequence had been received before.
    pub duplicates: u64,
    /// Messages that could not be read.
    pub garbled: u64,
    /// Commands of the user sent.
    pub commands: u64,
}
