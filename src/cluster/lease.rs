//! May this member act now? What all that it runs asks before it sends.

use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::watch;

use super::{entry, fence::Term};
use crate::{
    credential::{CredentialError, CredentialSource, TokenRequest},
    secret::Token,
};

/// The lease of one member. Clones are the same lease.
#[derive(Clone)]
pub(super) struct Lease(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug)]
struct State {
    term: Term,
    /// It is somebody else's, or given up: it never holds again.
    over: bool,
}

impl Lease {
    pub(super) fn new(asked: Instant, lease: Duration) -> Self {
        let term = Term::renewed(asked, lease);
        Self(Arc::new(watch::Sender::new(State { term, over: false })))
    }

    pub(super) fn renew(&self, asked: Instant, lease: Duration) {
        let term = Term::renewed(asked, lease);
        self.0.send_modify(|state| state.term = term);
    }

    pub(super) fn end(&self) {
        self.0.send_modify(|state| state.over = true);
    }

    /// Whether the member may act, by its own clock.
    pub(super) fn holds(&self) -> bool {
        let state = *self.0.borrow();
        !state.over && state.term.holds(Instant::now())
    }

    /// Waits until the member may act; for ever, where it never may again.
    pub(super) async fn held(&self) {
        let mut changes = self.0.subscribe();
        while !self.holds() {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&*self.0.borrow()).finish()
    }
}

/// Credentials that are given while the lease holds.
///
/// IDENTIFY and RESUME carry a token that is asked for when Hello is there, just before they go
/// out: whose lease does not hold sends neither, however its connections come and go.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) source: Arc<dyn CredentialSource>,
    pub(super) lease: Lease,
}

impl CredentialSource for Guarded {
    fn bot(&self) -> u64 {
        self.source.bot()
    }

    fn check(&self) -> Result<(), &'static str> {
        self.source.check()
    }

    fn app_id(&self) -> Option<&str> {
        self.source.app_id()
    }

    fn token(&self, request: TokenRequest) -> BoxFuture<'static, Result<Token, CredentialError>> {
        let (source, lease) = (Arc::clone(&self.source), self.lease.clone());
        async move {
            loop {
                lease.held().await;
                let token = source.token(request.clone()).await?;
                // Fetching may have taken longer than was left.
                if lease.holds() {
                    return Ok(token);
                }
            }
        }
        .boxed()
    }
}

/// The milliseconds of the Unix epoch, for what is kept longer than a process lives.
pub(super) fn unix_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// A name that no member had before.
pub(super) fn fresh_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut bytes)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(entry::hex(&bytes))
}

#[cfg(all(test, feature = "discord"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lease_that_ran_out_holds_again_when_renewed_and_never_once_it_is_over() {
        let long = Duration::from_mins(1);
        let lease = Lease::new(Instant::now(), Duration::ZERO);
        assert!(!lease.holds());
        assert_eq!(lease.held().now_or_never(), None);
        lease.renew(Instant::now(), long);
        assert_eq!(lease.held().now_or_never(), Some(()));
        lease.end();
        lease.renew(Instant::now(), long);
        assert!(!lease.holds());
    }

    #[tokio::test]
    async fn no_token_is_given_while_the_lease_does_not_hold() {
        let long = Duration::from_mins(1);
        let lease = Lease::new(Instant::now(), Duration::ZERO);
        let config = crate::config::Config::<crate::discord::Discord>::new(
            "its.token",
            crate::discord::Intents::GUILDS,
        );
        let connector = config.connector().clone();
        let request = TokenRequest::new(false, String::new(), connector);
        let guarded = Guarded {
            source: Arc::new(Token::from("its.token")),
            lease: lease.clone(),
        };
        let mut token = guarded.token(request);
        assert!((&mut token).now_or_never().is_none());
        lease.renew(Instant::now(), long);
        assert!(
            (&mut token)
                .now_or_never()
                .is_some_and(|token| token.is_ok())
        );
    }
}
