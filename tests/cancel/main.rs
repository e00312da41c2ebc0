//! What becomes of a future that is dropped? Every public one is, at every poll, and what its
//! documentation says of that is held against what happens.

#![cfg(all(
    feature = "discord",
    feature = "qq",
    feature = "http",
    feature = "zlib-rs"
))]
#![allow(
    clippy::needless_pass_by_value,
    reason = "scripts are closures, and `&async |..|` reads badly"
)]
#![allow(
    clippy::unwrap_used,
    reason = "what cannot go on fails the test, also in its helpers"
)]

mod bench;
mod calls;
mod commands;
mod ends;
mod knife;
mod local;
mod sets;
mod table;
mod taking;
