//! The activity log of a workspace: its inbox in poll mode, and its history.

use jiff::Timestamp;
use serde::Serialize;

use crate::json::{self, Json, Object};
use crate::timestamp;

/// The type of rows that are an inbox.
pub const A2A_RECEIVE: &str = "a2a_receive";
/// The method of the echo of a text that the workspace sent to its user.
pub const NOTIFY: &str = "notify";
/// The method of a row that announces an uploaded file.
pub const CHAT_UPLOAD_RECEIVE: &str = "chat_upload_receive";
/// The most rows in one page, whatever is asked for.
pub const MAX_LIMIT: u32 = 500;

/// One row.
///
/// Written as the platform writes it: the three last bodies are left out when absent, everything else is `null`.
/// Read leniently by [`ActivityRow::read`], also in the shape that the Python SDK expects (`source` and `data`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ActivityRow {
    /// Names it; unique. A number is read as its digits.
    pub id: String,
    /// Whose log it is in.
    pub workspace_id: Option<String>,
    /// What happened, e.g. [`A2A_RECEIVE`].
    pub activity_type: Option<String>,
    /// The workspace that caused it; `None` for the user.
    pub source_id: Option<String>,
    /// The workspace it was done to.
    pub target_id: Option<String>,
    /// The JSON-RPC method, or a word of the platform's.
    pub method: Option<String>,
    /// One line for people.
    pub summary: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// `ok`, `error`, `timeout`, or where a delegation stands.
    pub status: Option<String>,
    /// What went wrong.
    pub error_detail: Option<String>,
    /// When the row was written.
    #[serde(with = "timestamp::optional")]
    pub created_at: Option<Timestamp>,
    /// What came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<Json>,
    /// What was answered, or the echoed text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<Json>,
    /// The tools that were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_trace: Option<Json>,
    /// Who sent it, in the Python SDK's words; `data.source` goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The message, in the Python SDK's shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
}

impl ActivityRow {
    /// Reads a row; `None` if it is no object or has no id. Members of a wrong type count as absent.
    pub fn read(value: &Json) -> Option<Self> {
        let members = value.as_object()?;
        let text = |name: &str| members.get(name).and_then(Json::as_text).filter(|text| !text.is_empty());
        let body = |name: &str| members.get(name).filter(|value| !value.is_null()).cloned();
        Some(Self {
            id: Self::read_id(&members)?,
            workspace_id: text("workspace_id"),
            activity_type: text("activity_type"),
            source_id: text("source_id"),
            target_id: text("target_id"),
            method: text("method"),
            summary: text("summary"),
            duration_ms: members.get("duration_ms").and_then(|it| it.parse().ok()),
            status: text("status"),
            error_detail: text("error_detail"),
            created_at: text("created_at").as_deref().and_then(timestamp::parse),
            request_body: body("request_body"),
            response_body: body("response_body"),
            tool_trace: body("tool_trace"),
            source: text("source"),
            data: body("data"),
        })
    }

    /// A text, or a number other than 0, digit by digit.
    fn read_id(members: &Object) -> Option<String> {
        let id = members.get("id")?;
        let text = match id.as_text() {
            Some(text) => text,
            None if id.parse::<f64>().is_ok_and(|number| number != 0.0) => id.get().to_owned(),
            None => return None,
        };
        (!text.is_empty()).then_some(text)
    }
}

/// What `GET /workspaces/:id/activity` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityPage {
    /// In the order they came in; see [`oldest_first`](Self::oldest_first).
    pub rows: Vec<ActivityRow>,
    /// Elements that are no rows. To be said, not to be stumbled over.
    pub unreadable: usize,
}

impl ActivityPage {
    /// Reads a page: a list of rows, bare or as `items` or `activities`; `null` is an empty list.
    ///
    /// # Errors
    /// Where the body holds no such list. Then it is not an empty page but no page at all.
    pub fn read(body: &[u8]) -> Result<Self, NotAPage> {
        let value = Json::from_text(json::repair(body).as_ref()).map_err(|_| NotAPage)?;
        let elements = match value.as_object() {
            _ if value.is_null() => Vec::new(),
            None => value.as_list().ok_or(NotAPage)?,
            Some(members) => {
                let list =
                    ["items", "activities"].iter().find_map(|name| members.get(*name)).ok_or(NotAPage)?;
                if list.is_null() { Vec::new() } else { list.as_list().ok_or(NotAPage)? }
            }
        };
        let rows: Vec<_> = elements.iter().filter_map(ActivityRow::read).collect();
        Ok(Self { unreadable: elements.len() - rows.len(), rows })
    }

    /// True if the rows came newest first, as they do where no `since_id` was given or understood.
    pub fn is_descending(&self) -> bool {
        let times = || self.rows.iter().filter_map(|row| row.created_at);
        times().zip(times().skip(1)).find(|(one, next)| one != next).is_some_and(|(one, next)| one > next)
    }

    /// The rows oldest first. Among rows of one time, and where there are no times, the order that the server meant
    /// is kept.
    pub fn oldest_first(mut self) -> Vec<ActivityRow> {
        if self.is_descending() {
            self.rows.reverse();
        }
        self.rows.sort_by_key(|row| row.created_at);
        self.rows
    }
}

/// A body that is not a page of the activity log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not a list of activity rows")]
pub struct NotAPage;

