//! What is it doing? Events of the machinery, declared once.
//! Imports the words; knows no session and no socket.
//!
//! Each function is one event. Levels say who must act: error, a human; warn, nobody yet, but the
//! bot is worse off; info, the course of a connection; debug, decisions; trace, frames. No
//! payload, token or session id is among the fields, and text that a peer chose is escaped.

#[cfg(feature = "metrics")]
mod meter;
#[cfg(test)]
pub(crate) mod watch;

use std::{fmt, time::Duration};

use tracing::{Span, debug, error, info, info_span, trace, warn};

#[cfg(feature = "metrics")]
pub(crate) use self::meter::Meter;
use crate::{
    error::{Error, ErrorKind, Escaped},
    id::ShardId,
    notice::Notice,
    platform::GatewayUrl,
    session::{Counters, State},
};

/// The span of everything that one shard does.
pub(crate) fn shard(platform: &'static str, id: ShardId) -> Span {
    // Nothing is logged before a shard is made or a token fetched, so nothing escapes.
    #[cfg(test)]
    watch::install();
    info_span!("shard", platform, shard = id.number(), total = id.total())
}

/// What the shard waits for has changed.
pub(crate) fn state(state: &impl fmt::Debug) {
    debug!(?state, "state changed");
}

/// A connection is being opened.
pub(crate) fn connecting(url: &GatewayUrl) {
    debug!(host = %Escaped(url.host()), port = url.port(), "connecting");
}

/// The platform has told where its gateway is.
pub(crate) fn discovered(url: &GatewayUrl) {
    debug!(host = %Escaped(url.host()), port = url.port(), "discovered the gateway");
}

/// An attempt to connect failed.
pub(crate) fn connect_failed(error: &Error, status: Option<u16>) {
    warn!(error = %escaped(error), status, "could not connect");
}

/// The server closed the connection.
pub(crate) fn closed(code: Option<u16>, reason: &str) {
    debug!(code, reason = %Escaped(reason), "the server closed");
}

/// The connection ended in another way.
pub(crate) fn cut(error: &dyn fmt::Display) {
    debug!(error = %Escaped(error.to_string()), "the connection was cut");
}

/// IDENTIFY was handed to the socket.
pub(crate) fn identify() {
    info!("identifying");
}

/// RESUME was handed to the socket.
pub(crate) fn resume(seq: Option<u64>) {
    info!(seq, "resuming");
}

/// No permit to identify, or no credential, could be had.
pub(crate) fn permit_refused(error: &Error) {
    warn!(error = %escaped(error), "no permit or credential");
}

/// All identifies that may be used of the day's limit are.
pub(crate) fn budget_spent(error: &Error) {
    error!(error = %escaped(error), "no identifies are left");
}

/// The limits of identifies could not be asked for anew; the old ones are kept.
pub(crate) fn limits_not_refreshed(error: &dyn fmt::Display) {
    warn!(error = %Escaped(error.to_string()), "the identify limits could not be refreshed");
}

/// An access token was fetched; it is used for so long.
#[allow(
    dead_code,
    reason = "only some platforms have such tokens, and they may not be built in"
)]
pub(crate) fn token_fetched(fresh_for: Duration) {
    #[cfg(test)]
    watch::install();
    debug!(fresh_for_s = fresh_for.as_secs(), "fetched an access token");
}

/// A message could not be read.
pub(crate) fn garbled(seq: Option<u64>) {
    warn!(seq, "a message could not be read");
}

/// Compressed data could not be undone.
pub(crate) fn compression_failed() {
    warn!("compressed data was broken or too large");
}

/// Nobody has taken an event for a while, though some wait.
pub(crate) fn unpolled(events: usize) {
    warn!(events, "nobody takes the events that wait");
}

/// The session to start from belongs to another shard.
pub(crate) fn resume_of_another_shard(theirs: ShardId) {
    warn!(%theirs, "the session to start from is of another shard and is ignored");
}

/// A handler of the user panicked.
#[cfg(feature = "handler")]
pub(crate) fn handler_panicked(event: &str) {
    error!(event = %Escaped(event), "a handler panicked");
}

/// Handlers took too long when the bot ended.
#[cfg(feature = "handler")]
pub(crate) fn handlers_dropped(count: usize) {
    warn!(count, "handlers that still ran were dropped");
}

/// A message came.
pub(crate) fn received(op: u64, seq: Option<u64>, len: usize) {
    trace!(op, seq, len, "received");
}

/// A message was handed to the socket.
pub(crate) fn sent(len: usize) {
    trace!(len, "sent");
}

/// The shard has ended.
pub(crate) fn ended(why: &Error) {
    if why.kind() == ErrorKind::Shutdown {
        info!(reason = %escaped(why), "the shard has ended");
    } else {
        error!(error = %escaped(why), code = why.close_code(), "the shard has ended");
    }
}

