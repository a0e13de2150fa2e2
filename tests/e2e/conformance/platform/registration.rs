use molecule_platform::Config;
use serde_json::{Value, json};

use super::world::{ADMIN, Agent, World};

#[tokio::test]
async fn p01_health_is_ok() {
    assert_eq!(World::strict().await.get("/health").expect(200).await, json!({ "status": "ok" }));
}

#[tokio::test]
async fn p02_p05_a_workspace_from_outside_waits_for_its_agent_and_is_given_a_token() {
    let world = World::strict().await;
    let created = world.create(json!({ "name": "a", "external": true, "runtime": "external" })).await;
    assert_eq!((&created["external"], &created["status"]), (&json!(true), &json!("awaiting_agent")));
    let connection = &created["connection"];
    let token = connection["auth_token"].as_str().unwrap();
    assert_eq!(token.len(), 43);
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)), "{token}");
    let platform = world.platform.url.to_string();
    assert_eq!(connection["platform_url"], platform);
    assert_eq!(connection["registry_endpoint"], format!("{platform}/registry/register"));
    assert_eq!(connection["heartbeat_endpoint"], format!("{platform}/registry/heartbeat"));

    let shown = world.get(&format!("/workspaces/{}", created["id"].as_str().unwrap())).expect(200).await;
    assert_eq!(
        (&shown["status"], &shown["runtime"], &shown["tier"]),
        (&json!("awaiting_agent"), &json!("external"), &json!(3))
    );
    assert_eq!(
        (&shown["role"], &shown["parent_id"], &shown["agent_card"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn p03_p09_a_workspace_with_a_url_is_online_and_gets_its_token_from_the_first_register() {
    let world = World::strict().await;
    let created =
        world.create(json!({ "name": "a", "external": true, "url": "https://agent.example/x" })).await;
    assert_eq!(created["status"], "online");
    assert_eq!(created.get("connection"), None);
    let id = created["id"].as_str().unwrap().to_owned();
    let body = json!({ "id": id, "agent_card": {}, "delivery_mode": "poll" });
    let first = world.post("/registry/register", &body).expect(200).await;
    let agent = Agent { id, token: first["auth_token"].as_str().unwrap().to_owned() };
    assert_eq!(world.post("/registry/register", &body).refused(401).await, "missing workspace auth token");
    let again = world.register(&agent, json!({ "delivery_mode": "poll" })).expect(200).await;
    assert_eq!(again.get("auth_token"), None);
}

#[tokio::test]
async fn p04_a_workspace_that_makes_no_sense_is_not_made() {
    let world = World::open().await;
    for (body, error) in [
        (json!({ "name": "a{b" }), "invalid workspace fields"),
        (json!({ "name": "a".repeat(256) }), "invalid workspace fields"),
        (json!({ "name": "a\nb" }), "invalid workspace fields"),
        (json!({ "name": "a", "role": "r".repeat(1001) }), "invalid workspace fields"),
        (json!({ "name": "a", "runtime": "r".repeat(101) }), "invalid workspace fields"),
        (json!({}), "invalid workspace payload"),
        (json!({ "name": "" }), "invalid workspace payload"),
        (json!({ "name": "a", "tier": "1" }), "invalid workspace payload"),
        (json!({ "name": "a", "template": "../x" }), "invalid template"),
        (json!({ "name": "a", "workspace_dir": "/etc/x" }), "invalid workspace directory"),
        (json!({ "name": "a", "workspace_dir": "/a/../b" }), "invalid workspace directory"),
        (json!({ "name": "a", "workspace_access": "all" }), "invalid workspace access"),
        (json!({ "name": "a", "delivery_mode": "pigeon" }), "delivery_mode must be 'push' or 'poll'"),
    ] {
        assert_eq!(world.post("/workspaces", &body).refused(400).await, error, "{body}");
    }
    let orphan = json!({ "name": "a", "parent_id": "00000000-0000-4000-8000-000000000000" });
    assert_eq!(world.post("/workspaces", &orphan).refused(500).await, "failed to create workspace");
    assert_eq!(world.get("/workspaces").expect(200).await, json!([]));
}

#[tokio::test]
async fn p07_p08_registering_needs_the_token_once_there_is_one() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    let other = world.agent("b").await;
    let body = json!({ "id": agent.id, "agent_card": {}, "delivery_mode": "poll" });
    let register = || world.post("/registry/register", &body);
    assert_eq!(register().refused(401).await, "missing workspace auth token");
    for wrong in [other.token.as_str(), ADMIN, "garbage"] {
        assert_eq!(register().token(wrong).refused(401).await, "invalid workspace auth token", "{wrong}");
    }
    let push = json!({ "delivery_mode": "push", "url": "https://93.184.216.34/agent" });
    let registered = world.register(&agent, push).expect(200).await;
    assert_eq!((&registered["status"], registered.get("auth_token")), (&json!("registered"), None));
    let shown = world.get(&format!("/workspaces/{}", agent.id)).expect(200).await;
    assert_eq!((&shown["status"], &shown["delivery_mode"]), (&json!("online"), &json!("push")));
    assert_eq!(shown["url"], "https://93.184.216.34/agent");
}

#[tokio::test]
async fn p11_an_agent_that_polls_needs_no_url_and_is_given_the_inbound_secret() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    let registered = world.register(&agent, json!({ "delivery_mode": "poll" })).expect(200).await;
    assert_eq!(registered["delivery_mode"], "poll");
    let secret = registered["platform_inbound_secret"].as_str().unwrap();
    assert_eq!(secret.len(), 43);
    assert_eq!(
        world.beat(&agent, json!({})).await["platform_inbound_secret"],
        secret,
        "the same from then on"
    );
    // One from outside that never said how it wants its messages polls.
    assert_eq!(world.register(&agent, json!({})).expect(200).await["delivery_mode"], "poll");
}

#[tokio::test]
async fn p12_p13_p16_p18_a_registration_that_makes_no_sense_is_refused() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    for (body, status) in [
        (json!({ "delivery_mode": "carrier-pigeon" }), 400),
        (json!({ "delivery_mode": "push" }), 400),
        (json!({ "delivery_mode": "push", "url": "" }), 400),
        (json!({ "delivery_mode": "push", "url": "remote://no-inbound" }), 400),
        (json!({ "delivery_mode": "push", "url": "http://127.0.0.1:9" }), 400),
        (json!({ "delivery_mode": "push", "url": "http://10.0.0.1:8000" }), 400),
        (json!({ "delivery_mode": "push", "url": "http://localhost:9/secret" }), 200),
        (json!({ "delivery_mode": "push", "url": "http://93.184.216.34/x" }), 200),
    ] {
        assert_eq!(world.register(&agent, body.clone()).send().await.status, status, "{body}");
    }
    for body in [r#"{"id":"x"}"#, "not json", r#"{"id":"","agent_card":{}}"#, r#"{"agent_card":{}}"#] {
        let refused = world.call(reqwest::Method::POST, "/registry/register").body(body).refused(400).await;
        assert_eq!(refused, "invalid request body", "{body}");
    }
    let not_a_uuid = json!({ "id": "nonsense", "agent_card": {}, "delivery_mode": "poll" });
    assert_eq!(world.post("/registry/register", &not_a_uuid).refused(500).await, "registration failed");
}

