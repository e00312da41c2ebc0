//! What users see: the programs as processes, shards over real sockets.

mod choices;
mod faults;
mod process;
mod programs;
mod secrets;
