//! Who is trusted at the other end of an encrypted connection.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A setting that no TLS can be made with.
#[derive(Debug)]
pub(crate) enum InvalidTls {
    /// Not certificates.
    Roots(String),
    /// The library itself.
    Library(String),
}

/// The TLS settings: *ring* as the provider, given here and not installed for the whole process, which may be somebody
/// else's; the certificates that the machine trusts, and these in PEM beside them.
pub(crate) fn client_config(extra_roots: Option<&[u8]>) -> Result<ClientConfig, InvalidTls> {
    let roots = match extra_roots {
        None => Vec::new(),
        Some(pem) => CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| InvalidTls::Roots(error.to_string()))?,
    };
    if extra_roots.is_some() && roots.is_empty() {
        return Err(InvalidTls::Roots("there is none in it".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| InvalidTls::Library(error.to_string()))?;
    let any_roots = !roots.is_empty();
    match rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider) {
        Ok(verifier) => {
            Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
        }
        Err(error) if any_roots => Err(InvalidTls::Roots(error.to_string())),
        // A bare container. Plain HTTP, to a platform on the same machine, works without; over TLS nobody is
        // trusted.
        Err(error) => {
            tracing::warn!(
                "this machine has no certificates to check servers by ({error}); install ca-certificates"
            );
            Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
        }
    }
}
