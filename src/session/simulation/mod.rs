//! Sessions in virtual time: a bench for single steps, a model gateway for whole lives.

mod bench;
mod endings;
mod gateway;
mod lives;
mod matrix;
#[cfg(feature = "qq")]
mod ring;
mod rules;
mod world;
