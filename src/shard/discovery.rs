//! Where is the gateway, where nobody said it? Asked of the platform once for all shards of a
//! configuration, and again when what it said does not answer.

use std::sync::Mutex;

use futures::future::{BoxFuture, FutureExt};

use crate::{
    config::Config,
    credential::flight::{Flight, lock},
    error::{Error, ErrorKind},
    observe,
    platform::{GatewayUrl, Platform},
    rest::{self, Found},
    transport::{ConnectError, Socket},
};

/// Attempts in a row that failed at a discovered gateway, after which the platform is asked anew.
const FAILURES_MAX: u32 = 3;

/// What all shards of a configuration know of where the gateway is.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    known: Mutex<Known>,
    flight: Flight<Result<Found, rest::Error>>,
}

#[derive(Debug, Default)]
struct Known {
    url: Option<GatewayUrl>,
    failures: u32,
}

impl Discovery {
    /// The platform has said it, asked by somebody else.
    #[cfg(feature = "http")]
    pub(crate) fn tell(&self, url: GatewayUrl) {
        *lock(&self.known) = Known {
            url: Some(url),
            failures: 0,
        };
    }

    /// The gateway that is worth an attempt.
    fn known(&self) -> Option<GatewayUrl> {
        let known = lock(&self.known);
        known.url.clone().filter(|_| known.failures < FAILURES_MAX)
    }

    /// What came of an attempt at `url`.
    fn tried(&self, url: &GatewayUrl, ok: bool) {
        let mut known = lock(&self.known);
        if known.url.as_ref() == Some(url) {
            known.failures = if ok {
                0
            } else {
                known.failures.saturating_add(1)
            };
        }
    }

    /// Asks the platform, together with all who ask at the same time.
    async fn ask<P: Platform>(&self, config: &Config<P>) -> Result<GatewayUrl, ConnectError> {
        let caller = config.caller();
        let flight = self
            .flight
            .join(|| async move { caller.discover().await }.boxed());
        let found = flight.await.and_then(|found| {
            let url = GatewayUrl::discovered_by(&found.url, &config.bases(), P::GATEWAY_HOSTS);
            let url = url.map_err(|problem| {
                let message = format!("the gateway that the platform named is not used: {problem}");
                Error::new(ErrorKind::Connect, message)
            })?;
            Ok((url, found.limit))
        });
        let mut known = lock(&self.known);
        match found {
            Ok((url, limit)) => {
                *known = Known {
                    url: Some(url.clone()),
                    failures: 0,
                };
                drop(known);
                if let Some(limit) = limit {
                    config.learn(&limit);
                }
                observe::discovered(&url);
                Ok(url)
            }
            // It may be back, though the platform cannot tell.
            Err(error) => match known.url.clone().filter(|_| !error.is_fatal()) {
                Some(url) => Ok(url),
                None => Err(ConnectError {
                    status: error.status(),
                    retry_after: error.retry_after(),
                    error: error.into(),
                }),
            },
        }
    }
}

/// Finds the gateway and connects to it.
pub(super) fn connect<P: Platform>(
    config: Config<P>,
    query: &'static str,
) -> BoxFuture<'static, Result<Socket, ConnectError>> {
    async move {
        let discovery = config.discovery();
        let url = match discovery.known() {
            Some(url) => url,
            None => discovery.ask(&config).await?,
        };
        observe::connecting(&url);
        let socket = config.connector().connect(&url, query).await;
        discovery.tried(&url, socket.is_ok());
        socket
    }
    .boxed()
}
