use std::time::Duration;

use serde_json::{Value, json};

use super::world::{Agent, World};

fn texts(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["summary"].as_str().unwrap()).collect()
}

/// An agent with three messages, all of one instant.
async fn three(world: &World) -> (Agent, Vec<String>) {
    let agent = world.agent("a").await;
    for text in ["one", "two", "three"] {
        world.send(&agent, text).expect(200).await;
    }
    let mut ids: Vec<_> =
        world.log(&agent).await.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    ids.reverse();
    (agent, ids)
}

#[tokio::test]
async fn p87_p89_rows_after_a_cursor_come_oldest_first_and_none_is_lost_in_one_instant() {
    // The clock stands still, so that all rows have one created_at. Fails when the cursor compares times.
    let world = World::strict().await;
    let (agent, ids) = three(&world).await;
    let path = format!("/workspaces/{}/activity?type=a2a_receive", agent.id);
    let after =
        async |query: String| world.get(&format!("{path}&{query}")).token(&agent.token).expect(200).await;
    assert_eq!(texts(&after(format!("since_id={}", ids[0])).await), ["two", "three"]);
    assert_eq!(texts(&after(format!("since_id={}&limit=1", ids[0])).await), ["two"]);
    assert_eq!(after(format!("since_id={}", ids[2])).await, json!([]));
}

#[tokio::test]
async fn a_cursor_that_is_no_row_of_this_log_is_gone() {
    let world = World::strict().await;
    let (agent, _) = three(&world).await;
    let (_, foreign) = three(&world).await;
    for cursor in ["00000000-0000-0000-0000-000000000000", &foreign[0], "nonsense"] {
        let path = format!("/workspaces/{}/activity?since_id={cursor}", agent.id);
        world.get(&path).token(&agent.token).refused(410).await;
    }
}

#[tokio::test]
async fn p91_rows_are_chosen_by_source_age_peer_and_number() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    world.send(&a, "old, of the user").expect(200).await;
    world.hand.advance(Duration::from_secs(100));
    world.send(&a, "new, of b").by(&b).expect(200).await;
    let path = format!("/workspaces/{}/activity", a.id);
    let ask = |query: &str| world.get(&format!("{path}?{query}")).token(&a.token);
    let b_id = &b.id;
    for (query, rows) in [
        ("source=canvas".to_owned(), vec!["old, of the user"]),
        ("source=agent".to_owned(), vec!["new, of b"]),
        ("since_secs=99".to_owned(), vec!["new, of b"]),
        ("since_secs=100".to_owned(), vec!["new, of b", "old, of the user"]),
        ("since_secs=99999999999999999".to_owned(), vec!["new, of b", "old, of the user"]),
        ("before_ts=2026-04-27T11:37:00Z".to_owned(), vec!["old, of the user"]),
        ("before_ts=2026-04-27T13:37:00%2B02:00".to_owned(), vec!["old, of the user"]),
        ("before_ts=2026-04-27T11:36:15.123456Z".to_owned(), vec![]),
        (format!("peer_id={b_id}"), vec!["new, of b"]),
        (format!("peer_id={}", a.id), vec!["new, of b", "old, of the user"]),
        ("limit=1".to_owned(), vec!["new, of b"]),
        ("limit=0".to_owned(), vec!["new, of b", "old, of the user"]),
        ("limit=nonsense&type=a2a_receive".to_owned(), vec!["new, of b", "old, of the user"]),
        ("type=task_update".to_owned(), vec![]),
    ] {
        assert_eq!(texts(&ask(&query).expect(200).await), rows, "{query}");
    }
    for (query, error) in [
        ("source=x", "source must be 'canvas' or 'agent'"),
        ("peer_id=x", "peer_id must be a valid UUID"),
        ("before_ts=x", "before_ts must be an RFC 3339 time"),
        ("since_secs=x", "since_secs must be a number of seconds"),
    ] {
        assert_eq!(ask(query).refused(400).await, error, "{query}");
    }
}

