use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ADMIN, Agent, World};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn p30_a_heartbeat_brings_a_waiting_workspace_online() {
    let world = World::strict().await;
    let created = world.create(json!({ "name": "a", "external": true })).await;
    let (id, token) =
        (created["id"].as_str().unwrap(), created["connection"]["auth_token"].as_str().unwrap());
    assert_eq!(world.status(id).await, "awaiting_agent");
    let beat = || world.post("/registry/heartbeat", &json!({ "workspace_id": id }));
    assert_eq!(beat().refused(401).await, "missing workspace auth token");
    assert_eq!(beat().token(ADMIN).refused(401).await, "invalid workspace auth token");
    assert_eq!(beat().token(token).expect(200).await["status"], "ok");
    assert_eq!(world.status(id).await, "online");

    let container = world.create(json!({ "name": "container" })).await["id"].as_str().unwrap().to_owned();
    assert_eq!(world.status(&container).await, "provisioning");
    world.post("/registry/heartbeat", &json!({ "workspace_id": container })).expect(200).await;
    assert_eq!(world.status(&container).await, "online");
}

#[tokio::test]
async fn p31_a_heartbeat_that_makes_no_sense_is_refused() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    let id = &agent.id;
    for (body, status, error) in [
        (json!({ "workspace_id": id, "error_rate": "x" }), 400, "invalid request body"),
        (json!({}), 400, "invalid request body"),
        (json!({ "workspace_id": "" }), 400, "invalid request body"),
        (json!({ "workspace_id": id, "active_tasks": 3_000_000_000_u32 }), 500, "failed to update"),
        (json!({ "workspace_id": id, "current_task": "a\0b" }), 500, "failed to update"),
        (json!({ "workspace_id": "nonsense" }), 500, "failed to update"),
    ] {
        let answer = world.post("/registry/heartbeat", &body).token(&agent.token).refused(status).await;
        assert_eq!(answer, error, "{body}");
    }
    let whole = format!(r#"{{"workspace_id":"{id}","active_tasks":1.0}}"#);
    world.call(Method::POST, "/registry/heartbeat").token(&agent.token).body(whole).refused(400).await;
    // It proves nothing: also one that does not exist gets it.
    world.post("/registry/heartbeat", &json!({ "workspace_id": UNKNOWN })).expect(200).await;
}

#[tokio::test]
async fn p32_p34_the_error_rate_degrades_a_workspace_unless_the_agent_minds_itself() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    for (rate, status) in [(0.5, "degraded"), (0.2, "degraded"), (0.05, "online")] {
        world.beat(&agent, json!({ "error_rate": rate })).await;
        assert_eq!(world.status(&agent.id).await, status, "{rate}");
    }
    let minds_itself =
        json!({ "error_rate": 0.9, "runtime_metadata": { "capabilities": { "status_mgmt": true } } });
    world.beat(&agent, minds_itself).await;
    assert_eq!(world.status(&agent.id).await, "online");
}

