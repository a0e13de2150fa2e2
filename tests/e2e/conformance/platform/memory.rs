//! What an agent keeps under keys of its own.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn what_was_kept_under_a_key_is_there_for_the_workspace_and_nobody_else() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let path = format!("/workspaces/{}/memory", a.id);
    let put = |body: &Value| world.post(&path, body).token(&a.token);
    assert_eq!(world.get(&path).token(&a.token).expect(200).await, json!([]));
    let body = json!({ "key": "k", "value": { "n": [1, 2.5, null] } });
    assert_eq!(put(&body).expect(200).await, json!({ "status": "ok", "key": "k", "version": 1 }));
    assert_eq!(put(&json!({ "key": "empty" })).expect(200).await["version"], 1);
    let kept = json!({ "key": "k", "value": { "n": [1, 2.5, null] }, "version": 1,
        "updated_at": "2026-04-27T11:36:15.123456Z" });
    let one = format!("{path}/k");
    assert_eq!(world.get(&one).token(&a.token).expect(200).await, kept);
    let all = world.get(&path).token(&a.token).expect(200).await;
    assert_eq!((&all[0]["key"], &all[0]["value"], &all[1]), (&json!("empty"), &Value::Null, &kept));
    assert_eq!(put(&json!({ "value": 1 })).refused(400).await, "key is required");

    let of_b = format!("/workspaces/{}/memory/k", b.id);
    world.get(&of_b).token(&b.token).refused(404).await;
    world.delete(&of_b).token(&b.token).expect(200).await;
    assert_eq!(world.get(&one).token(&a.token).expect(200).await, kept);
    for _ in 0..2 {
        let deleted = world.delete(&one).token(&a.token).expect(200).await;
        assert_eq!(deleted, json!({ "status": "deleted" }), "also where there is nothing");
    }
    world.get(&one).token(&a.token).refused(404).await;
}

#[tokio::test]
async fn a_write_that_expects_another_version_changes_nothing() {
    // Fails when the version is not looked at.
    let world = World::strict().await;
    let a = world.agent("a").await;
    let path = format!("/workspaces/{}/memory", a.id);
    let put = |value: i64, expected: i64| {
        let body = json!({ "key": "k", "value": value, "if_match_version": expected });
        world.post(&path, &body).token(&a.token)
    };
    assert_eq!(put(1, 0).expect(200).await["version"], 1, "0 makes");
    let refused = put(2, 0).expect(409).await;
    assert_eq!((&refused["expected_version"], &refused["current_version"]), (&json!(0), &json!(1)));
    assert_eq!(put(2, 1).expect(200).await["version"], 2);
    put(3, 1).expect(409).await;
    let kept = world.get(&format!("{path}/k")).token(&a.token).expect(200).await;
    assert_eq!((&kept["value"], &kept["version"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn what_was_kept_for_a_time_is_gone_after_it_swept_or_not() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let path = format!("/workspaces/{}/memory", a.id);
    let put = || world.post(&path, &json!({ "key": "k", "value": 1, "ttl_seconds": 60 })).token(&a.token);
    put().expect(200).await;
    world.hand.advance(Duration::from_secs(59));
    let kept = world.get(&format!("{path}/k")).token(&a.token).expect(200).await;
    assert_eq!(kept["expires_at"], "2026-04-27T11:37:15.123456Z");
    world.hand.advance(Duration::from_secs(1));
    world.get(&format!("{path}/k")).token(&a.token).refused(404).await;
    assert_eq!(world.get(&path).token(&a.token).expect(200).await, json!([]));
    assert_eq!(put().expect(200).await["version"], 1, "it begins anew");
    world.hand.advance(Duration::from_secs(60));
    world.platform.sweep().await.unwrap();
    assert_eq!(world.get(&path).token(&a.token).expect(200).await, json!([]));
}
