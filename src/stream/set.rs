//! How are all of them? What concerns a whole set of shards: how far it has come, and its end.

use std::time::Duration;

use futures::future::join_all;

use super::store::Sessions;
use crate::{
    platform::Platform,
    session::{Counters, Shutdown},
    shard::{Health, ShardHandle},
};

/// How far a set of shards has come: how many are ready, and when the rest can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many shards there are.
    pub shards: usize,
    /// Of these, how many have a live session and are served.
    pub ready: usize,
    /// How many are at work on it, or wait for their turn.
    pub degraded: usize,
    /// How many have ended.
    pub dead: usize,
    /// How long it takes at least until those without a session have identified, by what the
    /// platform allows; nothing where none waits, `None` where the queue cannot tell. Shards that
    /// have a session to resume do not wait for this.
    pub identified_in: Option<Duration>,
    /// What all shards together have counted.
    pub counters: Counters,
    /// The longest of the shards' last heartbeat round trips.
    pub latency_max: Option<Duration>,
    /// Events between the connections and the user.
    pub buffered_events: usize,
}

impl Progress {
    /// Whether every shard is ready.
    pub const fn is_complete(&self) -> bool {
        self.ready == self.shards
    }
}

/// How far these shards have come.
///
/// ```
/// use shardstream::{Config, Intents, Shard, stream};
///
/// let config = Config::new("token", Intents::GUILDS);
/// let shards: Vec<_> = stream::create_range(0..4, 4, config, |_, builder| builder.build())
///     .collect();
/// let progress = stream::progress(shards.iter().map(Shard::handle));
/// assert_eq!((progress.ready, progress.shards), (0, 4));
/// // One start every five seconds: the last of four has waited for three.
/// assert_eq!(progress.identified_in, Some(std::time::Duration::from_secs(15)));
/// ```
pub fn progress<P: Platform>(shards: impl IntoIterator<Item = ShardHandle<P>>) -> Progress {
    let mut progress = Progress::default();
    let mut waiting = 0;
    let mut one_that_waits = None;
    for shard in shards {
        let status = shard.status();
        progress.shards += 1;
        progress.counters += status.counters;
        progress.latency_max = progress.latency_max.max(status.latency.last());
        progress.buffered_events += status.buffered_events;
        match status.health {
            Health::Ready => progress.ready += 1,
            Health::Dead { .. } => progress.dead += 1,
            Health::Degraded { .. } => {
                progress.degraded += 1;
                if shard.resume_state().is_none() {
                    waiting += 1;
                    one_that_waits = Some(shard);
                }
            }
        }
    }
    progress.identified_in = match one_that_waits {
        Some(shard) => shard.queue_outlook(waiting),
        None => Some(Duration::ZERO),
    };
    progress
}

/// Ends these shards, all at once, and gives the sessions to go on with: every one that
/// [`Shutdown::Keep`] keeps, from the last event taken on.
///
/// It takes as long as the slowest: [`Limits::close`](crate::Limits::close) (3 s) at most.
///
/// # Cancel safety
///
/// The shutdown begins with the call; dropping the future does not stop it.
pub fn shutdown<P: Platform, I: IntoIterator<Item = ShardHandle<P>>>(
    shards: I,
    how: Shutdown,
) -> impl Future<Output = Sessions> + Send + use<P, I> {
    let ending: Vec<_> = shards
        .into_iter()
        .map(|shard| shard.shutdown(how))
        .collect();
    async move { join_all(ending).await.into_iter().flatten().collect() }
}
