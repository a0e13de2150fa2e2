//! Keys that servers check and agents never see.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use molecule_gate::Rule;
use molecule_host::egress::EgressSettings;
use molecule_runtime::wit::Sent;
use molecule_runtime::{FetchError, Payload, Times};
use molecule_tests::certificates::Authority;
use molecule_tests::scripted::{Received, Reply, Scripted};

use super::outside::Outside;
use super::{Agent, text};

const RULE: &str = "GET,POST https://api.example.com/**";
const URL: &str = "https://api.example.com/v1";
pub(super) const KEY: &str = "sk-live-51h8+/secret==";

/// A server that answers what it got, over TLS, and an agent with these grants of secrets.
async fn world(grants: &[&str]) -> (Scripted, Agent) {
    let authority = Authority::new();
    let server = Scripted::tls_as(authority.server(), echo).await;
    let outside = Outside::of(&server).trust(authority.pem());
    let agent = Agent::with(&[RULE], &outside, EgressSettings::default(), |given| {
        given.secrets = grants.iter().map(|grant| grant.parse().unwrap()).collect();
    });
    agent.entrust("KEY", KEY);
    (server, agent)
}

fn echo(received: &Received) -> Reply {
    let key = received.header("authorization").unwrap_or_default().to_owned();
    Reply::typed(200, "text/plain", &format!("you sent {key} and {}", received.text())).with("X-Echo", &key)
}

pub(super) async fn with_key(
    agent: &Agent,
    value: &str,
) -> Result<molecule_runtime::FetchResponse, FetchError> {
    let nothing = Payload::Whole(Bytes::new());
    agent.ask("GET", URL, &[("authorization", value)], nothing, Times::default()).await
}

