//! Why is it so? The guide: short chapters, in the order in which questions come.
//!
//! | chapter | question |
//! |---|---|
//! | [`why`] | Why one more gateway library? |
//! | [`first_bot`] | How do I begin, on Discord and on QQ? |
//! | [`connection`] | What happens when the connection breaks? |
//! | [`events`] | What is promised about events? |
//! | [`many_shards`] | How do I run, restart and grow many shards? |
//! | [`testing`] | How do I test a bot offline? |
//! | [`production`] | What do I watch, and how much memory is it? |
//! | [`moving`] | How do I move here from another library? |

#[doc = include_str!("why.md")]
pub mod why {}

#[doc = include_str!("first_bot.md")]
pub mod first_bot {}

#[doc = include_str!("connection.md")]
#[doc = include_str!("states.svg")]
#[doc = include_str!("connection_rules.md")]
pub mod connection {}

#[doc = include_str!("events.md")]
pub mod events {}

#[doc = include_str!("many_shards.md")]
pub mod many_shards {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("production.md")]
pub mod production {}

#[doc = include_str!("moving.md")]
pub mod moving {}
