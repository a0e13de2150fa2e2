use serde_json::{Value, json};

use super::world::{ADMIN, Agent, World};

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
async fn whatever_is_to_be_fetched_is_there_when_the_stream_tells_of_it() {
    // A host that is woken looks once: what is not there then waits for its next poll.
    let world = World::strict().await;
    let a = world.agent("a").await;
    let path = |rest: &str| format!("/workspaces/{}/{rest}", a.id);
    let schedule = json!({ "cron_expr": "0 0 1 1 *", "prompt": "look around" });
    let schedule = world.post(&path("schedules"), &schedule).token(&a.token).expect(201).await;
    let run = path(&format!("schedules/{}/run", schedule["id"].as_str().unwrap()));
    let form = "--e\r\nContent-Disposition: form-data; name=\"files\"; filename=\"f\"\r\n\r\nx\r\n--e--\r\n";
    let upload = world.call(reqwest::Method::POST, &path("chat/uploads"));
    let mut stream = world.get(&path("events/stream")).token(&a.token).open().await;
    frames(&mut stream, 1).await;
    for (call, method) in [
        (world.send(&a, "hi"), "message/send"),
        (upload.header("content-type", "multipart/form-data; boundary=e").body(form), "chat_upload_receive"),
        (world.post(&run, &json!({})), "message/send"),
    ] {
        call.token(ADMIN).expect(200).await;
        let told = frames(&mut stream, 1).await;
        let event: Value = serde_json::from_str(told[0].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(
            (&event["type"], &event["data"]["activity_type"]),
            (&json!("ACTIVITY_LOGGED"), &json!("a2a_receive"))
        );
        let rows = world.get(&path("activity?type=a2a_receive&limit=1")).token(&a.token).expect(200).await;
        assert_eq!((&rows[0]["id"], &rows[0]["method"]), (&event["data"]["id"], &json!(method)));
    }
}

#[tokio::test]
async fn a_platform_with_an_open_stream_still_stops() {
    let world = World::open().await;
    let a = world.agent("a").await;
    let mut stream = world.get(&format!("/workspaces/{}/events/stream", a.id)).open().await;
    frames(&mut stream, 1).await;
    world.platform.shutdown().await;
    ends(&mut stream).await;
}

/// Reads what is still to come, and its end. A stream that does not end fails by the client's time limit.
async fn ends(stream: &mut reqwest::Response) -> String {
    let mut rest = Vec::new();
    while let Some(chunk) = stream.chunk().await.expect("a stream that ends well") {
        rest.extend_from_slice(&chunk);
    }
    String::from_utf8(rest).unwrap()
}

#[tokio::test]
async fn a_stream_does_not_outlive_the_token_that_opened_it() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let open = async |agent: &Agent, token: &str| {
        let path = format!("/workspaces/{}/events/stream", agent.id);
        let mut stream = world.get(&path).token(token).open().await;
        frames(&mut stream, 1).await;
        stream
    };
    let mut untouched = open(&b, &b.token).await;
    let tokens = format!("/workspaces/{}/tokens", a.id);

    let mut stream = open(&a, &a.token).await;
    let listed = world.get(&tokens).token(&a.token).expect(200).await;
    let one = format!("{tokens}/{}", listed["tokens"][0]["id"].as_str().unwrap());
    world.delete(&one).token(&a.token).expect(200).await;
    assert!(ends(&mut stream).await.contains("TOKENS_REVOKED"));

    let minted = world.post(&tokens, &json!({})).token(ADMIN).expect(201).await;
    let token = minted["auth_token"].as_str().unwrap();
    let mut stream = open(&a, token).await;
    let rotate = format!("/workspaces/{}/external/rotate", a.id);
    let rotated = world.post(&rotate, &json!({})).token(token).expect(200).await;
    assert!(ends(&mut stream).await.contains("TOKENS_REVOKED"));

    let mut stream = open(&a, rotated["auth_token"].as_str().unwrap()).await;
    world.delete(&format!("/workspaces/{}", a.id)).token(ADMIN).expect(200).await;
    assert!(ends(&mut stream).await.contains("WORKSPACE_REMOVED"));

    // None of this concerned the other.
    world.beat(&b, json!({})).await;
    assert!(frames(&mut untouched, 1).await[0].contains("WORKSPACE_HEARTBEAT"));
}
