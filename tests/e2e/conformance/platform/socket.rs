//! What happens, told over a WebSocket.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::world::{ADMIN, Agent, World};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens the socket with these headers; or the status of the refusal.
async fn open(world: &World, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    let address = format!("ws://{}/ws", world.platform.addr);
    let mut request = address.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(refusal)) => Err(refusal.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn opened_by(world: &World, agent: &Agent) -> Socket {
    let shown = format!("Bearer {}", agent.token);
    open(world, &[("x-workspace-id", &agent.id), ("authorization", &shown)]).await.unwrap()
}

/// The next frame; `None` where the platform says farewell.
async fn next(socket: &mut Socket) -> Option<Value> {
    let heard = tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("nothing came");
    match heard.expect("an end without a farewell").unwrap() {
        Message::Text(text) => Some(serde_json::from_str(&text).unwrap()),
        Message::Close(_) => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_workspace_hears_of_itself_and_of_those_it_may_talk_to_and_of_nobody_else() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let child_of_b = world.agent_below("child", json!(b.id)).await;
    let mut socket = opened_by(&world, &a).await;
    world.beat(&child_of_b, json!({})).await;
    world.beat(&b, json!({})).await;
    world.send(&a, "secret words").by(&b).expect(200).await;
    let heard = next(&mut socket).await.unwrap();
    assert_eq!((&heard["event"], &heard["workspace_id"]), (&json!("WORKSPACE_HEARTBEAT"), &json!(b.id)));
    assert_eq!(heard["timestamp"], "2026-04-27T11:36:15.123000Z");
    let heard = next(&mut socket).await.unwrap();
    assert_eq!((&heard["event"], &heard["workspace_id"]), (&json!("ACTIVITY_LOGGED"), &json!(a.id)));
    assert_eq!(heard["payload"]["activity_type"], "a2a_receive");
    assert!(!heard.to_string().contains("secret words"), "{heard}");
}

#[tokio::test]
async fn the_operator_hears_of_everybody_and_nobody_hears_without_a_token() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let bearer = |token: &str| format!("Bearer {token}");
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (headers, status) in [
        (vec![], 401),
        (vec![("authorization", bearer(&a.token))], 401),
        (vec![("x-workspace-id", a.id.clone())], 401),
        (vec![("x-workspace-id", a.id.clone()), ("authorization", bearer(&b.token))], 401),
        (vec![("x-workspace-id", unknown.to_owned())], 404),
        (vec![("authorization", bearer(ADMIN)), ("origin", "https://evil.example".to_owned())], 403),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(open(&world, &headers).await.err(), Some(status), "{headers:?}");
    }
    assert_eq!(world.get("/ws").token(ADMIN).send().await.status, 400, "no handshake");
    let mut socket = open(&world, &[("authorization", &bearer(ADMIN))]).await.unwrap();
    world.beat(&b, json!({})).await;
    assert_eq!(next(&mut socket).await.unwrap()["workspace_id"], b.id);
}

#[tokio::test]
async fn a_socket_does_not_outlive_the_token_that_opened_it_nor_the_platform() {
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let (mut of_a, mut of_b) = (opened_by(&world, &a).await, opened_by(&world, &b).await);
    let rotate = format!("/workspaces/{}/external/rotate", a.id);
    world.post(&rotate, &json!({})).token(&a.token).expect(200).await;
    assert_eq!(next(&mut of_a).await.unwrap()["event"], "TOKENS_REVOKED");
    assert_eq!(next(&mut of_a).await, None);
    assert_eq!(next(&mut of_b).await.unwrap()["event"], "TOKENS_REVOKED", "another's: it goes on");
    world.platform.shutdown().await;
    assert_eq!(next(&mut of_b).await, None);
}
