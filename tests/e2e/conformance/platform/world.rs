//! A platform of one's own for each test, and the requests to it.

use std::sync::Once;
use std::time::Duration;

use molecule_platform::{Clock, ClockHand, Config, Environment, Platform, Running};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// The admin's token where one is set.
pub(super) const ADMIN: &str = "the-admin-token-of-this-test-0123456789";

pub(super) struct World {
    pub(super) platform: Running,
    pub(super) hand: ClockHand,
    http: reqwest::Client,
}

/// A workspace and its token.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) id: String,
    pub(super) token: String,
}

impl World {
    /// In development: callers without credentials pass.
    pub(super) async fn open() -> Self {
        Self::start(Config::default()).await
    }

    /// Everything is demanded, the admin's token too.
    pub(super) async fn strict() -> Self {
        Self::start(Self::strictly()).await
    }

    pub(super) fn strictly() -> Config {
        let admin_token = Some(ADMIN.parse().unwrap());
        Config { environment: Environment::Production, admin_token, ..Config::default() }
    }

    /// As configured, on a clock that stands still.
    pub(super) async fn start(config: Config) -> Self {
        let (clock, hand) = Clock::manual("2026-04-27T11:36:15.123456Z".parse().unwrap());
        let platform = Platform::start(Config { clock, ..config }).await.unwrap();
        Self { platform, hand, http: client() }
    }

    pub(super) fn call(&self, method: Method, path: &str) -> Call {
        let url = format!("{}{path}", self.platform.url);
        Call(self.http.request(method, url))
    }

    pub(super) fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).body(body.to_string())
    }

    pub(super) fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// Makes a workspace, as the admin.
    pub(super) async fn create(&self, body: Value) -> Value {
        self.post("/workspaces", &body).token(ADMIN).expect(201).await
    }

    /// A root that polls, registered.
    pub(super) async fn agent(&self, name: &str) -> Agent {
        self.agent_below(name, Value::Null).await
    }

    /// One that polls below another, registered.
    pub(super) async fn agent_below(&self, name: &str, parent: Value) -> Agent {
        let created = self.create(json!({ "name": name, "external": true, "parent_id": parent })).await;
        let agent = Agent {
            id: created["id"].as_str().unwrap().to_owned(),
            token: created["connection"]["auth_token"].as_str().unwrap().to_owned(),
        };
        self.register(&agent, json!({ "delivery_mode": "poll" })).expect(200).await;
        agent
    }

    /// One that messages are pushed to.
    pub(super) async fn pushed(&self, name: &str, url: &str) -> Agent {
        let agent = self.agent(name).await;
        self.register(&agent, json!({ "delivery_mode": "push", "url": url })).expect(200).await;
        agent
    }

    /// A registration of `agent`, with its token.
    pub(super) fn register(&self, agent: &Agent, mut body: Value) -> Call {
        body["id"] = agent.id.clone().into();
        body["agent_card"] = json!({ "name": "card" });
        self.post("/registry/register", &body).token(&agent.token)
    }

    /// A heartbeat of `agent`, with its token.
    pub(super) async fn beat(&self, agent: &Agent, mut body: Value) -> Value {
        body["workspace_id"] = agent.id.clone().into();
        self.post("/registry/heartbeat", &body).token(&agent.token).expect(200).await
    }

    /// Where a workspace stands, as everybody sees it.
    pub(super) async fn status(&self, id: &str) -> String {
        let shown = self.get(&format!("/workspaces/{id}")).expect(200).await;
        shown["status"].as_str().unwrap().to_owned()
    }

    /// The log of `agent`, newest first.
    pub(super) async fn log(&self, agent: &Agent) -> Vec<Value> {
        let path = format!("/workspaces/{}/activity", agent.id);
        let rows = self.get(&path).token(&agent.token).expect(200).await;
        rows.as_array().unwrap().clone()
    }

    /// A message to `target`.
    pub(super) fn send(&self, target: &Agent, text: &str) -> Call {
        self.post(&format!("/workspaces/{}/a2a", target.id), &message(text))
    }

    /// Asks again and again until the answer is as wanted.
    pub(super) async fn until(&self, path: &str, token: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let ask = async {
            loop {
                let answer = self.get(path).token(token).expect(200).await;
                if wanted(&answer) {
                    return answer;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ask).await.expect("the answer never came")
    }
}

/// A `message/send` of one text.
pub(super) fn message(text: &str) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": "call-1",
        "method": "message/send",
        "params": { "message": { "role": "user", "messageId": format!("id of {text}"), "kind": "message",
            "parts": [{ "kind": "text", "text": text }] } },
    })
}

/// A client that keeps no connection from one test to another.
pub(super) fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().unwrap();
    });
    // A stream that should have been refused must fail a test, not hold it up for ever.
    let patience = Duration::from_secs(20);
    let builder = reqwest::Client::builder().timeout(patience).no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// A request on its way.
pub(super) struct Call(reqwest::RequestBuilder);

impl Call {
    pub(super) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Says who is calling, with his token.
    pub(super) fn by(self, agent: &Agent) -> Self {
        self.header("x-workspace-id", &agent.id).token(&agent.token)
    }

    pub(super) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    pub(super) fn body(self, body: impl Into<String>) -> Self {
        Self(self.0.body(body.into()))
    }

    pub(super) async fn send(self) -> Answer {
        let response = self.0.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    /// The body of an answer of that status.
    pub(super) async fn expect(self, status: u16) -> Value {
        let answer = self.send().await;
        assert_eq!(answer.status, status, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }

    /// The text of a refusal of that status.
    pub(super) async fn refused(self, status: u16) -> String {
        self.expect(status).await["error"].as_str().expect("an error").to_owned()
    }

    /// The answer, before its body.
    pub(super) async fn open(self) -> reqwest::Response {
        self.0.send().await.unwrap()
    }
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}
