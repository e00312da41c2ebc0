//! How does HTTP become WebSocket? One request, one answer, bounded in bytes, headers and work.
//!
//! RFC 6455 section 4.1. The library's own client reads answers without a limit and stops the
//! program at an overlong `Sec-WebSocket-Accept`.

use std::{fmt, io, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use httparse::{EMPTY_HEADER, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::retry_after;
use crate::{limits::Limits, platform::GatewayUrl};

/// What this library calls itself in requests. Some gateways refuse clients without a name.
pub(crate) const USER_AGENT: &str = concat!("shardstream/", env!("CARGO_PKG_VERSION"));

/// RFC 6455 section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// So much is read at once; what lies behind the answer is kept, and is this at most.
const STEP: usize = 1024;

/// Why there is no WebSocket.
#[derive(Debug)]
pub(super) struct Refused {
    /// The status of an answer that was no upgrade.
    pub(super) status: Option<u16>,
    /// Its `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    pub(super) why: Why,
}

/// What was wrong. Nothing of the answer is repeated but its status.
#[derive(Debug)]
pub(super) enum Why {
    Accept,
    Connection,
    Extension,
    Io(io::Error),
    NotHttp,
    Protocol,
    Status(u16),
    TooLong,
    TooManyHeaders,
    Upgrade,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "Sec-WebSocket-Accept is not the answer to our key",
            Self::Connection => "the answer has no `Connection: upgrade`",
            Self::Extension => "the answer has an extension that was not asked for",
            Self::Io(error) => return error.fmt(f),
            Self::NotHttp => "the answer is not HTTP/1.1",
            Self::Protocol => "the answer has a subprotocol that was not asked for",
            Self::Status(status) => return write!(f, "HTTP status {status} instead of 101"),
            Self::TooLong => "the answer is too long",
            Self::TooManyHeaders => "the answer has too many headers",
            Self::Upgrade => "the answer has no `Upgrade: websocket`",
        })
    }
}

impl std::error::Error for Why {}

impl From<Why> for Refused {
    fn from(why: Why) -> Self {
        Self {
            status: None,
            retry_after: None,
            why,
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Why::Io(error).into()
    }
}

/// Switches `io` to WebSocket; the bytes that came behind the answer.
pub(super) async fn upgrade<T: AsyncRead + AsyncWrite + Unpin>(
    io: &mut T,
    url: &GatewayUrl,
    query: &str,
    limits: &Limits,
) -> Result<Bytes, Refused> {
    let key = STANDARD.encode(fastrand::u128(..).to_ne_bytes());
    io.write_all(request(url, query, &key).as_bytes()).await?;
    io.flush().await?;
    let (head, early) = read_head(io, limits).await?;
    check(&head, &accept(&key), limits)?;
    Ok(early)
}

fn request(url: &GatewayUrl, query: &str, key: &str) -> String {
    format!(
        "GET {path}{query} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\
         \r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nUser-Agent: {USER_AGENT}\r\n\
         \r\n",
        path = url.path(),
        host = host_header(url),
    )
}

/// The value of `Host`: the port only where it is not the scheme's own.
pub(crate) fn host_header(url: &GatewayUrl) -> String {
    let host = if url.host().contains(':') {
        format!("[{}]", url.host())
    } else {
        url.host().to_owned()
    };
    match (url.is_tls(), url.port()) {
        (true, 443) | (false, 80) => host,
        (_, port) => format!("{host}:{port}"),
    }
}

/// The only right `Sec-WebSocket-Accept` for a key.
fn accept(key: &str) -> String {
    let mut sha1 = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    sha1.update(key.as_bytes());
    sha1.update(GUID.as_bytes());
    STANDARD.encode(sha1.finish())
}

/// The answer up to its empty line, and what came behind it. Looks at each byte once.
pub(super) async fn read_head<T: AsyncRead + Unpin>(
    io: &mut T,
    limits: &Limits,
) -> Result<(Bytes, Bytes), Refused> {
    const END: &[u8] = b"\r\n\r\n";
    let mut answer = Vec::with_capacity(STEP);
    loop {
        let seen = answer.len();
        let room = STEP.min(limits.upgrade_len_max.saturating_sub(seen));
        if room == 0 {
            return Err(Why::TooLong.into());
        }
        let step = u64::try_from(room).unwrap_or(u64::MAX);
        if (&mut *io).take(step).read_buf(&mut answer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let from = seen.saturating_sub(END.len() - 1);
        if let Some(at) = memchr::memmem::find(&answer[from..], END) {
            let mut head = Bytes::from(answer);
            let early = head.split_off(from + at + END.len());
            return Ok((head, early));
        }
    }
}

fn check(head: &[u8], accept: &str, limits: &Limits) -> Result<(), Refused> {
    let mut headers = vec![EMPTY_HEADER; limits.upgrade_headers_max];
    let mut answer = Response::new(&mut headers);
    match answer.parse(head) {
        Ok(status) if status.is_complete() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Why::TooManyHeaders.into()),
        Ok(_) | Err(_) => return Err(Why::NotHttp.into()),
    }
    let values = |name: &'static str| {
        let wanted = move |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
        let headers = answer.headers.iter().filter(wanted);
        headers.map(|header| header.value.trim_ascii())
    };
    let tokens = |name| values(name).flat_map(|value| value.split(|&b| b == b','));
    let has = |name, token: &[u8]| {
        let mut tokens = tokens(name).map(<[u8]>::trim_ascii);
        tokens.any(|other| other.eq_ignore_ascii_case(token))
    };
    if answer.version != Some(1) {
        return Err(Why::NotHttp.into());
    }
    if let Some(status) = answer.code.filter(|&status| status != 101) {
        let date = values("Date").next();
        let asked = values("Retry-After").next();
        return Err(Refused {
            status: Some(status),
            retry_after: asked.and_then(|value| retry_after::parse(value, date)),
            why: Why::Status(status),
        });
    }
    let mut accepts = values("Sec-WebSocket-Accept");
    let accepted = accepts.next() == Some(accept.as_bytes()) && accepts.next().is_none();
    let why = match () {
        () if !has("Upgrade", b"websocket") => Why::Upgrade,
        () if !has("Connection", b"upgrade") => Why::Connection,
        () if !accepted => Why::Accept,
        () if values("Sec-WebSocket-Extensions").next().is_some() => Why::Extension,
        () if values("Sec-WebSocket-Protocol").next().is_some() => Why::Protocol,
        () => return Ok(()),
    };
    Err(why.into())
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::{Refused, Why, accept, request, upgrade};
    use crate::{limits::Limits, platform::GatewayUrl};

