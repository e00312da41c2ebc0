//! What these tests run shards in: a gateway, the way to it, and a shard whose every word is kept.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use rustls::ClientConfig;
use shardstream::{
    Cause, Compression, Config, ConfigBuilder, Dial, Duplex, Error, ErrorKind, Intents, Limits,
    Notice, Shard, ShardId,
    discord::{Discord, Event},
    local::{Act, Builder, Gateway, Record, Step},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::connect::tls::Authority;

/// How long a test waits for anything: on a busy machine, or of paused time.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_PAUSED: Duration = Duration::from_hours(1);
/// The size of a pipe, per direction.
const PIPE_LEN: usize = 64 << 10;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Everything that could take long, so scaled that a test over real sockets does not.
pub(crate) fn scaled() -> Limits {
    let mut limits = Limits::default();
    limits.connect = ms(2000);
    limits.connect_address = ms(500);
    limits.hello = ms(500);
    limits.ready = ms(500);
    limits.resumed = ms(500);
    limits.silence_margin = ms(500);
    limits.close = ms(200);
    limits.write_stall = ms(500);
    limits.heartbeat_interval_min = ms(10);
    limits.backoff = ms(10);
    limits.backoff_max = ms(40);
    limits.identify_backoff = ms(10);
    limits.identify_backoff_max = ms(40);
    limits.identify_window = ms(10);
    limits
}

/// A gateway for shards with [`scaled`] limits.
pub(crate) fn scaled_gateway() -> Builder {
    Gateway::builder().identify_window(ms(1))
}

/// What happens to one dial.
pub(crate) enum Way {
    /// The proper service.
    Gateway,
    /// It fails.
    Fail(io::Error),
    /// Nobody answers, ever.
    Hang,
    /// The server's end of a pipe of so many bytes goes to this.
    Serve(usize, Box<dyn FnOnce(DuplexStream) + Send>),
}

impl Way {
    /// Whatever `server` does with its end.
    pub(crate) fn serve<F>(server: impl FnOnce(DuplexStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::serve_with(PIPE_LEN, server)
    }

    /// As [`serve`](Self::serve), through a pipe of so many bytes.
    pub(crate) fn serve_with<F>(
        len: usize,
        server: impl FnOnce(DuplexStream) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::Serve(
            len,
            Box::new(move |pipe| {
                tokio::spawn(server(pipe));
            }),
        )
    }
}

/// One dial.
#[derive(Clone, Debug)]
pub(crate) struct Dialled {
    pub(crate) at: Instant,
    pub(crate) host: String,
    pub(crate) port: u16,
}

type Choose = Box<dyn FnMut(&Dialled) -> Way + Send>;

/// Dials in memory, and what was dialled.
pub(crate) struct Wire {
    gateway: Arc<Gateway>,
    /// For a gateway behind TLS.
    tls: Option<TlsAcceptor>,
    plan: Mutex<VecDeque<Way>>,
    always: Mutex<Option<Choose>>,
    dials: Mutex<Vec<Dialled>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    /// The next dials go these ways.
    pub(crate) fn plan(&self, ways: impl IntoIterator<Item = Way>) {
        lock(&self.plan).extend(ways);
    }

    /// All dials without a plan go this way.
    pub(crate) fn always(&self, choose: impl FnMut(&Dialled) -> Way + Send + 'static) {
        *lock(&self.always) = Some(Box::new(choose));
    }

    /// Dials go to the gateway again.
    pub(crate) fn heal(&self) {
        *lock(&self.always) = None;
    }

    pub(crate) fn dials(&self) -> Vec<Dialled> {
        lock(&self.dials).clone()
    }

    /// The times between the dials, from that one on.
    pub(crate) fn gaps(&self, from: usize) -> Vec<Duration> {
        let dials = self.dials();
        let pairs = dials[from..].windows(2);
        pairs.map(|pair| pair[1].at - pair[0].at).collect()
    }

    fn to_gateway(&self, pipe: DuplexStream) {
        let Some(tls) = self.tls.clone() else {
            return self.gateway.accept(pipe);
        };
        let gateway = Arc::clone(&self.gateway);
        tokio::spawn(async move {
            if let Ok(stream) = tls.accept(pipe).await {
                gateway.accept(stream);
            }
        });
    }
}

impl Dial for Wire {
    fn dial(
        &self,
        host: &str,
        port: u16,
        _: &Limits,
    ) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let (at, host) = (Instant::now(), host.to_owned());
        let dialled = Dialled { at, host, port };
        let planned = lock(&self.plan).pop_front();
        let way = planned.unwrap_or_else(|| match &mut *lock(&self.always) {
            Some(choose) => choose(&dialled),
            None => Way::Gateway,
        });
        lock(&self.dials).push(dialled);
        let pipe = |len| tokio::io::duplex(len);
        let client: Box<dyn Duplex> = match way {
            Way::Fail(error) => return async { Err(error) }.boxed(),
            Way::Hang => return futures::future::pending().boxed(),
            Way::Gateway => {
                let (client, server) = pipe(PIPE_LEN);
                self.to_gateway(server);
                Box::new(client)
            }
            Way::Serve(len, server) => {
                let (client, end) = pipe(len);
                server(end);
                Box::new(client)
            }
        };
        async { Ok(client) }.boxed()
    }
}

/// A gateway in memory and the way to it, for paused time and the default limits.
pub(crate) struct World {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) token: String,
    url: String,
    client: Option<Arc<ClientConfig>>,
}

