//! Five hundred workspaces.

use molecule_tests::world::World;
use serde_json::json;

use crate::browser::{Browser, beat};

#[tokio::test]
async fn five_hundred_workspaces_are_shown_filtered_and_kept_up_to_date_by_one_stream() {
    Browser::run(async |browser| {
        let world = World::new().await;
        let mut workspaces = Vec::new();
        for nth in 0..500 {
            workspaces.push(world.create(&format!("agent-{nth}")).await);
        }
        browser.open(&format!("{}/", world.url())).await;
        browser.until_texts("#count", &["500"]).await;
        let names = browser.texts("#workspaces .name").await;
        assert_eq!((names.len(), names[0].as_str(), names[499].as_str()), (500, "agent-0", "agent-499"));
        assert_eq!(names[10], "agent-10", "numbers count as numbers");

        // What changes is changed, and nothing is drawn anew for it.
        browser
            .look(
                "(() => { window.drawn = 0; window.touched = new Set(); new MutationObserver((changes) => {
                    for (const { type, target } of changes) {
                        if (type === 'childList' && target.id === 'workspaces') window.drawn += 1;
                        window.touched.add((target.closest ? target : target.parentElement).closest('li'));
                    }
                }).observe(document.querySelector('#workspaces'),
                    { subtree: true, childList: true, characterData: true, attributes: true }); })()",
            )
            .await;
        for (nth, task) in [(7, "seven"), (333, "needle")] {
            beat(&world, &workspaces[nth], json!({ "current_task": task })).await;
            browser
                .until(&format!("document.querySelector('#workspaces').textContent.includes('{task}')"))
                .await;
        }
        assert_eq!(browser.look("window.drawn").await, 0);
        assert_eq!(browser.look("window.touched.size").await, 2);

        browser.click("#filter").await;
        browser.press("needle").await;
        browser.until_texts("#count", &["1 of 500"]).await;
        browser.until_texts("#workspaces li:not([hidden]) .name", &["agent-333"]).await;
        // One that comes to match is shown, and one that no longer does is not.
        beat(&world, &workspaces[4], json!({ "current_task": "another needle" })).await;
        beat(&world, &workspaces[333], json!({ "current_task": "" })).await;
        browser.until_texts("#workspaces li:not([hidden]) .name", &["agent-4"]).await;

        let streams = "performance.getEntriesByType('resource').map((it) => new URL(it.name).pathname)";
        let requests = browser.look(streams).await;
        let requests: Vec<_> = requests.as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
        assert!(requests.iter().all(|path| !path.starts_with("/workspaces")), "{requests:?}");
        for workspace in &workspaces[..20] {
            world.delete(workspace).await;
        }
        browser.until_texts("#count", &["0 of 480"]).await;
    })
    .await;
}
