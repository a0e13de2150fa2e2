//! What every request passes before its route, in the platform's order: host and origin, rate limit, tenant.
//!
//! The order shows: a refusal by origin has no rate-limit headers, one by rate or tenant no security headers.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use molecule_protocol::{ORG_ID_HEADER, limits};

use crate::app::App;
use crate::config::Config;
use crate::error::ApiError;
use crate::journal::Asked;

/// Judges a request, and lets it through to its route.
pub(crate) async fn guard(
    State(app): State<App>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let Some(journal) = &app.journal else { return judged(&app, client, request, next).await };
    let asked = Asked::of(&request, app.config.clock.now());
    let response = judged(&app, client, request, next).await;
    journal.note(asked, response.status());
    response
}

async fn judged(app: &App, client: SocketAddr, request: Request, next: Next) -> Response {
    let origin = match judge_origin(&app.config, request.headers(), request.uri().host()) {
        Origin::Refused(refusal) => return *refusal,
        Origin::Own => None,
        Origin::Configured(origin) => Some(origin),
    };
    let mut response = match &origin {
        Some(_) if request.method() == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => counted(app, client.ip(), request, next).await,
    };
    if let Some(origin) = origin {
        allow_origin(response.headers_mut(), origin);
    }
    response
}

async fn counted(app: &App, client: IpAddr, request: Request, next: Next) -> Response {
    let Some(limit) = app.config.limit() else {
        let mut response = for_tenant(app, request, next).await;
        response.headers_mut().insert(limits::LIMIT, HeaderValue::from_static("unlimited"));
        return response;
    };
    let count = app.rates.count(client, limit, app.now());
    let mut response = match count.exceeded {
        true => {
            let refusal = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded");
            refusal.retry_after(count.reset).into_response()
        }
        false => for_tenant(app, request, next).await,
    };
    for (name, value) in
        [(limits::LIMIT, limit), (limits::REMAINING, count.remaining), (limits::RESET, count.reset)]
    {
        response.headers_mut().insert(name, HeaderValue::from(value));
    }
    response
}

async fn for_tenant(app: &App, request: Request, next: Next) -> Response {
    const EXEMPT: [&str; 4] = ["/health", "/metrics", "/registry/register", "/registry/heartbeat"];
    let path = request.uri().path();
    let passes = app.config.org_id.as_deref().is_none_or(|org| is_for(org, request.headers()))
        || EXEMPT.contains(&path)
        || path.starts_with("/cp/");
    if !passes {
        // Deliberately bare: it does not say that anything is here.
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut response = next.run(request).await;
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// True if a request is meant for an organisation: it says so itself, or the edge that sent it on to this platform does, in
/// `Fly-Replay-Src: instance=…;state=<organisation>`.
fn is_for(org: &str, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let replayed = text("fly-replay-src").unwrap_or_default();
    text(ORG_ID_HEADER) == Some(org)
        || replayed.split(';').any(|member| member.trim().strip_prefix("state=") == Some(org))
}

/// The page loads its own files and nothing else, is in nobody's frame, and cannot make markup or code of a text.
const SECURITY_HEADERS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
    ),
];

/// Where a request comes from.
enum Origin {
    /// No page, or one of ours.
    Own,
    /// A page elsewhere that the operator allows.
    Configured(HeaderValue),
    /// Anything else.
    Refused(Box<Response>),
}

/// Refuses requests that a foreign web page makes the user's browser send: those that name a host that is not ours (its
/// own name, resolved to this machine), and those whose origin is not the host they are sent to.
fn judge_origin(config: &Config, headers: &HeaderMap, uri_host: Option<&str>) -> Origin {
    // HTTP/2 has the host in the URI.
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok()).or(uri_host).unwrap_or_default();
    if !is_ours(config, host) {
        let refusal = ApiError::forbidden("this platform is not addressed by that host name")
            .with("hint", "address it as localhost or 127.0.0.1, or start it with --host NAME");
        return Origin::Refused(Box::new(refusal.into_response()));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Origin::Own };
    let Ok(text) = origin.to_str() else { return foreign() };
    let same = ["http://", "https://"].iter().any(|scheme| {
        text.strip_prefix(scheme).is_some_and(|origin_host| origin_host.eq_ignore_ascii_case(host))
    });
    match same {
        true => Origin::Own,
        false if config.origins.iter().any(|allowed| allowed == text) => Origin::Configured(origin.clone()),
        false => foreign(),
    }
}

fn foreign() -> Origin {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FORBIDDEN;
    Origin::Refused(Box::new(response))
}

/// True for a `Host` that is this machine's, the listening address's or configured; whatever the port, which a proxy on
/// this machine may change.
fn is_ours(config: &Config, host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(address, _)| address),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.');
    let by_address =
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || address == config.listen.ip());
    name.eq_ignore_ascii_case("localhost")
        || config.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name))
        || by_address()
}

fn allow_origin(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let methods = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let names = HeaderValue::from_static("Authorization, Content-Type, X-Workspace-ID, X-Molecule-Org-Id");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_ours_are_addressed() {
        let config = Config {
            listen: SocketAddr::from(([192, 168, 1, 5], 8080)),
            hosts: vec!["agents.lan".into()],
            ..Config::default()
        };
        for host in [
            "localhost",
            "localhost:8080",
            "LOCALHOST:9",
            "localhost.:1",
            "127.0.0.1:8080",
            "127.0.0.2",
            "[::1]:8080",
            "192.168.1.5:8080",
            "agents.lan:1",
        ] {
            assert!(is_ours(&config, host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "192.168.1.6",
            "[::2]:8080",
            "[",
            ":8080",
        ] {
            assert!(!is_ours(&config, host), "{host}");
        }
    }
}
