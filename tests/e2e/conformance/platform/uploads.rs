//! Files for an agent.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::agent::FakeAgent;
use super::world::{Agent, Call, World};

/// A form of files: name, type and content of each.
fn form(files: &[(&str, &str, &str)]) -> String {
    let mut body = String::new();
    for (name, kind, content) in files {
        body.push_str(&format!(
            "--edge\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
             Content-Type: {kind}\r\n\r\n{content}\r\n"
        ));
    }
    body + "--edge--\r\n"
}

fn upload(world: &World, agent: &Agent, form: String) -> Call {
    let path = format!("/workspaces/{}/chat/uploads", agent.id);
    let call = world.call(reqwest::Method::POST, &path).token(&agent.token);
    call.header("content-type", "multipart/form-data; boundary=edge").body(form)
}

#[tokio::test]
async fn p105_a_file_waits_for_an_agent_that_polls_until_it_says_that_it_has_it() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let two = form(&[("notes/a.txt", "text/plain", "hello"), ("b.html", "text/html", "<script>")]);
    let answer = upload(&world, &a, two).expect(200).await;
    let file = &answer["files"][0];
    assert_eq!(
        (&file["name"], &file["mimeType"], &file["size"]),
        (&json!("a.txt"), &json!("text/plain"), &json!(5))
    );
    let uri = file["uri"].as_str().unwrap();
    let file_id = uri.strip_prefix(&format!("platform-pending:{}/", a.id)).unwrap();

    let rows = world
        .get(&format!("/workspaces/{}/activity?type=a2a_receive", a.id))
        .token(&a.token)
        .expect(200)
        .await;
    assert_eq!(rows.as_array().unwrap().len(), 2, "a row for each file");
    let row = &rows[1];
    assert_eq!(row["method"], "chat_upload_receive");
    let body = &row["request_body"];
    assert_eq!((&body["file_id"], &body["uri"], &body["size"]), (&json!(file_id), &json!(uri), &json!(5)));

    let path = format!("/workspaces/{}/pending-uploads/{file_id}", a.id);
    let content = || world.get(&format!("{path}/content")).token(&a.token);
    let got = content().send().await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "hello"));
    assert_eq!(got.header("content-type"), Some("text/plain"));
    assert_eq!(got.header("content-disposition"), Some("attachment"), "never shown as a page of ours");

    // Another workspace's file is none, under its own path or under the other's.
    let strange = format!("/workspaces/{}/pending-uploads/{file_id}", b.id);
    assert_eq!(world.get(&format!("{strange}/content")).token(&b.token).refused(404).await, "file not found");
    world.post(&format!("{strange}/ack"), &json!({})).token(&b.token).refused(404).await;
    world.get(&format!("{path}/content")).token(&b.token).refused(401).await;
    let nonsense = format!("/workspaces/{}/pending-uploads/nonsense", a.id);
    assert_eq!(
        world.get(&format!("{nonsense}/content")).token(&a.token).refused(400).await,
        "invalid file ID"
    );
    world.post(&format!("{nonsense}/ack"), &json!({})).token(&a.token).refused(400).await;

    let acknowledge = || world.post(&format!("{path}/ack"), &json!({})).token(&a.token);
    acknowledge().expect(200).await;
    content().refused(404).await;
    acknowledge().expect(200).await;
}

#[tokio::test]
async fn a_form_that_makes_no_sense_or_is_too_large_is_refused_and_nothing_is_kept() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let other = form(&[("a", "text/plain", "x")]).replace("name=\"files\"", "name=\"other\"");
    assert_eq!(upload(&world, &a, other).refused(400).await, "expected at least one 'files' field");
    assert_eq!(upload(&world, &a, "nonsense".into()).refused(400).await, "failed to parse multipart form");
    let path = format!("/workspaces/{}/chat/uploads", a.id);
    let untyped = world.post(&path, &json!({})).token(&a.token);
    assert_eq!(untyped.refused(400).await, "failed to parse multipart form");
    let mebibytes = |number: usize| "x".repeat(number * 1024 * 1024);
    let large = form(&[("small", "text/plain", "x"), ("large", "text/plain", &(mebibytes(25) + "x"))]);
    upload(&world, &a, large).refused(413).await;
    let whole = mebibytes(24);
    let together =
        form(&[("1", "text/plain", &whole), ("2", "text/plain", &whole), ("3", "text/plain", &whole)]);
    assert_eq!(upload(&world, &a, together).refused(400).await, "failed to parse multipart form");
    assert_eq!(world.log(&a).await, Vec::<Value>::new());
    let container = world.create(json!({ "name": "c" })).await["id"].as_str().unwrap().to_owned();
    let container = Agent { id: container, token: super::world::ADMIN.to_owned() };
    let one = form(&[("a", "text/plain", "x")]);
    assert_eq!(upload(&world, &container, one).refused(503).await, "workspace container not running");
}

