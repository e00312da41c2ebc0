//! Whom do we trust, and who speaks TLS? One client for each connector, with its provider built in.

#[cfg(any(
    feature = "rustls-native-roots",
    feature = "rustls-platform-verifier",
    feature = "rustls-webpki-roots"
))]
mod trusted;

use std::{fmt, io, sync::Arc};

use rustls::{
    ClientConfig,
    pki_types::{InvalidDnsNameError, ServerName},
};
use tokio::sync::OnceCell;

use super::io::{Carrier, Io};
use crate::error::{Error, ErrorKind};

/// Which certificates are trusted, and by whom.
///
/// Every choice but [`Custom`](Self::Custom) and `Native` uses rustls with the `ring` provider. No
/// process-wide provider needs to be installed. The protocol is TLS 1.2 or 1.3.
///
/// The environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` replace what the operating system
/// trusts, for `NativeRoots` everywhere, and for `PlatformVerifier` and `Native` where that is not
/// Windows, macOS, iOS or Android.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Tls {
    /// The caller's own configuration (of rustls 0.23), as it is: for private authorities, client
    /// certificates or another provider.
    Custom(Arc<ClientConfig>),
    /// The first of `NativeRoots`, `WebpkiRoots`, `PlatformVerifier` and `Native` that is built in
    /// and can be set up. (`NativeRoots` cannot where the system has no certificates.)
    #[default]
    Default,
    /// The TLS library of the operating system, with what that trusts: OpenSSL, `SChannel` or
    /// Secure Transport (feature `native`). Where policy asks for it; rustls is what we test most.
    #[cfg(feature = "native")]
    Native,
    /// What the operating system trusts (feature `rustls-native-roots`, on by default), read from
    /// its stores and judged by rustls.
    #[cfg(feature = "rustls-native-roots")]
    NativeRoots,
    /// What the operating system trusts, judged by its own verifier where it has one: Windows,
    /// macOS, iOS, Android (feature `rustls-platform-verifier`). It knows revocations and what the
    /// administrator decreed.
    #[cfg(feature = "rustls-platform-verifier")]
    PlatformVerifier,
    /// Mozilla's list, compiled in (feature `rustls-webpki-roots`): for containers without
    /// certificates.
    #[cfg(feature = "rustls-webpki-roots")]
    WebpkiRoots,
}

/// What [`Tls::Default`] stands for: the first that can be set up.
const DEFAULTS: &[Tls] = &[
    #[cfg(feature = "rustls-native-roots")]
    Tls::NativeRoots,
    #[cfg(feature = "rustls-webpki-roots")]
    Tls::WebpkiRoots,
    #[cfg(feature = "rustls-platform-verifier")]
    Tls::PlatformVerifier,
    #[cfg(feature = "native")]
    Tls::Native,
];

/// Names the choice; the insides of a configuration are nobody's business.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Custom(_) => "Custom",
            Self::Default => "Default",
            #[cfg(feature = "native")]
            Self::Native => "Native",
            #[cfg(feature = "rustls-native-roots")]
            Self::NativeRoots => "NativeRoots",
            #[cfg(feature = "rustls-platform-verifier")]
            Self::PlatformVerifier => "PlatformVerifier",
            #[cfg(feature = "rustls-webpki-roots")]
            Self::WebpkiRoots => "WebpkiRoots",
        })
    }
}

/// The choice and what was made of it, once, at the first connection that needs it: reading the
/// system's certificates takes milliseconds, and shared configurations resume TLS sessions.
#[derive(Debug, Default)]
pub(super) struct Trust {
    tls: Tls,
    client: OnceCell<Client>,
}

impl Trust {
    pub(super) fn new(tls: Tls) -> Self {
        Self {
            tls,
            client: OnceCell::new(),
        }
    }

    /// What speaks TLS. An error is not kept: the next call tries again.
    pub(super) async fn client(&self) -> Result<Client, Error> {
        let make = || async {
            let tls = self.tls.clone();
            // Certificates are read from disk.
            tokio::task::spawn_blocking(move || build(&tls))
                .await
                .unwrap_or_else(|error| Err(not_set_up(error)))
        };
        self.client.get_or_try_init(make).await.cloned()
    }
}

/// The client's side of TLS.
#[derive(Clone)]
pub(super) enum Client {
    #[cfg(feature = "native")]
    Native(tokio_native_tls::TlsConnector),
    Rustls(Arc<ClientConfig>),
}

/// Names the kind.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "native")]
            Self::Native(_) => "Native",
            Self::Rustls(_) => "Rustls",
        })
    }
}

impl Client {
    /// Speaks TLS over `carrier` with who can prove to be `host`.
    pub(super) async fn handshake(self, host: &str, carrier: Carrier) -> io::Result<Io> {
        match self {
            #[cfg(feature = "native")]
            Self::Native(connector) => {
                let stream = connector.connect(host, carrier).await;
                Ok(Io::Native(Box::new(stream.map_err(io::Error::other)?)))
            }
            Self::Rustls(config) => {
                let name = ServerName::try_from(host.to_owned())
                    .map_err(|error: InvalidDnsNameError| io::Error::other(error))?;
                let connector = tokio_rustls::TlsConnector::from(config);
                Ok(Io::Tls(Box::new(connector.connect(name, carrier).await?)))
            }
        }
    }
}

fn build(tls: &Tls) -> Result<Client, Error> {
    match tls {
        Tls::Custom(config) => Ok(Client::Rustls(Arc::clone(config))),
        Tls::Default => default(),
        #[cfg(feature = "native")]
        Tls::Native => native(),
        #[cfg(feature = "rustls-native-roots")]
        Tls::NativeRoots => trusted::native_roots().map(Client::Rustls),
        #[cfg(feature = "rustls-platform-verifier")]
        Tls::PlatformVerifier => trusted::platform_verifier().map(Client::Rustls),
        #[cfg(feature = "rustls-webpki-roots")]
        Tls::WebpkiRoots => trusted::webpki_roots().map(Client::Rustls),
    }
}

/// The first that can be set up, or why the best could not.
fn default() -> Result<Client, Error> {
    let mut first = None;
    for tls in DEFAULTS {
        match build(tls) {
            Ok(client) => return Ok(client),
            Err(error) => _ = first.get_or_insert(error),
        }
    }
    Err(first.unwrap_or_else(|| {
        Error::new(
            ErrorKind::Configuration,
            "tls: nothing to trust is built in; enable the feature `rustls-native-roots`, \
             `rustls-webpki-roots`, `rustls-platform-verifier` or `native`, or give Tls::Custom",
        )
    }))
}

/// It may be possible the next time: fatal is only what cannot change.
fn not_set_up(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    let text = format!("TLS could not be set up: {cause}");
    Error::new(ErrorKind::Connect, text).with_source(cause)
}

#[cfg(feature = "native")]
fn native() -> Result<Client, Error> {
    let connector = native_tls::TlsConnector::builder()
        .min_protocol_version(Some(native_tls::Protocol::Tlsv12))
        .build();
    Ok(Client::Native(connector.map_err(not_set_up)?.into()))
}
