//! What an agent asks a person for.

use std::time::Duration;

use serde_json::json;

use super::world::{ADMIN, World};

#[tokio::test]
async fn a_question_is_decided_once() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let path = format!("/workspaces/{}/approvals", a.id);
    let body = json!({ "action": "rm", "task_id": "t", "reason": "full", "context": { "disk": 1 } });
    let asked = world.post(&path, &body).token(&a.token).expect(201).await;
    assert_eq!(asked["status"], "pending");
    let id = asked["approval_id"].as_str().unwrap();
    let listed = world.get(&path).token(&a.token).expect(200).await;
    assert_eq!((&listed[0]["id"], &listed[0]["status"]), (&json!(id), &json!("pending")));
    assert_eq!((&listed[0]["action"], &listed[0]["context"]), (&json!("rm"), &json!({ "disk": 1 })));
    assert_eq!(world.post(&path, &json!({})).token(&a.token).refused(400).await, "invalid request body");

    let waiting = world.get("/approvals/pending").token(ADMIN).expect(200).await;
    assert_eq!((&waiting[0]["id"], &waiting[0]["workspace_id"]), (&json!(id), &json!(a.id)));
    let decide = |word: &str| {
        let body = json!({ "decision": word, "decided_by": "ann" });
        world.post(&format!("{path}/{id}/decide"), &body).token(ADMIN)
    };
    decide("perhaps").refused(400).await;
    let strange = format!("/workspaces/{}/approvals/{id}/decide", b.id);
    let strange = world.post(&strange, &json!({ "decision": "approved" })).token(&b.token);
    assert_eq!(strange.refused(404).await, "approval not found or already decided");
    assert_eq!(decide("approved").expect(200).await, json!({ "status": "approved", "approval_id": id }));
    assert_eq!(decide("denied").refused(404).await, "approval not found or already decided");
    let listed = world.get(&path).token(&a.token).expect(200).await;
    assert_eq!((&listed[0]["status"], &listed[0]["decided_by"]), (&json!("approved"), &json!("ann")));
    assert_eq!(world.get("/approvals/pending").token(ADMIN).expect(200).await, json!([]));
}

#[tokio::test]
async fn what_has_waited_too_long_is_denied_when_somebody_looks_and_not_before() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let path = format!("/workspaces/{}/approvals", a.id);
    world.post(&path, &json!({ "action": "old" })).token(&a.token).expect(201).await;
    world.hand.advance(Duration::from_secs(601));
    world.post(&path, &json!({ "action": "new" })).token(&a.token).expect(201).await;
    let statuses = async || {
        let listed = world.get(&path).token(&a.token).expect(200).await;
        json!([listed[0]["status"], listed[1]["status"]])
    };
    assert_eq!(statuses().await, json!(["pending", "pending"]));
    let waiting = world.get("/approvals/pending").token(ADMIN).expect(200).await;
    assert_eq!((waiting.as_array().unwrap().len(), &waiting[0]["action"]), (1, &json!("new")));
    assert_eq!(statuses().await, json!(["pending", "denied"]));
}
