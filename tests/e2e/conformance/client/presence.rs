//! Registration, heartbeats, and what is told with every request.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use molecule_host::platform::{Client, PlatformFault, Reach, Registration};
use molecule_host::state_dir::StateDir;
use molecule_host::token::{Credentials, TokenSource};
use molecule_protocol::{Delivery, DeliveryMode, HeartbeatRequest, Json};
use molecule_tests::scripted::{Received, Reply, Scripted};
use serde_json::{Value, json};

use super::{TOKEN, client, identity, impatient, network, workspace};

fn card() -> Json {
    Json::from(json!({"name": "agent"}))
}

fn body(request: &Received) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// Case C01.
#[tokio::test]
async fn c01_a_token_that_is_issued_is_on_the_disk_before_any_further_request() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = StateDir::open(folder.path()).unwrap().workspace(workspace()).unwrap();
    let path = workspace.path().join(".auth_token");
    let at_the_next_request = path.clone();
    let server = Scripted::answering(move |request| match request.target.as_str() {
        "/registry/register" => Reply::json(
            200,
            &json!({"status": "registered", "auth_token": TOKEN, "delivery_mode": "poll", "platform_inbound_secret": "inbound"})
                .to_string(),
        ),
        _ => {
            let kept = fs::read_to_string(&at_the_next_request).unwrap_or_default();
            Reply::json(200, &json!({"status": if kept == TOKEN { "online" } else { "not kept" }}).to_string())
        }
    })
    .await;

    let credentials =
        Credentials::open(TokenSource::cached(workspace.token_file()), workspace.inbound_secret_file())
            .unwrap();
    let client = Client::new(&network(), identity(&server.url()), credentials);
    let registration = client.register(&card(), &Reach::Poll).await.unwrap();
    assert_eq!(registration, Registration { token_issued: true, delivery_mode: Some(DeliveryMode::Poll) });
    assert_eq!(format!("{:?}", client.state().await.unwrap()), "Running(Online)");

    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(fs::read_to_string(&path).unwrap(), TOKEN);
    assert_eq!((mode(&path), mode(workspace.path())), (0o600, 0o700));
    // Case C56.
    let secret = workspace.path().join(".platform_inbound_secret");
    assert_eq!((fs::read_to_string(&secret).unwrap().as_str(), mode(&secret)), ("inbound", 0o600));

    let [register, state] = server.received().try_into().unwrap();
    assert_eq!(register.header("authorization"), None);
    assert_eq!(state.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
}

