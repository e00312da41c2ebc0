//! How long, how many, how large? Every deadline and limit, each with its reason.
//! Imports nothing of the crate.

use std::time::Duration;

/// Every deadline and limit of a shard.
///
/// The defaults are what a bot wants against the real platforms; each field says why. Tests scale
/// them down. [`ConfigBuilder::limits`](crate::ConfigBuilder::limits) sets them.
///
/// ```
/// use std::time::Duration;
/// use shardstream::Limits;
///
/// let mut limits = Limits::default();
/// limits.hello = Duration::from_secs(2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// 10 s for a connection in all: name lookup, TCP, a proxy, TLS and the HTTP upgrade. A healthy
    /// gateway answers in well under one; peers use 10 to 30.
    pub connect: Duration,
    /// 3 s for one address, and for the name lookup: time for one lost SYN to be sent again.
    pub connect_address: Duration,
    /// 250 ms until the next address of a name is tried beside the first (RFC 8305 section 5).
    pub connect_stagger: Duration,
    /// 128 connections of one configuration are being made at once: each from the start of its dial
    /// (name lookup, TCP, TLS, upgrade) until the server's Hello was answered. So 1,000 shards that
    /// were cut together are back within 80 s even where every handshake takes its whole
    /// [`connect`](Self::connect), and a thousand TLS handshakes never compete for the processor
    /// and the network at one moment. The others wait their turn, first come, first served; the
    /// deadline of a connection starts when it is its turn.
    pub handshakes_max: usize,
    /// 10 s from the upgrade to Hello, which the platform sends at once.
    pub hello: Duration,
    /// 30 s from IDENTIFY to READY; doubled each time in a row that it passes, up to
    /// [`ready_max`](Self::ready_max), because large bots wait long on bad days.
    pub ready: Duration,
    /// 120 s, where the doubling of [`ready`](Self::ready) ends.
    pub ready_max: Duration,
    /// 30 s from Hello or the last replayed event to RESUMED.
    pub resumed: Duration,
    /// 8 s beyond the heartbeat interval without one complete message mean a dead link.
    pub silence_margin: Duration,
    /// 3 s for the peer to answer our close frame; nothing is lost by not waiting longer.
    pub close: Duration,
    /// 10 s in which a write makes no progress.
    pub write_stall: Duration,
    /// 1 s: a shorter heartbeat interval is a broken or hostile server.
    pub heartbeat_interval_min: Duration,
    /// 1 h: a longer heartbeat interval could not tell a dead link.
    pub heartbeat_interval_max: Duration,
    /// 1 s, the first step of the backoff between connects; it doubles from there.
    pub backoff: Duration,
    /// 60 s, the longest step of the backoff between connects.
    pub backoff_max: Duration,
    /// 5 s, the first step of the backoff between identifies; it doubles from there.
    pub identify_backoff: Duration,
    /// 900 s, the longest step of the backoff between identifies: 96 a day, where a cap of a
    /// minute would spend the day's thousand and cost the bot its token.
    pub identify_backoff_max: Duration,
    /// 5 s, the window in which each identify bucket has one start (the platforms' own figure).
    pub identify_window: Duration,
    /// 60 s, the least wait after the server said that too much was sent.
    pub rate_limited: Duration,
    /// 15 min, the most that a `Retry-After` is believed.
    pub retry_after_max: Duration,
    /// 16 KiB for the answer to the HTTP upgrade, and for a proxy's; real ones are below 2 KiB.
    pub upgrade_len_max: usize,
    /// 100 headers in the answer to the HTTP upgrade, and in a proxy's.
    pub upgrade_headers_max: usize,
    /// 64 MiB for one message on the wire; real guilds reach 10 to 20 MB inflated.
    pub message_len_max: usize,
    /// 64 MiB for one message after inflation.
    pub inflated_len_max: usize,
    /// 16 pongs waiting to be written; beyond that reading waits for the peer to read.
    pub pongs_max: usize,
    /// 4,096 fragments in one message; the platforms send one.
    pub fragments_max: usize,
    /// 256 commands waiting to be sent: two minutes' worth at the platforms' rate.
    pub commands_max: usize,
    /// 1,024 events between the connection and the user before reading pauses.
    pub buffered_events_max: usize,
    /// 16 MiB of text between the connection and the user before reading pauses.
    pub buffered_bytes_max: usize,
    /// 120 messages to the server in [`send_window`](Self::send_window), of any kind.
    pub sends_max: usize,
    /// 60 s, the window of [`sends_max`](Self::sends_max).
    pub send_window: Duration,
    /// 10 min in which commands may use only half of [`sends_max`](Self::sends_max), after the
    /// server said that too much was sent: whatever it counts, it counts more than we do.
    pub slowed: Duration,
    /// 4,096 bytes for one message to the server; it closes the connection on a longer one.
    pub send_len_max: usize,
    /// 30 s without a part of the answer to a request, such as one for members, after which it has
    /// failed. The platform answers in a second or two; parts of a long answer come apart by less.
    pub answer: Duration,
    /// 1,000,000 members of a guild in one answer, some half a gigabyte: only guilds that are
    /// known to be larger are worth more.
    pub members_max: usize,
    /// 60 s in which nobody took an event, after which a shard's health is degraded.
    pub unpolled: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const fn secs(n: u64) -> Duration {
            Duration::from_secs(n)
        }
        Self {
            connect: secs(10),
            connect_address: secs(3),
            connect_stagger: Duration::from_millis(250),
            handshakes_max: 128,
            hello: secs(10),
            ready: secs(30),
            ready_max: secs(120),
            resumed: secs(30),
            silence_margin: secs(8),
            close: secs(3),
            write_stall: secs(10),
            heartbeat_interval_min: secs(1),
            heartbeat_interval_max: secs(3600),
            backoff: secs(1),
            backoff_max: secs(60),
            identify_backoff: secs(5),
            identify_backoff_max: secs(900),
            identify_window: secs(5),
            rate_limited: secs(60),
            retry_after_max: secs(900),
            upgrade_len_max: 16 << 10,
            upgrade_headers_max: 100,
            message_len_max: 64 << 20,
            inflated_len_max: 64 << 20,
            pongs_max: 16,
            fragments_max: 4096,
            commands_max: 256,
            buffered_events_max: 1024,
            buffered_bytes_max: 16 << 20,
            sends_max: 120,
            send_window: secs(60),
            slowed: secs(600),
            send_len_max: 4096,
            answer: secs(30),
            members_max: 1_000_000,
            unpolled: secs(60),
        }
    }
}

/// JSON nested deeper than this is refused: `serde_json`'s own figure, far above any real frame.
pub(crate) const JSON_DEPTH_MAX: usize = 128;