impl World {
    pub(crate) fn new(builder: Builder) -> Self {
        Self::at("ws://127.0.0.1:1", builder, None)
    }

    /// Behind TLS, with a certificate for `host`. The resume url is the gateway's own, unless
    /// `resume_url` names another.
    pub(crate) fn tls(host: &str, resume_url: Option<&str>) -> (Self, Authority) {
        let authority = Authority::new();
        let url = format!("wss://{host}");
        let builder = Gateway::builder().resume_url(resume_url.unwrap_or(&url));
        let tls = Some(authority.server(&[host]));
        let mut world = Self::at(&url, builder, tls);
        world.client = Some(authority.client());
        (world, authority)
    }

    /// From here on, bots trust whom this configuration trusts.
    pub(crate) fn trust(&mut self, client: Arc<ClientConfig>) {
        self.client = Some(client);
    }

    fn at(url: &str, builder: Builder, tls: Option<TlsAcceptor>) -> Self {
        let gateway = Arc::new(builder.patience(PATIENCE_PAUSED).start_in_memory());
        Self {
            wire: Arc::new(Wire {
                gateway: Arc::clone(&gateway),
                tls,
                plan: Mutex::default(),
                always: Mutex::default(),
                dials: Mutex::default(),
            }),
            gateway,
            // Tokens tell the identify queues of a process apart.
            token: crate::watch::secret(format!("CANARY-{:032x}", fastrand::u128(..))),
            url: url.to_owned(),
            client: None,
        }
    }

    pub(crate) fn config(&self) -> ConfigBuilder<Discord> {
        let dialler: Arc<dyn Dial> = Arc::clone(&self.wire) as _;
        let config = Config::builder(self.token.clone(), Intents::GUILDS)
            .gateway_url(&self.url)
            .compression(Compression::None)
            .dialler(dialler);
        match &self.client {
            Some(client) => config.tls(shardstream::Tls::Custom(Arc::clone(client))),
            None => config,
        }
    }

    pub(crate) fn bot(&self) -> Bot {
        Bot::new(self.config(), &self.gateway, PATIENCE_PAUSED)
    }

    /// A bot with limits of its own.
    pub(crate) fn bot_with(&self, change: impl FnOnce(&mut Limits)) -> Bot {
        let mut limits = Limits::default();
        change(&mut limits);
        Bot::new(self.config().limits(limits), &self.gateway, PATIENCE_PAUSED)
    }

    /// A way to the gateway that is watched.
    pub(crate) fn tapped(&self, len: usize) -> (Way, Arc<Tap>) {
        let tap = Arc::new(Tap::default());
        let (gateway, watched) = (self.gateway.connect(), Arc::clone(&tap));
        let way = Way::serve_with(len, move |pipe| watched.run(pipe, gateway));
        (way, tap)
    }
}

/// A bot over real sockets, with [`scaled`] limits.
pub(crate) fn real_bot(gateway: &Arc<Gateway>) -> Bot {
    real_bot_with(gateway, |_| ())
}

pub(crate) fn real_bot_with(gateway: &Arc<Gateway>, change: impl FnOnce(&mut Limits)) -> Bot {
    let mut limits = scaled();
    change(&mut limits);
    let config = Config::builder(crate::watch::token(), Intents::GUILDS)
        .gateway_url(gateway.url())
        .compression(Compression::None)
        .limits(limits);
    Bot::new(config, gateway, PATIENCE)
}

/// What a shard gave.
#[derive(Clone, Debug)]
pub(crate) enum Got {
    Event {
        name: String,
        seq: Option<u64>,
        /// Of a `TEST`, its number.
        number: Option<u64>,
    },
    Error(Error),
    Notice(Notice),
}

