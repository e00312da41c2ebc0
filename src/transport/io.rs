//! What carries the bytes? TCP or a dialler's own stream, with TLS on top or not.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static> Duplex for T {}

/// What lies below TLS, with the bytes that have gone through it.
#[derive(Debug)]
pub(crate) struct Carrier {
    stream: Stream,
    read: u64,
    written: u64,
}

#[derive(Debug)]
enum Stream {
    /// What a dialler brought.
    Other(Box<dyn Duplex>),
    Tcp(TcpStream),
}

impl From<TcpStream> for Carrier {
    fn from(stream: TcpStream) -> Self {
        Self::new(Stream::Tcp(stream))
    }
}

impl From<Box<dyn Duplex>> for Carrier {
    fn from(stream: Box<dyn Duplex>) -> Self {
        Self::new(Stream::Other(stream))
    }
}

impl Carrier {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            read: 0,
            written: 0,
        }
    }

    fn count_written(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = result {
            self.written += n as u64;
        }
        result
    }
}

/// A byte stream to the gateway: TCP, TLS over TCP, or whatever a test or a custom dialler brings.
#[derive(Debug)]
pub(crate) enum Io {
    /// No stream any more: reads give the end of file, writes fail.
    Closed,
    /// With TLS by the operating system's library.
    #[cfg(feature = "native")]
    Native(Box<tokio_native_tls::TlsStream<Carrier>>),
    /// Without TLS: a stream of this machine.
    Plain(Carrier),
    /// With TLS by rustls.
    Tls(Box<TlsStream<Carrier>>),
}

impl Io {
    /// Bytes read from and written to the network so far, those of TLS included.
    pub(super) fn traffic(&self) -> (u64, u64) {
        let carrier = match self {
            Self::Closed => return (0, 0),
            #[cfg(feature = "native")]
            Self::Native(stream) => stream.get_ref().get_ref().get_ref(),
            Self::Plain(carrier) => carrier,
            Self::Tls(stream) => stream.get_ref().0,
        };
        (carrier.read, carrier.written)
    }
}

/// Calls the same method on whatever stream there is.
macro_rules! on_carrier {
    ($self:expr, $stream:ident => $call:expr) => {
        match &mut $self.stream {
            Stream::Other($stream) => $call,
            Stream::Tcp($stream) => $call,
        }
    };
}

macro_rules! on_io {
    ($self:expr, $stream:ident => $call:expr, closed => $closed:expr) => {
        match $self.get_mut() {
            Io::Closed => $closed,
            #[cfg(feature = "native")]
            Io::Native($stream) => $call,
            Io::Plain($stream) => $call,
            Io::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Carrier {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(on_carrier!(self, stream => Pin::new(stream).poll_read(cx, buf)))?;
        self.read += (buf.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = on_carrier!(self, stream => Pin::new(stream).poll_write(cx, bytes));
        self.count_written(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_carrier!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_carrier!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = on_carrier!(
            self,
            stream => Pin::new(stream).poll_write_vectored(cx, slices)
        );
        self.count_written(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Other(stream) => stream.is_write_vectored(),
            Stream::Tcp(stream) => stream.is_write_vectored(),
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_io!(self, stream => Pin::new(stream).poll_read(cx, buf), closed => Poll::Ready(Ok(())))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_io!(self, stream => Pin::new(stream).poll_write(cx, bytes), closed => gone())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_io!(self, stream => Pin::new(stream).poll_flush(cx), closed => Poll::Ready(Ok(())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_io!(self, stream => Pin::new(stream).poll_shutdown(cx), closed => Poll::Ready(Ok(())))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_io!(
            self,
            stream => Pin::new(stream).poll_write_vectored(cx, slices),
            closed => gone()
        )
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Closed => false,
            #[cfg(feature = "native")]
            Self::Native(stream) => stream.is_write_vectored(),
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

fn gone() -> Poll<io::Result<usize>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}
