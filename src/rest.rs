//! How many shards, at which url? The one REST call that a gateway client needs.
//! Imports the words, `credential` and `transport`, and for a shorthand `discord`.
#![cfg_attr(
    not(feature = "http"),
    allow(
        dead_code,
        unnameable_types,
        unreachable_pub,
        reason = "then only shards use it, to find their gateway"
    )
)]

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use serde::Deserialize;

#[cfg(all(feature = "http", feature = "discord"))]
use crate::discord::Discord;
use crate::{
    credential::{CredentialError, CredentialSource, TokenRequest},
    error::{Error as ShardError, ErrorKind},
    platform::Platform,
    secret::Token,
    transport::{
        Connector,
        http::{Answer, HttpUrl, Request, shown},
    },
};
#[cfg(feature = "http")]
use crate::{
    limits::Limits,
    transport::{Dial, Proxy, Tls},
};

/// Names the app beside the token, as QQ's own libraries do.
const APP_ID: HeaderName = HeaderName::from_static("x-union-appid");

/// Asks the platform what a bot should start: [`gateway_bot`](Self::gateway_bot).
///
/// Every call dials anew, takes [`Limits::connect`] (10 s) at most, follows no redirect, and sends
/// the token over TLS only, or to this machine. Clones share the TLS configuration, and the cache
/// of a token that expires. [`Config::rest_client`](crate::Config::rest_client) makes one from a
/// configuration.
///
/// ```no_run
/// # async fn example() -> Result<(), shardstream::rest::Error> {
/// let client = shardstream::rest::Client::new("token");
/// let gateway = client.gateway_bot().await?;
/// println!("{} shards at {}", gateway.shards, gateway.url);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "http")]
#[derive(Clone, Debug)]
pub struct Client {
    caller: Caller,
    tls: Tls,
    dialler: Option<Arc<dyn Dial>>,
    proxy: Option<Proxy>,
    limits: Limits,
}

#[cfg(feature = "http")]
impl Client {
    /// A client for Discord's API. Connects to nothing yet.
    ///
    /// The token may have its `Bot ` in front or not.
    #[cfg(feature = "discord")]
    pub fn new(token: impl Into<Token>) -> Self {
        Self::of::<Discord>(token)
    }

    /// A client for the API of the platform `P`. Connects to nothing yet.
    pub fn of<P: Platform>(credentials: impl Into<P::Credentials>) -> Self
    where
        P::Credentials: CredentialSource,
    {
        let connector = Connector::new(Tls::Default, None, Limits::default());
        let source = Arc::new(credentials.into());
        let caller = Caller::new::<P>(source, P::REST.to_owned(), connector);
        Self::from_caller(caller, Tls::Default, None, None)
    }

    /// A client that connects as `caller` does, which is by `tls`, `dialler` and `proxy`.
    pub(crate) fn from_caller(
        caller: Caller,
        tls: Tls,
        dialler: Option<Arc<dyn Dial>>,
        proxy: Option<Proxy>,
    ) -> Self {
        Self {
            limits: Limits::clone(caller.connector.limits()),
            caller,
            tls,
            dialler,
            proxy,
        }
    }

    /// Another place for the API: `https://`, or `http://` to a loopback address, with the path
    /// that comes before `/gateway/bot`. Default: the platform's own, such as
    /// `https://discord.com/api/v10`. A token that expires is fetched there, too.
    ///
    /// A url that cannot be used is told by the first call, before anything is connected.
    #[must_use]
    pub fn base_url(mut self, url: &str) -> Self {
        url.trim_end_matches('/')
            .clone_into(&mut self.caller.rest_url);
        self
    }

    /// Which certificates are trusted. Default: [`Tls::Default`].
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self.rebuild()
    }

    /// Opens the connections in place of TCP, such as through a tunnel. Default: TCP.
    #[must_use]
    pub fn dialler(mut self, dialler: Arc<dyn Dial>) -> Self {
        self.dialler = Some(dialler);
        self.rebuild()
    }

    /// Which outbound proxy the calls go through. Default: what the environment says
    /// ([`Proxy::environment`]), or none where a dialler is set. With both, the dialler opens
    /// connections to the proxy.
    ///
    /// A proxy that cannot be used is told by the first call, before anything is connected.
    #[must_use]
    pub fn proxy(mut self, proxy: impl Into<Proxy>) -> Self {
        self.proxy = Some(proxy.into());
        self.rebuild()
    }

    /// The limits that bound each call; the fields about connecting and upgrading count.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.rebuild()
    }

    /// What the platform recommends to this bot, and what it may start today: `GET /gateway/bot`
    /// of [Discord](https://docs.discord.com/developers/events/gateway#get-gateway-bot) and
    /// [QQ](https://bot.q.qq.com/wiki/develop/api-v2/openapi/wss/shard_url_get.html).
    ///
    /// A token that expires is fetched first where none is cached, and once more where the API
    /// refuses it.
    ///
    /// # Errors
    ///
    /// The configuration cannot work (base url, credentials, certificates), no token could be had,
    /// the API could not be reached, or its answer was another status than 200 or not what it
    /// documents. The call may be repeated unless the error [is fatal](Error::is_fatal), at the
    /// earliest after [`Error::retry_after`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection; nothing else is kept of it.
    pub async fn gateway_bot(&self) -> Result<GatewayBot, Error> {
        self.caller.gateway_bot().await
    }

    /// The base that is asked.
    pub(crate) fn base(&self) -> &str {
        &self.caller.rest_url
    }

    fn rebuild(mut self) -> Self {
        let (tls, dialler) = (self.tls.clone(), self.dialler.clone());
        let connector = Connector::new(tls, dialler, self.limits.clone());
        self.caller.connector = connector.through(self.proxy.clone());
        self
    }
}