/// A shard, and all that it gave.
pub(crate) struct Bot {
    pub(crate) shard: Shard,
    pub(crate) got: Vec<Got>,
    gateway: Arc<Gateway>,
    patience: Duration,
    /// How many `TEST`s were sent to its session.
    sent: u64,
}

impl Bot {
    pub(crate) fn new(
        config: ConfigBuilder<Discord>,
        gateway: &Arc<Gateway>,
        patience: Duration,
    ) -> Self {
        let config = config.build().expect("a configuration that can work");
        Self {
            shard: Shard::with_config(ShardId::ONE, config),
            got: Vec::new(),
            gateway: Arc::clone(gateway),
            patience,
            sent: 0,
        }
    }

    /// As [`new`](Self::new), over real sockets.
    pub(crate) fn over_sockets(config: ConfigBuilder<Discord>, gateway: &Arc<Gateway>) -> Self {
        Self::new(config, gateway, PATIENCE)
    }

    /// The next thing that the shard gives; `None` at its end.
    pub(crate) async fn next(&mut self) -> Option<Got> {
        let Ok(next) = timeout(self.patience, self.shard.next()).await else {
            let (got, log) = (&self.got, self.gateway.log());
            panic!("nothing more came; got {got:#?}\nthe gateway saw {log:#?}");
        };
        let got = match next? {
            (meta, Ok(Event::Unknown(event))) => Got::Event {
                name: event.name.to_string(),
                seq: meta.seq,
                number: event
                    .data
                    .split(',')
                    .next()
                    .and_then(|n| n.trim_matches('[').parse().ok()),
            },
            (_, Ok(Event::Gateway(notice))) => Got::Notice(notice),
            (meta, Ok(event)) => Got::Event {
                name: event.kind().name().to_owned(),
                seq: meta.seq,
                number: None,
            },
            (_, Err(error)) => Got::Error(error),
        };
        self.got.push(got.clone());
        Some(got)
    }

    /// Takes what comes until this does.
    pub(crate) async fn until<T>(&mut self, mut wanted: impl FnMut(&Got) -> Option<T>) -> T {
        loop {
            let Some(got) = self.next().await else {
                panic!("the shard ended; got {:#?}", self.got);
            };
            if let Some(found) = wanted(&got) {
                return found;
            }
        }
    }

    pub(crate) async fn event(&mut self, wanted: &str) -> Option<u64> {
        self.until(|got| match got {
            Got::Event { name, seq, .. } if name == wanted => Some(*seq),
            _ => None,
        })
        .await
    }

    pub(crate) async fn error(&mut self) -> Error {
        self.until(|got| match got {
            Got::Error(error) => Some(error.clone()),
            _ => None,
        })
        .await
    }

    /// Why the next connection to end did so, and whether its session is kept.
    pub(crate) async fn disconnected(&mut self) -> (Cause, bool) {
        self.until(|got| match got {
            Got::Notice(Notice::Disconnected {
                cause, resumable, ..
            }) => Some((cause.clone(), *resumable)),
            _ => None,
        })
        .await
    }

    /// Until a session is live, and an event of it was taken: progress.
    pub(crate) async fn begin(&mut self) {
        self.event("READY").await;
        self.goes_on().await;
    }

    /// Sends one more event of the session, without waiting for it.
    pub(crate) fn send(&mut self) {
        self.send_padded(0);
    }

    /// As [`send`](Self::send), with so many bytes beside its number.
    pub(crate) fn send_padded(&mut self, len: usize) {
        self.sent += 1;
        let data = format!("[{},{:?}]", self.sent, "x".repeat(len));
        let sessions = self.gateway.send(ShardId::ONE, "TEST", &data);
        // A session that was given up may be there still.
        assert!(sessions.expect("JSON") >= 1, "a session is there to get it");
    }

    /// Forgets the numbers of a session that was lost.
    pub(crate) fn lost_session(&mut self) {
        self.sent = 0;
    }

    /// Sends an event and waits for it: it and all before it must come, each once, in order, with
    /// the sequence right.
    pub(crate) async fn goes_on(&mut self) {
        self.send();
        self.catches_up().await;
    }

    /// Waits for the last event that was sent; see [`goes_on`](Self::goes_on).
    pub(crate) async fn catches_up(&mut self) {
        let last = self.sent;
        self.until(|got| match got {
            Got::Event { number, .. } if *number == Some(last) => Some(()),
            _ => None,
        })
        .await;
        self.check();
    }

