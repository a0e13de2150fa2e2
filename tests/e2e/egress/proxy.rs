//! The operator's proxy: it is asked for a tunnel to an address that was judged.

use molecule_gate::Rule;
use molecule_host::egress::EgressSettings;
use molecule_runtime::FetchError;
use molecule_runtime::wit::Sent;
use molecule_tests::scripted::{Reply, Scripted};

use super::outside::Outside;
use super::{Agent, PUBLIC, text};

const RULE: &str = "http://api.example.com/**";
const URL: &str = "http://api.example.com/data";

/// An agent whose requests go through this proxy, which is found at a private address.
fn behind(proxy: &Scripted, url: &str) -> (Outside, Agent) {
    let outside = Outside::default();
    outside.name("api.example.com", [&[PUBLIC][..]]);
    outside.name("proxy.internal", [&["10.0.0.1"][..]]);
    outside.put("10.0.0.1", proxy.address());
    let settings = EgressSettings { proxy: Some(url.parse().unwrap()), ..EgressSettings::default() };
    let agent = Agent::with(&[RULE], &outside, settings, |_| {});
    (outside, agent)
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_to_the_address_that_was_judged() {
    // The proxy says yes and is the server as well.
    let proxy = Scripted::answering(|received| match received.method.as_str() {
        "CONNECT" => Reply::empty(200),
        _ => Reply::json(200, "{}"),
    })
    .await;
    let (outside, agent) = behind(&proxy, "http://user:hunter2@proxy.internal:3128");
    assert_eq!(text(agent.get(URL).await.unwrap()).await.unwrap(), "{}");
    let received = proxy.received();
    assert_eq!((received[0].method.as_str(), received[0].target.as_str()), ("CONNECT", "93.184.216.34:80"));
    assert_eq!(received[0].header("proxy-authorization"), Some("Basic dXNlcjpodW50ZXIy"));
    assert_eq!((received[1].target.as_str(), received[1].header("host")), ("/data", Some("api.example.com")));
    assert_eq!(received[1].header("proxy-authorization"), None);
    assert_eq!(outside.dialed(), ["10.0.0.1:3128"]);
}

#[tokio::test]
async fn a_proxy_is_no_way_around_the_judgment() {
    let proxy = Scripted::start([]).await;
    let (outside, agent) = behind(&proxy, "http://proxy.internal:3128");
    outside.name("api.example.com", [&["10.0.0.7"][..]]);
    let error = agent.get(URL).await.unwrap_err();
    assert!(matches!(&error, FetchError::Denied(denial) if denial.rule == Rule::Address), "{error:?}");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn a_proxy_that_refuses_says_so_and_nothing_was_sent() {
    for (reply, words) in [(Reply::empty(407), "password"), (Reply::empty(502), "502"), (Reply::Hangup, "")] {
        let proxy = Scripted::start([reply]).await;
        let (_, agent) = behind(&proxy, "http://proxy.internal:3128");
        let error = agent.get(URL).await.unwrap_err();
        assert!(
            matches!(error, FetchError::Connect { .. }) && error.to_string().contains(words),
            "{error:?}"
        );
        assert_eq!((error.sent(), proxy.received().len()), (Sent::No, 1));
    }
}

/// A proxy is another machine: what it calls loopback is not this one.
#[tokio::test]
async fn this_machine_is_not_reached_through_a_proxy() {
    let (proxy, server) = (Scripted::start([]).await, Scripted::answering(|_| Reply::json(200, "{}")).await);
    let outside = Outside::default();
    outside.name("proxy.internal", [&["10.0.0.1"][..]]);
    outside.put("10.0.0.1", proxy.address());
    outside.name("localhost", [&["127.0.0.1"][..]]);
    outside.put("127.0.0.1", server.address());
    let proxied = Some("http://proxy.internal:3128".parse().unwrap());
    let settings = EgressSettings { proxy: proxied, ..EgressSettings::default() };
    let agent = Agent::with(&["http://localhost", "http://127.0.0.1"], &outside, settings, |_| {});
    for url in ["http://localhost/", "http://127.0.0.1/"] {
        assert_eq!(text(agent.get(url).await.unwrap()).await.unwrap(), "{}");
    }
    assert_eq!((proxy.connections(), outside.dialed()), (0, vec!["127.0.0.1:80".to_owned(); 2]));
}

#[tokio::test]
async fn the_next_address_is_tried_where_a_proxy_cannot_reach_one() {
    let proxy = Scripted::answering(|received| match (received.method.as_str(), received.target.as_str()) {
        ("CONNECT", "93.184.216.1:80") => Reply::empty(502),
        ("CONNECT", _) => Reply::empty(200),
        _ => Reply::json(200, "{}"),
    })
    .await;
    let (outside, agent) = behind(&proxy, "http://proxy.internal:3128");
    outside.name("api.example.com", [&["93.184.216.1", PUBLIC][..]]);
    assert_eq!(text(agent.get(URL).await.unwrap()).await.unwrap(), "{}");
    // A password that is refused is refused for all of them.
    let strict = Scripted::answering(|_| Reply::empty(407)).await;
    let (outside, agent) = behind(&strict, "http://proxy.internal:3128");
    outside.name("api.example.com", [&["93.184.216.1", PUBLIC][..]]);
    agent.get(URL).await.unwrap_err();
    assert_eq!(strict.received().len(), 1);
}

#[tokio::test]
async fn a_secret_that_somebody_repeats_does_not_stand_in_an_error() {
    let proxy = Scripted::start([Reply::Raw(b"HTTP/1.1 502 sk-live-51h8\r\n\r\n".to_vec())]).await;
    let (_, agent) = behind(&proxy, "http://proxy.internal:3128");
    agent.secrets.redactor().learn("KEY", "sk-live-51h8", false);
    let error = agent.get(URL).await.unwrap_err().to_string();
    assert!(error.contains("502 [secret KEY]") && !error.contains("sk-live"), "{error}");
}
