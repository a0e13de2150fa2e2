//! The requests that the Python SDK was recorded to make, beside ours for the same purpose.

use std::collections::BTreeMap;
use std::sync::Arc;

use molecule_host::platform::{
    Client, HttpTransport, Identity, Network, Origin, Reach, RetryPolicy, TransportSettings,
};
use molecule_host::token::Credentials;
use molecule_protocol::{
    ActivityQuery, HeartbeatRequest, InvalidPeerId, InvalidWorkspaceId, Json, Message, NotifyRequest, PeerId,
    WorkspaceId, timestamp,
};
use molecule_tests::scripted::{Received, Reply, Scripted};
use serde_json::{Value, json};

use super::{identity, workspace};

/// The name of the recorded workspace. The platform's names are UUIDs, and so are ours.
const RECORDED: &str = "ws-abc-123";
/// The URL that the SDK registers when it has none.
const NO_URL: &str = "remote://no-inbound";

/// Why there is no request of ours to compare with.
fn not_ours(request: &Value) -> Option<&'static str> {
    let target = request["target"].as_str().unwrap();
    match target {
        _ if request["to"] == "peer" => {
            Some("a peer's own server is not called with the platform's credentials")
        }
        "/elsewhere" | "/login" | "/other" => Some("redirects are not followed"),
        "/registry/heartbeat?x=/a2a" | "/admin/x" | "/workspaces/a%20b%C3%A9./a2a" | "/x?y=/delegate" => {
            Some("a sender's id that is no path segment is refused")
        }
        "/workspaces/ws%201/%C3%A9?x/secrets/values" => Some("a workspace's id is a UUID"),
        _ if target.contains("/delegate") => Some("this client does not delegate"),
        _ if target.contains("/plugins") => Some("this client does not install plugins"),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Makes our request for the purpose of the recorded one. What comes of it is no matter here.
async fn ask(client: &Client, recorded: &Value) {
    let body = &recorded["body_json"];
    let target = recorded["target"].as_str().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["registry", "register"] => {
            let reach = match body["url"].as_str().unwrap() {
                NO_URL => Reach::Poll,
                url => Reach::Push(url.parse().unwrap()),
            };
            let _ = client.register(&Json::from(&body["agent_card"]), &reach).await;
        }
        ["registry", "heartbeat"] => {
            let beat: HeartbeatRequest = serde_json::from_value(body.clone()).unwrap();
            let _ = client.heartbeat(beat).await;
        }
        ["registry", _, "peers"] => drop(client.peers().await),
        ["registry", "discover", peer] => drop(client.discover(&peer.parse().unwrap()).await),
        ["workspaces", _, "secrets", "values"] => drop(client.secrets().await),
        ["workspaces", _, "state"] => drop(client.state().await),
        ["workspaces", _, "activity"] => {
            let pairs: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let query = ActivityQuery {
                activity_type: pairs.get("type").cloned(),
                limit: pairs.get("limit").map(|limit| limit.parse().unwrap()),
                since_id: pairs.get("since_id").cloned(),
                peer_id: pairs.get("peer_id").cloned(),
                before_ts: pairs.get("before_ts").and_then(|time| timestamp::parse(time)),
                ..ActivityQuery::default()
            };
            let _ = client.activity(&query).await;
        }
        ["workspaces", _, "notify"] => {
            let _ = client
                .notify(&NotifyRequest { message: text(&body["message"]), attachments: Vec::new() })
                .await;
        }
        ["workspaces", peer, "a2a"] => {
            let message: Message = serde_json::from_value(body["params"]["message"].clone()).unwrap();
            let _ = client.send_to_peer(&peer.parse().unwrap(), &message).await;
        }
        _ => panic!("nothing of ours is for {target}"),
    }
}

/// What the body of our request is, where the SDK's was this.
fn expected_body(target: &str, recorded: &Value) -> Value {
    let mut body: Value =
        serde_json::from_str(&recorded.to_string().replace(RECORDED, &workspace().to_string())).unwrap();
    match target {
        // Without a URL we say so by leaving it out, and we say how messages shall come.
        "/registry/register" if body["url"] == NO_URL => {
            body.as_object_mut().unwrap().remove("url");
            body["delivery_mode"] = json!("poll");
        }
        "/registry/register" => body["delivery_mode"] = json!("push"),
        // A heartbeat replaces everything; healthy is a word too, the empty one.
        "/registry/heartbeat" => body["runtime_state"] = json!(""),
        // A call has the id of its message, and a message says that it is one.
        target if target.ends_with("/a2a") => {
            body["id"] = body["params"]["message"]["messageId"].clone();
            body["params"]["message"]["kind"] = json!("message");
        }
        _ => {}
    }
    body
}

