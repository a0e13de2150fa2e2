//! Who gets in.

use molecule_platform::{Config, Environment, Platform};
use molecule_tests::canvas::Canvas;
use reqwest::Method;
use serde_json::json;

use crate::browser::Browser;

const ADMIN: &str = "the+admin&token=of%20this-test";

fn strict() -> Config {
    let admin_token = Some(ADMIN.parse().unwrap());
    Config { environment: Environment::Production, admin_token, ..Config::default() }
}

#[tokio::test]
async fn the_printed_address_lets_in_and_does_not_keep_the_token_in_sight() {
    Browser::run(async |browser| {
        let platform = Platform::start(strict()).await.unwrap();
        browser.open(&platform.page()).await;
        browser.until("document.querySelector('#live').dataset.state === 'live'").await;
        assert_eq!(browser.look("location.href").await, format!("{}/", platform.url));
        assert_eq!(browser.look("document.documentElement.outerHTML.includes('admin&token')").await, false);
        // It is the operator who writes.
        let canvas = Canvas::of(platform.url.to_string());
        let new = json!({ "name": "quiet", "external": true });
        let (status, _) = canvas.ask(Method::POST, "/workspaces", Some(ADMIN), Some(&new)).await;
        assert_eq!(status, 201);
        browser.until("document.querySelector('#name').textContent === 'quiet'").await;
        browser.say("hello").await;
        browser.until_texts("#log .entry:not(.pending) .said", &["hello"]).await;
        // Kept for this tab.
        browser.driver().refresh().await.unwrap();
        browser.until_texts("#log .entry:not(.pending) .said", &["hello"]).await;
        platform.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn without_the_token_the_page_shows_nothing_and_asks_for_it() {
    Browser::run(async |browser| {
        let platform = Platform::start(strict()).await.unwrap();
        browser.open(&format!("{}/#token=wrong-one", platform.url)).await;
        for _ in 0..2 {
            browser.until("document.querySelector('#token-dialog').open").await;
            assert_eq!(browser.look("document.querySelector('#live').dataset.state").await, "broken");
            browser.click("#token").await;
            browser.press("a-wrong-one").await;
            browser.click("#token-dialog .primary").await;
            browser.until("!document.querySelector('#token-dialog').open").await;
        }
        browser.until("document.querySelector('#token-dialog').open").await;
        browser.click("#token").await;
        browser.press(ADMIN).await;
        browser.click("#token-dialog .primary").await;
        browser.until("document.querySelector('#live').dataset.state === 'live'").await;
        browser.until("!document.querySelector('#token-dialog').open").await;
        platform.shutdown().await;
    })
    .await;
}