#[tokio::test]
async fn p91_a_page_has_a_hundred_rows_unless_asked_and_five_hundred_at_most() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    let path = format!("/workspaces/{}/activity", agent.id);
    for _ in 0..501 {
        world.post(&path, &json!({ "activity_type": "agent_log" })).token(&agent.token).expect(200).await;
    }
    for (query, rows) in
        [("", 100), ("?limit=0", 100), ("?limit=-1", 100), ("?limit=7", 7), ("?limit=9999", 500)]
    {
        let page = world.get(&format!("{path}{query}")).token(&agent.token).expect(200).await;
        assert_eq!(page.as_array().unwrap().len(), rows, "{query}");
    }
}

#[tokio::test]
async fn p93_p94_a_text_to_the_user_is_echoed_into_the_log() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    let path = format!("/workspaces/{}/notify", agent.id);
    let notify = |body: Value| world.post(&path, &body).token(&agent.token);
    assert_eq!(notify(json!({ "message": "hi" })).expect(200).await, json!({ "status": "sent" }));
    let file = json!({ "uri": "workspace:/f", "name": "f", "mimeType": "text/plain", "size": 3 });
    notify(json!({ "message": "see", "attachments": [file] })).expect(200).await;
    let rows = world.log(&agent).await;
    for row in &rows {
        assert_eq!((&row["activity_type"], &row["method"]), (&json!("a2a_receive"), &json!("notify")));
        assert_eq!((&row["source_id"], row.get("request_body")), (&Value::Null, None));
    }
    assert_eq!(rows[1]["response_body"], json!({ "result": "hi" }));
    assert_eq!(
        rows[0]["response_body"],
        json!({ "result": "see", "parts": [{ "kind": "file", "file": file }] })
    );

    let nameless = json!({ "message": "x", "attachments": [file, { "uri": "workspace:/g" }] });
    assert_eq!(notify(nameless).refused(400).await, "attachment[1]: uri and name are required");
    for nothing in [json!({}), json!({ "message": "" }), json!([])] {
        assert_eq!(notify(nothing).refused(400).await, "message is required");
    }
    let unknown = "/workspaces/00000000-0000-4000-8000-000000000000/notify";
    let notify = world.post(unknown, &json!({ "message": "x" })).token(super::world::ADMIN);
    assert_eq!(notify.refused(404).await, "workspace not found");
}

#[tokio::test]
async fn p95_an_agent_reports_what_it_did_and_nobody_else_does() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let path = format!("/workspaces/{}/activity", a.id);
    let report = |body: Value| world.post(&path, &body).token(&a.token);
    let done = json!({ "activity_type": "task_update", "summary": "s", "metadata": { "n": 1 }, "duration_ms": 5, "target_id": b.id.to_uppercase() });
    assert_eq!(report(done).expect(200).await, json!({ "status": "logged" }));
    let row = world.log(&a).await.remove(0);
    assert_eq!(
        (&row["source_id"], &row["target_id"], &row["status"]),
        (&json!(a.id), &json!(b.id), &json!("ok"))
    );
    assert_eq!((&row["request_body"], &row["duration_ms"]), (&json!({ "n": 1 }), &json!(5)));
    let foreign = json!({ "activity_type": "agent_log", "source_id": b.id });
    assert_eq!(report(foreign).refused(403).await, "source_id must match authenticated workspace");
    let refused = report(json!({ "activity_type": "delegation" })).refused(400).await;
    assert!(refused.contains("task_update"), "{refused}");
    report(json!({ "activity_type": "agent_log", "target_id": "nonsense" })).expect(200).await;
    assert_eq!(world.log(&a).await.len(), 1, "lost without a word, as the platform does");
    world.post(&path, &json!({ "activity_type": "agent_log" })).token(&b.token).refused(401).await;
}

#[tokio::test]
async fn rows_beyond_the_retention_are_dropped() {
    let world = World::strict().await;
    let (agent, ids) = three(&world).await;
    world.hand.advance(Duration::from_secs(7 * 24 * 60 * 60));
    world.send(&agent, "new").expect(200).await;
    world.platform.sweep().await.unwrap();
    assert_eq!(world.log(&agent).await.len(), 4, "seven days are not over seven days");
    world.hand.advance(Duration::from_secs(1));
    world.platform.sweep().await.unwrap();
    assert_eq!(world.log(&agent).await.len(), 1);
    let path = format!("/workspaces/{}/activity?since_id={}", agent.id, ids[2]);
    world.get(&path).token(&agent.token).refused(410).await;
}
