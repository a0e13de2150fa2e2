//! One platform, one pace.

use std::time::{Duration, Instant};

use molecule_host::platform::{Client, PlatformFault};
use molecule_platform::{Config, Platform};
use molecule_protocol::{Delivery, HeartbeatRequest, StateAnswer, Status, WorkspaceId};
use molecule_tests::canvas::Canvas;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::scripted::{Reply, Scripted};

use super::{client, credentials, identity, network};

const ONLINE: &str = r#"{"status":"online"}"#;

#[tokio::test]
async fn a_429_is_waited_out_as_long_as_the_platform_says() {
    let busy = Reply::json(429, r#"{"error":"rate limit exceeded","retry_after":1}"#);
    for first in [busy.clone(), busy.with("Retry-After", "1")] {
        let server = Scripted::start([first, Reply::json(200, ONLINE)]).await;
        let before = Instant::now();
        assert_eq!(client(&server).state().await.unwrap(), StateAnswer::Running(Status::Online));
        assert!(before.elapsed() >= Duration::from_secs(1), "{:?}", before.elapsed());
        assert_eq!(server.received().len(), 2);
    }
}

#[tokio::test]
async fn a_429_for_one_workspace_holds_back_polling_of_all_and_heartbeats_of_none() {
    let server = Scripted::answering(|request| match request.target.as_str() {
        "/registry/heartbeat" => Reply::json(200, r#"{"status":"ok"}"#),
        target if target.ends_with("/notify") => Reply::json(429, "{}").with("Retry-After", "60"),
        _ => Reply::json(200, ONLINE),
    })
    .await;
    let network = network();
    let of = |workspace| {
        let identity = molecule_host::platform::Identity { workspace, ..identity(&server.url()) };
        Client::new(&network, identity, credentials())
    };
    let (one, other) = (of(WorkspaceId::random()), of(WorkspaceId::random()));

    // Waits out its minute while the rest of this happens.
    let asking = tokio::spawn(async move { one.notify(&Default::default()).await });
    server.has_received(1).await;
    let paused = async {
        while other.pace().paused_for().is_zero() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), paused).await.expect("a pause");
    // Whoever waits for an answer is told at once, and nothing is sent.
    let refused = other.peers().await.unwrap_err();
    assert!(matches!(refused.fault, PlatformFault::RateLimited { retry_after: Some(_) }), "{refused}");
    assert_eq!((refused.delivery(), refused.attempts), (Delivery::No, 0));
    let polling = other.state();
    tokio::pin!(polling);
    tokio::select! {
        biased;
        answer = &mut polling => panic!("polled while the platform wants rest: {answer:?}"),
        beat = other.heartbeat(HeartbeatRequest::default()) => beat.unwrap(),
    }
    let targets: Vec<_> = server.received().into_iter().map(|request| request.target).collect();
    assert_eq!(targets[1..], ["/registry/heartbeat"]);
    asking.abort();
}

#[tokio::test]
async fn the_limit_that_the_platform_tells_is_kept_to() {
    let server = Scripted::answering(|_| {
        Reply::json(200, ONLINE)
            .with("X-RateLimit-Limit", "600")
            .with("X-RateLimit-Remaining", "60")
            .with("X-RateLimit-Reset", "40")
    })
    .await;
    let client = client(&server);
    client.state().await.unwrap();
    let rest = client.pace().paused_for();
    assert!(rest > Duration::from_secs(30) && rest <= Duration::from_secs(40), "{rest:?}");
}

#[tokio::test]
async fn more_agents_than_the_limit_carries_are_told_of() {
    // At the intervals of a test one agent polls, beats and looks 2,100 times a minute.
    let config = Config { rate_limit: 2000, rate_limit_in_development: true, ..Config::default() };
    let platform = Platform::start(config).await.unwrap();
    let canvas = Canvas::of(platform.url.to_string());
    let alice = canvas.create("alice").await;
    let folder = tempfile::tempdir().unwrap();
    let agent = Embedded::start(&host(folder.path()).await, guests::ECHO, spec(canvas.url(), &alice)).await;
    let line = agent.complains("requests a minute for heartbeats and polling").await;
    assert!(line.contains("need 2100 ") && line.contains("takes 2000 "), "{line}");
    agent.running.stop(Duration::ZERO).await;
    platform.shutdown().await;
}
