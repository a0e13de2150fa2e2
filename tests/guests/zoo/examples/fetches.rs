//! Sends the request that a message says, `<METHOD> <URL> [<header>: <value> ...]`, each word behind the URL a header
//! whose value has `~` for blanks, and answers with what came of it. In front of the method there may be a word that says
//! how:
//!
//! - `stream`: the pieces of the body one by one, as lines of `<bytes>`; the first 64 only
//! - `events`: server-sent events, as lines of `<name> <data>`
//! - `pipe`: sends `one two three` as a body in three pieces
//! - `json`: sends what is behind the URL as a JSON body
//! - `half`: reads one piece, and lets go
//! - `twice`: the same request two times at once

use futures::{join, try_join};
use molecule_guest::http::{self, Request, Response};
use molecule_guest::{Agent, Card, Error, Message, Outcome, Result, bail};

#[derive(Default)]
struct Fetches;

impl Agent for Fetches {
    fn describe() -> Card {
        zoo::card("fetches").concurrency(8)
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        let (how, rest) = match zoo::words(&text) {
            (how, rest) if how.chars().all(|c| c.is_ascii_lowercase()) => (how, rest),
            _ => ("", text.as_str()),
        };
        let answer = match how {
            "" => whole(request(rest).await).await,
            "stream" => stream(request(rest).await).await,
            "events" => events(request(rest).await).await,
            "half" => half(request(rest).await).await,
            "pipe" => pipe(rest).await,
            "json" => json(rest).await,
            "twice" => {
                let (one, other) = join!(whole(request(rest).await), whole(request(rest).await));
                one.and_then(|one| Ok(format!("{one}\n{}", other?)))
            }
            other => bail!("I do not know how to {other}"),
        };
        Ok(match answer {
            Ok(answer) => answer,
            Err(error) => zoo::verdict::<()>(Err(error)),
        }
        .into())
    }
}

async fn request(text: &str) -> Result<Response, Error> {
    build(text).await
}

fn build(text: &str) -> Request {
    let mut words = text.split(' ');
    let (method, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let request = http::request(method, url);
    words.filter_map(|word| word.split_once(':')).fold(request, |request, (name, value)| {
        request.header(name, value.trim_start_matches('~').replace('~', " "))
    })
}

async fn whole(response: Result<Response, Error>) -> Result<String, Error> {
    let response = response?;
    let (status, location) = (response.status(), response.header("location").map(str::to_owned));
    let text = response.text().await?;
    Ok(match location {
        Some(location) => format!("{status} to {location} {text}"),
        None => format!("{status} {text}"),
    })
}

async fn stream(response: Result<Response, Error>) -> Result<String, Error> {
    let mut response = response?;
    let mut lines = vec![response.status().to_string()];
    while let Some(piece) = response.chunk().await? {
        if lines.len() <= 64 {
            lines.push(piece.len().to_string());
        }
    }
    Ok(lines.join("\n"))
}

async fn events(response: Result<Response, Error>) -> Result<String, Error> {
    let mut events = response?.events();
    let mut lines = Vec::new();
    while let Some(event) = events.next().await? {
        lines.push(format!("{} {}", event.name, event.data));
    }
    Ok(lines.join("\n"))
}

async fn half(response: Result<Response, Error>) -> Result<String, Error> {
    let mut response = response?;
    let piece = response.chunk().await?;
    Ok(format!("{} bytes and no more", piece.map_or(0, |piece| piece.len())))
}

async fn pipe(rest: &str) -> Result<String, Error> {
    let (writer, body) = http::pipe();
    let writing = async {
        for piece in ["one ", "two ", "three"] {
            writer.write(piece).await?;
        }
        writer.finish().await
    };
    let (response, ()) = try_join!(build(rest).body(body).into_future(), writing)?;
    whole(Ok(response)).await
}

async fn json(rest: &str) -> Result<String, Error> {
    let (method, rest) = zoo::words(rest);
    let (url, body) = zoo::words(rest);
    whole(http::request(method, url).header("content-type", "application/json").body(body).await).await
}

molecule_guest::export!(Fetches);
