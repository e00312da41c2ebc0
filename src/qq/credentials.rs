//! Who is the bot? An app id and its secret, and the token that they are exchanged for.
//! Imports `token`, `credential` and `transport`: the one file of this room that waits.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::Bytes;
use futures::future::{self, BoxFuture, FutureExt};
use http::{HeaderValue, Method, header};
use zeroize::Zeroizing;

use super::token::{self, Cache};
use crate::{
    credential::{
        CredentialError, CredentialSource, TokenRequest,
        flight::{Flight, lock},
    },
    error::{Error, ErrorKind},
    observe,
    secret::Token,
    transport::http::{HttpUrl, Request},
};

/// What proves to QQ who the bot is: the app id and the client secret of the bot's page, or the
/// static token of old.
///
/// App id and secret are exchanged for an access token, which serves for two hours at most. It is
/// asked for before every IDENTIFY, RESUME and REST call, comes out of a cache until 45 s before
/// its end, and is dropped and fetched again when the gateway refuses it. Clones share the cache,
/// one for each REST base, and a request that is under way; so a thousand shards ask once.
///
/// The endpoint is that of the REST base: `https://bots.qq.com/app/getAppAccessToken` for the
/// classic hosts, else `/app/getAppAccessToken` below the base.
///
/// <https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/api-use.html>
///
/// ```
/// use shardstream::{Config, qq};
///
/// let credentials = qq::Credentials::new("102000001", "secret");
/// assert!(!format!("{credentials:?}").contains("secret"));
///
/// let config = Config::builder(credentials, qq::Intents::PUBLIC_GUILD_MESSAGES)
///     .rest_url(qq::Hosts::Bot.rest_url())
///     .build()?;
/// # Ok::<(), shardstream::Error>(())
/// ```
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

struct Inner {
    app_id: String,
    proof: Proof,
}

enum Proof {
    /// What it is exchanged for, by REST base.
    Secret(Token, Mutex<BTreeMap<String, Arc<Exchange>>>),
    /// With its scheme in front.
    Legacy(Token),
}

/// The token of one REST base.
#[derive(Debug, Default)]
struct Exchange {
    cache: Mutex<Cache>,
    flight: Flight<Result<Token, CredentialError>>,
}

impl Credentials {
    /// An app id and its client secret.
    pub fn new(app_id: impl Into<String>, client_secret: impl Into<Token>) -> Self {
        let proof = Proof::Secret(client_secret.into(), Mutex::default());
        Self::from_parts(app_id.into(), proof)
    }

    /// An app id and its static token, which never expires. The platform calls this deprecated;
    /// bots that serve guilds alone may still have one.
    pub fn legacy(app_id: impl Into<String>, token: impl Into<Token>) -> Self {
        let (app_id, token) = (app_id.into(), token.into());
        // What cannot be sent stays what it is, for `check` to find.
        let token = if token::is_sendable(token.expose()) {
            Token::new(format!("Bot {app_id}.{}", token.expose()))
        } else {
            Token::new("")
        };
        Self::from_parts(app_id, Proof::Legacy(token))
    }

    fn from_parts(app_id: String, proof: Proof) -> Self {
        Self(Arc::new(Inner { app_id, proof }))
    }

    /// The app id, which is no secret.
    pub fn app_id(&self) -> &str {
        &self.0.app_id
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("app_id", &self.0.app_id)
            .finish_non_exhaustive()
    }
}

impl CredentialSource for Credentials {
    fn bot(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.app_id.hash(&mut hasher);
        hasher.finish()
    }

    fn check(&self) -> Result<(), &'static str> {
        if !token::is_sendable(&self.0.app_id) {
            return Err("an app id is not empty and has only visible ASCII characters");
        }
        let (Proof::Secret(secret, _) | Proof::Legacy(secret)) = &self.0.proof;
        if secret.is_usable() {
            Ok(())
        } else {
            Err("a secret or token is not empty and has no control characters")
        }
    }

    fn app_id(&self) -> Option<&str> {
        Some(&self.0.app_id)
    }

    fn token(&self, request: TokenRequest) -> BoxFuture<'static, Result<Token, CredentialError>> {
        let (secret, exchanges) = match &self.0.proof {
            Proof::Legacy(token) => return future::ready(Ok(token.clone())).boxed(),
            Proof::Secret(secret, exchanges) => (secret, exchanges),
        };
        let mut exchanges = lock(exchanges);
        let exchange = exchanges.entry(request.rest_url.clone()).or_default();
        let (exchange, secret) = (Arc::clone(exchange), secret.clone());
        let app_id = self.0.app_id.clone();
        async move { exchange.token(app_id, secret, request).await }.boxed()
    }
}

impl Exchange {
    async fn token(
        self: Arc<Self>,
        app_id: String,
        secret: Token,
        request: TokenRequest,
    ) -> Result<Token, CredentialError> {
        {
            let mut cache = lock(&self.cache);
            if request.renew {
                cache.forget();
            } else if let Some(token) = cache.token(now()) {
                return Ok(token);
            }
        }
        // What is under way was not yet there when a token was refused: good enough for who
        // wants another.
        let shared = Arc::clone(&self);
        let flight = self
            .flight
            .join(|| async move { shared.fetch(&app_id, &secret, &request).await }.boxed());
        flight.await
    }

    async fn fetch(
        &self,
        app_id: &str,
        secret: &Token,
        request: &TokenRequest,
    ) -> Result<Token, CredentialError> {
        let base = HttpUrl::parse(token::base(&request.rest_url)).map_err(|error| {
            let message = "rest_url: not an https:// url, or http:// url of a loopback address";
            let error = Error::new(ErrorKind::Configuration, message).with_source(error);
            CredentialError::new(error, None)
        })?;
        // Overwritten when the request is done.
        let body = Zeroizing::new(token::request(app_id, secret));
        let call = Request {
            method: Method::POST,
            path: token::PATH,
            headers: &[(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )],
            body: Bytes::from_owner(body),
        };
        let asked_at = now();
        let answer = request.connector.request(&base, &call).await;
        let mut cache = lock(&self.cache);
        let answer = answer.map_err(|error| {
            cache.fail(None);
            CredentialError::new(error, None)
        })?;
        match token::read(answer.status, &answer.body) {
            Ok(lease) => {
                observe::token_fetched(cache.store(asked_at, &lease));
                Ok(lease.token)
            }
            Err(problem) => {
                let status = Some(answer.status);
                let last = cache.fail(status) || problem.is_fatal();
                let kind = if last {
                    ErrorKind::Credentials
                } else {
                    ErrorKind::Connect
                };
                let error = Error::new(kind, problem.message());
                Err(CredentialError::new(error, answer.retry_after()))
            }
        }
    }
}

/// The runtime's clock: it stands still where a test has paused it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
