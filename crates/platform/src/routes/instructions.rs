//! The operator's word to an agent: `GET /workspaces/:id/instructions/resolve`, and this platform's own
//! `PUT /workspaces/:id/instructions` with `{"instructions": "…"}` to set it.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::{get, put};
use molecule_protocol::instructions::InstructionsResponse;
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::auth::{Admin, Anyone, Member};
use crate::error::{ApiError, StoreText as _};
use crate::records;
use crate::reply::{Answer, ok, parse};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/instructions/resolve", get(resolve))
        .route("/workspaces/{id}/instructions", put(set))
}

async fn resolve(State(app): State<App>, member: Member) -> Answer {
    let id = member.id.clone();
    let instructions: String = app
        .db
        .read(move |connection| {
            records::present(connection, &id)?;
            let sql = "SELECT instructions FROM workspace WHERE id = ?";
            Ok::<_, ApiError>(connection.query_row(sql, [&id], |row| row.get(0))?)
        })
        .await
        .or_text("query failed")?;
    ok(&InstructionsResponse { workspace_id: member.id, instructions: Some(instructions) })
}

#[derive(Deserialize)]
struct Set {
    instructions: String,
}

async fn set(State(app): State<App>, _: Admin, anyone: Anyone, body: Bytes) -> Answer {
    let Set { instructions } = parse(&body, "invalid request body")?;
    let now = app.now();
    app.db
        .write(move |connection| {
            records::present(connection, &anyone.id)?;
            records::set(connection, &anyone.id, "instructions", &instructions, now)
        })
        .await
        .or_text("failed to save instructions")?;
    ok(&json!({ "status": "saved" }))
}
