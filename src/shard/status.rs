//! How is a shard? Its state, counters and health, readable from anywhere.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    error::Error,
    notice::Cause,
    session::{Counters, State},
};

/// How a shard is at one moment.
#[derive(Clone)]
#[non_exhaustive]
pub struct Status {
    /// What it waits for.
    pub state: State,
    /// Whether the bot is served.
    pub health: Health,
    /// The time from a heartbeat to its ack.
    pub latency: Latency,
    /// The sequence of the last event received; heartbeats carry it.
    pub seq_received: Option<u64>,
    /// The sequence of the last event taken by the user; [`ResumeState`](crate::ResumeState)
    /// carries it.
    pub seq_taken: Option<u64>,
    /// The session, while one is held.
    pub session_id: Option<Arc<str>>,
    /// What was counted since the shard began.
    pub counters: Counters,
    /// Bytes read from connections, before decompression, after TLS.
    pub bytes_in: u64,
    /// Bytes written to connections, before TLS.
    pub bytes_out: u64,
    /// Events between the connection and the user, until he has finished the batch that each
    /// came in.
    pub buffered_events: usize,
    /// Bytes of text of these events.
    pub buffered_bytes: usize,
    /// When the current connection was opened.
    pub connected_since: Option<Instant>,
    /// How long connections were open in all, this one included.
    pub connected_for: Duration,
    /// When the last heartbeat was sent.
    pub last_heartbeat: Option<Instant>,
    /// When the last ack came.
    pub last_ack: Option<Instant>,
    /// Since when the shard waits for what [`state`](Self::state) says.
    pub state_since: Instant,
    /// How often the state has changed since the shard began.
    pub state_changes: u64,
    /// Why the last connection ended.
    pub last_disconnect: Option<Cause>,
}

/// Whether the bot is served.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Health {
    /// Events arrive and are taken.
    Ready,
    /// Events do not arrive, or nobody takes them; the shard works on it.
    Degraded {
        /// Since when.
        since: Instant,
        /// Why.
        why: Degraded,
    },
    /// The shard has ended.
    Dead {
        /// What every [`next_event`](crate::Shard::next_event) gives.
        why: Error,
    },
}

/// Why a shard does not serve as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Degraded {
    /// No session is live: the shard connects, identifies or resumes.
    Disconnected,
    /// The shard has waited to identify for a minute or more, because the day's limit is much
    /// or all used ([`HeldBack`](crate::queue::HeldBack)).
    IdentifyHeldBack,
    /// Nobody has asked for an event yet, so nothing was connected.
    NotStarted,
    /// The buffer is full and reading pauses.
    SlowConsumer,
    /// Events wait, and nobody took one for [`Limits::unpolled`](crate::Limits::unpolled).
    Unpolled,
}

impl Health {
    /// Whether it is [`Ready`](Self::Ready).
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }

    /// What tells one health from another, but for an error's text.
    fn key(&self) -> (u8, Option<Degraded>) {
        match self {
            Self::Ready => (0, None),
            Self::Degraded { why, .. } => (1, Some(*why)),
            Self::Dead { .. } => (2, None),
        }
    }
}

/// The times from the last heartbeats to their acks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Newest first.
    recent: [Duration; Self::HISTORY],
    len: usize,
}

impl Latency {
    /// So many are remembered: about three minutes at the platforms' interval.
    pub const HISTORY: usize = 5;

    /// The latest.
    pub fn last(&self) -> Option<Duration> {
        self.recent().first().copied()
    }

    /// The mean of those that are remembered.
    pub fn average(&self) -> Option<Duration> {
        let count = u32::try_from(self.len).ok().filter(|&count| count > 0)?;
        Some(self.recent().iter().sum::<Duration>() / count)
    }

    /// Those that are remembered, the newest first.
    pub fn recent(&self) -> &[Duration] {
        self.recent.get(..self.len).unwrap_or_default()
    }

    pub(super) fn add(&mut self, latency: Duration) {
        self.recent.rotate_right(1);
        self.recent[0] = latency;
        self.len = (self.len + 1).min(Self::HISTORY);
    }
}

impl Status {
    /// How long the shard was connected, the connection it has included.
    pub(super) fn connected_until(&self, now: Instant) -> Duration {
        let current = self
            .connected_since
            .map(|since| now.saturating_duration_since(since));
        self.connected_for + current.unwrap_or_default()
    }