    /// Within the last session: every `TEST` once and in order, every sequence one above the one
    /// before it.
    fn check(&self) {
        let start = self
            .got
            .iter()
            .rposition(|got| matches!(got, Got::Event { name, .. } if name == "READY"));
        let events = self.got[start.unwrap_or(0)..].iter();
        let mut numbers = Vec::new();
        let mut seqs = Vec::new();
        for got in events {
            if let Got::Event { seq, number, .. } = got {
                numbers.extend(*number);
                seqs.extend(*seq);
            }
        }
        let all: Vec<u64> = (1..=self.sent).collect();
        assert_eq!(
            numbers, all,
            "each event once and in order: {:#?}",
            self.got
        );
        assert!(
            seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "no sequence left out: {seqs:?}"
        );
    }

    pub(crate) fn errors(&self, kind: ErrorKind) -> Vec<String> {
        let errors = self.got.iter().filter_map(|got| match got {
            Got::Error(error) if error.kind() == kind => Some(error.to_string()),
            _ => None,
        });
        errors.collect()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Got) -> bool) -> usize {
        self.got.iter().filter(|got| wanted(got)).count()
    }

    pub(crate) fn causes(&self) -> Vec<Cause> {
        let causes = self.got.iter().filter_map(|got| match got {
            Got::Notice(Notice::Disconnected { cause, .. }) => Some(cause.clone()),
            _ => None,
        });
        causes.collect()
    }

    pub(crate) fn lost_sessions(&self) -> usize {
        self.count(|got| matches!(got, Got::Notice(Notice::SessionLost { .. })))
    }

    /// The steps are taken on the open connection of the session.
    pub(crate) fn order(&self, steps: impl AsRef<[Step]>) {
        assert_eq!(self.gateway.order(ShardId::ONE, steps), 1, "one connection");
    }

    /// The session was never in doubt: one IDENTIFY, this many RESUMEs with nothing asked twice.
    pub(crate) fn kept_its_session(&self, resumes: u64) {
        let stats = self.gateway.stats();
        assert_eq!((stats.identifies, stats.resumes), (1, resumes), "{stats:?}");
        assert_eq!((stats.refused, self.lost_sessions()), (0, 0));
    }

    /// Takes nothing for so long, and everything that came meanwhile.
    pub(crate) async fn idle(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(next) = tokio::time::timeout_at(end, self.next()).await {
            assert!(next.is_some(), "the shard ended: {:#?}", self.got);
        }
    }

    pub(crate) async fn end_error(&mut self) -> Error {
        let mut last = None;
        while let Some(got) = self.next().await {
            last = Some(got);
        }
        match last {
            Some(Got::Error(error)) if error.is_fatal() => error,
            other => panic!("ended without a fatal error: {other:?}"),
        }
    }
}

/// When the gateway wrote down such acts.
pub(crate) fn times(gateway: &Gateway, wanted: impl Fn(&Act) -> bool) -> Vec<Duration> {
    let wanted = |record: Record| wanted(&record.act).then_some(record.at);
    gateway.log().into_iter().filter_map(wanted).collect()
}

/// The close codes that the gateway was sent.
pub(crate) fn closes(gateway: &Gateway) -> Vec<Option<u16>> {
    let close = |record: Record| match record.act {
        Act::Close { code, .. } => Some(code),
        _ => None,
    };
    gateway.log().into_iter().filter_map(close).collect()
}

/// The paths that were asked to upgrade.
pub(crate) fn targets(gateway: &Gateway) -> Vec<String> {
    let target = |record: Record| match record.act {
        Act::Connect { target, .. } => Some(target),
        _ => None,
    };
    gateway.log().into_iter().filter_map(target).collect()
}

/// Each gap lies in the upper half of its step: 1 s, 2 s, 4 s, up to 60 s.
pub(crate) fn assert_backoff(gaps: &[Duration]) {
    for (n, gap) in (0..).zip(gaps) {
        let step = secs(2_u64.saturating_pow(n).min(60));
        // The paused clock moves in whole milliseconds.
        assert!(
            *gap >= step / 2 && *gap <= step + ms(2),
            "{n}: {gap:?} of {gaps:?}"
        );
    }
}

/// Stands between the shard and the gateway: what passes, and whether it may.
#[derive(Debug)]
pub(crate) struct Tap {
    /// What the shard sent.
    up: Mutex<Vec<u8>>,
    /// How many bytes the shard took.
    down: AtomicU64,
    held: watch::Sender<bool>,
}

