//! Messages to agents that poll, and who may send them.

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ADMIN, World, message};

#[tokio::test]
async fn p64_p86_a_message_for_an_agent_that_polls_is_in_its_log_when_the_sender_is_told_so() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let queued = json!({ "status": "queued", "delivery_mode": "poll", "method": "message/send" });
    for text in ["one", "two", "three"] {
        assert_eq!(world.send(&b, text).by(&a).expect(200).await, queued);
    }
    let path = format!("/workspaces/{}/activity?type=a2a_receive", b.id);
    let rows = world.get(&path).token(&b.token).expect(200).await;
    let texts: Vec<_> = rows.as_array().unwrap().iter().map(|row| &row["summary"]).collect();
    assert_eq!(texts, ["three", "two", "one"], "newest first");
    let row = rows[0].as_object().unwrap();
    assert_eq!(row["request_body"], message("three"));
    assert_eq!((&row["source_id"], &row["workspace_id"]), (&json!(a.id), &json!(b.id)));
    assert_eq!((&row["method"], &row["status"]), (&json!("message/send"), &json!("ok")));
    assert_eq!(row["created_at"], "2026-04-27T11:36:15.123456Z");
    assert_eq!((&row["duration_ms"], &row["error_detail"]), (&Value::Null, &Value::Null));
    assert!(!row.contains_key("response_body") && !row.contains_key("tool_trace"), "{row:?}");
    let sender = world.get(&format!("/workspaces/{}", a.id)).expect(200).await;
    assert_eq!(sender["last_outbound_at"], "2026-04-27T11:36:15.123456Z");
}

#[tokio::test]
async fn p59_a_message_without_any_identity_is_the_users() {
    let world = World::strict().await;
    let b = world.agent("b").await;
    world.send(&b, "hi").expect(200).await;
    world.send(&b, "hi again").token(ADMIN).expect(200).await;
    for row in world.log(&b).await {
        assert_eq!(row["source_id"], Value::Null);
    }
}

#[tokio::test]
async fn p56_p57_a_caller_shows_his_own_token() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let named = || world.send(&b, "hi").header("x-workspace-id", &a.id);
    assert_eq!(named().refused(401).await, "missing caller auth token");
    assert_eq!(named().token(&b.token).refused(401).await, "invalid caller auth token");
    for system in ["system:x", "webhook:1", "test:", "channel:slack"] {
        let call = world.send(&b, "hi").header("x-workspace-id", system);
        assert_eq!(call.refused(403).await, "invalid caller ID", "{system}");
    }
    assert_eq!(world.log(&b).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_caller_that_is_not_named_is_known_by_its_token_and_a_dead_token_is_nobodys() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    world.send(&b, "hi").token(&a.token).expect(200).await;
    assert_eq!(world.log(&b).await[0]["source_id"], a.id);
    assert_eq!(world.send(&b, "hi").token("revoked").refused(401).await, "invalid caller auth token");
}

#[tokio::test]
async fn strangers_do_not_reach_each_other() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let child = world.agent_below("child", json!(b.id)).await;
    let refused = "access denied: workspaces cannot communicate per hierarchy rules";
    assert_eq!(world.send(&child, "hi").by(&a).refused(403).await, refused);
    assert_eq!(world.log(&child).await, Vec::<Value>::new());
}

#[tokio::test]
async fn p69_a_spent_budget_stops_messages() {
    let world = World::strict().await;
    let created = world.create(json!({ "name": "b", "external": true, "budget_limit": 100 })).await;
    let b = super::world::Agent {
        id: created["id"].as_str().unwrap().into(),
        token: created["connection"]["auth_token"].as_str().unwrap().into(),
    };
    world.beat(&b, json!({ "monthly_spend": 99 })).await;
    world.send(&b, "hi").expect(200).await;
    world.beat(&b, json!({ "monthly_spend": 100 })).await;
    assert_eq!(world.send(&b, "hi").refused(402).await, "workspace budget limit exceeded");
}

#[tokio::test]
async fn a_body_that_is_no_message_is_refused_and_a_whole_mebibyte_passes() {
    let world = World::strict().await;
    let b = world.agent("b").await;
    let path = format!("/workspaces/{}/a2a", b.id);
    let send = |body: String| world.call(Method::POST, &path).body(body);
    let too_long = message(&"x".repeat(1024 * 1024)).to_string();
    for body in ["", "[]", "{", "nonsense", &too_long] {
        assert_eq!(send(body.to_owned()).refused(400).await, "invalid JSON");
    }
    let envelope = message("").to_string().len();
    // The text is in there twice: in the part and in the id.
    let longest = message(&"x".repeat((1024 * 1024 - envelope) / 2)).to_string();
    assert!(longest.len() > 1024 * 1024 - 2);
    send(longest).expect(200).await;
    let unknown = world.call(Method::POST, "/workspaces/00000000-0000-4000-8000-000000000000/a2a");
    assert_eq!(unknown.body(message("hi").to_string()).refused(404).await, "workspace not found");
}
