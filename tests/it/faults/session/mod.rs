//! Faults of the conversation: handshake, session, heartbeat (F51 to F75).
//!
//! Most scenarios run twice: in memory in paused time with the limits that users have, where
//! every wait is measured, and over sockets with all limits a hundredth of that.

mod hello;
mod ready;
mod world;

/// Rows without a test here.
pub(super) const REASONS: &[(&str, &str)] = &[];