#[tokio::test]
async fn a_file_that_an_agent_uploads_itself_has_it_as_the_sender_and_a_users_has_none() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let one = || form(&[("a", "text/plain", "x")]);
    upload(&world, &a, one()).expect(200).await;
    let operator = Agent { token: super::world::ADMIN.to_owned(), ..a.clone() };
    upload(&world, &operator, one()).expect(200).await;
    let rows = world.log(&a).await;
    assert_eq!((&rows[0]["source_id"], &rows[1]["source_id"]), (&Value::Null, &json!(a.id)));
}

/// A connection on which a form is announced; the platform asks for it where it has a place for one.
async fn announce(world: &World, agent: &Agent, bytes: usize) -> TcpStream {
    let (addr, id, token) = (world.platform.addr, &agent.id, &agent.token);
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "POST /workspaces/{id}/chat/uploads HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {token}\r\n\
         content-type: multipart/form-data; boundary=edge\r\ncontent-length: {bytes}\r\n\
         expect: 100-continue\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn is_asked_for(stream: &mut TcpStream) {
    let mut word = [0; 25];
    stream.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
}

#[tokio::test]
async fn no_more_than_four_forms_are_taken_at_once_and_a_place_that_is_given_up_is_free() {
    // Fails when a form is read without a place.
    let world = World::strict().await;
    let a = world.agent("a").await;
    let one = form(&[("a", "text/plain", "x")]);
    let mut taken = Vec::new();
    for _ in 0..4 {
        let mut stream = announce(&world, &a, one.len()).await;
        is_asked_for(&mut stream).await;
        taken.push(stream);
    }
    let mut fifth = announce(&world, &a, one.len()).await;
    let early = tokio::time::timeout(Duration::from_millis(300), fifth.readable()).await;
    assert!(early.is_err(), "a fifth form is taken");
    taken.pop();
    is_asked_for(&mut fifth).await;
    fifth.write_all(one.as_bytes()).await.unwrap();
    let mut answer = String::new();
    fifth.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_file_that_nobody_fetches_is_dropped_in_the_end() {
    let world = World::strict().await;
    let a = world.agent("a").await;
    let answer = upload(&world, &a, form(&[("a", "text/plain", "x")])).expect(200).await;
    let file_id = answer["files"][0]["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let content = format!("/workspaces/{}/pending-uploads/{file_id}/content", a.id);
    world.hand.advance(Duration::from_secs(7 * 24 * 60 * 60 + 1));
    world.platform.sweep().await.unwrap();
    world.get(&content).token(&a.token).refused(404).await;
}

#[tokio::test]
async fn a_form_for_an_agent_that_is_pushed_to_is_handed_on_with_the_inbound_secret() {
    let world = World::open().await;
    let mut fake = FakeAgent::answering(|_| r#"{"files":[{"uri":"workspace:/x"}]}"#.into_response()).await;
    let b = world.pushed("b", &fake.url).await;
    let secret = world.beat(&b, json!({})).await["platform_inbound_secret"].as_str().unwrap().to_owned();
    let sent = form(&[("a", "text/plain", "x")]);
    let answer = upload(&world, &b, sent.clone()).expect(200).await;
    assert_eq!(answer, json!({ "files": [{ "uri": "workspace:/x" }] }));
    let seen = fake.next().await;
    assert_eq!(seen.target, "/internal/chat/uploads/ingest");
    assert_eq!(seen.headers["authorization"], format!("Bearer {secret}"), "and never the caller's token");
    assert_eq!(seen.headers["content-type"], "multipart/form-data; boundary=edge");
    assert_eq!(seen.body, json!(sent));
    assert_eq!(world.log(&b).await, Vec::<Value>::new());

    for (refusal, status) in [
        (
            (|_: &Value| (StatusCode::UNAUTHORIZED, r#"{"error":"no"}"#).into_response()) as fn(&Value) -> _,
            502,
        ),
        (|_| (StatusCode::PAYLOAD_TOO_LARGE, r#"{"error":"no"}"#).into_response(), 413),
    ] {
        let refusing = world.pushed("refusing", &FakeAgent::answering(refusal).await.url).await;
        let refused = upload(&world, &refusing, sent.clone()).refused(status).await;
        assert_eq!(refused, "no", "an agent's 401 is never the caller's");
    }
    let gone = world.pushed("gone", &FakeAgent::nobody().await).await;
    assert_eq!(upload(&world, &gone, sent).refused(502).await, "failed to reach workspace agent");
}

#[tokio::test]
async fn a_form_is_handed_on_only_to_where_a_message_would_be_pushed() {
    let world = World::strict().await;
    let mut fake = FakeAgent::pong().await;
    let b = world.pushed("b", &fake.url).await;
    let refused = upload(&world, &b, form(&[("a", "text/plain", "x")])).refused(502).await;
    assert_eq!(refused, "workspace URL is not publicly routable");
    assert!(fake.is_quiet());
    let created = world.create(json!({ "name": "c", "external": true, "delivery_mode": "push" })).await;
    let c = Agent {
        id: created["id"].as_str().unwrap().into(),
        token: created["connection"]["auth_token"].as_str().unwrap().into(),
    };
    assert_eq!(
        upload(&world, &c, form(&[("a", "text/plain", "x")])).refused(503).await,
        "workspace has no URL"
    );
}
