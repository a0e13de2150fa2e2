use reqwest::Method;
use serde_json::json;

use super::world::{ADMIN, World};

#[tokio::test]
async fn p96_a_workspace_sees_everybodys_secrets_overlaid_by_its_own() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let own = format!("/workspaces/{}/secrets", a.id);
    let put = |path: &str, token: &str, key: &str, value: &str| {
        world.call(Method::PUT, path).token(token).body(json!({ "key": key, "value": value }).to_string())
    };
    assert_eq!(
        put("/settings/secrets", ADMIN, "K", "1").expect(200).await,
        json!({ "status": "saved", "key": "K" })
    );
    put(&own, ADMIN, "K", "2").expect(200).await;
    put(&own, &a.token, "L", "3").expect(200).await;
    assert_eq!(put("/settings/secrets", &a.token, "K", "4").refused(401).await, "invalid admin auth token");
    put(&own, &a.token, "", "3").refused(400).await;

    let values = |id: &str| world.get(&format!("/workspaces/{id}/secrets/values"));
    assert_eq!(values(&a.id).token(&a.token).expect(200).await, json!({ "K": "2", "L": "3" }));
    assert_eq!(values(&b.id).token(&b.token).expect(200).await, json!({ "K": "1" }));
    assert_eq!(values(&a.id).token(&b.token).refused(401).await, "invalid workspace auth token");
    assert_eq!(
        values(&a.id).token(ADMIN).refused(401).await,
        "invalid workspace auth token",
        "not even the admin"
    );
    let shouted = values(&a.id.to_uppercase()).token(&a.token);
    assert_eq!(shouted.refused(400).await, "invalid workspace ID");

    let listed = world.get(&own).token(&a.token).send().await.body;
    assert!(listed.contains(r#""key":"K""#) && listed.contains(r#""has_value":true"#), "{listed}");
    assert!(!listed.contains(r#""2""#) && !listed.contains(r#""3""#), "names only: {listed}");
    world.delete(&format!("{own}/K")).token(&a.token).expect(200).await;
    world.delete(&format!("{own}/K")).token(&a.token).refused(404).await;
    assert_eq!(values(&a.id).token(&a.token).expect(200).await["K"], "1");
    world.delete("/settings/secrets/K").token(ADMIN).expect(200).await;
    assert_eq!(values(&b.id).token(&b.token).expect(200).await, json!({}));
}

#[tokio::test]
async fn secrets_given_at_creation_are_there_from_the_start() {
    let world = World::strict().await;
    let created = world.create(json!({ "name": "a", "external": true, "secrets": { "K": "1" } })).await;
    let path = format!("/workspaces/{}/secrets/values", created["id"].as_str().unwrap());
    let token = created["connection"]["auth_token"].as_str().unwrap();
    assert_eq!(world.get(&path).token(token).expect(200).await, json!({ "K": "1" }));
}
