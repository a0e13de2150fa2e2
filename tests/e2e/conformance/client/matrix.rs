//! The summary matrix (3.18), row by row: what goes over the wire, and whether it goes again after a 503.

use std::pin::Pin;

use molecule_host::platform::{Client, PlatformError, PlatformFault, Reach};
use molecule_protocol::approvals::ApprovalRequest;
use molecule_protocol::delegation::{DelegateRequest, RecordDelegationRequest, UpdateDelegationRequest};
use molecule_protocol::memory::{Checkpoint, CommitRequest, MemoryQuery, MemoryScope, SetRequest};
use molecule_protocol::{
    ActivityQuery, ActivityReport, HeartbeatRequest, Json, Message, NotifyRequest, Part, PeerId,
};
use molecule_tests::scripted::{Reply, Scripted};
use serde_json::{Value, json};

use super::{TOKEN, client, workspace};

const PEER: &str = "7c1e2b9a-1111-4222-8333-444455556666";

/// Whether a request goes again after a 503 that says nothing of what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}
use Again::{No, Yes};

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), PlatformError>> + 'a>>;

struct Row {
    /// Method and target, without the own workspace's id.
    request: &'static str,
    /// The body; null where there is none, `form` where it is one.
    body: Value,
    /// A success.
    reply: Reply,
    again: Again,
    call: fn(&Client) -> Outcome<'_>,
}

macro_rules! row {
    ($request:literal, $body:expr, $reply:expr, $again:expr, |$client:ident| $call:expr) => {
        Row {
            request: $request,
            body: $body,
            reply: $reply,
            again: $again,
            call: |$client| Box::pin(async move { $call.await.map(drop) }),
        }
    };
}

fn peer() -> PeerId {
    PEER.parse().unwrap()
}

fn json_of(value: &Value) -> Json {
    Json::from_text(value.to_string()).unwrap()
}

fn message() -> Message {
    Message { message_id: Some("m-1".to_owned()), parts: vec![Part::text("hi")], ..Message::default() }
}

