//! Where the token must not go.

use std::process::Command;

use molecule_host::platform::{Client, PlatformError, PlatformFault, Reach};
use molecule_host::token::Credentials;
use molecule_protocol::{ActivityQuery, Json, Message, Role, StateAnswer};
use molecule_tests::scripted::{Reply, Scripted};

use super::{TOKEN, client, credentials, identity, network};

#[tokio::test]
async fn no_redirect_is_followed_with_credentials() {
    let elsewhere = Scripted::answering(|_| Reply::json(200, "{}")).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/stolen", elsewhere.url());
        let server = Scripted::answering(move |_| Reply::redirect(status, &location)).await;
        let client = client(&server);
        for error in [
            client.health().await.unwrap_err(),
            client.secrets().await.unwrap_err(),
            client.register(&Json::null(), &Reach::Poll).await.unwrap_err(),
            client.heartbeat(Default::default()).await.unwrap_err(),
            client.notify(&Default::default()).await.unwrap_err(),
        ] {
            let PlatformFault::Redirected { to, .. } = &error.fault else { panic!("{error}") };
            assert_eq!(*to, elsewhere.url());
            assert!(error.to_string().ends_with("give it as --platform-url"), "{error}");
        }
        // These have readings of their own, and none of them is a success.
        assert_eq!(client.state().await.unwrap(), StateAnswer::Misrouted);
        let message = Message::text_of(Role::User, "m1", "hi");
        let _ = client.send_to_peer(&"peer-7".parse().unwrap(), &message).await.unwrap();
        assert_eq!(server.received().len(), 7, "{status}");
    }
    assert_eq!((elsewhere.connections(), elsewhere.received()), (0, vec![]));
}

/// Tells this test program, started once more, to do everything and print and log all it can. In a process of its own,
/// because a logger is one for a process and the other tests come by the same places without any.
const TALKATIVE: &str = "MOLECULE_TEST_TALKATIVE";

#[tokio::test]
async fn a_token_is_in_no_log_and_in_nothing_that_prints() {
    if std::env::var_os(TALKATIVE).is_some() {
        return talk().await;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "conformance::client::secrecy::a_token_is_in_no_log_and_in_nothing_that_prints",
        ])
        .env(TALKATIVE, "1")
        .output()
        .unwrap();
    let [shown, log] = [child.stdout, child.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(child.status.success(), "{shown}{log}");
    assert!(shown.contains("[token]"), "the server echoed it: {shown}");
    assert!(log.contains("asked the platform") && log.contains("/registry/register"), "{log}");
    // A piece is a secret too; the first 8 characters are what the platform itself shows.
    for text in [shown, log] {
        assert!(!text.contains(&TOKEN[8..16]), "{text}");
    }
}

async fn talk() {
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::stderr).init();

    // A server that gives back what it got, in every way an error may repeat.
    let server = Scripted::answering(|request| {
        let came = request.header("authorization").unwrap_or_default();
        match request.target.rsplit('/').next().unwrap_or_default() {
            "state" => Reply::json(401, &serde_json::json!({"error": came}).to_string()),
            "values" => {
                Reply::json(500, &serde_json::json!({"error": came, "failed_keys": [came]}).to_string())
            }
            "peers" => Reply::typed(503, "text/plain", &format!("{} {came}", "x".repeat(150))),
            "notify" => Reply::redirect(302, &format!("https://elsewhere.example/?t={came}")),
            "resolve" => Reply::json(200, &serde_json::json!({"instructions": 5, "x": came}).to_string()),
            "a2a" => Reply::json(502, &serde_json::json!({"error": came}).to_string()),
            "register" => Reply::json(200, &serde_json::json!({"auth_token": TOKEN}).to_string()),
            _ => Reply::json(410, &serde_json::json!({"error": "e", "hint": came}).to_string()),
        }
    })
    .await;
    let client = client(&server);
    println!("{client:?} {:?} {:?}", client.credentials(), client.identity());
    let see = |error: PlatformError| println!("{error} {error:?}");
    see(client.secrets().await.unwrap_err());
    see(client.peers().await.unwrap_err());
    see(client.notify(&Default::default()).await.unwrap_err());
    see(client.instructions().await.unwrap_err());
    see(client.heartbeat(Default::default()).await.unwrap_err());
    let message = Message { role: Role::User, message_id: Some("m".into()), ..Message::default() };
    let peer = "7c1e2b9a-1111-4222-8333-444455556666".parse().unwrap();
    println!("{:?}", client.send_to_peer(&peer, &message).await);
    println!("{:?}", client.state().await);
    println!("{:?}", client.activity(&ActivityQuery::default()).await);
    println!("{:?}", client.register(&Json::null(), &Reach::Poll).await);
    assert!(server.received().iter().any(|request| request.header("authorization").is_some()));
}

/// A task may hold the old token in its hand while another has just taken the new one into use.
#[tokio::test]
async fn a_request_that_was_refused_with_the_old_token_goes_again_with_the_new_one() {
    let credentials = Credentials::in_memory(Some("old-token".parse().unwrap()));
    let reloading = credentials.clone();
    let server = Scripted::answering(move |request| {
        reloading.replace(TOKEN.parse().unwrap());
        match request.header("authorization") == Some(&format!("Bearer {TOKEN}")) {
            true => Reply::json(200, r#"{"status":"sent"}"#),
            false => Reply::json(401, r#"{"error":"invalid workspace auth token"}"#),
        }
    })
    .await;
    let client = Client::new(&network(), identity(&server.url()), credentials);
    client.notify(&Default::default()).await.unwrap();
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_token_that_stays_refused_is_not_sent_again() {
    let server =
        Scripted::answering(|_| Reply::json(401, r#"{"error":"invalid workspace auth token"}"#)).await;
    let error = Client::new(&network(), identity(&server.url()), credentials()).peers().await.unwrap_err();
    assert!(matches!(error.fault, PlatformFault::Unauthorized { had_token: true, .. }), "{error}");
    assert_eq!(server.received().len(), 1);
    let none = Client::new(&network(), identity(&server.url()), Credentials::in_memory(None));
    let error = none.peers().await.unwrap_err().to_string();
    assert!(error.contains("wants a token") && error.ends_with("with --token-file"), "{error}");
}
