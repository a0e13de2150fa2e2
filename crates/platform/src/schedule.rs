//! Prompts that are sent as if the user had typed them, when it is time.
//!
//! A schedule that is due is given its next turn and a run in one write, and sent after that. So a platform that ends in
//! between sends a prompt once or not at all, never twice; the run then says so. Turns that were missed, because nothing ran
//! or the workspace was paused, are not made up for one by one: one that is overdue fires once, a paused workspace's not at
//! all.

use cronexpr::{Crontab, MakeTimestamp};
use molecule_protocol::rpc::MESSAGE_SEND;
use molecule_protocol::{Json, Status};
use molecule_store::StoreError;
use molecule_store::rusqlite::{self, Connection, Row, params};
use serde_json::json;

use crate::a2a;
use crate::app::App;
use crate::auth::Caller;
use crate::clock::time;
use crate::error::ApiError;
use crate::records;

/// The most schedules that fire in one look; the others do in the next.
const AT_ONCE: u32 = 100;

/// When a schedule fires: a cron expression of five fields (minute, hour, day of month, month, day of week) in a time zone.
#[derive(Debug)]
pub(crate) struct Timetable(Crontab);

impl Timetable {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// 400, with what is wrong as `detail`.
    pub(crate) fn read(cron_expr: &str, timezone: &str) -> Result<Self, ApiError> {
        let refusal =
            |detail: String| ApiError::bad_request("invalid cron expression").with("detail", detail);
        // The parser takes a zone behind the fields: a sixth field would be taken for one.
        let fields = cron_expr.split_ascii_whitespace().count();
        if fields != 5 {
            return Err(refusal(format!(
                "it has {fields} fields; wanted are minute, hour, day, month, weekday"
            )));
        }
        let zone = if timezone.is_empty() { "UTC" } else { timezone };
        let crontab = cronexpr::parse_crontab(&format!("{cron_expr} {zone}"));
        crontab.map(Self).map_err(|error| refusal(error.to_string()))
    }

    /// The first turn after a time; `None` if there is none within four years.
    pub(crate) fn after(&self, micros: i64) -> Option<i64> {
        let next = self.0.find_next(MakeTimestamp(time(micros))).ok()?;
        Some(next.timestamp().as_microsecond())
    }
}

/// A schedule about to be sent.
#[derive(Debug)]
pub(crate) struct Firing {
    workspace: String,
    prompt: String,
    /// Of its run.
    seq: i64,
}

/// Notes that a schedule fires now.
pub(crate) fn begin(
    connection: &Connection,
    schedule: &str,
    workspace: &str,
    prompt: &str,
    now: i64,
) -> Result<Firing, rusqlite::Error> {
    let sql = "INSERT INTO schedule_run (schedule_id, status, started_at) VALUES (?, 'running', ?)";
    connection.execute(sql, params![schedule, now])?;
    let seq = connection.last_insert_rowid();
    Ok(Firing { workspace: workspace.to_owned(), prompt: prompt.to_owned(), seq })
}

/// Fires what is due.
pub(crate) async fn fire_due(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    let firing = app.db.write(move |connection| take_due(connection, now)).await;
    let firing = match firing {
        Ok(firing) => firing,
        Err(error) => {
            error.log();
            return Ok(());
        }
    };
    firing.into_iter().for_each(|firing| send(app, firing));
    Ok(())
}

