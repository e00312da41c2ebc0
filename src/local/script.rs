//! How does it misbehave? Verbs, the moments at which they are spoken, and faults made of both.

use std::time::Duration;

/// One act of the server on one connection.
///
/// Steps run one after the other. While they run, the connection does nothing else: messages of
/// the client are recorded, and answered when the steps have ended. Then the ordinary service
/// goes on from wherever the steps left it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Acknowledge a heartbeat (op 11), whether or not there was one.
    Ack,
    /// Do what a well-behaved server does at this [`Moment`].
    Answer,
    /// Send this as a binary message, not compressed.
    Binary(Vec<u8>),
    /// Send a close frame with this code and wait for the client's. Codes with which the platform
    /// ends a session end it here too: on Discord 4003, 4004, 4006, 4007, 4009 to 4014, on QQ 4001
    /// to 4007 and 4010 to 4999.
    Close(u16),
    /// Send a close frame as given, with `None` for one without a code.
    CloseWith {
        /// The code.
        code: Option<u16>,
        /// The reason; cut to what a close frame holds.
        reason: String,
    },
    /// Invert the byte at this offset (modulo its length) of the next event's payload, after
    /// compression.
    CorruptNext(usize),
    /// Write only so many bytes of the next event's frame, then cut the connection.
    CutNext {
        /// How many bytes of the frame, its header included.
        byte: usize,
        /// Cut by reset; else by an ordinary end of the stream.
        reset: bool,
    },
    /// Write so many bytes at a time from here on, each piece this long after the one before it.
    Dribble {
        /// The bytes of one piece.
        bytes: usize,
        /// The pause between pieces.
        every: Duration,
    },
    /// Send the next event twice.
    DuplicateNext,
    /// End the connection (TCP FIN) in the middle of TLS, without the `close_notify` that tells an
    /// end from a cut. Where there is no TLS, it is as [`Fin`](Self::Fin).
    Eof,
    /// Wait until the client sends a message with this op. Messages with another op are recorded
    /// and otherwise ignored. [`Answer`](Self::Answer) then answers it.
    Expect(u64),
    /// End the connection in good order (TCP FIN).
    Fin,
    /// Invert the bit at this offset (modulo its length) of the next event's payload, after
    /// compression.
    FlipNext(usize),
    /// Send messages in fragments of at most so many bytes from here on; 0 ends it.
    Fragment(usize),
    /// Neither read nor write from here on, and keep the connection open.
    Hang,
    /// Say Hello (op 10), whether or not it was said before.
    Hello,
    /// Answer the request with this instead of the upgrade, then close.
    Http {
        /// The status code.
        status: u16,
        /// Headers beside `Content-Length` and `Connection`.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Say that the session is invalid (op 9). With `false` the session is really gone. On QQ the
    /// close follows: 4903 where IDENTIFY was answered, else 4902.
    InvalidSession(bool),
    /// Do not send the next event. Its number is used up: a gap.
    LoseNext,
    /// Read and record from here on, but write nothing, not even the end of the connection.
    Mute,
    /// Send these bytes as a message, compressed if the connection is. They need not be text.
    Pack(Vec<u8>),
    /// Send a WebSocket ping with this payload.
    Ping(Vec<u8>),
    /// Write these bytes as they are, before or after the upgrade.
    Raw(Vec<u8>),
    /// Start a session unchecked and send READY, with these members of its `d` set to a JSON text
    /// or, with `None`, left out.
    Ready(Vec<(String, Option<String>)>),
    /// Ask for a reconnect (op 7). On QQ, 4009 closes what is still open 250 ms later.
    Reconnect,
    /// Resume as asked, but never say RESUMED.
    Replay,
    /// Ask for a heartbeat (op 1).
    RequestHeartbeat,
    /// Number the events of this session from here on, forgetting those before. A number that was
    /// used before is what a server with a restarted sequence sends.
    Renumber(u64),
    /// Cut the connection hard: a TCP reset. What was written and not yet received is lost. A
    /// stream that is not TCP is dropped.
    Rst,
    /// Send this text as a message, compressed if the connection is.
    Send(String),
    /// Leave out so many numbers before the next event.
    SkipSequence(u64),
    /// Send the next event as several messages: its payload, after compression, cut at these
    /// offsets in rising order, and at its end where it is shorter.
    SplitNext(Vec<usize>),
    /// Send the next two events in the wrong order.
    SwapNext,
    /// Send this as a text message, not compressed.
    Text(String),
    /// Answer the request for a token with a token, unchecked, and with these members of the answer
    /// set to a JSON text or, with `None`, left out.
    Token(Vec<(String, Option<String>)>),
    /// Answer the request with the upgrade (status 101), without Hello.
    Upgrade,
    /// Wait.
    Wait(Duration),
}

