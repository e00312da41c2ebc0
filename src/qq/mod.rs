//! What does only QQ know? Protocol, close table, intents, events.
//! Imports `platform`, `codec` and the words; pure.
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
//!
//! # Coming from the botrs gateway page
//!
//! What that page says, and what happens here. Where the two differ, the service is why.
//!
//! | the page says | what happens |
//! |---|---|
//! | `Intents::non_privileged()` | the same words: guilds, their members, and messages that mention the bot, for which no bot needs a permission; they are the default |
//! | a heartbeat every 30 seconds, fixed | at the interval that the server's Hello asks for, some 41 s, the first after a random part of it |
//! | unhealthy connections are terminated | a heartbeat without an ack when the next is due, or nothing heard for the interval and 8 s: the connection is cut, the session resumed |
//! | reconnects after 5, 10, 20, 40 s | after 0 to 0.5 s while connections do work, 1 to 5 s where they end too often, else after 1 s, 2 s, 4 s up to 60 s, half of it by chance; before a new session that no READY answered 5 s doubling up to 15 minutes, because a day has a thousand |
//! | unlimited attempts until stopped | also here, but not after a code that no reconnect can help, and not after the fourth refused identify in a row |
//! | READY lists the guilds | QQ has no such list; [`model::Ready`] has what there is |
//! | READY says which shard it is | it may say a shard that cannot be; the shard's own id counts |
//! | INVALID SESSION forces a new identify | in answer to an identify it means that the token, an intent or the address of this machine was refused: the credential is fetched again, and the fourth time is fatal |
//! | 4004 resets the session | and the credential is fetched again, because it is what was refused; the fourth time in a row is fatal |
//! | 9001 and 9005 make a new connection | no server sends them: they are numbers of errors within a client. 4006, 4007, 4900 to 4913 are what starts a new session |
//! | all other codes resume | 4001, 4002, 4010 to 4014, 4914 and 4915 are fatal, with advice; 4008 resumes after a minute, 4009 at once; codes without a name identify |
//! | the session is kept in memory | and by `ResumeState` across restarts of the program |
//! | compression of messages | QQ offers none; choosing one changes nothing |
//! | `message_create` | [`Event::MessageCreate`] for bots of the private domain, [`Event::AtMessageCreate`] for all others |
//! | `unknown_event(type, data)` | [`Event::Unknown`], with the data as JSON text |
//! | `error(BotError)` with a class for each layer | [`Error`](crate::Error): its kind says whose fault it is, `is_fatal()` whether the shard has ended |
//! | `is_ready()`, `last_sequence()`, `session_id()`, metrics | [`Shard::status`](crate::Shard::status), at any time and from anywhere |
//! | `Some([0, 4])` for the first of four shards, `None` for one | `ShardId::new(0, 4)`, [`ShardId::ONE`](crate::ShardId::ONE) |
//! | `"wss://api.sgroup.qq.com/websocket"` as an argument | [`ConfigBuilder::gateway_url`](crate::ConfigBuilder::gateway_url); [`Hosts`] knows the platform's own |
//! | events do not block heartbeats | true: the connection has a task of its own |
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
mod events;
mod intents;
pub mod model;
mod protocol;

pub use events::{Event, EventFlags, EventKind, UnknownEvent};
pub use intents::Intents;
pub use protocol::{Hosts, QQ};
