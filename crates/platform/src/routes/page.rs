//! `GET /`: the page of `src/page`, for a person.
//!
//! Its files are the same for everybody and hold nothing that is anybody's, so they ask for no token: a browser that
//! opens an address could not show one. What the page shows it asks for itself, as the operator.

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use molecule_protocol::error_body::ROUTE_NOT_FOUND;

use crate::app::App;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JS: &str = "text/javascript; charset=utf-8";

const INDEX: &str = include_str!("../page/index.html");

const FILES: [(&str, &str, &str); 12] = [
    ("style.css", CSS, include_str!("../page/style.css")),
    ("icon.svg", SVG, include_str!("../page/icon.svg")),
    ("app.js", JS, include_str!("../page/app.js")),
    ("api.js", JS, include_str!("../page/api.js")),
    ("builds.js", JS, include_str!("../page/builds.js")),
    ("chat.js", JS, include_str!("../page/chat.js")),
    ("dialogs.js", JS, include_str!("../page/dialogs.js")),
    ("dom.js", JS, include_str!("../page/dom.js")),
    ("feed.js", JS, include_str!("../page/feed.js")),
    ("list.js", JS, include_str!("../page/list.js")),
    ("passing.js", JS, include_str!("../page/passing.js")),
    ("rows.js", JS, include_str!("../page/rows.js")),
];

pub(super) fn routes() -> Router<App> {
    Router::new().route("/", get(async || text(HTML, INDEX))).route("/page/{file}", get(file))
}

async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, content)) => text(kind, content),
        None => (StatusCode::NOT_FOUND, ROUTE_NOT_FOUND).into_response(),
    }
}

/// Asked for anew each time: another version of the platform may listen here next.
fn text(kind: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], content).into_response()
}
