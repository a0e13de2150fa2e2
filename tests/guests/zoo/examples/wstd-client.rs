//! Gets the URL that a message says with the client of `wstd`, which speaks `wasi:http` and knows nothing of this host,
//! and answers with the status and the body, or with the error. What is behind the URL is its `authorization`.

use molecule_guest::{Agent, Card, Message, Outcome, Result};
use wstd::http::{Body, Client, Request};

#[derive(Default)]
struct WstdClient;

impl Agent for WstdClient {
    fn describe() -> Card {
        zoo::card("wstd-client")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        let (url, authorization) = zoo::words(&text);
        // It has an executor of its own.
        let answer = wstd::runtime::block_on(get(url, authorization));
        Ok(answer.unwrap_or_else(|error| format!("error {error:#}")).into())
    }
}

async fn get(url: &str, authorization: &str) -> Result<String> {
    let mut request = Request::get(url);
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    let mut response = Client::new().send(request.body(Body::empty())?).await?;
    let status = response.status().as_u16();
    let body = response.body_mut().str_contents().await?;
    Ok(format!("{status} {body}"))
}

molecule_guest::export!(WstdClient);
