//! How are messages framed? One open WebSocket, driven by polling.

use std::{
    fmt, io,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{Sink, Stream};
use tokio::time::{Instant, Sleep};
use tokio_websockets::{ClientBuilder, CloseCode, Error as WsError, Message, WebSocketStream};

use super::{
    frames::{End, Mark},
    gate::Gate,
    io::Io,
};
use crate::limits::Limits;

/// The longest text of a close reason that is kept, in characters after escaping.
const REASON_CHARS_MAX: usize = 256;

/// So many control frames are taken in one poll before other tasks have their turn: a carrier
/// that a user brings may know nothing of tokio's budget.
const CONTROL_FRAMES_PER_POLL: usize = 64;

/// The smallest step by which space for a message in pieces grows: most are far below it.
const STEP_MIN: usize = 64 << 10;

/// An open WebSocket.
///
/// # How to drive it
///
/// One task owns it. Whenever that task is woken:
///
/// 1. call [`poll_flush`](Self::poll_flush): a stall is found here. `Pending` does not forbid to
///    go on: reads go on while writes are blocked.
/// 2. call [`poll_read`](Self::poll_read) until it is `Pending`, or until the reader wants a pause.
/// 3. whoever then calls [`send_text`](Self::send_text) or [`start_close`](Self::start_close) goes
///    back to 1 before it waits; otherwise nothing wakes the task when the peer takes bytes.
///
/// The waker of the last poll of each kind is the one that is woken. Pongs are queued and written
/// by `poll_read` itself. While reading is paused, step 1 alone keeps heartbeats going.
/// Dropping it closes the connection without a close frame.
#[expect(
    clippy::struct_excessive_bools,
    reason = "any of them may hold with any other"
)]
pub(crate) struct Socket {
    stream: Framing,
    limits: Arc<Limits>,
    /// A message that comes in pieces, as far as it has come.
    partial: Vec<u8>,
    /// The library has asked for more bytes than there were, and has given all before them.
    drained: bool,
    /// Whether the library may hold frames that are not written.
    queued: bool,
    /// Frames that were queued in answer to pings since nothing was queued.
    pongs: usize,
    /// Whether a close frame was queued: no other frame may follow.
    closing: bool,
    ended: bool,
    stall: Deadline<u64>,
    /// From a write error on: how long the peer's last words are waited for.
    farewell: Deadline<()>,
}

/// The byte stream, with the library's buffers or without.
#[expect(
    clippy::large_enum_variant,
    reason = "a box for the 200 bytes between them would cost as much as it saves"
)]
enum Framing {
    /// The library's buffers take 8 KiB at least.
    Live(WebSocketStream<Gate>),
    /// Nothing comes, so nothing is held.
    Resting(Gate),
}

impl Framing {
    fn gate(&self) -> &Gate {
        match self {
            Self::Live(stream) => stream.get_ref(),
            Self::Resting(gate) => gate,
        }
    }

    fn gate_mut(&mut self) -> &mut Gate {
        match self {
            Self::Live(stream) => stream.get_mut(),
            Self::Resting(gate) => gate,
        }
    }

    /// Lets go of the library, which must hold nothing.
    fn rest(&mut self, limits: &Limits) {
        if let Self::Live(_) = self {
            *self = match std::mem::replace(self, Self::none(limits)) {
                Self::Live(stream) => Self::Resting(stream.into_inner()),
                resting @ Self::Resting(_) => resting,
            };
            self.gate_mut().rest();
        }
    }

    /// Has the library at work.
    fn rouse(&mut self, limits: &Limits) {
        if let Self::Resting(_) = self {
            *self = match std::mem::replace(self, Self::none(limits)) {
                Self::Resting(gate) => Self::over(gate, limits),
                live @ Self::Live(_) => live,
            };
        }
    }

    fn over(gate: Gate, limits: &Limits) -> Self {
        let len_max = Some(limits.message_len_max);
        let limits = tokio_websockets::Limits::default().max_payload_len(len_max);
        Self::Live(ClientBuilder::new().limits(limits).take_over(gate))
    }

    /// What stands in its place while it changes.
    fn none(limits: &Limits) -> Self {
        Self::Resting(Gate::new(Io::Closed, Bytes::new(), limits))
    }
}

/// What a socket gave.
pub(crate) enum Read {
    /// A complete text message.
    Text(Text),
    /// A complete binary message.
    Binary(Bytes),
    /// The peer closed: its code, where the frame had one that may stand on the wire, and its
    /// reason, escaped and cut. Nothing follows.
    Closed { code: Option<u16>, reason: String },
    /// End of file, reset, TLS error, a write that stalled. Nothing follows.
    Cut(io::Error),
    /// A frame broke RFC 6455. Nothing follows.
    Broken,
    /// A message was longer than the limit, or in more fragments. Nothing follows.
    TooLong,
}

