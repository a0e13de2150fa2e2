//! Peers that are called at their own address (6.8).

use std::net::SocketAddr;

use molecule_host::AgentSpec;
use molecule_tests::canvas::Workspace;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::scripted::{Received, Reply, Scripted};
use molecule_tests::world::World;
use serde_json::{Value, json};

const PATH: &str = "/agents/bob?key=1";

/// Alice, who calls Bob, and what stands before the platform, which says that Bob is at this URL.
struct Caller {
    world: World,
    bob: Workspace,
    alice: Workspace,
    front: Scripted,
    agent: Embedded,
    _echo: Embedded,
}

impl Caller {
    async fn new(url: &str, direct: &str) -> Self {
        let world = World::new().await;
        let (alice, bob) = (world.create("alice").await, world.create("bob").await);
        let (platform, found) =
            (world.address(), json!({ "id": bob.id, "name": "bob", "url": url }).to_string());
        let front =
            Scripted::answering(move |request| match request.target.contains("/registry/discover/") {
                true => Reply::json(200, &found),
                false => Reply::PassOn(platform),
            })
            .await;
        let (host_a, host_b) = (host(&world.path("alice")).await, host(&world.path("bob")).await);
        let grants = |mut spec: AgentSpec| {
            spec.grants.peers.push("*".parse().unwrap());
            spec
        };
        let echo = Embedded::start(&host_b, guests::ECHO, grants(spec(world.url(), &bob))).await;
        let mut spec = grants(spec(&front.url(), &alice));
        spec.direct_peers.push(direct.parse().unwrap());
        spec.org_id = Some("7b0c4c1e-0000-4000-8000-000000000001".parse().unwrap());
        let agent = Embedded::start(&host_a, guests::CALLER, spec).await;
        Self { world, bob, alice, front, agent, _echo: echo }
    }

    /// What Alice says once she has asked.
    async fn asks(&self, count: usize) -> String {
        self.world.say(&self.alice, "ask bob how are you?").await;
        self.world.answered(&self.alice, count).await.pop().unwrap()
    }

    /// What has come to Bob through the platform.
    async fn through_the_platform(&self) -> usize {
        self.world.peer_messages(&self.bob).await.len()
    }

    fn discovered(&self) -> usize {
        self.front.received().iter().filter(|request| request.target.contains("/discover/")).count()
    }
}

/// A server of Bob's own.
async fn own_server(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> (Scripted, String) {
    let server = Scripted::answering(answer).await;
    let url = format!("http://127.0.0.1:{}{PATH}", server.address().port());
    (server, url)
}

fn fine() -> Reply {
    let parts = json!([{ "kind": "text", "text": "fine" }]);
    Reply::json(
        200,
        &json!({ "jsonrpc": "2.0", "id": "1", "result": { "kind": "message", "parts": parts } }).to_string(),
    )
}

/// A port at which nobody listens.
async fn nobody() -> SocketAddr {
    tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_direct_call_goes_to_the_peers_own_address_and_says_nothing_of_the_platform() {
    let (server, url) = own_server(|_| fine()).await;
    let caller = Caller::new(&url, "bob private").await;
    assert_eq!(caller.asks(1).await, "heard: fine");
    assert_eq!(caller.asks(2).await, "heard: fine");
    assert_eq!(
        (caller.through_the_platform().await, caller.discovered()),
        (0, 1),
        "the address is remembered"
    );
    let request = &server.received()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", PATH));
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    for ours in
        ["authorization", "origin", "x-workspace-id", "x-source-workspace-id", "x-molecule-org-id", "cookie"]
    {
        assert!(!names.contains(&ours), "{names:?}");
    }
    assert!(!request.text().contains(&caller.alice.token));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["method"], "message/send");
    assert_eq!(body["params"]["message"]["parts"][0]["text"], "how are you?");
}

#[tokio::test]
async fn a_peer_that_certainly_did_not_get_it_is_asked_through_the_platform() {
    let refused = format!("http://127.0.0.1:{}/", nobody().await.port());
    let (server, inside) = own_server(|_| fine()).await;
    let no_tls = inside.replace("http:", "https:");
    for (url, direct) in [
        (refused.as_str(), "bob private"),
        ("http://no-such-name.invalid/", "bob"),
        (&no_tls, "bob private"),
        // The address is Bob's choice: it does not lead to this machine unless the operator says so.
        (&inside, "bob"),
        ("ftp://example.com/", "*"),
        ("", "*"),
    ] {
        let caller = Caller::new(url, direct).await;
        assert_eq!(caller.asks(1).await, "heard: how are you?", "{url}");
        assert_eq!(caller.through_the_platform().await, 1, "{url}");
        if !url.is_empty() {
            caller.agent.complains("bob cannot be reached at its own address").await;
            caller.asks(2).await;
            assert_eq!(caller.discovered(), 2, "{url} is forgotten");
        }
    }
    assert!(
        server.received().iter().all(|request| request.method != "POST"),
        "only the one that was to speak TLS"
    );
}

#[tokio::test]
async fn what_a_peer_may_have_got_is_not_sent_again() {
    let (lost, lost_url) = own_server(|_| Reply::Hangup).await;
    let (moved, moved_url) = own_server(|_| Reply::empty(302).with("Location", "http://127.0.0.1:1/")).await;
    let (broken, broken_url) = own_server(|_| Reply::json(500, r#"{"error":"my token is secret"}"#)).await;
    for (server, url, says) in [(lost, lost_url, ""), (moved, moved_url, "302"), (broken, broken_url, "500")]
    {
        let caller = Caller::new(&url, "* private").await;
        let said = caller.asks(1).await;
        assert!(said.contains(says) && !said.contains("heard"), "{said}");
        assert_eq!((server.received().len(), caller.through_the_platform().await), (1, 0), "{url}");
    }
}

#[tokio::test]
async fn who_was_not_named_is_asked_through_the_platform() {
    let (server, url) = own_server(|_| fine()).await;
    let caller = Caller::new(&url, "carol private").await;
    assert_eq!(caller.asks(1).await, "heard: how are you?");
    assert_eq!((server.received().len(), caller.discovered()), (0, 0));
}
