//! What does the driver do with what arrives? Inflate, check, ask the session, hand over.

use std::{
    cell::RefCell,
    io, mem, str,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;

use super::{Driver, Reading, SLOW_NOTICE_EVERY};
use crate::{
    codec::{
        envelope::{Envelope, Header},
        inflate::{InflateError, Output},
    },
    error::{Error, ErrorKind},
    notice::Notice,
    observe::{self, Measure},
    platform::Platform,
    session::{Input, Lost, State, Verdict},
    shard::{batch, tape::Taped},
    transport::Read,
};

/// Messages read in one turn: about one batch.
const READS_MAX: usize = 64;
/// So many compressed messages that cannot be read, with no event that has a name between, mean
/// that the context is damaged.
const UNREADABLE_MAX: u32 = 16;
/// A thread keeps its buffer for inflated text up to this size.
const SCRATCH_MAX: usize = 256 << 10;

thread_local! {
    /// Where messages are inflated to: one buffer for all shards that share a thread, borrowed for
    /// one message and never over a wait.
    static SCRATCH: RefCell<Output> = RefCell::default();
}

/// A frame for the user, but for its text.
struct Passed {
    header: Header,
    replayed: bool,
}

impl<P: Platform> Driver<P> {
    /// Reads what the socket has, within bounds; `true` when it may have more.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        for _ in 0..READS_MAX {
            // Nothing to read, or not allowed to: then no answer can be waiting unheard.
            self.dry = true;
            if self.stop.is_some() || self.link.opened().is_none() || !self.may_read(now) {
                return false;
            }
            let Some(open) = self.link.opened() else {
                return false;
            };
            match open.socket.poll_read(cx) {
                Poll::Pending => {
                    self.caught_up(now);
                    return false;
                }
                Poll::Ready(read) => {
                    self.dry = false;
                    self.rest.heard = true;
                    self.timer.read_since += 1;
                    self.take(now, read);
                }
            }
            if self.crowded {
                return true;
            }
        }
        true
    }

    /// Whether there is space for an event. Outside of these states the session lets none pass
    /// but READY, and its handshakes must go on.
    fn may_read(&mut self, now: Instant) -> bool {
        let passing = matches!(self.session.state(), State::Active | State::AwaitResumed);
        if !passing || self.writer.has_room() {
            if self.reading == Reading::Paused {
                self.reading = Reading::CatchingUp;
            }
            return true;
        }
        if self.reading != Reading::Paused {
            let _internal = self.session.handle(now, Input::ReadingPaused);
        }
        if self.reading == Reading::Open {
            self.slow.since = Some(now);
            let told = self.slow.told_at;
            if told.is_none_or(|at| now.duration_since(at) >= SLOW_NOTICE_EVERY) {
                self.slow.told_at = Some(now);
                self.slow.announced = true;
                let load = self.writer.load();
                self.tell(Notice::SlowConsumer {
                    events: load.events,
                    bytes: load.bytes,
                });
            }
        }
        self.reading = Reading::Paused;
        false
    }

    /// The socket has nothing more.
    fn caught_up(&mut self, now: Instant) {
        if self.reading == Reading::CatchingUp {
            self.reading = Reading::Open;
            self.slow.since = None;
            let _internal = self.session.handle(now, Input::CaughtUp);
            self.act(now);
        }
        // The start of a new connection is read though the buffer may still be full.
        if self.slow.announced && self.writer.has_room() {
            self.slow.announced = false;
            self.tell(Notice::ReadingResumed);
        }
    }

    fn take(&mut self, now: Instant, read: Read) {
        match read {
            Read::Text(text) => match text.into_string() {
                Ok(text) => self.string(now, text),
                Err(text) => self.text(now, &text),
            },
            Read::Binary(packed) => self.binary(now, packed),
            Read::Closed { code, reason } => {
                observe::closed(code, &reason);
                self.lost(now, Lost::Closed { code });
            }
            Read::Cut(error) => {
                observe::cut(&error);
                let stalled = error.kind() == io::ErrorKind::TimedOut;
                self.lost(now, if stalled { Lost::WriteStall } else { Lost::Cut });
            }
            Read::Broken => self.lost(now, Lost::BrokenFrame),
            Read::TooLong => self.lost(now, Lost::TooLong),
        }
    }

    /// Text by another name.
    fn plain(&mut self, now: Instant, bytes: Bytes) {
        if bytes.len() > batch::BYTES_MAX {
            // Not copied: the two together might be twice the limit of one.
            self.owned(now, bytes.into());
            return;
        }
        match str::from_utf8(&bytes) {
            Ok(text) => self.text(now, text),
            Err(_) => self.garbled(now, None),
        }
    }

    /// A binary message: compressed where that was asked for and its content agrees, else text by
    /// another name.
    fn binary(&mut self, now: Instant, packed: Bytes) {
        let inflate = self.link.opened().and_then(|open| open.inflate.as_ref());
        if inflate.is_none_or(|inflate| inflate.is_plain(&packed)) {
            self.plain(now, packed);
            return;
        }
        let lent = SCRATCH.with(|scratch| scratch.try_borrow_mut().map(|mut s| mem::take(&mut *s)));
        let mut scratch = lent.unwrap_or_default();
        self.inflate(now, &packed, &mut scratch);
        // What a broken connection left there is no beginning of another's message.
        scratch.clear();
        if scratch.capacity() <= SCRATCH_MAX {
            SCRATCH.with(|kept| {
                if let Ok(mut kept) = kept.try_borrow_mut() {
                    *kept = scratch;
                }
            });
        }
    }

    fn inflate(&mut self, now: Instant, packed: &[u8], scratch: &mut Output) {
        let Some(open) = self.link.opened() else {
            return;
        };
        let Some(inflate) = &mut open.inflate else {
            return;
        };
        if open.partial.len() > 0 {
            *scratch = mem::take(&mut open.partial);
        }
        match inflate.push_to(packed, scratch) {
            Ok(true) => self.inflated(now, scratch),
            Ok(false) if scratch.len() == 0 => {}
            // The rest may come while another thread has this task.
            Ok(false) => open.partial = mem::take(scratch),
            Err(error) => {
                observe::compression_failed();
                let (lost, what) = match error {
                    InflateError::Broken => (Lost::Compression, "broken"),
                    InflateError::TooLong => (Lost::TooLong, "longer than the limit"),
                };
                let message = format!("a compressed message was {what}");
                let error = Error::new(ErrorKind::Compression, message);
                self.writer.fail(error, self.cursor);
                self.lost(now, lost);
            }
        }
    }

    /// A complete message, which leaves the buffer.
    fn inflated(&mut self, now: Instant, scratch: &mut Output) {
        if scratch.capacity() > SCRATCH_MAX {
            // The buffer does not stay, so it may as well be the message's own.
            self.owned(now, scratch.take());
            return;
        }
        match str::from_utf8(scratch.bytes()) {
            Ok(text) => self.text(now, text),
            Err(_) => self.garbled(now, None),
        }
        scratch.clear();
    }

    /// A complete message in a buffer that may be handed on.
    fn owned(&mut self, now: Instant, bytes: Vec<u8>) {
        match String::from_utf8(bytes) {
            Ok(text) => self.string(now, text),
            Err(_) => self.garbled(now, None),
        }
    }

    fn string(&mut self, now: Instant, mut text: String) {
        let Some(Passed { header, replayed }) = self.message(now, &text) else {
            return;
        };
        if text.len() > batch::BYTES_MAX {
            // It may wait for long, and only its length is counted.
            text.shrink_to_fit();
            self.writer.push_owned(text, header, replayed, self.cursor);
        } else {
            self.writer.push(&text, header, replayed, self.cursor);
        }
    }

    /// A complete message, which is copied where it is handed on.
    fn text(&mut self, now: Instant, text: &str) {
        let Some(Passed { header, replayed }) = self.message(now, text) else {
            return;
        };
        if text.len() > batch::BYTES_MAX {
            let text = text.to_owned();
            self.writer.push_owned(text, header, replayed, self.cursor);
        } else {
            self.writer.push(text, header, replayed, self.cursor);
        }
    }

    /// Shows a message to the session, and passes it on where that is for the user, who wants it.
    fn message(&mut self, now: Instant, text: &str) -> Option<Passed> {
        let envelope = match Envelope::parse(text) {
            Ok(envelope) => envelope,
            Err(unreadable) => {
                self.garbled(now, unreadable.seq);
                return None;
            }
        };
        let header = envelope.header;
        let tape = &self.shared.tape;
        tape.put(now, || Taped::Message(text.to_owned()));
        let name = envelope.event().unwrap_or_default();
        // Of a damaged context, some texts have the form of an event but for its name.
        if header.op == 0
            && !name.is_empty()
            && let Some(open) = self.link.opened()
        {
            open.unreadable = 0;
        }
        observe::received(header.op, header.seq, text.len());
        let verdict = self.session.handle(now, Input::Message(&envelope));
        // What the session has to tell happened before this event.
        self.act(now);
        self.follow();
        let Verdict::Deliver { replayed } = verdict else {
            return None;
        };
        self.crowded |= self.shared.taps.offer(&envelope);
        self.shared.tally.add(&name);
        if observe::METERED {
            self.meter.take(&Measure::Event(P::known_event(&name)));
        }
        let wanted = self.shared.wants_event(&name);
        wanted.then_some(Passed { header, replayed })
    }

    /// A message that cannot be read. The link lives on.
    fn garbled(&mut self, now: Instant, seq: Option<u64>) {
        observe::garbled(seq);
        self.shared.tape.put(now, || Taped::Unreadable { seq });
        let _internal = self.session.handle(now, Input::Garbled { seq });
        self.act(now);
        self.follow();
        let error = Error::new(
            ErrorKind::Frame,
            "a message from the server could not be read",
        );
        self.writer.fail(error.with_seq(seq), self.cursor);
        self.judge_context(now);
    }

    /// A damaged compression context may go on to make unreadable text of every event, while acks
    /// come through: only a fresh one helps. A message or two that the server itself garbled are
    /// told apart by their number.
    fn judge_context(&mut self, now: Instant) {
        let Some(open) = self.link.opened() else {
            return;
        };
        open.unreadable = open.unreadable.saturating_add(1);
        if open.inflate.is_some() && open.unreadable >= UNREADABLE_MAX {
            observe::compression_failed();
            let message = "compressed messages could not be read time after time";
            let error = Error::new(ErrorKind::Compression, message);
            self.writer.fail(error, self.cursor);
            self.lost(now, Lost::Compression);
        }
    }
}
