//! Prompts that are sent when it is time.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ADMIN, Agent, World};

async fn schedule(world: &World, agent: &Agent, body: Value) -> String {
    let path = format!("/workspaces/{}/schedules", agent.id);
    let made = world.post(&path, &body).token(&agent.token).expect(201).await;
    assert_eq!(made["status"], "created");
    made["id"].as_str().unwrap().to_owned()
}

/// Lets a minute pass, and what it does be seen.
async fn a_minute_later(world: &World) {
    world.hand.advance(Duration::from_secs(60));
    world.platform.sweep().await.unwrap();
}

/// The log once it has so many rows.
async fn rows(world: &World, agent: &Agent, number: usize) -> Vec<Value> {
    let path = format!("/workspaces/{}/activity", agent.id);
    let there = |rows: &Value| rows.as_array().unwrap().len() == number;
    world.until(&path, &agent.token, there).await.as_array().unwrap().clone()
}

/// The runs of a schedule, once there are so many and none is under way.
async fn runs(world: &World, agent: &Agent, id: &str, number: usize) -> Vec<Value> {
    let path = format!("/workspaces/{}/schedules/{id}/history", agent.id);
    let done = |runs: &Value| {
        let runs = runs.as_array().unwrap();
        runs.len() == number && runs.iter().all(|run| run["status"] != "running")
    };
    world.until(&path, &agent.token, done).await.as_array().unwrap().clone()
}

#[tokio::test]
async fn a_schedule_that_is_due_speaks_as_the_user_once_a_turn() {
    // It is 11:36:15.
    let world = World::strict().await;
    let a = world.agent("a").await;
    let body = json!({ "name": "n", "cron_expr": "*/2 * * * *", "prompt": "look around" });
    let id = schedule(&world, &a, body).await;
    let list = format!("/workspaces/{}/schedules", a.id);
    let listed = world.get(&list).token(&a.token).expect(200).await;
    assert_eq!((&listed[0]["timezone"], &listed[0]["enabled"]), (&json!("UTC"), &json!(true)));
    assert_eq!(listed[0]["next_run_at"], "2026-04-27T11:38:00.000000Z");
    a_minute_later(&world).await;
    assert_eq!(runs(&world, &a, &id, 0).await, [json!(null); 0]);
    a_minute_later(&world).await;
    world.platform.sweep().await.unwrap();
    let row = &rows(&world, &a, 1).await[0];
    assert_eq!((&row["source_id"], &row["summary"]), (&Value::Null, &json!("look around")));
    assert_eq!((&row["activity_type"], &row["method"]), (&json!("a2a_receive"), &json!("message/send")));
    let run = &runs(&world, &a, &id, 1).await[0];
    assert_eq!((&run["status"], &run["created_at"]), (&json!("ok"), &json!("2026-04-27T11:38:15.123456Z")));
    let listed = world.get(&list).token(&a.token).expect(200).await;
    assert_eq!((&listed[0]["run_count"], &listed[0]["last_status"]), (&json!(1), &json!("ok")));
    assert_eq!(listed[0]["next_run_at"], "2026-04-27T11:40:00.000000Z");
    // An hour in which nobody looked is one turn, not thirty.
    world.hand.advance(Duration::from_secs(3600));
    world.platform.sweep().await.unwrap();
    world.platform.sweep().await.unwrap();
    rows(&world, &a, 2).await;
    runs(&world, &a, &id, 2).await;
}

#[tokio::test]
async fn a_schedule_that_cannot_be_delivered_says_so_in_its_history() {
    let world = World::strict().await;
    let created = world.create(json!({ "name": "b", "external": true, "delivery_mode": "push" })).await;
    let b = Agent {
        id: created["id"].as_str().unwrap().into(),
        token: created["connection"]["auth_token"].as_str().unwrap().into(),
    };
    let id = schedule(&world, &b, json!({ "cron_expr": "* * * * *", "prompt": "x" })).await;
    a_minute_later(&world).await;
    let run = &runs(&world, &b, &id, 1).await[0];
    assert_eq!((&run["status"], &run["error_detail"]), (&json!("error"), &json!("workspace has no URL")));
}

