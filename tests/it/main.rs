//! What users see: the programs as processes, shards over real sockets.

mod faults;
mod process;
mod programs;
mod secrets;
