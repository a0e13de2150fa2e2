//! What an author sees of a change that does not build.

use molecule_tests::world::World;
use serde_json::{Value, json};

use crate::browser::{Browser, report};

const SUMMARY: &str = "does not build; the old one goes on";
const SHOWN: &str = "document.querySelector('#build').checkVisibility()";

fn build(status: &str, detail: &str) -> Value {
    json!({ "activity_type": "agent_log", "method": "build", "status": status, "summary": SUMMARY, "error_detail": detail })
}

#[tokio::test]
async fn what_does_not_build_is_shown_as_text_until_it_builds_or_is_dismissed() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let (alice, bob) = (world.create("alice").await, world.create("bob").await);
        browser.open_chat(world.url(), &alice).await;
        assert_eq!(browser.look(SHOWN).await, false);
        let error = "error[E0308]: <img src=x onerror='window.bad = true'>\n --> src/lib.rs:9:5\n  |\n9 |     <b>1</b>";
        report(&world, &alice, build("error", error)).await;
        browser.until(SHOWN).await;
        browser.until_texts("#build-title", &[SUMMARY]).await;
        browser.until_texts("#build-detail", &[error]).await;
        browser.until_texts("#announced p", &[&format!("alice: {SUMMARY}")]).await;
        assert_eq!(browser.look("document.querySelector('#build img, #build b')").await, Value::Null);
        assert_eq!(browser.look("window.bad ?? null").await, Value::Null);
        take_picture(browser).await;

        // It is alice's, also for who comes later, and however much her log has had since.
        for nth in 0..120 {
            let row = json!({ "activity_type": "agent_log", "method": "gate", "summary": format!("effect {nth}") });
            report(&world, &alice, row).await;
        }
        browser.open_chat(world.url(), &bob).await;
        assert_eq!(browser.look(SHOWN).await, false);
        browser.open_chat(world.url(), &alice).await;
        browser.until(SHOWN).await;

        browser.click("#build-dismiss").await;
        browser.until(&format!("!{SHOWN}")).await;
        assert_eq!(browser.look("document.activeElement.id").await, "text");
        // Another error is another one.
        report(&world, &alice, build("error", "error: another")).await;
        browser.until_texts("#build-detail", &["error: another"]).await;
        browser.until(SHOWN).await;
        report(&world, &alice, build("ok", "")).await;
        browser.until(&format!("!{SHOWN}")).await;
        browser.until_texts("#announced p", &["alice: builds again"]).await;
        browser.driver().refresh().await.unwrap();
        browser.until("document.querySelector('#live').dataset.state === 'live'").await;
        assert_eq!(browser.look(SHOWN).await, false);

        // The longest that is reported is shown to its end, and the chat has room beside it.
        let long = format!("{}the end", "a line of an error\n".repeat(400));
        report(&world, &alice, build("error", &long)).await;
        browser.until("document.querySelector('#build-detail').textContent.endsWith('the end')").await;
        browser.until("document.querySelector('#log').clientHeight > 150").await;
    })
    .await;
}

/// With `MOLECULE_PICTURES=FOLDER` somebody looks at it.
async fn take_picture(browser: &Browser) {
    let Some(folder) = std::env::var_os("MOLECULE_PICTURES") else { return };
    for scheme in ["light", "dark"] {
        browser.likes(scheme).await;
        let file = std::path::Path::new(&folder).join(format!("build-{scheme}.png"));
        browser.driver().screenshot(&file).await.unwrap();
    }
}
