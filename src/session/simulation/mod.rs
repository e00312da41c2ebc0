//! Sessions in virtual time: a bench for single steps, and a ring of shards, server and queue for
//! whole lives.

mod bench;
mod edges;
mod endings;
mod matrix;
#[cfg(feature = "qq")]
mod planted;
#[cfg(feature = "qq")]
mod qq;
#[cfg(feature = "qq")]
pub(crate) mod ring;
mod rules;
