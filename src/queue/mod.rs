//! When may I identify? Permits, spaced and budgeted for all shards of a bot.
//! `buckets` is pure; `local` may use tokio.

pub(crate) mod budget;
pub(crate) mod buckets;

use std::fmt::Debug;

use futures::future::BoxFuture;

use crate::{error::Error, id::ShardId};

/// Gives out permits to identify, so that a set of shards keeps the platform's limits.
pub trait Queue: Debug + Send + Sync + 'static {
    /// Waits until `shard` may identify.
    ///
    /// Dropping the future gives the place up; dropping the permit unused gives the slot back.
    fn acquire(&self, shard: ShardId) -> BoxFuture<'static, Result<Permit, Error>>;
}

/// The right to send one IDENTIFY.
#[derive(Debug)]
pub struct Permit {}

impl Permit {
    /// The IDENTIFY has just been sent: the window of the bucket starts now.
    pub fn spend(self) {
        todo!()
    }
}
