//! What users see: the programs as processes, shards over real sockets.

#![cfg(all(
    feature = "discord",
    feature = "qq",
    feature = "http",
    feature = "zlib-rs"
))]
#![allow(
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    reason = "what cannot go on fails the test, also in its helpers"
)]

mod choices;
mod dashboard;
mod faults;
mod handlers;
mod process;
mod programs;
mod proxies;
mod qq;
mod qq_local;
mod recordings;
mod secrets;
mod sets;
/// The logs of this process.
#[path = "../../src/observe/watch.rs"]
mod watch;
