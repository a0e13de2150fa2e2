//! Requests of a guest, as they reach the services: by `molecule:agent/http` and by `wasi:http`.

use molecule_gate::Grants;
use molecule_tests::guests;

use super::fixture::{What, agent};

fn granted(rules: &[&str]) -> Grants {
    Grants { net: rules.iter().map(|rule| rule.parse().unwrap()).collect(), ..Grants::default() }
}

#[tokio::test]
async fn a_request_is_sent_as_the_agent_built_it_and_its_answer_read_in_pieces() {
    let mut running =
        agent(guests::FETCHES).granted(granted(&["* https://api.example.com/**"])).start().await;
    let answer = running.ask("GET https://api.example.com/v1/a?b=c accept:text/plain").await;
    assert_eq!(answer, "200 GET https://api.example.com/v1/a?b=c");
    let asked = running.asked().await;
    assert_eq!(asked.what, What::Fetch("GET https://api.example.com/v1/a?b=c".to_owned()));
    assert_eq!((asked.callback, asked.message.is_some()), ("on-message", true));
    assert_eq!(running.ask("stream PUT https://api.example.com/").await, "200\n4\n24");
    assert_eq!(running.ask("half PUT https://api.example.com/").await, "4 bytes and no more");
}

#[tokio::test]
async fn a_body_is_sent_whole_or_as_it_is_written() {
    let mut running = agent(guests::FETCHES).granted(granted(&["POST https://a.example/**"])).start().await;
    for (call, body) in [
        ("pipe POST https://a.example/", "one two three"),
        ("json POST https://a.example/ {\"a\":1}", "{\"a\":1}"),
    ] {
        let expected = format!("POST https://a.example/ {body}");
        assert_eq!(running.ask(call).await, format!("200 {expected}"));
        assert_eq!(running.asked().await.what, What::Fetch(expected));
    }
}

#[tokio::test]
async fn what_was_not_granted_is_not_sent_and_says_what_would_grant_it() {
    let mut running = agent(guests::FETCHES).granted(granted(&["GET https://a.example/v1/**"])).start().await;
    for (call, grant) in [
        ("POST https://a.example/v1/x", "--allow-net 'POST https://a.example/v1/x'"),
        ("GET https://a.example/v2", "--allow-net https://a.example/v2"),
        ("GET https://b.example/v1/x", "--allow-net https://b.example/v1/x"),
    ] {
        assert_eq!(running.ask(call).await, format!("denied network, grant Some({grant:?})"));
    }
    for call in
        ["GET https://u:p@a.example/v1/x", "GET https://a.example/v1/../v2", "GET ftp://a.example/v1/x"]
    {
        assert!(running.ask(call).await.starts_with("error invalid: "), "{call}");
    }
    assert!(running.all_asked().is_empty());
}

#[tokio::test]
async fn headers_that_are_the_host_s_own_are_refused() {
    let mut running = agent(guests::FETCHES).granted(granted(&["GET https://a.example/"])).start().await;
    for header in ["host:b.example", "connection:close", "transfer-encoding:chunked", "content-length:7"] {
        let answer = running.ask(&format!("GET https://a.example/ {header}")).await;
        assert!(answer.starts_with("error invalid: the header "), "{header}: {answer}");
    }
    assert!(running.all_asked().is_empty());
}

#[tokio::test]
async fn a_client_that_speaks_wasi_http_goes_the_same_way() {
    let mut running =
        agent(guests::WSTD_CLIENT).granted(granted(&["GET https://a.example/**"])).start().await;
    assert_eq!(running.ask("https://a.example/v1?x=1").await, "200 GET https://a.example/v1?x=1");
    let asked = running.asked().await;
    assert_eq!(asked.what, What::Fetch("GET https://a.example/v1?x=1".to_owned()));
    assert_eq!(asked.message.as_deref(), Some("https://a.example/v1?x=1"), "whose request it is, is known");
    let denied = running.ask("https://b.example/").await;
    assert!(denied.starts_with("error ") && denied.contains("HttpRequestDenied"), "{denied}");
    assert!(running.all_asked().is_empty());
    let receipts = running.gate.receipts().latest();
    assert_eq!(receipts.last().unwrap().grant.as_deref(), Some("--allow-net https://b.example/"));
}
