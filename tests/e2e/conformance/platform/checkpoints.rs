//! How far an agent got with a piece of work.

use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn a_step_is_kept_once_and_the_one_written_last_is_the_latest() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let path = format!("/workspaces/{}/checkpoints", a.id);
    let save = |workflow: &str, step: &str, index: i64, payload: Value| {
        let body =
            json!({ "workflow_id": workflow, "step_name": step, "step_index": index, "payload": payload });
        world.post(&path, &body).token(&a.token)
    };
    let get = |rest: &str| world.get(&format!("{path}/{rest}")).token(&a.token);
    get("latest").refused(404).await;
    get("w").refused(404).await;
    let saved = save("w", "second", 2, json!({ "at": 2 })).expect(201).await;
    assert_eq!((&saved["workflow_id"], &saved["step_name"]), (&json!("w"), &json!("second")));
    save("w", "first", 1, json!(1)).expect(201).await;
    save("other", "x", 0, Value::Null).expect(201).await;
    // The same step again: it is replaced, and is the latest now.
    save("w", "first", 1, json!("again")).expect(201).await;
    let latest = get("latest").expect(200).await;
    assert_eq!((&latest["step_name"], &latest["payload"]), (&json!("first"), &json!("again")));
    let steps = get("w").expect(200).await;
    let seen: Vec<_> =
        steps.as_array().unwrap().iter().map(|it| (&it["step_index"], &it["payload"])).collect();
    assert_eq!(seen, [(&json!(1), &json!("again")), (&json!(2), &json!({ "at": 2 }))]);
    for wrong in [json!({ "workflow_id": "w" }), json!({ "step_name": "s" }), json!([])] {
        assert_eq!(world.post(&path, &wrong).token(&a.token).refused(400).await, "invalid request body");
    }

    // Another's are another's.
    world.get(&format!("/workspaces/{}/checkpoints/w", b.id)).token(&b.token).refused(404).await;
    world.delete(&format!("/workspaces/{}/checkpoints/w", b.id)).token(&b.token).refused(404).await;
    let forget = || world.delete(&format!("{path}/w")).token(&a.token);
    assert_eq!(forget().expect(200).await, json!({ "deleted": 2, "workflow_id": "w" }));
    forget().refused(404).await;
    assert_eq!(get("latest").expect(200).await["workflow_id"], "other");
}
