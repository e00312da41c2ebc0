//! What happens before the WebSocket? Requests, the upgrade, and other answers; pure.

use std::fmt::{self, Write as _};

use super::wire::accept_key;

/// 16 KiB and 64 headers for a request; a client sends a tenth of it.
const HEAD_LEN_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
/// The longest body of a request that is read; that for a token has a hundred bytes.
const BODY_LEN_MAX: usize = 8 << 10;

/// An HTTP request.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// As it came: it may hold secrets.
    pub(super) body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// An HTTP answer with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// A head that is no HTTP or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadHead;

impl Request {
    /// Reads the request at the start of `bytes`, and how long it is. `None` when more is to come.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, BadHead> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let len = match request.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) if bytes.len() <= HEAD_LEN_MAX => return Ok(None),
            _ => return Err(BadHead),
        };
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut request = Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            body: Vec::new(),
            headers: (request.headers.iter())
                .map(|header| (header.name.to_owned(), lossy(header.value)))
                .collect(),
        };
        let body_len = match request.header("content-length").map(str::parse) {
            None => 0,
            Some(Ok(body_len)) if body_len <= BODY_LEN_MAX => body_len,
            Some(_) => return Err(BadHead),
        };
        let Some(body) = bytes.get(len..len + body_len) else {
            return Ok(None);
        };
        request.body = body.to_vec();
        Ok(Some((request, len + body_len)))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The headers as they may be shown.
    pub(super) fn shown_headers(&self) -> Vec<(String, String)> {
        const SECRET: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
        let mut headers = self.headers.clone();
        for (name, value) in &mut headers {
            if SECRET
                .iter()
                .any(|secret| name.eq_ignore_ascii_case(secret))
            {
                "[redacted]".clone_into(value);
            }
        }
        headers
    }

    /// Whether the client wants a WebSocket.
    pub(super) fn wants_upgrade(&self) -> bool {
        self.header("upgrade")
            .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    }

    pub(super) fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }

    /// The value of a parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The answer that switches to WebSocket (RFC 6455 section 4.2.2), or the one that does not.
    pub(super) fn upgrade(&self) -> Result<String, Answer> {
        let connection = self.header("connection").unwrap_or_default();
        let upgrades = |word: &str| word.trim().eq_ignore_ascii_case("upgrade");
        let key = self.header("sec-websocket-key").unwrap_or_default();
        if self.method != "GET" || !connection.split(',').any(upgrades) || key.is_empty() {
            return Err(Answer::text(400, "this is no valid upgrade"));
        }
        if self.header("sec-websocket-version") != Some("13") {
            let mut answer = Answer::text(426, "the version must be 13");
            answer
                .headers
                .push(("Sec-WebSocket-Version".into(), "13".into()));
            return Err(answer);
        }
        let accept = accept_key(key.as_bytes());
        Ok(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ))
    }
}

impl Answer {
    pub(super) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), "text/plain".into())],
            body: body.to_owned(),
        }
    }

    /// Some clients take nothing for JSON but exactly this type.
    pub(super) fn json(status: u16, body: &impl ToString) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.to_string(),
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Answer\r\n", self.status);
        for (name, value) in &self.headers {
            // Writing to a string cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let len = self.body.len();
        let _ = write!(
            head,
            "Content-Length: {len}\r\nConnection: close\r\n\r\n{}",
            self.body
        );
        head.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole_and_secrets_are_not_shown() {
        let head = b"GET /?v=10&compress=zlib-stream HTTP/1.1\r\nAuthorization: Bot C\r\n\r\nrest";
        for len in 0..head.len() - 4 {
            assert!(matches!(Request::parse(&head[..len]), Ok(None)), "{len}");
        }
        let (request, len) = Request::parse(head).unwrap().unwrap();
        assert_eq!(&head[len..], b"rest");
        assert_eq!(request.parameter("compress"), Some("zlib-stream"));
        assert_eq!(request.header("authorization"), Some("Bot C"));
        assert_eq!(request.shown_headers()[0].1, "[redacted]");
    }

    #[test]
    fn a_body_belongs_to_its_request() {
        let whole = b"POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\n{\"a\"more";
        for len in 0..whole.len() - 4 {
            assert!(matches!(Request::parse(&whole[..len]), Ok(None)), "{len}");
        }
        let (request, len) = Request::parse(whole).unwrap().unwrap();
        assert_eq!(
            (&request.body[..], &whole[len..]),
            (&b"{\"a\""[..], &b"more"[..])
        );
        assert!(!format!("{request:?}").contains("body"));
        for length in ["8193", "-1", "x"] {
            let head = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
            assert_eq!(Request::parse(head.as_bytes()).unwrap_err(), BadHead);
        }
    }

    #[test]
    fn a_head_that_is_no_http_or_never_ends_is_refused() {
        assert_eq!(Request::parse(b"\x16\x03\x01\x02\0").unwrap_err(), BadHead);
        let endless = [b"GET / HTTP/1.1\r\nA: ".to_vec(), vec![b'a'; HEAD_LEN_MAX]].concat();
        assert_eq!(Request::parse(&endless).unwrap_err(), BadHead);
    }
}
