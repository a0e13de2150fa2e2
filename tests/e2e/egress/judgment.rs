//! Which addresses are connected to: those that were judged, and no others.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use molecule_gate::{Grants, Rule};
use molecule_host::egress::{Egress, Resolver};
use molecule_runtime::FetchError;
use molecule_runtime::wit::Sent;
use molecule_tests::scripted::{Reply, Scripted};

use super::outside::Outside;
use super::{Agent, PUBLIC, text};

const RULE: &str = "http://api.example.com/**";

/// The rule that refused.
fn rule(error: &FetchError) -> Rule {
    assert_eq!(error.sent(), Sent::No);
    let FetchError::Denied(denial) = error else { panic!("{error:?}") };
    denial.rule
}

#[tokio::test]
async fn a_name_that_is_public_first_and_private_later_is_refused_then() {
    let public = Scripted::answering(|_| Reply::json(200, "{}").with("Connection", "close")).await;
    let private = Scripted::start([]).await;
    let outside = Outside::of(&public);
    outside.name("api.example.com", [&[PUBLIC][..], &["127.0.0.1"]]);
    outside.put("127.0.0.1", private.address());
    let agent = Agent::new(&[RULE], &outside);

    assert_eq!(text(agent.get("http://api.example.com/").await.unwrap()).await.unwrap(), "{}");
    let error = agent.get("http://api.example.com/").await.unwrap_err();
    assert_eq!(rule(&error), Rule::Address);
    assert_eq!((outside.looked_up(), private.connections()), (2, 0));
    assert_eq!(outside.dialed(), [format!("{PUBLIC}:80")]);
}

#[tokio::test]
async fn one_private_address_among_public_ones_refuses_them_all() {
    let server = Scripted::start([]).await;
    for private in
        ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fd00::1"]
    {
        let outside = Outside::of(&server);
        outside.name("api.example.com", [&[PUBLIC, private][..]]);
        let error = Agent::new(&[RULE], &outside).get("http://api.example.com/").await.unwrap_err();
        assert_eq!(rule(&error), Rule::Address, "{private}");
        assert!(outside.dialed().is_empty(), "{private}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_connection_goes_to_the_address_that_was_judged_and_nothing_is_looked_up_twice() {
    let server = Scripted::start([Reply::json(200, "{}")]).await;
    let outside = Outside::of(&server);
    // Whoever asked again would be sent elsewhere.
    outside.name("api.example.com", [&[PUBLIC][..], &["10.0.0.1"]]);
    let agent = Agent::new(&[RULE], &outside);
    agent.get("http://api.example.com/").await.unwrap();
    assert_eq!((outside.looked_up(), outside.dialed()), (1, vec![format!("{PUBLIC}:80")]));
    let received = server.received();
    assert_eq!(received[0].header("host"), Some("api.example.com"));
    assert!(received[0].header("user-agent").unwrap().starts_with("molecule-host/"));
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_does_not_answer() {
    let server = Scripted::start([Reply::json(200, "{}")]).await;
    let outside = Outside::of(&server);
    outside.name("api.example.com", [&["93.184.216.1", PUBLIC][..]]);
    let settings = super::limited(|limits| limits.connect.usual = std::time::Duration::from_millis(500));
    let agent = Agent::with(&[RULE], &outside, settings, |_| {});
    agent.get("http://api.example.com/").await.unwrap();
    assert_eq!(outside.dialed(), ["93.184.216.1:80".to_owned(), format!("{PUBLIC}:80")]);
}

#[tokio::test]
async fn a_name_without_addresses_or_with_far_too_many_is_not_connected_to() {
    let server = Scripted::start([]).await;
    let outside = Outside::of(&server);
    let many: Vec<String> = (0..100).map(|last| format!("93.184.216.{last}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    outside.name("many.example.com", [many.as_slice()]);
    outside.name("none.example.com", [&[][..]]);
    let agent = Agent::new(&["http://*.example.com/**"], &outside);
    for name in ["many", "none", "unknown"] {
        let error = agent.get(&format!("http://{name}.example.com/")).await.unwrap_err();
        assert!(matches!(error, FetchError::Unresolved { .. }), "{error:?}");
        assert_eq!(error.sent(), Sent::No);
    }
    assert!(outside.dialed().is_empty());
}

#[tokio::test]
async fn redirects_are_the_agent_s_to_follow_and_are_judged_when_it_does() {
    let server = Scripted::start([
        Reply::redirect(302, "http://10.0.0.1/admin"),
        Reply::redirect(303, "/result"),
        Reply::redirect(307, "http://api.example.com/again"),
    ])
    .await;
    let outside = Outside::of(&server);
    let agent =
        Agent::new(&["GET,POST http://api.example.com/start", "GET http://api.example.com/result"], &outside);
    let mut locations = Vec::new();
    for method in ["GET", "POST", "POST"] {
        let nothing = molecule_runtime::Payload::Whole(bytes::Bytes::new());
        let times = molecule_runtime::Times::default();
        let response = agent.ask(method, "http://api.example.com/start", &[], nothing, times).await.unwrap();
        assert!(response.status().is_redirection());
        locations.push(response.headers()["location"].to_str().unwrap().to_owned());
    }
    assert_eq!(server.received().len(), 3, "none was followed");
    // To a private address; with another method, which the redirect asks for; to where the rule does not reach.
    for (method, url, allowed) in [
        ("GET", locations[0].as_str(), false),
        ("POST", "http://api.example.com/result", false),
        ("POST", locations[2].as_str(), false),
        ("GET", "http://api.example.com/result", true),
    ] {
        let none: [(&str, &str); 0] = [];
        let payload = molecule_runtime::Payload::Whole(bytes::Bytes::new());
        let fetch = molecule_runtime::Fetch::new(method, url, none, payload, Default::default()).unwrap();
        let judged = agent.gate.pass(fetch, None).map(|_| ());
        assert_eq!(
            judged.as_ref().err().map(|denial| denial.rule),
            (!allowed).then_some(Rule::Network),
            "{url}"
        );
    }
}

/// Knows no name, and does not say so either.
#[derive(Default)]
struct Stuck(AtomicUsize);

#[async_trait]
impl Resolver for Stuck {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::pending().await
    }
}

/// A look-up that nobody waits for any more still takes its thread.
#[tokio::test]
async fn an_agent_has_so_many_look_ups_under_way_and_leaves_the_rest_to_others() {
    let (outside, stuck) = (Outside::default(), Arc::new(Stuck::default()));
    let settings = super::limited(|limits| limits.connect.usual = std::time::Duration::from_millis(20));
    let egress = Egress::through(settings, stuck.clone(), outside.wires()).unwrap();
    let grants = Grants { net: vec!["http://*.example.com".parse().unwrap()], ..Grants::default() };
    for (agent, asked) in [(Agent::of(&egress, grants.clone()), 8), (Agent::of(&egress, grants), 16)] {
        for number in 0..12 {
            let error = agent.get(&format!("http://n{number}.example.com/")).await.unwrap_err();
            assert!(matches!(error, FetchError::Timeout { sent: Sent::No, .. }), "{error:?}");
        }
        assert_eq!(stuck.0.load(Ordering::Relaxed), asked);
    }
}
