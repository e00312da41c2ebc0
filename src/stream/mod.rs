//! How do I run many? Shards merged into one stream, made in groups, ended and started together.
//!
//! | file | question |
//! |---|---|
//! | `merge` | Whose turn is it? |
//! | `events` | What does the merged stream give? |
//!
//! [`ShardEventStream`] and [`ShardMessageStream`] merge shards, borrowed or owned. They are fair:
//! a busy shard has its turn of one batch, of 64 events or 64 KiB, and then all others that have
//! something go first.

mod events;
mod merge;
#[cfg(test)]
#[cfg(all(feature = "discord", feature = "local-gateway"))]
mod tests;

pub use self::{
    events::{Control, ShardEventStream, ShardMessageStream},
    merge::Source,
};
