//! Where may platforms differ? Everything that Discord and QQ do differently, as one trait.
//! Imports `id`, `secret`, `error`, `limits`, `notice`; pure.

mod url;

use std::{
    borrow::Cow,
    fmt::{self, Debug},
    ops::RangeInclusive,
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use url::{GatewayUrl, UrlError};

use crate::{error::Error, id::ShardId, notice::Notice, secret::Token};

/// A platform: its words, its tables and its typed events.
///
/// The value holds what its IDENTIFY tells the server beside token and shard, such as intents.
/// The rules of the conversation (`session`), the socket and the shard know platforms only
/// through this trait.
pub trait Platform: Clone + Debug + Send + Sync + Unpin + Sized + 'static {
    /// The platform's name in lower case, as in logs and files.
    const NAME: &'static str;
    /// Where to connect when nothing else was configured; `None` where a shard has to ask the
    /// platform first.
    const GATEWAY: Option<&'static str>;
    /// Where the platform's REST calls go by default.
    const REST: &'static str;
    /// Hosts that a resume or discovered url may name: each itself and all below it.
    const GATEWAY_HOSTS: &'static [&'static str];
    /// What an op 9 or its close code in answer to IDENTIFY means.
    const REFUSED_IDENTIFY: Refused;
    /// The close codes that mean the same in answer to IDENTIFY as an op 9. Most platforms have
    /// none.
    const REFUSED_CODES: &'static [u16] = &[];
    /// What the user should look at when his credentials are refused again and again.
    const REFUSED_ADVICE: &'static str = "check that the credentials are current";
    /// Commands that set a state and have a limit of their own. Most platforms have none.
    const LATEST_WINS: &'static [LatestWins] = &[];

    /// What the user configures to prove who the bot is.
    type Credentials: Clone + Debug + Send + Sync + 'static;
    /// Which events the bot subscribes to.
    type Intents: Copy + Debug + Send + Sync + 'static;
    /// The typed event.
    type Event: Debug + Send + 'static;
    /// A set of typed events, which narrows what reaches the user.
    type EventFlags: EventSet;

    /// The platform with these intents and everything else by default.
    fn with_intents(intents: Self::Intents) -> Self;

    /// What to do when the server closed with this code: the platform's close table.
    /// `None` for a code that the table does not name.
    fn close_row(code: u16) -> Option<CloseRow>;

    /// What to do on a code from 4000 to 4999 that the close table does not name.
    const UNKNOWN_CLOSE: CloseAction;

    /// The query of a gateway url, with its `?`; empty where the platform wants none.
    fn url_query(&self, compression: Compression) -> &'static str;

    /// Appends the payload of IDENTIFY.
    fn write_identify(&self, token: &Token, shard: ShardId, out: &mut Vec<u8>);

    /// Appends the payload of RESUME.
    fn write_resume(&self, token: &Token, session_id: &str, seq: u64, out: &mut Vec<u8>);

    /// What the rules of the conversation need of READY's `d`; `None` where it names no session.
    fn read_ready(data: &str) -> Option<Ready>;

    /// The typed event of a dispatch named `name` with payload `data`.
    ///
    /// An event that the platform's table does not name becomes the platform's unknown variant,
    /// not an error.
    ///
    /// # Errors
    ///
    /// The payload of a known event does not have its documented shape.
    fn decode(name: &str, data: &str) -> Result<Self::Event, DecodeError>;

    /// The name of an event that the wire calls `name`, where the platform's table has it: what
    /// may stand for the event in a metric. By default no event has one.
    fn known_event(name: &str) -> Option<&'static str> {
        let _ = name;
        None
    }

    /// Whether this complete command of an op of [`LATEST_WINS`](Self::LATEST_WINS) sets a state
    /// that a new session has to be told again, because it begins without. What the server might
    /// refuse must not be repeated.
    fn sets_state(_op: u64, _payload: &[u8]) -> bool {
        false
    }

    /// Whom an event concerns: what decides on which shard it comes, and whether another set of
    /// shards gets it, too.
    ///
    /// By default all events are the account's. A platform that has guilds says which.
    fn scope_of(name: &str, data: &str) -> Scope {
        let _ = (name, data);
        Scope::Account
    }

    /// The guilds that READY's `d` names, whose events follow once each was shown. By default
    /// none.
    fn guilds_of_ready(data: &str) -> Vec<u64> {
        let _ = data;
        Vec::new()
    }

    /// A notice as this platform's event.
    fn notice(notice: Notice) -> Self::Event;

    /// The value of the header `Authorization` of REST calls with this token: by default the
    /// token as it is.
    fn authorization(token: &Token) -> Token {
        token.clone()
    }

    /// The id of the message in the payload `data` of the event `name`, where the platform may
    /// deliver one message several times; by default it does not, and nothing is read.
    fn message_id<'a>(name: &str, data: &'a str) -> Option<Cow<'a, str>> {
        let _ = (name, data);
        None
    }
}

/// Whom an event concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// The bot's account, such as a direct message: shard 0 gets it.
    Account,
    /// This one connection, such as the answer to a command: nobody else gets it.
    Connection,
    /// The guild with this id: the shard `(id >> 22) % total` gets it.
    Guild(u64),
}

/// Intents that name their platform, so that `Config::new(token, Intents::GUILDS)` needs no type.
pub trait IntentsOf: Sized {
    /// The platform that these intents belong to.
    type Platform: Platform<Intents = Self>;
}

