//! Many shards: as programs, and over real sockets.

mod page;
mod programs;
mod sockets;
