//! Who moves the bytes? The shell around one peer: a stream, a clock and a wake-up.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time,
};

use super::{
    Shared,
    builder::Tls,
    peer::{Out, Peer},
    world::later,
};

/// How long the client may take to end its side after the server has.
const LINGER: Duration = Duration::from_secs(2);
/// How much is read at a time.
const BUFFER_LEN: usize = 16 << 10;
/// How long to wait when the system gives no connection, as when it is out of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Accepts connections until it is dropped, and their tasks with it.
pub(super) async fn listen(shared: Arc<Shared>, listener: TcpListener, tls: Option<Tls>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Without it small pieces would wait for each other and arrive as one. The
                    // connection works all the same where it cannot be set.
                    let _ = stream.set_nodelay(true);
                    let shared = Arc::clone(&shared);
                    match &tls {
                        None => connections.spawn(serve_tcp(shared, stream)),
                        Some(tls) => connections.spawn(serve_tls(shared, stream, tls.clone())),
                    };
                }
                Err(_) => time::sleep(ACCEPT_AGAIN).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Feeds sessions until it is dropped.
pub(super) async fn feed(shared: Arc<Shared>) {
    let wake = Arc::clone(&shared.lock().feed_wake);
    loop {
        let next = shared.lock().feed(now());
        tokio::select! {
            () = sleep_until(next) => {}
            () = wake.notified() => {}
        }
    }
}

/// Serves a stream of any kind to its end.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(shared: Arc<Shared>, stream: S) {
    let (mut shell, wake) = Shell::new(shared);
    let (stream, end) = shell.serve(stream, &wake, Stage::All).await;
    match end {
        // It is dropped.
        None | Some(Ending::Rst) => {}
        Some(Ending::Eof | Ending::Fin) => finish(stream).await,
    }
}

async fn serve_tcp(shared: Arc<Shared>, stream: TcpStream) {
    let (mut shell, wake) = Shell::new(shared);
    let (stream, end) = shell.serve(stream, &wake, Stage::All).await;
    if let Some(end) = end {
        end_tcp(stream, end).await;
    }
}

async fn serve_tls(shared: Arc<Shared>, stream: TcpStream, tls: Tls) {
    let (mut shell, wake) = Shell::new(shared);
    let (stream, end) = shell.serve(stream, &wake, Stage::BeforeTls).await;
    if let Some(end) = end {
        return end_tcp(stream, end).await;
    }
    let Ok(stream) = tls.0.accept(stream).await else {
        // The client did not like the certificate, or spoke no TLS.
        return shell.handle_eof();
    };
    let (stream, end) = shell.serve(stream, &wake, Stage::All).await;
    match end {
        None => {}
        Some(Ending::Fin) => finish(stream).await,
        Some(end) => end_tcp(stream.into_inner().0, end).await,
    }
}

async fn end_tcp(stream: TcpStream, end: Ending) {
    match end {
        Ending::Eof | Ending::Fin => finish(stream).await,
        Ending::Rst => {
            // Where it cannot be set, the client sees an ordinary end instead.
            let _ = stream.set_zero_linger();
        }
    }
}

/// Ends in good order: says so, and waits for the client to do so too. Without waiting, what it
/// sent in the meantime would turn the end into a reset that takes the last answer with it.
async fn finish<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let mut buffer = vec![0; BUFFER_LEN];
    let both = async {
        if stream.shutdown().await.is_ok() {
            while matches!(stream.read(&mut buffer).await, Ok(len) if len > 0) {}
        }
    };
    // An end that takes too long is an end as well.
    let _ = time::timeout(LINGER, both).await;
}

fn now() -> Instant {
    time::Instant::now().into_std()
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// How the server ends a stream.
#[derive(Clone, Copy)]
enum Ending {
    /// Without a word of TLS.
    Eof,
    Fin,
    Rst,
}

struct Shell {
    peer: Peer,
    shared: Arc<Shared>,
    line: Line,
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.shared.lock().dismiss(self.peer.id, now());
    }
}

/// How much of the peer's life a stream carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    All,
    /// What is to happen below TLS: nothing of the client is read.
    BeforeTls,
}

