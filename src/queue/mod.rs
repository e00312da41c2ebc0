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

pub use self::{budget::BudgetState, local::LocalQueue};
use crate::{error::Error, id::ShardId};

/// Gives out permits to identify, so that a set of shards keeps the platform's limits.
///
/// [`LocalQueue`] does so for one process. A queue of one's own may ask another process:
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

    /// How long it takes at least until so many shards have identified; `None` where that is not
    /// known, as by default.
    fn outlook(&self, starts: usize) -> Option<Duration> {
        let _ = starts;
        None
    }
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
