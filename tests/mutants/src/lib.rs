//! The pure rooms alone, with as little of the others as they need to be built and tested.

/// No fault is planted here.
macro_rules! planted {
    ($fault:ident) => {
        false
    };
}

mod codec {
    pub(crate) mod envelope;
    pub(crate) mod json;
}
mod model {
    pub(crate) mod ready;
    pub(crate) mod scope;
}
pub mod discord;
mod error;
mod id;
mod limits;
mod notice;
pub mod platform;
pub mod qq;
pub mod queue;
mod secret;
mod session;

pub use error::{Error, ErrorKind};
pub use id::{Id, ShardId};
pub use limits::Limits;
pub use notice::{Cause, Notice};
pub use platform::Compression;
pub use secret::Token;
pub use session::{Counters, Reconnect, Shutdown, State};
