//! What takes too long.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use molecule_host::egress::EgressSettings;
use molecule_runtime::wit::Sent;
use molecule_runtime::{FetchError, Payload, Phase, Times};
use molecule_tests::scripted::{Reply, Scripted};

use super::outside::Outside;
use super::{Agent, limited, text};

const RULE: &str = "GET,POST http://api.example.com/**";
const URL: &str = "http://api.example.com/";
const SHORT: Duration = Duration::from_millis(200);

/// The phase that took too long, and whether the request was sent.
fn timeout(error: &FetchError) -> (Phase, Sent) {
    let FetchError::Timeout { phase, sent, .. } = error else { panic!("{error:?}") };
    (*phase, *sent)
}

fn hasty() -> EgressSettings {
    limited(|limits| {
        limits.connect.usual = SHORT;
        limits.first_byte.usual = SHORT;
        limits.between_bytes.usual = SHORT;
    })
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Scripted::start([Reply::Silence]).await;
    let agent = Agent::with(&[RULE], &Outside::of(&server), hasty(), |_| {});
    assert_eq!(timeout(&agent.get(URL).await.unwrap_err()), (Phase::FirstByte, Sent::Maybe));
    assert_eq!(server.received().len(), 1, "it was not sent again");
}

#[tokio::test]
async fn an_address_where_nobody_lives_is_given_up_and_nothing_was_sent() {
    let outside = Outside::default();
    outside.name("api.example.com", [&["93.184.216.1"][..]]);
    let agent = Agent::with(&[RULE], &outside, hasty(), |_| {});
    assert_eq!(timeout(&agent.get(URL).await.unwrap_err()), (Phase::Connect, Sent::No));
}

#[tokio::test]
async fn a_server_that_drips_is_given_up_when_the_time_of_the_whole_is_over() {
    let server = Scripted::start([Reply::Drip(Duration::from_millis(5))]).await;
    let agent = Agent::with(&[RULE], &Outside::of(&server), hasty(), |_| {});
    let times = Times { total: Some(Duration::from_millis(400)), ..Times::default() };
    let response = agent.ask("GET", URL, &[], Payload::Whole(Bytes::new()), times).await.unwrap();
    assert_eq!(timeout(&text(response).await.unwrap_err()), (Phase::Total, Sent::Yes));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let server = Scripted::start([Reply::Drip(Duration::from_secs(3600))]).await;
    let agent = Agent::with(&[RULE], &Outside::of(&server), hasty(), |_| {});
    let response = agent.get(URL).await.unwrap();
    assert_eq!(timeout(&text(response).await.unwrap_err()), (Phase::BetweenBytes, Sent::Yes));
}

#[tokio::test]
async fn an_agent_that_never_writes_its_body_is_given_up() {
    let server = Scripted::start([Reply::Silence]).await;
    let agent = Agent::with(&[RULE], &Outside::of(&server), hasty(), |_| {});
    let body = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, FetchError>>().boxed());
    let payload = Payload::Stream { body: body.boxed_unsync(), length: None };
    let error = agent.ask("POST", URL, &[], payload, Times::default()).await.unwrap_err();
    assert_eq!(timeout(&error), (Phase::Send, Sent::Maybe));
}

#[tokio::test]
async fn an_agent_cannot_wait_longer_than_the_host_lets_it() {
    let server = Scripted::start([Reply::Silence]).await;
    let settings = limited(|limits| limits.first_byte.most = SHORT);
    let agent = Agent::with(&[RULE], &Outside::of(&server), settings, |_| {});
    let times = Times { first_byte: Some(Duration::from_secs(3600)), ..Times::default() };
    let error = agent.ask("GET", URL, &[], Payload::Whole(Bytes::new()), times).await.unwrap_err();
    assert_eq!(timeout(&error).0, Phase::FirstByte);
}

#[tokio::test]
async fn one_request_too_many_says_so_and_waits_for_another_to_end() {
    let server = Scripted::answering(|_| Reply::Endless).await;
    let settings = limited(|limits| limits.wait = SHORT);
    let agent = Agent::with(&[RULE], &Outside::of(&server), settings, |grants| {
        grants.limits.concurrent_requests = 1;
    });
    let held = agent.get(URL).await.unwrap();
    let error = agent.get(URL).await.unwrap_err();
    assert_eq!(error, FetchError::Busy { limit: 1, waited: SHORT });
    assert_eq!((error.sent(), server.connections()), (Sent::No, 1));
    drop(held);
    agent.get(URL).await.unwrap();
}
