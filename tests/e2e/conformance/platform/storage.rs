use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use molecule_platform::{Config, Platform, StartError};
use molecule_store::{StoreError, rusqlite};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::agent::FakeAgent;
use molecule_tests::process::built;

use super::world::{Agent, World, client, message};

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { db: Some(folder.path().join("platform.db")), ..World::strictly() };
    let world = World::start(config.clone()).await;
    let agent = world.agent("a").await;
    world.send(&agent, "hi").expect(200).await;
    world.platform.shutdown().await;

    let world = World::start(config).await;
    assert_eq!(world.log(&agent).await[0]["summary"], "hi");
    world.beat(&agent, json!({})).await;
    assert_eq!(world.status(&agent.id).await, "online");
}

#[tokio::test]
async fn a_database_of_the_platform_before_this_one_is_brought_forward_with_all_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("platform.db");
    let config = Config { db: Some(path.clone()), ..World::strictly() };
    let world = World::start(config.clone()).await;
    let agent = world.agent("a").await;
    world.send(&agent, "hi").expect(200).await;
    world.platform.shutdown().await;
    // What steps 4 and 5 make, taken back.
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch("DROP INDEX activity_time; ALTER TABLE queue DROP COLUMN expires_at").unwrap();
    for table in [
        "memory",
        "recollection",
        "checkpoint",
        "approval",
        "schedule_run",
        "schedule",
        "upload",
        "org_token",
    ] {
        old.execute_batch(&format!("DROP TABLE {table}")).unwrap();
    }
    old.execute_batch("ALTER TABLE workspace DROP COLUMN model; PRAGMA user_version = 3").unwrap();
    drop(old);

    let world = World::start(config).await;
    assert_eq!(world.log(&agent).await[0]["summary"], "hi");
    let memory = format!("/workspaces/{}/memory", agent.id);
    world.post(&memory, &json!({ "key": "k", "value": 1 })).token(&agent.token).expect(200).await;
    world.agent("b").await;
}

