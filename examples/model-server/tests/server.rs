//! The server, asked as an agent asks it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an expectation that fails is a failed test"
)]

use model_server::{Config, ModelServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One request, as HTTP/1.0, so that the body comes as it is and ends with the connection.
async fn ask(server: &ModelServer, key: Option<&str>, body: Value) -> (u16, String) {
    let url = server.url();
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let body = body.to_string();
    let length = body.len();
    let request =
        format!("POST /v1/chat/completions HTTP/1.0\r\n{key}Content-Length: {length}\r\n\r\n{body}");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn hello() -> Value {
    json!({ "model": "scripted", "stream": true, "messages": [{ "role": "user", "content": "I am Ada" }] })
}

/// The deltas of a stream, and its last line.
fn deltas(stream: &str) -> (Vec<Value>, &str) {
    let mut data: Vec<&str> = stream.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let last = data.pop().unwrap();
    let chunks = data.into_iter().map(|chunk| serde_json::from_str::<Value>(chunk).unwrap());
    (chunks.map(|chunk| chunk["choices"][0].clone()).collect(), last)
}

#[tokio::test]
async fn it_says_word_by_word_what_it_has_to_say_and_that_it_is_done() {
    let server = ModelServer::start(Config::default()).await.unwrap();
    let (status, stream) = ask(&server, None, hello()).await;
    let (deltas, last) = deltas(&stream);
    let text: String = deltas.iter().filter_map(|it| it["delta"]["content"].as_str()).collect();
    assert_eq!((status, last), (200, "[DONE]"));
    assert_eq!(text, "You say: I am Ada. A language model would know what to answer.");
    assert!(deltas.len() > 10 && deltas[deltas.len() - 1]["finish_reason"] == "stop", "{deltas:?}");
}

#[tokio::test]
async fn it_calls_a_tool_in_pieces() {
    let server = ModelServer::start(Config::default()).await.unwrap();
    let mut body = hello();
    body["messages"][0]["content"] = "remind me in 1 minute to stretch".into();
    body["tools"] = json!([{ "type": "function", "function": { "name": "remind" } }]);
    let (_, stream) = ask(&server, None, body).await;
    let (deltas, _) = deltas(&stream);
    let calls: Vec<&Value> =
        deltas.iter().map(|it| &it["delta"]["tool_calls"][0]).filter(|it| !it.is_null()).collect();
    assert_eq!((&calls[0]["function"]["name"], &calls[0]["id"]), (&json!("remind"), &json!("call-1")));
    let arguments: String = calls.iter().filter_map(|it| it["function"]["arguments"].as_str()).collect();
    assert!(calls.len() > 2);
    assert_eq!(
        serde_json::from_str::<Value>(&arguments).unwrap(),
        json!({ "after_seconds": 60, "what": "stretch" })
    );
}

#[tokio::test]
async fn a_key_opens_it_and_nothing_else_does_and_all_requests_are_kept() {
    let server = ModelServer::start(Config { key: Some("sk-1".into()), ..Config::default() }).await.unwrap();
    let mut statuses = Vec::new();
    for key in [None, Some("sk-2"), Some("sk-1")] {
        statuses.push(ask(&server, key, hello()).await.0);
    }
    assert_eq!(statuses, [401, 401, 200]);
    let requests = server.requests();
    assert_eq!(requests.iter().map(|it| it.status).collect::<Vec<_>>(), statuses);
    assert_eq!((requests[2].authorization.as_deref(), &requests[2].body), (Some("Bearer sk-1"), &hello()));
}

#[tokio::test]
async fn a_request_that_it_cannot_answer_is_told_why() {
    let server = ModelServer::start(Config::default()).await.unwrap();
    for (body, why) in [(json!({}), "messages"), (json!({ "messages": [] }), "stream")] {
        let (status, text) = ask(&server, None, body).await;
        assert!(status == 400 && text.contains(why), "{status} {text}");
    }
}
