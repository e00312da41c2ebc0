//! What do those trust who bring no configuration of their own? With rustls and `ring`.

use std::sync::Arc;

use rustls::{ClientConfig, ConfigBuilder, client::WantsClientCert};

use crate::error::{Error, ErrorKind};

type Builder<State> = ConfigBuilder<ClientConfig, State>;

fn rustls_builder() -> Result<Builder<rustls::WantsVerifier>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            Error::new(ErrorKind::Configuration, "tls: no usable protocol version")
                .with_source(error)
        })
}

fn finished(builder: Builder<WantsClientCert>) -> Arc<ClientConfig> {
    Arc::new(builder.with_no_client_auth())
}

#[cfg(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots"))]
fn trusting(roots: rustls::RootCertStore) -> Result<Arc<ClientConfig>, Error> {
    Ok(finished(rustls_builder()?.with_root_certificates(roots)))
}

#[cfg(feature = "rustls-platform-verifier")]
pub(super) fn platform_verifier() -> Result<Arc<ClientConfig>, Error> {
    use rustls_platform_verifier::BuilderVerifierExt;

    let builder = rustls_builder()?.with_platform_verifier();
    Ok(finished(builder.map_err(super::not_set_up)?))
}

#[cfg(feature = "rustls-native-roots")]
pub(super) fn native_roots() -> Result<Arc<ClientConfig>, Error> {
    use rustls_native_certs::CertificateResult;

    let CertificateResult { certs, errors, .. } = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    // Systems carry certificates that rustls does not understand; those are left out.
    roots.add_parsable_certificates(certs);
    if !roots.is_empty() {
        return trusting(roots);
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
pub(super) fn webpki_roots() -> Result<Arc<ClientConfig>, Error> {
    trusting(rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    })
}
