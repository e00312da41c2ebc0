//! What is sent: made-up events of the shape that Discord's have, the same for everyone.
//!
//! A trace is made of a seed. Field sets and their order are those of payloads of 2026; names,
//! texts and numbers are invented. How long events are and how well they compress decides what a
//! client's work is made of, so each trace is held to figures that do not change with the seed
//! ([`Target`]).

pub mod encode;
pub mod events;
pub mod guild;
pub mod people;
pub mod traces;

pub use traces::{Kind, Target, Trace};
