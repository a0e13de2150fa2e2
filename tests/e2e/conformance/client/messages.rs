//! Messages to the user and to peers: what is sent again, and above all what is not.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use molecule_host::platform::{
    Client, HttpTransport, Limits, Network, PlatformFault, Transport, TransportError, TransportSettings,
};
use molecule_protocol::proxy::FailureKind;
use molecule_protocol::{Delivery, Message, NotifyRequest, PeerId, ProxyAnswer, Role};
use molecule_tests::scripted::{Reply, Reserved, Scripted};
use serde_json::Value;

use super::{client, credentials, hasty, identity, impatient, workspace};

fn text(text: &str) -> NotifyRequest {
    NotifyRequest { message: text.into(), attachments: Vec::new() }
}

fn peer() -> PeerId {
    "9b1f0a52-8f0e-4a37-9a5e-0d4f4c1f9b22".parse().unwrap()
}

fn message() -> Message {
    Message::text_of(Role::Agent, "m-1", "hello")
}

/// Case C26, as far as the client goes.
#[tokio::test]
async fn c26_a_text_to_the_user_is_not_sent_again_when_it_may_have_arrived() {
    for (reply, delivery) in [
        (Reply::Silence, Delivery::Unknown),
        (Reply::Hangup, Delivery::Unknown),
        (Reply::cut_short("{}"), Delivery::Unknown),
        (Reply::json(500, r#"{"error":"x"}"#), Delivery::Unknown),
        (Reply::empty(502), Delivery::Unknown),
        (Reply::empty(504), Delivery::Unknown),
        (Reply::html(200), Delivery::Unknown),
        (Reply::json(400, r#"{"error":"message is required"}"#), Delivery::No),
        (Reply::json(404, r#"{"error":"workspace not found"}"#), Delivery::No),
    ] {
        let case = format!("{reply:?}");
        let server = Scripted::answering(move |_| reply.clone()).await;
        let error = impatient(&server).notify(&text("hi")).await.unwrap_err();
        assert_eq!((server.received().len(), error.delivery()), (1, delivery), "{case}: {error}");
    }
}

/// Begins to listen as soon as a connection was refused.
struct Opening {
    transport: HttpTransport,
    port: Mutex<Option<Reserved>>,
    opened: Arc<Mutex<Option<Scripted>>>,
}

#[async_trait]
impl Transport for Opening {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let outcome = self.transport.send(request, limits).await;
        if matches!(outcome, Err(TransportError::NotSent(_)))
            && let Some(port) = self.port.lock().unwrap().take()
        {
            let server = port.serve(|_| Reply::json(200, r#"{"status":"sent"}"#));
            *self.opened.lock().unwrap() = Some(server);
        }
        outcome
    }
}

/// Case C27.
#[tokio::test]
async fn c27_a_text_to_the_user_is_sent_again_when_nobody_took_the_connection() {
    let (port, opened) = (Reserved::port(), Arc::new(Mutex::new(None)));
    let url = port.url();
    let transport = HttpTransport::new(&TransportSettings::default()).unwrap();
    let transport =
        Arc::new(Opening { transport, port: Mutex::new(Some(port)), opened: Arc::clone(&opened) });
    let network = hasty(Network::with_transports(transport.clone(), transport));
    let client = Client::new(&network, identity(&url), credentials());
    client.notify(&text("hi\0")).await.unwrap();
    let received = opened.lock().unwrap().as_ref().unwrap().received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].target, format!("/workspaces/{}/notify", workspace()));
    assert_eq!(received[0].text(), r#"{"message":"hi"}"#);
}

/// Case C28: each answer is judged, and the message sent once.
#[tokio::test]
async fn c28_a_message_that_was_taken_is_never_sent_a_second_time() {
    let judged = |answer: &ProxyAnswer| match answer {
        ProxyAnswer::Answer { text, .. } => format!("answer {text}"),
        ProxyAnswer::RemoteError { message, .. } => format!("error {message}"),
        ProxyAnswer::QueuedPoll => "queued".into(),
        ProxyAnswer::QueuedBusy { queue_id } => format!("busy {}", queue_id.as_deref().unwrap_or_default()),
        ProxyAnswer::Malformed { .. } => "malformed".into(),
        ProxyAnswer::Failed(failure) => format!("{:?}", failure.kind),
    };
    for (reply, expected) in [
        (
            Reply::json(
                200,
                r#"{"jsonrpc":"2.0","id":"1","result":{"parts":[{"kind":"text","text":"hi"}]}}"#,
            ),
            "answer hi",
        ),
        (Reply::json(200, r#"{"error":{"code":-32000,"message":"boom"}}"#), "error boom"),
        (Reply::json(200, r#"{"status":"queued","delivery_mode":"poll","method":"message/send"}"#), "queued"),
        (Reply::json(202, r#"{"queued":true,"queue_id":"q1","queue_depth":1,"message":"m"}"#), "busy q1"),
        (Reply::json(200, "{}"), "malformed"),
        (Reply::html(200), "malformed"),
        (Reply::json(401, r#"{"error":"invalid caller auth token"}"#), "Unauthorized"),
        (Reply::json(403, r#"{"error":"access denied"}"#), "Forbidden"),
        (
            Reply::json(502, r#"{"error":"failed to read agent response","delivery_confirmed":true}"#),
            "AnswerLost { delivered: true }",
        ),
        (Reply::json(502, r#"{"error":"failed to read agent response"}"#), "AnswerLost { delivered: false }"),
        (Reply::json(503, r#"{"busy":true,"retry_after":30}"#).with("Retry-After", "1"), "Busy"),
        (Reply::json(503, r#"{"error":"workspace has no URL"}"#), "NotConnected"),
        (Reply::html(502), "Gateway"),
        (Reply::empty(504), "Gateway"),
        (Reply::json(500, r#"{"error":"the agent's own"}"#), "Remote"),
        (Reply::redirect(307, "/elsewhere"), "Misrouted"),
    ] {
        let case = format!("{reply:?}");
        let server = Scripted::answering(move |_| reply.clone()).await;
        let answer = client(&server).send_to_peer(&peer(), &message()).await.unwrap();
        assert_eq!((judged(&answer).as_str(), server.received().len()), (expected, 1), "{case}");
    }
    for (reply, fault) in
        [(Reply::Silence, "Timeout"), (Reply::Hangup, "Broken"), (Reply::cut_short("{}"), "Broken")]
    {
        let server = Scripted::answering(move |_| reply.clone()).await;
        let error = impatient(&server).send_to_peer(&peer(), &message()).await.unwrap_err();
        assert_eq!((server.received().len(), error.delivery()), (1, Delivery::Unknown), "{error}");
        assert!(format!("{:?}", error.fault).starts_with(fault), "{error:?}");
    }
}

#[tokio::test]
async fn a_message_that_was_certainly_not_delivered_is_sent_again_as_the_same_message() {
    let unreachable = || Reply::json(502, r#"{"error":"failed to reach workspace agent"}"#);
    let queued = Reply::json(200, r#"{"status":"queued","delivery_mode":"poll"}"#);
    let restarting = Reply::json(503, r#"{"restarting":true}"#).with("Retry-After", "1");
    let server = Scripted::start([unreachable(), restarting, queued]).await;
    let answer = client(&server).send_to_peer(&peer(), &message()).await.unwrap();
    assert_eq!(answer, ProxyAnswer::QueuedPoll);
    let [first, second, third] = server.received().try_into().unwrap();
    assert_eq!((&first.body, &second.body), (&second.body, &third.body));

    let server = Scripted::answering(move |_| unreachable()).await;
    let answer = client(&server).send_to_peer(&peer(), &message()).await.unwrap();
    assert!(matches!(answer, ProxyAnswer::Failed(failure) if failure.kind == FailureKind::Unreachable));
    assert_eq!(server.received().len(), 4);
}

/// Case C21, as far as the client goes.
#[tokio::test]
async fn c21_a_message_to_a_peer_says_who_sends_it_in_every_way_a_platform_may_look_for() {
    let server = Scripted::answering(|_| Reply::json(200, r#"{"result":"ok"}"#)).await;
    client(&server).send_to_peer(&peer(), &message()).await.unwrap();
    let request = &server.received()[0];
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", format!("/workspaces/{}/a2a", peer()).as_str())
    );
    let id = workspace().to_string();
    for header in ["x-workspace-id", "x-source-workspace-id"] {
        assert_eq!(request.header(header), Some(id.as_str()), "{header}");
    }
    assert!(request.header("authorization").is_some());
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        (&body["method"], &body["params"]["message"]["role"]),
        (&"message/send".into(), &"agent".into())
    );
    assert_eq!(body["params"]["message"]["messageId"], "m-1");
}

#[tokio::test]
async fn a_message_that_the_platform_would_cut_or_could_not_recognise_is_not_sent() {
    let server = Scripted::answering(|_| Reply::json(200, "{}")).await;
    let client = client(&server);
    let long = Message::text_of(Role::User, "m-1", "x".repeat(1024 * 1024));
    let nameless = Message { message_id: None, ..message() };
    for message in [long, nameless] {
        let error = client.send_to_peer(&peer(), &message).await.unwrap_err();
        assert!(matches!(error.fault, PlatformFault::Invalid(_)), "{error}");
        assert_eq!(error.delivery(), Delivery::No);
    }
    assert_eq!(server.received(), []);
}
