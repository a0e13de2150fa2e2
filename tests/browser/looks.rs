//! How the page looks and sounds. With `MOLECULE_PICTURES=FOLDER` it also takes the pictures of the README.

use std::path::Path;

use molecule_tests::canvas::Workspace;
use molecule_tests::world::World;
use reqwest::Method;
use serde_json::{Value, json};

use crate::browser::{Browser, beat, report};

/// The least contrast of a text and what is behind it (WCAG 2.2, 1.4.3).
const CONTRAST: &str = "(() => {
    // Colours may be in any space; what a canvas makes of them is red, green and blue.
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const over = (colours) => {
        canvas.clearRect(0, 0, 1, 1);
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        return Array.from(canvas.getImageData(0, 0, 1, 1).data.slice(0, 3));
    };
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((it) => it / 255).map((it) => it <= .04045 ? it / 12.92 : ((it + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const poor = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = Array.from(element.childNodes).some((it) => it.nodeType === 3 && it.data.trim() !== '');
        if (!own || !element.checkVisibility() || element.closest('.unseen, .pending')) continue;
        const behind = [];
        for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
        const [ink, paper] = [over([...behind, getComputedStyle(element).color]), over(behind)].map(luminance);
        const contrast = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
        if (contrast < 4.5) poor.push(`${element.textContent.trim()}: ${contrast.toFixed(2)}`);
    }
    return poor;
})()";

#[tokio::test]
async fn every_text_can_be_read_in_light_and_in_dark() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let workspaces = scene(&world).await;
        let mut grounds = Vec::new();
        for scheme in ["light", "dark"] {
            browser.likes(scheme).await;
            browser.open_chat(world.url(), &workspaces[0]).await;
            browser.until("document.querySelectorAll('#log .entry').length === 5").await;
            browser.until("document.querySelectorAll('#judged .chip').length === 3").await;
            grounds.push(browser.look("getComputedStyle(document.querySelector('main')).colorScheme").await);
            grounds.push(browser.look("getComputedStyle(document.body).backgroundColor").await);
            if let Some(folder) = std::env::var_os("MOLECULE_PICTURES") {
                browser.look("document.activeElement.blur()").await;
                let file = Path::new(&folder).join(format!("page-{scheme}.png"));
                browser.driver().screenshot(&file).await.unwrap();
            }
            for status in ["online", "degraded", "paused", "failed", "provisioning", "awaiting_agent"] {
                // In one go: the next second would put it right again.
                let look =
                    format!("(document.querySelector('#status').dataset.status = '{status}', {CONTRAST})");
                assert_eq!(browser.look(&look).await, json!([]), "{status} in {scheme}");
            }
        }
        assert_ne!(grounds[1], grounds[3]);
    })
    .await;
}

#[tokio::test]
async fn who_hears_the_page_finds_its_parts_and_every_control_has_a_name() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let workspaces = scene(&world).await;
        browser.open_chat(world.url(), &workspaces[0]).await;
        browser.until("document.querySelectorAll('#judged .chip').length === 3").await;
        let tree = browser.driver().cdp().send_raw("Accessibility.getFullAXTree", json!({})).await.unwrap();
        let nodes: Vec<(&str, &str, bool)> =
            tree["nodes"].as_array().unwrap().iter().filter_map(spoken).collect();
        for landmark in ["banner", "navigation", "main", "complementary", "log", "status"] {
            assert!(nodes.iter().any(|(role, ..)| *role == landmark), "{landmark}");
        }
        let nameless: Vec<_> =
            nodes.iter().filter(|(_, name, focusable)| *focusable && name.is_empty()).collect();
        assert!(nameless.is_empty(), "{nameless:?}");
        let named = |role: &str, name: &str| nodes.iter().any(|(r, n, _)| *r == role && n.starts_with(name));
        for (role, name) in [
            ("navigation", "Workspaces"),
            ("searchbox", "Filter workspaces"),
            ("textbox", "Message"),
            ("button", "Send"),
            ("log", "Chat"),
            ("button", "Copy --allow-peer archivist"),
            ("link", "researcher"),
        ] {
            assert!(named(role, name), "{role} {name} in {nodes:?}");
        }
        // On a narrow screen nothing is cut off.
        browser.driver().set_window_rect(0, 0, 500, 900).await.unwrap();
        browser.until("document.documentElement.scrollWidth <= document.documentElement.clientWidth").await;
    })
    .await;
}

