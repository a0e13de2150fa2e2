//! A person and an agent.

use molecule_tests::canvas::Workspace;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::process::CommandLine;
use molecule_tests::world::World;
use serde_json::json;
use thirtyfour::Key;

use crate::browser::{Browser, beat, report};

/// The texts of the chat.
const SAID: &str = "#log .entry .said";

/// An agent that answers with what it got.
async fn echo(world: &World) -> (Workspace, Embedded) {
    let workspace = world.create("echo").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &workspace)).await;
    world.status(&workspace, "online").await;
    (workspace, agent)
}

#[tokio::test]
async fn a_person_writes_and_the_answer_appears_without_a_reload() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let (_, agent) = echo(&world).await;
        browser.open(&format!("{}/", world.url())).await;
        // The only agent there is needs not to be chosen.
        browser.until("document.querySelector('#status').textContent === 'online'").await;
        browser.look("window.sameDocument = true").await;
        browser.say("hello").await;
        browser.until_texts(SAID, &["hello", "hello"]).await;
        browser.until_texts("#log .author", &["You", "echo"]).await;
        browser.say("two\u{e008}\u{e007}\u{e008}lines").await;
        browser.until_texts(SAID, &["hello", "hello", "two\nlines", "two\nlines"]).await;
        assert_eq!(browser.texts("#log .pending").await, [""; 0]);
        assert_eq!(browser.look("window.sameDocument").await, true);
        // Who hears the page is told of the answer, and not of what he wrote himself.
        browser.until_texts("#announced p", &["echo: two\nlines"]).await;
        browser.driver().refresh().await.unwrap();
        browser.until_texts(SAID, &["hello", "hello", "two\nlines", "two\nlines"]).await;
        agent.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_second_tab_sees_the_same() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let (workspace, agent) = echo(&world).await;
        browser.open_chat(world.url(), &workspace).await;
        browser.another_tab().await;
        browser.open_chat(world.url(), &workspace).await;
        browser.say("from the second").await;
        browser.until_texts(SAID, &["from the second"; 2]).await;
        browser.tab(0).await;
        browser.until_texts(SAID, &["from the second"; 2]).await;
        browser.say("from the first").await;
        let both = ["from the second", "from the second", "from the first", "from the first"];
        browser.until_texts(SAID, &both).await;
        browser.tab(1).await;
        browser.until_texts(SAID, &both).await;
        agent.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_keyboard_alone_finds_an_agent_writes_and_sends() {
    Browser::run(async |browser| {
        let world = World::new().await;
        for name in ["alpha", "beta"] {
            world.create(name).await;
        }
        let (_, agent) = echo(&world).await;
        browser.open(&format!("{}/", world.url())).await;
        browser.until_texts("#workspaces .name", &["alpha", "beta", "echo"]).await;
        // From the filter into the list, along it, and into the chat.
        browser.press(Key::Control + "k").await;
        browser.until("document.activeElement.id === 'filter'").await;
        browser.press(Key::Down).await;
        browser.press(Key::Down).await;
        browser.press(Key::Down).await;
        browser
            .until("document.activeElement.dataset.id && document.activeElement.innerText.startsWith('echo')")
            .await;
        browser.press(Key::Enter).await;
        browser.until("document.activeElement.id === 'text'").await;
        browser.press("hello").await;
        browser.press(Key::Enter).await;
        browser.until_texts(SAID, &["hello", "hello"]).await;
        assert_eq!(
            browser.look("document.activeElement.id").await,
            "text",
            "the next message can be written"
        );
        // Or by what is typed.
        browser.press(Key::Tab).await;
        assert_eq!(browser.look("document.activeElement.textContent").await, "Send");
        browser.press(Key::Control + "k").await;
        browser.press("bet").await;
        browser.press(Key::Enter).await;
        browser.until("document.querySelector('#name').textContent === 'beta'").await;
        assert_eq!(browser.look("document.activeElement.id").await, "text");
        agent.stop().await;
    })
    .await;
}