#[tokio::test]
async fn figures_are_replaced_by_every_heartbeat() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    let path = format!("/workspaces/{}", agent.id);
    world.beat(&agent, json!({ "active_tasks": 3, "uptime_seconds": 7, "error_rate": 0.25 })).await;
    let shown = world.get(&path).expect(200).await;
    assert_eq!(
        (&shown["active_tasks"], &shown["uptime_seconds"], &shown["last_error_rate"]),
        (&json!(3), &json!(7), &json!(0.25))
    );
    world.beat(&agent, json!({})).await;
    let shown = world.get(&path).expect(200).await;
    assert_eq!((&shown["active_tasks"], &shown["uptime_seconds"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn what_was_spent_stays_until_a_heartbeat_says_another_sum() {
    let world = World::strict().await;
    let created = world.create(json!({ "name": "b", "external": true, "budget_limit": 5 })).await;
    let b = Agent {
        id: created["id"].as_str().unwrap().into(),
        token: created["connection"]["auth_token"].as_str().unwrap().into(),
    };
    for (beat, status) in [
        (json!({ "monthly_spend": 5 }), 402),
        (json!({}), 402),
        (json!({ "monthly_spend": 0 }), 402),
        (json!({ "monthly_spend": -7 }), 402),
        (json!({ "monthly_spend": 4 }), 200),
    ] {
        world.beat(&b, beat.clone()).await;
        assert_eq!(world.send(&b, "hi").send().await.status, status, "{beat}");
    }
}

#[tokio::test]
async fn p37_an_agent_that_goes_silent_is_awaited_and_a_plain_heartbeat_brings_it_back() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    let unused = world.create(json!({ "name": "never connected", "external": true })).await;
    let container = world.create(json!({ "name": "container" })).await;
    let unused = unused["id"].as_str().unwrap();
    world.hand.advance(Duration::from_secs(90));
    world.platform.sweep().await.unwrap();
    assert_eq!(world.status(&agent.id).await, "online", "90 s are not over 90 s");
    world.hand.advance(Duration::from_secs(1));
    world.platform.sweep().await.unwrap();
    assert_eq!(world.status(&agent.id).await, "awaiting_agent");
    world.beat(&agent, json!({})).await;
    assert_eq!(world.status(&agent.id).await, "online");
    // The time to come up is a container's; one from outside may take as long as it likes.
    world.hand.advance(Duration::from_secs(3600));
    world.platform.sweep().await.unwrap();
    assert_eq!(world.status(unused).await, "awaiting_agent");
    assert_eq!(world.status(container["id"].as_str().unwrap()).await, "failed");
}

#[tokio::test]
async fn p30_a_registration_is_good_for_three_minutes_and_each_heartbeat_extends_it() {
    // Not from outside, so that staleness does not come first.
    let world = World::strict().await;
    let id = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".to_owned();
    let body = json!({ "id": id, "agent_card": {}, "delivery_mode": "poll" });
    let registered = world.post("/registry/register", &body).expect(200).await;
    let agent = Agent { id, token: registered["auth_token"].as_str().unwrap().to_owned() };
    let after = async |seconds: u64| {
        world.hand.advance(Duration::from_secs(seconds));
        world.platform.sweep().await.unwrap();
        world.status(&agent.id).await
    };
    assert_eq!(after(179).await, "online");
    world.beat(&agent, json!({})).await;
    assert_eq!(after(179).await, "online");
    assert_eq!(after(1).await, "offline");
    // A heartbeat brings it back, but makes no registration.
    world.beat(&agent, json!({})).await;
    assert_eq!(after(3600).await, "online");
}

#[tokio::test]
async fn p38_p40_the_state_is_told_to_the_workspace_only() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let path = format!("/workspaces/{}/state", a.id);
    let state = json!({ "workspace_id": a.id, "status": "online", "paused": false, "deleted": false });
    assert_eq!(world.get(&path).token(&a.token).expect(200).await, state);
    assert_eq!(world.get(&path).token(&b.token).refused(401).await, "invalid workspace auth token");
    assert_eq!(world.get(&path).refused(401).await, "missing workspace auth token");
    assert_eq!(
        world.get(&path).token(ADMIN).refused(401).await,
        "invalid workspace auth token",
        "not even the admin"
    );
}

#[tokio::test]
async fn p20_p36_p39_pausing_stops_a_workspace_with_all_below_it_and_registering_starts_it_again() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let child = world.agent_below("child", json!(a.id)).await;
    world.register(&a, json!({ "delivery_mode": "push", "url": "http://localhost:9/x" })).expect(200).await;
    let pause = format!("/workspaces/{}/pause", a.id);
    let paused = world.post(&pause, &json!({})).token(&a.token).expect(200).await;
    assert_eq!(paused, json!({ "status": "paused", "paused_count": 2 }));
    let state = world.get(&format!("/workspaces/{}/state", child.id)).token(&child.token).expect(200).await;
    assert_eq!((&state["paused"], &state["status"]), (&json!(true), &json!("paused")));
    assert_eq!(world.get(&format!("/workspaces/{}", a.id)).expect(200).await["url"], "");
    let again = world.post(&pause, &json!({})).token(&a.token).refused(404).await;
    assert_eq!(again, "workspace not found or already paused");
    world.beat(&a, json!({})).await;
    assert_eq!(world.status(&a.id).await, "paused", "a heartbeat does not un-pause");
    world.register(&a, json!({ "delivery_mode": "poll" })).expect(200).await;
    assert_eq!(world.status(&a.id).await, "online");
}

