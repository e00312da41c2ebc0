#![doc = include_str!("../README.md")]
//!
//! # Coming from twilight-gateway
//!
//! The shape is the same, and so is the first program: only the crate's name changes.
//!
//! ```no_run
//! use std::env;
//! use shardstream::{Intents, Shard, ShardId};
//!
//! #[tokio::main]
//! async fn main() -> anyhow::Result<()> {
//!     tracing_subscriber::fmt::init();
//!
//!     let token = env::var("DISCORD_TOKEN")?;
//!     let intents = Intents::GUILDS | Intents::GUILD_VOICE_STATES;
//!
//!     let mut shard = Shard::new(ShardId::ONE, token, intents);
//!     tracing::info!("started shard");
//!
//!     loop {
//!         let event = match shard.next_event().await {
//!             Ok(event) => event,
//!             Err(source) => {
//!                 tracing::warn!(?source, "error receiving event");
//!
//!                 if source.is_fatal() {
//!                     break;
//!                 }
//!
//!                 continue;
//!             },
//!         };
//!
//!         tracing::debug!(?event, "received event");
//!     }
//!
//!     Ok(())
//! }
//! ```
//!
//! Those who keep twilight's cache, http or util crates get its events from the frames, with the
//! feature `twilight-model`:
//!
//! ```no_run
//! # #[cfg(feature = "twilight-model")]
//! # async fn example(mut shard: shardstream::Shard) -> Result<(), shardstream::Error> {
//! use shardstream::Message;
//! use twilight_model::gateway::event::Event;
//!
//! if let Message::Frame(frame) = shard.next_message().await? {
//!     // Nine of Discord's events have no type there: those are errors.
//!     let event: Event = frame.to_twilight()?;
//!     // cache.update(&event);
//! }
//! # Ok(())
//! # }
//! ```
//!
#![doc = include_str!("observe/metrics.md")]
//!
//! # The house
//!
//! Each folder of the source answers one question.
//!
//! | room | question |
//! |---|---|
//! | `config` | What can be set? [`Config`] |
//! | `error` | Whose fault is it, and what happens next? [`Error`] |
//! | `id`, `secret` | Who is who, and what must never be shown? [`ShardId`], [`Id`], [`Token`] |
//! | `limits`, `notice` | How long, how many, how large? [`Limits`]; what happened? [`Notice`] |
//! | [`platform`] | Where may platforms differ? |
//! | `discord` | What does only Discord know? |
//! | `qq` | What does only QQ know? |
//! | `model` | What do the models of both platforms have in common? |
//! | `codec` | How do bytes become an event? |
//! | `session` | What are the rules of the conversation? |
//! | [`queue`] | When may I identify? |
//! | `transport` | Where is the socket? |
//! | `credential` | Where does a token come from? [`CredentialSource`] |
//! | `rest` | How many shards, at which url? |
//! | `shard` | What do I hold in my hand? [`Shard`] |
//! | `guilds` | Have my guilds arrived, and who is in them? [`Members`] |
//! | [`stream`] | How do I run many? |
//! | `handler` | May I have callbacks? |
//! | `cluster` | May I have many machines? |
//! | `observe` | What is it doing? |
//! | `local` | How do I test with no network? |
//! | `twilight` | How do I move from twilight? |
//! | `guide` | Why is it so? |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// First, because its macros declare what the platforms have.
#[cfg(any(feature = "discord", feature = "qq"))]
#[macro_use]
mod model;

/// Whether this fault is planted: in no build but the crate's own tests, which show with it that
/// their simulation finds what it is there to find.
#[cfg(not(test))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}
#[cfg(test)]
#[macro_use]
mod planted;

#[cfg(feature = "nats")]
pub mod cluster;
#[cfg_attr(
    not(any(feature = "discord", feature = "qq")),
    allow(
        dead_code,
        unused_imports,
        reason = "with no platform there are no events"
    )
)]
mod codec;
mod config;
mod credential;
#[cfg(feature = "discord")]
pub mod discord;
mod error;
// Not for users: what the targets in `tests/fuzz` call.
#[cfg(all(any(test, fuzzing), feature = "discord", feature = "qq"))]
#[doc(hidden)]
pub mod fuzzing;
// Its programs are Discord's and QQ's, and some need the local gateway.
#[cfg(all(
    feature = "discord",
    feature = "qq",
    feature = "handler",
    feature = "local-gateway",
    feature = "http"
))]
pub mod guide;
#[cfg(feature = "discord")]
mod guilds;
#[cfg(feature = "handler")]
pub mod handler;
mod id;
mod limits;
#[cfg(feature = "local-gateway")]
pub mod local;
mod notice;
mod observe;
pub mod platform;
#[cfg(feature = "qq")]
pub mod qq;
pub mod queue;
#[cfg(feature = "http")]
pub mod rest;
// Shards that ask where their gateway is need a part of it.
#[cfg(not(feature = "http"))]
mod rest;
mod secret;
mod session;
mod shard;
pub mod stream;
mod transport;
#[cfg(feature = "twilight-model")]
mod twilight;

pub use config::{Config, ConfigBuilder};
pub use credential::{CredentialError, CredentialSource, TokenRequest};
#[cfg(feature = "discord")]
pub use discord::{EventFlags, Intents};
pub use error::{Error, ErrorKind};
#[cfg(feature = "discord")]
pub use guilds::Members;
pub use id::{Id, ShardId};
pub use limits::Limits;
pub use notice::{Cause, Notice};
pub use platform::Compression;
pub use secret::Token;
pub use session::{Counters, Reconnect, Shutdown, State};
#[doc(hidden)]
pub use shard::own_names_differ;
pub use shard::{
    Degraded, EventCounts, Frame, Health, Latency, Message, Meta, OwnEvent, Recording, ResumeState,
    Sender, Shard, ShardHandle, Status, TypedShard, Watch,
};
pub use transport::{Dial, Duplex, Proxy, Tls};
