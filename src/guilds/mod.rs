//! Have my guilds arrived, and who is in them? What a bot asks of Discord's guilds, above the
//! shard: it may import `shard`, `discord` and the words.
//!
//! | file | question |
//! |---|---|
//! | `answer` | Which parts of a list of members have come? Pure. |
//! | `members` | Who is in a guild? |
//! | `arrive` | Have all guilds of READY come? |

mod answer;
mod arrive;
mod members;
#[cfg(test)]
#[cfg(feature = "local-gateway")]
mod tests;

pub use answer::Members;
