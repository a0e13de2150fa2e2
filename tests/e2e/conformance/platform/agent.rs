//! An agent that messages are pushed to, and what it saw.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

pub(super) struct FakeAgent {
    pub(super) url: String,
    seen: mpsc::UnboundedReceiver<Seen>,
}

/// A request that the agent got.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

type Answer = fn(&Value) -> Response;

impl FakeAgent {
    /// One that answers every message the same way.
    pub(super) async fn answering(answer: Answer) -> Self {
        let (told, seen) = mpsc::unbounded_channel();
        let router = Router::new().fallback(answer_one).with_state((told, answer));
        let (listener, url) = listen().await;
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// One that says "pong".
    pub(super) async fn pong() -> Self {
        Self::answering(|_| r#"{"jsonrpc":"2.0","id":"x","result":{"kind":"message","role":"agent","parts":[{"kind":"text","text":"pong <&>"}]}}"#.into_response()).await
    }

    /// One that sends whoever comes to its URL elsewhere, and says "pong" at every other path.
    pub(super) async fn redirecting(to: &str) -> Self {
        let (told, seen) = mpsc::unbounded_channel();
        let elsewhere = Redirect::temporary(to);
        let pong: Answer = |_| r#"{"result":"pong"}"#.into_response();
        let router = Router::new()
            .route("/secret/path", post(async move || elsewhere))
            .fallback(answer_one)
            .with_state((told, pong));
        let (listener, url) = listen().await;
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// One that reads a message and hangs up.
    pub(super) async fn hanging_up() -> Self {
        Self::raw(|mut stream| async move {
            let mut some = [0; 16];
            stream.read_exact(&mut some).await.unwrap();
        })
        .await
    }

    /// One that begins to answer and breaks off.
    pub(super) async fn breaking_off() -> Self {
        Self::raw(|mut stream| async move {
            let mut some = [0; 16];
            stream.read_exact(&mut some).await.unwrap();
            let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"jsonrpc\"";
            stream.write_all(begun).await.unwrap();
        })
        .await
    }

    /// An address where nobody is.
    pub(super) async fn nobody() -> String {
        listen().await.1
    }

    /// One that reads a message and answers "pong" when it is let go.
    pub(super) async fn slow(go: Arc<Notify>) -> Self {
        Self::raw(move |mut stream| {
            let go = go.clone();
            async move {
                let mut some = [0; 16];
                stream.read_exact(&mut some).await.unwrap();
                go.notified().await;
                let pong = b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"result\":\"pong\"}";
                // Whoever asked may have given up.
                let _ = stream.write_all(pong).await;
            }
        })
        .await
    }

    async fn raw<F>(treat: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (told, seen) = mpsc::unbounded_channel();
        let (listener, url) = listen().await;
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let nothing = Seen { target: String::new(), headers: HeaderMap::new(), body: Value::Null };
                let _ = told.send(nothing);
                treat(stream).await;
            }
        });
        Self { url, seen }
    }

    /// The next message that it got.
    pub(super) async fn next(&mut self) -> Seen {
        self.seen.recv().await.unwrap()
    }

    /// True if it got none that was not looked at.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.seen.try_recv().is_err()
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("http://localhost:{port}/secret/path?key=1"))
}

async fn answer_one(
    State((told, answer)): State<(mpsc::UnboundedSender<Seen>, Answer)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    // What is no JSON is kept as its text.
    let text = || Value::from(String::from_utf8_lossy(&body).into_owned());
    let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| text());
    let response = answer(&body);
    let _ = told.send(Seen { target: parts.uri.to_string(), headers: parts.headers, body });
    response
}
