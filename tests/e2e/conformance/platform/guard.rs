use std::time::Duration;

use molecule_platform::{Config, Environment, Platform, StartError};
use serde_json::json;

use super::world::{ADMIN, World};

#[tokio::test]
async fn p104_an_unknown_route_is_said_to_be_one_in_plain_text() {
    let world = World::open().await;
    for call in [world.get("/nonsense"), world.delete("/health"), world.get("/workspaces/x/nonsense")] {
        let answer = call.send().await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, "404 page not found"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

#[tokio::test]
async fn p101_requests_beyond_the_limit_are_told_how_long_to_wait() {
    let world = World::start(Config { rate_limit: 5, ..World::strictly() }).await;
    for remaining in ["4", "3", "2", "1", "0"] {
        let answer = world.get("/health").send().await;
        assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-remaining")), (200, Some(remaining)));
        assert_eq!(
            (answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-reset")),
            (Some("5"), Some("60"))
        );
    }
    world.hand.advance(Duration::from_secs(20));
    let refused = world.get("/health").send().await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("40")));
    assert_eq!(refused.body, r#"{"error":"rate limit exceeded","retry_after":40}"#);
    assert_eq!(
        refused.header("x-frame-options"),
        None,
        "a refusal by rate comes before the security headers"
    );
    world.hand.advance(Duration::from_secs(40));
    assert_eq!(world.get("/health").send().await.status, 200);
}

#[tokio::test]
async fn a_limit_can_hold_in_open_development_and_what_each_window_had_is_known() {
    let counted = Config { rate_limit: 2, rate_limit_in_development: true, ..Config::default() };
    let world = World::start(counted).await;
    for status in [200, 200, 429] {
        assert_eq!(world.get("/health").send().await.status, status);
    }
    world.hand.advance(Duration::from_secs(60));
    assert_eq!(world.get("/health").send().await.header("x-ratelimit-remaining"), Some("1"));
    let windows = world.platform.rate_windows();
    let counts: Vec<_> = windows.iter().map(|it| (it.requests, it.refused)).collect();
    assert_eq!(counts, [(3, 1), (1, 0)]);
    assert!(windows.iter().all(|window| window.client.is_loopback()), "{windows:?}");
    assert_eq!(windows[1].began.duration_since(windows[0].began).as_secs(), 60);
}

#[tokio::test]
async fn a_limit_of_none_is_no_limit() {
    let world = World::start(Config { rate_limit: 0, ..World::strictly() }).await;
    let answer = world.get("/health").send().await;
    assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-limit")), (200, Some("unlimited")));
    assert_eq!(world.platform.rate_windows(), []);
}

#[tokio::test]
async fn in_open_development_nothing_is_counted() {
    let world = World::start(Config { rate_limit: 1, ..Config::default() }).await;
    for _ in 0..3 {
        let answer = world.get("/health").send().await;
        assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-limit")), (200, Some("unlimited")));
        assert_eq!(answer.header("x-ratelimit-remaining"), None);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn a_page_whose_name_was_resolved_to_this_machine_gets_nothing() {
    // Fails when the check of Host is taken out of the guard.
    let world = World::start(Config { hosts: vec!["agents.lan".into()], ..Config::default() }).await;
    for (host, status) in [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:1", 200),
        ("agents.lan:80", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
    ] {
        assert_eq!(world.get("/health").header("host", host).send().await.status, status, "{host}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_gets_nothing_unless_it_is_configured() {
    // Fails when the check of Origin is taken out of the guard.
    let origins = vec!["http://localhost:3000".to_owned()];
    let world = World::start(Config { origins, ..Config::default() }).await;
    let own = world.platform.url.origin();
    for (origin, status) in [
        (own.as_str(), 200),
        ("http://localhost:3000", 200),
        ("http://localhost:3001", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        let answer = world.get("/health").header("origin", origin).send().await;
        assert_eq!(answer.status, status, "{origin}");
        let refused = status == 403;
        assert_eq!(answer.body.is_empty(), refused, "{origin}");
        assert_eq!(
            answer.header("x-ratelimit-limit").is_none(),
            refused,
            "{origin}: refused before the rate limit"
        );
    }
    let preflight =
        world.call(reqwest::Method::OPTIONS, "/workspaces").header("origin", "http://localhost:3000");
    let allowed = preflight.send().await;
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("http://localhost:3000"));
}

#[tokio::test]
async fn requests_of_another_organisation_meet_a_bare_404() {
    let world = World::start(Config { org_id: Some("org-1".into()), ..Config::default() }).await;
    let list = |org: &str| world.get("/workspaces").header("x-molecule-org-id", org);
    let bare = list("org-2").send().await;
    assert_eq!((bare.status.as_u16(), bare.body.as_str(), bare.header("content-type")), (404, "", None));
    assert_eq!(bare.header("x-frame-options"), None);
    assert_eq!(world.get("/workspaces").send().await.status, 404);
    assert_eq!(list("org-1").send().await.status, 200);
    // What the edge says that sent the request here counts as well.
    for (replayed, status) in [
        ("instance=1;region=fra;t=1777289775;state=org-1", 200),
        ("instance=1; state=org-1", 200),
        ("instance=1;state=org-2", 404),
        ("state=org-10", 404),
        ("org-1", 404),
    ] {
        let answer = world.get("/workspaces").header("fly-replay-src", replayed).send().await;
        assert_eq!(answer.status, status, "{replayed}");
    }
    assert_eq!(world.get("/health").send().await.status, 200, "exempt");
    let register =
        json!({ "id": "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11", "agent_card": {}, "delivery_mode": "poll" });
    world.post("/registry/register", &register).expect(200).await;
    let card = json!({ "workspace_id": "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11", "agent_card": {} });
    assert_eq!(world.post("/registry/update-card", &card).send().await.status, 404, "not exempt");
}

#[tokio::test]
async fn operators_show_the_admin_token_where_one_is_set() {
    let world = World::strict().await;
    let agent = world.agent("a").await;
    assert_eq!(world.get("/workspaces").refused(401).await, "admin auth required");
    for wrong in [agent.token.as_str(), "garbage"] {
        assert_eq!(world.get("/workspaces").token(wrong).refused(401).await, "invalid admin auth token");
    }
    world.get("/workspaces").token(ADMIN).expect(200).await;
    // The scheme to the letter.
    let lower = world.get("/workspaces").header("authorization", &format!("bearer {ADMIN}"));
    assert_eq!(lower.refused(401).await, "admin auth required");
}

#[tokio::test]
async fn without_an_admin_token_any_workspace_is_the_operator_and_before_the_first_everybody() {
    let world = World::start(Config { environment: Environment::Production, ..Config::default() }).await;
    let agent = {
        let created = world.post("/workspaces", &json!({ "name": "a", "external": true })).expect(201).await;
        created["connection"]["auth_token"].as_str().unwrap().to_owned()
    };
    assert_eq!(world.get("/workspaces").refused(401).await, "admin auth required");
    world.get("/workspaces").token(&agent).expect(200).await;
}

#[tokio::test]
async fn in_open_development_callers_need_no_token_but_a_wrong_one_is_refused() {
    let world = World::open().await;
    let a = world.agent("a").await;
    let path = format!("/workspaces/{}/activity", a.id);
    world.get(&path).expect(200).await;
    assert_eq!(world.get(&path).token("garbage").refused(401).await, "invalid workspace auth token");
    // Not relaxed: what only the workspace itself may do.
    let state = format!("/workspaces/{}/state", a.id);
    assert_eq!(world.get(&state).refused(401).await, "missing workspace auth token");
}

#[tokio::test]
async fn an_open_platform_does_not_listen_to_the_network_unless_told_to() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let config = Config { listen: everywhere, ..Config::default() };
    assert!(matches!(Platform::start(config.clone()).await, Err(StartError::Open(_))));
    let told = Platform::start(Config { open_to_network: true, ..config }).await.unwrap();
    told.shutdown().await;
    let guarded = Platform::start(Config { listen: everywhere, ..World::strictly() }).await.unwrap();
    guarded.shutdown().await;
}

/// Every route that demands a token, and whose: a route that is added without a row here is not proven to demand any.
#[tokio::test]
async fn every_gated_route_refuses_callers_without_a_token_and_with_anothers() {
    use Gate::*;
    let world = World::strict().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let id = &a.id;
    for (method, path, gate) in [
        ("PATCH", format!("/workspaces/{id}"), Workspace),
        ("POST", format!("/workspaces/{id}/pause"), Workspace),
        ("POST", format!("/workspaces/{id}/resume"), Workspace),
        ("POST", format!("/workspaces/{id}/restart"), Workspace),
        ("POST", format!("/workspaces/{id}/hibernate"), Workspace),
        ("GET", format!("/workspaces/{id}/state"), Workspace),
        ("GET", format!("/workspaces/{id}/secrets/values"), Workspace),
        ("GET", format!("/workspaces/{id}/secrets"), Workspace),
        ("POST", format!("/workspaces/{id}/secrets"), Workspace),
        ("PUT", format!("/workspaces/{id}/secrets"), Workspace),
        ("DELETE", format!("/workspaces/{id}/secrets/K"), Workspace),
        ("GET", format!("/workspaces/{id}/activity"), Workspace),
        ("POST", format!("/workspaces/{id}/activity"), Workspace),
        ("POST", format!("/workspaces/{id}/notify"), Workspace),
        ("POST", format!("/workspaces/{id}/delegate"), Workspace),
        ("GET", format!("/workspaces/{id}/delegations"), Workspace),
        ("POST", format!("/workspaces/{id}/delegations/record"), Workspace),
        ("POST", format!("/workspaces/{id}/delegations/d/update"), Workspace),
        ("GET", format!("/workspaces/{id}/tokens"), Workspace),
        ("POST", format!("/workspaces/{id}/tokens"), Workspace),
        ("DELETE", format!("/workspaces/{id}/tokens/t"), Workspace),
        ("GET", format!("/workspaces/{id}/external/connection"), Workspace),
        ("POST", format!("/workspaces/{id}/external/rotate"), Workspace),
        ("GET", format!("/workspaces/{id}/instructions/resolve"), Workspace),
        ("GET", format!("/workspaces/{id}/events/stream"), Workspace),
        ("GET", format!("/workspaces/{id}/memory"), Workspace),
        ("POST", format!("/workspaces/{id}/memory"), Workspace),
        ("GET", format!("/workspaces/{id}/memory/k"), Workspace),
        ("DELETE", format!("/workspaces/{id}/memory/k"), Workspace),
        ("POST", format!("/workspaces/{id}/checkpoints"), Workspace),
        ("GET", format!("/workspaces/{id}/checkpoints/latest"), Workspace),
        ("GET", format!("/workspaces/{id}/checkpoints/w"), Workspace),
        ("DELETE", format!("/workspaces/{id}/checkpoints/w"), Workspace),
        ("GET", format!("/workspaces/{id}/memories"), Workspace),
        ("POST", format!("/workspaces/{id}/memories"), Workspace),
        ("DELETE", format!("/workspaces/{id}/memories/m"), Workspace),
        ("GET", format!("/workspaces/{id}/session-search"), Workspace),
        ("GET", format!("/workspaces/{id}/model"), Workspace),
        ("GET", format!("/workspaces/{id}/budget"), Workspace),
        ("PATCH", format!("/workspaces/{id}/budget"), Admin),
        ("GET", "/ws".to_owned(), Admin),
        ("GET", "/org/tokens".to_owned(), Admin),
        ("POST", "/org/tokens".to_owned(), Admin),
        ("DELETE", "/org/tokens/t".to_owned(), Admin),
        ("GET", format!("/workspaces/{id}/approvals"), Workspace),
        ("POST", format!("/workspaces/{id}/approvals"), Workspace),
        ("POST", format!("/workspaces/{id}/approvals/a/decide"), Workspace),
        ("GET", "/approvals/pending".to_owned(), Admin),
        ("GET", format!("/workspaces/{id}/schedules"), Workspace),
        ("POST", format!("/workspaces/{id}/schedules"), Workspace),
        ("PATCH", format!("/workspaces/{id}/schedules/s"), Workspace),
        ("DELETE", format!("/workspaces/{id}/schedules/s"), Workspace),
        ("POST", format!("/workspaces/{id}/schedules/s/run"), Workspace),
        ("GET", format!("/workspaces/{id}/schedules/s/history"), Workspace),
        ("POST", format!("/workspaces/{id}/chat/uploads"), Workspace),
        ("GET", format!("/workspaces/{id}/chat/download"), Workspace),
        ("GET", format!("/workspaces/{id}/pending-uploads/f/content"), Workspace),
        ("POST", format!("/workspaces/{id}/pending-uploads/f/ack"), Workspace),
        ("GET", format!("/registry/{id}/peers"), Workspace),
        ("GET", format!("/workspaces/{id}/a2a/queue/q"), Caller),
        ("GET", "/events/stream".to_owned(), Admin),
        ("GET", "/workspaces".to_owned(), Admin),
        ("POST", "/workspaces".to_owned(), Admin),
        ("DELETE", format!("/workspaces/{id}"), Admin),
        ("PUT", format!("/workspaces/{id}/instructions"), Admin),
        ("GET", "/settings/secrets".to_owned(), Admin),
        ("POST", "/settings/secrets".to_owned(), Admin),
        ("PUT", "/settings/secrets".to_owned(), Admin),
        ("DELETE", "/settings/secrets/K".to_owned(), Admin),
    ] {
        let call = || world.call(method.parse().unwrap(), &path);
        let (missing, invalid) = match gate {
            Workspace => ("missing workspace auth token", "invalid workspace auth token"),
            Admin => ("admin auth required", "invalid admin auth token"),
            Caller => ("missing caller auth token", "invalid caller auth token"),
        };
        assert_eq!(call().refused(401).await, missing, "{method} {path}");
        assert_eq!(call().token("garbage").refused(401).await, invalid, "{method} {path}");
        match gate {
            Workspace | Admin => {
                assert_eq!(call().token(&b.token).refused(401).await, invalid, "{method} {path}")
            }
            // It might be the sender; of what is not its own it learns nothing.
            Caller => assert_eq!(call().token(&b.token).refused(404).await, "queue entry not found"),
        }
    }
    // None of these had an effect.
    world.get(&format!("/workspaces/{id}/state")).token(&a.token).expect(200).await;
    assert_eq!(world.status(id).await, "online");
}

#[derive(Clone, Copy)]
enum Gate {
    Workspace,
    Admin,
    Caller,
}
