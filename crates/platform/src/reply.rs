//! JSON in and out.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// What a route gives back.
pub(crate) type Answer = Result<Response, ApiError>;

/// A 200.
pub(crate) fn ok(body: &impl Serialize) -> Answer {
    Ok(json(StatusCode::OK, body))
}

/// A JSON body. `<`, `>` and `&` are escaped, as the platform does, so that the body is harmless inside a page.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // These three stand only inside texts, so that they can be replaced without reading the JSON.
    let text = serde_json::to_string(body).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer cannot be written");
        "{}".to_owned()
    });
    let escaped = match text.contains(['<', '>', '&']) {
        true => text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
        false => text,
    };
    let mut response = Response::new(Body::from(escaped));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Reads a body, whatever its content type says. `refusal` is the route's word for one that makes no sense.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8], refusal: &str) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(refusal).with("detail", error.to_string()))
}
