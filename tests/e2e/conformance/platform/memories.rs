//! What an agent remembers in words.

use serde_json::{Value, json};

use super::world::{Agent, World};

async fn commit(world: &World, agent: &Agent, body: Value) -> String {
    let path = format!("/workspaces/{}/memories", agent.id);
    let kept = world.post(&path, &body).token(&agent.token).expect(201).await;
    kept["id"].as_str().unwrap().to_owned()
}

async fn found(world: &World, agent: &Agent, query: &str) -> Vec<String> {
    let path = format!("/workspaces/{}/memories?{query}", agent.id);
    let rows = world.get(&path).token(&agent.token).expect(200).await;
    rows.as_array().unwrap().iter().map(|row| row["content"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_memory_is_for_its_workspace_its_team_or_everybody() {
    let world = World::strict().await;
    let (a, stranger) = (world.agent("a").await, world.agent("stranger").await);
    let c = world.agent_below("c", json!(a.id)).await;
    let c2 = world.agent_below("c2", json!(a.id)).await;
    commit(&world, &c, json!({ "content": "own", "scope": "LOCAL" })).await;
    commit(&world, &c, json!({ "content": "ours", "scope": "TEAM" })).await;
    let id = commit(&world, &a, json!({ "content": "all", "scope": "GLOBAL", "namespace": "n" })).await;
    assert_eq!(found(&world, &c, "").await, ["ours", "own"], "newest first");
    assert_eq!(found(&world, &c, "scope=LOCAL").await, ["own"]);
    for (reader, seen) in [(&c, 1), (&c2, 1), (&a, 1), (&stranger, 0)] {
        assert_eq!(found(&world, reader, "scope=TEAM").await.len(), seen);
    }
    assert_eq!(found(&world, &c2, "scope=LOCAL").await, [""; 0]);
    let wrapped = format!("[MEMORY id={id} scope=GLOBAL from={}]: all", a.id);
    assert_eq!(found(&world, &stranger, "scope=GLOBAL&namespace=n").await, [wrapped]);
    assert_eq!(found(&world, &a, "scope=GLOBAL").await, ["all"], "its own is not wrapped");
    assert_eq!(found(&world, &a, "scope=GLOBAL&namespace=general").await, [""; 0]);
    assert_eq!(found(&world, &c, "q=OUR").await, ["ours"]);
    assert_eq!(found(&world, &c, "limit=1").await, ["ours"]);
}

#[tokio::test]
async fn a_memory_that_makes_no_sense_or_is_not_ones_own_is_refused() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let child = world.agent_below("child", json!(a.id)).await;
    let post = |agent: &Agent, body: Value| {
        world.post(&format!("/workspaces/{}/memories", agent.id), &body).token(&agent.token)
    };
    let long = "n".repeat(51);
    for body in [
        json!({ "content": "x" }),
        json!({ "scope": "LOCAL" }),
        json!({ "content": "x", "scope": "local" }),
        json!({ "content": "x", "scope": "LOCAL", "namespace": long }),
    ] {
        post(&a, body).refused(400).await;
    }
    post(&child, json!({ "content": "x", "scope": "GLOBAL" })).refused(403).await;
    let id = commit(&world, &a, json!({ "content": "x", "scope": "LOCAL" })).await;
    world.delete(&format!("/workspaces/{}/memories/{id}", b.id)).token(&b.token).refused(404).await;
    let forget = || world.delete(&format!("/workspaces/{}/memories/{id}", a.id)).token(&a.token);
    assert_eq!(forget().expect(200).await, json!({ "status": "deleted" }));
    forget().refused(404).await;
    commit(&world, &a, json!({ "content": "use sk-abcdefghijklmnop", "scope": "LOCAL" })).await;
    assert_eq!(found(&world, &a, "").await, ["use [REDACTED]"]);
}

#[tokio::test]
async fn a_workspace_remembers_what_it_was_made_with_and_what_makes_no_sense_is_left_out() {
    let world = World::open().await;
    let memories = json!([
        { "content": "tea before noon", "scope": "LOCAL" },
        { "content": "for a planet", "scope": "PLANET" },
        { "scope": "TEAM" },
    ]);
    let made = world.create(json!({ "name": "a", "external": true, "initial_memories": memories })).await;
    let path = format!("/workspaces/{}/memories", made["id"].as_str().unwrap());
    let rows = world.get(&path).expect(200).await;
    let shown: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| (&row["content"], &row["namespace"])).collect();
    assert_eq!(shown, [(&json!("tea before noon"), &json!("general"))]);
    // Not everybody's, from one that stands below another.
    let below = json!({ "name": "b", "external": true, "parent_id": made["id"],
        "initial_memories": [{ "content": "x", "scope": "GLOBAL" }] });
    let below = world.create(below).await;
    let path = format!("/workspaces/{}/memories", below["id"].as_str().unwrap());
    assert_eq!(world.get(&path).expect(200).await, json!([]));
}
