//! A line for each request.

use molecule_platform::{Config, Platform, StartError};
use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn the_journal_has_a_line_for_each_request_and_neither_token_nor_body() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let world = World::start(Config { journal: Some(path.clone()), ..World::strictly() }).await;
    let a = world.agent("a").await;
    let notify = format!("/workspaces/{}/notify?x=1", a.id);
    world.post(&notify, &json!({ "message": "secret words" })).by(&a).expect(200).await;
    world.get("/workspaces").header("origin", "https://evil.example").send().await;
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(!written.contains(&a.token) && !written.contains("secret words"), "{written}");
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let asked: Vec<_> = lines.iter().map(|it| (it["method"].as_str().unwrap(), &it["status"])).collect();
    assert_eq!(
        asked,
        [("POST", &json!(201)), ("POST", &json!(200)), ("POST", &json!(200)), ("GET", &json!(403))]
    );
    let line = &lines[2];
    assert_eq!((&line["path"], &line["workspace"]), (&json!(notify), &json!(a.id)));
    assert_eq!((&line["token"], &line["at"]), (&json!(a.token[..8]), &json!("2026-04-27T11:36:15.123456Z")));
    assert_eq!((&lines[3]["token"], &lines[3]["workspace"]), (&Value::Null, &Value::Null));
    world.platform.shutdown().await;

    // A later platform goes on with it.
    let world = World::start(Config { journal: Some(path.clone()), ..World::strictly() }).await;
    world.get("/health").expect(200).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), lines.len() + 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { journal: Some(folder.path().join("nowhere/journal")), ..Config::default() };
    assert!(matches!(Platform::start(config).await, Err(StartError::Journal { .. })));
}
