use serde_json::{Value, json};

use crate::world::World;

/// Reads frames until `wanted` have come.
async fn frames(response: &mut reqwest::Response, wanted: usize) -> Vec<String> {
    let mut text = String::new();
    while text.matches("\n\n").count() < wanted {
        text.push_str(
            std::str::from_utf8(&response.chunk().await.unwrap().expect("the stream ended")).unwrap(),
        );
    }
    text.split_terminator("\n\n").map(str::to_owned).collect()
}

#[tokio::test]
async fn a_stream_tells_a_workspace_what_happens_to_it_and_never_what_was_said() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let path = format!("/workspaces/{}/events/stream", a.id);
    world.get(&path).token(&b.token).refused(401).await;
    let mut stream = world.get(&path).token(&a.token).open().await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(frames(&mut stream, 1).await, [": ping"]);
    world.beat(&b, json!({})).await;
    world.send(&a, "secret words").expect(200).await;
    world.beat(&a, json!({ "current_task": "thinking" })).await;
    let told = frames(&mut stream, 3).await;
    let events: Vec<Value> =
        told.iter().map(|it| serde_json::from_str(it.strip_prefix("data: ").unwrap()).unwrap()).collect();
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ACTIVITY_LOGGED", "WORKSPACE_HEARTBEAT", "TASK_UPDATED"]);
    assert_eq!(events[0]["data"]["activity_type"], "a2a_receive");
    assert_eq!(events[0]["timestamp"], 1_777_289_775_123_i64);
    assert!(!told[0].contains("secret words"), "{}", told[0]);
}

#[tokio::test]
async fn a_platform_with_an_open_stream_still_stops() {
    let world = World::open().await;
    let a = world.agent("a").await;
    let mut stream = world.get(&format!("/workspaces/{}/events/stream", a.id)).open().await;
    frames(&mut stream, 1).await;
    world.platform.shutdown().await;
    while let Ok(Some(_)) = stream.chunk().await {}
}
