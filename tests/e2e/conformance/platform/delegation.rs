use std::time::Duration;

use molecule_platform::Config;
use serde_json::{Value, json};

use super::agent::FakeAgent;
use super::world::{Agent, World, message};

/// The rows of a delegation, once one of them has that status.
async fn rows_with(world: &World, agent: &Agent, status: &str) -> Vec<Value> {
    let path = format!("/workspaces/{}/delegations", agent.id);
    let is_there = |rows: &Value| rows.as_array().unwrap().iter().any(|row| row["status"] == status);
    world.until(&path, &agent.token, is_there).await.as_array().unwrap().clone()
}

#[tokio::test]
async fn p80_a_delegation_is_taken_to_its_target_and_its_result_is_logged() {
    let world = World::open().await;
    let mut fake = FakeAgent::pong().await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &fake.url).await);
    let body = json!({ "target_id": b.id, "task": "do it" });
    let answer =
        world.post(&format!("/workspaces/{}/delegate", a.id), &body).token(&a.token).expect(202).await;
    assert_eq!((&answer["status"], &answer["target_id"]), (&json!("delegated"), &json!(b.id)));
    let message = &fake.next().await.body["params"]["message"];
    assert_eq!(message["messageId"], answer["delegation_id"]);
    assert_eq!(message["metadata"]["delegation_id"], answer["delegation_id"]);
    assert_eq!(message["parts"], json!([{ "type": "text", "text": "do it" }]), "type, not kind");

    let rows = rows_with(&world, &a, "completed").await;
    assert_eq!(rows.len(), 2);
    let (result, asked) = (&rows[0], &rows[1]);
    assert_eq!(result["response_preview"], "pong <&>");
    for row in &rows {
        assert_eq!((&row["type"], &row["status"]), (&json!("delegation"), &json!("completed")));
        assert_eq!((&row["source_id"], &row["target_id"]), (&json!(a.id), &json!(b.id)));
        assert_eq!(row["delegation_id"], answer["delegation_id"]);
    }
    assert_eq!(asked.get("response_preview"), None);
    let logged = world.get(&format!("/workspaces/{}/activity?type=delegation", a.id)).expect(200).await;
    assert_eq!((&logged[0]["method"], &logged[1]["method"]), (&json!("delegate_result"), &json!("delegate")));
    assert_eq!(logged[0]["response_body"], json!({ "text": "pong <&>" }));
}

#[tokio::test]
async fn a_delegation_to_an_agent_that_polls_is_queued() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let body = json!({ "target_id": b.id, "task": "do it" });
    world.post(&format!("/workspaces/{}/delegate", a.id), &body).token(&a.token).expect(202).await;
    rows_with(&world, &a, "queued").await;
    let row = &world.log(&b).await[0];
    assert_eq!((&row["summary"], &row["source_id"]), (&json!("do it"), &json!(a.id)));
}

#[tokio::test]
async fn the_message_that_answers_a_delegation_leaves_it_queued() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let body = json!({ "target_id": b.id, "task": "do it" });
    let path = format!("/workspaces/{}/delegate", a.id);
    let delegated = world.post(&path, &body).token(&a.token).expect(202).await;
    rows_with(&world, &a, "queued").await;
    let mut answer = message("done");
    answer["params"]["message"]["role"] = "agent".into();
    answer["params"]["message"]["metadata"] = json!({ "delegation_id": delegated["delegation_id"] });
    world.post(&format!("/workspaces/{}/a2a", a.id), &answer).by(&b).expect(200).await;
    assert_eq!(world.log(&a).await[0]["request_body"], answer);
    let list = format!("/workspaces/{}/delegations", a.id);
    let rows = world.get(&list).token(&a.token).expect(200).await;
    let statuses: Vec<_> = rows.as_array().unwrap().iter().map(|row| &row["status"]).collect();
    assert_eq!(statuses, ["queued", "queued"]);
}