fn take_due(connection: &Connection, now: i64) -> Result<Vec<Firing>, ApiError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, workspace_id, cron_expr, timezone, prompt FROM schedule
         WHERE enabled AND next_run_at <= ? ORDER BY next_run_at LIMIT ?",
    )?;
    let text = |row: &Row<'_>, at: usize| row.get::<_, String>(at);
    let due: Vec<_> = statement
        .query_map(params![now, AT_ONCE], |row| {
            Ok([text(row, 0)?, text(row, 1)?, text(row, 2)?, text(row, 3)?, text(row, 4)?])
        })?
        .collect::<Result<_, _>>()?;
    let mut firing = Vec::new();
    for [id, workspace, cron_expr, timezone, prompt] in due {
        // One that was valid when it was made, and is no more: its zone has vanished from the system.
        let next = Timetable::read(&cron_expr, &timezone).ok().and_then(|table| table.after(now));
        connection.execute("UPDATE schedule SET next_run_at = ? WHERE id = ?", params![next, id])?;
        let record = records::find(connection, &workspace)?;
        let awake = |record: &records::Record| {
            // An agent that announces a scheduler of its own minds its schedules itself.
            !matches!(record.status(), Status::Removed | Status::Paused) && !record.can("scheduler")
        };
        if record.is_some_and(|record| awake(&record)) {
            firing.push(begin(connection, &id, &workspace, &prompt, now)?);
        }
    }
    Ok(firing)
}

/// Sends a prompt, in the background, and notes how that went.
pub(crate) fn send(app: &App, firing: Firing) {
    let own = app.clone();
    app.in_background(async move {
        let began = tokio::time::Instant::now();
        let message = message(&firing.prompt);
        let sent = a2a::deliver(&own, &Caller::User, &firing.workspace, message.get().as_bytes()).await;
        let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let (status, error) = match sent {
            Ok(_) => ("ok", None),
            Err(error) => ("error", Some(error.text().to_owned())),
        };
        let noted = own.db.write(move |connection| {
            let sql = "UPDATE schedule_run SET status = ?, error = ?, duration_ms = ? WHERE seq = ?";
            Ok::<_, ApiError>(connection.execute(sql, params![status, error, took, firing.seq])?)
        });
        if let Err(error) = noted.await {
            error.log();
        }
    });
}

fn message(prompt: &str) -> Json {
    Json::from(json!({
        "jsonrpc": "2.0",
        "id": uuid::Uuid::new_v4(),
        "method": MESSAGE_SEND,
        "params": { "message": {
            "role": "user",
            "kind": "message",
            "messageId": uuid::Uuid::new_v4(),
            "parts": [{ "kind": "text", "text": prompt }],
        } },
    }))
}

/// What was under way when the platform ended: whether it was sent is not known, and it is not sent again.
pub(crate) fn recover(connection: &Connection) -> Result<(), StoreError> {
    let sql = "UPDATE schedule_run SET status = 'error', error = 'the platform was restarted' WHERE status = 'running'";
    connection.execute(sql, [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_the_next_full_minute_that_fits_in_its_zone() {
        let noon: jiff::Timestamp = "2026-04-27T12:00:00Z".parse().unwrap();
        for (cron_expr, zone, next) in [
            ("* * * * *", "", "2026-04-27T12:01:00Z"),
            ("*/15 * * * *", "UTC", "2026-04-27T12:15:00Z"),
            ("0 12 * * *", "UTC", "2026-04-28T12:00:00Z"),
            ("0 9 * * MON-FRI", "Europe/Berlin", "2026-04-28T07:00:00Z"),
            ("0 0 29 2 *", "UTC", "2028-02-29T00:00:00Z"),
        ] {
            let found = Timetable::read(cron_expr, zone).unwrap().after(noon.as_microsecond());
            assert_eq!(time(found.unwrap()).to_string(), next, "{cron_expr} {zone}");
        }
        assert_eq!(Timetable::read("0 0 30 2 *", "UTC").unwrap().after(noon.as_microsecond()), None);
        for (cron_expr, zone) in [
            ("", "UTC"),
            ("* * * *", "UTC"),
            ("60 * * * *", "UTC"),
            ("* * * * * *", "UTC"),
            ("* * * * * UTC", ""),
            ("* * * * *", "Mars/Olympus"),
            ("* * * * *", "UTC UTC"),
        ] {
            assert!(Timetable::read(cron_expr, zone).is_err(), "{cron_expr} {zone}");
        }
    }
}
