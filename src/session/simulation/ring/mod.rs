//! Ring 1: the session, the identify queue and the budget against a model of the gateway, in
//! virtual time, under faults from a schedule.

mod client;
mod dice;
mod drive;
mod oracle;
mod permits;
mod schedule;
mod server;
mod shrink;
mod tests;
mod world;

pub(crate) use self::{
    schedule::{Options, Profile, Schedule},
    shrink::shrink,
    world::{Report, Violation, replay},
};

/// Runs the schedule of `seed` in `profile`.
pub(crate) fn run(seed: u64, profile: Profile, options: &Options) -> Result<Report, Violation> {
    replay(&Schedule::new(seed, profile, options))
}
