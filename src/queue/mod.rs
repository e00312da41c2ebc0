//! When may I identify? Permits, spaced and budgeted for all shards of a bot.
//!
//! `buckets` and `budget` are pure; `local` may use tokio. Imports `error`, `id`, `limits`.

pub(crate) mod buckets;
pub(crate) mod budget;
pub(crate) mod local;

use std::{
    fmt::{self, Debug},
    time::Duration,
};

use futures::future::BoxFuture;

pub(crate) use self::budget::{DAY, RESET_MARGIN};
pub use self::{budget::BudgetState, local::LocalQueue};
use crate::{error::Error, id::ShardId};

/// Gives out permits to identify, so that a set of shards keeps the platform's limits.
///
/// [`LocalQueue`] does so for one process; of another, [`ConfigBuilder::queue`] makes use.
///
/// # A queue for several processes
///
/// The limits are those of the bot and not of the process, so processes that run parts of one
/// bot's shards share a queue: one of them, or a service, holds a [`LocalQueue`], and each has a
/// `Queue` of its own that asks there. All that it has to send is the [`ShardId`], whose number
/// decides the bucket (`number % max_concurrency`), and later one word: *sent* or *unused*. For
/// several bots, one queue each.
///
/// - Ask once for each [`acquire`](Self::acquire), and answer with a permit whose two closures
///   send the word on, by a channel, for they must not wait. Word of an IDENTIFY starts the window
///   of the bucket: on its way it only makes the window longer, never shorter.
/// - A future that is dropped must take its question back, else its bucket waits for nobody.
/// - Who holds the [`LocalQueue`] must hear when a process is gone, and then settle its permits as
///   *sent*: the IDENTIFY may have gone out before the end. A permit that was lost without a word
///   would hold its bucket for ever.
/// - What the platform tells of its limits ([`SessionStartLimit`](crate::rest::SessionStartLimit))
///   goes into [`LocalQueue::update`] there: a configuration with a queue of its own does not keep
///   them. [`LocalQueue::budget`] is kept over a restart there, too.
///
/// [`ConfigBuilder::queue`]: crate::ConfigBuilder::queue
///
/// ```
/// use futures::future::BoxFuture;
/// use shardstream::{Error, ShardId, queue::{Permit, Queue}};
///
/// /// Lets every shard start at once, against a gateway that has no limits.
/// #[derive(Debug)]
/// struct NoQueue;
///
/// impl Queue for NoQueue {
///     fn acquire(&self, _: ShardId) -> BoxFuture<'static, Result<Permit, Error>> {
///         Box::pin(async { Ok(Permit::new(|| {}, || {})) })
///     }
/// }
/// ```
pub trait Queue: Debug + Send + Sync + 'static {
    /// Waits until `shard` may identify.
    ///
    /// # Errors
    ///
    /// The queue cannot give permits now. The shard asks again after a growing delay, or stops
    /// where the error is fatal.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the place up; dropping the permit unused gives the slot back.
    fn acquire(&self, shard: ShardId) -> BoxFuture<'static, Result<Permit, Error>>;

    /// What holds the next start back beside the buckets; `None` where nothing does or it is not
    /// known, as by default.
    ///
    /// A shard that waits for long tells it its user: by a notice, an error and its health.
    fn held_back(&self) -> Option<HeldBack> {
        None
    }

    /// How long it takes at least until so many shards have identified; `None` where that is not
    /// known, as by default.
    fn outlook(&self, starts: usize) -> Option<Duration> {
        let _ = starts;
        None
    }
}

/// How the day's limit of identifies holds the next start back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldBack {
    /// Much of the limit is used: starts are spaced over what is left of the day.
    Spaced {
        /// How long it takes at least until the next start of any shard.
        next_in: Duration,
    },
    /// All that may be used of the limit is.
    Spent {
        /// How long it takes at least until the next start of any shard.
        next_in: Duration,
    },
}

/// The right to send one IDENTIFY. Dropped unspent, it goes back to the queue.
#[must_use = "a permit that is dropped goes back to the queue"]
pub struct Permit(Option<Settle>);

struct Settle {
    spend: Box<dyn FnOnce() + Send + Sync>,
    give_back: Box<dyn FnOnce() + Send + Sync>,
}

impl Permit {
    /// A permit of which exactly one of the two is called, once: `on_spend` when IDENTIFY has been
    /// sent, `on_return` when the permit was not used.
    ///
    /// They are called where the permit is, perhaps while a future is being dropped: they must
    /// neither block nor panic.
    pub fn new(
        on_spend: impl FnOnce() + Send + Sync + 'static,
        on_return: impl FnOnce() + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Settle {
            spend: Box::new(on_spend),
            give_back: Box::new(on_return),
        }))
    }

    /// The IDENTIFY has just been sent: the window of the bucket starts now.
    pub fn spend(mut self) {
        if let Some(settle) = self.0.take() {
            (settle.spend)();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(settle) = self.0.take() {
            (settle.give_back)();
        }
    }
}

impl Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
