//! What a workspace may spend, with which model, and what is found in its past.

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ADMIN, Agent, World};

#[tokio::test]
async fn a_budget_is_shown_to_the_workspace_and_set_by_the_operator() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let path = format!("/workspaces/{}/budget", a.id);
    let shown = || world.get(&path).token(&a.token).expect(200);
    world.beat(&a, json!({ "monthly_spend": 30 })).await;
    let none = json!({ "budget_limit": null, "monthly_spend": 30, "budget_remaining": null });
    assert_eq!(shown().await, none);
    let set = |limit: Value| {
        let body = json!({ "budget_limit": limit }).to_string();
        world.call(Method::PATCH, &path).token(ADMIN).body(body)
    };
    let limited = json!({ "budget_limit": 20, "monthly_spend": 30, "budget_remaining": -10 });
    assert_eq!(set(json!(20)).expect(200).await, limited);
    assert_eq!(shown().await, limited);
    assert_eq!(world.send(&a, "hi").send().await.status, 402);
    for wrong in [json!(-1), json!("1"), json!(1.5)] {
        set(wrong).refused(400).await;
    }
    assert_eq!(set(Value::Null).expect(200).await, none);
    world.send(&a, "hi").expect(200).await;
}

#[tokio::test]
async fn the_model_is_the_one_that_the_workspace_was_made_with() {
    let world = World::strict().await;
    for (model, shown) in [(json!("m-1"), "m-1"), (Value::Null, "")] {
        let made = world.create(json!({ "name": "a", "external": true, "model": model })).await;
        let agent = Agent {
            id: made["id"].as_str().unwrap().into(),
            token: made["connection"]["auth_token"].as_str().unwrap().into(),
        };
        let path = format!("/workspaces/{}/model", agent.id);
        assert_eq!(world.get(&path).token(&agent.token).expect(200).await, json!({ "model": shown }));
    }
}

#[tokio::test]
async fn a_search_finds_what_was_said_and_what_is_remembered_of_ones_own() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    world.send(&a, "Where is the Kettle").expect(200).await;
    world.send(&a, "never mind").expect(200).await;
    world.send(&b, "the kettle of another").expect(200).await;
    world.hand.advance(std::time::Duration::from_secs(1));
    let memory = json!({ "content": "the kettle is in the kitchen", "scope": "LOCAL" });
    world.post(&format!("/workspaces/{}/memories", a.id), &memory).token(&a.token).expect(201).await;
    let search = |query: &str| {
        world.get(&format!("/workspaces/{}/session-search?{query}", a.id)).token(&a.token).expect(200)
    };
    let found = search("q=KETTLE").await;
    let kinds: Vec<_> = found.as_array().unwrap().iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["memory", "activity"]);
    assert_eq!((&found[0]["label"], &found[0]["content"]), (&json!("LOCAL"), &memory["content"]));
    assert_eq!(
        (&found[1]["label"], &found[1]["content"]),
        (&json!("a2a_receive"), &json!("Where is the Kettle"))
    );
    assert!(found[1]["request_body"].is_object() && found[0].get("request_body").is_none());
    assert_eq!(search("q=kettle&limit=1").await.as_array().unwrap().len(), 1);
    assert_eq!(search("").await.as_array().unwrap().len(), 3, "all of its own");
}
