//! Between the byte stream and the WebSocket library: bounds, replays, keeps write errors back.

use std::{
    fmt, io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    frames::{End, Frames, Header, Mark, Want},
    io::Io,
};
use crate::limits::Limits;

/// So much is read at a time while the library has no buffer: a heartbeat's ack, or most events.
const ARRIVAL_LEN: usize = 2048;

/// The byte stream as the WebSocket library sees it.
pub(super) struct Gate {
    io: Io,
    frames: Frames,
    /// What came behind the HTTP answer in the same segments, or was read by
    /// [`poll_arrival`](Self::poll_arrival).
    early: Bytes,
    /// What the last read gave instead of bytes, until the library has heard of it.
    over: Option<io::Result<()>>,
    /// A header that did not fit into the library's buffer yet.
    header: Header,
    header_at: usize,
    /// Why writing is over. It is kept from the library, which would stop reading as well and so
    /// lose the close code that the peer sent before it hung up.
    write_error: Option<io::Error>,
}

impl Gate {
    pub(super) fn new(io: Io, early: Bytes, limits: &Limits) -> Self {
        Self {
            io,
            frames: Frames::new(limits),
            early,
            over: None,
            header: Header::default(),
            header_at: 0,
            write_error: None,
        }
    }

    pub(super) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// What the next data message of the library is.
    pub(super) fn take_mark(&mut self) -> Mark {
        self.frames.take_mark()
    }

    /// Whether the library holds nothing of what was read, all its messages taken.
    pub(super) fn is_between_messages(&self) -> bool {
        self.header.as_slice().len() == self.header_at && self.frames.is_between_messages()
    }

    /// Whether messages of some length have come since the last call.
    pub(super) fn take_long(&mut self) -> bool {
        self.frames.take_long()
    }

    /// Gives back what an idle stream need not hold.
    pub(super) fn rest(&mut self) {
        self.frames.rest();
    }

    /// Waits for the stream to give something, without the library: what it gives is kept, and
    /// comes first when the library reads.
    pub(super) fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.early.is_empty() && self.over.is_none() {
            let mut few = [const { MaybeUninit::uninit() }; ARRIVAL_LEN];
            let mut few = ReadBuf::uninit(&mut few);
            let result = ready!(Pin::new(&mut self.io).poll_read(cx, &mut few));
            if result.is_err() || few.filled().is_empty() {
                self.over = Some(result);
            } else {
                self.early = Bytes::copy_from_slice(few.filled());
            }
        }
        Poll::Ready(())
    }

    pub(super) fn io(&self) -> &Io {
        &self.io
    }

    pub(super) fn write_error(&self) -> Option<&io::Error> {
        self.write_error.as_ref()
    }

    /// Reads from what came early, then from the stream.
    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buf.filled().len();
        if self.early.is_empty() {
            match self.over.take() {
                Some(over) => over?,
                None => ready!(Pin::new(&mut self.io).poll_read(cx, buf))?,
            }
        } else {
            let n = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early[..n]);
            self.early.advance(n);
            if self.early.is_empty() {
                self.early = Bytes::new();
            }
        }
        Poll::Ready(Ok(buf.filled().len() - before))
    }

    /// As [`poll_source`](Self::poll_source), at most `max` bytes.
    fn poll_source_max(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        max: usize,
    ) -> Poll<io::Result<usize>> {
        if buf.remaining() <= max {
            return self.poll_source(cx, buf);
        }
        // Only inside a long frame: without unsafe code the part must be zeroed first.
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(max));
        let n = ready!(self.poll_source(cx, &mut part))?;
        buf.advance(n);
        Poll::Ready(Ok(n))
    }

    fn has_header(&self) -> bool {
        self.header_at < self.header.as_slice().len()
    }
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        // Each turn hands something on, takes some bytes of a header or of a close frame (few),
        // or returns.
        loop {
            if self.has_header() {
                let rest = &self.header.as_slice()[self.header_at..];
                let n = rest.len().min(buf.remaining());
                buf.put_slice(&rest[..n]);
                self.header_at += n;
            }
            if buf.filled().len() > before || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            match self.frames.want() {
                // The library takes an end of file within a frame for an error, after which it
                // writes no close frame. The socket looks at the end itself.
                Want::Nothing if self.frames.end() == Some(&End::NotText) => {
                    return Poll::Pending;
                }
                // The end of file, as far as the library is concerned.
                Want::Nothing => return Poll::Ready(Ok(())),
                Want::Header => {
                    self.header = self.frames.next_header();
                    self.header_at = 0;
                }
                Want::Few(max) => {
                    let mut few = [0; 128];
                    let max = max.min(few.len());
                    let mut few = ReadBuf::new(&mut few[..max]);
                    if ready!(self.poll_source(cx, &mut few))? == 0 {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    if let Some(header) = self.frames.push(few.filled()) {
                        self.header = header;
                        self.header_at = 0;
                    }
                }
                Want::Any(max) => {
                    let max = usize::try_from(max).unwrap_or(usize::MAX);
                    let n = ready!(self.poll_source_max(cx, buf, max))?;
                    if n == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    let keep = self.frames.walk(&mut buf.filled_mut()[before..]);
                    buf.set_filled(before + keep);
                }
            }
        }
    }
}

impl Gate {
    /// What a write came to, with an error kept back as if all was written.
    fn wrote(&mut self, result: Poll<io::Result<usize>>, all: usize) -> Poll<io::Result<usize>> {
        match ready!(result) {
            Ok(0) if all > 0 => self.write_error = Some(io::ErrorKind::WriteZero.into()),
            Ok(n) => return Poll::Ready(Ok(n)),
            Err(error) => self.write_error = Some(error),
        }
        Poll::Ready(Ok(all))
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.write_error.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(result, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = slices.iter().map(|slice| slice.len()).sum();
        if self.write_error.is_some() {
            return Poll::Ready(Ok(all));
        }
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.wrote(result, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_error.is_some() {
            return Poll::Ready(Ok(()));
        }
        let result = ready!(Pin::new(&mut self.io).poll_flush(cx));
        if let Err(error) = result {
            self.write_error = Some(error);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Shows no byte of the stream.
impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("traffic", &self.io.traffic())
            .finish_non_exhaustive()
    }
}
