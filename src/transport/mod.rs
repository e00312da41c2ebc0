//! Where is the socket? Dial, TLS, upgrade, WebSocket: the only room with one.
//! Imports the pure rooms' words (`error`, `limits`, `platform`, `secret`); knows no session.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{error::Error, limits::Limits, platform::GatewayUrl};

/// A byte stream to the gateway: TCP, TLS over TCP, or whatever a test or a custom dialler brings.
#[derive(Debug)]
pub(crate) enum Io {}

/// Opens connections: knows TLS, limits, the User-Agent.
#[derive(Clone, Debug)]
pub(crate) struct Connector {}

/// Which certificates are trusted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Tls {
    /// What the operating system trusts (feature `rustls-native-roots`), else Mozilla's list
    /// (feature `rustls-webpki-roots`).
    #[default]
    Default,
}

/// An attempt to connect that failed.
#[derive(Debug)]
pub(crate) struct ConnectError {
    /// The HTTP status of an answer that was no upgrade.
    pub(crate) status: Option<u16>,
    /// Its `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// For the user: names the host and the step (name lookup, connect, TLS, upgrade), no secret.
    pub(crate) error: Error,
}

impl Connector {
    pub(crate) fn new(tls: Tls, dialler: Option<std::sync::Arc<dyn Dial>>, limits: Limits) -> Self {
        let _ = (tls, dialler, limits);
        todo!()
    }

    /// Dials, speaks TLS where the url says so, and upgrades to WebSocket, with the platform's
    /// `query` (such as `?v=10&encoding=json`). Bounded by the limits at each step; the overall
    /// deadline is the caller's. Dropping the future closes whatever was opened.
    pub(crate) async fn connect(
        &self,
        url: &GatewayUrl,
        query: &str,
    ) -> Result<Socket, ConnectError> {
        let _ = (url, query);
        todo!()
    }
}

/// An open WebSocket.
#[derive(Debug)]
pub(crate) struct Socket {}

/// What a socket gave.
#[derive(Debug)]
pub(crate) enum Read {
    /// A complete text message. It was UTF-8 checked once.
    Text(Bytes),
    /// A complete binary message.
    Binary(Bytes),
    /// The peer closed: its code, where the frame had one that may stand on the wire, and its
    /// reason, escaped and cut. Nothing follows.
    Closed { code: Option<u16>, reason: String },
    /// End of file, reset, TLS error. Nothing follows.
    Cut(io::Error),
    /// A frame broke RFC 6455. Nothing follows.
    Broken,
    /// A message was longer than the limit. Nothing follows.
    TooLong,
}

impl Socket {
    /// The next message. Answers pings itself, within the limit of waiting pongs.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        let _ = cx;
        todo!()
    }

    /// Whether [`send_text`](Self::send_text) may be called: nothing of an earlier message is
    /// waiting to be written.
    pub(crate) fn can_send(&self) -> bool {
        todo!()
    }

    /// Queues one text message; [`poll_flush`](Self::poll_flush) writes it.
    pub(crate) fn send_text(&mut self, payload: &[u8]) {
        let _ = payload;
        todo!()
    }

    /// Queues a close frame. Reading goes on until the peer's own.
    pub(crate) fn start_close(&mut self, code: u16) {
        let _ = code;
        todo!()
    }

    /// Writes what is queued. Errors show up on the read side too.
    ///
    /// `Err(TimedOut)` when nothing could be written for [`Limits::write_stall`].
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        todo!()
    }

    /// Bytes read from and written to the connection so far.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        todo!()
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        todo!()
    }
}
impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        todo!()
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        todo!()
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        todo!()
    }
}

/// Opens the byte stream below TLS and WebSocket.
///
/// The default dials TCP. A test may hand out in-memory pipes; a user may go through a tunnel.
pub trait Dial: fmt::Debug + Send + Sync + 'static {
    /// A stream to `host` and `port`, given up when the future is dropped.
    fn dial(
        &self,
        host: &str,
        port: u16,
        limits: &Limits,
    ) -> futures::future::BoxFuture<'static, io::Result<Box<dyn Duplex>>>;
}

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static> Duplex for T {}
