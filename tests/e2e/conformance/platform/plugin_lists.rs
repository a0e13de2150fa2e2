//! Lists of plugins, and what there is no container for.

use reqwest::Method;
use serde_json::{Value, json};

use super::plugins::Shop;
use super::world::World;

/// The SHA-256 of `name: words`.
const SUM: &str = "957d1e925c5672cd06f362d6f42a626f82f5ff60485ef58fdf772daa62191100";

#[tokio::test]
async fn p100_nothing_is_installed_into_a_workspace_from_outside_but_all_is_checked_before() {
    let shop = Shop::open().await;
    shop.write("plugins/words/plugin.yaml", "name: words");
    shop.write("plugins/broken/manifest.json", r#"{"sha256":"00"}"#);
    let path = format!("/workspaces/{}/plugins", shop.agent.id);
    let post = |body: Value| shop.world.post(&path, &body).token(&shop.agent.token);
    let no_container = "workspace container not running";
    assert_eq!(post(json!({ "source": "local://words" })).refused(503).await, no_container);
    assert_eq!(post(json!({ "source": "local://words", "sha256": SUM })).refused(503).await, no_container);
    let shouted = json!({ "source": "local://words", "sha256": SUM.to_uppercase() });
    assert_eq!(post(shouted).refused(503).await, no_container);
    for (body, status, error) in [
        (json!({}), 400, "invalid request body"),
        (json!({ "source": "" }), 400, "invalid request body"),
        (json!({ "source": "words" }), 400, "invalid plugin source"),
        (json!({ "source": "ftp://words" }), 400, "failed to resolve plugin source"),
        (json!({ "source": "local://nothing" }), 404, "failed to fetch plugin from local"),
        (json!({ "source": "local://../words" }), 502, "failed to fetch plugin from local"),
        (json!({ "source": "local://broken" }), 422, "plugin manifest integrity check failed"),
        (json!({ "source": "local://words", "sha256": "00" }), 422, "plugin manifest integrity check failed"),
        (json!({ "source": "x".repeat(65 * 1024) }), 413, "request body too large"),
    ] {
        assert_eq!(post(body.clone()).refused(status).await, error, "{body:.80}");
    }
    assert_eq!(shop.world.post(&path, &json!({})).refused(401).await, "missing workspace auth token");
    let one = format!("{path}/words");
    assert_eq!(shop.world.delete(&one).token(&shop.agent.token).refused(503).await, no_container);
    let bad = shop.world.delete(&format!("{path}/a..b")).token(&shop.agent.token);
    assert_eq!(bad.refused(400).await, "invalid plugin name");
    assert_eq!(shop.world.get(&path).token(&shop.agent.token).expect(200).await, json!([]));
}

#[tokio::test]
async fn everybody_sees_which_plugins_and_sources_there_are() {
    let shop = Shop::open().await;
    shop.write(
        "plugins/words/plugin.yaml",
        "name: other\nversion: 1.0\ndescription: counts words\nauthor: me\ntags: [a]\nskills: [count]\n\
         runtimes: [claude-code]\nsha256: ignored\n",
    );
    shop.write("plugins/bare/rules.md", "");
    shop.write("plugins/broken/plugin.yaml", "tags: [");
    shop.write("plugins/Not-A-Plugin/plugin.yaml", "name: x");
    shop.write("plugins/file", "");
    let named = |name: &str| json!({ "name": name, "version": "", "description": "", "author": "", "tags": null, "skills": null, "runtimes": null });
    let words = json!({ "name": "words", "version": "1.0", "description": "counts words", "author": "me", "tags": ["a"],
        "skills": ["count"], "runtimes": ["claude-code"] });
    let get = |path: &str| shop.world.get(path);
    assert_eq!(get("/plugins").expect(200).await, json!([named("bare"), named("broken"), words]));
    assert_eq!(
        get("/plugins?runtime=claude_code").expect(200).await,
        json!([named("bare"), named("broken"), words])
    );
    assert_eq!(get("/plugins?runtime=crewai").expect(200).await, json!([named("bare"), named("broken")]));
    assert_eq!(get("/plugins/sources").expect(200).await, json!({ "schemes": ["github", "local"] }));

    let own =
        |path: &str| get(&format!("/workspaces/{}/plugins/{path}", shop.agent.id)).token(&shop.agent.token);
    let available = own("available").expect(200).await;
    let judged: Vec<_> =
        available.as_array().unwrap().iter().map(|it| (&it["name"], &it["supported_on_runtime"])).collect();
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(judged, [(&json!("bare"), &yes), (&json!("broken"), &yes), (&json!("words"), &no)]);
    assert_eq!(own("compatibility?runtime=crewai").expect(200).await["all_compatible"], true);
    assert_eq!(own("compatibility").refused(400).await, "runtime query parameter is required");
    for path in ["available", "compatibility?runtime=x"] {
        get(&format!("/workspaces/{}/plugins/{path}", shop.agent.id)).refused(401).await;
    }
    let unknown = format!("/workspaces/{}/plugins", shop.agent.id);
    assert_eq!(shop.world.call(Method::PUT, &unknown).send().await.body, "404 page not found");
}

#[tokio::test]
async fn a_platform_without_folders_lists_no_plugins() {
    let world = World::open().await;
    assert_eq!(world.get("/plugins").expect(200).await, json!([]));
}
