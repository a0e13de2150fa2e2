//! The server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::answer::chunks;
use crate::script::{Move, next};

/// Bytes of a request.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The key that each request has to show, as `Authorization: Bearer KEY`; none lets everybody in.
    pub key: Option<String>,
    /// Between two words.
    pub pause: Duration,
    /// Whether what it says begins with the `Authorization` of the request: what a server should never do.
    pub echoes_key: bool,
}

impl Default for Config {
    /// A free port on loopback, no key, no pause.
    fn default() -> Self {
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        Self { listen, key: None, pause: Duration::ZERO, echoes_key: false }
    }
}

/// A request that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its `Authorization`, where it had one that is text.
    pub authorization: Option<String>,
    /// Its body; null where that is no JSON.
    pub body: Value,
    /// The status that it got.
    pub status: u16,
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    model: Arc<Model>,
    _running: DropGuard,
}

#[derive(Debug)]
struct Model {
    config: Config,
    requests: Mutex<Vec<Request>>,
}

impl ModelServer {
    /// Starts it.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let model = Arc::new(Model { config, requests: Mutex::default() });
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(model.clone());
        let running = CancellationToken::new();
        let until = running.clone();
        tokio::spawn(async move {
            tokio::select! {
                // It ends with an error where the listener does, and then there is nobody to tell.
                _ = axum::serve(listener, router) => {}
                () = until.cancelled() => {}
            }
        });
        Ok(Self { address, model, _running: running.drop_guard() })
    }

    /// What an agent is given as the place of its model: `http://127.0.0.1:PORT/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The requests that came, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.model.requests().clone()
    }
}

impl Model {
    fn requests(&self) -> std::sync::MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn complete(State(model): State<Arc<Model>>, headers: HeaderMap, body: Bytes) -> Response {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let wanted = model.config.key.as_ref().map(|key| format!("Bearer {key}"));
    let refused = match (wanted, body.get("messages").and_then(Value::as_array)) {
        (Some(wanted), _) if authorization.as_ref() != Some(&wanted) => {
            Some((StatusCode::UNAUTHORIZED, "the key is not the one that this server wants"))
        }
        (_, None) => Some((StatusCode::BAD_REQUEST, "messages is missing")),
        _ if body.get("stream") != Some(&Value::Bool(true)) => {
            Some((StatusCode::BAD_REQUEST, "this server only streams; say stream: true"))
        }
        _ => None,
    };
    let status = refused.map_or(StatusCode::OK, |(status, _)| status);
    let number = {
        let mut requests = model.requests();
        let request =
            Request { authorization: authorization.clone(), body: body.clone(), status: status.as_u16() };
        requests.push(request);
        requests.len()
    };
    match refused {
        Some((status, message)) => {
            (status, axum::Json(json!({ "error": { "message": message } }))).into_response()
        }
        None => streamed(&model.config, &body, number, authorization.filter(|_| model.config.echoes_key)),
    }
}

/// The answer, event by event.
fn streamed(config: &Config, body: &Value, number: usize, echo: Option<String>) -> Response {
    let list = |key: &str| body.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut step = next(&list("messages"), &list("tools"));
    if let (Move::Say(text), Some(echo)) = (&mut step, echo) {
        text.insert_str(0, &format!("You showed me {echo} . "));
    }
    let name = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let events = chunks(&step, name, number).into_iter().map(|chunk| chunk.to_string());
    let events = events.chain(["[DONE]".to_owned()]).map(|data| format!("data: {data}\n\n"));
    let pause = config.pause;
    let events = stream::iter(events).then(move |event| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok::<_, io::Error>(event)
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(events)).into_response()
}
