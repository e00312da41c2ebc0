//! Where is the gateway, where nobody said it? Asked of the platform once for all shards of a
//! configuration, and again when what it said does not answer.

use std::{
    convert::Infallible,
    future::pending,
    sync::Mutex,
    time::{Duration, Instant},
};

use futures::future::{BoxFuture, FutureExt};
use tokio::time::sleep_until;

use super::{driver::now, handover::lock};
use crate::{
    config::Config,
    credential::flight::Flight,
    error::{Error, ErrorKind},
    observe,
    platform::{GatewayUrl, Platform},
    queue::{DAY, RESET_MARGIN},
    rest::{self, Found},
    transport::{ConnectError, Socket},
};

/// Attempts in a row that failed at a discovered gateway, after which the platform is asked anew.
const FAILURES_MAX: u32 = 3;

/// Limits that could not be asked for anew are asked for again after this.
const REFRESH_AGAIN: Duration = Duration::from_mins(15);

/// What all shards of a configuration know of where the gateway is.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    known: Mutex<Known>,
    /// When the day is over for which the platform told the limits of identifies; `None` where it
    /// did not tell any.
    limits_end: Mutex<Option<Instant>>,
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

    /// The platform has told its limits, for a day that ends after this.
    pub(crate) fn limits_told(&self, reset_after: Duration) {
        // Before the budget takes the day for over, so that it goes on with the new figures.
        *lock(&self.limits_end) = Some(now() + reset_after.min(DAY) + RESET_MARGIN / 2);
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
                    self.limits_told(limit.reset_after);
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

/// Asks for the limits of identifies anew where their day is over, together with all who do.
pub(super) async fn refresh<P: Platform>(config: &Config<P>) {
    let discovery = config.discovery();
    let is_over = |end: Option<Instant>| end.is_some_and(|end| end <= now());
    if !is_over(*lock(&discovery.limits_end)) {
        return;
    }
    let caller = config.caller();
    let flight = discovery
        .flight
        .join(|| async move { caller.discover().await }.boxed());
    let told = flight.await;
    // All who flew together come here; the first does the work.
    let mut end = lock(&discovery.limits_end);
    if !is_over(*end) {
        return;
    }
    *end = Some(now() + REFRESH_AGAIN);
    drop(end);
    match told {
        Ok(Found { limit, .. }) => {
            if let Some(limit) = limit {
                config.learn(&limit);
                discovery.limits_told(limit.reset_after);
            }
        }
        Err(error) => observe::limits_not_refreshed(&error),
    }
}

/// Keeps the limits fresh for a shard that waits to identify. Never ends.
pub(super) async fn keep_fresh<P: Platform>(config: &Config<P>) -> Infallible {
    loop {
        let end = *lock(&config.discovery().limits_end);
        match end {
            Some(end) => sleep_until(end.into()).await,
            None => pending().await,
        }
        refresh(config).await;
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
