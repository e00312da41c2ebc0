//! How do I run many? Shards merged into one stream, made in groups, ended and started together.
//!
//! | file | question |
//! |---|---|
//! | `merge` | Whose turn is it? |
//! | `events` | What does the merged stream give? |
//! | `create` | How are many made at once? |
//! | `set` | How are all of them? |
//! | `reshard` | How does a set grow while it runs? |
//! | `store` | Where are the sessions while nothing runs? |
//!
//! [`ShardEventStream`] and [`ShardMessageStream`] merge shards, borrowed or owned. They are fair:
//! a busy shard has its turn of one batch, of 64 events or 64 KiB, and then all others that have
//! something go first.
//!
#![doc = include_str!("twilight_gateway.md")]

mod create;
mod events;
mod merge;
mod reshard;
mod set;
mod store;
#[cfg(test)]
#[cfg(all(feature = "discord", feature = "local-gateway"))]
mod tests;

#[cfg(feature = "http")]
pub use self::create::{Recommend, create_recommended};
pub use self::{
    create::{create_bucket, create_iterator, create_range},
    events::{Control, ShardEventStream, ShardMessageStream},
    merge::Source,
    reshard::Reshard,
    set::{Progress, progress, shutdown},
    store::{FileStore, SessionStore, Sessions},
};
