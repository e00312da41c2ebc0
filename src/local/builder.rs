//! How strict, how fast, how many? The options of a gateway, each with its reason.

use std::{collections::BTreeMap, fmt, io, net::Ipv4Addr, sync::Arc, time::Duration};

use rustls::ServerConfig;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Gateway, dialect::Dialect, event::Feed};
use crate::secret::Token;

/// The server's side of TLS. Shows nothing of its key.
#[derive(Clone)]
pub(super) struct Tls(pub(super) TlsAcceptor);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// What a gateway does where nothing goes wrong.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) credentials: Option<(String, Token)>,
    pub(super) dialect: Dialect,
    pub(super) feed: Option<Feed>,
    pub(super) guilds: Vec<u64>,
    pub(super) heartbeat_deadline: bool,
    pub(super) heartbeat_interval: Duration,
    pub(super) identify_window: Duration,
    pub(super) intents: u64,
    pub(super) log_events: bool,
    pub(super) log_len: usize,
    pub(super) max_concurrency: u32,
    pub(super) members: BTreeMap<u64, Vec<Value>>,
    pub(super) patience: Duration,
    pub(super) payload_len_max: usize,
    pub(super) port: u16,
    /// `None` for what is usual on the platform.
    pub(super) recycle: Option<Duration>,
    pub(super) replay_len: usize,
    pub(super) resume_url: Option<String>,
    pub(super) resume_window: Duration,
    pub(super) seed: Option<u64>,
    pub(super) send_window: Duration,
    pub(super) sends_max: usize,
    pub(super) shards: u32,
    pub(super) starts_left: u32,
    pub(super) starts_total: u32,
    pub(super) tls: Option<Tls>,
    pub(super) token: Option<Token>,
    pub(super) token_lifetime: Duration,
}

impl Options {
    /// Where the gateway is, with `ws` or `http` as the scheme, or what that is with TLS.
    pub(super) fn url(&self, scheme: &str, port: u16) -> String {
        match self.tls {
            // Certificates are for names.
            Some(_) => format!("{scheme}s://localhost:{port}"),
            None => format!("{scheme}://127.0.0.1:{port}"),
        }
    }
}

/// Makes a [`Gateway`]; every option has a default.
///
/// ```
/// use std::time::Duration;
/// use shardstream::local::Gateway;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let gateway = Gateway::builder()
///     .heartbeat_interval(Duration::from_millis(200))
///     .token("only this one")
///     .start()
///     .await?;
/// assert!(gateway.url().starts_with("ws://127.0.0.1:"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    options: Options,
}

impl Default for Builder {
    fn default() -> Self {
        let options = Options {
            credentials: None,
            dialect: Dialect::Discord,
            feed: None,
            guilds: Vec::new(),
            heartbeat_deadline: true,
            heartbeat_interval: Duration::from_millis(41_250),
            identify_window: Duration::from_secs(5),
            intents: u64::MAX,
            log_events: true,
            log_len: 65_536,
            max_concurrency: 1,
            members: BTreeMap::new(),
            patience: Duration::from_secs(10),
            payload_len_max: 4096,
            port: 0,
            recycle: None,
            replay_len: 10_000,
            resume_url: None,
            resume_window: Duration::from_mins(3),
            seed: None,
            send_window: Duration::from_mins(1),
            sends_max: 120,
            shards: 1,
            starts_left: 1000,
            starts_total: 1000,
            tls: None,
            token: None,
            token_lifetime: Duration::from_hours(2),
        };
        Self { options }
    }
}

impl Builder {
    /// The app id and client secret for which QQ's token endpoint gives tokens; others are answered
    /// by 100016. Default: any that are not empty.
    #[must_use]
    pub fn credentials(
        mut self,
        app_id: impl Into<String>,
        client_secret: impl Into<Token>,
    ) -> Self {
        self.options.credentials = Some((app_id.into(), client_secret.into()));
        self
    }

