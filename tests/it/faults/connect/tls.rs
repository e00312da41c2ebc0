//! Who vouches for whom: certificates made for a test.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio_rustls::TlsAcceptor;

/// Who signs certificates in a test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {}", fastrand::u64(..));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a certificate");
        roots
    }

    /// A client that trusts it.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.client_with(rustls::ALL_VERSIONS)
    }

    pub(crate) fn client_with(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        Arc::new(config)
    }

    /// A server that it vouches for under these names.
    pub(crate) fn server(&self, names: &[&str]) -> TlsAcceptor {
        self.server_with(names, |_| ())
    }

    pub(crate) fn server_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let mut params = leaf(names);
        change(&mut params);
        let leaf = params.signed_by(&key, &self.0).expect("a certificate");
        acceptor(leaf.der().clone(), &key, rustls::ALL_VERSIONS)
    }

    /// A server that speaks only these versions.
    pub(crate) fn server_of(
        &self,
        names: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let leaf = leaf(names).signed_by(&key, &self.0).expect("a certificate");
        acceptor(leaf.der().clone(), &key, versions)
    }
}

/// A server that vouches for itself.
pub(crate) fn self_signed(names: &[&str]) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let leaf = leaf(names).self_signed(&key).expect("a certificate");
    acceptor(leaf.der().clone(), &key, rustls::ALL_VERSIONS)
}

fn leaf(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().copied().map(String::from).collect();
    CertificateParams::new(names).expect("names")
}

fn acceptor(
    leaf: CertificateDer<'static>,
    key: &KeyPair,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}