/// Who asks, where, and as whom.
#[derive(Clone)]
pub(crate) struct Caller {
    source: Arc<dyn CredentialSource>,
    authorization: fn(&Token) -> Token,
    /// Without a slash at its end.
    rest_url: String,
    connector: Connector,
}

/// Shows no secret: a source of the user's own may show what it likes.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("rest_url", &shown(&self.rest_url))
            .finish_non_exhaustive()
    }
}

/// Where a shard connects, by its platform's answer.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// As the server wrote it; not yet validated.
    pub(crate) url: String,
    /// Where the answer told it.
    pub(crate) limit: Option<SessionStartLimit>,
}

impl Caller {
    pub(crate) fn new<P: Platform>(
        source: Arc<dyn CredentialSource>,
        rest_url: String,
        connector: Connector,
    ) -> Self {
        Self {
            source,
            authorization: P::authorization,
            rest_url,
            connector,
        }
    }

    /// Where the gateway is: by `GET /gateway/bot`, and where its answer cannot be used by
    /// `GET /gateway`, which tells nothing else.
    ///
    /// No error is fatal for a refusal alone: a platform that has a bad hour must not end a bot.
    /// Who asks again counts.
    pub(crate) async fn discover(&self) -> Result<Found, Error> {
        let error = match self.gateway_bot().await {
            Ok(gateway) => {
                return Ok(Found {
                    url: gateway.url,
                    limit: Some(gateway.session_start_limit),
                });
            }
            Err(error) => error,
        };
        match error.status {
            Some(status @ (401 | 403 | 429)) if error.kind() == ErrorKind::Credentials => {
                let message = format!("GET /gateway/bot: HTTP status {status}");
                return Err(Error {
                    inner: ShardError::new(ErrorKind::Connect, message),
                    ..error
                });
            }
            None | Some(401 | 403 | 429) => return Err(error),
            Some(_) => {}
        }
        let path = "/gateway";
        let answer = self.get(path, false).await?.0;
        let body: UrlBody = read(path, &answer)?;
        Ok(Found {
            url: body.url,
            limit: None,
        })
    }

    async fn gateway_bot(&self) -> Result<GatewayBot, Error> {
        let path = "/gateway/bot";
        let (mut answer, token) = self.get(path, false).await?;
        if answer.status == 401 {
            // It may have expired early. A static token is what it was, and not sent again.
            let renewed = self.token(true).await?;
            if renewed.expose() != token.expose() {
                answer = self.ask(path, &renewed).await?;
            }
        }
        read(path, &answer).map(|body: Body| body.into())
    }

    async fn get(&self, path: &str, renew: bool) -> Result<(Answer, Token), Error> {
        let token = self.token(renew).await?;
        Ok((self.ask(path, &token).await?, token))
    }

    async fn token(&self, renew: bool) -> Result<Token, Error> {
        if let Err(problem) = self.source.check() {
            let message = format!("credentials: {problem}");
            return Err(ShardError::new(ErrorKind::Configuration, message).into());
        }
        // Before a token is fetched for nothing.
        self.base()?;
        let request = TokenRequest::new(renew, self.rest_url.clone(), self.connector.clone());
        Ok(self.source.token(request).await?)
    }

    async fn ask(&self, path: &str, token: &Token) -> Result<Answer, Error> {
        let unusable = || ShardError::new(ErrorKind::Configuration, "credentials: cannot be sent");
        let value = (self.authorization)(token);
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        let mut headers = vec![(header::AUTHORIZATION, value)];
        if let Some(id) = self.source.app_id() {
            headers.push((APP_ID, HeaderValue::from_str(id).map_err(|_| unusable())?));
        }
        let request = Request {
            method: Method::GET,
            path,
            headers: &headers,
            body: Bytes::new(),
        };
        Ok(self.connector.request(&self.base()?, &request).await?)
    }

