use molecule_platform::{Config, Environment, Platform};

use super::world::{ADMIN, World};

/// The files that the page names, in itself and in its modules.
async fn files(world: &World) -> Vec<String> {
    let mut files = vec!["/".to_owned()];
    let mut read = 0;
    while let Some(file) = files.get(read).cloned() {
        let text = world.get(&file).send().await;
        assert_eq!(text.status, 200, "{file}");
        let named = text.body.split('"').filter_map(|word| match word.strip_prefix("./") {
            Some(module) => Some(format!("/page/{module}")),
            None => word.starts_with("/page/").then(|| word.to_owned()),
        });
        for name in named {
            if !files.contains(&name) {
                files.push(name);
            }
        }
        read += 1;
    }
    files
}

#[tokio::test]
async fn the_page_is_served_whole_to_whoever_opens_it_and_holds_nothing_of_anybody() {
    let world = World::strict().await;
    let agent = world.agent("a-name-that-nobody-may-read").await;
    let files = files(&world).await;
    assert_eq!(files.len(), 13, "{files:?}");
    for file in files {
        let answer = world.get(&file).send().await;
        let kind = match file.rsplit_once('.').map(|(_, kind)| kind) {
            None => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        };
        assert_eq!(answer.header("content-type"), Some(kind), "{file}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{file}");
        assert!(!answer.body.contains("a-name-that") && !answer.body.contains(&agent.id), "{file}");
    }
    assert_eq!(world.get("/page/nonsense.js").send().await.body, "404 page not found");
}

#[tokio::test]
async fn the_page_may_load_its_own_files_and_nothing_else_and_make_no_markup_of_a_text() {
    let world = World::open().await;
    let page = world.get("/").send().await;
    let policy = page.header("content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.split("; ").any(|it| it == rule), "{rule} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    for inline in ["<script>", "<style>", " style=", " onclick=", "javascript:"] {
        assert!(!page.body.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn all_that_the_page_asks_for_is_refused_to_other_pages() {
    // Fails when the guard does not stand in front of one of them.
    let world = World::open().await;
    let a = world.agent("a").await;
    for (method, path) in [
        ("GET", "/".to_owned()),
        ("GET", "/page/app.js".to_owned()),
        ("GET", "/events/stream".to_owned()),
        ("GET", format!("/workspaces/{}/activity", a.id)),
        ("GET", format!("/workspaces/{}/secrets", a.id)),
        ("POST", format!("/workspaces/{}/secrets", a.id)),
        ("POST", format!("/workspaces/{}/a2a", a.id)),
        ("POST", format!("/workspaces/{}/pause", a.id)),
        ("POST", format!("/workspaces/{}/resume", a.id)),
        ("DELETE", format!("/workspaces/{}", a.id)),
    ] {
        let call = || world.call(method.parse().unwrap(), &path);
        for (header, value) in
            [("origin", "https://evil.example"), ("origin", "null"), ("host", "evil.example")]
        {
            let answer = call().header(header, value).open().await;
            assert_eq!(answer.status(), 403, "{method} {path} with {header} {value}");
        }
    }
    assert_eq!(world.status(&a.id).await, "online");
    let own = world.platform.url.origin();
    assert_eq!(world.get("/events/stream").header("origin", &own).open().await.status(), 200);
}

#[tokio::test]
async fn the_address_of_the_page_has_the_admin_token_where_one_is_demanded() {
    let open = World::open().await;
    assert_eq!(open.platform.page(), format!("{}/", open.platform.url));
    let strict = World::strict().await;
    assert_eq!(strict.platform.page(), format!("{}/#token={ADMIN}", strict.platform.url));
    let admin_token = Some("a+b&c=%d/0123456789".parse().unwrap());
    let odd = World::start(Config { admin_token, ..Config::default() }).await;
    assert!(
        odd.platform.page().ends_with("/#token=a%2Bb%26c%3D%25d%2F0123456789"),
        "{}",
        odd.platform.page()
    );
}

#[tokio::test]
async fn a_platform_that_listens_elsewhere_demands_the_token_in_the_address_of_its_page() {
    let config =
        || Config { listen: "0.0.0.0:0".parse().unwrap(), open_to_network: true, ..Config::default() };
    assert_eq!(config().environment, Environment::Development);
    let world = World::start(config()).await;
    let page = world.platform.page();
    let (_, token) = page.split_once("/#token=").expect("a token");
    assert_eq!(token.len(), 43);
    assert_eq!(world.get("/workspaces").refused(401).await, "admin auth required");
    assert_eq!(world.get("/events/stream").refused(401).await, "admin auth required");
    world.get("/workspaces").token(token).expect(200).await;
    let other = Platform::start(config()).await.unwrap();
    assert!(!other.page().contains(token), "each start has its own");
    other.shutdown().await;
}
