//! Who moves the bytes? The shell around one peer: a stream, a clock and a wake-up.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time,
};

use super::{
    Shared,
    log::End,
    peer::{Out, Peer},
    world::later,
};

/// How long the client may take to end its side after the server has.
const LINGER: Duration = Duration::from_secs(2);
/// How long to wait when the system gives no connection, as when it is out of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Accepts connections until it is dropped, and their tasks with it.
pub(super) async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Without it small pieces would wait for each other and arrive as one. The
                    // connection works all the same where it cannot be set.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(Arc::clone(&shared), stream, reset_tcp));
                }
                Err(_) => time::sleep(ACCEPT_AGAIN).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn reset_tcp(stream: &TcpStream) {
    // Where it cannot be set, the client sees an ordinary end instead.
    let _ = stream.set_zero_linger();
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

/// Serves one connection to its end. `reset` makes the stream end by a reset when it is dropped.
pub(super) async fn serve<S>(shared: Arc<Shared>, stream: S, reset: fn(&S))
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut shell, wake) = {
        let mut world = shared.lock();
        let (id, wake) = world.admit();
        let peer = Peer::new(&mut world, now(), id);
        let shell = Shell {
            peer,
            shared: Arc::clone(&shared),
            line: Line::default(),
        };
        (shell, wake)
    };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut buffer = vec![0; 16 << 10];
    let end = loop {
        let deadline = shell.run();
        if let Some(end) = shell.load() {
            break end;
        }
        let line = &mut shell.line;
        let write_at = line.is_loaded().then_some(line.not_before).flatten();
        let can_write = line.is_loaded() && write_at.is_none_or(|at| at <= now());
        let can_read = !line.is_hung && !line.is_eof && shell.peer.wants_bytes();
        let deadline = [deadline, write_at.filter(|_| !can_write)]
            .into_iter()
            .flatten()
            .min();
        tokio::select! {
            biased;
            written = line.write(&mut writer), if can_write => {
                shell.handle_written(&written);
            }
            // Before reading, so that an order comes before what is sent after it was given.
            () = wake.notified() => {}
            read = reader.read(&mut buffer), if can_read => match read {
                Ok(len) if len > 0 => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    shell.peer.handle_bytes(&mut shared.lock(), now(), bytes);
                }
                _ => shell.handle_eof(),
            },
            () = sleep_until(deadline) => {}
        }
    };
    match end {
        End::Rst => reset(&reader.unsplit(writer)),
        End::Fin | End::Client => finish(reader, writer, &mut buffer).await,
    }
}

/// Ends in good order: says so, and waits for the client to do so too. Without waiting, what it
/// sent in the meantime would turn the end into a reset that takes the last answer with it.
async fn finish<S>(mut reader: ReadHalf<S>, mut writer: WriteHalf<S>, buffer: &mut [u8])
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let both = async {
        if writer.shutdown().await.is_ok() {
            while matches!(reader.read(buffer).await, Ok(len) if len > 0) {}
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

impl Shell {
    fn run(&mut self) -> Option<Instant> {
        let mut world = self.shared.lock();
        self.peer.run(&mut world, now());
        self.peer.deadline(&world)
    }

    /// Takes the next bytes to write; how it ends, where it does.
    fn load(&mut self) -> Option<End> {
        while !self.line.is_loaded() {
            match self.peer.next_out()? {
                Out::Bytes(_) if self.line.is_mute => {}
                Out::Bytes(bytes) => (self.line.bytes, self.line.at) = (bytes, 0),
                Out::Dribble { bytes, every } => self.line.pace = Some((bytes.max(1), every)),
                Out::Fin => return Some(End::Fin),
                Out::Hang => (self.line.is_hung, self.line.is_mute) = (true, true),
                Out::Mute => self.line.is_mute = true,
                Out::Rst => return Some(End::Rst),
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
