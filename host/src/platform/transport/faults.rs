//! Tells what a failed request died of, from the chain of causes that the HTTP client reports.

use std::error::Error;
use std::io;

use super::{Lost, NotSent, TransportError};

/// Judges an error of the HTTP client. When in doubt the request may have been sent.
pub(super) fn judge(error: &reqwest::Error) -> TransportError {
    if error.is_builder() {
        return TransportError::NotSent(NotSent::Invalid(innermost(error)));
    }
    // Resolving, connecting and the TLS handshake: not a byte of the request has been written yet.
    if error.is_connect() {
        return TransportError::NotSent(not_connected(error));
    }
    let http = causes(error).find_map(|cause| cause.downcast_ref::<hyper::Error>());
    TransportError::Unknown(match http {
        _ if error.is_timeout() => Lost::Timeout,
        Some(http) if http.is_parse() => Lost::NotHttp(innermost(error)),
        _ => Lost::Broken(innermost(error)),
    })
}

fn not_connected(error: &reqwest::Error) -> NotSent {
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => NotSent::PlainHttp,
        Some(rustls::Error::InvalidCertificate(why)) => NotSent::Certificate(why.to_string()),
        Some(other) => NotSent::Handshake(other.to_string()),
        None if error.is_dns() => NotSent::Unresolved(innermost(error)),
        None if error.is_timeout() => NotSent::ConnectTimeout,
        None => NotSent::Connect(innermost(error)),
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

/// The words of the last cause. The outer ones repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
