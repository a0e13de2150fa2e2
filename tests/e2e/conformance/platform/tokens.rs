use molecule_platform::{Config, Environment};
use serde_json::json;

use super::world::{ADMIN, World};

#[tokio::test]
async fn p22_a_token_is_minted_listed_and_revoked() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let path = format!("/workspaces/{}/tokens", a.id);
    let minted = world.post(&path, &json!({})).token(&a.token).expect(201).await;
    assert_eq!(minted["workspace_id"], a.id);
    let token = minted["auth_token"].as_str().unwrap();
    let listed = world.get(&path).token(token).expect(200).await;
    assert_eq!(listed["count"], 2);
    let newest = &listed["tokens"][0];
    assert_eq!(newest["prefix"], token[..8]);
    assert!(newest["last_used_at"].is_string(), "{newest}");
    let one = format!("{path}/{}", newest["id"].as_str().unwrap());
    assert_eq!(world.delete(&one).token(token).expect(200).await, json!({ "status": "revoked" }));
    let again = world.delete(&one).token(&a.token).refused(404).await;
    assert_eq!(again, "token not found or already revoked");
    assert_eq!(world.get(&path).token(token).refused(401).await, "invalid workspace auth token");
    world.delete(&format!("{path}/nonsense")).token(&a.token).refused(500).await;
}

#[tokio::test]
async fn when_a_token_was_used_outlives_the_sweep() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    world.platform.sweep().await.unwrap();
    let listed = world.get(&format!("/workspaces/{}/tokens", a.id)).token(ADMIN).expect(200).await;
    assert_eq!(listed["tokens"][0]["last_used_at"], "2026-04-27T11:36:15.123456Z");
}

#[tokio::test]
async fn a_workspace_has_fifty_tokens_at_most() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let path = format!("/workspaces/{}/tokens", a.id);
    for _ in 1..50 {
        world.post(&path, &json!({})).token(ADMIN).expect(201).await;
    }
    let refused = world.post(&path, &json!({})).token(ADMIN).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("retry-after")),
        (429, None),
        "waiting does not help"
    );
    let page = world.get(&format!("{path}?limit=7&offset=48")).token(ADMIN).expect(200).await;
    assert_eq!(page["count"], 2);
}

#[tokio::test]
async fn p24_rotating_cuts_off_every_other_holder() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let external = format!("/workspaces/{}/external", a.id);
    let shown = world.get(&format!("{external}/connection")).token(&a.token).expect(200).await;
    assert_eq!((&shown["workspace_id"], &shown["auth_token"]), (&json!(a.id), &json!("")));
    let rotated = world.post(&format!("{external}/rotate"), &json!({})).token(&a.token).expect(200).await;
    let state = format!("/workspaces/{}/state", a.id);
    world.get(&state).token(&a.token).refused(401).await;
    world.get(&state).token(rotated["auth_token"].as_str().unwrap()).expect(200).await;
    let container = world.create(json!({ "name": "c" })).await["id"].as_str().unwrap().to_owned();
    world
        .post(&format!("/workspaces/{container}/external/rotate"), &json!({}))
        .token(ADMIN)
        .refused(400)
        .await;
}

#[tokio::test]
async fn p25_test_tokens_are_for_development() {
    let world = World::open().await;
    let a = world.agent("a").await;
    let given = world.get(&format!("/admin/workspaces/{}/test-token", a.id)).expect(200).await;
    assert_eq!(given["workspace_id"], a.id);
    let token = given["auth_token"].as_str().unwrap();
    world.get(&format!("/workspaces/{}/state", a.id)).token(token).expect(200).await;
    let unknown = "/admin/workspaces/00000000-0000-4000-8000-000000000000/test-token";
    world.get(unknown).refused(404).await;

    let path = |id: &str| format!("/admin/workspaces/{id}/test-token");
    let production = World::strict().await;
    let a = production.agent("a").await;
    assert_eq!(production.get(&path(&a.id)).token(ADMIN).expect(404).await, json!({ "error": "not found" }));
    let switched = World::start(Config { test_tokens: true, ..World::strictly() }).await;
    let a = switched.agent("a").await;
    switched.get(&path(&a.id)).refused(401).await;
    switched.get(&path(&a.id)).token(ADMIN).expect(200).await;
    let guarded = World::start(Config { environment: Environment::Development, ..World::strictly() }).await;
    let a = guarded.agent("a").await;
    guarded.get(&path(&a.id)).refused(401).await;
}

#[tokio::test]
async fn a_token_of_the_organisation_is_an_operators_and_no_workspaces() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let made = world.post("/org/tokens", &json!({ "name": "ci" })).token(ADMIN).expect(201).await;
    let token = made["auth_token"].as_str().unwrap();
    assert_eq!((&made["name"], &made["prefix"]), (&json!("ci"), &json!(token[..8])));
    let path = |rest: &str| format!("/workspaces/{}/{rest}", a.id);
    world.get(&path("activity")).token(token).expect(200).await;
    world.get("/workspaces").token(token).expect(200).await;
    // A message with it alone is the user's.
    world.send(&b, "hi").token(token).expect(200).await;
    assert_eq!(world.log(&b).await[0]["source_id"], serde_json::Value::Null);
    let beat = json!({ "workspace_id": a.id });
    for (call, error) in [
        (world.get(&path("state")), "invalid workspace auth token"),
        (world.get(&path("secrets/values")), "invalid workspace auth token"),
        (world.get(&format!("/registry/{}/peers", a.id)), "invalid workspace auth token"),
        (world.post("/registry/heartbeat", &beat), "invalid workspace auth token"),
        (world.send(&b, "hi").header("x-workspace-id", &a.id), "invalid caller auth token"),
    ] {
        assert_eq!(call.token(token).refused(401).await, error);
    }
    let listed = world.get("/org/tokens").token(ADMIN).send().await.body;
    assert!(listed.contains(&token[..8]) && !listed.contains(token), "{listed}");
    let one = format!("/org/tokens/{}", made["id"].as_str().unwrap());
    world.delete(&one).token(token).expect(200).await;
    world.delete(&one).token(ADMIN).refused(404).await;
    assert_eq!(world.get("/workspaces").token(token).refused(401).await, "invalid admin auth token");
    assert_eq!(world.get(&path("activity")).token(token).refused(401).await, "invalid workspace auth token");
}

#[tokio::test]
async fn an_organisation_makes_ten_tokens_an_hour_at_most() {
    let world = World::strict().await;
    let mint = || world.call(reqwest::Method::POST, "/org/tokens").token(ADMIN);
    for _ in 0..10 {
        mint().expect(201).await;
    }
    world.hand.advance(std::time::Duration::from_secs(3000));
    let refused = mint().send().await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("600")));
    world.hand.advance(std::time::Duration::from_secs(600));
    mint().expect(201).await;
}
