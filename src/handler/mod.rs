//! May I have callbacks? Handlers by event, thin above the merged stream.
//! Imports `stream` and what is below it.
//!
//! A [`Bot`] owns shards and calls what was registered for each event, in tasks of their own:
//!
//! ```
//! use shardstream::{Intents, handler::Bot};
//!
//! # async fn example(token: String) -> Result<(), shardstream::Error> {
//! let bot = Bot::new(token, Intents::GUILDS | Intents::GUILD_MESSAGES)
//!     .on("MESSAGE_CREATE", |_, event| async move { println!("{event:?}") })
//!     .on("READY", |context, _| async move {
//!         println!("ready, in session {:?}", context.session_id());
//!     })
//!     .on_error(|_, error| async move { eprintln!("{error}") });
//! bot.run_until(async { drop(tokio::signal::ctrl_c().await) }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - Handlers of one event start in the order in which they were registered, and events in the
//!   order of their shard. How they then go on is up to the runtime: a slow handler of one event
//!   may end after that of the next. With [`Bot::concurrency`] 1 each ends before the next starts.
//! - At most [`Bot::concurrency`] handlers run at once. When all places are taken, no event is
//!   taken from the shards; they go on beating, and pause reading when their buffers are full.
//! - A handler that panics is an error ([`ErrorKind::Handler`](crate::ErrorKind::Handler)) for
//!   [`Bot::on_error`]; the shard, the other handlers and later events are not concerned.
//!
#![doc = include_str!("ruby.md")]

mod bot;
mod calls;
#[cfg(test)]
#[cfg(all(feature = "discord", feature = "local-gateway"))]
mod tests;

pub use self::bot::{Bot, Context, Handle};
