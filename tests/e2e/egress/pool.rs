//! Connections are used again, by the same agent under the same grants.

use std::time::Duration;

use molecule_gate::Grants;
use molecule_host::egress::{Egress, EgressSettings};
use molecule_runtime::FetchError;
use molecule_runtime::wit::Sent;
use molecule_tests::scripted::{Reply, Scripted};

use super::outside::Outside;
use super::{Agent, limited, text};

const RULE: &str = "http://api.example.com/**";
const URL: &str = "http://api.example.com/";

async fn server() -> Scripted {
    Scripted::answering(|_| Reply::json(200, "{}")).await
}

async fn ask(agent: &Agent) {
    assert_eq!(text(agent.get(URL).await.unwrap()).await.unwrap(), "{}");
}

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection_and_a_look_up() {
    let server = server().await;
    let outside = Outside::of(&server);
    let agent = Agent::new(&[RULE], &outside);
    for _ in 0..10 {
        ask(&agent).await;
    }
    assert_eq!((server.received().len(), server.connections(), outside.looked_up()), (10, 1, 1));
}

#[tokio::test]
async fn agents_do_not_share_connections() {
    let server = server().await;
    let outside = Outside::of(&server);
    let egress = Egress::through(EgressSettings::default(), outside.names(), outside.wires()).unwrap();
    let grants = Grants { net: vec![RULE.parse().unwrap()], ..Grants::default() };
    for agent in [Agent::of(&egress, grants.clone()), Agent::of(&egress, grants)] {
        ask(&agent).await;
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_does_not_outlive_the_grants_it_was_made_under() {
    let server = server().await;
    let outside = Outside::of(&server);
    let agent = Agent::new(&[RULE], &outside);
    ask(&agent).await;
    let mut grants = Grants::clone(&agent.gate.grants());
    grants.net.push("http://other.example.com/".parse().unwrap());
    agent.gate.set_grants(grants);
    ask(&agent).await;
    assert_eq!((server.connections(), outside.looked_up()), (2, 2));
}

#[tokio::test]
async fn a_connection_that_is_not_used_is_closed() {
    let server = server().await;
    let outside = Outside::of(&server);
    let settings = limited(|limits| limits.idle = Duration::ZERO);
    let agent = Agent::with(&[RULE], &outside, settings, |_| {});
    ask(&agent).await;
    // Its time is over as soon as its sweeper has a turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(30), async {
        while server.connections() < 2 {
            ask(&agent).await;
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("another connection");
}

#[tokio::test]
async fn a_response_that_is_dropped_ends_its_connection() {
    let server = Scripted::answering(|received| match received.target.as_str() {
        "/endless" => Reply::Endless,
        _ => Reply::json(200, "{}"),
    })
    .await;
    let agent = Agent::new(&[RULE], &Outside::of(&server));
    drop(agent.get("http://api.example.com/endless").await.unwrap());
    ask(&agent).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_response_that_is_not_read_holds_up_no_other() {
    let server = Scripted::answering(|received| match received.target.as_str() {
        "/endless" => Reply::Endless,
        _ => Reply::json(200, "{}"),
    })
    .await;
    let agent = Agent::new(&[RULE], &Outside::of(&server));
    let held = agent.get("http://api.example.com/endless").await.unwrap();
    ask(&agent).await;
    ask(&agent).await;
    assert_eq!(server.connections(), 2);
    drop(held);
}

#[tokio::test]
async fn no_more_connections_are_kept_than_may_be() {
    let server = server().await;
    let settings = limited(|limits| limits.idle_per_agent = 1);
    let agent = Agent::with(&[RULE], &Outside::of(&server), settings, |_| {});
    let two = async || {
        let (one, other) = tokio::join!(agent.get(URL), agent.get(URL));
        assert_eq!(text(one.unwrap()).await.unwrap(), "{}");
        assert_eq!(text(other.unwrap()).await.unwrap(), "{}");
    };
    two().await;
    assert_eq!(server.connections(), 2);
    two().await;
    assert_eq!(server.connections(), 3, "one of two was kept");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_not_used() {
    let answer = || Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec());
    // Closes after each answer, and does not say so.
    let server = Scripted::start([answer(), answer()]).await;
    let agent = Agent::new(&[RULE], &Outside::of(&server));
    ask(&agent).await;
    // Until the end of it has been seen here.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    ask(&agent).await;
    assert_eq!((server.connections(), server.received().len()), (2, 2));
}

#[tokio::test]
async fn a_request_over_a_connection_that_is_closed_upon_it_leaves_doubt_and_is_not_sent_again() {
    let server = Scripted::start([Reply::json(200, "{}"), Reply::Hangup]).await;
    let agent = Agent::new(&[RULE], &Outside::of(&server));
    ask(&agent).await;
    let error = agent.get(URL).await.unwrap_err();
    assert!(matches!(error, FetchError::Broken { sent: Sent::Maybe, .. }), "{error:?}");
    assert_eq!((server.connections(), server.received().len()), (1, 2));
}
