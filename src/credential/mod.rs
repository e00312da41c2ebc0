//! Where does a token come from? The seam for credentials that expire.
//! Imports the words and `transport`; knows no platform.

pub(crate) mod flight;

use std::{
    fmt::{self, Debug},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use futures::future::{self, BoxFuture, FutureExt};

use crate::{
    error::Error,
    secret::Token,
    transport::{Connector, http::shown},
};

/// What proves who the bot is, and gives a token for each handshake and each REST call.
///
/// A plain [`Token`] gives itself. Credentials that expire fetch a token over the network, cache
/// it, and share the cache between clones. A source of one's own, such as a vault that several
/// programs share, is set by
/// [`ConfigBuilder::credential_source`](crate::ConfigBuilder::credential_source):
///
/// ```
/// use futures::future::BoxFuture;
/// use shardstream::{CredentialError, CredentialSource, Token, TokenRequest};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// impl CredentialSource for Vault {
///     fn bot(&self) -> u64 {
///         1
///     }
///
///     fn check(&self) -> Result<(), &'static str> {
///         Ok(())
///     }
///
///     fn token(
///         &self,
///         request: TokenRequest,
///     ) -> BoxFuture<'static, Result<Token, CredentialError>> {
///         // Where `renew` is set, what was given before was refused.
///         let path = if request.renew { "fresh" } else { "cached" };
///         Box::pin(async move { Ok(Token::from(format!("the {path} token of the vault"))) })
///     }
/// }
/// ```
pub trait CredentialSource: Debug + Send + Sync + 'static {
    /// Names the bot without giving anything away: sources of one bot agree on it, and so share
    /// the budget of identifies.
    fn bot(&self) -> u64;

    /// Whether the credentials can work at all.
    ///
    /// # Errors
    ///
    /// What is wrong with them, without any part of them.
    fn check(&self) -> Result<(), &'static str>;

    /// The public id of the app that the bot belongs to, where the platform's REST calls name it.
    fn app_id(&self) -> Option<&str> {
        None
    }

    /// A token for a handshake or a call that is about to be sent, as it goes there: with the
    /// scheme in front where the platform wants one.
    ///
    /// # Errors
    ///
    /// None could be had. The shard keeps its session and asks again after a growing delay, or
    /// ends where the error [is fatal](Error::is_fatal).
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the token is not needed any more.
    fn token(&self, request: TokenRequest) -> BoxFuture<'static, Result<Token, CredentialError>>;
}

/// For what a token is asked, and by which means it may be fetched.
#[derive(Clone)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The token given last was refused: one that is cached is not good enough.
    pub renew: bool,
    /// The REST base of the configuration, without a slash at its end.
    pub rest_url: String,
    /// Dials with the TLS, limits and proxies of the configuration.
    #[allow(
        dead_code,
        reason = "the sources of some platforms fetch nothing, and others may not be built in"
    )]
    pub(crate) connector: Connector,
}

/// Why no token could be had.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CredentialError {
    /// What the user is told.
    pub error: Error,
    /// How long the endpoint asked us to wait.
    pub retry_after: Option<Duration>,
}

impl CredentialError {
    /// Fatal where the error is; else the shard asks again after a growing delay.
    pub const fn new(error: Error, retry_after: Option<Duration>) -> Self {
        Self { error, retry_after }
    }
}

impl TokenRequest {
    /// What a caller with this REST base and these means asks for.
    pub(crate) const fn new(renew: bool, rest_url: String, connector: Connector) -> Self {
        Self {
            renew,
            rest_url,
            connector,
        }
    }
}

impl Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("renew", &self.renew)
            .field("rest_url", &shown(&self.rest_url))
            .finish_non_exhaustive()
    }
}

impl CredentialSource for Token {
    fn bot(&self) -> u64 {
        // The part before the first dot is the bot's public id, the same after a token reset.
        let id = self.expose().split('.').next();
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        hasher.finish()
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.is_usable() {
            Ok(())
        } else {
            Err("a token is not empty and has no control characters")
        }
    }

    fn token(&self, _: TokenRequest) -> BoxFuture<'static, Result<Token, CredentialError>> {
        future::ready(Ok(self.clone())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::CredentialSource;
    use crate::secret::Token;

    #[test]
    fn tokens_of_one_bot_agree_on_the_bot_and_others_do_not() {
        let bot = |token: &str| Token::from(token).bot();
        assert_eq!(bot("MTIz.a.b"), bot("MTIz.c.d"));
        assert_ne!(bot("MTIz.a.b"), bot("MTI0.a.b"));
    }

    #[test]
    fn an_unusable_token_is_named_without_its_text() {
        let problem = Token::from("CANARY\n").check().unwrap_err();
        assert!(!problem.contains("CANARY"));
        assert_eq!(Token::from("x").check(), Ok(()));
    }
}
