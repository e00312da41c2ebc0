//! How do I test with no network? A gateway server with faults on demand.
//!
//! A [`Gateway`] is a server in this process that behaves like a platform's gateway as seen from
//! outside: it says Hello, checks IDENTIFY, counts sends and starts, numbers events and keeps them
//! for RESUME, closes with the platform's codes, and answers `GET /gateway/bot`. It is Discord's,
//! or by [`Builder::platform`] QQ's, with the endpoint that issues tokens. On demand it misbehaves:
//! see [`Fault`] for what it does in place of the proper answer, and [`Step`] for what it can do at
//! any time. What a client did is in its [log](Gateway::log).
//!
//! It works with real sockets ([`Builder::start`]) and in memory ([`Builder::start_in_memory`]),
//! and keeps to tokio's clock, so that tests may pause it. [`Traffic`] is what it can be fed with:
//! events of all kinds by chance, to test and to load a bot with. [`Gateway::replay`] says again
//! what a shard recorded elsewhere.
//!
//! ```
//! use shardstream::{ShardId, local::{Act, Fault, Gateway}};
//! use std::time::Duration;
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpStream};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = Gateway::builder().shards(2).start().await?;
//! // The next connection finds the door shut.
//! gateway.misbehave([Fault::http(503, &[("Retry-After", "1")], "")]);
//!
//! // A bot would connect to `gateway.url()`; this is one by hand.
//! let mut bot = TcpStream::connect(gateway.url().trim_start_matches("ws://")).await?;
//! bot.write_all(b"GET /?v=10 HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").await?;
//! let mut answer = String::new();
//! bot.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 503"));
//!
//! // Everything that a client did can be asked for, and waited for.
//! let record = gateway.wait_for(|record| matches!(record.act, Act::Connect { .. })).await?;
//! assert_eq!(record.connection, 1);
//! // Events go to the sessions of a shard; there is none yet.
//! assert_eq!(gateway.send(ShardId::ONE, "TYPING_START", "{}")?, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What it decides where Discord's documentation is silent
//!
//! - Every IDENTIFY with a valid token, shard and intents counts against the day, also one that is
//!   then refused for coming too early. The strict reading; a bot that keeps to it is safe.
//! - RESUMED is numbered and kept for a later replay like any event.
//! - The platform's close codes 4003, 4004, 4006, 4007 and 4009 to 4014 end the session; a close
//!   frame of the client with 1000 or 1001 does so too; nothing else does.
//! - A RESUME of a session that is still on another connection ends that one.
//! - Events are not filtered by intents.
//! - Op 8 is answered with the members of [`Builder::members`], 1,000 a part, and a second request
//!   for all of a guild within 30 seconds by `RATE_LIMITED`. No guild has sounds (op 31) or voice
//!   channels (op 43).
//!
//! # What it decides where QQ's documentation is silent
//!
//! Beside what is said above of counting, RESUMED, resumes of live sessions and filtering:
//!
//! - Op 9, then 4903 or 4902, answers a wrong or expired token, intents that the bot may not use,
//!   an identify too early or too many, and a session that is not there: so its servers do it, in
//!   place of most documented codes.
//! - Close codes end the session, except those below 4001, 4008 and 4009. No close frame of the
//!   client does: the platform's own clients close with 1000 and then resume.
//! - A connection is asked to reconnect after 30 minutes, and closed with 4009 a quarter of a
//!   second later if the client has not left. Both do not end the session.
//! - A live connection stays when its token expires; IDENTIFY, RESUME and REST need a valid one.
//!   RESUME may carry it without `QQBot ` before it.
//! - The members of an event come in two orders, in turn. An event without an `id` is given one.
//!
//! The server shares no code with the client: not the rules, not the WebSocket frames. A server
//! that made the client's mistakes could not show them. It imports `id` and `secret` only.

mod answers;
mod builder;
mod conn;
mod dialect;
mod event;
mod http;
mod log;
mod pack;
mod peer;
mod recorded;
mod replay;
mod rules;
mod script;
#[cfg(test)]
mod tests;
mod tokens;
mod traffic;
mod wire;
mod world;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::TcpListener,
    task::JoinSet,
    time,
};

pub use builder::Builder;
pub use dialect::Dialect;
pub use event::{BadEvent, Event, Feed};
pub use log::{Act, End, Follow, Record, Stats};
pub use recorded::{BadRecording, Recorded};
pub use script::{Fault, Moment, Step};
pub use traffic::Traffic;

use crate::id::ShardId;
use world::World;

