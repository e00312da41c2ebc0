//! Sessions in virtual time: a bench for single steps, a model gateway for whole lives.

mod bench;
mod edges;
mod endings;
mod gateway;
mod lives;
mod matrix;
#[cfg(feature = "qq")]
mod qq;
mod rules;
mod world;
