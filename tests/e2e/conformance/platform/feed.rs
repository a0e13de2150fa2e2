use std::time::Duration;

use molecule_platform::Config;
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ADMIN, Agent, World};

/// The stream of all that happens, being read.
struct Feed {
    response: reqwest::Response,
    text: String,
}

impl Feed {
    async fn open(world: &World) -> Self {
        let response = world.get("/events/stream").token(ADMIN).open().await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next picture.
    async fn next(&mut self) -> Value {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let picture = frame.strip_prefix("data:").map(|json| serde_json::from_str(json).unwrap());
                self.text = rest.to_owned();
                match picture {
                    Some(picture) => return picture,
                    None => continue,
                }
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream ended");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Pictures up to one that is as wanted.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let read = async {
            loop {
                let picture = self.next().await;
                if wanted(&picture) {
                    return picture;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), read).await.expect("the picture never came")
    }
}

fn workspace<'a>(picture: &'a Value, id: &str) -> Option<&'a Value> {
    picture["workspaces"].as_array().unwrap().iter().find(|it| it["id"] == id)
}

async fn report(world: &World, agent: &Agent, row: Value) {
    world.post(&format!("/workspaces/{}/activity", agent.id), &row).token(&agent.token).expect(200).await;
}

#[tokio::test]
async fn the_feed_begins_with_how_things_stand_and_goes_on_with_what_changes() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let gone = world.agent("gone").await;
    world.delete(&format!("/workspaces/{}", gone.id)).token(ADMIN).expect(200).await;
    world.beat(&a, json!({ "current_task": "thinking" })).await;
    let mut feed = Feed::open(&world).await;
    let whole = feed.next().await;
    assert_eq!((&whole["whole"], &whole["now"]), (&json!(true), &json!(1_777_289_775_123_i64)));
    assert_eq!(whole["workspaces"].as_array().unwrap().len(), 2, "{whole}");
    assert_eq!(
        workspace(&whole, &a.id).unwrap(),
        &json!({ "id": a.id, "name": "a", "status": "online", "parent_id": null, "current_task": "thinking",
            "active_tasks": 0, "sample_error": "", "last_heartbeat_at": 1_777_289_775_123_i64 })
    );

    world.hand.advance(Duration::from_secs(30));
    world.beat(&a, json!({ "current_task": "writing", "sample_error": "slow" })).await;
    let changed =
        feed.until(|it| workspace(it, &a.id).is_some_and(|it| it["current_task"] == "writing")).await;
    let shown = workspace(&changed, &a.id).unwrap();
    assert_eq!((&changed["whole"], &shown["sample_error"]), (&json!(false), &json!("slow")));
    assert_eq!(shown["last_heartbeat_at"], 1_777_289_805_123_i64);
    assert!(workspace(&changed, &b.id).is_none(), "what has not changed is not told: {changed}");

    let rename = world.call(Method::PATCH, &format!("/workspaces/{}", a.id));
    rename.token(ADMIN).body(r#"{"name":"renamed"}"#).expect(200).await;
    feed.until(|it| workspace(it, &a.id).is_some_and(|it| it["name"] == "renamed")).await;
    world.post(&format!("/workspaces/{}/pause", a.id), &json!({})).token(ADMIN).expect(200).await;
    feed.until(|it| workspace(it, &a.id).is_some_and(|it| it["status"] == "paused")).await;
    world.delete(&format!("/workspaces/{}", a.id)).token(ADMIN).expect(200).await;
    feed.until(|it| it["gone"] == json!([a.id])).await;
    world.delete(&format!("/workspaces/{}?purge=true", b.id)).token(ADMIN).expect(200).await;
    feed.until(|it| it["gone"] == json!([b.id])).await;
    let c = world.agent("c").await;
    feed.until(|it| workspace(it, &c.id).is_some_and(|it| it["status"] == "online")).await;
}

#[tokio::test]
async fn rows_come_with_what_was_said_unless_that_is_long() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let mut feed = Feed::open(&world).await;
    feed.next().await;
    world.send(&a, "hello").expect(200).await;
    let picture = feed.until(|it| it["rows"] != json!([])).await;
    let row = &picture["rows"][0];
    assert_eq!(row["request_body"]["params"]["message"]["parts"][0]["text"], "hello");
    assert_eq!((&row["workspace_id"], &row["source_id"], row.get("cut")), (&json!(a.id), &Value::Null, None));
    world.send(&a, &"long".repeat(10_000)).expect(200).await;
    let picture = feed.until(|it| it["rows"] != json!([])).await;
    let row = &picture["rows"][0];
    assert_eq!((row.get("request_body"), &row["cut"]), (None, &json!(true)));
    assert!(row["summary"].as_str().unwrap().starts_with("longlong"), "{row}");
}