/// Which rows to ask for. What is `None` is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityQuery {
    /// Rows of this type only, e.g. [`A2A_RECEIVE`].
    pub activity_type: Option<String>,
    /// Rows of one kind of sender only.
    pub source: Option<ActivitySource>,
    /// At most so many; the platform caps it at [`MAX_LIMIT`] and takes 100 where it is absent.
    pub limit: Option<u32>,
    /// Rows after this one, oldest first. A row that is gone answers 410.
    pub since_id: Option<String>,
    /// Rows of the last so many seconds.
    pub since_secs: Option<u64>,
    /// Rows from or to this workspace.
    pub peer_id: Option<String>,
    /// Rows strictly older than this.
    pub before_ts: Option<Timestamp>,
}

impl ActivityQuery {
    /// The query string, without the question mark.
    pub fn to_query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let pairs = [
            ("type", self.activity_type.clone()),
            ("source", self.source.map(|source| source.as_str().to_owned())),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("since_id", self.since_id.clone()),
            ("since_secs", self.since_secs.map(|seconds| seconds.to_string())),
            ("peer_id", self.peer_id.clone()),
            ("before_ts", self.before_ts.map(|time| time.to_string())),
        ];
        for (name, value) in pairs {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }
}

/// A kind of sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivitySource {
    /// The user.
    Canvas,
    /// A workspace.
    Agent,
}

impl ActivitySource {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canvas => "canvas",
            Self::Agent => "agent",
        }
    }
}

/// A row that a workspace writes into its own log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct ActivityReport {
    /// One of [`ActivityReport::TYPES`]. Never [`A2A_RECEIVE`] from a host: it would come back as a message.
    pub activity_type: String,
    /// A word for what was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The workspace it was done to: a UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<String>,
    /// The workspace itself, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// `ok` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<String>,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i32>,
    /// What came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_body: Option<Json>,
    /// Taken for `request_body` where that is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body: Option<Json>,
}

impl ActivityReport {
    /// The types that the platform takes.
    pub const TYPES: [&str; 7] =
        ["a2a_send", "a2a_receive", "task_update", "agent_log", "skill_promotion", "memory_write", "error"];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(rows: &[ActivityRow]) -> Vec<&str> {
        rows.iter().map(|row| row.id.as_str()).collect()
    }

    #[test]
    fn a_page_keeps_its_good_rows_and_counts_the_others() {
        for body in [
            r#"[{"id":"a"},7,null,{},{"id":"b","created_at":"nonsense","duration_ms":"x"}]"#,
            r#"{"items":[{"id":"a"},{"id":""},{"id":"b"}]}"#,
            r#"{"activities":[{"id":"a"},{"id":"b"}],"next":1}"#,
        ] {
            assert_eq!(ids(&ActivityPage::read(body.as_bytes()).unwrap().rows), ["a", "b"], "{body}");
        }
        let page = ActivityPage::read(br#"[{"id":"a"},7,null,{}]"#).unwrap();
        assert_eq!((page.rows.len(), page.unreadable), (1, 3));
    }

    #[test]
    fn what_is_no_page_is_not_taken_for_an_empty_one() {
        for body in ["[]", "null", r#"{"items":null}"#, r#"{"items":[]}"#] {
            assert_eq!(ActivityPage::read(body.as_bytes()), Ok(ActivityPage::default()), "{body}");
        }
        for body in
            ["", "{}", "5", r#""abc""#, r#"{"rows":[]}"#, r#"{"items":5}"#, r#"{"items":{"a":1}}"#, "<html>"]
        {
            assert_eq!(ActivityPage::read(body.as_bytes()), Err(NotAPage), "{body}");
        }
    }

    #[test]
    fn rows_are_brought_into_order_whichever_way_they_came() {
        let page = |rows: &[(&str, &str)]| {
            let rows = rows
                .iter()
                .map(|(id, second)| format!(r#"{{"id":"{id}","created_at":"2026-01-01T00:00:{second}Z"}}"#));
            let body = format!("[{}]", rows.collect::<Vec<_>>().join(","));
            ActivityPage::read(body.as_bytes()).unwrap()
        };
        // Two of one instant: in a descending page the later one stands first.
        for rows in [
            [("a", "01"), ("b", "02"), ("c", "02"), ("d", "03")],
            [("d", "03"), ("c", "02"), ("b", "02"), ("a", "01")],
        ] {
            assert_eq!(ids(&page(&rows).oldest_first()), ["a", "b", "c", "d"], "{rows:?}");
        }
        let timeless = ActivityPage::read(br#"[{"id":"b"},{"id":"a"}]"#).unwrap();
        assert_eq!(ids(&timeless.oldest_first()), ["b", "a"]);
    }

    #[test]
    fn a_row_is_written_as_the_platform_writes_it() {
        let row = ActivityRow { id: "r".into(), request_body: Some(Json::null()), ..ActivityRow::default() };
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"id":"r","workspace_id":null,"activity_type":null,"source_id":null,"target_id":null,"method":null,"summary":null,"duration_ms":null,"status":null,"error_detail":null,"created_at":null,"request_body":null}"#
        );
    }

    #[test]
    fn a_query_names_what_is_asked_for_and_escapes_it() {
        assert_eq!(ActivityQuery::default().to_query(), "");
        let query = ActivityQuery {
            activity_type: Some(A2A_RECEIVE.into()),
            source: Some(ActivitySource::Canvas),
            limit: Some(100),
            since_id: Some("a&b".into()),
            since_secs: Some(600),
            peer_id: Some("p".into()),
            before_ts: timestamp::parse("2026-01-01T00:00:00Z"),
        };
        assert_eq!(
            query.to_query(),
            "type=a2a_receive&source=canvas&limit=100&since_id=a%26b&since_secs=600&peer_id=p&before_ts=2026-01-01T00%3A00%3A00Z"
        );
    }
}
