use serde_json::{Value, json};

use super::world::World;

fn names(peers: &Value) -> Vec<&str> {
    peers.as_array().unwrap().iter().map(|peer| peer["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn p50_p51_peers_are_siblings_children_and_the_parent() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let c = world.agent_below("c", json!(a.id)).await;
    let d = world.agent_below("d", json!(c.id)).await;
    let peers = |id: &str| world.get(&format!("/registry/{id}/peers"));
    let of_a = peers(&a.id).token(&a.token).expect(200).await;
    assert_eq!(names(&of_a), ["b", "c"]);
    let b_seen = &of_a[0];
    assert_eq!((&b_seen["id"], &b_seen["role"], &b_seen["tier"]), (&json!(b.id), &Value::Null, &json!(3)));
    assert_eq!(
        (&b_seen["status"], &b_seen["url"], &b_seen["parent_id"]),
        (&json!("online"), &json!(""), &Value::Null)
    );
    assert_eq!(b_seen["agent_card"], json!({ "name": "card" }));
    assert_eq!(names(&peers(&c.id).token(&c.token).expect(200).await), ["d", "a"]);
    assert_eq!(names(&peers(&d.id).token(&d.token).expect(200).await), ["c"]);
    assert_eq!(peers(&a.id).token(&b.token).refused(401).await, "invalid workspace auth token");
    assert_eq!(peers(&a.id).refused(401).await, "missing workspace auth token");
    let unknown = peers("00000000-0000-4000-8000-000000000000");
    assert_eq!(unknown.refused(404).await, "workspace not found");
}

#[tokio::test]
async fn peers_are_found_by_name_or_role_whatever_the_case_and_without_a_role() {
    let world = World::open().await;
    let a = world.agent("a").await;
    world.create(json!({ "name": "Search", "role": null, "external": true })).await;
    world.create(json!({ "name": "x", "role": "Web SEARCH", "external": true })).await;
    world.create(json!({ "name": "other", "external": true })).await;
    let found = world.get(&format!("/registry/{}/peers?q=sEArch", a.id)).expect(200).await;
    assert_eq!(names(&found), ["Search", "x"]);
}

#[tokio::test]
async fn p53_discovery_is_for_those_who_may_talk() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let child_of_a = world.agent_below("child of a", json!(a.id)).await;
    let child_of_b = world.agent_below("child of b", json!(b.id)).await;
    let discover = |id: &str| world.get(&format!("/registry/discover/{id}"));
    assert_eq!(discover(&b.id).token(&a.token).refused(400).await, "X-Workspace-ID header is required");
    let refused = "not authorized to discover this workspace";
    assert_eq!(discover(&child_of_b.id).by(&child_of_a).refused(403).await, refused);
    assert_eq!(discover("00000000-0000-4000-8000-000000000000").by(&a).refused(403).await, refused);
    assert_eq!(
        discover(&b.id).header("x-workspace-id", &a.id).refused(401).await,
        "missing workspace auth token"
    );
    assert_eq!(
        discover(&b.id).header("x-workspace-id", &a.id).token(&b.token).refused(401).await,
        "invalid workspace auth token"
    );
    let url = "https://93.184.216.34/b";
    world.register(&b, json!({ "delivery_mode": "push", "url": url })).expect(200).await;
    let found = discover(&b.id).by(&a).expect(200).await;
    assert_eq!(found, json!({ "id": b.id, "url": url, "name": "b" }));
    // One that the platform itself would not call.
    world.register(&b, json!({ "delivery_mode": "push", "url": "http://localhost:9/b" })).expect(200).await;
    assert_eq!(discover(&b.id).by(&a).refused(503).await, "workspace URL failed safety check");
    world.register(&b, json!({ "delivery_mode": "poll" })).expect(200).await;
    assert_eq!(discover(&b.id).by(&a).expect(200).await["url"], "");
    let waiting = world.create(json!({ "name": "w", "external": true })).await;
    let refused = discover(waiting["id"].as_str().unwrap()).by(&a).expect(503).await;
    assert_eq!(refused, json!({ "error": "workspace not available", "status": "awaiting_agent" }));
}

#[tokio::test]
async fn those_above_below_and_beside_may_talk_and_nobody_else() {
    let world = World::open().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let c = world.agent_below("c", json!(a.id)).await;
    let c2 = world.agent_below("c2", json!(a.id)).await;
    let d = world.agent_below("d", json!(c.id)).await;
    let unknown = "00000000-0000-4000-8000-000000000000".to_owned();
    for (one, other, allowed) in [
        (&a.id, &a.id, true),
        (&a.id, &b.id, true),
        (&a.id, &c.id, true),
        (&a.id, &d.id, true),
        (&c.id, &c2.id, true),
        (&c2.id, &d.id, false),
        (&b.id, &c.id, false),
        (&b.id, &d.id, false),
        (&a.id, &unknown, false),
        (&unknown, &unknown, false),
    ] {
        for (caller, target) in [(one, other), (other, one)] {
            let asked = json!({ "caller_id": caller, "target_id": target });
            let answer = world.post("/registry/check-access", &asked).expect(200).await;
            assert_eq!(answer, json!({ "allowed": allowed }), "{caller} {target}");
        }
    }
    let asked = json!({ "caller_id": a.id });
    assert_eq!(world.post("/registry/check-access", &asked).refused(400).await, "invalid request body");
}