/// When a [`Fault`] happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Moment {
    /// A connection was accepted and nothing was read. With [`Builder::tls`](super::Builder::tls),
    /// what is then written comes instead of or before TLS, which begins when the steps have ended
    /// or wait for the client.
    Accept,
    /// The client sent a close frame.
    Close,
    /// The client sent a command with this op.
    Command(u64),
    /// So many events went out on this connection. READY and RESUMED do not count; replayed
    /// events do. With 0, a session has begun or resumed on it and nothing of it was sent yet.
    Events(u64),
    /// A heartbeat came.
    Heartbeat,
    /// The upgrade is done, Hello is due.
    Hello,
    /// An IDENTIFY came.
    Identify,
    /// A REST request came, other than one for a token.
    Rest,
    /// A RESUME came.
    Resume,
    /// A request for a token came (QQ's `POST /app/getAppAccessToken`).
    Token,
    /// A request to upgrade came.
    Upgrade,
}

/// Something that goes wrong at a certain moment: [`Step`]s in place of the proper answer.
///
/// With no steps the server says nothing. The constructors below name the usual ones; any other
/// is made with [`Fault::at`].
///
/// ```
/// use shardstream::local::{Fault, Moment, Step};
///
/// // Accepts the resume, but says so only after an event too many.
/// let fault = Fault::at(Moment::Resume, [Step::Answer, Step::DuplicateNext]);
/// // Answers the first two heartbeats of the connection by nothing.
/// let lazy = Fault::withhold_acks().times(2);
/// # let _ = (fault, lazy);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) at: Moment,
    pub(super) steps: Vec<Step>,
    pub(super) left: Option<u32>,
}

impl Fault {
    /// These steps instead of the proper answer at that moment.
    pub fn at(at: Moment, steps: impl Into<Vec<Step>>) -> Self {
        let (steps, left) = (steps.into(), None);
        Self { at, steps, left }
    }

    /// It happens so many times and then no more. Without this, every time.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// The connection is reset as soon as it is accepted.
    pub fn rst_on_accept() -> Self {
        Self::at(Moment::Accept, [Step::Rst])
    }

    /// The connection is ended as soon as it is accepted.
    pub fn fin_on_accept() -> Self {
        Self::at(Moment::Accept, [Step::Fin])
    }

    /// The connection is accepted, and nothing is ever said, not even TLS.
    pub fn stall_on_accept() -> Self {
        Self::at(Moment::Accept, [Step::Hang])
    }

    /// The TLS handshake is refused by an alert, such as 40 for `handshake_failure` or 70 for
    /// `protocol_version` (RFC 8446 section 6).
    pub fn tls_alert(description: u8) -> Self {
        const FATAL: u8 = 2;
        let record = vec![21, 3, 3, 0, 2, FATAL, description];
        Self::at(Moment::Accept, [Step::Raw(record), Step::Fin])
    }

    /// The request to upgrade is never answered.
    pub fn stall_upgrade() -> Self {
        Self::at(Moment::Upgrade, [Step::Hang])
    }

    /// The request to upgrade is refused with this status.
    pub fn http(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        Self::at(Moment::Upgrade, [http(status, headers, body)])
    }

    /// REST requests are answered with this status.
    pub fn rest(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        Self::at(Moment::Rest, [http(status, headers, body)])
    }

    /// Requests for a token are answered with this status and body. Slower, larger or more broken
    /// answers are [`Step`]s at [`Moment::Token`].
    pub fn token(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        Self::at(Moment::Token, [http(status, headers, body)])
    }