/// A text that has been checked to be UTF-8.
pub(crate) struct Text(Form);

/// What a text came in. The library has checked its own, and lends no other proof of that.
enum Form {
    /// Put together of pieces.
    Joined(String),
    Whole(Message),
}

impl Text {
    /// The text in a buffer that is all its own, where it is in one.
    pub(crate) fn into_string(self) -> Result<String, Self> {
        match self.0 {
            Form::Joined(text) => Ok(text),
            whole @ Form::Whole(_) => Err(Self(whole)),
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Form::Joined(text) => text,
            Form::Whole(message) => message.as_text().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Text {
    fn eq(&self, other: &T) -> bool {
        self.as_bytes() == other.as_ref()
    }
}

impl Socket {
    /// Takes over a stream that has switched protocols. `early` came behind the HTTP answer.
    pub(super) fn new(io: Io, early: Bytes, limits: &Arc<Limits>) -> Self {
        Self {
            stream: Framing::over(Gate::new(io, early, limits), limits),
            drained: false,
            limits: Arc::clone(limits),
            partial: Vec::new(),
            queued: false,
            pongs: 0,
            closing: false,
            ended: false,
            stall: Deadline::default(),
            farewell: Deadline::default(),
        }
    }

    /// The next message. Answers pings itself, within the limit of waiting pongs.
    ///
    /// After `Closed`, `Cut`, `Broken` or `TooLong` there is nothing more to come: drop it. (A
    /// further call gives `Cut` with `NotConnected`.) An answer to the peer's close frame, or a
    /// close frame that says what it did wrong, has then been written if that could be done at
    /// once; who cares for the rest may still poll [`poll_flush`](Self::poll_flush).
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        if self.ended {
            return Poll::Ready(Read::Cut(io::ErrorKind::NotConnected.into()));
        }
        let mut control_frames = 0;
        while control_frames < CONTROL_FRAMES_PER_POLL {
            if self.pongs >= self.limits.pongs_max && self.poll_write(cx).is_pending() {
                return self.poll_stalled(cx);
            }
            let stream = match &mut self.stream {
                Framing::Live(stream) => stream,
                Framing::Resting(gate) => {
                    if gate.poll_arrival(cx).is_pending() {
                        return self.poll_waiting(cx);
                    }
                    self.stream.rouse(&self.limits);
                    continue;
                }
            };
            self.drained = false;
            let message = match Pin::new(stream).poll_next(cx) {
                Poll::Pending if self.gate().frames().end() == Some(&End::NotText) => {
                    return Poll::Ready(self.end(None, cx));
                }
                Poll::Pending => {
                    self.drained = true;
                    return self.poll_waiting(cx);
                }
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(other) => {
                    return Poll::Ready(self.end(other.and_then(Result::err), cx));
                }
            };
            if !message.is_text() && !message.is_binary() {
                control_frames += 1;
                if message.is_ping() && !self.closing {
                    self.pongs += 1;
                    self.queued = true;
                }
                continue;
            }
            // Pieces are not counted: the limits bound how many one message has.
            if let Some(read) = self.take(message) {
                return Poll::Ready(read);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether [`send_text`](Self::send_text) may be called: nothing of an earlier message is
    /// waiting to be written, and no close frame was queued.
    pub(crate) fn can_send(&self) -> bool {
        !self.queued && !self.closing && !self.ended
    }

    /// Queues one text message; [`poll_flush`](Self::poll_flush) writes it.
    ///
    /// Only while [`can_send`](Self::can_send); at other times the message is dropped.
    pub(crate) fn send_text(&mut self, payload: &[u8]) {
        debug_assert!(self.can_send(), "asked before");
        if self.can_send() {
            self.queue(Message::text(payload.to_vec()));
        }
    }

    /// As [`send_text`](Self::send_text), for the one peer that wants its bytes back.
    #[cfg(test)]
    pub(super) fn send_binary(&mut self, payload: &[u8]) {
        assert!(self.can_send(), "asked before");
        self.queue(Message::binary(payload.to_vec()));
    }

    /// Queues a close frame. Reading goes on until the peer's own. A second one is not queued.
    ///
    /// A code that may not stand on the wire is left out.
    pub(crate) fn start_close(&mut self, code: u16) {
        if !self.closing && !self.ended {
            self.queue_close(close_code(code));
        }
    }

    /// Writes what is queued; `Ready` when nothing is (any more).
    ///
    /// `Err(TimedOut)` when nothing could be written for [`Limits::write_stall`]. Every other
    /// trouble with writing is left to the read side, which has what the peer said before it hung
    /// up, and which ends at most [`Limits::close`] later; here it looks as if all was written.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.queued {
            return Poll::Ready(Ok(()));
        }
        if self.poll_write(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        self.poll_stall(cx).map(Err)
    }

    /// Whether there are buffers to [give back](Self::rest).
    pub(crate) const fn is_roused(&self) -> bool {
        matches!(self.stream, Framing::Live(_))
    }

    /// Gives the buffers back, until something comes or is sent, where they provably hold nothing:
    /// the library has asked for more bytes than there were, so all that it had is decoded;
    /// nothing is queued; and what the gate handed on ended with a whole message.
    pub(crate) fn rest(&mut self) {
        if self.is_idle() {
            self.stream.rest(&self.limits);
        }
    }

    /// Bytes read from and written to the network so far, those of TLS included.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        self.gate().io().traffic()
    }

    /// Takes a data message of the library; what the peer sent, if that ends it.
    fn take(&mut self, message: Message) -> Option<Read> {
        let Mark::Piece { text, last } = self.stream.gate_mut().take_mark() else {
            return Some(if message.is_text() {
                Read::Text(Text(Form::Whole(message)))
            } else {
                Read::Binary(message.into_payload().into())
            });
        };
        let len = self.gate().frames().message_len();
        let len_max = len.unwrap_or(self.limits.message_len_max);
        push_piece(&mut self.partial, message.as_payload(), len_max);
        last.then(|| {
            let mut payload = std::mem::take(&mut self.partial);
            payload.shrink_to_fit();
            if !text {
                return Read::Binary(payload.into());
            }
            // The gate has seen that it is text, and ends the stream before any other.
            match String::from_utf8(payload) {
                Ok(text) => Read::Text(Text(Form::Joined(text))),
                Err(_) => Read::Broken,
            }
        })
    }

    fn gate(&self) -> &Gate {
        self.stream.gate()
    }

    /// Whether the library holds nothing.
    fn is_idle(&self) -> bool {
        let is_open = !self.closing && !self.ended;
        self.drained && !self.queued && is_open && self.gate().is_between_messages()
    }

    fn queue(&mut self, message: Message) {
        self.stream.rouse(&self.limits);
        // Only a stream that is closing refuses, and then nothing may be sent.
        if let Framing::Live(stream) = &mut self.stream
            && Pin::new(stream).start_send(message).is_ok()
        {
            self.queued = true;
        }
    }

    fn queue_close(&mut self, code: Option<CloseCode>) {
        self.queue(Message::close(code, ""));
        self.closing = true;
    }

    /// Hands queued frames to the stream; ready when none is left.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let poll = match &mut self.stream {
            // The gate keeps errors back, so there is none to look at.
            Framing::Live(stream) => Pin::new(stream).poll_flush(cx).map(|_| ()),
            Framing::Resting(_) => Poll::Ready(()),
        };
        if poll.is_ready() {
            self.queued = false;
            self.pongs = 0;
            self.stall.clear();
        }
        poll
    }

    /// Ready when queued bytes have made no progress for too long.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let (_, written) = self.traffic();
        self.stall
            .poll(written, self.limits.write_stall, cx)
            .map(|()| io::ErrorKind::TimedOut.into())
    }

