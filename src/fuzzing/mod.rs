//! What must hold, whatever the bytes? One function for each fuzz target in `tests/fuzz`.
//!
//! A target takes any bytes, makes something of them, and panics where what must hold does not. The
//! same functions are called by tests, on the files of each target and on changes of them by
//! chance, so that a change which breaks a rule is found without a fuzzer. Compiled for tests and
//! by cargo-fuzz only.

mod decode;
mod envelope;
mod inflate;
mod input;
mod net;
mod session_ops;
mod shard_workload;
mod small;
#[cfg(test)]
mod tests;
mod wire;

#[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
pub use self::inflate::zlib_stream;
#[cfg(feature = "zstd")]
pub use self::inflate::zstd_stream;
pub use self::{
    decode::event_decode,
    envelope::envelope,
    session_ops::session_ops,
    shard_workload::shard_workload,
    small::{qq_token, resume_state, retry_after, url},
    wire::{upgrade, websocket},
};