/// Fails when a text of an agent's is put into the page as anything but a text.
#[tokio::test]
async fn markup_from_an_agent_stays_text() {
    const SCRIPT: &str = "<script>window.hacked = 1</script>";
    const IMAGE: &str = "<img src=x onerror=\"window.hacked = 2\">";
    Browser::run(async |browser| {
        let world = World::new().await;
        let (workspace, agent) = echo(&world).await;
        let peer = world.create("peer").await;
        browser.open_chat(world.url(), &workspace).await;
        let elements = "document.querySelectorAll('script, img, b').length";
        let before = browser.look(elements).await;
        for text in [SCRIPT, IMAGE] {
            browser.say(text).await;
        }
        browser.until_texts(".entry.agent .said", &[SCRIPT, IMAGE]).await;
        let texts = json!({ "effect": IMAGE, "target": SCRIPT, "rule": IMAGE, "grant": SCRIPT });
        let row =
            json!({ "activity_type": "agent_log", "method": "gate", "status": "denied", "metadata": texts });
        report(&world, &workspace, row).await;
        report(&world, &workspace, json!({ "activity_type": "error", "summary": IMAGE })).await;
        let message = json!({ "role": "user", "parts": [{ "kind": "text", "text": SCRIPT }] });
        world.send(Some(&peer), &workspace, &message).await;
        beat(&world, &peer, json!({ "current_task": IMAGE, "sample_error": SCRIPT })).await;
        browser.until_texts(".entry.note .said", &[IMAGE]).await;
        browser.until_texts("#judged .what", &[&format!("{IMAGE} {SCRIPT}")]).await;
        browser.until_texts("#judged .grant code", &[SCRIPT]).await;
        // And what the echo answers.
        browser.until_texts("#between .said", &[SCRIPT, SCRIPT]).await;
        browser
            .until(&format!("document.querySelector('#workspaces').textContent.includes({})", json!(IMAGE)))
            .await;
        assert_eq!(browser.look(elements).await, before);
        assert_eq!(browser.look("window.hacked ?? null").await, json!(null));
        // And if the page tried, the browser would not let it.
        let tries =
            "(() => { try { document.body.innerHTML = '<b></b>'; } catch (error) { return error.name; } })()";
        assert_eq!(browser.look(tries).await, "TypeError");
        agent.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_page_that_was_cut_off_catches_up() {
    Browser::run(async |browser| {
        let mut world = World::new().await;
        let workspace = world.create("quiet").await;
        browser.open_chat(world.url(), &workspace).await;
        world.say(&workspace, "before").await;
        browser.until_texts(SAID, &["before"]).await;
        world.stop_platform().await;
        browser.until("document.querySelector('#live').dataset.state === 'broken'").await;
        browser.click("#text").await;
        browser.press("a draft").await;
        world.start_platform().await;
        for text in ["missed", "and this"] {
            world.say(&workspace, text).await;
        }
        browser.until_texts(SAID, &["before", "missed", "and this"]).await;
        browser.until("document.querySelector('#live').dataset.state === 'live'").await;
        assert_eq!(browser.look("document.querySelector('#text').value").await, "a draft");
    })
    .await;
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_not_lost_for_the_person() {
    Browser::run(async |browser| {
        let mut world = World::new().await;
        let workspace = world.create("quiet").await;
        browser.open_chat(world.url(), &workspace).await;
        world.stop_platform().await;
        browser.say("precious").await;
        browser.until("document.querySelector('#problem').textContent.includes('was not sent')").await;
        assert_eq!(browser.look("document.querySelector('#text').value").await, "precious");
        browser.until_texts(SAID, &[]).await;
    })
    .await;
}

#[tokio::test]
async fn a_long_chat_is_read_in_pages_and_a_long_message_whole() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let workspace = world.create("talker").await;
        let texts: Vec<String> = (0..120).map(|nth| format!("message {nth}")).collect();
        for text in &texts {
            world.say(&workspace, text).await;
        }
        browser.open_chat(world.url(), &workspace).await;
        let from = |first: usize| texts[first..].iter().map(String::as_str).collect::<Vec<_>>();
        browser.until_texts(SAID, &from(70)).await;
        for first in [20, 0] {
            browser.click("#earlier").await;
            browser.until_texts(SAID, &from(first)).await;
        }
        assert_eq!(browser.look("document.querySelector('#earlier').hidden").await, true);
        // More than the stream brings.
        let long = "word ".repeat(20_000);
        world.say(&workspace, &long).await;
        browser
            .until(&format!(
                "[...document.querySelectorAll({})].at(-1).textContent.length === 100000",
                json!(SAID)
            ))
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_dev_prints_opens_the_page() {
    Browser::run(async |browser| {
        let home = tempfile::tempdir().unwrap();
        let program =
            CommandLine::new("molecule-host", ["dev", guests::ECHO]).variable("HOME", home.path()).spawn();
        let line = program.says("  page ").await;
        let address = line.trim_start().strip_prefix("page").unwrap().trim();
        browser.open(address).await;
        browser.until("document.querySelector('#name').textContent === 'echo'").await;
        browser.say("hello").await;
        browser.until_texts(SAID, &["hello", "hello"]).await;
        program.terminate();
        program.ended().await;
    })
    .await;
}