    /// A server that answers every request with `answer`, `step` bytes at a time, the right
    /// accept value in place of `{accept}`.
    struct Server {
        answer: Vec<u8>,
        at: usize,
        step: usize,
        request: Vec<u8>,
        template: Vec<u8>,
    }

    impl Server {
        fn new(template: impl Into<Vec<u8>>, step: usize) -> Self {
            Self {
                answer: Vec::new(),
                at: 0,
                step,
                request: Vec::new(),
                template: template.into(),
            }
        }
    }

    impl AsyncRead for Server {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.answer.is_empty() {
                let request = String::from_utf8(self.request.clone()).unwrap();
                let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap();
                let accept = accept(key.split("\r\n").next().unwrap());
                let mark = b"{accept}";
                self.answer = self.template.clone();
                if let Some(at) = memchr::memmem::find(&self.answer, mark) {
                    self.answer.splice(at..at + mark.len(), accept.bytes());
                }
            }
            let n = self
                .step
                .min(buf.remaining())
                .min(self.answer.len() - self.at);
            buf.put_slice(&self.answer[self.at..self.at + n]);
            self.at += n;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Server {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.request.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";

    async fn run(template: impl Into<Vec<u8>>, step: usize) -> (Result<Vec<u8>, Refused>, Server) {
        let url = GatewayUrl::configured("wss://gateway.discord.gg").unwrap();
        let mut server = Server::new(template, step);
        let result = upgrade(&mut server, &url, "?v=10", &Limits::default()).await;
        (result.map(Into::into), server)
    }

    async fn refused(template: impl Into<Vec<u8>>) -> Refused {
        run(template, 1 << 20).await.0.unwrap_err()
    }

    #[test]
    fn the_request_is_what_the_rfc_asks_for() {
        let url = GatewayUrl::configured("wss://gateway.discord.gg").unwrap();
        assert_eq!(
            request(&url, "?v=10&encoding=json", "KEY"),
            format!(
                "GET /?v=10&encoding=json HTTP/1.1\r\nHost: gateway.discord.gg\r\n\
                 Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: KEY\r\nUser-Agent: shardstream/{}\r\n\r\n",
                env!("CARGO_PKG_VERSION")
            )
        );
        let hosts = [
            ("ws://127.0.0.1:9000", "127.0.0.1:9000"),
            ("ws://localhost", "localhost"),
            ("wss://[::1]:443/a", "[::1]"),
            ("wss://example.com:80", "example.com:80"),
        ];
        for (url, host) in hosts {
            let url = GatewayUrl::configured(url).unwrap();
            assert!(
                request(&url, "", "KEY").contains(&format!("Host: {host}\r\n")),
                "{host}"
            );
        }
    }

    /// RFC 6455 section 1.3 gives this pair.
    #[test]
    fn the_accept_value_is_the_rfcs() {
        assert_eq!(
            accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[tokio::test]
    async fn bytes_behind_the_answer_are_kept_whatever_the_segments() {
        let early = b"\x81\x02{}\r\n\r\nand more";
        let answer = [GOOD.as_bytes(), early].concat();
        for step in 1..answer.len() + 40 {
            let (kept, server) = run(answer.clone(), step).await;
            let kept = kept.unwrap();
            assert!(early.starts_with(&kept), "{step}");
            // What was not taken is still in the stream.
            assert_eq!(
                kept.len() + server.answer.len() - server.at,
                early.len(),
                "{step}"
            );
        }
    }

    #[tokio::test]
    async fn header_names_and_tokens_are_read_in_any_case() {
        let answer = "HTTP/1.1 101 \r\nUPGRADE:websocket\r\nconnection:UPGRADE\r\n\
            sec-websocket-accept:   {accept}  \r\nServer: x\r\n\r\n";
        assert_eq!(run(answer, 7).await.0.unwrap(), b"");
    }

    #[tokio::test]
    async fn an_answer_that_is_no_upgrade_is_refused() {
        let long = "A".repeat(64);
        for (answer, why) in [
            (
                GOOD.replace("{accept}", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                "Accept",
            ),
            (GOOD.replace("{accept}", &long), "Accept"),
            (GOOD.replace("{accept}", "{accept}{accept}"), "Accept"),
            (GOOD.replace("{accept}", ""), "Accept"),
            (GOOD.replace("{accept}", "\u{fffd}"), "Accept"),
            (GOOD.replace("Sec-WebSocket-Accept", "X"), "Accept"),
            (
                GOOD.replace("{accept}", "{accept}\r\nSec-WebSocket-Accept: x"),
                "Accept",
            ),
            (
                GOOD.replace("Upgrade: WebSocket", "Upgrade: h2c"),
                "Upgrade",
            ),
            (GOOD.replace("Upgrade: WebSocket\r\n", ""), "Upgrade"),
            (GOOD.replace("keep-alive, Upgrade", "close"), "Connection"),
            (
                GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n"),
                "Extension",
            ),
            (
                GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: x\r\n\r\n"),
                "Protocol",
            ),
            (GOOD.replace("HTTP/1.1", "HTTP/1.0"), "NotHttp"),
            (GOOD.replace("HTTP/1.1", "ICY"), "NotHttp"),
            (GOOD.replace("Upgrade: W", "Upgrade: \0W"), "NotHttp"),
            (GOOD.replace("Upgrade: W", "Upgrade: \rW"), "NotHttp"),
            ("SSH-2.0-x\r\n\r\n".to_owned(), "NotHttp"),
            (GOOD.replace("101", "200"), "Status(200)"),
            (GOOD.replace("101", "302"), "Status(302)"),
        ] {
            let refused = refused(answer.clone()).await;
            assert_eq!(format!("{:?}", refused.why), why, "{answer}");
        }
    }

    #[tokio::test]
    async fn other_answers_give_their_status_and_delay_and_their_body_stays_unread() {
        let body = "x".repeat(10 << 20);
        let head = "HTTP/1.1 429 Slow down\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        for (delay, expected) in [
            ("Retry-After: 7\r\n", Some(7)),
            ("retry-after: 1000000000\r\n", Some(1_000_000_000)),
            ("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n", Some(60)),
            ("Retry-After: later\r\n", None),
            ("", None),
        ] {
            let (result, server) = run(format!("{head}{delay}\r\n{body}"), 1 << 20).await;
            let refused = result.unwrap_err();
            assert_eq!(refused.status, Some(429));
            assert_eq!(
                refused.retry_after,
                expected.map(Duration::from_secs),
                "{delay}"
            );
            assert!(server.at <= 4096);
            assert!(!refused.why.to_string().contains("Slow"));
        }
    }

    #[tokio::test]
    async fn an_endless_answer_ends_at_the_limit() {
        let limit = Limits::default().upgrade_len_max;
        for line in ["A: b\r\n", "x"] {
            let answer = format!("HTTP/1.1 101 \r\n{}", line.repeat((10 << 20) / line.len()));
            for step in [1, 1 << 20] {
                let (result, server) = run(answer.clone(), step).await;
                assert!(matches!(result.unwrap_err().why, Why::TooLong));
                assert_eq!(server.at, limit);
            }
        }
        let many = "A: b\r\n".repeat(101);
        let answer = GOOD.replace("\r\n\r\n", &format!("\r\n{many}\r\n"));
        assert!(matches!(refused(answer).await.why, Why::TooManyHeaders));
        let fits = GOOD.replace("\r\n\r\n", &format!("\r\n{}\r\n", "A: b\r\n".repeat(97)));
        assert!(run(fits, 1000).await.0.is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_is_an_error_at_every_byte() {
        for len in 0..GOOD.len() {
            let refused = refused(&GOOD.as_bytes()[..len]).await;
            assert!(matches!(refused.why, Why::Io(_)), "{len}");
        }
    }

    #[tokio::test]
    async fn no_byte_in_an_answer_makes_it_panic() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..5_000 {
            let mut answer = GOOD.as_bytes().to_vec();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..answer.len());
                answer[at] = rng.u8(..);
            }
            let _ = run(answer, rng.usize(1..300)).await.0;
        }
    }
}
