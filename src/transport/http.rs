//! How is a platform's REST API asked? One request on a connection of its own, by hyper over our
//! dial and TLS: the same deadlines and limits as everything else that leaves.

use std::{
    fmt, io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::timeout,
};

use super::{Attempt, Connector, Io, USER_AGENT, host_header, retry_after};
use crate::{
    error::{Error, ErrorKind},
    limits::Limits,
    platform::{GatewayUrl, UrlError},
};

/// 64 KiB for the body of an answer; the answers this crate asks for are below 1 KiB.
const BODY_LEN_MAX: usize = 64 << 10;

/// What hyper insists on for the buffer in which an answer's headers must fit.
const BUFFER_LEN_MIN: usize = 8192;

/// Where a REST API is: `https://` anywhere, or `http://` on this machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HttpUrl(GatewayUrl);

impl HttpUrl {
    /// The same rules as for a gateway's url, but for the scheme's name.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let scheme = text.find("://").ok_or(UrlError::Malformed)?;
        let (scheme, rest) = text.split_at(scheme);
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => "wss",
            "http" => "ws",
            _ => return Err(UrlError::Malformed),
        };
        GatewayUrl::configured(&format!("{scheme}{rest}")).map(Self)
    }

    fn path(&self, below: &str) -> String {
        format!("{}{below}", self.0.path().trim_end_matches('/'))
    }
}

/// The base of a REST API as it may be shown: one that is refused may hold a password.
pub(crate) fn shown(url: &str) -> &str {
    if HttpUrl::parse(url).is_ok() {
        url
    } else {
        "[unusable]"
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.0.is_tls() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", host_header(&self.0), self.0.path())
    }
}

/// What to ask.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Below the base's own path, with its `/`.
    pub(crate) path: &'a str,
    /// Beside `Host`, `User-Agent` and `Accept`. Mark secrets as sensitive.
    pub(crate) headers: &'a [(HeaderName, HeaderValue)],
    pub(crate) body: Bytes,
}

/// What was answered, whatever its status. Redirects are answers like others.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Its `Retry-After`, as long as the server said.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let value = |name| self.headers.get(name).map(HeaderValue::as_bytes);
        retry_after::parse(value(header::RETRY_AFTER)?, value(header::DATE))
    }
}

/// Shows nothing that may be a secret.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// Asks once. Bounded by [`Limits::connect`] from the name lookup to the last byte of the
    /// body, and by [`BODY_LEN_MAX`].
    ///
    /// An error names host and path, or the proxy, and nothing that was sent or answered. Dropping
    /// the future closes the connection.
    pub(crate) async fn request(
        &self,
        base: &HttpUrl,
        request: &Request<'_>,
    ) -> Result<Answer, Error> {
        let (method, path) = (&request.method, base.path(request.path));
        let broken = |why: &str| {
            let host = base.0.host();
            Error::new(
                ErrorKind::Connect,
                format!("{method} {path} at {host}: {why}"),
            )
        };
        let mut attempt = Attempt::new(&base.0);
        let mut asked = false;
        let whole = async {
            let io = self.open(&mut attempt).await?;
            asked = true;
            let exchange = exchange(io, &base.0, &path, request, self.limits());
            exchange.await.map_err(|error| match error {
                Failure::Http(error) => broken("no usable HTTP answer").with_source(error),
                Failure::TooLong => broken("the answer is too long"),
            })
        };
        match timeout(self.limits().connect, whole).await {
            Ok(result) => result,
            Err(elapsed) if asked => Err(broken("no answer in time").with_source(elapsed)),
            Err(elapsed) => Err(attempt.failed(elapsed)),
        }
    }
}

enum Failure {
    Http(Box<dyn std::error::Error + Send + Sync>),
    TooLong,
}

async fn exchange(
    io: Io,
    url: &GatewayUrl,
    path: &str,
    request: &Request<'_>,
    limits: &Limits,
) -> Result<Answer, Failure> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        if error.is::<http_body_util::LengthLimitError>() {
            Failure::TooLong
        } else {
            Failure::Http(error)
        }
    };
    let mut wanted = http::Request::builder()
        .method(&request.method)
        .uri(path)
        .header(header::HOST, host_header(url))
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close");
    for (name, value) in request.headers {
        wanted = wanted.header(name, value);
    }
    let body = Full::new(request.body.clone());
    let wanted = wanted.body(body).map_err(|error| failed(error.into()))?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(limits.upgrade_len_max.max(BUFFER_LEN_MIN))
        .max_headers(limits.upgrade_headers_max)
        .handshake(HyperIo(io))
        .await
        .map_err(|error| failed(error.into()))?;
    let answer = async {
        let answer = sender.send_request(wanted).await;
        let (head, body) = answer.map_err(|error| failed(error.into()))?.into_parts();
        let body = Limited::new(body, BODY_LEN_MAX).collect().await;
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.map_err(failed)?.to_bytes(),
        })
    };
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            // The connection moves the bytes; its end and its errors show up in the answer.
            _ = &mut connection, if open => open = false,
            answer = &mut answer => return answer,
        }
    }
}

/// The byte stream as hyper wants it.
struct HyperIo(Io);

