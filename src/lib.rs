//! Keeps a bot connected to its platform's gateway.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![allow(dead_code)]

mod codec;
mod config;
#[cfg(feature = "discord")]
pub mod discord;
mod error;
mod id;
mod limits;
#[cfg(feature = "local-gateway")]
pub mod local;
mod notice;
mod observe;
pub mod platform;
pub mod queue;
#[cfg(feature = "http")]
pub mod rest;
mod secret;
pub mod session;
mod shard;
mod transport;

pub use config::{Config, ConfigBuilder};
pub use error::{Error, ErrorKind};
pub use id::{Id, ShardId};
pub use limits::Limits;
pub use notice::{Cause, Notice};
pub use secret::Token;
pub use session::{Counters, Reconnect, Shutdown, State};
pub use shard::{
    CredentialError, CredentialSource, Degraded, Frame, Health, Latency, Message, Meta,
    ResumeState, Sender, Shard, ShardHandle, Status, TokenRequest, Watch,
};
pub use transport::{Dial, Duplex, Tls};
