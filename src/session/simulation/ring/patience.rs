//! Is a connection given up too early? The judge of one shard's patience, which keeps its own
//! account of what came and when.

use std::time::{Duration, Instant};

use super::server::What;
use crate::notice::Cause;

/// The account of one process of a shard.
#[derive(Debug)]
pub(super) struct Patience {
    opened: Instant,
    /// The last message, or the end of the last pause.
    heard: Instant,
    interval: Duration,
    /// When the handshake could go out, an event was replayed, or a pause ended.
    answered: Instant,
    missed_readys: u32,
}

impl Patience {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            opened: now,
            heard: now,
            interval: Duration::ZERO,
            answered: now,
            missed_readys: 0,
        }
    }

    pub(super) const fn connected(&mut self, now: Instant) {
        (self.opened, self.heard, self.answered) = (now, now, now);
    }

    /// A message has come.
    pub(super) const fn hear(&mut self, now: Instant, what: What) {
        self.heard = now;
        match what {
            What::Hello { interval } => self.interval = Duration::from_millis(interval),
            What::Ready { good: true, .. } => self.missed_readys = 0,
            What::Event { replay: true, .. } => self.answered = now,
            _ => {}
        }
    }

    /// A permit and a credential were given.
    pub(super) const fn permitted(&mut self, now: Instant) {
        self.answered = now;
    }

    /// After a pause everything that had arrived was read.
    pub(super) const fn caught_up(&mut self, now: Instant) {
        (self.heard, self.answered) = (now, now);
    }

    /// The connection is given up for this cause, while `reads`: nothing that arrived lies unread
    /// behind the user. `unacked`: a heartbeat is out, or cannot get out, and no ack came since.
    pub(super) fn ended(
        &mut self,
        now: Instant,
        cause: &Cause,
        reads: bool,
        unacked: bool,
    ) -> Option<String> {
        let seconds = Duration::from_secs;
        let patient = match cause {
            Cause::MissingAck => reads && unacked,
            Cause::Silence => reads && now >= self.heard + self.interval + seconds(8),
            Cause::NoHello => now >= self.opened + seconds(10),
            Cause::NoReady => {
                let doubled = seconds(30) * 2u32.pow(self.missed_readys.min(2));
                self.missed_readys += 1;
                now >= self.answered + doubled
            }
            Cause::NoResumed => reads && now >= self.answered + seconds(30),
            _ => true,
        };
        (!patient).then(|| format!("I11: given up too early, for {cause:?}"))
    }
}