/// A set of a platform's events.
///
/// Asked of the name alone, so that what is not in the set is never decoded.
pub trait EventSet: Copy + Debug + Send + Sync + 'static {
    /// Whether the event that the wire calls `name` is in the set. One that the platform's table
    /// does not name is in it where unknown events are.
    fn has_event(self, name: &str) -> bool;

    /// Whether notices are in the set.
    fn has_notices(self) -> bool;
}

/// What an event is named by: its name on the wire, or the kind of an event of a platform.
pub trait EventName {
    /// The name on the wire.
    fn event_name(&self) -> &str;
}

impl EventName for &str {
    fn event_name(&self) -> &str {
        self
    }
}

impl EventName for String {
    fn event_name(&self) -> &str {
        self
    }
}

/// A command that bots of the platform `P` send.
pub trait Command<P> {
    /// The opcode.
    fn op(&self) -> u64;

    /// The whole message, as it goes to the server.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Command`](crate::ErrorKind::Command) where the server would refuse it.
    fn payload(&self) -> Result<Vec<u8>, Error>;
}

/// A row of [`Platform::LATEST_WINS`]: a command that sets a state, such as the presence, and that
/// the platform takes less often than others. Of several that wait for this limit only the latest
/// is sent, and other commands do not wait behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestWins {
    /// The opcode of the command.
    pub op: u64,
    /// So many are taken within the window.
    pub max: usize,
    /// The window of the limit, over all connections of a shard.
    pub window: Duration,
}

/// The part of READY that the conversation rests on.
#[derive(Clone, PartialEq, Eq)]
pub struct Ready {
    /// The session to resume.
    pub session_id: String,
    /// Where to resume it, as the server wrote it; not yet validated.
    pub resume_url: Option<String>,
}

/// Shows no part of the session: who has it can take the events over.
impl Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

/// Why the payload of a known event could not be decoded. Never holds any of the payload.
#[derive(Debug)]
pub struct DecodeError {
    /// The path of the field that did not fit, such as `author.id`, where it is known.
    pub path: String,
    /// What was wrong there.
    pub problem: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{}: {}", self.path, self.problem)
        }
    }
}

impl std::error::Error for DecodeError {}

/// How the server compresses what it sends.
///
/// The variants are always there, so that no `match` depends on features; whether one can be used
/// [`is_built_in`](Self::is_built_in) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Compression {
    /// Not at all: the least CPU, four to five times the traffic.
    None,
    /// One zlib stream for the connection: the least memory of the compressed, some 50 KB. Needs
    /// one of the features `zlib-rs` (on by default), `zlib-ng`, `zlib-stock`.
    Zlib,
    /// One zstd stream for the connection: the least CPU of the compressed, some 450 KB of memory.
    /// Needs the feature `zstd`.
    Zstd,
}

impl Compression {
    /// What compresses, the best first.
    pub(crate) const BEST_FIRST: [Self; 2] = [Self::Zlib, Self::Zstd];

    /// Whether this build can undo it.
    ///
    /// ```
    /// use shardstream::platform::Compression;
    ///
    /// assert!(Compression::None.is_built_in());
    /// ```
    pub const fn is_built_in(self) -> bool {
        match self {
            Self::None => true,
            Self::Zlib => cfg!(any(
                feature = "zlib-rs",
                feature = "zlib-ng",
                feature = "zlib-stock"
            )),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }

    /// What is wrong with choosing it, where it is not built in.
    pub(crate) const fn problem(self) -> Option<&'static str> {
        match self {
            _ if self.is_built_in() => None,
            Self::None => None,
            Self::Zlib => Some(
                "zlib is not built in; enable one of the features `zlib-rs`, `zlib-ng` and \
                 `zlib-stock`",
            ),
            Self::Zstd => Some("zstd is not built in; enable the feature `zstd`"),
        }
    }
}

/// One row of a platform's close table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseRow {
    /// The codes that the row is about.
    pub codes: (u16, u16),
    /// What the shard does.
    pub action: CloseAction,
    /// What the code means and, where the shard stops, what the user should do about it.
    pub meaning: &'static str,
}

impl CloseRow {
    /// The row of the codes from `first` to `last`.
    pub(crate) const fn new(
        first: u16,
        last: u16,
        action: CloseAction,
        meaning: &'static str,
    ) -> Self {
        Self {
            codes: (first, last),
            action,
            meaning,
        }
    }

    /// The row of `code`, where a table names it.
    pub(crate) fn find(table: &[Self], code: u16) -> Option<Self> {
        table
            .iter()
            .find(|row| row.range().contains(&code))
            .copied()
    }

    /// The codes that the row is about, as a range.
    pub const fn range(&self) -> RangeInclusive<u16> {
        self.codes.0..=self.codes.1
    }
}

/// What a shard does after the server closed with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseAction {
    /// Stop: no reconnect can help.
    Fatal,
    /// The session is dead; start a new one.
    Identify,
    /// The credential has expired or is wrong: fetch it again, then start a new session.
    RenewCredential,
    /// Resume.
    Resume,
    /// Resume, after at least the rate limit's window.
    ResumeLater,
    /// Resume at once: the server recycles connections as routine.
    ResumeNow,
}

/// What an IDENTIFY that the server refuses with op 9 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It may be accepted later: try again with backoff, for ever.
    Retry,
    /// The credential may have expired: fetch it again each time, and give up at the fourth
    /// refusal in a row.
    RenewCredential,
}

/// How many times in a row a refused credential is fetched again before the shard gives up.
pub(crate) const RENEWALS_MAX: u32 = 3;
