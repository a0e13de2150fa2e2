//! What an operator does with a workspace.

use molecule_host::Ended;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::world::World;
use reqwest::Method;
use serde_json::json;
use thirtyfour::Key;

use crate::browser::{Browser, beat};

#[tokio::test]
async fn a_workspace_is_paused_and_resumed() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let workspace = world.create("echo").await;
        let host = host(&world.path("state")).await;
        let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &workspace)).await;
        browser.open_chat(world.url(), &workspace).await;
        browser.until("document.querySelector('#status').textContent === 'online'").await;
        browser.click("#pause").await;
        browser.until("document.querySelector('#status').textContent === 'paused'").await;
        browser.until_texts("#workspaces .state", &["paused"]).await;
        world.status(&workspace, "paused").await;
        browser.until("document.querySelector('#pause').textContent === 'Resume'").await;
        browser.click("#pause").await;
        // Its agent comes back by itself.
        browser.until("document.querySelector('#status').textContent === 'online'").await;
        assert_eq!(browser.texts("#pause").await, ["Pause"]);
        agent.stop().await;
    })
    .await;
}

#[tokio::test]
async fn deleting_asks_first() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let workspace = world.create("echo").await;
        let host = host(&world.path("state")).await;
        let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &workspace)).await;
        browser.open_chat(world.url(), &workspace).await;
        browser.until("document.querySelector('#status').textContent === 'online'").await;
        browser.click("#delete").await;
        browser.until_texts("#delete-dialog[open] h2", &["Delete echo?"]).await;
        assert_eq!(browser.look("document.activeElement.value").await, "keep", "Enter deletes nothing");
        browser.click("#delete-dialog [value=keep]").await;
        browser.until("!document.querySelector('#delete-dialog').open").await;
        browser.click("#delete").await;
        browser.press(Key::Escape).await;
        browser.until("!document.querySelector('#delete-dialog').open").await;
        assert_eq!(browser.texts("#workspaces .name").await, ["echo"]);
        world.status(&workspace, "online").await;

        browser.click("#delete").await;
        browser.click("#delete-dialog [value=delete]").await;
        browser.until_texts("#workspaces .name", &[]).await;
        browser.until("document.querySelector('#workspace').hidden").await;
        browser.until_texts("#nobody h2", &["No workspace yet"]).await;
        assert_eq!(agent.ended().await, Ended::Removed);
    })
    .await;
}

#[tokio::test]
async fn deleting_names_the_workspaces_that_go_with_it() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let parent = world.create("parent").await;
        let mut above = json!(parent.id);
        for name in ["child", "grandchild"] {
            let below = json!({ "name": name, "external": true, "parent_id": above });
            let (status, made) = world.ask(Method::POST, "/workspaces", None, Some(&below)).await;
            assert_eq!(status, 201);
            above = made["id"].clone();
        }
        browser.open_chat(world.url(), &parent).await;
        browser.until_texts("#workspaces .name", &["child", "grandchild", "parent"]).await;
        browser.click("#delete").await;
        browser.until_texts("#delete-below li", &["child", "grandchild"]).await;
        browser.click("#delete-dialog [value=delete]").await;
        browser.until_texts("#workspaces .name", &[]).await;
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_set_and_never_shown() {
    const VALUE: &str = "sk-a-value-that-nobody-may-see";
    Browser::run(async |browser| {
        let world = World::new().await;
        let workspace = world.create("echo").await;
        browser.open_chat(world.url(), &workspace).await;
        browser.click("#secrets").await;
        browser.click("#secret-name").await;
        browser.press("OPENAI_API_KEY").await;
        browser.press(Key::Tab).await;
        browser.press(VALUE).await;
        browser.press(Key::Enter).await;
        browser.until_texts("#secrets-names code", &["OPENAI_API_KEY"]).await;
        assert_eq!(browser.look("document.querySelector('#secret-value').value").await, "");
        assert_eq!(browser.look(&format!("document.body.textContent.includes('{VALUE}')")).await, false);
        let path = format!("/workspaces/{}/secrets/values", workspace.id);
        let (_, values) = world.ask(Method::GET, &path, Some(&workspace.token), None).await;
        assert_eq!(values, json!({ "OPENAI_API_KEY": VALUE }));
        browser.click("#secrets-names button").await;
        browser.until_texts("#secrets-names code", &[]).await;
        browser.click("#secrets-close").await;
        browser.until("!document.querySelector('#secrets-dialog').open").await;
    })
    .await;
}

#[tokio::test]
async fn status_task_and_heartbeat_change_as_they_do() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let workspace = world.create("worker").await;
        browser.open_chat(world.url(), &workspace).await;
        browser.until_texts("#workspaces .state", &["awaiting agent"]).await;
        browser.until_texts("#heard", &["never"]).await;
        beat(&world, &workspace, json!({ "current_task": "counting sheep" })).await;
        browser.until_texts("#workspaces .state", &["online"]).await;
        browser.until_texts("#workspaces .task", &["counting sheep"]).await;
        browser.until_texts("#task", &["counting sheep"]).await;
        browser.until("/^(now|\\d+ s ago)$/.test(document.querySelector('#heard').textContent)").await;
        let wedged = json!({ "runtime_state": "wedged", "sample_error": "it panicked at lib.rs:7" });
        beat(&world, &workspace, wedged).await;
        browser.until_texts("#status", &["degraded"]).await;
        browser.until_texts("#trouble", &["it panicked at lib.rs:7"]).await;
        // Another one's words are marked until somebody looks.
        let other = world.create("other").await;
        let (_, _) = world
            .ask(
                Method::POST,
                &format!("/workspaces/{}/notify", other.id),
                Some(&other.token),
                Some(&json!({ "message": "look here" })),
            )
            .await;
        browser.until("document.querySelector('.unread:not([hidden])')").await;
        browser.click(&format!("a[data-id='{}']", other.id)).await;
        browser.until_texts("#log .said", &["look here"]).await;
        browser.until("!document.querySelector('.unread:not([hidden])')").await;
        browser.driver().back().await.unwrap();
        browser.until_texts("#name", &["worker"]).await;
    })
    .await;
}
