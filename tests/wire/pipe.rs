//! Where does it go wrong? Pipes between shard and gateway that are as bad as their weather says,
//! and the books of them.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use fastrand::Rng;
use futures::future::{BoxFuture, FutureExt, pending};
use shardstream::{Dial, Duplex, Limits, local::Gateway};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::plan::{Dialled, How, Weather};

/// What is known of the pipes of one shard.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// When each attempt to connect began.
    pub(crate) dials: Vec<Instant>,
    /// Pipes that are not dropped, and those of them that carry a `WebSocket`.
    pub(crate) live: usize,
    pub(crate) sockets: usize,
    pub(crate) sockets_max: usize,
    /// How many broke, by an end or a reset.
    pub(crate) cuts: u64,
    /// How long each silent socket was kept.
    pub(crate) silences: Vec<Duration>,
}

/// Dials the gateway in memory, through the weather of one shard.
pub(crate) struct Dialler {
    gateway: Arc<Gateway>,
    weathers: Vec<Weather>,
    books: Arc<Mutex<Books>>,
    /// From now on the weather is fair.
    is_fair: Arc<AtomicBool>,
}

impl Dialler {
    pub(crate) fn new(gateway: Arc<Gateway>, weathers: Vec<Weather>) -> Self {
        Self {
            gateway,
            weathers,
            books: Arc::default(),
            is_fair: Arc::default(),
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    /// Nothing more breaks; what is silent stays so.
    pub(crate) fn clear_up(&self) {
        self.is_fair.store(true, Ordering::Relaxed);
    }
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().expect("nothing panics under this lock")
}

impl fmt::Debug for Dialler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialler")
    }
}

impl Dial for Dialler {
    fn dial(&self, _: &str, _: u16, _: &Limits) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let mut books = self.books();
        let weather = self.weathers.get(books.dials.len());
        books.dials.push(Instant::now());
        drop(books);
        let is_fair = self.is_fair.load(Ordering::Relaxed);
        let weather = weather.filter(|_| !is_fair).cloned();
        let weather = weather.unwrap_or(Weather::FAIR);
        let gateway = Arc::clone(&self.gateway);
        let (books, is_fair) = (Arc::clone(&self.books), Arc::clone(&self.is_fair));
        async move {
            match weather.dial {
                Dialled::Opens => {}
                Dialled::OpensAfter(ms) => sleep(Duration::from_millis(ms)).await,
                Dialled::Hangs => pending().await,
                Dialled::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            }
            let pipe = Pipe::new(gateway.connect(), weather, books, is_fair);
            Ok(Box::new(pipe) as Box<dyn Duplex>)
        }
        .boxed()
    }
}

/// One connection, and what has become of it.
#[derive(Debug)]
struct Pipe {
    inner: DuplexStream,
    weather: Weather,
    rng: Rng,
    books: Arc<Mutex<Books>>,
    is_fair: Arc<AtomicBool>,
    read: Side,
    write: Side,
    /// It carries a WebSocket, not a REST call.
    is_socket: Option<bool>,
    broken: Option<How>,
    silent_since: Option<Instant>,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    bytes: u64,
    /// It was not ready; the next time it is.
    napped: bool,
    nap: Option<Pin<Box<Sleep>>>,
}

impl Side {
    /// Whether the weather lets something through now.
    fn poll_ready(&mut self, rng: &mut Rng, weather: &Weather, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(nap) = &mut self.nap {
            ready!(nap.as_mut().poll(cx));
            self.nap = None;
        } else if !self.napped && rng.u8(..100) < weather.pending {
            self.napped = true;
            if weather.nap_ms == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let time = Duration::from_millis(rng.u64(1..=weather.nap_ms));
            let nap = self.nap.insert(Box::pin(sleep(time)));
            ready!(nap.as_mut().poll(cx));
            self.nap = None;
        }
        self.napped = false;
        Poll::Ready(())
    }
}

impl Pipe {
    fn new(
        inner: DuplexStream,
        weather: Weather,
        books: Arc<Mutex<Books>>,
        is_fair: Arc<AtomicBool>,
    ) -> Self {
        lock(&books).live += 1;
        Self {
            inner,
            rng: Rng::with_seed(weather.seed),
            weather,
            books,
            is_fair,
            read: Side::default(),
            write: Side::default(),
            is_socket: None,
            broken: None,
            silent_since: None,
        }
    }

    /// How much may go before it breaks, or that it has broken.
    fn room(&mut self, on_read: bool) -> u64 {
        if self.is_fair.load(Ordering::Relaxed) && self.broken.is_none() {
            self.weather = Weather::FAIR;
        }
        let Some(end) = self.weather.end.filter(|end| end.on_read == on_read) else {
            return u64::MAX;
        };
        let side = if on_read { &self.read } else { &self.write };
        let room = end.byte.saturating_sub(side.bytes);
        if room == 0 && self.broken.is_none() {
            self.broken = Some(end.how);
            match end.how {
                How::End | How::Reset => lock(&self.books).cuts += 1,
                How::Silent | How::Stalled => self.silent_since = Some(Instant::now()),
            }
        }
        room
    }

    /// What the first bytes are for.
    fn identify(&mut self, bytes: &[u8]) {
        if self.is_socket.is_some() {
            return;
        }
        let wanted = b"upgrade: websocket";
        let mut windows = bytes.windows(wanted.len());
        let is_socket = windows.any(|window| window.eq_ignore_ascii_case(wanted));
        self.is_socket = Some(is_socket);
        if is_socket {
            let mut books = lock(&self.books);
            books.sockets += 1;
            books.sockets_max = books.sockets_max.max(books.sockets);
        }
    }

    fn has_room(room: u64, len: usize) -> usize {
        len.min(usize::try_from(room).unwrap_or(usize::MAX))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut books = lock(&self.books);
        books.live -= 1;
        if self.is_socket == Some(true) {
            books.sockets -= 1;
            if let Some(since) = self.silent_since {
                books.silences.push(since.elapsed());
            }
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = this.room(true);
        match this.broken {
            None => {}
            Some(How::End) => return Poll::Ready(Ok(())),
            Some(How::Reset) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            // Nobody will ever wake who waits here.
            Some(How::Silent | How::Stalled) => return Poll::Pending,
        }
        ready!(this.read.poll_ready(&mut this.rng, &this.weather, cx));
        let len = Self::has_room(room, buf.remaining().min(this.weather.chunk));
        let mut scratch = [0; 16 << 10];
        let len = len.min(scratch.len());
        let mut part = ReadBuf::new(&mut scratch[..len]);
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        let filled = part.filled().len();
        buf.put_slice(part.filled());
        this.read.bytes += filled as u64;
        // Its last byte has come.
        this.room(true);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.identify(buf);
        let room = this.room(false);
        match this.broken {
            None => {}
            Some(How::End | How::Reset) => {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            Some(How::Silent) => return Poll::Ready(Ok(buf.len())),
            Some(How::Stalled) => return Poll::Pending,
        }
        ready!(this.write.poll_ready(&mut this.rng, &this.weather, cx));
        let len = Self::has_room(room, buf.len().min(this.weather.chunk));
        let part = buf.get(..len).unwrap_or(buf);
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, part))?;
        this.write.bytes += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
