//! Which platform is it? What the platforms do differently, as one table a platform; pure.

mod discord;
mod qq;

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use super::{
    event::Event,
    http::{Answer, Request},
    world::World,
};
use crate::{id::ShardId, secret::Token};

/// Which platform a [`Gateway`](super::Gateway) is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// Discord's gateway, version 10.
    #[default]
    Discord,
    /// The gateway of QQ's guild, group and C2C bots, with the endpoint that issues their tokens.
    Qq,
}

impl Dialect {
    pub(super) const fn table(self) -> &'static Table {
        match self {
            Self::Discord => &discord::TABLE,
            Self::Qq => &qq::TABLE,
        }
    }
}

/// What a platform does in its own way.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row each, independent of the others"
)]
pub(super) struct Table {
    /// Every intent that the platform knows.
    pub(super) intents: u64,
    /// The ops of commands, allowed once identified.
    pub(super) commands: &'static [u64],
    /// Whether IDENTIFY must have `properties`.
    pub(super) needs_properties: bool,
    /// Whether the query of the gateway url says version, encoding and compression.
    pub(super) reads_query: bool,
    /// What follows the address in the url that discovery names.
    pub(super) gateway_path: &'static str,
    /// Whether one identify more than the day has costs the bot its token.
    pub(super) resets_token: bool,
    /// How long a connection lives before the server asks for a new one.
    pub(super) recycle: Option<Duration>,
    /// The code with which the server closes soon after it asked for a reconnect.
    pub(super) recycled: Option<u16>,
    /// The `d` of RESUMED.
    pub(super) resumed: &'static str,
    /// What a client that broke a rule gets.
    pub(super) refusal: fn(Rule) -> Refusal,
    /// The code with which the server closes after op 9, by the op that was answered.
    pub(super) close_after_invalid: fn(Option<u64>) -> Option<u16>,
    /// Whether the session is over once the server has closed with that code.
    pub(super) ends_session: fn(u16) -> bool,
    /// Whether a client ends its session by closing with 1000 or 1001.
    pub(super) hears_goodbye: bool,
    /// Which buckets of identifies, of so many, a shard may use.
    pub(super) buckets: fn(ShardId, u32) -> Range<u32>,
    /// What IDENTIFY or RESUME proves by its token.
    pub(super) bearer: fn(&World, Instant, Proof<'_>) -> Result<Bearer, &'static str>,
    /// Which of the tokens issued here a text of any kind carries.
    pub(super) token_number: fn(&World, &str) -> Option<u64>,
    /// The id of a session made from this number.
    pub(super) session_id: fn(u128) -> String,
    /// The members of Hello's `d` behind the interval.
    pub(super) hello: &'static str,
    /// A message that is no event: its op and `d`.
    pub(super) message: fn(u64, Option<&str>) -> String,
    /// An event with its number within the session with that id.
    pub(super) event: fn(&Event, u64, &str) -> String,
    /// The members of READY's `d`.
    pub(super) ready: fn(&World, &str, ShardId) -> Vec<(&'static str, String)>,
    /// Whether a request is for a token.
    pub(super) wants_token: fn(&Request) -> bool,
    /// The answer to a request that is for no upgrade.
    pub(super) rest: fn(&mut World, Instant, u64, &Request) -> Answer,
}

/// A rule that a client can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    AlreadyAuthenticated,
    DaySpent,
    Decode,
    DisallowedIntents,
    IdentifyTooEarly,
    InvalidIntents,
    InvalidSeq,
    InvalidShard,
    InvalidVersion,
    NotAuthenticated,
    RateLimited,
    SessionTimedOut,
    UnknownOpcode,
    UnknownSession,
    WrongToken,
}

/// What a client that broke a rule gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Close(u16),
    /// Op 9 with `false`, and where the platform closes after it, that.
    Invalid,
}

/// A token, and what shall be proven by it.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    Identify(&'a str),
    Resume(&'a str),
}

/// Whoever a token is from.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    /// What all tokens of one bot have in common.
    pub(super) owner: Token,
}

/// The id of the bot.
const BOT_ID: &str = "1000000000000000001";
