//! Sessions in virtual time: a bench for single steps, a model gateway for whole lives.

mod bench;
mod endings;
mod gateway;
mod lives;
mod matrix;
mod rules;
mod world;
