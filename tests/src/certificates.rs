//! Authorities of a test's own, and the certificates they give out, rightly and wrongly.

#![allow(
    clippy::expect_used,
    reason = "a fixture: what it does not expect is the fault of the test, which then fails"
)]

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The name that certificates are for.
pub const NAME: &str = "api.example.com";

/// Somebody who vouches for servers.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one, which has a name of a server as well.
    pub fn new() -> Self {
        let mut params = params(NAME);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Its certificate, in PEM, to be trusted.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server that it vouches for.
    pub fn server(&self) -> ServerConfig {
        self.server_with(params(NAME))
    }

    /// The same with a certificate of another kind.
    pub fn server_with(&self, params: CertificateParams) -> ServerConfig {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        config(certificate.der().clone(), &key)
    }

    /// A server that shows the authority's own certificate.
    pub fn as_server(&self) -> ServerConfig {
        config(self.0.der().clone(), self.0.key())
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// A server that vouches for itself.
pub fn self_signed() -> ServerConfig {
    let key = KeyPair::generate().expect("a key");
    let certificate = params(NAME).self_signed(&key).expect("a certificate");
    config(certificate.der().clone(), &key)
}

/// A certificate for this name.
pub fn params(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).expect("a name")
}

/// A certificate for the right name, at another time.
pub fn valid_in(years: std::ops::Range<i32>) -> CertificateParams {
    let mut params = params(NAME);
    params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    params
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a server's configuration")
}
