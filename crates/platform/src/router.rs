//! All routes together.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use molecule_protocol::error_body::ROUTE_NOT_FOUND;

use crate::app::App;
use crate::guard::guard;
use crate::routes;

/// The most bytes of a body, except where a route says otherwise.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

pub(crate) fn router(app: App) -> Router {
    routes::all()
        .fallback(not_found)
        // A known path under another method is as unknown.
        .method_not_allowed_fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, ROUTE_NOT_FOUND).into_response()
}