/// What the query of our request is, where the SDK's was this.
fn expected_target(recorded: &str) -> String {
    let target = recorded.replace(RECORDED, &workspace().to_string());
    // The same instant, in UTC; and two characters of which some escape the one and some the other.
    let target = target.replace("2026-05-01T00%3A00%3A00%2B02%3A00", "2026-04-30T22%3A00%3A00Z");
    target.replace("%2A", "*").replace('~', "%7E")
}

fn reply(recorded: &Value) -> Reply {
    let status = u16::try_from(recorded["status"].as_u64().unwrap()).unwrap();
    let reply = match recorded.get("json") {
        Some(body) => Reply::json(status, &body.to_string()),
        None => Reply::typed(status, "text/html", recorded["text"].as_str().unwrap_or_default()),
    };
    let headers = recorded["headers"].as_object().into_iter().flatten();
    headers.fold(reply, |reply, (name, value)| reply.with(name, value.as_str().unwrap()))
}

fn compare(name: &str, recorded: &Value, ours: &Received, server: &Scripted, config: &Value) {
    assert_eq!(ours.method, recorded["method"], "{name}");
    let target = recorded["target"].as_str().unwrap();
    assert_eq!(ours.target, expected_target(target), "{name}");
    let body = match recorded.get("body_json") {
        Some(recorded) => (expected_body(target, recorded), serde_json::from_slice(&ours.body).unwrap()),
        None => (json!(""), json!(ours.text())),
    };
    assert_eq!(body.1, body.0, "{name}");

    let header = |wanted: &str| {
        let headers = recorded["headers"].as_array().unwrap();
        let found = headers.iter().find(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(wanted));
        found.map(|pair| {
            let value = pair[1].as_str().unwrap().replace("{PLATFORM}", &server.url());
            value.replace(RECORDED, &workspace().to_string())
        })
    };
    for same in ["x-molecule-org-id", "origin"] {
        assert_eq!(ours.header(same).map(str::to_owned), header(same), "{name}: {same}");
    }
    // The SDK registers without the token that it has, which the platform refuses.
    let token = config["token_cached"].as_str().map(|token| format!("Bearer {token}"));
    assert_eq!(ours.header("authorization").map(str::to_owned), token, "{name}");
    // Who asks is said with everything, and the second way to say it with every message.
    let id = Some(workspace().to_string());
    assert_eq!(ours.header("x-workspace-id").map(str::to_owned), id, "{name}");
    let as_source = target.ends_with("/a2a").then(|| workspace().to_string());
    assert_eq!(ours.header("x-source-workspace-id").map(str::to_owned), as_source, "{name}");
}

#[tokio::test]
async fn every_recorded_request_is_ours_but_for_the_differences_named() {
    let vectors: Value = serde_json::from_str(include_str!("../../../vectors/wire_requests.json")).unwrap();
    let (mut compared, mut skipped) = (0, BTreeMap::new());
    let transport = Arc::new(HttpTransport::new(&TransportSettings::default()).unwrap());
    let never = RetryPolicy { retries: 0, ..RetryPolicy::default() };
    for case in vectors["cases"].as_array().unwrap() {
        let (name, config) = (text(&case["name"]), &case["config"]);
        for recorded in case["requests"].as_array().unwrap() {
            if let Some(why) = not_ours(recorded) {
                *skipped.entry(why).or_insert(0) += 1;
                continue;
            }
            let server = Scripted::start([reply(&recorded["response"])]).await;
            // A network of its own: a 429 of one case must not hold up the next.
            let network =
                Network::with_transports(transport.clone(), transport.clone()).with_retries(never.clone());
            let identity = Identity {
                org: config["org_id"].as_str().map(|org| org.parse().unwrap()),
                origin: match config.get("origin") {
                    None => Origin::Platform,
                    Some(Value::Null) => Origin::Off,
                    Some(origin) => text(origin).parse().unwrap(),
                },
                ..identity(&server.url())
            };
            let token = config["token_cached"].as_str().map(|token| token.parse().unwrap());
            ask(&Client::new(&network, identity, Credentials::in_memory(token)), recorded).await;
            let [ours] =
                server.received().try_into().unwrap_or_else(|all| panic!("{name}: not one request: {all:?}"));
            compare(&name, recorded, &ours, &server, config);
            compared += 1;
        }
    }
    let skipped: usize = skipped.values().sum();
    assert_eq!((compared, skipped), (125, 37));
}

#[test]
fn names_that_the_sdk_pastes_into_a_path_are_refused_before_there_is_a_path() {
    for name in ["../registry/heartbeat?x=", "../admin/x?", "a bé.", "../x?y="] {
        assert!(matches!(name.parse::<PeerId>(), Err(InvalidPeerId { .. })), "{name}");
    }
    assert!(matches!("ws 1/é?x".parse::<WorkspaceId>(), Err(InvalidWorkspaceId { .. })));
}