/// A delegation of `a` to `b`, and the messages in the log of `a` once it has completed.
async fn messages_once_completed(world: &World, a: &Agent, b: &Agent) -> (Value, Vec<Value>) {
    let body = json!({ "target_id": b.id, "task": "do it" });
    let path = format!("/workspaces/{}/delegate", a.id);
    let delegated = world.post(&path, &body).token(&a.token).expect(202).await;
    rows_with(world, a, "completed").await;
    let log = world.log(a).await.into_iter().filter(|row| row["activity_type"] == "a2a_receive");
    (delegated["delegation_id"].clone(), log.collect())
}

#[tokio::test]
async fn a_result_comes_as_a_message_to_whoever_gave_the_task_only_if_the_platform_is_set_to() {
    for told in [false, true] {
        let config = Config { delegation_result_inbox_push: told, ..Config::default() };
        let world = World::start(config).await;
        let fake = FakeAgent::pong().await;
        let (a, b) = (world.agent("a").await, world.pushed("b", &fake.url).await);
        let (id, messages) = messages_once_completed(&world, &a, &b).await;
        assert_eq!(messages.len(), usize::from(told), "{messages:?}");
        for row in messages {
            assert_eq!((&row["source_id"], &row["target_id"]), (&json!(b.id), &json!(a.id)));
            let message = &row["request_body"]["params"]["message"];
            assert_eq!((&message["role"], &message["metadata"]["delegation_id"]), (&json!("agent"), &id));
            assert_eq!(message["parts"], json!([{ "kind": "text", "text": "pong <&>" }]));
        }
    }
}

#[tokio::test]
async fn p82_p83_a_delegation_that_makes_no_sense_or_is_not_ones_own_is_refused() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let path = format!("/workspaces/{}/delegate", a.id);
    for (body, error) in [
        (json!({ "task": "x" }), "invalid delegation request"),
        (json!({ "target_id": b.id }), "invalid delegation request"),
        (json!({ "target_id": "nonsense", "task": "x" }), "target_id must be a valid UUID"),
        (json!({ "target_id": a.id, "task": "x" }), "self-delegation not permitted"),
    ] {
        assert_eq!(world.post(&path, &body).token(&a.token).refused(400).await, error, "{body}");
    }
    let body = json!({ "target_id": b.id, "task": "x" });
    world.post(&format!("/workspaces/{}/delegate", b.id), &body).token(&a.token).refused(401).await;
}

#[tokio::test]
async fn p84_a_delegation_to_a_stranger_fails_later() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let child = world.agent_below("child", json!(b.id)).await;
    let body = json!({ "target_id": child.id, "task": "x" });
    world.post(&format!("/workspaces/{}/delegate", a.id), &body).token(&a.token).expect(202).await;
    let rows = rows_with(&world, &a, "failed").await;
    assert!(rows[0]["error"].as_str().unwrap().contains("access denied"), "{rows:?}");
}

#[tokio::test]
async fn one_key_is_one_delegation_until_it_failed() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let child = world.agent_below("child", json!(b.id)).await;
    let path = format!("/workspaces/{}/delegate", a.id);
    let delegate = |target: &Agent, key: &str| {
        world
            .post(&path, &json!({ "target_id": target.id, "task": "x", "idempotency_key": key }))
            .token(&a.token)
    };
    let first = delegate(&b, "k").expect(202).await;
    rows_with(&world, &a, "queued").await;
    // Whatever target it is repeated with.
    let again = delegate(&child, "k").expect(200).await;
    assert_eq!((&again["delegation_id"], &again["target_id"]), (&first["delegation_id"], &json!(b.id)));
    assert_eq!((&again["idempotent_hit"], &again["status"]), (&json!(true), &json!("queued")));
    let failing = delegate(&child, "f").expect(202).await;
    rows_with(&world, &a, "failed").await;
    assert_ne!(delegate(&child, "f").expect(202).await["delegation_id"], failing["delegation_id"]);
}

