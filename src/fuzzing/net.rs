//! A server in memory, whose bytes and whose pace are given.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::{BoxFuture, FutureExt, ready};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Builder,
};

use crate::{Dial, Duplex, Limits};

/// What stands for the right `Sec-WebSocket-Accept` in an answer.
pub(super) const ACCEPT: &[u8] = b"{accept}";

/// The answer to an upgrade as a gateway gives it.
pub(super) const GOOD_ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";

/// Runs a future to its end in a time that passes only while all wait.
pub(super) fn in_paused_time<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(future)
}

/// `answer` with the right value in place of [`ACCEPT`], where the request names a key.
pub(super) fn with_accept(answer: &[u8], request: &[u8]) -> Vec<u8> {
    const KEY: &[u8] = b"Sec-WebSocket-Key: ";
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut answer = answer.to_vec();
    if let Some(mark) = memchr::memmem::find(&answer, ACCEPT)
        && let Some(key) = memchr::memmem::find(request, KEY)
    {
        let key = request[key + KEY.len()..]
            .split(|byte| *byte == b'\r')
            .next();
        let mut sha1 = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
        sha1.update(key.unwrap_or_default());
        sha1.update(GUID);
        let accept = STANDARD.encode(sha1.finish());
        answer.splice(mark..mark + ACCEPT.len(), accept.bytes());
    }
    answer
}

/// A server that answers the upgrade and then goes on, whatever the client says, until it has no
/// more bytes and hangs up.
#[derive(Debug)]
pub(super) struct Server(Mutex<Script>);

#[derive(Default)]
struct Script {
    answer: Vec<u8>,
    request: Vec<u8>,
    /// How long the reads are, again and again; zero for as long as the reader likes.
    reads: Vec<u8>,
    count: usize,
    at: usize,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl Server {
    pub(super) fn new(answer: &[u8], reads: &[u8]) -> Arc<Self> {
        let script = Script {
            answer: answer.to_vec(),
            reads: reads.to_vec(),
            ..Script::default()
        };
        Arc::new(Self(Mutex::new(script)))
    }

    /// How many bytes were read of it.
    pub(super) fn taken(&self) -> usize {
        self.script().at
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection to it; also what dials it.
#[derive(Clone, Debug)]
pub(super) struct Pipe(pub(super) Arc<Server>);

impl Dial for Pipe {
    fn dial(&self, _: &str, _: u16, _: &Limits) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let stream: Box<dyn Duplex> = Box::new(self.clone());
        ready(Ok(stream)).boxed()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut script = self.0.script();
        if script.count == 0 {
            script.answer = with_accept(&script.answer, &script.request);
        }
        let reads = &script.reads;
        let len = reads.get(script.count % reads.len().max(1)).copied();
        let len = len.filter(|len| *len > 0).map_or(usize::MAX, usize::from);
        let rest = &script.answer[script.at..];
        let len = len.min(rest.len()).min(buf.remaining());
        buf.put_slice(&rest[..len]);
        script.at += len;
        script.count += 1;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut script = self.0.script();
        if script.count == 0 {
            script.request.extend_from_slice(bytes);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