#[tokio::test]
async fn what_an_agent_says_of_itself_is_bounded() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let long = "x".repeat(1_000_000);
    world.beat(&a, json!({ "current_task": long, "sample_error": long })).await;
    let mut feed = Feed::open(&world).await;
    feed.next().await;
    let row = json!({ "activity_type": "error", "method": long, "status": long, "summary": long, "error_detail": long });
    report(&world, &a, row).await;
    world.beat(&a, json!({ "current_task": format!("more{long}") })).await;
    let (mut told, mut row, mut task) = (0, false, false);
    while !(row && task) {
        let picture = feed.next().await;
        told += picture.to_string().len();
        row |= picture["rows"] != json!([]);
        task |= workspace(&picture, &a.id)
            .is_some_and(|it| it["current_task"].as_str().unwrap().starts_with("more"));
    }
    assert!(told < 20_000, "{told} bytes");
}

#[tokio::test]
async fn the_first_picture_has_the_last_messages_between_agents_and_the_last_effects() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    world.send(&b, "from the user").expect(200).await;
    world.send(&b, "from a").by(&a).expect(200).await;
    report(&world, &a, json!({ "activity_type": "agent_log", "summary": "of another method" })).await;
    let denied =
        json!({ "effect": "call", "target": "carol", "rule": "no grant", "grant": "--allow-peer carol" });
    report(
        &world,
        &a,
        json!({ "activity_type": "agent_log", "method": "gate", "status": "denied", "summary": "call carol",
            "metadata": denied }),
    )
    .await;
    let whole = Feed::open(&world).await.next().await;
    let rows = whole["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{whole}");
    assert_eq!((&rows[0]["source_id"], &rows[0]["workspace_id"]), (&json!(a.id), &json!(b.id)));
    assert_eq!((&rows[1]["status"], &rows[1]["request_body"]), (&json!("denied"), &denied));
}

#[tokio::test]
async fn the_first_picture_has_the_builds_that_failed_where_none_has_worked_since() {
    let world = World::strict().await;
    let (a, b, c) = (world.agent("a").await, world.agent("b").await, world.agent("c").await);
    let build = |status: &str, detail: &str| json!({ "activity_type": "agent_log", "method": "build", "status": status, "error_detail": detail });
    for (agent, status, detail) in [
        (&a, "error", "first"),
        (&a, "error", "second"),
        (&b, "error", "mended"),
        (&b, "ok", ""),
        (&c, "ok", ""),
    ] {
        report(&world, agent, build(status, detail)).await;
    }
    report(&world, &a, json!({ "activity_type": "agent_log", "method": "other", "status": "ok" })).await;
    let whole = Feed::open(&world).await.next().await;
    let rows = whole["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{whole}");
    assert_eq!((&rows[0]["workspace_id"], &rows[0]["error_detail"]), (&json!(a.id), &json!("second")));
}

#[tokio::test]
async fn a_listener_that_falls_behind_misses_no_row_and_learns_how_things_stand() {
    const BEATS: usize = 1500;
    const SENT: usize = 450;
    let world = World::start(Config { rate_limit: 100_000, ..World::strictly() }).await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let mut feed = Feed::open(&world).await;
    feed.next().await;
    // More events than are kept for a listener, and more rows than one change has, while nobody reads.
    for sent in 0..SENT {
        world.send(&a, &format!("message {sent}")).expect(200).await;
    }
    for _ in 0..BEATS {
        world.beat(&b, json!({})).await;
    }
    world.beat(&b, json!({ "current_task": "the last" })).await;
    let (mut texts, mut task) = (Vec::new(), Value::Null);
    while texts.len() < SENT || task != "the last" {
        let picture =
            tokio::time::timeout(Duration::from_secs(30), feed.next()).await.expect("all of it comes");
        assert!(picture["rows"].as_array().unwrap().len() <= 200);
        for row in picture["rows"].as_array().unwrap() {
            texts.push(row["summary"].as_str().unwrap().to_owned());
        }
        if let Some(b) = workspace(&picture, &b.id) {
            task = b["current_task"].clone();
        }
    }
    assert_eq!(texts, (0..SENT).map(|sent| format!("message {sent}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_platform_with_an_open_feed_still_stops() {
    let world = World::strict().await;
    let mut feed = Feed::open(&world).await;
    feed.next().await;
    world.platform.shutdown().await;
    while let Ok(Some(_)) = feed.response.chunk().await {}
}
