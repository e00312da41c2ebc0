//! What users see: the programs as processes, shards over real sockets.

#![allow(
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    reason = "what cannot go on fails the test, also in its helpers"
)]

mod choices;
mod faults;
mod process;
mod programs;
mod qq_local;
mod secrets;
