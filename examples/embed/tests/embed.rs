//! The program as its README has it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

use std::path::Path;

use molecule_tests::canvas::Canvas;
use molecule_tests::guests;
use molecule_tests::process::CommandLine;
use reqwest::Method;

#[tokio::test]
async fn three_agents_run_and_what_happens_is_shown() {
    let components = Path::new(guests::ECHO).parent().unwrap();
    let service = CommandLine::new("embed", [components]).spawn();
    for line in [
        "[echo] delivered to user",
        "[assistant] delivered to user",
        "[stranger] denied 1 times: peers.call echo; --allow-peer echo allows it",
    ] {
        service.says(line).await;
    }
    let line = service.says("this service listens on http://").await;
    let url = line.split([' ', ';']).find(|word| word.starts_with("http://")).unwrap();
    let itself = Canvas::of(url);
    let (status, agents) = itself.ask(Method::GET, "/", None, None).await;
    assert_eq!((status, agents["stranger"]["denials"].as_u64()), (200, Some(1)), "{agents}");
    assert_eq!(itself.ask(Method::POST, "/say/nobody", None, None).await.0, 404);
    assert_eq!(itself.ask(Method::POST, "/say/echo", None, Some(&"again".into())).await.0, 202);
    service.says_often("[echo] delivered to user", 2).await;
}
