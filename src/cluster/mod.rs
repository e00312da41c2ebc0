//! May I have many machines? Nodes that share the shards of one bot, by NATS with JetStream.
//! Imports `shard` and what is below it.
//!
#![doc = include_str!("guide.md")]
//!
//! # The house
//!
//! What decides is pure and told the time; what talks to the broker is around it. A lease belongs
//! to a *member* (a node, a worker), and what it owns is its own as long as that holds: so a
//! thousand shards cost no more renewals than one. Nodes and workers are members of two groups, by
//! the same code.
//!
//! | file | question | |
//! |---|---|---|
//! | `plan` | Who shall run which shard? | pure |
//! | `fence` | Does a lease still hold, and whose has run out? | pure |
//! | `gate` | Who may identify when, of all nodes? | pure |
//! | `window` | What was published, and how far has the stream it? | pure |
//! | `entry` | What do things look like in the broker? | pure |
//! | `lease` | May this member act now? | |
//! | `link` | Where is the broker? | |
//! | `member` | Who am I among the others, and what is mine? | |
//! | `identify` | When may I identify, of all nodes? | |
//! | `owner` | What does the owner of a shard do? | |
//! | `commands` | How do workers send commands? | |
//! | `node` | What does a process run that takes a share of the shards? | |
//! | `worker` | What does a process run that handles events? | |

mod commands;
mod entry;
mod fence;
mod gate;
mod identify;
mod lease;
mod link;
mod member;
mod node;
mod owner;
mod plan;
mod window;
mod worker;

pub use self::{
    commands::Commands,
    node::{Node, NodeBuilder},
    worker::{Delivery, Worker, WorkerBuilder},
};