    fn base(&self) -> Result<HttpUrl, Error> {
        HttpUrl::parse(&self.rest_url).map_err(|error| {
            let message = "base_url: not an https:// url, or http:// url of a loopback address, \
                           without user, query and fragment";
            ShardError::new(ErrorKind::Configuration, message)
                .with_source(error)
                .into()
        })
    }
}

/// The body of an answer to `GET path`, where that is what the platform documents.
fn read<'a, T: Deserialize<'a>>(path: &str, answer: &'a Answer) -> Result<T, Error> {
    let status = answer.status;
    let refused = |kind, message: String| Error {
        status: Some(status),
        retry_after: answer.retry_after(),
        inner: ShardError::new(kind, message),
    };
    match status {
        200 => {}
        401 => {
            let message = format!("GET {path}: the token was refused (HTTP status 401)");
            return Err(refused(ErrorKind::Credentials, message));
        }
        _ => {
            let message = format!("GET {path}: HTTP status {status}");
            return Err(refused(ErrorKind::Connect, message));
        }
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        // Where, but not what: the text of the error quotes the body.
        let (line, column) = (error.line(), error.column());
        let message =
            format!("GET {path}: not the documented answer (line {line} column {column})");
        refused(ErrorKind::Connect, message)
    })
}

impl From<Body> for GatewayBot {
    fn from(body: Body) -> Self {
        let limit = body.session_start_limit;
        Self {
            url: body.url,
            shards: body.shards.max(1),
            session_start_limit: SessionStartLimit {
                total: limit.total,
                remaining: limit.remaining,
                reset_after: Duration::from_millis(limit.reset_after),
                max_concurrency: limit.max_concurrency.max(1),
            },
        }
    }
}

/// What the platform recommends to a bot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayBot {
    /// Where to connect, as the server wrote it. Not validated here: what uses it decides whether
    /// the token may go there.
    pub url: String,
    /// How many shards to start, at least 1.
    pub shards: u32,
    /// How many sessions may be started.
    pub session_start_limit: SessionStartLimit,
}

/// How many sessions a bot may start: the platform's session start limit, the same on
/// [Discord](https://docs.discord.com/developers/events/gateway#session-start-limit-object) and QQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStartLimit {
    /// In a day.
    pub total: u32,
    /// Until the next reset.
    pub remaining: u32,
    /// How long until the next reset.
    pub reset_after: Duration,
    /// How many shards may identify in the same five seconds, at least 1.
    pub max_concurrency: u32,
}

#[derive(Deserialize)]
struct UrlBody {
    url: String,
}

#[derive(Deserialize)]
struct Body {
    url: String,
    shards: u32,
    session_start_limit: BodyLimit,
}

#[derive(Deserialize)]
struct BodyLimit {
    total: u32,
    remaining: u32,
    /// Milliseconds.
    reset_after: u64,
    max_concurrency: u32,
}

/// Why a call failed. It holds neither the token nor anything of the answer's body.
#[derive(Clone, Debug)]
pub struct Error {
    status: Option<u16>,
    retry_after: Option<Duration>,
    inner: ShardError,
}

impl Error {
    /// Of an answer that another client got.
    #[cfg(feature = "twilight-http")]
    pub(crate) fn with_status(self, status: u16) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    /// The HTTP status of the answer, where there was one.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// The answer's `Retry-After`, as long as the server said.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind()
    }

    /// Whether the same call can never succeed: bad configuration, or a refused token.
    pub fn is_fatal(&self) -> bool {
        self.inner.is_fatal()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source()
    }
}

impl From<ShardError> for Error {
    fn from(error: ShardError) -> Self {
        Self {
            status: None,
            retry_after: None,
            inner: error,
        }
    }
}

impl From<CredentialError> for Error {
    fn from(error: CredentialError) -> Self {
        Self {
            status: None,
            retry_after: error.retry_after,
            inner: error.error,
        }
    }
}

impl From<Error> for ShardError {
    fn from(error: Error) -> Self {
        error.inner
    }
}

