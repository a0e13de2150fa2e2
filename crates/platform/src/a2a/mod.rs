//! The proxy: a message on its way from a user or a workspace to another.

mod envelope;
mod forward;
pub(crate) mod queue;

use axum::http::StatusCode;
use molecule_protocol::activity::A2A_RECEIVE;
use molecule_protocol::{ActivityRow, Json, Status};

pub(crate) use self::envelope::Envelope;
use self::forward::Sent;
use crate::agent_url;
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, StoreText as _};
use crate::records::Record;
use crate::{hierarchy, log, records};

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The agent answered; its bytes.
    Answered { status: StatusCode, body: Vec<u8> },
    /// It is in the log of an agent that polls.
    QueuedPoll { method: String },
    /// It waits until the agent is less busy.
    QueuedBusy { queue_id: String, depth: i64 },
}

/// Takes a message to `target`. Who the caller is was checked; whether it may is checked here, in the platform's order:
/// hierarchy, budget, body, mode, URL.
pub(crate) async fn deliver(
    app: &App,
    caller: &Caller,
    target: &str,
    body: &[u8],
) -> Result<Outcome, ApiError> {
    let record = judged(app, caller, target).await?;
    if record.as_ref().is_some_and(|it| it.budget_limit.is_some_and(|limit| it.monthly_spend >= limit)) {
        return Err(ApiError::new(StatusCode::PAYMENT_REQUIRED, "workspace budget limit exceeded"));
    }
    let envelope = Envelope::read(body)?;
    let record = record.filter(|record| !record.is_removed()).ok_or_else(ApiError::no_workspace)?;
    if record.polls() {
        let row = received(caller.id(), record.id(), &envelope, app.now());
        write(app, caller, row).await?;
        return Ok(Outcome::QueuedPoll { method: envelope.method.unwrap_or_default() });
    }
    if record.shown.url.is_empty() && *record.status() == Status::Hibernated {
        let asleep = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "workspace is waking up");
        return Err(asleep.with("waking", true).retry_after(15));
    }
    if record.shown.url.is_empty() {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "workspace has no URL")
            .with("status", record.status().as_str()));
    }
    if let Err(why) = agent_url::may_call(&app.config, &record.shown.url).await {
        let error = ApiError::new(StatusCode::BAD_GATEWAY, "workspace URL is not publicly routable");
        return Err(error.with("detail", why));
    }
    push(app, caller, &record, envelope).await
}

/// The target, if it exists, once it is clear that the caller may talk to it.
async fn judged(app: &App, caller: &Caller, target: &str) -> Result<Option<Record>, ApiError> {
    let (caller, target) = (caller.id().map(str::to_owned), target.to_owned());
    let judged = app.db.read(move |connection| {
        if let Some(caller) = caller.filter(|caller| *caller != target)
            && !hierarchy::may_talk(connection, &caller, &target)?
        {
            let error = "access denied: workspaces cannot communicate per hierarchy rules";
            return Err(ApiError::forbidden(error));
        }
        records::find(connection, &target)
    });
    judged.await.or_text("lookup failed")
}

/// Posts a message to the agent's URL, and logs how that went.
async fn push(app: &App, caller: &Caller, record: &Record, envelope: Envelope) -> Result<Outcome, ApiError> {
    let began = tokio::time::Instant::now();
    let sent = forward::forward(app, record, &envelope.body, matches!(caller, Caller::Workspace(_))).await;
    let took = i64::try_from(began.elapsed().as_millis()).ok();
    let mut row =
        ActivityRow { duration_ms: took, ..received(caller.id(), record.id(), &envelope, app.now()) };
    match &sent {
        Sent::Answered { status, body } if status.is_success() => {
            row.response_body = Json::from_text(String::from_utf8_lossy(body)).ok();
            row.tool_trace =
                row.response_body.as_ref().and_then(|it| it.at(&["result", "metadata", "tool_trace"]));
        }
        failed => {
            row.status = Some("error".to_owned());
            row.error_detail = Some(failed.to_string());
        }
    }
    // What became of the message is known, and its sender must learn it even where it cannot be written down.
    if let Err(error) = write(app, caller, row).await {
        error.log();
    }
    let bad_gateway = |text| ApiError::new(StatusCode::BAD_GATEWAY, text);
    match sent {
        Sent::Answered { status, body } if status.is_success() => Ok(Outcome::Answered { status, body }),
        Sent::Answered { status, body } => Err(ApiError::new(status, agent_error(status, &body))),
        Sent::Unreachable(why) => Err(bad_gateway("failed to reach workspace agent").with("detail", why)),
        Sent::AnswerLost { delivered } => {
            Err(bad_gateway("failed to read agent response").with("delivery_confirmed", delivered))
        }
        Sent::Busy(_) if record.can("session") => {
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "workspace agent is busy")
                .with("busy", true)
                .with("native_session", true)
                .retry_after(30))
        }
        Sent::Busy(_) => {
            let (queue_id, depth) = queue::put(app, caller, record.id(), envelope).await?;
            Ok(Outcome::QueuedBusy { queue_id, depth })
        }
    }
}

/// The agent's own word for its failure, if it has one.
fn agent_error(status: StatusCode, body: &[u8]) -> String {
    let said = molecule_protocol::ErrorBody::read(body).map(|body| body.error);
    said.unwrap_or_else(|| status.canonical_reason().unwrap_or("error").to_owned())
}

/// The row that says that a message came.
fn received(source: Option<&str>, target: &str, envelope: &Envelope, now: i64) -> ActivityRow {
    ActivityRow {
        source_id: source.map(str::to_owned),
        target_id: Some(target.to_owned()),
        method: envelope.method.clone(),
        summary: envelope.summary(),
        request_body: Some(envelope.body.clone()),
        ..log::row(target, A2A_RECEIVE, now)
    }
}

async fn write(app: &App, caller: &Caller, row: ActivityRow) -> Result<(), ApiError> {
    let (written, sender, now) = (row.clone(), caller.id().map(str::to_owned), app.now());
    app.db
        .write(move |connection| {
            if let Some(sender) = sender {
                records::set(connection, &sender, "last_outbound_at", &now, now)?;
            }
            log::insert(connection, &written)
        })
        .await
        // The platform's word for a failure after which the message is certainly nowhere.
        .or_text("failed to create proxy request")?;
    app.events.tell_of_row(&row);
    Ok(())
}
