//! What passes: effects that were judged, and messages between agents.

use molecule_tests::world::World;
use serde_json::{Value, json};

use crate::browser::{Browser, report};

fn effect(status: &str, metadata: Value) -> Value {
    json!({ "activity_type": "agent_log", "method": "gate", "summary": "an effect", "status": status, "metadata": metadata })
}

#[tokio::test]
async fn a_denied_effect_shows_the_grant_that_would_allow_it() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let (alice, other) = (world.create("alice").await, world.create("other").await);
        report(&world, &alice, effect("ok", json!({ "effect": "call", "target": "carol" }))).await;
        browser.open_chat(world.url(), &alice).await;
        browser.until_texts("#judged .what", &["call carol"]).await;
        let denial =
            json!({ "effect": "call", "target": "bob", "rule": "no peer is granted", "grant": "--allow-peer bob" });
        report(&world, &alice, effect("denied", denial.clone())).await;
        browser.until_texts("#judged .chip", &["denied", "granted"]).await;
        browser.until_texts("#judged .what", &["call bob", "call carol"]).await;
        browser.until_texts("#judged .why", &["no peer is granted"]).await;
        browser.until_texts("#judged .grant code", &["--allow-peer bob"]).await;
        browser.until_texts("#announced p", &["Denied: call bob. Allow it with --allow-peer bob"]).await;
        // The same again and again is one line.
        for _ in 0..2 {
            report(&world, &alice, effect("denied", denial.clone())).await;
        }
        browser.until_texts("#judged .times", &["×3"]).await;
        // Another's are another's, unless all are asked for.
        report(&world, &other, effect("ok", json!({ "effect": "call", "target": "dave" }))).await;
        browser.click("#everybody").await;
        browser.until_texts("#judged .what", &["call dave", "call bob", "call carol"]).await;
        browser.click("#everybody").await;
        browser.until_texts("#judged .what", &["call bob", "call carol"]).await;
        // Odd reports break nothing.
        report(&world, &alice, effect("denied", json!([1, { "effect": null }]))).await;
        browser.until_texts("#judged .what", &["an effect", "call bob", "call carol"]).await;
    })
    .await;
}

/// More rows than any list of the page keeps.
#[tokio::test]
async fn agents_that_talk_a_lot_do_not_hold_up_the_chat() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let (alice, bob) = (world.create("alice").await, world.create("bob").await);
        browser.open_chat(world.url(), &bob).await;
        for nth in 0..450 {
            let parts = json!([{ "kind": "text", "text": format!("message {nth}") }]);
            world.send(Some(&alice), &bob, &json!({ "role": "user", "parts": parts })).await;
        }
        browser.until("document.querySelector('#between .said').textContent === 'message 449'").await;
        assert_eq!(browser.look("document.querySelectorAll('#between li').length").await, 300);
        for nth in 0..450 {
            world.say(&bob, &format!("from the user {nth}")).await;
        }
        browser
            .until("[...document.querySelectorAll('#log .said')].at(-1)?.textContent === 'from the user 449'")
            .await;
        assert_eq!(browser.look("document.querySelectorAll('#log .said').length").await, 400);
        browser.click("#earlier").await;
        browser.until("document.querySelectorAll('#log .said').length === 450").await;
        assert_eq!(browser.texts("#log .said").await[0], "from the user 0");
        assert_eq!(browser.look("document.querySelector('#live').dataset.state").await, "live");
    })
    .await;
}

#[tokio::test]
async fn messages_between_agents_are_seen_as_they_pass() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let (alice, bob) = (world.create("alice").await, world.create("bob").await);
        browser.open(&format!("{}/", world.url())).await;
        browser.until_texts("#workspaces .name", &["alice", "bob"]).await;
        let message = |text: &str, metadata: Value| {
            json!({ "role": "agent", "metadata": metadata, "parts": [{ "kind": "text", "text": text }] })
        };
        world.send(Some(&alice), &bob, &message("are you there?", json!({}))).await;
        browser.until_texts("#between .name", &["alice", "bob"]).await;
        world.send(Some(&bob), &alice, &message("I am", json!({ "in_reply_to": "x" }))).await;
        browser.until_texts("#between .said", &["I am", "are you there?"]).await;
        assert_eq!(browser.look("document.querySelector('#between [role=img]').ariaLabel").await, "answers");
        // They are not what a person and an agent say to each other, and their names lead to them.
        browser.click("#between a[data-open]").await;
        browser.until_texts("#name", &["bob"]).await;
        assert_eq!(browser.texts("#log .said").await, [""; 0]);
        browser.until_texts("#between .said", &["I am", "are you there?"]).await;
        browser.driver().refresh().await.unwrap();
        browser.until_texts("#between .said", &["I am", "are you there?"]).await;
    })
    .await;
}