    /// Events that each new session gets after READY. Default: none.
    #[must_use]
    pub fn feed(mut self, feed: Feed) -> Self {
        self.options.feed = Some(feed);
        self
    }

    /// The guilds that Discord's READY names, to each shard those that belong to it. Default: none.
    #[must_use]
    pub fn guilds(mut self, ids: impl Into<Vec<u64>>) -> Self {
        self.options.guilds = ids.into();
        self
    }

    /// Whether a client that sends no heartbeat for one and a half intervals and five seconds is
    /// closed with 4009, with which its session is over on Discord but not on QQ. Default: yes,
    /// because a server that let it pass would hide the most common fault of a client.
    #[must_use]
    pub fn heartbeat_deadline(mut self, on: bool) -> Self {
        self.options.heartbeat_deadline = on;
        self
    }

    /// The interval that Hello names. Default: 41,250 ms, the platform's.
    #[must_use]
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.options.heartbeat_interval = interval;
        self
    }

    /// The time in which each bucket has one identify. Default: 5 s, the platform's. Two per cent
    /// less are let pass, for the network may push two of them together.
    #[must_use]
    pub fn identify_window(mut self, window: Duration) -> Self {
        self.options.identify_window = window;
        self
    }

    /// The intents that the bot may use. One that the platform knows and this lacks is answered
    /// by 4014 (QQ: op 9 and 4903), one that the platform does not know by 4013. Default: all that
    /// it knows.
    #[must_use]
    pub fn intents(mut self, bits: u64) -> Self {
        self.options.intents = bits;
        self
    }

    /// Whether each sent event leaves a record; they are counted in any case. Default: yes.
    #[must_use]
    pub fn log_events(mut self, on: bool) -> Self {
        self.options.log_events = on;
        self
    }

    /// How many records are kept; the oldest go first. Default: 65,536, some ten megabytes.
    #[must_use]
    pub fn log_len(mut self, len: usize) -> Self {
        self.options.log_len = len;
        self
    }

    /// How many shards may identify at a time. On Discord the bucket of a shard is its number
    /// modulo this; on QQ it makes no difference which they are. Default: 1, as for most bots. 0
    /// counts as 1.
    #[must_use]
    pub fn max_concurrency(mut self, buckets: u32) -> Self {
        self.options.max_concurrency = buckets.max(1);
        self
    }

    /// The members of a guild, by its id, as JSON objects with a `user` each: what requests for
    /// members (op 8) are answered from. Default: none.
    #[must_use]
    pub fn members(mut self, guild: u64, members: impl Into<Vec<Value>>) -> Self {
        self.options.members.insert(guild, members.into());
        self
    }

    /// How long [`Gateway::wait_for`] waits. Default: 10 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.options.patience = patience;
        self
    }

    /// The longest message that a client may send, in bytes; a longer one is answered by 4002.
    /// Default: 4,096, the platform's.
    #[must_use]
    pub fn payload_len_max(mut self, len: usize) -> Self {
        self.options.payload_len_max = len;
        self
    }

    /// Which platform to be. Default: [`Dialect::Discord`].
    ///
    /// ```
    /// use shardstream::local::{Dialect, Fault, Gateway};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let gateway = Gateway::builder()
    ///     .platform(Dialect::Qq)
    ///     .credentials("102", "its secret")
    ///     .start()
    ///     .await?;
    /// // A bot asks `gateway.rest_url()` for a token; the first two times in vain.
    /// gateway.misbehave_always([Fault::token(503, &[], "").times(2)]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn platform(mut self, dialect: Dialect) -> Self {
        self.options.dialect = dialect;
        self
    }

    /// The port of 127.0.0.1 to listen on. Default: 0, any that is free.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.options.port = port;
        self
    }

    /// How long a connection lives before the server asks for a new one, as
    /// [`Step::Reconnect`](super::Step::Reconnect) does. Default: 30 minutes on QQ, as its servers
    /// do it; on Discord it never happens by itself. `Duration::MAX` is never.
    #[must_use]
    pub fn recycle_after(mut self, lifetime: Duration) -> Self {
        self.options.recycle = Some(lifetime);
        self
    }

    /// How many events a session keeps for a resume, beside those never sent. Default: 10,000;
    /// the platform does not tell its own figure.
    #[must_use]
    pub fn replay_len(mut self, len: usize) -> Self {
        self.options.replay_len = len;
        self
    }

    /// The `resume_gateway_url` of Discord's READY. Default: [`Gateway::url`].
    #[must_use]
    pub fn resume_url(mut self, url: impl Into<String>) -> Self {
        self.options.resume_url = Some(url.into());
        self
    }

    /// How long a session without a connection can be resumed. Default: 180 s; the platform says
    /// "a few minutes".
    #[must_use]
    pub fn resume_window(mut self, window: Duration) -> Self {
        self.options.resume_window = window;
        self
    }

    /// What session ids are made from. Default: a random number, so that a session of another
    /// gateway is never taken for one of this.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = Some(seed);
        self
    }

    /// How many messages a client may send in which time; one more is answered by 4008.
    /// Default: 120 in 60 s, the platform's.
    #[must_use]
    pub fn send_limit(mut self, sends_max: usize, window: Duration) -> Self {
        self.options.sends_max = sends_max;
        self.options.send_window = window;
        self
    }

    /// The number of shards that `/gateway/bot` recommends. Default: 1.
    #[must_use]
    pub fn shards(mut self, shards: u32) -> Self {
        self.options.shards = shards;
        self
    }

    /// How many identifies a day the bot has, and how many are left of today's. One more, and on
    /// Discord the token is reset ([`Act::TokenReset`](super::Act::TokenReset)): sessions end, and
    /// everything is answered by 4004. QQ answers by op 9 and 4903. Default: 1,000 of 1,000, as for
    /// most bots.
    #[must_use]
    pub fn session_starts(mut self, total: u32, left: u32) -> Self {
        self.options.starts_total = total;
        self.options.starts_left = left;
        self
    }

    /// Speak TLS with this configuration (of rustls 0.23): the urls become `wss://localhost:PORT`
    /// and `https://localhost:PORT`, so the certificate must be for `localhost`, unless it is the
    /// wrong one that is to be tested. Default: none, the urls are `ws://` and `http://`.
    ///
    /// What a [`Fault`](super::Fault) does at [`Moment::Accept`](super::Moment::Accept) comes
    /// before TLS. Connections of [`Gateway::connect`] and [`Gateway::accept`] speak none.
    #[must_use]
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.options.tls = Some(Tls(config.into()));
        self
    }

    /// The only token that is accepted, with or without `Bot ` before it. On QQ, where tokens are
    /// issued, that of the legacy `Bot APPID.TOKEN`. Default: any that is not empty.
    #[must_use]
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.options.token = Some(token.into());
        self
    }

    /// How long the tokens of QQ's token endpoint live. In the last minute of one the next is
    /// given. Default: 2 hours, as on the platform.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.token_lifetime = lifetime;
        self
    }

    #[cfg(test)]
    pub(super) fn world(self, now: std::time::Instant) -> super::world::World {
        super::world::World::new(self.options, 1, now)
    }

    /// Starts to listen.
    ///
    /// # Errors
    ///
    /// The port cannot be listened on.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, the port is free.
    pub async fn start(self) -> io::Result<Gateway> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.options.port)).await?;
        let port = listener.local_addr()?.port();
        Ok(Gateway::new(self.options, port, Some(listener)))
    }

    /// Starts without a socket: connections come from [`Gateway::connect`] and
    /// [`Gateway::accept`] only, so that a test can run in paused time. The urls name port 1,
    /// where nobody answers.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start_in_memory(self) -> Gateway {
        Gateway::new(self.options, 1, None)
    }
}
