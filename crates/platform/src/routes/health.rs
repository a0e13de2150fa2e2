//! `GET /health`

use axum::Router;
use axum::routing::get;

use crate::app::App;
use crate::reply::{Answer, ok};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/health", get(health))
}

async fn health() -> Answer {
    ok(&serde_json::json!({ "status": "ok" }))
}