fn rows() -> Vec<Row> {
    let ok = |body: Value| Reply::json(200, &body.to_string());
    let none = Value::Null;
    let octets = || Reply::typed(200, "application/octet-stream", "bytes");
    vec![
        row!("GET /health", none.clone(), ok(json!({ "status": "ok" })), Yes, |it| it.health()),
        row!(
            "GET /workspaces/OWN",
            none.clone(),
            ok(json!({ "id": "x", "name": "x", "status": "online" })),
            Yes,
            |it| it.probe()
        ),
        row!(
            "POST /registry/register",
            json!({ "id": "OWN", "agent_card": { "name": "a" }, "delivery_mode": "poll" }),
            ok(json!({ "status": "registered" })),
            Yes,
            |it| async { it.register(&json_of(&json!({ "name": "a" })), &Reach::Poll).await }
        ),
        row!(
            "POST /registry/heartbeat",
            json!({ "workspace_id": "OWN", "error_rate": 0.0, "sample_error": "", "active_tasks": 0, "uptime_seconds": 0, "current_task": "", "runtime_state": "" }),
            ok(json!({ "status": "ok" })),
            Yes,
            |it| it.heartbeat(HeartbeatRequest::default())
        ),
        row!(
            "POST /registry/update-card",
            json!({ "workspace_id": "OWN", "agent_card": { "name": "a" } }),
            ok(json!({ "status": "updated" })),
            Yes,
            |it| async { it.update_card(&json_of(&json!({ "name": "a" }))).await }
        ),
        row!("GET /workspaces/OWN/state", none.clone(), ok(json!({ "status": "online" })), Yes, |it| it
            .state()),
        row!("GET /workspaces/OWN/secrets/values", none.clone(), ok(json!({})), Yes, |it| it.secrets()),
        row!("GET /registry/OWN/peers", none.clone(), ok(json!([])), Yes, |it| it.peers()),
        row!(
            "GET /registry/discover/PEER",
            none.clone(),
            ok(json!({ "id": PEER, "url": "", "name": "bob" })),
            Yes,
            |it| async { it.discover(&peer()).await }
        ),
        row!(
            "POST /registry/check-access",
            json!({ "caller_id": "OWN", "target_id": "PEER" }),
            ok(json!({ "allowed": true })),
            Yes,
            |it| async { it.check_access(&peer()).await }
        ),
        row!(
            "POST /workspaces/PEER/a2a",
            json!({ "jsonrpc": "2.0", "id": "m-1", "method": "message/send", "params": { "message": {
                "role": "user", "messageId": "m-1", "kind": "message", "parts": [{ "kind": "text", "text": "hi" }],
            } } }),
            ok(json!({ "result": { "parts": [] } })),
            No,
            |it| async { it.send_to_peer(&peer(), &message()).await }
        ),
        row!(
            "GET /workspaces/PEER/a2a/queue/q-1",
            none.clone(),
            ok(json!({ "queue_id": "q-1", "status": "queued" })),
            Yes,
            |it| async { it.queue_status(&peer(), "q-1").await }
        ),
        row!(
            "POST /workspaces/OWN/delegate",
            json!({ "target_id": "PEER", "task": "do it", "idempotency_key": "k" }),
            ok(json!({ "delegation_id": "d", "status": "delegated", "target_id": PEER })),
            Yes,
            |it| async { it.delegate(&delegate(Some("k"))).await }
        ),
        row!(
            "POST /workspaces/OWN/delegate",
            json!({ "target_id": "PEER", "task": "do it" }),
            ok(json!({ "delegation_id": "d", "status": "delegated", "target_id": PEER })),
            No,
            |it| async { it.delegate(&delegate(None)).await }
        ),
        row!("GET /workspaces/OWN/delegations", none.clone(), ok(json!([])), Yes, |it| it.delegations()),
        row!(
            "POST /workspaces/OWN/delegations/record",
            json!({ "target_id": "PEER", "task": "do it", "delegation_id": "d" }),
            ok(json!({ "status": "recorded" })),
            No,
            |it| async {
                let request = RecordDelegationRequest {
                    target_id: PEER.to_owned(),
                    task: "do it".to_owned(),
                    delegation_id: "d".to_owned(),
                };
                it.record_delegation(&request).await
            }
        ),
        row!(
            "POST /workspaces/OWN/delegations/d/update",
            json!({ "status": "completed", "response_preview": "done" }),
            ok(json!({ "status": "updated" })),
            Yes,
            |it| async {
                let request = UpdateDelegationRequest {
                    status: "completed".to_owned(),
                    response_preview: Some("done".to_owned()),
                    ..UpdateDelegationRequest::default()
                };
                it.update_delegation("d", &request).await
            }
        ),
        row!(
            "GET /workspaces/OWN/activity?type=a2a_receive&limit=100",
            none.clone(),
            ok(json!([])),
            Yes,
            |it| async {
                let query = ActivityQuery {
                    activity_type: Some("a2a_receive".to_owned()),
                    limit: Some(100),
                    ..ActivityQuery::default()
                };
                it.activity(&query).await
            }
        ),
        row!(
            "POST /workspaces/OWN/activity",
            json!({ "activity_type": "agent_log", "summary": "hi" }),
            ok(json!({ "status": "logged" })),
            No,
            |it| async {
                let report = ActivityReport {
                    activity_type: "agent_log".to_owned(),
                    summary: Some("hi".to_owned()),
                    ..ActivityReport::default()
                };
                it.report(&report).await
            }
        ),
        row!(
            "POST /workspaces/OWN/notify",
            json!({ "message": "hi" }),
            ok(json!({ "status": "sent" })),
            No,
            |it| async {
                it.notify(&NotifyRequest { message: "hi".to_owned(), ..NotifyRequest::default() }).await
            }
        ),
        row!(
            "POST /workspaces/OWN/chat/uploads",
            json!("form"),
            ok(
                json!({ "files": [{ "uri": "workspace:/a", "name": "a", "mimeType": "text/plain", "size": 2 }] })
            ),
            No,
            |it| it.upload("a", None, b"hi".to_vec())
        ),
        row!("GET /workspaces/OWN/pending-uploads/f/content", none.clone(), octets(), Yes, |it| it
            .pending_file("f")),
        row!("POST /workspaces/OWN/pending-uploads/f/ack", none.clone(), ok(json!({})), Yes, |it| it
            .acknowledge_file("f")),
        // The platform may have worked at it for minutes: only what a gateway says is tried again.
        row!("GET /workspaces/OWN/plugins/p/download", none.clone(), octets(), No, |it| it.plugin(
            "p",
            "local://p",
            1000
        )),
        row!("GET /workspaces/OWN/plugins/available", none.clone(), ok(json!([])), Yes, |it| it
            .available_plugins()),
        row!("GET /plugins/sources", none.clone(), ok(json!({ "schemes": ["local"] })), Yes, |it| it
            .plugin_sources()),
        row!("POST /workspaces/OWN/plugins", json!({ "source": "local://p" }), ok(json!({})), No, |it| it
            .report_plugin("local://p")),
        row!(
            "GET /workspaces/OWN/tokens?limit=200",
            none.clone(),
            ok(json!({ "tokens": [], "count": 0 })),
            Yes,
            |it| it.tokens()
        ),
        row!(
            "POST /workspaces/OWN/tokens",
            none.clone(),
            Reply::json(201, &json!({ "auth_token": TOKEN, "workspace_id": "x" }).to_string()),
            No,
            |it| it.mint_token()
        ),
        row!(
            "DELETE /workspaces/OWN/tokens/t",
            none.clone(),
            ok(json!({ "status": "revoked" })),
            Yes,
            |it| it.revoke_token("t")
        ),
        row!("GET /workspaces/OWN/memory", none.clone(), ok(json!([])), Yes, |it| it.values()),
        row!(
            "GET /workspaces/OWN/memory/k",
            none.clone(),
            ok(json!({ "key": "k", "value": 1, "version": 1 })),
            Yes,
            |it| it.value("k")
        ),
        row!(
            "POST /workspaces/OWN/memory",
            json!({ "key": "k", "value": 1, "if_match_version": 0 }),
            ok(json!({ "status": "ok", "version": 1 })),
            Yes,
            |it| async { it.set_value(&set(Some(0))).await }
        ),
        row!(
            "POST /workspaces/OWN/memory",
            json!({ "key": "k", "value": 1 }),
            ok(json!({ "status": "ok", "version": 1 })),
            No,
            |it| async { it.set_value(&set(None)).await }
        ),
        row!(
            "DELETE /workspaces/OWN/memory/k",
            none.clone(),
            ok(json!({ "status": "deleted" })),
            Yes,
            |it| it.delete_value("k")
        ),
        row!(
            "POST /workspaces/OWN/memories",
            json!({ "content": "c", "scope": "LOCAL" }),
            Reply::json(201, r#"{"id":"m"}"#),
            No,
            |it| async {
                let commit =
                    CommitRequest { content: "c".to_owned(), scope: MemoryScope::Local, namespace: None };
                it.commit_memory(&commit).await
            }
        ),
        row!("GET /workspaces/OWN/memories?q=tea", none.clone(), ok(json!([])), Yes, |it| async {
            it.memories(&MemoryQuery { q: Some("tea".to_owned()), ..MemoryQuery::default() }).await
        }),
        row!(
            "DELETE /workspaces/OWN/memories/m",
            none.clone(),
            ok(json!({ "status": "deleted" })),
            Yes,
            |it| it.delete_memory("m")
        ),
        row!("GET /workspaces/OWN/session-search?q=tea&limit=5", none.clone(), ok(json!([])), Yes, |it| it
            .session_search("tea", 5)),
        row!(
            "GET /workspaces/OWN/budget",
            none.clone(),
            ok(json!({ "budget_limit": null, "monthly_spend": 0, "budget_remaining": null })),
            Yes,
            |it| it.budget()
        ),
        row!("GET /workspaces/OWN/model", none.clone(), ok(json!({ "model": "m" })), Yes, |it| it.model()),
        row!(
            "GET /workspaces/OWN/instructions/resolve",
            none.clone(),
            ok(json!({ "workspace_id": "x", "instructions": "" })),
            Yes,
            |it| it.instructions()
        ),
        row!(
            "POST /workspaces/OWN/approvals",
            json!({ "action": "buy" }),
            Reply::json(201, r#"{"approval_id":"a","status":"pending"}"#),
            No,
            |it| async {
                it.ask_approval(&ApprovalRequest {
                    action: "buy".to_owned(),
                    reason: None,
                    task_id: None,
                    context: None,
                })
                .await
            }
        ),
        row!("GET /workspaces/OWN/approvals", none.clone(), ok(json!([])), Yes, |it| it.approvals()),
        row!(
            "POST /workspaces/OWN/checkpoints",
            json!({ "workflow_id": "w", "step_name": "s", "step_index": 1 }),
            Reply::json(201, "{}"),
            Yes,
            |it| async {
                let checkpoint = Checkpoint {
                    workflow_id: "w".to_owned(),
                    step_name: "s".to_owned(),
                    step_index: 1,
                    payload: None,
                    created_at: None,
                };
                it.save_checkpoint(&checkpoint).await
            }
        ),
        row!("GET /workspaces/OWN/checkpoints/w", none.clone(), ok(json!([])), Yes, |it| it.checkpoints("w")),
        row!(
            "GET /workspaces/OWN/checkpoints/latest",
            none.clone(),
            ok(json!({ "workflow_id": "w", "step_name": "s", "step_index": 1 })),
            Yes,
            |it| it.latest_checkpoint()
        ),
        row!("DELETE /workspaces/OWN/checkpoints/w", none, ok(json!({ "deleted": 1 })), Yes, |it| it
            .clear_checkpoints("w")),
    ]
}

fn delegate(key: Option<&str>) -> DelegateRequest {
    DelegateRequest {
        target_id: PEER.to_owned(),
        task: "do it".to_owned(),
        idempotency_key: key.map(str::to_owned),
    }
}

fn set(version: Option<u32>) -> SetRequest {
    SetRequest {
        key: "k".to_owned(),
        value: json_of(&json!(1)),
        ttl_seconds: None,
        if_match_version: version,
    }
}

#[tokio::test]
async fn every_endpoint_sends_what_the_matrix_says_and_again_only_where_it_may() {
    let named = |text: &str| text.replace("OWN", &workspace().to_string()).replace("PEER", PEER);
    for Row { request, body, reply, again, call } in rows() {
        let trouble = Reply::json(503, r#"{"error":"the database is away"}"#);
        let server = Scripted::start([trouble, reply.clone()]).await;
        let outcome = call(&client(&server)).await;
        let received = server.received();
        assert_eq!(received.len(), if again == Yes { 2 } else { 1 }, "{request}: {outcome:?}");
        // A message to a peer has an answer whatever it is.
        assert_eq!(outcome.is_ok(), again == Yes || request.ends_with("/a2a"), "{request}: {outcome:?}");
        for sent in &received {
            assert_eq!(format!("{} {}", sent.method, sent.target), named(request));
            let token = sent.header("authorization");
            // The question whether the workspace exists is asked without: a token that is dead would hide the answer.
            let anonymous = matches!(request, "GET /health" | "GET /workspaces/OWN");
            assert_eq!(token.is_none(), anonymous, "{request}");
            assert!(token.is_none_or(|token| token == format!("Bearer {TOKEN}")), "{request}");
            match body.as_str() {
                Some(_) => assert!(
                    sent.header("content-type").unwrap().starts_with("multipart/form-data; boundary=")
                ),
                None if body.is_null() => assert!(sent.body.is_empty(), "{request}: {}", sent.text()),
                None => {
                    assert_eq!(sent.header("content-type"), Some("application/json"), "{request}");
                    let expected: Value = serde_json::from_str(&named(&body.to_string())).unwrap();
                    assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), expected, "{request}");
                }
            }
        }
        // And the success is one.
        let server = Scripted::start([reply]).await;
        call(&client(&server)).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_platform_does_not_list_for_a_workspace_it_may_list_for_everybody() {
    let missing = Reply::typed(404, "text/plain", "404 page not found");
    let server = Scripted::start([missing, Reply::json(200, r#"[{"name":"dev"}]"#)]).await;
    assert_eq!(client(&server).available_plugins().await.unwrap()[0].name, "dev");
    let targets: Vec<String> = server.received().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, [format!("/workspaces/{}/plugins/available", workspace()), "/plugins".to_owned()]);
}

/// What a platform does not have is said to be missing, whatever it is; the other 404s are not taken for that.
#[tokio::test]
async fn a_route_that_a_platform_does_not_have_is_a_feature_that_is_missing() {
    for Row { request, call, .. } in rows() {
        // The first two have a meaning of their own for every 404, and the third is then asked for elsewhere.
        let other =
            ["GET /workspaces/OWN/state", "GET /workspaces/OWN", "GET /workspaces/OWN/plugins/available"];
        if other.contains(&request) {
            continue;
        }
        let server = Scripted::start([Reply::typed(404, "text/plain", "404 page not found")]).await;
        match call(&client(&server)).await {
            Err(PlatformError { fault: PlatformFault::RouteMissing, .. }) => {}
            // Judged as the answer to a message.
            Ok(()) if request.ends_with("/a2a") => {}
            other => panic!("{request}: {other:?}"),
        }
    }
}
