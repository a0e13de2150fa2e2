//! Servers that lie, and those that have no end.

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use molecule_runtime::wit::Sent;
use molecule_runtime::{Bound, FetchError, Payload, Times};
use molecule_tests::scripted::{Reply, Scripted};

use super::outside::Outside;
use super::{Agent, text};

const RULE: &str = "GET,POST http://api.example.com/** max-response=1MiB max-request=1KiB";
const URL: &str = "http://api.example.com/";

/// What an agent gets of a server that answers these bytes and closes.
async fn answered(bytes: impl Into<Vec<u8>>) -> Result<String, FetchError> {
    replied(Reply::Raw(bytes.into())).await
}

async fn replied(reply: Reply) -> Result<String, FetchError> {
    let server = Scripted::start([reply]).await;
    let agent = Agent::new(&[RULE], &Outside::of(&server));
    let answer = match agent.get(URL).await {
        Ok(response) => text(response).await,
        Err(error) => Err(error),
    };
    assert_eq!(server.received().len(), 1, "it was sent once");
    answer
}

#[tokio::test]
async fn a_body_that_ends_before_its_length_is_no_whole_body() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello",
    ] {
        let error = answered(answer).await.unwrap_err();
        assert!(matches!(error, FetchError::Broken { sent: Sent::Yes, .. }), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn what_follows_a_body_is_not_part_of_it_nor_of_the_next() {
    let server = Scripted::start([
        Reply::Raw(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
                .to_vec(),
        ),
        Reply::typed(200, "text/plain", "good"),
    ])
    .await;
    let agent = Agent::new(&[RULE], &Outside::of(&server));
    assert_eq!(text(agent.get(URL).await.unwrap()).await.unwrap(), "ok");
    assert_eq!(text(agent.get(URL).await.unwrap()).await.unwrap(), "good");
}

#[tokio::test]
async fn a_body_has_an_end_even_where_the_server_knows_none() {
    let expected = FetchError::TooLarge { bound: Bound::ResponseBody, limit: 1024 * 1024 };
    let said = "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n";
    for reply in [Reply::Endless, Reply::Raw(said.into())] {
        let error = replied(reply).await.unwrap_err();
        assert_eq!((error.sent(), &error), (Sent::Yes, &expected));
    }
}

#[tokio::test]
async fn a_head_has_an_end() {
    let header = |index: usize| format!("X-{index}: {}\r\n", "y".repeat(1000));
    let long: String = (0..90).map(header).collect();
    let many = "x: y\r\n".repeat(200);
    for headers in [long, many] {
        let error = answered(format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { bound: Bound::ResponseHeaders, .. }), "{error:?}");
        assert_eq!(error.sent(), Sent::Yes);
    }
}

#[tokio::test]
async fn what_is_no_http_1_is_no_answer() {
    for answer in [
        "<html>an answer of 1991</html>".to_owned(),
        "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
        "HTTP/1.1 two hundred\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".to_owned(),
        "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000),
    ] {
        let error = answered(answer.as_str()).await.unwrap_err();
        assert!(matches!(error, FetchError::Protocol { .. }), "{answer:.40}: {error:?}");
    }
}

#[tokio::test]
async fn some_answers_that_say_nothing_do_no_harm() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(3);
    let answer = format!("{hints}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(answered(answer).await.unwrap(), "ok");
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_leaves_doubt() {
    let error = replied(Reply::Hangup).await.unwrap_err();
    assert!(matches!(error, FetchError::Broken { sent: Sent::Maybe, .. }), "{error:?}");
}

/// A body in these pieces.
fn stream(pieces: &'static [&'static str], length: Option<u64>) -> Payload {
    let frames =
        pieces.iter().map(|piece| Ok::<_, FetchError>(Frame::data(Bytes::from_static(piece.as_bytes()))));
    let body = StreamBody::new(futures::stream::iter(frames));
    Payload::Stream { body: body.boxed_unsync(), length }
}

#[tokio::test]
async fn a_body_that_is_written_as_it_goes_arrives_with_the_length_that_was_said() {
    let server = Scripted::start([Reply::empty(200)]).await;
    let agent = Agent::new(&[RULE], &Outside::of(&server));
    let length = [("content-length", "10")];
    let sent = agent.ask("POST", URL, &length, stream(&["hello", "world"], Some(10)), Times::default());
    assert_eq!(sent.await.unwrap().status(), 200);
    let received = server.received();
    assert_eq!(
        (received[0].text().as_str(), received[0].header("content-length")),
        ("helloworld", Some("10"))
    );
}

#[tokio::test]
async fn an_agent_is_held_to_its_limit_and_to_the_length_it_says() {
    const LONG: &str = match std::str::from_utf8(&[b'x'; 600]) {
        Ok(text) => text,
        Err(_) => "",
    };
    let server = Scripted::answering(|_| Reply::empty(200)).await;
    let agent = Agent::new(&[RULE], &Outside::of(&server));
    let too_large = FetchError::TooLarge { bound: Bound::RequestBody, limit: 1024 };
    let error = agent.ask("POST", URL, &[], stream(&[LONG, LONG], None), Times::default()).await.unwrap_err();
    assert_eq!((error.sent(), error), (Sent::Maybe, too_large));
    for (pieces, said) in [(&["hello", "world"][..], 9), (&["hello"][..], 6)] {
        let error =
            agent.ask("POST", URL, &[], stream(pieces, Some(said)), Times::default()).await.unwrap_err();
        assert!(matches!(error, FetchError::Invalid(_)), "{error:?}");
    }
}

/// HTTP/1.1 asks for nothing behind the last byte.
#[tokio::test]
async fn a_body_of_known_length_that_is_written_leaves_its_connection_to_the_next() {
    let server = Scripted::answering(|_| Reply::json(200, "{}")).await;
    let agent = Agent::new(&[RULE], &Outside::of(&server));
    for _ in 0..3 {
        let sent = agent.ask("POST", URL, &[], stream(&["hello", "world"], Some(10)), Times::default());
        assert_eq!(text(sent.await.unwrap()).await.unwrap(), "{}");
    }
    assert_eq!((server.received().len(), server.connections()), (3, 1));
}