    /// Before the first connection.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Backoff,
            health: Health::Degraded {
                since: now,
                why: Degraded::NotStarted,
            },
            latency: Latency::default(),
            seq_received: None,
            seq_taken: None,
            session_id: None,
            counters: Counters::default(),
            bytes_in: 0,
            bytes_out: 0,
            buffered_events: 0,
            buffered_bytes: 0,
            connected_since: None,
            connected_for: Duration::ZERO,
            last_heartbeat: None,
            last_ack: None,
            state_since: now,
            state_changes: 0,
            last_disconnect: None,
        }
    }

    /// Whether the shard connects again by itself: it has not ended.
    pub const fn can_reconnect(&self) -> bool {
        !matches!(self.health, Health::Dead { .. })
    }

    /// Whether somebody who watches should hear of the step to `next`: not of every event.
    pub(super) fn differs(&self, next: &Self) -> bool {
        self.state != next.state
            || self.health.key() != next.health.key()
            || self.counters.acks != next.counters.acks
            || self.counters.connects != next.counters.connects
            || self.session_id != next.session_id
            || self.last_disconnect != next.last_disconnect
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The session id is half of what it takes to take the events over.
        let session_id = self.session_id.as_ref().map(|_| format_args!("[redacted]"));
        f.debug_struct("Status")
            .field("state", &self.state)
            .field("health", &self.health)
            .field("latency", &self.latency.recent())
            .field("seq_received", &self.seq_received)
            .field("seq_taken", &self.seq_taken)
            .field("session_id", &session_id)
            .field("counters", &self.counters)
            .field("bytes_in", &self.bytes_in)
            .field("bytes_out", &self.bytes_out)
            .field("buffered_events", &self.buffered_events)
            .field("buffered_bytes", &self.buffered_bytes)
            .field("connected_since", &self.connected_since)
            .field("connected_for", &self.connected_for)
            .field("last_heartbeat", &self.last_heartbeat)
            .field("last_ack", &self.last_ack)
            .field("state_since", &self.state_since)
            .field("state_changes", &self.state_changes)
            .field("last_disconnect", &self.last_disconnect)
            .finish()
    }
}

/// Tells when a shard's status changes in what matters: state, health, session, heartbeat acks,
/// connections. Counters and sequences move on without telling.
#[derive(Clone, Debug)]
pub struct Watch(watch::Receiver<Status>);

impl Watch {
    pub(super) const fn new(receiver: watch::Receiver<Status>) -> Self {
        Self(receiver)
    }

    /// The status by now.
    pub fn status(&self) -> Status {
        self.0.borrow().clone()
    }

    /// Waits for a change after the last one seen here; `None` when there will be none, because
    /// the shard has ended.
    ///
    /// # Cancel safety
    ///
    /// A change that nobody was waiting for is given by the next call.
    pub async fn changed(&mut self) -> Option<Status> {
        // Nothing follows the end, though a handle may keep the channel open. Asked in this order,
        // for a shard that ends in between has a change to tell.
        if self.is_dead() && matches!(self.0.has_changed(), Ok(false)) {
            return None;
        }
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }

    pub(super) async fn ended(&mut self) {
        // An error means that the sender is gone, and with it the shard.
        let _gone = self
            .0
            .wait_for(|status| matches!(status.health, Health::Dead { .. }))
            .await
            .is_err();
    }

    fn is_dead(&self) -> bool {
        matches!(self.0.borrow().health, Health::Dead { .. })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use futures::future::FutureExt;
    use tokio::sync::watch;

    use super::{Health, Latency, Status, Watch};
    use crate::error::{Error, ErrorKind};

    #[test]
    fn latency_remembers_the_last_five() {
        let mut latency = Latency::default();
        assert_eq!((latency.last(), latency.average()), (None, None));
        for ms in 1..=7 {
            latency.add(Duration::from_millis(ms));
        }
        assert_eq!(latency.last(), Some(Duration::from_millis(7)));
        assert_eq!(latency.average(), Some(Duration::from_millis(5)));
        let recent: Vec<_> = latency.recent().iter().map(Duration::as_millis).collect();
        assert_eq!(recent, [7, 6, 5, 4, 3]);
    }

    #[test]
    fn a_session_id_is_not_shown() {
        let mut status = Status::new(Instant::now());
        status.session_id = Some("CANARY".into());
        assert!(!format!("{status:?}").contains("CANARY"));
    }

    #[tokio::test]
    async fn a_watch_ends_with_the_shard() {
        let (sender, receiver) = watch::channel(Status::new(Instant::now()));
        let mut watch = Watch::new(receiver);
        let why = Error::new(ErrorKind::Shutdown, "ended");
        sender.send_modify(|status| status.health = Health::Dead { why });
        assert!(watch.changed().await.is_some());
        assert!(watch.changed().await.is_none());
        drop(sender);
        assert!(watch.changed().await.is_none());
    }

    /// A task that has done much in one turn is told by tokio to wait where nothing is to be
    /// waited for.
    #[tokio::test]
    async fn a_watch_tells_of_the_end_also_in_a_task_that_must_yield() {
        let (sender, receiver) = watch::channel(Status::new(Instant::now()));
        let mut watch = Watch::new(receiver);
        let why = Error::new(ErrorKind::Shutdown, "ended");
        sender.send_modify(|status| status.health = Health::Dead { why });
        let work = tokio::sync::Semaphore::new(1);
        let turns = std::iter::repeat_with(|| work.acquire().now_or_never());
        let turns = turns.take(10_000).take_while(Option::is_some).count();
        assert!(turns < 10_000, "the turn has an end");
        assert!(watch.changed().await.is_some());
    }
}
