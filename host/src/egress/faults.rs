//! Tells what an exchange died of, from the errors of the libraries.

use std::error::Error;
use std::io;

use molecule_runtime::wit::Sent;
use molecule_runtime::{Bound, CertificateFault, FetchError, TlsFault};
use rustls::CertificateError;

/// An error of HTTP, before the head of the response or after it. When in doubt the request may have been sent.
pub(super) fn of_http(error: &hyper::Error, host: &str, header_bytes: usize, sent: Sent) -> FetchError {
    // What a body of ours had to say: a limit, or an agent that gave up.
    if let Some(own) = causes(error).find_map(|cause| cause.downcast_ref::<FetchError>()) {
        return own.clone();
    }
    let (host, detail) = (host.to_owned(), innermost(error));
    if error.is_parse_too_large() {
        return FetchError::TooLarge { bound: Bound::ResponseHeaders, limit: header_bytes as u64 };
    }
    if error.is_parse() {
        return FetchError::Protocol { host, detail, sent };
    }
    match causes(error).find_map(|cause| cause.downcast_ref::<h2::Error>()) {
        // The server says that it has done nothing (RFC 9113 8.7).
        Some(http2) if http2.is_remote() && http2.reason() == Some(h2::Reason::REFUSED_STREAM) => {
            FetchError::Broken { host, detail, sent: Sent::No }
        }
        // It is we who do not understand.
        Some(http2) if http2.is_library() => FetchError::Protocol { host, detail, sent },
        _ if is_no_http(error) => FetchError::Protocol { host, detail, sent },
        _ => FetchError::Broken { host, detail, sent },
    }
}

/// Bodies that are no HTTP come as errors of reading.
fn is_no_http(error: &hyper::Error) -> bool {
    let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|io| matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

/// An error of a TLS handshake.
pub(super) fn of_tls(error: &io::Error, host: &str) -> FetchError {
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    let fault = match tls {
        Some(rustls::Error::InvalidCertificate(why)) => TlsFault::Certificate(of_certificate(why)),
        Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => TlsFault::NotTls,
        Some(other) => TlsFault::Handshake(other.to_string()),
        None => TlsFault::Handshake(error.to_string()),
    };
    FetchError::Tls { host: host.to_owned(), fault }
}

fn of_certificate(error: &CertificateError) -> CertificateFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateFault::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::WrongName
        }
        // Of somebody who calls himself like one who is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => CertificateFault::UnknownIssuer,
        // The library that checks has a case for it, which this one does not repeat.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => CertificateFault::AuthorityAsServer,
        other => CertificateFault::Other(other.to_string()),
    }
}

/// The causes of an error, the error itself first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // `io::Error::source` skips the error that it wraps, which is the one that says most.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