    /// The stream has nothing to read now, and will wake the task when it has: sees to everything
    /// else that may pass while waiting.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        if self.queued && self.poll_write(cx).is_pending() {
            return self.poll_stalled(cx);
        }
        if let Some(error) = self.gate().write_error() {
            let error = clone(error);
            if self.farewell.poll((), self.limits.close, cx).is_ready() {
                self.ended = true;
                return Poll::Ready(Read::Cut(error));
            }
        } else if self.is_idle() && self.stream.gate_mut().take_long() {
            // After long messages the library keeps buffers of their size.
            self.rest();
        }
        Poll::Pending
    }

    /// Queued bytes wait for the peer to take some.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        self.poll_stall(cx).map(|error| {
            self.ended = true;
            Read::Cut(error)
        })
    }

    /// The stream is over: why. Queues a close frame where there is one to send, and tries once.
    fn end(&mut self, error: Option<WsError>, cx: &mut Context<'_>) -> Read {
        let (read, answer) = match error {
            Some(WsError::Io(error)) => (Read::Cut(error), Answer::None),
            Some(WsError::PayloadTooLong { .. }) => (Read::TooLong, Answer::None),
            Some(_) => (Read::Broken, Answer::None),
            // For the library the gate's end is an end of file: it has queued no close frame.
            None => self.gate_end(),
        };
        self.finish(read, answer, cx)
    }

    fn finish(&mut self, read: Read, answer: Answer, cx: &mut Context<'_>) -> Read {
        if let (Answer::Close(code), false) = (answer, self.closing) {
            self.queue_close(code);
        }
        // Once and no more: whoever misbehaved is not waited for.
        let _ = self.poll_write(cx);
        self.ended = true;
        read
    }

    /// Why the gate handed nothing more on, and what to answer.
    fn gate_end(&self) -> (Read, Answer) {
        match self.gate().frames().end() {
            Some(End::Broken) => (Read::Broken, Answer::Close(Some(CloseCode::PROTOCOL_ERROR))),
            Some(End::NotText) => (
                Read::Broken,
                Answer::Close(Some(CloseCode::INVALID_FRAME_PAYLOAD_DATA)),
            ),
            Some(End::TooLong) => (
                Read::TooLong,
                Answer::Close(Some(CloseCode::MESSAGE_TOO_BIG)),
            ),
            Some(End::Closed(payload)) => {
                let (code, reason) = read_close(payload);
                // The code is sent back, but for 1000 and 1001: platforms take these from a
                // client as the end of its session.
                let answer = code.filter(|code| !matches!(code, 1000 | 1001));
                let answer = answer.and_then(close_code);
                (Read::Closed { code, reason }, Answer::Close(answer))
            }
            None => {
                let eof = || io::ErrorKind::UnexpectedEof.into();
                let error = self.gate().write_error().map_or_else(eof, clone);
                (Read::Cut(error), Answer::None)
            }
        }
    }
}