#[tokio::test]
async fn a_token_that_cannot_be_kept_is_said_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = StateDir::open(folder.path()).unwrap().workspace(workspace()).unwrap();
    // Stands where the new file would be written, for root as well.
    fs::create_dir(workspace.path().join(".auth_token.new")).unwrap();
    let issued = json!({"auth_token": TOKEN}).to_string();
    let server =
        Scripted::start([Reply::json(200, &issued), Reply::json(200, r#"{"status":"online"}"#)]).await;
    let credentials =
        Credentials::open(TokenSource::cached(workspace.token_file()), workspace.inbound_secret_file())
            .unwrap();
    let client = Client::new(&network(), identity(&server.url()), credentials);
    let error = client.register(&card(), &Reach::Poll).await.unwrap_err();
    assert!(matches!(error.fault, PlatformFault::NotKept(_)), "{error}");
    assert!(!error.to_string().contains(TOKEN) && error.to_string().contains(".auth_token"), "{error}");
    client.state().await.unwrap();
    assert!(server.received()[1].header("authorization").is_some());
}

/// Case C03.
#[tokio::test]
async fn c03_a_registration_carries_the_token_and_the_mode_and_a_url_only_for_push() {
    let server = Scripted::answering(|_| Reply::json(200, r#"{"status":"registered"}"#)).await;
    let client = client(&server);
    let registration = client.register(&card(), &Reach::Poll).await.unwrap();
    assert_eq!(registration, Registration { token_issued: false, delivery_mode: None });
    let url = "https://agent.example/in/8fb1".parse().unwrap();
    client.register(&card(), &Reach::Push(url)).await.unwrap();

    let [poll, push] = server.received().try_into().unwrap();
    assert_eq!(poll.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    let id = workspace().to_string();
    assert_eq!(body(&poll), json!({"id": id, "agent_card": {"name": "agent"}, "delivery_mode": "poll"}));
    assert_eq!(body(&push)["delivery_mode"], "push");
    assert_eq!(body(&push)["url"], "https://agent.example/in/8fb1");
}

#[tokio::test]
async fn a_registration_without_a_token_is_not_repeated_when_its_answer_is_lost() {
    let server = Scripted::answering(|_| Reply::Hangup).await;
    let anonymous = Client::new(&network(), identity(&server.url()), Credentials::in_memory(None));
    let error = anonymous.register(&card(), &Reach::Poll).await.unwrap_err();
    assert_eq!((server.received().len(), error.delivery()), (1, Delivery::Unknown));
    assert!(error.to_string().contains("may have issued a token that is lost"), "{error}");

    let error = client(&server).register(&card(), &Reach::Poll).await.unwrap_err();
    assert_eq!((server.received().len(), error.attempts), (5, 4), "with a token nothing can be lost");
}

#[tokio::test]
async fn a_heartbeat_is_sent_once_more_at_once_and_no_more() {
    let server = Scripted::start([Reply::Hangup, Reply::json(200, r#"{"status":"ok"}"#)]).await;
    client(&server).heartbeat(HeartbeatRequest::default()).await.unwrap();
    for (reply, attempts) in [
        (Reply::Hangup, 2),
        (Reply::Silence, 2),
        (Reply::empty(503), 2),
        (Reply::json(429, "{}"), 1),
        (Reply::json(401, r#"{"error":"missing workspace auth token"}"#), 1),
    ] {
        let case = format!("{reply:?}");
        let server = Scripted::answering(move |_| reply.clone()).await;
        let error = impatient(&server).heartbeat(HeartbeatRequest::default()).await.unwrap_err();
        assert_eq!(
            (error.attempts, server.received().len()),
            (attempts, attempts as usize),
            "{case}: {error}"
        );
    }
}

/// Case C59.
#[tokio::test]
async fn c59_what_a_heartbeat_says_fits_the_platform() {
    let server =
        Scripted::start([Reply::json(200, r#"{"status":"ok","platform_inbound_secret":"s3cret"}"#)]).await;
    let client = client(&server);
    let beat = HeartbeatRequest {
        current_task: format!("a\0{}", "é".repeat(300)),
        sample_error: "b\0".into(),
        active_tasks: 2,
        ..HeartbeatRequest::default()
    };
    client.heartbeat(beat).await.unwrap();
    let said = body(&server.received()[0]);
    assert_eq!(said["workspace_id"], workspace().to_string());
    assert_eq!(said["current_task"], format!("a{}", "é".repeat(199)));
    assert_eq!(
        (&said["sample_error"], &said["runtime_state"], &said["active_tasks"]),
        (&json!("b"), &json!(""), &json!(2))
    );
    // It is kept beside the heartbeats, which wait for no disk.
    let kept = async {
        while client.credentials().inbound_secret().is_none_or(|secret| secret.expose() != "s3cret") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), kept).await.expect("it is kept");
}

#[tokio::test]
async fn heartbeats_have_connections_of_their_own() {
    let server = Scripted::answering(|request| match request.target.contains("heartbeat") {
        true => Reply::json(200, r#"{"status":"ok"}"#),
        false => Reply::json(200, r#"{"status":"online"}"#),
    })
    .await;
    let client = client(&server);
    for _ in 0..3 {
        client.state().await.unwrap();
        client.heartbeat(HeartbeatRequest::default()).await.unwrap();
    }
    let connections_of = |what: &str| -> Vec<usize> {
        let received = server.received();
        received.iter().filter(|request| request.target.contains(what)).map(|it| it.connection).collect()
    };
    assert_eq!((connections_of("state"), connections_of("heartbeat")), (vec![1; 3], vec![2; 3]));
}

/// Case C46.
#[tokio::test]
async fn c46_the_organisation_and_the_origin_go_with_every_request() {
    let server = Scripted::answering(|_| Reply::json(200, "null")).await;
    let mut identity = identity(&format!("{}/behind/a/prefix/", server.url()));
    identity.org = Some("org-1".parse().unwrap());
    let client = Client::new(&network(), identity, super::credentials());
    // What they come to does not matter here.
    let _ = client.health().await;
    let _ = client.state().await;
    let _ = client.probe().await;
    let _ = client.workspace(workspace()).await;
    let _ = client.register(&card(), &Reach::Poll).await;
    let _ = client.heartbeat(HeartbeatRequest::default()).await;
    let _ = client.secrets().await;
    let _ = client.instructions().await;
    let _ = client.activity(&Default::default()).await;
    let _ = client.notify(&Default::default()).await;
    let _ = client.peers().await;
    let _ = client.discover(&"peer-7".parse().unwrap()).await;
    let message = molecule_protocol::Message::text_of(Default::default(), "m1", "hi");
    let _ = client.send_to_peer(&"peer-7".parse().unwrap(), &message).await;

    let received = server.received();
    assert_eq!(received.len(), 13);
    let id = workspace().to_string();
    for request in received {
        let target = &request.target;
        assert!(target.starts_with("/behind/a/prefix/"), "{target}");
        assert_eq!(request.header("x-molecule-org-id"), Some("org-1"), "{target}");
        assert_eq!(request.header("origin"), Some(server.url().as_str()), "{target}");
        assert_eq!(request.header("x-workspace-id"), Some(id.as_str()), "{target}");
        assert_eq!(request.header("accept"), Some("application/json"), "{target}");
        assert!(request.header("user-agent").unwrap().starts_with("molecule-host/"), "{target}");
        // Health and the probe tell a platform in trouble from a token in trouble.
        let anonymous = target.ends_with("/health") || target.ends_with(&format!("/workspaces/{id}"));
        assert_eq!(request.header("authorization").is_none(), anonymous, "{target}");
    }
}