#[cfg(test)]
#[cfg(all(feature = "discord", feature = "http"))]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::{Client, Error, GatewayBot, SessionStartLimit};
    use crate::error::{Error as ShardError, ErrorKind};

    /// What a server on this machine that answers `answer` makes of a call, and what it was asked.
    async fn ask(token: &str, answer: &str) -> (Result<GatewayBot, Error>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = answer.to_owned();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let client = Client::new(token).base_url(&format!("http://127.0.0.1:{port}/api/v10"));
        assert!(!format!("{client:?}").contains("CANARY"));
        let result = client.gateway_bot().await;
        (result, server.await.unwrap())
    }

    async fn answered(status: &str, body: &str) -> Result<GatewayBot, Error> {
        let len = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\n\r\n{body}");
        ask("CANARY", &answer).await.0
    }

    fn body(shards: u32, max_concurrency: u32) -> String {
        format!(
            r#"{{"url":"wss://gateway.discord.gg","shards":{shards},"new":[],"session_start_limit":
            {{"total":1000,"remaining":999,"reset_after":14400000,
            "max_concurrency":{max_concurrency}}}}}"#
        )
    }

    #[tokio::test]
    async fn the_recommendation_is_read_and_zeros_become_ones() {
        for (shards, max_concurrency) in [(9, 16), (0, 0), (1, 1)] {
            let gateway = answered("200 OK", &body(shards, max_concurrency)).await;
            assert_eq!(
                gateway.unwrap(),
                GatewayBot {
                    url: "wss://gateway.discord.gg".to_owned(),
                    shards: shards.max(1),
                    session_start_limit: SessionStartLimit {
                        total: 1000,
                        remaining: 999,
                        reset_after: Duration::from_hours(4),
                        max_concurrency: max_concurrency.max(1),
                    },
                }
            );
        }
    }

    #[tokio::test]
    async fn the_token_is_sent_as_a_bots_whether_it_says_so_or_not() {
        for token in ["CANARY.token", "Bot CANARY.token"] {
            let asked = ask(token, "HTTP/1.1 500 x\r\n\r\n").await.1;
            assert!(
                asked.starts_with("GET /api/v10/gateway/bot HTTP/1.1\r\n"),
                "{asked}"
            );
            assert!(
                asked.contains("\r\nauthorization: Bot CANARY.token\r\n"),
                "{asked}"
            );
            assert!(asked.contains("\r\nuser-agent: shardstream/"), "{asked}");
        }
    }

    #[tokio::test]
    async fn other_statuses_are_typed_errors_that_repeat_nothing() {
        for (status, kind) in [
            ("401 LEAK", ErrorKind::Credentials),
            ("302 LEAK\r\nLocation: https://LEAK", ErrorKind::Connect),
            ("403 LEAK", ErrorKind::Connect),
            ("429 LEAK\r\nRetry-After: 7", ErrorKind::Connect),
            ("500 LEAK", ErrorKind::Connect),
            ("503 LEAK", ErrorKind::Connect),
        ] {
            let error = answered(status, r#"{"message":"LEAK"}"#).await.unwrap_err();
            assert_eq!(error.status(), status[..3].parse().ok());
            assert_eq!(error.kind(), kind, "{status}");
            assert_eq!(error.is_fatal(), kind == ErrorKind::Credentials);
            let delay = status.contains("Retry").then_some(Duration::from_secs(7));
            assert_eq!(error.retry_after(), delay);
            let shown = format!("{error} {error:?} {:?}", ShardError::from(error.clone()));
            assert!(
                !shown.contains("LEAK") && !shown.contains("CANARY"),
                "{shown}"
            );
            assert!(shown.contains(&status[..3]));
        }
    }

    #[tokio::test]
    async fn an_answer_of_another_shape_is_an_error_that_quotes_nothing() {
        for bad in [
            "",
            "<html>LEAK</html>",
            r#"{"url":"LEAK"}"#,
            &body(1, 1).replace("999", r#""LEAK""#),
            &body(1, 1).replace("999", "-1"),
            &body(1, 1).replace("14400000", "1e400"),
            &"[".repeat(60_000),
        ] {
            let error = answered("200 OK", bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connect);
            assert!(!format!("{error} {error:?}").contains("LEAK"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_work_is_told_before_anything_is_connected() {
        for url in [
            "http://discord.com/api",
            "wss://discord.com",
            "https://a@b",
            "CANARY",
        ] {
            let error = Client::new("t")
                .base_url(url)
                .gateway_bot()
                .await
                .unwrap_err();
            assert!(error.is_fatal());
            assert!(error.to_string().starts_with("base_url: "), "{error}");
            assert!(!format!("{error:?}").contains("CANARY"));
        }
        for token in ["", "CANARY\r\nx: y", "CANARY\u{7f}"] {
            let error = Client::new(token).gateway_bot().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().starts_with("credentials: "), "{error}");
            assert!(!format!("{error:?}").contains("CANARY"));
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_a_connect_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let client = Client::new("t").base_url(&format!("http://localhost:{port}"));
        let error = client.gateway_bot().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Connect, None));
        assert!(
            error
                .to_string()
                .contains(&format!("localhost port {port}")),
            "{error}"
        );
    }
}
