//! Messages to agents that they are pushed to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use molecule_platform::Config;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::agent::FakeAgent;
use super::world::{ADMIN, World, message};

#[tokio::test]
async fn p55_a_pushed_message_is_answered_byte_for_byte_and_logged() {
    let world = World::open().await;
    let mut fake = FakeAgent::pong().await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &fake.url).await);
    let answer = world.send(&b, "ping").by(&a).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let said = r#"{"jsonrpc":"2.0","id":"x","result":{"kind":"message","role":"agent","parts":[{"kind":"text","text":"pong <&>"}]}}"#;
    assert_eq!(answer.body, said, "nothing escaped, nothing moved");
    assert_eq!(fake.next().await.body, message("ping"));
    let rows = world.log(&b).await;
    let row = &rows[0];
    assert_eq!((&row["activity_type"], &row["source_id"]), (&json!("a2a_receive"), &json!(a.id)));
    assert_eq!((&row["status"], &row["request_body"]), (&json!("ok"), &message("ping")));
    assert_eq!(row["response_body"], serde_json::from_str::<Value>(said).unwrap());
    assert!(row["duration_ms"].is_i64());
}

#[tokio::test]
async fn p70_a_push_says_nothing_of_who_is_asking_and_goes_to_the_very_url() {
    let world = World::open().await;
    let mut fake = FakeAgent::pong().await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &fake.url).await);
    world.send(&b, "ping").by(&a).header("x-molecule-org-id", "o").expect(200).await;
    let seen = fake.next().await;
    assert_eq!(seen.target, "/secret/path?key=1");
    assert_eq!(seen.headers["content-type"], "application/json");
    for name in
        ["authorization", "x-workspace-id", "x-source-workspace-id", "x-molecule-org-id", "origin", "cookie"]
    {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    assert!(!format!("{:?}", seen.headers).contains(&a.token[..8]));
}

