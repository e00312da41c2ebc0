//! What does only QQ know? Protocol, close table, intents, events.
//! Imports `platform`, `codec`, `model` and the words; pure.
//!
//! A shard of QQ is a [`Shard`](crate::Shard) like any other; its intents say which platform it is
//! of. Its sessions are recycled every half hour (op 7, then close code 4009), which is routine: it
//! resumes at once, and nothing but a notice tells of it.
//!
//! Every event of the documentation has a type ([`Event`]), and those that it does not name arrive
//! as [`Event::Unknown`] with their data:
//!
//! ```
//! use shardstream::{platform::Platform, qq::{Event, QQ}};
//!
//! let data = r#"{"id":"ROBOT1.0_x","group_openid":"C0FFEE","content":" hello",
//!     "author":{"member_openid":"BEEF"}}"#;
//! match QQ::decode("GROUP_AT_MESSAGE_CREATE", data)? {
//!     Event::GroupAtMessageCreate(message) => {
//!         assert_eq!(message.group_openid.as_str(), "C0FFEE");
//!         assert_eq!(message.content.as_deref(), Some(" hello"));
//!     }
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), shardstream::platform::DecodeError>(())
//! ```
//!
//! There are no commands: a bot answers over REST. The envelope's `id`, by which an answer names
//! what it answers, is [`Meta::id`](crate::Meta::id).
#![doc = ""]
#![doc = include_str!("botrs.md")]
//!
//! # What does not compile
//!
//! QQ's gateway takes none of Discord's commands, and closes for good on an opcode that it does
//! not know. So a command of another platform is an error of the compiler:
//!
//! ```compile_fail
//! use shardstream::{Sender, discord::UpdatePresence, qq::QQ};
//!
//! async fn send(sender: Sender<QQ>, presence: UpdatePresence) {
//!     let _ = sender.command(&presence).await;
//! }
//! ```
//!
//! The same with Discord's sender compiles:
//!
#![cfg_attr(feature = "discord", doc = "```")]
#![cfg_attr(not(feature = "discord"), doc = "```ignore")]
//! use shardstream::{Sender, discord::{Discord, UpdatePresence}};
//!
//! async fn send(sender: Sender<Discord>, presence: UpdatePresence) {
//!     let _ = sender.command(&presence).await;
//! }
//! ```

mod close;
mod credentials;
mod events;
mod intents;
pub mod model;
mod protocol;
pub(crate) mod token;

pub use credentials::Credentials;
pub use events::{Event, EventFlags, EventKind};
pub use intents::Intents;
pub use protocol::{Hosts, QQ};

pub use crate::model::UnknownEvent;
