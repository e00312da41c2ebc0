//! The whole shard, over pipes in memory and with paused time, against the local gateway.

mod bench;
mod life;