#[tokio::test]
async fn p61_what_is_missing_of_a_call_is_added_on_the_way() {
    let world = World::open().await;
    let mut fake = FakeAgent::pong().await;
    let b = world.pushed("b", &fake.url).await;
    let bare = json!({ "method": "message/send", "params": { "message": { "role": "user", "parts": [{ "kind": "text", "text": "x" }] } } });
    world.post(&format!("/workspaces/{}/a2a", b.id), &bare).expect(200).await;
    let seen = fake.next().await.body;
    assert_eq!(seen["jsonrpc"], "2.0");
    assert!(seen["id"].is_string() && seen["params"]["message"]["messageId"].is_string(), "{seen}");
    let numbers =
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":12345678901234567890123,"whole":1.0}}"#;
    world.call(Method::POST, &format!("/workspaces/{}/a2a", b.id)).body(numbers).expect(200).await;
    let logged = world.get(&format!("/workspaces/{}/activity?limit=1", b.id)).send().await.body;
    assert!(logged.contains(r#"{"n":12345678901234567890123,"whole":1.0}"#), "{logged}");
}

#[tokio::test]
async fn p63_an_agent_without_a_url_is_not_reached_and_nothing_is_logged() {
    let world = World::open().await;
    let created = world.create(json!({ "name": "b", "external": true, "delivery_mode": "push" })).await;
    let id = created["id"].as_str().unwrap();
    let refused = world.post(&format!("/workspaces/{id}/a2a"), &message("hi")).expect(503).await;
    assert_eq!(refused, json!({ "error": "workspace has no URL", "status": "awaiting_agent" }));
    assert_eq!(world.get(&format!("/workspaces/{id}/activity")).expect(200).await, json!([]));
}

#[tokio::test]
async fn p65_an_agent_that_is_not_there_is_said_to_be_unreachable() {
    let world = World::open().await;
    let b = world.pushed("b", &FakeAgent::nobody().await).await;
    assert_eq!(world.send(&b, "hi").refused(502).await, "failed to reach workspace agent");
    let rows = world.log(&b).await;
    assert_eq!((&rows[0]["status"], rows.len()), (&json!("error"), 1));
    let detail = rows[0]["error_detail"].as_str().unwrap();
    assert!(!detail.contains("secret/path"), "the agent's secret path is not logged: {detail}");
}

#[tokio::test]
async fn an_agent_on_this_machine_is_called_in_development_only() {
    let world = World::strict().await;
    let fake = FakeAgent::pong().await;
    let b = world.pushed("b", &fake.url).await;
    assert_eq!(world.send(&b, "hi").refused(502).await, "workspace URL is not publicly routable");
}

#[tokio::test]
async fn an_agents_own_failure_is_passed_on_in_its_words() {
    let world = World::open().await;
    for (answer, status, error) in [
        (
            (|_: &Value| (StatusCode::IM_A_TEAPOT, r#"{"error":"only tea"}"#).into_response())
                as fn(&Value) -> _,
            418,
            "only tea",
        ),
        (|_| (StatusCode::INTERNAL_SERVER_ERROR, "<html>boom").into_response(), 500, "Internal Server Error"),
        (
            |_| (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":{"code":1}}"#).into_response(),
            503,
            "Service Unavailable",
        ),
    ] {
        let fake = FakeAgent::answering(answer).await;
        let b = world.pushed("b", &fake.url).await;
        assert_eq!(world.send(&b, "hi").refused(status).await, error);
        assert_eq!(world.log(&b).await[0]["status"], "error");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_said_to_have_been_delivered() {
    let world = World::open().await;
    let fake = FakeAgent::breaking_off().await;
    let b = world.pushed("b", &fake.url).await;
    let refused = world.send(&b, "hi").expect(502).await;
    assert_eq!(refused, json!({ "error": "failed to read agent response", "delivery_confirmed": true }));
}

#[tokio::test]
async fn p67_a_busy_agent_with_sessions_of_its_own_is_not_queued_for() {
    let world = World::open().await;
    let fake = FakeAgent::hanging_up().await;
    let b = world.pushed("b", &fake.url).await;
    world.beat(&b, json!({ "runtime_metadata": { "capabilities": { "session": true } } })).await;
    let refused = world.send(&b, "hi").send().await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("30")));
    let body: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(
        (&body["busy"], &body["native_session"], &body["retry_after"]),
        (&json!(true), &json!(true), &json!(30))
    );
}

#[tokio::test]
async fn a_message_for_a_busy_agent_waits_once_and_is_taken_out_by_a_heartbeat() {
    let world = World::open().await;
    let busy = FakeAgent::hanging_up().await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &busy.url).await);
    let queued = world.send(&b, "later").by(&a).expect(202).await;
    assert_eq!((&queued["queued"], &queued["queue_depth"]), (&json!(true), &json!(1)));
    let again = world.send(&b, "later").by(&a).expect(202).await;
    assert_eq!(again["queue_id"], queued["queue_id"], "the same message is queued once");
    let second = world.send(&b, "later still").by(&a).expect(202).await;
    assert_eq!(second["queue_depth"], 2);
    let path =
        |queued: &Value| format!("/workspaces/{}/a2a/queue/{}", b.id, queued["queue_id"].as_str().unwrap());
    let entry = world.get(&path(&queued)).by(&a).expect(200).await;
    assert_eq!((&entry["status"], &entry["attempts"]), (&json!("queued"), &json!(0)));

    let mut free = FakeAgent::pong().await;
    world.register(&b, json!({ "delivery_mode": "push", "url": free.url })).expect(200).await;
    // One without room, one with: were the first taken for one with room, the second message would be taken out, too.
    world.beat(&b, json!({ "active_tasks": 1 })).await;
    world.beat(&b, json!({ "active_tasks": 0 })).await;
    assert_eq!(free.next().await.body, message("later"));
    world.until(&path(&queued), &a.token, |entry| entry["status"] == "completed").await;
    let entry = world.get(&path(&second)).by(&a).expect(200).await;
    assert_eq!((&entry["status"], &entry["attempts"]), (&json!("queued"), &json!(0)));
    assert!(free.is_quiet());
    assert_eq!(world.log(&b).await.len(), 3, "one row for each attempt, none for the late success");
}

#[tokio::test]
async fn a_message_waits_for_a_busy_agent_no_longer_than_its_sender_wants() {
    let world = World::open().await;
    let busy = FakeAgent::hanging_up().await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &busy.url).await);
    let mut hurried = message("soon or never");
    hurried["params"]["message"]["metadata"] = json!({ "expires_in_seconds": 60 });
    let send = || world.post(&format!("/workspaces/{}/a2a", b.id), &hurried).by(&a);
    let queued = send().expect(202).await;
    let patient = world.send(&b, "whenever").by(&a).expect(202).await;
    let path =
        |queued: &Value| format!("/workspaces/{}/a2a/queue/{}", b.id, queued["queue_id"].as_str().unwrap());
    let entry = world.get(&path(&queued)).by(&a).expect(200).await;
    assert_eq!(
        (&entry["status"], &entry["expires_at"]),
        (&json!("queued"), &json!("2026-04-27T11:37:15.123456Z"))
    );
    world.hand.advance(Duration::from_secs(60));
    assert_eq!(world.get(&path(&queued)).by(&a).expect(200).await["status"], "expired");
    // Sent again it is another message that waits.
    let again = send().expect(202).await;
    assert_ne!(again["queue_id"], queued["queue_id"]);
    assert_eq!(again["queue_depth"], 2);
    world.hand.advance(Duration::from_secs(60));

    let mut free = FakeAgent::pong().await;
    world.register(&b, json!({ "delivery_mode": "push", "url": free.url })).expect(200).await;
    world.beat(&b, json!({})).await;
    assert_eq!(free.next().await.body, message("whenever"), "the one before it is not sent any more");
    world.until(&path(&patient), &a.token, |entry| entry["status"] == "completed").await;
    world.register(&b, json!({ "delivery_mode": "poll" })).expect(200).await;
    assert!(world.log(&b).await.iter().all(|row| row["status"] == "error"), "nothing is handed over either");
    assert_eq!(world.get(&path(&again)).by(&a).expect(200).await["status"], "expired");
}

#[tokio::test]
async fn only_sender_target_and_operator_learn_where_a_queued_message_stands() {
    let world = World::start(Config { admin_token: Some(ADMIN.parse().unwrap()), ..Config::default() }).await;
    let busy = FakeAgent::hanging_up().await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &busy.url).await);
    let stranger = world.agent("stranger").await;
    let queued = world.send(&b, "later").by(&a).expect(202).await;
    let path = format!("/workspaces/{}/a2a/queue/{}", b.id, queued["queue_id"].as_str().unwrap());
    for token in [a.token.as_str(), &b.token, ADMIN] {
        assert_eq!(world.get(&path).token(token).expect(200).await["status"], "queued");
    }
    assert_eq!(world.get(&path).by(&stranger).refused(404).await, "queue entry not found");
    // To be named as the target is no proof.
    let named = world.get(&path).header("x-workspace-id", &b.id);
    assert_eq!(named.refused(401).await, "missing caller auth token");
}

