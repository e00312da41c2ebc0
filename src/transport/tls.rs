//! Whom do we trust? One rustls configuration for each connector, with its provider built in.

use std::{fmt, io, sync::Arc};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::io::{Carrier, Io};
use crate::error::{Error, ErrorKind};

/// Which certificates are trusted.
///
/// Every choice but [`Custom`](Self::Custom) uses rustls with the `ring` provider, TLS 1.2 or 1.3.
/// No process-wide provider needs to be installed.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Tls {
    /// The caller's own configuration (of rustls 0.23), as it is: for private authorities, client
    /// certificates or another provider.
    Custom(Arc<ClientConfig>),
    /// What the operating system trusts (feature `rustls-native-roots`), else Mozilla's list
    /// (feature `rustls-webpki-roots`).
    #[default]
    Default,
    /// What the operating system trusts.
    #[cfg(feature = "rustls-native-roots")]
    NativeRoots,
    /// Mozilla's list, compiled in: for containers without certificates.
    #[cfg(feature = "rustls-webpki-roots")]
    WebpkiRoots,
}

/// Names the choice; the insides of a configuration are nobody's business.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Custom(_) => "Custom",
            Self::Default => "Default",
            #[cfg(feature = "rustls-native-roots")]
            Self::NativeRoots => "NativeRoots",
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
    config: OnceCell<Arc<ClientConfig>>,
}

impl Trust {
    pub(super) fn new(tls: Tls) -> Self {
        Self {
            tls,
            config: OnceCell::new(),
        }
    }

    /// The configuration. An error is not kept: the next call tries again.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let make = || async {
            let tls = self.tls.clone();
            // Certificates are read from disk.
            tokio::task::spawn_blocking(move || build(&tls))
                .await
                .unwrap_or_else(|error| {
                    Err(Error::new(ErrorKind::Connect, "TLS could not be set up")
                        .with_source(error))
                })
        };
        self.config.get_or_try_init(make).await.map(Arc::clone)
    }
}

/// Speaks TLS over `carrier`.
pub(super) async fn handshake(
    config: Arc<ClientConfig>,
    host: &str,
    carrier: Carrier,
) -> io::Result<Io> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(config).connect(name, carrier).await?;
    Ok(Io::Tls(Box::new(stream)))
}

fn build(tls: &Tls) -> Result<Arc<ClientConfig>, Error> {
    let roots = match tls {
        Tls::Custom(config) => return Ok(Arc::clone(config)),
        Tls::Default => default_roots()?,
        #[cfg(feature = "rustls-native-roots")]
        Tls::NativeRoots => native_roots()?,
        #[cfg(feature = "rustls-webpki-roots")]
        Tls::WebpkiRoots => webpki_roots(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            Error::new(ErrorKind::Configuration, "tls: no usable protocol version")
                .with_source(error)
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(all(feature = "rustls-native-roots", feature = "rustls-webpki-roots"))]
fn default_roots() -> Result<RootCertStore, Error> {
    native_roots().or_else(|_| Ok(webpki_roots()))
}

#[cfg(all(feature = "rustls-native-roots", not(feature = "rustls-webpki-roots")))]
fn default_roots() -> Result<RootCertStore, Error> {
    native_roots()
}

#[cfg(all(not(feature = "rustls-native-roots"), feature = "rustls-webpki-roots"))]
#[expect(clippy::unnecessary_wraps, reason = "fails with other features")]
fn default_roots() -> Result<RootCertStore, Error> {
    Ok(webpki_roots())
}

#[cfg(not(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots")))]
fn default_roots() -> Result<RootCertStore, Error> {
    Err(Error::new(
        ErrorKind::Configuration,
        "tls: no certificates to trust are built in; enable the feature `rustls-native-roots` or \
         `rustls-webpki-roots`, or give Tls::Custom",
    ))
}

#[cfg(feature = "rustls-native-roots")]
fn native_roots() -> Result<RootCertStore, Error> {
    use rustls_native_certs::CertificateResult;

    let CertificateResult { certs, errors, .. } = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems carry certificates that rustls does not understand; those are left out.
    roots.add_parsable_certificates(certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let message = "tls: the operating system has no certificates to trust; install them (package \
                   `ca-certificates`) or use the feature `rustls-webpki-roots`";
    Err(match errors.into_iter().next() {
        // It may be able to read them the next time.
        Some(error) => Error::new(ErrorKind::Connect, message).with_source(error),
        None => Error::new(ErrorKind::Configuration, message),
    })
}

#[cfg(feature = "rustls-webpki-roots")]
fn webpki_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}
