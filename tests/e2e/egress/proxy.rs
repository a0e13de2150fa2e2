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