/// What every secret that a gateway makes up begins with.
const MARK: &str = "CANARY";
/// The size of the pipe that [`Gateway::connect`] gives, per direction.
const PIPE_LEN: usize = 64 << 10;

/// What the tasks of a gateway share.
#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        // A panic elsewhere leaves the books as they were; a test wants to see them all the more.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A gateway server in this process. Dropping it ends all its connections and tasks.
///
/// The session ids and access tokens that it makes up begin with `CANARY`: a test that searches
/// what a bot has written for that word finds those that leaked.
///
/// No method waits for a client, unless it says so.
pub struct Gateway {
    shared: Arc<Shared>,
    tasks: Mutex<JoinSet<()>>,
    url: String,
    rest_url: String,
    patience: Duration,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What was waited for did not happen in time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NotSeen {
    /// How long it was waited for.
    pub patience: Duration,
    /// The last records until then, a dozen at most.
    pub last: Vec<Record>,
}

impl fmt::Display for NotSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not seen within {:?}; the last records:", self.patience)?;
        (self.last.iter()).try_for_each(|record| write!(f, "\n  {record:?}"))
    }
}

impl std::error::Error for NotSeen {}

impl Gateway {
    /// A gateway on any free port of this machine, with all defaults.
    ///
    /// # Errors
    ///
    /// No port can be listened on.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, no port is listened on.
    pub async fn start() -> std::io::Result<Self> {
        Self::builder().start().await
    }

