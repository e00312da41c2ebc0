//! Ring 1: sessions, with the real buckets and budget of identifies, against a model of the
//! gateway, in virtual time, under faults from a schedule.
//!
//! [`run`] makes a [`Schedule`] from a seed and a [`Profile`] and lives it through, twenty minutes
//! without faults at its end; the first thing that must not be is a [`Violation`], which names its
//! invariant. [`shrink`] cuts its schedule down; [`Schedule::literal`] prints it, to be pasted into
//! `regress.rs`.
//!
//! The invariants, and where each is checked, after every step unless another test is named:
//!
//! | | | where |
//! |-|-|-|
//! | I1 | each event of a session that lives comes once, in order | `oracle`: `take`, `finish` |
//! | I2 | nothing is passed on that was not sent | `oracle`: `passed`; bytes: ring 2 |
//! | I3 | a loss is told before the next session, and only that | `oracle`: `take`, `noticed` |
//! | I4 | what was received is resumed, after a restart what was taken | `oracle`: `sent` |
//! | I5 | one identify in 5 s for each bucket | `client`: `identified`; order: `queue::buckets` |
//! | I6 | 120 payloads a minute, 4,096 bytes, 5 presences in 20 s | `drive`: `sent`; `oracle` |
//! | I7 | nothing follows a fatal end, which has a reason | `drive`: `act`, `stop` |
//! | I8 | no identify while a session is held; three resumes, no fourth | `oracle` |
//! | I9 | at most 90 % of a day's identifies | `server`: `book` |
//! | I10 | beats come in time, with jitter; requests are answered | `drive`: `look_at_link` |
//! | I11 | dead links are found; no state is for ever; all are well at the end | `drive`, `world` |
//! | I12 | waits lie in their ranges, and not at an end of them | `waits` |
//! | I13 | only progress resets a backoff | `waits`, which counts by itself |
//! | I14 | one connection at a time, and none in the end | `drive`, `world` |
//! | I15 | close codes 4000, and 1000 where the user ends the session | `drive`: `close` |
//! | I16 | commands once, in order, only in a session; none left behind | `oracle`, `world` |
//! | I17 | permits are used or given back, in 5 s | `drive`, `world`: `end` |
//! | I18 | the token only in IDENTIFY and RESUME | `server`: `Sent::read`; logs: tests of secrets |
//! | I19 | the buffer keeps its limit | `drive`: `put`; other queues: their own tests |
//! | I20 | only the place that READY named is resumed at, and after it failed the base | `oracle` |
//! | I21 | the same schedule gives the same life | `tests`, by hash |
//! | I22 | a shard's faults are its own | `tests`, by hash |
//! | I23 | the credential is the one given, renewed when refused | `oracle`; else `credential` |
//! | I24 | each input in each state does what the table says | `simulation::matrix` |

mod client;
mod dice;
mod drive;
mod noise;
mod oracle;
mod patience;
mod permits;
mod regress;
mod schedule;
mod server;
mod shrink;
mod tests;
mod waits;
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
