//! What is a cluster doing? No token, session id or payload is among the fields, and text of
//! others is escaped.

use std::fmt;

use tracing::{debug, error, info, warn};

use crate::error::{Error, Escaped};

/// The broker is reached, and what is stored there is there.
pub(crate) fn broker_reached() {
    info!("the NATS server is there");
}

/// The broker is gone; what needs it waits.
pub(crate) fn broker_away(why: &dyn fmt::Display) {
    warn!(why = %Escaped(why.to_string()), "the NATS server is away");
}

/// This process is a member from now on.
pub(crate) fn joined(group: &str, member: &str) {
    info!(group, member, "joined the cluster");
}

/// Another member did not renew its lease in time, and what it ran is free.
pub(crate) fn given_up(member: &str) {
    warn!(member = %Escaped(member), "a member of the cluster is gone");
}

/// The lease ran out, or somebody else took it: everything is dropped, and it begins anew.
pub(crate) fn fenced(member: &str) {
    error!(
        member,
        "this member has lost its lease and drops what it runs"
    );
}

/// The member runs this from now on.
pub(crate) fn claimed(item: u32) {
    info!(item, "claimed");
}

/// The member has given this to the others.
pub(crate) fn released(item: u32) {
    info!(item, "released");
}

/// An entry of the bucket cannot be read.
pub(crate) fn corrupt(key: &str) {
    error!(key = %Escaped(key), "a corrupt entry is treated as absent");
}

/// A shard starts from a stored session, or from none.
pub(crate) fn starting(item: u32, seq: Option<u64>) {
    debug!(item, seq, "starting with what is stored");
}

/// An event cannot be published.
pub(crate) fn not_published(item: u32, why: &'static str, len: usize) {
    error!(item, why, len, "an event is left out of the stream");
}

/// A shard told of an error and goes on.
pub(crate) fn shard_error(item: u32, error: &Error) {
    warn!(item, error = %Escaped(error.to_string()), "an error of the shard");
}