/// Something that the user is told as well.
pub(crate) fn notice(notice: &Notice) {
    match notice {
        Notice::Connected => info!("connected"),
        Notice::Disconnected {
            cause,
            resumable,
            retry_in,
        } => disconnected(cause, *resumable, *retry_in),
        Notice::Gap { after, next } => warn!(after, next, "events are missing"),
        Notice::IdentifyHeldBack { next_in } => {
            warn!(
                next_in_s = next_in.as_secs(),
                "identifies are spaced: much of the day's limit is used"
            );
        }
        Notice::ReadingResumed => info!("reading goes on"),
        Notice::RecordingEnded { why } => warn!(why = %Escaped(why), "the recording ended"),
        Notice::Resumed { replayed } => info!(replayed, "resumed"),
        Notice::SessionLost { last_seq } => warn!(seq = last_seq, "the session is lost"),
        Notice::SlowConsumer { events, bytes } => {
            warn!(
                events,
                bytes, "the buffer of events is full and reading pauses"
            );
        }
    }
}

fn disconnected(cause: &dyn fmt::Display, resumable: bool, retry_in: Duration) {
    // As a number: `Duration` writes a character beyond ASCII for microseconds.
    let retry_in_ms = retry_in.as_millis();
    info!(%cause, resumable, retry_in_ms, "disconnected");
}

/// An error, whoever wrote its text: queues and credential sources of the user may quote a peer.
fn escaped(error: &Error) -> Escaped<String> {
    Escaped(error.to_string())
}

/// What a metric is made from: what has to be worked out for it alone is, where [`METERED`].
#[cfg_attr(
    not(feature = "metrics"),
    allow(dead_code, reason = "then nobody reads what nobody measures")
)]
pub(crate) enum Measure<'a> {
    /// An attempt to connect failed.
    ConnectFailed,
    /// What adds up, as it is by now.
    Counted {
        counters: Counters,
        /// Read and written.
        bytes: (u64, u64),
        buffered: usize,
        ready: bool,
    },
    /// The shard has ended.
    Ended(ErrorKind),
    /// An event was received, by its name where the platform's table has it.
    Event(Option<&'static str>),
    /// A heartbeat was acknowledged.
    Latency(Duration),
    /// The user is told.
    Notice(&'a Notice),
    /// To identify is allowed, after so long.
    PermitGranted(Duration),
    /// No permit to identify, or no credential, could be had.
    PermitRefused,
    /// The server closed for good.
    Refused,
    /// What the shard waits for has changed.
    State(State),
}

/// Whether anything is measured.
pub(crate) const METERED: bool = cfg!(feature = "metrics");

/// Measures nothing.
#[cfg(not(feature = "metrics"))]
#[derive(Debug)]
pub(crate) struct Meter;

#[cfg(not(feature = "metrics"))]
#[allow(
    clippy::needless_pass_by_ref_mut,
    clippy::unused_self,
    reason = "as the one that measures"
)]
impl Meter {
    pub(crate) const fn new(_: &'static str, _: ShardId) -> Self {
        Self
    }

    pub(crate) const fn take(&mut self, _: &Measure<'_>) {}
}

/// Everything that is logged, at every level, as text: for tests that look for secrets.
#[cfg(test)]
pub(crate) mod capture {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        pub(crate) fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
            tracing_subscriber::fmt()
                .with_writer(self.clone())
                .with_ansi(false)
                .with_max_level(tracing::Level::TRACE)
                .finish()
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            super::watch::judge(bytes);
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::capture::Log;
    use crate::{
        error::{Error, ErrorKind, Escaped},
        id::ShardId,
    };

    #[test]
    fn hostile_text_cannot_leave_its_field() {
        let hostile = "\x1b[31mred\r\nWARN forged \u{202e}\0\"";
        let shown = Escaped(hostile).to_string();
        assert!(shown.bytes().all(|b| (0x20..0x7f).contains(&b)), "{shown}");
        assert!(Escaped("a".repeat(10_000)).to_string().len() <= 259);

        let log = Log::default();
        tracing::subscriber::with_default(log.subscriber(), || {
            let span = super::shard("discord", ShardId::ONE);
            let _entered = span.enter();
            super::closed(Some(4000), hostile);
            super::ended(&Error::new(ErrorKind::Refused, "no").with_close_code(4004));
        });
        let text = log.text();
        assert_eq!(text.lines().count(), 2, "{text}");
        let plain = |b: u8| b == b'\n' || (0x20..0x7f).contains(&b);
        assert!(text.bytes().all(plain), "{text}");
        assert!(
            text.contains("shard=0") && text.contains("code=4004"),
            "{text}"
        );
    }
}
