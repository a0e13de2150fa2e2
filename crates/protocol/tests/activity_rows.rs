//! Every recorded row, as the Python SDK reads it and as we do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use molecule_protocol::{ActivityPage, ActivityRow, Inbound, Json, Sender, Skip, WorkspaceId, json};
use serde_json::Value;

/// What we make of a row, in the words of the vectors; `None` where it gives no message.
type Read = Option<(String, &'static str, String, String)>;

/// Where ours differs from the SDK's on purpose, and why.
fn ours(case: &str) -> Option<(Read, &'static str)> {
    let message = |id: &str, source, source_id: &str, text: &str| {
        Some((id.to_owned(), source, source_id.to_owned(), text.to_owned()))
    };
    let (read, why) = match case {
        // Who a null `source_id` is.
        "unknown_source_no_id" | "source_case" | "source_blank_padded" | "number_source" => {
            (message("a1", "canvas_user", "", "x"), "no sender id is the user, whatever the word")
        }
        "null_source_id" => (message("a1", "canvas_user", "", "x"), "no sender id is the user"),
        "peer_agent_no_id" => (message("a1", "unknown", "", "x"), "a peer without a name cannot be answered"),
        // What a row without text is.
        "no_text" | "zero_text_no_message" | "data_null" | "data_list" | "text_at_top_level" => {
            (None, "a message of nothing is skipped")
        }
        // Where the text is.
        "platform_snapshot_row_peer" => {
            (message("5f0c", "peer_agent", "peer-7", "ping"), "the text is in request_body")
        }
        "platform_snapshot_row_canvas" => (
            message("5f0d", "canvas_user", "", "hi"),
            "the text is in request_body, and no sender is the user",
        ),
        // What only Python prints.
        "bool_text" | "dict_text" => (None, "text is a JSON text, not Python's print of a value"),
        "true_id" | "dict_id" => (None, "an id is a text or a number"),
        "float_exp_id" => {
            (message("1e+100", "canvas_user", "", "hi"), "a number keeps the digits it came in")
        }
        "lone_surrogate_text" => {
            (message("a1", "canvas_user", "", "\u{fffd}"), "no Rust text holds a lone surrogate")
        }
        _ => return None,
    };
    Some((read, why))
}

fn read(row: &str) -> Read {
    let own: WorkspaceId = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse().unwrap();
    let row = ActivityRow::read(&Json::from_text(json::repair(row.as_bytes()).as_ref()).unwrap())?;
    match row.inbound(&own) {
        Inbound::Message(message) => {
            let (source, id) = match &message.sender {
                Sender::User => ("canvas_user", String::new()),
                Sender::Peer(peer) => ("peer_agent", peer.to_string()),
                Sender::Unknown(said) => ("unknown", said.clone()),
            };
            Some((message.row_id.clone(), source, id, message.text()))
        }
        Inbound::Skip(Skip::Empty) => None,
        other => panic!("no vector is one of these: {other:?}"),
    }
}

#[test]
fn every_recorded_row_is_read_as_the_sdk_reads_it_or_differs_for_a_stated_reason() {
    // The rows as text: a number of 23 digits must not pass through a float.
    let vectors: Json = Json::from_text(include_str!("../../../tests/vectors/activity_rows.json")).unwrap();
    let cases = vectors.at(&["cases"]).unwrap().as_list().unwrap();
    let mut differing = 0;
    for case in &cases {
        let text = |name: &str| case.at(&[name]).and_then(|value| value.as_text());
        let name = text("name").unwrap();
        let row =
            text("row_json").unwrap_or_else(|| case.at(&["row"]).unwrap_or_else(Json::null).get().to_owned());
        let recorded = case.at(&["message"]).map(|message| -> Value { message.parse().unwrap() });
        let theirs = recorded.map(|message| {
            let member = |name: &str| message[name].as_str().unwrap().to_owned();
            let source = match message["source"].as_str().unwrap() {
                "canvas_user" => "canvas_user",
                "peer_agent" => "peer_agent",
                "unknown" => "unknown",
                other => panic!("{other}"),
            };
            // Of the user the SDK keeps an id that nobody needs.
            let id = if source == "canvas_user" { String::new() } else { member("source_id") };
            (member("activity_id"), source, id, member("text"))
        });
        match ours(&name) {
            Some((expected, why)) => {
                assert_eq!(read(&row), expected, "{name}: {why}");
                differing += 1;
            }
            None => assert_eq!(read(&row), theirs, "{name}"),
        }
    }
    assert_eq!((cases.len(), differing), (48, 19));
}

#[test]
fn every_recorded_body_is_a_page_or_is_said_to_be_none() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/activity_rows.json")).unwrap();
    for case in vectors["body_shapes"].as_array().unwrap() {
        let page = ActivityPage::read(case["body"].to_string().as_bytes());
        let rows = page.as_ref().map(|page| page.rows.len()).ok();
        let expected = match case["name"].as_str().unwrap() {
            // The SDK takes these for an empty page, or crashes: they are no page, and the host must say so.
            "items_missing" | "items_number" | "items_object" | "string" | "number" | "empty_object" => None,
            // The SDK crashes; Go servers write null for an empty list.
            "items_null" => Some(0),
            _ => Some(case["messages"].as_array().unwrap().len()),
        };
        assert_eq!(rows, expected, "{}", case["name"]);
    }
}