#[tokio::test]
async fn p17_a_hosted_platform_lets_private_addresses_register() {
    let world = World::start(Config { saas: true, ..World::strictly() }).await;
    let agent = world.agent("a").await;
    for (url, status) in [("http://10.0.0.1:8000", 200), ("http://169.254.1.1:8000", 400)] {
        let answer = world.register(&agent, json!({ "delivery_mode": "push", "url": url })).send().await;
        assert_eq!(answer.status, status, "{url}");
    }
}

#[tokio::test]
async fn registering_an_unknown_id_makes_a_workspace() {
    let world = World::strict().await;
    let id = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11";
    let body = json!({ "id": id, "agent_card": { "name": "x" }, "delivery_mode": "poll" });
    let registered = world.post("/registry/register", &body).expect(200).await;
    let token = registered["auth_token"].as_str().unwrap();
    let shown = world.get(&format!("/workspaces/{id}")).expect(200).await;
    assert_eq!((&shown["name"], &shown["tier"], &shown["status"]), (&json!(id), &json!(1), &json!("online")));
    world.get(&format!("/workspaces/{id}/state")).token(token).expect(200).await;
}

#[tokio::test]
async fn the_card_is_replaced_as_a_whole_and_keeps_its_numbers() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    let card = r#"{"name":"new","big":12345678901234567890123,"whole":1.0}"#;
    let body = format!(r#"{{"workspace_id":"{}","agent_card":{card}}}"#, agent.id);
    let update = || world.call(reqwest::Method::POST, "/registry/update-card").body(body.clone());
    assert_eq!(update().refused(401).await, "missing workspace auth token");
    assert_eq!(update().token(&agent.token).expect(200).await, json!({ "status": "updated" }));
    let shown = world.get(&format!("/workspaces/{}", agent.id)).send().await;
    assert!(shown.body.contains(card), "{}", shown.body);
}

#[tokio::test]
async fn a_workspace_is_changed_by_its_members_and_only_as_makes_sense() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    let child = world.agent_below("child", json!(agent.id)).await;
    let path = format!("/workspaces/{}", agent.id);
    let patch =
        |body: Value| world.call(reqwest::Method::PATCH, &path).token(&agent.token).body(body.to_string());
    let change = json!({ "name": "b", "role": "sre", "tier": 1, "unknown": [] });
    assert_eq!(patch(change).expect(200).await, json!({ "status": "updated" }));
    patch(json!({ "role": null })).expect(200).await;
    let shown = world.get(&path).expect(200).await;
    assert_eq!((&shown["name"], &shown["role"], &shown["tier"]), (&json!("b"), &Value::Null, &json!(1)));
    for wrong in [
        json!({ "name": "" }),
        json!({ "name": "[x]" }),
        json!({ "parent_id": agent.id }),
        json!({ "parent_id": child.id }),
    ] {
        patch(wrong).refused(400).await;
    }
    let unknown = "/workspaces/00000000-0000-4000-8000-000000000000";
    let patch = world.call(reqwest::Method::PATCH, unknown).token(ADMIN).body("{}");
    assert_eq!(patch.refused(404).await, "workspace not found");
}

#[tokio::test]
async fn of_first_registers_at_once_only_one_gets_the_token() {
    // The gate and the write are two steps. Fails when the write does not look again.
    let world = World::strict().await;
    let created =
        world.create(json!({ "name": "a", "external": true, "url": "https://agent.example/x" })).await;
    let body = json!({ "id": created["id"], "agent_card": {}, "delivery_mode": "poll" });
    let at_once = (0..16).map(|_| world.post("/registry/register", &body).send());
    let answers = futures::future::join_all(at_once).await;
    let (got, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(got.len(), 1);
    for answer in refused {
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (401, r#"{"error":"missing workspace auth token"}"#)
        );
    }
}
