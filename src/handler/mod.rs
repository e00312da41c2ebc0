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
//! # The same in Ruby's async-discord
//!
//! | the page says | here |
//! |---|---|
//! | `Gateway.new(token:, intents:, gateway_url:)` | [`Bot::new`]; [`Bot::with_config`] with [`ConfigBuilder::gateway_url`](crate::ConfigBuilder::gateway_url) |
//! | `on(event_type) { \|data\| }` | [`Bot::on`] with a name or a kind, typed; [`Bot::on_raw`] for the JSON text; [`Bot::on_as`] for a type of your own |
//! | `run` blocks until the connection is closed or an error that cannot be recovered from | [`Bot::run`] ends when it is stopped, or when every shard has ended fatally; all else is mended inside |
//! | any error: sleep for 5 s and connect again | by its cause: at once, with a growing delay, or never ([`Error::is_fatal`](crate::Error::is_fatal)); a refused token is not tried again |
//! | `stop` closes the socket | [`Handle::stop`] closes with the code that ends the session, and waits for handlers that run |
//! | `send_payload(op:, d:)` does nothing without a connection | [`Handle::send_payload`] waits for the session; a refusal is an error |
//! | `seq`, `session_id` | [`Handle::seq`], [`Handle::session_id`] |
//! | a heartbeat unacked when the next is due: reconnect | the same, and whenever nothing at all arrives in time |

mod bot;
mod calls;
#[cfg(test)]
#[cfg(all(feature = "discord", feature = "local-gateway"))]
mod tests;

pub use self::bot::{Bot, Context, Handle};
