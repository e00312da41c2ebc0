//! The whole shard, over pipes in memory and with paused time, against the local gateway.

pub(crate) mod bench;
mod commands;
mod faults;
mod filters;
mod life;
#[cfg(feature = "metrics")]
mod metrics;
mod own;
#[cfg(feature = "qq")]
mod qq;
mod slow;
mod tape;