#[tokio::test]
async fn what_waits_for_an_agent_is_in_its_log_once_it_polls_and_forgotten_in_the_end() {
    let world = World::open().await;
    let busy = FakeAgent::hanging_up().await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &busy.url).await);
    let queued = world.send(&b, "one").by(&a).expect(202).await;
    world.send(&b, "two").expect(202).await;
    let path = format!("/workspaces/{}/a2a/queue/{}", b.id, queued["queue_id"].as_str().unwrap());
    let before = world.log(&b).await.len();
    world.register(&b, json!({ "delivery_mode": "poll", "url": busy.url })).expect(200).await;
    assert_eq!(world.get(&format!("/workspaces/{}", b.id)).expect(200).await["url"], "");
    let rows = world.log(&b).await;
    assert_eq!(rows.len(), before + 2);
    assert_eq!((&rows[0]["summary"], &rows[0]["source_id"]), (&json!("two"), &Value::Null));
    assert_eq!((&rows[1]["summary"], &rows[1]["source_id"]), (&json!("one"), &json!(a.id)));
    assert_eq!((&rows[1]["request_body"], &rows[1]["status"]), (&message("one"), &json!("ok")));
    assert_eq!(world.get(&path).by(&a).expect(200).await["status"], "completed");
    world.register(&b, json!({ "delivery_mode": "poll" })).expect(200).await;
    assert_eq!(world.log(&b).await.len(), before + 2, "once");

    // One that never comes back does not make the queue grow for ever.
    let gone = world.pushed("gone", &busy.url).await;
    let queued = world.send(&gone, "x").by(&a).expect(202).await;
    let path = format!("/workspaces/{}/a2a/queue/{}", gone.id, queued["queue_id"].as_str().unwrap());
    world.hand.advance(Duration::from_secs(7 * 24 * 60 * 60 + 1));
    world.platform.sweep().await.unwrap();
    world.get(&path).by(&a).refused(404).await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_take_the_message_back() {
    let world = World::open().await;
    let go = Arc::new(Notify::new());
    let mut fake = FakeAgent::slow(go.clone()).await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &fake.url).await);
    let asking = tokio::spawn(world.send(&b, "hi").by(&a).open());
    fake.next().await;
    asking.abort();
    asking.await.unwrap_err();
    go.notify_one();
    let rows =
        world.until(&format!("/workspaces/{}/activity", b.id), &b.token, |rows| rows[0].is_object()).await;
    assert_eq!((&rows[0]["status"], &rows[0]["response_body"]), (&json!("ok"), &json!({ "result": "pong" })));
}