impl Shell {
    fn new(shared: Arc<Shared>) -> (Self, Arc<Notify>) {
        let mut world = shared.lock();
        let (id, wake) = world.admit();
        let peer = Peer::new(&mut world, now(), id);
        drop(world);
        let line = Line::default();
        (Self { peer, shared, line }, wake)
    }

    /// Serves the connection over `stream`; how that is to end, or `None` where the stage is over.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: S,
        wake: &Notify,
        stage: Stage,
    ) -> (S, Option<Ending>) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut buffer = vec![0; BUFFER_LEN];
        let is_early = stage == Stage::BeforeTls;
        let end = loop {
            let deadline = self.run();
            if let Some(end) = self.load() {
                break Some(end);
            }
            let line = &mut self.line;
            if is_early && !line.is_loaded() && self.peer.waits_for_client() {
                break None;
            }
            let write_at = line.is_loaded().then_some(line.not_before).flatten();
            let can_write = line.is_loaded() && write_at.is_none_or(|at| at <= now());
            let is_open = !line.is_hung && !line.is_eof;
            let can_read = is_open && !is_early && self.peer.wants_bytes();
            let deadline = [deadline, write_at.filter(|_| !can_write)]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                biased;
                written = line.write(&mut writer), if can_write => {
                    self.handle_written(&written);
                }
                // Before reading, so that an order comes before what is sent after it was given.
                () = wake.notified() => {}
                read = reader.read(&mut buffer), if can_read => match read {
                    Ok(len) if len > 0 => {
                        let bytes = buffer.get(..len).unwrap_or_default();
                        self.peer.handle_bytes(&mut self.shared.lock(), now(), bytes);
                    }
                    _ => self.handle_eof(),
                },
                () = sleep_until(deadline) => {}
            }
        };
        (reader.unsplit(writer), end)
    }

    fn run(&mut self) -> Option<Instant> {
        let mut world = self.shared.lock();
        self.peer.run(&mut world, now());
        self.peer.deadline(&world)
    }

    /// Takes the next bytes to write; how it ends, where it does.
    fn load(&mut self) -> Option<Ending> {
        while !self.line.is_loaded() {
            match self.peer.next_out()? {
                Out::Bytes(_) if self.line.is_mute => {}
                Out::Bytes(bytes) => (self.line.bytes, self.line.at) = (bytes, 0),
                Out::Dribble { bytes, every } => self.line.pace = Some((bytes.max(1), every)),
                Out::Eof => return Some(Ending::Eof),
                Out::Fin => return Some(Ending::Fin),
                Out::Hang => (self.line.is_hung, self.line.is_mute) = (true, true),
                Out::Mute => self.line.is_mute = true,
                Out::Rst => return Some(Ending::Rst),
            }
        }
        None
    }

    fn handle_written(&mut self, written: &io::Result<()>) {
        if written.is_err() {
            // The read side tells how it ended, if it is read at all.
            self.line = Line {
                is_mute: true,
                is_hung: self.line.is_hung,
                is_eof: self.line.is_eof,
                ..Line::default()
            };
            self.handle_eof();
        }
    }

    fn handle_eof(&mut self) {
        self.line.is_eof = true;
        self.peer.handle_eof(&mut self.shared.lock(), now());
    }
}

/// What is being written.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is independent of the others"
)]
#[derive(Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    at: usize,
    must_flush: bool,
    pace: Option<(usize, Duration)>,
    not_before: Option<Instant>,
    is_eof: bool,
    is_hung: bool,
    is_mute: bool,
}

impl Line {
    fn is_loaded(&self) -> bool {
        self.must_flush || self.at < self.bytes.len()
    }

    /// Writes or flushes once. Nothing is lost when it is dropped before it is done.
    async fn write<W: AsyncWrite + Unpin>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.must_flush {
            writer.flush().await?;
            self.must_flush = false;
            return Ok(());
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = self.pace.map_or(rest.len(), |(len, _)| len.min(rest.len()));
        let written = writer.write(rest.get(..len).unwrap_or_default()).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.at += written;
        self.must_flush = self.at == self.bytes.len() || self.pace.is_some();
        self.not_before = self.pace.map(|(_, every)| later(now(), every));
        Ok(())
    }
}