#[tokio::test]
async fn a_schedule_that_a_restart_cut_off_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("platform.db");
    let config = Config { db: Some(path.clone()), ..World::strictly() };
    let world = World::start(config.clone()).await;
    let agent = world.agent("a").await;
    let body = json!({ "cron_expr": "0 0 1 1 *", "prompt": "x" });
    let schedules = format!("/workspaces/{}/schedules", agent.id);
    let made = world.post(&schedules, &body).token(&agent.token).expect(201).await;
    let id = made["id"].as_str().unwrap();
    world.platform.shutdown().await;
    // As a platform leaves it that is killed between the write and the message.
    let begun =
        "INSERT INTO schedule_run (schedule_id, status, started_at) VALUES (?, 'running', 1777289775000000)";
    rusqlite::Connection::open(&path).unwrap().execute(begun, [id]).unwrap();

    let world = World::start(config).await;
    world.platform.sweep().await.unwrap();
    let runs = world.get(&format!("{schedules}/{id}/history")).token(&agent.token).expect(200).await;
    assert_eq!(
        (&runs[0]["status"], &runs[0]["error_detail"]),
        (&json!("error"), &json!("the platform was restarted"))
    );
    assert_eq!(world.log(&agent).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "these are somebody's notes\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let refused = Platform::start(Config { db: Some(path.clone()), ..Config::default() }).await.unwrap_err();
    assert!(matches!(refused, StartError::Store(StoreError::NotADatabase { .. })), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_port_in_use_is_said_to_be_and_no_database_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("platform.db");
    let first = Platform::start(Config::default()).await.unwrap();
    let config = Config { listen: first.addr, db: Some(path.clone()), ..Config::default() };
    let refused = Platform::start(config).await.unwrap_err();
    assert!(matches!(refused, StartError::Listen { addr, .. } if addr == first.addr), "{refused}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_platform_that_is_dropped_gives_its_port_back() {
    let first = Platform::start(Config::default()).await.unwrap();
    let addr = first.addr;
    drop(first);
    let config = Config { listen: addr, ..Config::default() };
    // The server ends a moment later: until it does, the address is taken.
    let free = async {
        loop {
            match Platform::start(config.clone()).await {
                Ok(second) => return second,
                Err(StartError::Listen { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    let second =
        tokio::time::timeout(std::time::Duration::from_secs(30), free).await.expect("the port stayed taken");
    second.shutdown().await;
}

#[tokio::test]
async fn a_message_that_was_taken_survives_kill() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("platform.db");
    let start = || {
        let mut child = Command::new(built("molecule-platform"))
            .args(["--listen", "127.0.0.1:0", "--db"])
            .arg(&db)
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        (child, said.split(' ').find(|word| word.starts_with("http://")).unwrap().to_owned())
    };
    let http = client();
    let ask = async |request: reqwest::RequestBuilder| -> Value {
        let answer = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    let (mut child, url) = start();
    let new = json!({ "name": "a", "external": true }).to_string();
    let created = ask(http.post(format!("{url}/workspaces")).body(new)).await;
    let log = format!("/workspaces/{}/a2a", created["id"].as_str().unwrap());
    let queued = ask(http.post(format!("{url}{log}")).body(message("hi").to_string())).await;
    assert_eq!(queued["status"], "queued");
    child.kill().unwrap();
    child.wait().unwrap();

    let (mut child, url) = start();
    let rows = ask(http.get(format!("{url}{}", log.replace("a2a", "activity")))).await;
    assert_eq!(rows[0]["request_body"], message("hi"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_delegation_that_a_restart_cut_off_has_failed_and_may_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { db: Some(folder.path().join("platform.db")), ..Config::default() };
    let world = World::start(config.clone()).await;
    let mut fake = FakeAgent::slow(Arc::new(Notify::new())).await;
    let (a, b) = (world.agent("a").await, world.pushed("b", &fake.url).await);
    let path = format!("/workspaces/{}/delegate", a.id);
    let body = json!({ "target_id": b.id, "task": "x", "idempotency_key": "k" });
    let first = world.post(&path, &body).expect(202).await;
    fake.next().await;
    world.platform.shutdown().await;

    let world = World::start(config).await;
    let rows = world.get(&format!("/workspaces/{}/delegations", a.id)).expect(200).await;
    assert_eq!(
        (&rows[0]["status"], &rows[0]["error"]),
        (&json!("failed"), &json!("the platform was restarted"))
    );
    let again = world.post(&path, &body).expect(202).await;
    assert_ne!(again["delegation_id"], first["delegation_id"]);
}

#[tokio::test]
async fn a_delegation_that_had_arrived_when_the_platform_was_cut_off_is_not_made_twice() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("platform.db");
    let config = Config { db: Some(db.clone()), ..Config::default() };
    let world = World::start(config.clone()).await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let path = format!("/workspaces/{}/delegate", a.id);
    let body = json!({ "target_id": b.id, "task": "x", "idempotency_key": "k" });
    let first = world.post(&path, &body).expect(202).await;
    let delegations = format!("/workspaces/{}/delegations", a.id);
    while world.get(&delegations).expect(200).await[0]["status"] != "queued" {
        tokio::task::yield_now().await;
    }
    world.platform.shutdown().await;
    // As it stands after a kill -9 between the two writes.
    rusqlite::Connection::open(db)
        .unwrap()
        .execute_batch(
            "UPDATE activity SET status = 'dispatched' WHERE method = 'delegate';
             DELETE FROM activity WHERE method = 'delegate_result';",
        )
        .unwrap();

    let world = World::start(config).await;
    assert_eq!(world.get(&delegations).expect(200).await[0]["status"], "queued");
    let again = world.post(&path, &body).expect(200).await;
    assert_eq!(again["delegation_id"], first["delegation_id"]);
}

/// A platform whose database has lost a table, as one whose disk fails might look.
async fn without_table(config: Config, table: &str) -> (World, tempfile::TempDir, [Agent; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("platform.db");
    let world = World::start(Config { db: Some(path.clone()), ..config }).await;
    let agents = [world.agent("a").await, world.agent("b").await];
    rusqlite::Connection::open(path).unwrap().execute_batch(&format!("DROP TABLE {table}")).unwrap();
    (world, folder, agents)
}

#[tokio::test]
async fn nobody_passes_a_gate_when_the_storage_cannot_say_who_is_who() {
    let (world, _folder, [a, b]) = without_table(World::strictly(), "token").await;
    let path = |rest: &str| format!("/workspaces/{}/{rest}", a.id);
    let beat = json!({ "workspace_id": a.id });
    for call in [
        world.get(&path("activity")).token(&a.token),
        world.get(&path("state")).token(&a.token),
        world.get(&format!("/registry/{}/peers", a.id)).token(&a.token),
        world.post("/registry/heartbeat", &beat).token(&a.token),
        world.get(&path("a2a/queue/q")).token(&a.token),
        world.get("/workspaces").token(&a.token),
        world.send(&b, "hi").token(&a.token),
        world.send(&b, "hi").by(&a),
    ] {
        let refused = call.expect(503).await;
        assert_eq!(refused["code"], "platform_unavailable", "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains("no such table"), "{refused}");
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_does_not_cost_an_answer_and_is_owned_up_to() {
    let (world, _folder, [a, b]) = without_table(Config::default(), "activity").await;
    // Nothing was stored, which this word of the platform's says for certain.
    assert_eq!(world.send(&b, "hi").refused(500).await, "failed to create proxy request");
    // A report is said to be logged all the same.
    let report =
        world.post(&format!("/workspaces/{}/activity", a.id), &json!({ "activity_type": "agent_log" }));
    assert_eq!(report.token(&a.token).expect(200).await, json!({ "status": "logged" }));
    let fake = FakeAgent::pong().await;
    world.register(&b, json!({ "delivery_mode": "push", "url": fake.url })).expect(200).await;
    assert!(world.send(&b, "hi").send().await.body.contains("pong"));
}
