//! Many shards: as programs, and over real sockets.

mod programs;