/// Adds to a message that comes in pieces. Space grows by a quarter at most, so that it follows
/// what arrived, and never beyond `len_max`, which is the message's own length where that is known.
fn push_piece(message: &mut Vec<u8>, piece: &[u8], len_max: usize) {
    let len = message.len();
    if message.capacity() - len < piece.len() {
        let step = STEP_MIN.max(len / 4).min(len_max.saturating_sub(len));
        message.reserve_exact(step.max(piece.len()));
    }
    message.extend_from_slice(piece);
}

/// What is queued when a stream is over.
enum Answer {
    /// A close frame.
    Close(Option<CloseCode>),
    None,
}

/// A deadline that starts when it is first polled, and again whenever the mark changes.
#[derive(Debug)]
struct Deadline<M>(Option<(Pin<Box<Sleep>>, Option<M>)>);

impl<M> Default for Deadline<M> {
    fn default() -> Self {
        Self(None)
    }
}

impl<M: PartialEq> Deadline<M> {
    fn clear(&mut self) {
        self.0 = None;
    }

    fn poll(&mut self, mark: M, after: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let start = || (Box::pin(tokio::time::sleep(after)), None);
        let (sleep, old) = self.0.get_or_insert_with(start);
        if old.as_ref().is_some_and(|old| *old != mark) {
            sleep.as_mut().reset(Instant::now() + after);
        }
        *old = Some(mark);
        sleep.as_mut().poll(cx)
    }
}

/// An I/O error to give away while the original stays.
fn clone(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}

/// RFC 6455 section 7.4: the codes that may stand in a close frame, those registered since
/// (1012 to 1014) included.
fn may_stand_on_the_wire(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn close_code(code: u16) -> Option<CloseCode> {
    may_stand_on_the_wire(code)
        .then(|| CloseCode::try_from(code).ok())
        .flatten()
}

/// What a close frame says. One that breaks the rules is still a peer that closed, without a code.
fn read_close(payload: &[u8]) -> (Option<u16>, String) {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return (None, String::new());
    };
    let code = Some(u16::from_be_bytes(*code))
        .filter(|&code| may_stand_on_the_wire(code) && str::from_utf8(reason).is_ok());
    let reason = String::from_utf8_lossy(reason);
    let reason = reason.escape_debug().take(REASON_CHARS_MAX).collect();
    (code, reason)
}

/// Shows no byte of the stream.
impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("traffic", &self.traffic())
            .field("queued", &self.queued)
            .field("closing", &self.closing)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Shows lengths only.
impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
            Self::Closed { code, reason } => write!(f, "Closed({code:?}, {reason:?})"),
            Self::Cut(error) => write!(f, "Cut({error})"),
            Self::Broken => f.write_str("Broken"),
            Self::TooLong => f.write_str("TooLong"),
        }
    }
}

#[cfg(test)]
mod tests;
