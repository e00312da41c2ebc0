//! What users see: the programs as processes, shards over real sockets.

mod process;
mod programs;
mod secrets;
