//! Errors of the platform in the words of the contract.

use molecule_protocol::Delivery;
use molecule_protocol::proxy::{FailureKind, ProxyFailure};
use molecule_runtime::wit::{Backoff, Error, Failure, RemoteError, Sent};

use crate::platform::{PlatformError, PlatformFault};

/// What a failed request is to the agent that asked for it.
pub(super) fn of_platform(error: &PlatformError) -> Error {
    use PlatformFault as Fault;
    let message = error.to_string();
    let sent = sent(error.delivery());
    match &error.fault {
        Fault::Unauthorized { .. } => Error::Unauthorized(message),
        Fault::Forbidden { .. } | Fault::OriginRefused => Error::Forbidden(message),
        Fault::NotFound { .. } | Fault::RouteMissing | Fault::Gone { .. } => Error::NotFound(message),
        Fault::RateLimited { retry_after } => Error::RateLimited(Backoff {
            message,
            retry_after_ms: retry_after.and_then(|time| u32::try_from(time.as_millis()).ok()),
        }),
        Fault::Timeout { .. } => Error::Timeout(Failure { message, sent }),
        Fault::Rejected { .. } | Fault::Invalid(_) => Error::Invalid(message),
        Fault::TooLarge { .. } => Error::TooLarge(message),
        _ => Error::Unavailable(Failure { message, sent }),
    }
}

/// What a failed call of a peer is to the agent that called.
pub(super) fn of_proxy(failure: &ProxyFailure) -> Error {
    let message = failure.to_string();
    let sent = sent(failure.delivery());
    match failure.kind {
        FailureKind::Invalid => Error::Invalid(message),
        FailureKind::Unauthorized => Error::Unauthorized(message),
        FailureKind::OverBudget | FailureKind::Forbidden => Error::Forbidden(message),
        FailureKind::NotFound => Error::NotFound(message),
        FailureKind::RateLimited => Error::RateLimited(Backoff {
            message,
            retry_after_ms: failure
                .retry_after
                .and_then(|seconds| u32::try_from(seconds.checked_mul(1000)?).ok()),
        }),
        FailureKind::Remote => Error::Remote(RemoteError { code: Some(failure.status.into()), message }),
        _ => Error::Unavailable(Failure { message, sent }),
    }
}

fn sent(delivery: Delivery) -> Sent {
    match delivery {
        Delivery::No => Sent::No,
        Delivery::Unknown => Sent::Maybe,
        Delivery::Yes => Sent::Yes,
    }
}