#[tokio::test]
async fn resuming_lets_a_workspace_wait_for_its_agent() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let child = world.agent_below("child", json!(a.id)).await;
    let act = |id: &str, what: &str| world.post(&format!("/workspaces/{id}/{what}"), &json!({})).token(ADMIN);
    assert_eq!(act(&a.id, "resume").refused(404).await, "workspace not found or not paused");
    act(&a.id, "pause").expect(200).await;
    let refused = act(&child.id, "resume").refused(409).await;
    assert_eq!(refused, "parent workspace \"a\" is paused — resume it first");
    act(&child.id, "restart").refused(409).await;
    let resumed = act(&a.id, "resume").expect(200).await;
    assert_eq!(resumed, json!({ "status": "awaiting_agent", "resumed_count": 2 }));
    let container = world.create(json!({ "name": "c" })).await["id"].as_str().unwrap().to_owned();
    act(&container, "pause").expect(200).await;
    assert_eq!(act(&container, "resume").refused(503).await, "provisioner not available");
}

#[tokio::test]
async fn a_workspace_without_work_is_put_to_sleep_and_registering_wakes_it() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    world.register(&a, json!({ "delivery_mode": "push", "url": "http://localhost:9/x" })).expect(200).await;
    let path = format!("/workspaces/{}/hibernate", a.id);
    let hibernate = |path: &str| world.post(path, &json!({})).token(&a.token);
    world.beat(&a, json!({ "active_tasks": 2 })).await;
    assert_eq!(hibernate(&path).expect(409).await["active_tasks"], 2);
    assert_eq!(hibernate(&format!("{path}?force=true")).expect(200).await, json!({ "status": "hibernated" }));
    hibernate(&path).refused(404).await;
    world.beat(&a, json!({})).await;
    assert_eq!(world.status(&a.id).await, "hibernated", "a heartbeat does not wake it");
    let waking = world.send(&a, "hi").send().await;
    assert_eq!((waking.status.as_u16(), waking.header("retry-after")), (503, Some("15")));
    let waking: Value = serde_json::from_str(&waking.body).unwrap();
    assert_eq!((&waking["waking"], &waking["retry_after"]), (&json!(true), &json!(15)));
    world.register(&a, json!({ "delivery_mode": "poll" })).expect(200).await;
    assert_eq!(world.status(&a.id).await, "online");
}

#[tokio::test]
async fn p47_restarting_an_agent_from_outside_does_nothing_and_its_token_survives() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let restart = |id: &str| world.post(&format!("/workspaces/{id}/restart"), &json!({})).token(ADMIN);
    restart(&a.id).expect(200).await;
    world.get(&format!("/workspaces/{}/state", a.id)).token(&a.token).expect(200).await;
    let container = world.create(json!({ "name": "c" })).await["id"].as_str().unwrap().to_owned();
    assert_eq!(restart(&container).refused(503).await, "provisioner not available");
    assert_eq!(restart(UNKNOWN).refused(404).await, "workspace not found");
}

#[tokio::test]
async fn p42_p44_a_removed_workspace_is_gone_for_everybody_and_its_token_is_dead() {
    let world = World::open().await;
    let a = world.agent("a").await;
    let path = format!("/workspaces/{}", a.id);
    assert_eq!(world.delete(&path).expect(200).await, json!({ "status": "removed", "cascade_deleted": 0 }));
    let gone = world.get(&path).expect(410).await;
    assert_eq!((&gone["error"], &gone["id"]), (&json!("workspace removed"), &json!(a.id)));
    assert_eq!(gone["removed_at"], "2026-04-27T11:36:15.123456Z");
    assert!(gone["hint"].is_string());
    assert_eq!(world.get(&format!("{path}?include_removed=true")).expect(200).await["status"], "removed");
    let state = world.get(&format!("{path}/state")).expect(404).await;
    assert_eq!(state, json!({ "workspace_id": a.id, "status": "removed", "deleted": true }));
    world.get(&format!("{path}/state")).token(&a.token).refused(401).await;
    assert_eq!(world.get("/workspaces").expect(200).await, json!([]));
    // A heartbeat still says ok, a register hands out a token that is never recognised.
    world.beat(&a, json!({})).await;
    let registered = world.register(&a, json!({ "delivery_mode": "poll" })).expect(200).await;
    let dead = registered["auth_token"].as_str().unwrap();
    world.get(&format!("{path}/state")).token(dead).refused(401).await;
    assert_eq!(world.get(&path).send().await.status, 410);
    // It is kept nowhere; nor is the host given the secret of what is gone, or the tombstone a new card.
    assert_eq!(registered.get("platform_inbound_secret"), None);
    assert_eq!(world.get(&format!("{path}/tokens")).expect(200).await["count"], 0);
    let card = json!({ "workspace_id": a.id, "agent_card": { "name": "of a ghost" } });
    world.post("/registry/update-card", &card).expect(200).await;
    let tombstone = world.get(&format!("{path}?include_removed=true")).expect(200).await;
    assert_eq!(tombstone["agent_card"], json!({ "name": "card" }));
    // That dead token does not count as one: the bootstrap routes stay open to whoever asks.
    world.post("/registry/heartbeat", &json!({ "workspace_id": a.id })).expect(200).await;
}