impl hyper::rt::Read for HyperIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // One copy of a few hundred bytes, where hyper's own way would be unsafe code.
        let mut bytes = [0; 4096];
        let len = bytes.len().min(cursor.remaining());
        let mut buf = ReadBuf::new(&mut bytes[..len]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        cursor.put_slice(buf.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for HyperIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use bytes::Bytes;
    use http::{HeaderValue, Method, header};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::mpsc,
        time::{Instant, sleep},
    };

    use super::{Answer, BODY_LEN_MAX, HttpUrl, Request};
    use crate::{
        error::Error,
        limits::Limits,
        transport::{Connector, Tls, tests::Pipes},
    };

    /// Asks a server that sends `answer`, `step` bytes a second, and then hangs up or waits;
    /// what came of it and what was asked.
    async fn ask(answer: Vec<u8>, step: usize, hang_up: bool) -> (Result<Answer, Error>, String) {
        let (pipes, mut dialled) = mpsc::unbounded_channel();
        let connector = Connector::new(
            Tls::Default,
            Some(Arc::new(Pipes(pipes))),
            Limits::default(),
        );
        let server = tokio::spawn(async move {
            let (_, _, mut stream) = dialled.recv().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{\"a\":1}") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            for piece in answer.chunks(step) {
                if stream.write_all(piece).await.is_err() {
                    break;
                }
                sleep(Duration::from_secs(u64::from(step < answer.len()))).await;
            }
            if !hang_up {
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
            drop(stream);
            assert!(dialled.recv().await.is_none(), "asks once");
            String::from_utf8(request).unwrap()
        });
        let base = HttpUrl::parse("http://127.0.0.1:8080/api/v10/").unwrap();
        let mut secret = HeaderValue::from_static("CANARY");
        secret.set_sensitive(true);
        let request = Request {
            method: Method::POST,
            path: "/app/x",
            headers: &[(header::AUTHORIZATION, secret)],
            body: Bytes::from_static(b"{\"a\":1}"),
        };
        assert!(!format!("{request:?}").contains("CANARY"));
        let result = connector.request(&base, &request).await;
        drop(connector);
        (result, server.await.unwrap())
    }

    #[tokio::test]
    async fn a_request_says_who_asks_and_an_answer_comes_back_whole() {
        let answer = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}".to_vec();
        let (answer, asked) = ask(answer, 1 << 20, false).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
        assert_eq!(answer.headers["x-a"], "b");
        assert_eq!(
            asked,
            format!(
                "POST /api/v10/app/x HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nuser-agent: shardstream/{}\
                 \r\naccept: application/json\r\nconnection: close\r\nauthorization: CANARY\r\n\
                 content-length: 7\r\n\r\n{{\"a\":1}}",
                env!("CARGO_PKG_VERSION")
            )
        );
        // Other ways to say where the body ends.
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        assert_eq!(
            ask(chunked.to_vec(), 1 << 20, false).await.0.unwrap().body,
            "{}"
        );
        let until_eof = b"HTTP/1.1 200 OK\r\n\r\n{}".to_vec();
        assert_eq!(ask(until_eof, 1 << 20, true).await.0.unwrap().body, "{}");
    }

    #[tokio::test]
    async fn redirects_are_answers_and_never_followed() {
        let answer = b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\n\
            Content-Length: 0\r\n\r\n";
        assert_eq!(
            ask(answer.to_vec(), 1 << 20, true).await.0.unwrap().status,
            302
        );
    }

    #[tokio::test]
    async fn a_delay_is_read_in_both_forms() {
        for (lines, expected) in [
            ("Retry-After: 3\r\n", Some(3)),
            (
                "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                 Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n",
                Some(10),
            ),
            ("", None),
        ] {
            let answer = format!("HTTP/1.1 429 x\r\n{lines}Content-Length: 0\r\n\r\n");
            let answer = ask(answer.into_bytes(), 1 << 20, true).await.0.unwrap();
            assert_eq!(answer.retry_after(), expected.map(Duration::from_secs));
        }
    }

    #[tokio::test]
    async fn a_body_ends_at_its_limit() {
        for (len, fits) in [
            (BODY_LEN_MAX, true),
            (BODY_LEN_MAX + 1, false),
            (900_000, false),
        ] {
            let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
            answer.resize(answer.len() + len, b'x');
            let (result, _) = ask(answer, 1 << 20, true).await;
            match result {
                Ok(answer) => assert!(fits && answer.body.len() == len),
                Err(error) => {
                    assert!(!fits);
                    assert!(error.to_string().ends_with("too long"), "{error}");
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_http_answer_is_an_error_that_repeats_nothing() {
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "LEAK".repeat(200_000));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "LEAK: x\r\n".repeat(101));
        for bad in [
            "",
            "LEAK LEAK LEAK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nLEAK",
            &endless,
            &many,
        ] {
            let error = ask(bad.as_bytes().to_vec(), 1 << 20, true)
                .await
                .0
                .unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(
                shown.starts_with("POST /api/v10/app/x at 127.0.0.1: "),
                "{shown}"
            );
            assert!(
                !shown.contains("LEAK") && !shown.contains("CANARY"),
                "{shown}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_dribbles_or_never_ends_is_given_up_after_ten_seconds() {
        for (answer, step) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"[..], 1),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 100),
        ] {
            let start = Instant::now();
            let error = ask(answer.to_vec(), step, false).await.0.unwrap_err();
            assert!(error.to_string().ends_with("no answer in time"), "{error}");
            assert!(start.elapsed() >= Limits::default().connect);
        }
    }

    #[test]
    fn a_base_is_https_or_on_this_machine() {
        for (url, shown) in [
            ("https://discord.com/api/v10", "https://discord.com/api/v10"),
            ("HTTPS://Example.com:8443", "https://example.com:8443/"),
            ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x"),
            ("http://[::1]:1", "http://[::1]:1/"),
        ] {
            assert_eq!(format!("{:?}", HttpUrl::parse(url).unwrap()), shown);
        }
        for bad in [
            "http://discord.com",
            "wss://discord.com",
            "discord.com",
            "https://user@discord.com",
            "https://discord.com/?a=b",
            "",
        ] {
            assert!(HttpUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
