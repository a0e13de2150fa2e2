//! Requests of an agent, answered by the scripted host.
#![allow(missing_docs)]

use futures::{StreamExt, stream, try_join};
use molecule_guest::testing::{Host, Response};
use molecule_guest::{Error, Result, http, secrets};

#[test]
fn a_request_is_made_as_it_was_built_and_a_secret_stays_a_reference() {
    let host = Host::new().secret("KEY").on_fetch(|_| Ok("42".into()));
    let text: Result<String> = host.run(async {
        let request =
            http::post("https://api.example.com/v1/sum?x=1#never-sent").bearer(secrets::reference("KEY"));
        request.header("X-Trace", "7").body("1 + 41").await?.ok()?.text().await.map_err(Into::into)
    });
    assert_eq!(text.unwrap(), "42");
    let [fetch] = host.fetches().try_into().unwrap();
    assert_eq!((fetch.method.as_str(), fetch.url.as_str()), ("POST", "https://api.example.com/v1/sum?x=1"));
    assert_eq!(fetch.header("Authorization"), Some("Bearer {{secret:KEY}}"));
    assert_eq!((fetch.header("x-trace"), fetch.text().as_str()), (Some("7"), "1 + 41"));
    assert_eq!(host.run(async { secrets::names() }), ["KEY"]);
}

#[test]
fn without_an_answer_a_request_is_denied_and_says_what_would_grant_it() {
    let denied = Host::new().run(async { http::get("https://example.com/").await }).unwrap_err();
    let Error::Denied(denial) = denied else { panic!("{denied:?}") };
    assert_eq!(denial.grant.as_deref(), Some("--allow-net 'GET https://example.com/'"));
}

#[test]
fn a_status_that_is_no_success_is_an_error_only_where_that_is_asked_for() {
    let host = Host::new().on_fetch(|_| Ok(Response::new(302).header("Location", "https://b.example/")));
    let response = host.run(async { http::get("https://a.example/").await }).unwrap();
    assert_eq!((response.status(), response.header("location")), (302, Some("https://b.example/")));
    let error = response.ok().unwrap_err();
    assert_eq!(error.to_string(), "the server answers 302 and points to https://b.example/");
}

#[test]
fn server_sent_events_come_one_by_one_across_pieces() {
    let host = Host::new().on_fetch(|_| {
        Ok(Response::new(200).piece("data: Hel").piece("lo\n\nevent: end\nda").piece("ta: .\n\ndata: lost"))
    });
    let events = host.run(async {
        let mut events = http::get("https://a.example/").await?.events();
        let mut all = Vec::new();
        while let Some(event) = events.next().await? {
            all.push((event.name, event.data));
        }
        Result::<_, Error>::Ok(all)
    });
    let expected =
        [("message", "Hello"), ("end", ".")].map(|(name, data)| (name.to_owned(), data.to_owned()));
    assert_eq!(events.unwrap(), expected);
}

#[test]
fn a_body_is_written_while_the_request_is_sent() {
    let host = Host::new().on_fetch(|fetch| Ok(fetch.text().as_str().into()));
    let echoed = host.run(async {
        let (writer, body) = http::pipe();
        let writing = async {
            let mut pieces = stream::iter(["one ", "two ", "three"]);
            while let Some(piece) = pieces.next().await {
                writer.write(piece).await?;
            }
            writer.finish().await
        };
        let sending = http::post("https://a.example/").body(body);
        let (response, ()) = try_join!(sending.into_future(), writing)?;
        response.text().await
    });
    assert_eq!(echoed.unwrap(), "one two three");
}

#[test]
fn a_body_that_is_not_finished_breaks_the_request_off() {
    let host = Host::new().on_fetch(|_| Ok("never".into()));
    let error = host.run(async {
        let (writer, body) = http::pipe();
        writer.write("half").await.unwrap();
        drop(writer);
        http::post("https://a.example/").body(body).await
    });
    assert!(matches!(error, Err(Error::Unavailable(_))), "{error:?}");
    assert_eq!(host.fetches(), []);
}

#[test]
fn a_secret_is_revealed_only_where_that_is_granted() {
    let host = Host::new().secret("HIDDEN").revealed_secret("SHOWN", "value");
    let reveal = |name: &'static str| host.run(secrets::reveal(name));
    assert_eq!(reveal("SHOWN"), Ok("value".to_owned()));
    assert!(
        matches!(reveal("HIDDEN"), Err(Error::Denied(denial)) if denial.grant.as_deref() == Some("--allow-reveal HIDDEN"))
    );
    assert!(matches!(reveal("NONE"), Err(Error::NotFound(_))));
}