#[tokio::test]
async fn what_is_switched_off_paused_removed_or_minded_by_the_agent_does_not_fire() {
    let world = World::strict().await;
    let minute = || json!({ "cron_expr": "* * * * *", "prompt": "x" });
    let off = world.agent("off").await;
    let mut body = minute();
    body["enabled"] = false.into();
    let switched = schedule(&world, &off, body).await;
    let paused = world.agent("paused").await;
    let of_paused = schedule(&world, &paused, minute()).await;
    world.post(&format!("/workspaces/{}/pause", paused.id), &json!({})).token(ADMIN).expect(200).await;
    let own = world.agent("own").await;
    let of_own = schedule(&world, &own, minute()).await;
    world.beat(&own, json!({ "runtime_metadata": { "capabilities": { "scheduler": true } } })).await;
    let gone = world.agent("gone").await;
    schedule(&world, &gone, minute()).await;
    world.delete(&format!("/workspaces/{}", gone.id)).token(ADMIN).expect(200).await;
    // One that fires, after which the others would have.
    let fires = world.agent("fires").await;
    let of_fires = schedule(&world, &fires, minute()).await;
    a_minute_later(&world).await;
    runs(&world, &fires, &of_fires, 1).await;
    for (agent, id) in [(&off, &switched), (&paused, &of_paused), (&own, &of_own)] {
        assert_eq!(runs(&world, agent, id, 0).await, [json!(null); 0]);
        assert_eq!(world.log(agent).await, [json!(null); 0]);
    }
    // Told to, it fires all the same.
    let run = world.post(&format!("/workspaces/{}/schedules/{switched}/run", off.id), &json!({}));
    assert_eq!(run.token(&off.token).expect(200).await, json!({ "status": "fired", "prompt": "x" }));
    rows(&world, &off, 1).await;
    // Back again, a workspace is not sent what it missed.
    world.register(&paused, json!({ "delivery_mode": "poll" })).expect(200).await;
    world.platform.sweep().await.unwrap();
    assert_eq!(runs(&world, &paused, &of_paused, 0).await, [json!(null); 0]);
    a_minute_later(&world).await;
    runs(&world, &paused, &of_paused, 1).await;
}

#[tokio::test]
async fn a_schedule_is_changed_and_dropped_by_its_workspace_only() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let id = schedule(&world, &a, json!({ "cron_expr": "0 9 * * *", "prompt": "x" })).await;
    let one = format!("/workspaces/{}/schedules/{id}", a.id);
    let patch = |body: Value| world.call(Method::PATCH, &one).token(&a.token).body(body.to_string());
    let changed = patch(json!({ "timezone": "Europe/Berlin", "prompt": "y" })).expect(200).await;
    assert_eq!(changed, json!({ "status": "updated", "next_run_at": "2026-04-28T07:00:00.000000Z" }));
    assert_eq!(patch(json!({ "enabled": false })).expect(200).await["next_run_at"], Value::Null);
    let wrong = patch(json!({ "cron_expr": "x" })).expect(400).await;
    assert_eq!(wrong["error"], "invalid cron expression");
    for (body, error) in [
        (json!({ "cron_expr": "* * * * *" }), "cron_expr and prompt are required"),
        (json!({ "cron_expr": "* * * * * *", "prompt": "x" }), "invalid cron expression"),
        (json!({ "cron_expr": "* * * * *", "timezone": "Mars", "prompt": "x" }), "invalid cron expression"),
    ] {
        let made = world.post(&format!("/workspaces/{}/schedules", a.id), &body).token(&a.token);
        assert_eq!(made.refused(400).await, error, "{body}");
    }
    let of_b = format!("/workspaces/{}/schedules/{id}", b.id);
    let strange = world.call(Method::PATCH, &of_b).token(&b.token).body("{}");
    assert_eq!(strange.refused(404).await, "schedule not found");
    world.post(&format!("{of_b}/run"), &json!({})).token(&b.token).refused(404).await;
    world.get(&format!("{of_b}/history")).token(&b.token).refused(404).await;
    world.delete(&of_b).token(&b.token).refused(404).await;
    assert_eq!(world.delete(&one).token(&a.token).expect(200).await, json!({ "status": "deleted" }));
    world.delete(&one).token(&a.token).refused(404).await;
}

#[tokio::test]
async fn whoever_may_talk_to_a_workspace_sees_whether_its_schedules_fire_and_not_what_they_say() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let child = world.agent_below("child", json!(b.id)).await;
    schedule(&world, &a, json!({ "cron_expr": "* * * * *", "prompt": "secret" })).await;
    let health = || world.get(&format!("/workspaces/{}/schedules/health", a.id));
    let seen = health().by(&b).expect(200).await;
    assert_eq!((&seen[0]["enabled"], seen[0].get("prompt")), (&json!(true), None));
    health().by(&child).refused(403).await;
    health().header("x-workspace-id", &b.id).refused(401).await;
    health().token(&b.token).refused(400).await;
}