#[tokio::test]
async fn an_agent_that_gives_no_sign_of_life_counts_as_busy() {
    let world =
        World::start(Config { a2a_idle_timeout: Duration::from_millis(50), ..Config::default() }).await;
    let fake = FakeAgent::slow(Arc::new(Notify::new())).await;
    let b = world.pushed("b", &fake.url).await;
    assert_eq!(world.send(&b, "hi").expect(202).await["queued"], true);
    let rows = world.log(&b).await;
    assert_eq!(rows[0]["error_detail"], "the agent did not answer: no sign of life in time");
}

#[tokio::test]
async fn heartbeats_keep_a_long_call_alive() {
    // The idle time is far shorter than the call: only the heartbeats, one after another, carry it through. Fails when
    // an event no longer moves the deadline.
    let idle = Duration::from_secs(2);
    let world = World::start(Config { a2a_idle_timeout: idle, ..Config::default() }).await;
    let go = Arc::new(Notify::new());
    let mut fake = FakeAgent::slow(go.clone()).await;
    let b = world.pushed("b", &fake.url).await;
    let asking = tokio::spawn(world.send(&b, "hi").send());
    fake.next().await;
    let began = Instant::now();
    while began.elapsed() < idle + Duration::from_millis(500) {
        world.beat(&b, json!({})).await;
    }
    go.notify_one();
    assert_eq!(asking.await.unwrap().body, r#"{"result":"pong"}"#);
}

#[tokio::test]
async fn an_agent_that_redirects_is_followed_within_its_origin_only() {
    // Otherwise it could send the platform to where it cannot go itself. Fails with any other redirect policy.
    let world = World::open().await;
    let mut other = FakeAgent::pong().await;
    let b = world.pushed("b", &FakeAgent::redirecting(&other.url).await.url).await;
    let refused = world.send(&b, "hi").expect(502).await;
    assert_eq!(refused["error"], "failed to reach workspace agent");
    assert!(refused["detail"].as_str().unwrap().contains("another origin"), "{refused}");
    assert!(other.is_quiet());

    let mut moved = FakeAgent::redirecting("/moved").await;
    let b = world.pushed("b", &moved.url).await;
    assert_eq!(world.send(&b, "hi").expect(200).await, json!({ "result": "pong" }));
    let seen = moved.next().await;
    assert_eq!((seen.target.as_str(), seen.body), ("/moved", message("hi")));
    assert!(!seen.headers.contains_key("referer"), "the secret path stays a secret");
}

#[tokio::test]
async fn an_agent_may_ask_for_any_silence_without_breaking_the_call() {
    let world = World::open().await;
    let fake = FakeAgent::pong().await;
    let b = world.pushed("b", &fake.url).await;
    for seconds in [i64::MAX, i64::MIN] {
        world.beat(&b, json!({ "runtime_metadata": { "idle_timeout_seconds": seconds } })).await;
        world.send(&b, "hi").expect(200).await;
    }
}