/// The role and the name of a node, and whether it takes the focus.
fn spoken(node: &Value) -> Option<(&str, &str, bool)> {
    let role = node["role"]["value"].as_str()?;
    let name = node["name"]["value"].as_str().unwrap_or_default();
    let focusable = node["properties"].as_array()?.iter().any(|it| it["name"] == "focusable");
    Some((role, name, focusable && role != "RootWebArea" && node["ignored"] == false))
}

/// Some agents at work.
async fn scene(world: &World) -> Vec<Workspace> {
    let names = ["researcher", "writer", "archivist", "translator", "reviewer", "night-watch"];
    let mut workspaces = Vec::new();
    for name in names {
        workspaces.push(world.create(name).await);
    }
    let tasks = ["Reading 3 of 12 papers", "Drafting the summary", "", "Waiting for the writer", ""];
    for (workspace, task) in workspaces.iter().zip(tasks) {
        beat(world, workspace, json!({ "current_task": task, "active_tasks": i32::from(!task.is_empty()) }))
            .await;
    }
    beat(
        world,
        &workspaces[4],
        json!({ "runtime_state": "wedged", "sample_error": "it panicked: index out of bounds" }),
    )
    .await;
    world.pause(&workspaces[3]).await;

    let [researcher, writer, archivist, ..] = &workspaces[..] else { panic!("three") };
    let answer = async |text: &str| {
        let path = format!("/workspaces/{}/notify", researcher.id);
        let (status, _) =
            world.ask(Method::POST, &path, Some(&researcher.token), Some(&json!({ "message": text }))).await;
        assert_eq!(status, 200);
    };
    world.say(researcher, "Which papers on sodium batteries came out this year?").await;
    answer(
        "Twelve, three of them with measurements over more than 1,000 cycles:\n\n\
         1. Layered oxides at room temperature\n2. Hard carbon from lignin\n3. Solid electrolytes, a comparison\n\n\
         I can read all of them. That takes about ten minutes.",
    )
    .await;
    world.say(researcher, "Do. And ask the archivist what we have from last year.").await;
    answer("I am reading. The archivist I may not ask: the operator has not allowed it.").await;
    world.say(researcher, "I'll allow it. Go on with the rest.").await;

    for (status, target, rule, grant) in [
        ("ok", "writer", None, None),
        ("denied", "archivist", Some("no grant names this peer"), Some("--allow-peer archivist")),
        ("ok", "writer", None, None),
    ] {
        let metadata = json!({ "effect": "call peer", "target": target, "rule": rule, "grant": grant });
        let row =
            json!({ "activity_type": "agent_log", "method": "gate", "status": status, "metadata": metadata });
        report(world, researcher, row).await;
    }
    let message = |text: &str| json!({ "role": "user", "parts": [{ "kind": "text", "text": text }] });
    let reply = |text: &str| json!({ "role": "agent", "metadata": { "in_reply_to": "x" }, "parts": [{ "kind": "text", "text": text }] });
    world
        .send(
            Some(researcher),
            writer,
            &message("Here is what I have on the first paper: 1,140 cycles, 91 % capacity."),
        )
        .await;
    world.send(Some(writer), researcher, &reply("Thank you. Is that at room temperature?")).await;
    world.send(Some(researcher), writer, &message("Yes, 25 degrees throughout.")).await;
    world.send(Some(writer), archivist, &message("Please keep the draft of today.")).await;
    workspaces
}
