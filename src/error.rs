//! Whose fault is it, and what happens next? One error type for the whole crate.
//! Imports nothing of the crate.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

use compact_str::CompactString;

/// Why something went wrong, whose fault it is, and what the shard does next.
///
/// An error never carries a payload or a secret. It is cheap to clone: a shard that ended fatally
/// gives the same error again whenever it is asked for an event.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    close_code: Option<u16>,
    event: Option<CompactString>,
    seq: Option<u64>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of trouble it is: whose fault, and what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A command was refused before it was sent (the caller's). The shard goes on.
    Command,
    /// Compressed data was broken or too large (the server's). The shard reconnects and resumes.
    Compression,
    /// A value of the configuration cannot work (the caller's). Fatal; nothing was connected.
    Configuration,
    /// An attempt to connect failed (the network's or the server's). The shard keeps its session
    /// and tries again after a growing delay.
    Connect,
    /// The credentials were refused for good. Fatal.
    Credentials,
    /// The payload of a known event could not be decoded (the server's or ours). Its sequence
    /// counts as received and the shard goes on.
    Event,
    /// A frame was not a readable gateway message (the server's). The shard goes on.
    Frame,
    /// A handler panicked (the caller's). The shard and the other handlers go on.
    Handler,
    /// All identifies that may be used of the day's limit are (nobody's, or that of a bot that
    /// loses its sessions too often). The shard waits, and identifies when the limit lets it.
    IdentifyLimit,
    /// The outbound [proxy](crate::Proxy) could not be reached, refused, stalled, or is none (the
    /// proxy's, or that of who set it). The shard keeps its session and tries again after a growing
    /// delay. The message says which proxy, and what it answered.
    Proxy,
    /// The server said by its close code that no reconnect can help. Fatal.
    Refused,
    /// The shard was shut down on request. Fatal in the sense that no more events come.
    Shutdown,
    /// A request was sent and no complete answer came (the server's or the network's). The shard
    /// goes on; asking again may help.
    Unanswered,
}

impl ErrorKind {
    /// A short stable name in snake case, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Compression => "compression",
            Self::Configuration => "configuration",
            Self::Connect => "connect",
            Self::Credentials => "credentials",
            Self::Event => "event",
            Self::Frame => "frame",
            Self::Handler => "handler",
            Self::IdentifyLimit => "identify_limit",
            Self::Proxy => "proxy",
            Self::Refused => "refused",
            Self::Shutdown => "shutdown",
            Self::Unanswered => "unanswered",
        }
    }

    /// Whether a shard that gave such an error never gives an event again.
    pub const fn is_fatal(self) -> bool {
        matches!(
            self,
            Self::Configuration | Self::Credentials | Self::Refused | Self::Shutdown
        )
    }
}

impl Error {
    /// An error of your own, for a [`Queue`](crate::queue::Queue) or a
    /// [`CredentialSource`](crate::CredentialSource) that you bring.
    ///
    /// The kind decides what the shard does: [`Connect`](ErrorKind::Connect) has it ask again after
    /// a growing delay, one that [is fatal](ErrorKind::is_fatal) ends it. The message is shown and
    /// logged, and must hold no secret.
    ///
    /// ```
    /// use shardstream::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Connect, "the queue does not answer");
    /// assert!(!error.is_fatal());
    /// ```
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            close_code: None,
            event: None,
            seq: None,
            source: None,
        }))
    }

    /// The same error, with what caused it. For errors that you make; call it before the error is
    /// cloned.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.edit(|inner| inner.source = Some(source.into()))
    }

    /// The kind: whose fault, and what happens next.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the shard has ended: it reconnects no more, and gives this error for ever.
    pub fn is_fatal(&self) -> bool {
        self.0.kind.is_fatal()
    }

    /// The close code that the server sent, where one caused this.
    pub fn close_code(&self) -> Option<u16> {
        self.0.close_code
    }

    /// The name of the event whose payload could not be decoded.
    pub fn event_name(&self) -> Option<&str> {
        self.0.event.as_deref()
    }

    /// The sequence number of the frame that could not be read, where it was legible.
    pub fn seq(&self) -> Option<u64> {
        self.0.seq
    }

    pub(crate) fn with_close_code(self, code: u16) -> Self {
        self.edit(|inner| inner.close_code = Some(code))
    }

    pub(crate) fn with_event(self, name: impl Into<CompactString>) -> Self {
        self.edit(|inner| inner.event = Some(name.into()))
    }

    pub(crate) fn with_seq(self, seq: Option<u64>) -> Self {
        self.edit(|inner| inner.seq = seq)
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        // Only called while building, before the first clone: there is always one owner.
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
        self
    }
}

/// Shows printable ASCII: what others wrote is escaped, and cut at 256 characters.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Error");
        shown.field("kind", &self.0.kind);
        shown.field("message", &Escaped(&self.0.message));
        if let Some(code) = self.0.close_code {
            shown.field("close_code", &code);
        }
        if let Some(name) = &self.0.event {
            shown.field("event", &Escaped(name));
        }
        if let Some(seq) = self.0.seq {
            shown.field("seq", &seq);
        }
        if let Some(source) = &self.0.source {
            // Displayed, not debugged: a foreign Debug may show a payload.
            shown.field("source", &Escaped(source.to_string()));
        }
        shown.finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

/// Of text that a peer chose, so much is shown.
const SHOWN_MAX: usize = 256;

/// Text that a peer chose, fit for a log: printable ASCII, everything else escaped, and cut.
pub(crate) struct Escaped<T>(pub(crate) T);

impl<T: AsRef<str>> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = SHOWN_MAX;
        for shown in self.0.as_ref().chars().flat_map(char::escape_default) {
            if left == 0 {
                return f.write_str("...");
            }
            left -= 1;
            fmt::Write::write_char(f, shown)?;
        }
        Ok(())
    }
}

/// As a text is, between quotes.
impl<T: AsRef<str>> fmt::Debug for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, ErrorKind};

    #[test]
    fn what_others_wrote_is_escaped_and_cut_where_an_error_is_debugged() {
        for hostile in [
            "\u{1b}[31mred",
            "a\r\nb",
            "\u{202e}",
            "\0",
            "\u{9b}1m",
            "名",
        ] {
            let long = hostile.repeat(1 << 16);
            let error = Error::new(ErrorKind::Event, long.clone())
                .with_event(long.as_str())
                .with_source(long.as_str());
            let shown = format!("{error:?}");
            assert!(shown.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            assert!(shown.len() < 1000, "{}", shown.len());
            // Who wants all of it asks for it.
            assert_eq!(error.event_name(), Some(&*long));
        }
    }
}