impl Default for Tap {
    fn default() -> Self {
        Self {
            up: Mutex::default(),
            down: AtomicU64::new(0),
            held: watch::Sender::new(false),
        }
    }
}

impl Tap {
    /// Whether what the shard sends is left where it is.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    pub(crate) fn taken(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    pub(crate) fn up(&self) -> Vec<u8> {
        lock(&self.up).clone()
    }

    /// The WebSocket frames that the shard sent: first byte and payload.
    pub(crate) fn frames(&self) -> Vec<(u8, Vec<u8>)> {
        let up = self.up();
        let head = up.windows(4).position(|end| end == b"\r\n\r\n");
        client_frames(&up[head.expect("a request") + 4..])
    }

    /// Passes bytes on until an end closes.
    pub(crate) async fn run(self: Arc<Self>, client: DuplexStream, gateway: DuplexStream) {
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_gateway, mut to_gateway) = tokio::io::split(gateway);
        let mut held = self.held.subscribe();
        let up = async {
            let mut buffer = vec![0; 4096];
            loop {
                if held.wait_for(|held| !held).await.is_err() {
                    return;
                }
                let read = tokio::select! {
                    // What is held is not looked at again.
                    biased;
                    changed = held.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        continue;
                    }
                    read = from_client.read(&mut buffer) => read,
                };
                let Ok(len @ 1..) = read else { return };
                lock(&self.up).extend_from_slice(&buffer[..len]);
                if to_gateway.write_all(&buffer[..len]).await.is_err() {
                    return;
                }
            }
        };
        let down = async {
            let mut buffer = vec![0; 512];
            while let Ok(len @ 1..) = from_gateway.read(&mut buffer).await {
                if to_client.write_all(&buffer[..len]).await.is_err() {
                    return;
                }
                self.down.fetch_add(len as u64, Ordering::Relaxed);
            }
        };
        tokio::select! {
            () = up => {}
            () = down => {}
        }
    }
}

/// The frames of a client, unmasked.
fn client_frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (len, rest) = match second & 0x7f {
            126 if rest.len() >= 2 => (
                usize::from(u16::from_be_bytes([rest[0], rest[1]])),
                &rest[2..],
            ),
            126 | 127 => return frames,
            len => (usize::from(len), rest),
        };
        let Some((mask, rest)) = rest.split_first_chunk::<4>() else {
            return frames;
        };
        let Some((payload, rest)) = rest.split_at_checked(len) else {
            return frames;
        };
        let payload = payload.iter().zip(mask.iter().cycle());
        frames.push((*first, payload.map(|(byte, mask)| byte ^ mask).collect()));
        bytes = rest;
    }
    frames
}

/// A server's frame: first byte (FIN, RSV, opcode) and payload.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..=125), _) => frame.push(len),
        (_, Ok(len)) => {
            frame.push(126);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// Reads a request up to its empty line.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    head
}

/// Writes until the other end has closed; how many bytes it took.
pub(crate) async fn pour(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> usize {
    let mut taken = 0;
    while taken < bytes.len() {
        match stream.write(&bytes[taken..]).await {
            Ok(len @ 1..) => taken += len,
            _ => break,
        }
    }
    taken
}

/// A listener in front of a gateway: what comes is served by the plan, then by the gateway.
pub(crate) struct Door {
    plan: Arc<Mutex<VecDeque<TcpServer>>>,
    task: tokio::task::JoinHandle<()>,
}

pub(crate) type TcpServer = Box<dyn FnOnce(TcpStream) -> BoxFuture<'static, ()> + Send>;

impl Door {
    pub(crate) async fn bind() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.expect("a port")
    }

    pub(crate) fn open(
        listener: TcpListener,
        gateway: &Arc<Gateway>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let plan: Arc<Mutex<VecDeque<TcpServer>>> = Arc::default();
        let (planned, gateway) = (Arc::clone(&plan), Arc::clone(gateway));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = lock(&planned).pop_front();
                let (gateway, tls) = (Arc::clone(&gateway), tls.clone());
                tokio::spawn(async move {
                    match (server, tls) {
                        (Some(server), _) => server(stream).await,
                        (None, None) => gateway.accept(stream),
                        (None, Some(tls)) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                gateway.accept(stream);
                            }
                        }
                    }
                });
            }
        });
        Self { plan, task }
    }

    /// The next connections are served by these.
    pub(crate) fn plan(&self, servers: impl IntoIterator<Item = TcpServer>) {
        lock(&self.plan).extend(servers);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}