#[tokio::test]
async fn removing_takes_all_below_with_it_once_that_was_confirmed() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let child = world.agent_below("child", json!(a.id)).await;
    let grandchild = world.agent_below("grandchild", json!(child.id)).await;
    let path = format!("/workspaces/{}", a.id);
    assert_eq!(world.delete(&path).refused(401).await, "admin auth required");
    let asked = world.delete(&path).token(ADMIN).expect(409).await;
    assert_eq!((&asked["status"], &asked["children_count"]), (&json!("confirmation_required"), &json!(1)));
    assert_eq!(asked["children"], json!([{ "id": child.id, "name": "child" }]));
    let removed = world.delete(&format!("{path}?confirm=true")).token(ADMIN).expect(200).await;
    assert_eq!(removed["cascade_deleted"], 2);
    assert_eq!(world.get(&format!("/workspaces/{}", grandchild.id)).send().await.status, 410);
    assert_eq!(world.delete("/workspaces/nonsense").token(ADMIN).refused(400).await, "invalid workspace ID");
    // What is gone does not go again, and what never was is no child of anything.
    let nothing = json!({ "status": "removed", "cascade_deleted": 0 });
    assert_eq!(world.delete(&path).token(ADMIN).expect(200).await, nothing);
    assert_eq!(world.delete(&format!("/workspaces/{UNKNOWN}")).token(ADMIN).expect(200).await, nothing);
}

#[tokio::test]
async fn p45_purging_leaves_nothing() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let path = format!("/workspaces/{}", a.id);
    world.post(&format!("{path}/notify"), &json!({ "message": "hi" })).token(&a.token).expect(200).await;
    let memory = json!({ "key": "k", "value": 1 });
    world.post(&format!("{path}/memory"), &memory).token(&a.token).expect(200).await;
    let purged = world.delete(&format!("{path}?purge=true")).token(ADMIN).expect(200).await;
    assert_eq!(purged, json!({ "status": "purged", "cascade_deleted": 0 }));
    assert_eq!(world.get(&path).refused(404).await, "workspace not found");
    // Registering makes it anew, with a token that works and an empty log.
    let registered = world.register(&a, json!({ "delivery_mode": "poll" })).expect(200).await;
    let token = registered["auth_token"].as_str().unwrap();
    assert_eq!(world.get(&format!("{path}/activity")).token(token).expect(200).await, json!([]));
    assert_eq!(world.get(&format!("{path}/memory")).token(token).expect(200).await, json!([]));
    assert_eq!(world.get("/workspaces/nonsense").refused(400).await, "invalid workspace ID");
}

#[tokio::test]
async fn the_operators_word_is_passed_on() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let path = format!("/workspaces/{}/instructions", a.id);
    let resolve = || world.get(&format!("{path}/resolve")).token(&a.token);
    assert_eq!(resolve().expect(200).await, json!({ "workspace_id": a.id, "instructions": "" }));
    let put = |token: &str| {
        world.call(Method::PUT, &path).token(token).body(json!({ "instructions": "be kind" }).to_string())
    };
    assert_eq!(
        put(&a.token).refused(401).await,
        "invalid admin auth token",
        "an agent does not instruct itself"
    );
    put(ADMIN).expect(200).await;
    assert_eq!(resolve().expect(200).await["instructions"], "be kind");
}

#[tokio::test]
async fn text_in_json_is_harmless_in_a_page() {
    let world = World::open().await;
    world.create(json!({ "name": "a", "role": "b", "external": true })).await;
    let id = world.get("/workspaces").expect(200).await[0]["id"].as_str().unwrap().to_owned();
    let put = world.call(Method::PUT, &format!("/workspaces/{id}/instructions"));
    put.body(json!({ "instructions": "<a> & b" }).to_string()).expect(200).await;
    let told = world.get(&format!("/workspaces/{id}/instructions/resolve")).send().await;
    assert!(told.body.contains(r"\u003ca\u003e \u0026 b"), "{}", told.body);
    assert_eq!(serde_json::from_str::<Value>(&told.body).unwrap()["instructions"], "<a> & b");
    assert_eq!(told.header("content-type"), Some("application/json; charset=utf-8"));
}