#[tokio::test]
async fn the_server_gets_the_key_and_gives_it_back_to_nobody() {
    let (server, agent) = world(&["KEY@api.example.com"]).await;
    let response = with_key(&agent, "Bearer {{secret:KEY}}").await.unwrap();
    assert_eq!(server.received()[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(server.received()[0].header("accept-encoding"), Some("identity"));
    let stars = "*".repeat(KEY.len());
    assert_eq!(response.headers()["x-echo"], format!("Bearer {stars}"));
    assert_eq!(text(response).await.unwrap(), format!("you sent Bearer {stars} and "));
}

#[tokio::test]
async fn no_receipt_and_no_text_of_ours_has_the_key() {
    let (_server, agent) = world(&["KEY@api.example.com"]).await;
    let redactor = agent.secrets.redactor().clone();
    assert_eq!(redactor.redact(KEY), KEY, "nobody has used it yet");
    with_key(&agent, "Bearer {{secret:KEY}}").await.unwrap();
    assert_eq!(redactor.redact(&format!("<{KEY}>")), "<[secret KEY]>");
    let receipts = format!("{:?} {:?} {:?}", agent.gate.receipts().latest(), agent.secrets, agent.outlet);
    assert!(receipts.contains("api.example.com") && !receipts.contains("sk-live"), "{receipts}");
}

#[tokio::test]
async fn a_field_of_a_body_is_filled_where_the_grant_says_so_and_the_rest_stays_as_it_is() {
    let (server, agent) = world(&["KEY@api.example.com body=/auth/key"]).await;
    let body = r#"{ "auth": {"key" : "{{secret:KEY}}"}, "n": 1.0, "text": "no {{secret:KEY}} here" }"#;
    let response = agent.post(URL, body).await.unwrap();
    let expected = body.replacen("{{secret:KEY}}", KEY, 1);
    assert_eq!(server.received()[0].text(), expected);
    assert!(!text(response).await.unwrap().contains(KEY));
    let elsewhere = r#"{"messages":[{"content":"{{secret:KEY}}"}]}"#;
    let error = agent.post(URL, elsewhere).await.unwrap_err();
    assert!(matches!(&error, FetchError::Denied(denial) if denial.rule == Rule::Secret), "{error:?}");
}

#[tokio::test]
async fn a_secret_without_a_grant_for_this_host_does_not_leave() {
    for grants in
        [&[][..], &["KEY@other.example.com"], &["OTHER@api.example.com"], &["KEY@api.example.com:8443"]]
    {
        let (server, agent) = world(grants).await;
        let error = with_key(&agent, "{{secret:KEY}}").await.unwrap_err();
        assert!(matches!(&error, FetchError::Denied(denial) if denial.rule == Rule::Secret), "{error:?}");
        assert_eq!((error.sent(), server.connections()), (Sent::No, 0));
    }
}

#[tokio::test]
async fn a_secret_without_a_value_or_with_one_that_no_header_can_have_is_not_sent() {
    let (server, agent) = world(&["KEY@api.example.com", "NONE@api.example.com"]).await;
    let error = with_key(&agent, "{{secret:NONE}}").await.unwrap_err();
    assert!(matches!(&error, FetchError::NoSecret { name } if name == "NONE"), "{error:?}");
    agent.entrust("KEY", "two\r\nX-Lines: evil");
    let error = with_key(&agent, "{{secret:KEY}}").await.unwrap_err();
    assert!(matches!(&error, FetchError::Invalid(words) if !words.contains("evil")), "{error:?}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_new_value_is_used_from_then_on_and_the_old_one_stays_masked() {
    let (server, agent) = world(&["KEY@api.example.com"]).await;
    with_key(&agent, "{{secret:KEY}}").await.unwrap();
    agent.entrust("KEY", "another-key-42");
    with_key(&agent, "{{secret:KEY}}").await.unwrap();
    let received = server.received();
    assert_eq!(received[1].header("authorization"), Some("another-key-42"));
    assert_eq!(agent.secrets.redactor().redact(KEY), "[secret KEY]");
}

/// A log of our own code at its finest.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Those of this thread, as long as the guard lives.
    pub(super) fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let sink = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || sink.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        tracing::trace!("listening");
        (lines, guard)
    }

    pub(super) fn have_no_key(&self) {
        let lines = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
        assert!(lines.contains("listening"), "it listens");
        assert!(!lines.contains("sk-live"), "{lines}");
    }
}

#[tokio::test]
async fn no_log_line_has_the_key() {
    let (lines, _guard) = Lines::listen();
    let (_server, agent) = world(&["KEY@api.example.com"]).await;
    let response = with_key(&agent, "Bearer {{secret:KEY}}").await.unwrap();
    text(response).await.unwrap();
    lines.have_no_key();
}

/// What is compressed cannot be looked through.
#[tokio::test]
async fn a_compressed_answer_to_a_request_with_a_secret_is_none() {
    let authority = Authority::new();
    let server = Scripted::tls_as(authority.server(), |_| {
        Reply::typed(200, "text/plain", "as it were").with("Content-Encoding", "gzip")
    })
    .await;
    let outside = Outside::of(&server).trust(authority.pem());
    let agent = Agent::with(&[RULE], &outside, EgressSettings::default(), |given| {
        given.secrets = vec!["KEY@api.example.com".parse().unwrap()];
    });
    agent.entrust("KEY", KEY);
    assert_eq!(
        text(agent.get(URL).await.unwrap()).await.unwrap(),
        "as it were",
        "without a secret it may be"
    );
    let error = with_key(&agent, "{{secret:KEY}}").await.unwrap_err();
    assert_eq!(
        (error.sent(), &error),
        (Sent::Yes, &FetchError::Compressed { host: "api.example.com".into() })
    );
    assert_eq!(text(agent.get(URL).await.unwrap()).await.unwrap(), "as it were");
    let received = server.received();
    let encodings: Vec<_> = received.iter().map(|it| it.header("accept-encoding")).collect();
    assert_eq!(encodings, [None, Some("identity"), Some("identity")], "a later one may repeat it");
}

#[tokio::test]
async fn a_secret_that_is_used_later_is_masked_in_an_answer_that_is_open() {
    let authority = Authority::new();
    let told = Arc::new(tokio::sync::Notify::new());
    let early = told.clone();
    let server = Scripted::tls_as(authority.server(), move |received| match received.target.as_str() {
        "/early" => Reply::Halves("a ".into(), early.clone(), format!("{KEY} b").into()),
        _ => Reply::empty(200),
    })
    .await;
    let outside = Outside::of(&server).trust(authority.pem());
    let agent = Agent::with(&[RULE], &outside, EgressSettings::default(), |given| {
        given.secrets = vec!["KEY@api.example.com".parse().unwrap()];
    });
    agent.entrust("KEY", KEY);
    let early = agent.get("https://api.example.com/early").await.unwrap();
    with_key(&agent, "{{secret:KEY}}").await.unwrap();
    told.notify_one();
    assert_eq!(text(early).await.unwrap(), format!("a {} b", "*".repeat(KEY.len())));
}