#[tokio::test]
async fn a_delegation_that_was_not_delivered_is_tried_once_more() {
    let world = World::start(Config { delegation_retry_after: Duration::ZERO, ..Config::default() }).await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &FakeAgent::nobody().await).await);
    let body = json!({ "target_id": b.id, "task": "x" });
    world.post(&format!("/workspaces/{}/delegate", a.id), &body).token(&a.token).expect(202).await;
    rows_with(&world, &a, "failed").await;
    assert_eq!(world.log(&b).await.len(), 2, "one row for each attempt");
}

#[tokio::test]
async fn p85_a_delegation_sent_by_the_agent_itself_is_recorded_and_ended() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let path = format!("/workspaces/{}/delegations", a.id);
    let post = |path: &str, body: Value| world.post(path, &body).token(&a.token);
    let record = |id: &str| {
        post(&format!("{path}/record"), json!({ "target_id": b.id, "task": "x", "delegation_id": id }))
    };
    let update = |id: &str, body: Value| post(&format!("{path}/{id}/update"), body);
    assert_eq!(record("d1").expect(202).await, json!({ "delegation_id": "d1", "status": "recorded" }));
    record("d2").expect(202).await;
    let completed = json!({ "status": "completed", "response_preview": "done" });
    assert_eq!(
        update("d1", completed).expect(200).await,
        json!({ "status": "completed", "delegation_id": "d1" })
    );
    update("d2", json!({ "status": "failed", "error": "no" })).expect(200).await;
    update("unknown", json!({ "status": "failed" })).expect(200).await;
    let refused = update("d1", json!({ "status": "other" })).refused(400).await;
    assert_eq!(refused, "status must be 'completed' or 'failed'");
    assert_eq!(post(&format!("{path}/record"), json!({})).refused(400).await, "invalid request body");
    let rows = rows_with(&world, &a, "failed").await;
    let facts: Vec<_> =
        rows.iter().map(|row| (&row["delegation_id"], &row["status"], &row["error"])).collect();
    let (none, completed, failed) = (&Value::Null, &json!("completed"), &json!("failed"));
    let (d1, d2, no) = (&json!("d1"), &json!("d2"), &json!("no"));
    assert_eq!(facts, [(none, failed, no), (d1, completed, none), (d2, failed, no), (d1, completed, none)]);
}

#[tokio::test]
async fn the_answer_of_an_agent_that_was_busy_completes_the_delegation_later() {
    let world = World::start(Config { delegation_result_inbox_push: true, ..Config::default() }).await;
    let busy = FakeAgent::hanging_up().await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &busy.url).await);
    let body = json!({ "target_id": b.id, "task": "do it" });
    let path = format!("/workspaces/{}/delegate", a.id);
    let delegated = world.post(&path, &body).token(&a.token).expect(202).await;
    rows_with(&world, &a, "queued").await;
    let free = FakeAgent::pong().await;
    world.register(&b, json!({ "delivery_mode": "push", "url": free.url })).expect(200).await;
    let list = format!("/workspaces/{}/delegations", a.id);
    world.until(&list, &a.token, |rows| rows.as_array().unwrap().len() == 2).await;
    world.beat(&b, json!({})).await;
    let rows = rows_with(&world, &a, "completed").await;
    let (result, asked) = (&rows[0], &rows[1]);
    assert_eq!((&result["status"], &asked["status"]), (&json!("completed"), &json!("queued")));
    assert_eq!(result["delegation_id"], delegated["delegation_id"]);
    assert_eq!(
        (&result["response_preview"], &result["summary"]),
        (&json!("pong <&>"), &json!("delegation completed"))
    );
    let told = &world.log(&a).await[0];
    assert_eq!((&told["method"], &told["summary"]), (&json!("delegate_result"), &json!("pong <&>")));
}