    /// Requests for a token are refused as QQ does it: with this code, by an answer of status 200.
    /// 100016 and 100007 are for wrong credentials, 100001 is for too many requests.
    pub fn refuse_token(code: u32) -> Self {
        let body = format!(r#"{{"code":{code},"message":"refused"}}"#);
        Self::token(200, &[("Content-Type", "application/json")], &body)
    }

    /// The answer with the token lacks this member: `access_token` or `expires_in`.
    pub fn token_without(member: &str) -> Self {
        let edits = vec![(member.to_owned(), None)];
        Self::at(Moment::Token, [Step::Token(edits)])
    }

    /// The answer with the token has this member with this JSON text as its value.
    pub fn token_with(member: &str, value: &str) -> Self {
        let edits = vec![(member.to_owned(), Some(value.to_owned()))];
        Self::at(Moment::Token, [Step::Token(edits)])
    }

    /// No Hello comes.
    pub fn no_hello() -> Self {
        Self::at(Moment::Hello, [])
    }

    /// Hello has this JSON text as its `heartbeat_interval`.
    pub fn hello_interval(interval: &str) -> Self {
        let hello = format!(r#"{{"op":10,"d":{{"heartbeat_interval":{interval}}}}}"#);
        Self::at(Moment::Hello, [Step::Send(hello)])
    }

    /// Hello is late.
    pub fn late_hello(delay: Duration) -> Self {
        Self::at(Moment::Hello, [Step::Wait(delay), Step::Answer])
    }

    /// Heartbeats are not acknowledged.
    pub fn withhold_acks() -> Self {
        Self::at(Moment::Heartbeat, [])
    }

    /// Heartbeats are acknowledged twice.
    pub fn duplicate_acks() -> Self {
        Self::at(Moment::Heartbeat, [Step::Ack, Step::Ack])
    }

    /// Heartbeats are acknowledged late.
    pub fn late_acks(delay: Duration) -> Self {
        Self::at(Moment::Heartbeat, [Step::Wait(delay), Step::Ack])
    }

    /// IDENTIFY is answered by nothing.
    pub fn no_ready() -> Self {
        Self::at(Moment::Identify, [])
    }

    /// IDENTIFY is answered by op 9.
    pub fn refuse_identify(resumable: bool) -> Self {
        Self::at(Moment::Identify, [Step::InvalidSession(resumable)])
    }

    /// IDENTIFY is answered by a close frame.
    pub fn close_on_identify(code: u16) -> Self {
        Self::at(Moment::Identify, [Step::Close(code)])
    }

    /// READY lacks this member, such as `session_id` or `resume_gateway_url`.
    pub fn ready_without(member: &str) -> Self {
        let edits = vec![(member.to_owned(), None)];
        Self::at(Moment::Identify, [Step::Ready(edits)])
    }

    /// READY has this member with this JSON text as its value.
    pub fn ready_with(member: &str, value: &str) -> Self {
        let edits = vec![(member.to_owned(), Some(value.to_owned()))];
        Self::at(Moment::Identify, [Step::Ready(edits)])
    }

    /// RESUME is answered by op 9, and with `false` the session is really gone.
    pub fn refuse_resume(resumable: bool) -> Self {
        Self::at(Moment::Resume, [Step::InvalidSession(resumable)])
    }

    /// RESUME is answered by nothing at all.
    pub fn ignore_resume() -> Self {
        Self::at(Moment::Resume, [])
    }

    /// RESUME is answered by the missed events, but never by RESUMED.
    pub fn no_resumed() -> Self {
        Self::at(Moment::Resume, [Step::Replay])
    }

    /// RESUME is answered by a close frame.
    pub fn close_on_resume(code: u16) -> Self {
        Self::at(Moment::Resume, [Step::Close(code)])
    }

    /// The connection is reset after so many events. On a resumed connection replayed events
    /// count, so this cuts a replay too.
    pub fn rst_after(events: u64) -> Self {
        Self::at(Moment::Events(events), [Step::Rst])
    }

    /// The connection is ended after so many events.
    pub fn fin_after(events: u64) -> Self {
        Self::at(Moment::Events(events), [Step::Fin])
    }

    /// The connection ends without a word of TLS after so many events.
    pub fn eof_after(events: u64) -> Self {
        Self::at(Moment::Events(events), [Step::Eof])
    }

    /// The connection is closed with this code after so many events.
    pub fn close_after(events: u64, code: u16) -> Self {
        Self::at(Moment::Events(events), [Step::Close(code)])
    }

    /// After so many events the next one is cut at that byte of its frame, by a reset.
    pub fn cut_within(events: u64, byte: usize) -> Self {
        let step = Step::CutNext { byte, reset: true };
        Self::at(Moment::Events(events), [step])
    }

    /// After so many events nothing is read or written any more.
    pub fn hang_after(events: u64) -> Self {
        Self::at(Moment::Events(events), [Step::Hang])
    }

    /// From the answer to the upgrade on, so many bytes are written at a time.
    pub fn dribble(bytes: usize, every: Duration) -> Self {
        Self::at(
            Moment::Upgrade,
            [Step::Dribble { bytes, every }, Step::Answer],
        )
    }

    /// Messages come in fragments of at most so many bytes.
    pub fn fragment(bytes: usize) -> Self {
        Self::at(Moment::Upgrade, [Step::Fragment(bytes), Step::Answer])
    }
}

fn http(status: u16, headers: &[(&str, &str)], body: &str) -> Step {
    Step::Http {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}
