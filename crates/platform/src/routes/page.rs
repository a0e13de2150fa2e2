//! `GET /`: the workspaces, for a person.

use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use molecule_protocol::timestamp;

use crate::app::App;
use crate::auth::Admin;
use crate::clock::time;
use crate::error::ApiError;
use crate::records::{self, Record};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/", get(page))
}

async fn page(State(app): State<App>, _: Admin) -> Result<Html<String>, ApiError> {
    let rows: String = app.db.read(records::all).await?.iter().map(row).collect();
    Ok(Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Molecule AI, local platform</title>\n\
         <h1>Workspaces</h1>\n<table>\n\
         <thead><tr><th>Name<th>Status<th>Task<th>Last heartbeat<th>Delivery<th>Id</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</html>\n"
    )))
}

fn row(record: &Record) -> String {
    let heard = record.last_heartbeat_at.map_or("never".to_owned(), |at| timestamp::format(time(at)));
    let mode = record.shown.delivery_mode.map_or("", |mode| mode.as_str());
    let cells =
        [&record.shown.name, record.status().as_str(), &record.current_task, &heard, mode, record.id()];
    let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
    format!("<tr>{cells}</tr>\n")
}

/// Names and tasks are strangers' texts.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