    /// The options of a gateway.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn new(options: builder::Options, port: u16, listener: Option<TcpListener>) -> Self {
        let patience = options.patience;
        let has_feed = options.feed.is_some();
        let rest_url = options.url("http", port);
        let tls = options.tls.clone();
        let world = World::new(options, port, time::Instant::now().into_std());
        let url = world.url.clone();
        let world = Mutex::new(world);
        let shared = Arc::new(Shared { world });
        let mut tasks = JoinSet::new();
        if let Some(listener) = listener {
            tasks.spawn(conn::listen(Arc::clone(&shared), listener, tls));
        }
        if has_feed {
            tasks.spawn(conn::feed(Arc::clone(&shared)));
        }
        Self {
            shared,
            tasks: Mutex::new(tasks),
            url,
            rest_url,
            patience,
        }
    }

    /// Where bots connect: `ws://127.0.0.1:PORT`, or with TLS `wss://localhost:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where `/gateway`, `/gateway/bot` and `/users/@me` are, on Discord also
    /// `/oauth2/applications/@me` and on QQ `/app/getAppAccessToken`, under any prefix:
    /// `http://127.0.0.1:PORT`, or with TLS `https://localhost:PORT`.
    pub fn rest_url(&self) -> &str {
        &self.rest_url
    }

    /// A new connection in memory; the other end is served.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn connect(&self) -> DuplexStream {
        let (client, server) = tokio::io::duplex(PIPE_LEN);
        self.accept(server);
        client
    }

    /// Serves a stream that somebody else accepted, such as one with TLS. For such a stream
    /// [`Step::Rst`] means that it is dropped.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn accept(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(conn::serve(Arc::clone(&self.shared), stream));
    }

    /// Sends an event to the sessions of this shard, those that wait for a resume included; how
    /// many there are. `data` goes out byte for byte.
    ///
    /// # Errors
    ///
    /// `data` is not JSON. ([`Step::Send`] takes any text.)
    pub fn send(&self, shard: ShardId, name: &str, data: &str) -> Result<usize, BadEvent> {
        Ok(self.send_event(shard, Event::new(name, data)?))
    }

    /// Sends an event to the sessions of this shard, as [`send`](Self::send) does.
    pub fn send_event(&self, shard: ShardId, event: Event) -> usize {
        let event = Arc::new(event);
        self.lock()
            .publish(now(), &event, |session| session.shard == shard)
    }

    /// Sends an event to all sessions; how many there are.
    ///
    /// # Errors
    ///
    /// `data` is not JSON.
    pub fn broadcast(&self, name: &str, data: &str) -> Result<usize, BadEvent> {
        let event = Arc::new(Event::new(name, data)?);
        Ok(self.lock().publish(now(), &event, |_| true))
    }

    /// Ends the sessions of this shard without a word, as if they had timed out; how many there
    /// were. Connections stay as they are, and get no more events.
    pub fn end_sessions(&self, shard: ShardId) -> usize {
        self.lock().end_sessions(|session| session.shard == shard)
    }

    /// The next connection has these faults. Called twice, the second call is for the connection
    /// after the next, and so on.
    ///
    /// "Connection" means one that asks for the upgrade; REST requests pass. With a fault at
    /// [`Moment::Accept`] it is the next one that is accepted, whatever it will ask for.
    pub fn misbehave(&self, faults: impl Into<Vec<Fault>>) {
        self.lock().plan(faults.into());
    }

    /// The next connection on which this shard identifies or resumes has these faults, from there
    /// on. Called twice, the second call is for the connection after the next, and so on.
    pub fn misbehave_shard(&self, shard: ShardId, faults: impl Into<Vec<Fault>>) {
        self.lock().plan_shard(shard, faults.into());
    }

    /// All connections have these faults, beside those of their own, which come first; also those
    /// that are open already, and REST requests. [`Fault::times`] counts over all of them. It
    /// replaces what was said before; with none, all is well again.
    pub fn misbehave_always(&self, faults: impl Into<Vec<Fault>>) {
        self.lock().plan_always(faults.into());
    }

    /// The next connection follows these steps from its request to upgrade on:
    /// [`Fault::at`]`(`[`Moment::Upgrade`]`, steps)`, to read better.
    ///
    /// ```
    /// # use shardstream::local::{Gateway, Step};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let gateway = Gateway::start().await?;
    /// // Closes with 4004, whatever the token.
    /// gateway.script([Step::Upgrade, Step::Hello, Step::Expect(2), Step::Close(4004)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn script(&self, steps: impl Into<Vec<Step>>) {
        self.misbehave([Fault::at(Moment::Upgrade, steps)]);
    }

    /// Takes these steps now, on the open connections of this shard; how many there are.
    pub fn order(&self, shard: ShardId, steps: impl AsRef<[Step]>) -> usize {
        self.lock()
            .order(steps.as_ref(), |_, live| live == Some(shard))
    }

    /// Takes these steps now, on the connection with this number; whether it is open.
    pub fn order_connection(&self, connection: u64, steps: impl AsRef<[Step]>) -> bool {
        self.lock().order(steps.as_ref(), |id, _| id == connection) > 0
    }

    /// Takes these steps now, on all open connections; how many there are.
    pub fn order_all(&self, steps: impl AsRef<[Step]>) -> usize {
        self.lock().order(steps.as_ref(), |_, _| true)
    }

    /// What happened until now, the oldest first: as much of it as is kept
    /// ([`Builder::log_len`]).
    pub fn log(&self) -> Vec<Record> {
        self.lock().log.since(0).0
    }

    /// How often things happened until now.
    pub fn stats(&self) -> Stats {
        self.lock().log.stats.clone()
    }

    /// Makes all tokens worthless that QQ's token endpoint gave until now; how many were not so
    /// before. Sessions and connections stay as they are.
    pub fn revoke_tokens(&self) -> usize {
        self.lock().tokens.revoke(now())
    }

    /// Whether the bot has spent all the identifies of a day, and with them its token.
    pub fn is_token_reset(&self) -> bool {
        self.lock().token_reset
    }

    /// Follows what happens, from the start on.
    pub fn follow(&self) -> Follow {
        Follow {
            shared: Arc::downgrade(&self.shared),
            changes: self.lock().log.watch(),
            taken: 0,
            ready: VecDeque::new(),
        }
    }

    /// Waits for a record; one that is there already will do.
    ///
    /// # Errors
    ///
    /// There was none within [`Builder::patience`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no record: another call finds it.
    pub async fn wait_for(&self, wanted: impl FnMut(&Record) -> bool) -> Result<Record, NotSeen> {
        self.wait_for_nth(1, wanted).await
    }

    /// Waits for the `nth` such record, counted from 1 and from the start of the gateway; one that
    /// is there already will do.
    ///
    /// # Errors
    ///
    /// There were fewer within [`Builder::patience`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no record: another call finds them.
    pub async fn wait_for_nth(
        &self,
        nth: usize,
        mut wanted: impl FnMut(&Record) -> bool,
    ) -> Result<Record, NotSeen> {
        let mut follow = self.follow();
        let mut missing = nth;
        let search = async {
            while let Some(record) = follow.next().await {
                missing = missing.saturating_sub(usize::from(wanted(&record)));
                if missing == 0 {
                    return record;
                }
            }
            // The gateway outlives this future, which borrows it.
            std::future::pending().await
        };
        time::timeout(self.patience, search).await.map_err(|_| {
            let mut last = self.log();
            last.drain(..last.len().saturating_sub(12));
            NotSeen {
                patience: self.patience,
                last,
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.shared.lock()
    }
}

fn now() -> std::time::Instant {
    time::Instant::now().into_std()
}
