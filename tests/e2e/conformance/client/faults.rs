//! What a server or the network does wrong, and what is made of it.

use molecule_host::platform::{ActivityAnswer, Client, PlatformFault};
use molecule_protocol::{ActivityQuery, Delivery, StateAnswer, Status};
use molecule_tests::scripted::{Reply, Reserved, Scripted};

use super::{client, credentials, identity, impatient, network};

const ONLINE: &str = r#"{"status":"online","paused":false,"deleted":false}"#;

#[tokio::test]
async fn a_read_is_repeated_after_whatever_may_have_been_bad_luck() {
    let online = || Reply::json(200, ONLINE);
    for fault in [
        Reply::Hangup,
        Reply::cut_short(ONLINE),
        Reply::empty(502),
        Reply::html(503),
        Reply::json(504, "{}"),
        Reply::json(500, r#"{"error":"query failed"}"#),
    ] {
        let server = Scripted::start([fault.clone(), online()]).await;
        assert_eq!(client(&server).state().await.unwrap(), StateAnswer::Running(Status::Online), "{fault:?}");
        assert_eq!(server.received().len(), 2, "{fault:?}");
    }
    let server = Scripted::start([Reply::Silence, online()]).await;
    assert_eq!(impatient(&server).state().await.unwrap(), StateAnswer::Running(Status::Online));
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_read_is_given_up_after_three_retries_and_a_fault_of_the_platform_after_one() {
    let server = Scripted::answering(|_| Reply::empty(502)).await;
    let error = client(&server).peers().await.unwrap_err();
    assert!(matches!(error.fault, PlatformFault::Server { status: 502, .. }), "{error}");
    assert_eq!((error.attempts, server.received().len()), (4, 4));

    let server = Scripted::answering(|_| Reply::json(500, r#"{"error":"lookup failed"}"#)).await;
    let error = client(&server).peers().await.unwrap_err();
    assert_eq!((error.attempts, server.received().len()), (2, 2));
    let line = error.to_string();
    assert!(
        line.starts_with("GET http://localhost:")
            && line.contains("/peers failed after 2 attempts")
            && line.contains("500 (lookup failed)"),
        "{line}"
    );
}

#[tokio::test]
async fn no_connection_and_a_connection_that_breaks_are_told_apart() {
    let nobody = Reserved::port();
    let client_of = |url: &str| Client::new(&network(), identity(url), credentials());
    let error = client_of(&nobody.url()).health().await.unwrap_err();
    assert!(matches!(error.fault, PlatformFault::Unreachable(_)), "{error}");
    assert_eq!((error.attempts, error.delivery()), (4, Delivery::No));

    let server = nobody.hang_up();
    let error = client_of(&server.url()).health().await.unwrap_err();
    assert!(matches!(error.fault, PlatformFault::Broken(_)), "{error}");
    assert_eq!((error.attempts, error.delivery()), (4, Delivery::Unknown));

    let error = client_of("http://no-such-host.invalid").health().await.unwrap_err();
    assert!(error.to_string().contains("cannot be resolved"), "{error}");
}

#[tokio::test]
async fn an_answer_longer_than_asked_for_is_not_read_to_its_end() {
    let lying = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{".to_vec();
    for endless in [Reply::Endless, Reply::Raw(lying)] {
        let server = Scripted::start([endless.clone()]).await;
        let error = client(&server).state().await.unwrap_err();
        assert!(matches!(error.fault, PlatformFault::TooLarge { limit: 1_048_576 }), "{endless:?}: {error}");
        assert_eq!(server.received().len(), 1, "it would be as long again");
    }
    // A page of the log may be longer.
    let row = format!(r#"[{{"id":"r1","summary":"{}"}}]"#, "x".repeat(2 * 1024 * 1024));
    let server = Scripted::start([Reply::json(200, &row)]).await;
    let page = client(&server).activity(&ActivityQuery::default()).await.unwrap();
    assert!(matches!(page, ActivityAnswer::Page(page) if page.rows.len() == 1));
}

#[tokio::test]
async fn a_success_that_is_no_json_is_never_taken_for_one() {
    for misroute in
        [Reply::html(200), Reply::empty(200), Reply::empty(204), Reply::typed(200, "text/html", "{}")]
    {
        let server = Scripted::answering(move |_| misroute.clone()).await;
        let client = client(&server);
        for error in [
            client.health().await.unwrap_err(),
            client.secrets().await.unwrap_err(),
            client.peers().await.unwrap_err(),
            client.heartbeat(Default::default()).await.unwrap_err(),
            client.activity(&ActivityQuery::default()).await.unwrap_err(),
        ] {
            assert!(matches!(error.fault, PlatformFault::NotJson { .. }), "{error}");
            assert!(error.to_string().ends_with("check --platform-url, --origin and --org-id"), "{error}");
        }
    }
}

/// Case C09 at the client, and C10.
#[tokio::test]
async fn c09_c10_only_a_404_that_says_deleted_means_a_workspace_is_gone() {
    for (reply, answer) in [
        (Reply::empty(404), StateAnswer::Misrouted),
        (Reply::html(404), StateAnswer::Misrouted),
        (Reply::json(404, r#"{"error":"x"}"#), StateAnswer::Misrouted),
        (Reply::json(404, r#"{"deleted":true}"#), StateAnswer::Removed),
        (Reply::html(200), StateAnswer::Misrouted),
        (Reply::json(401, r#"{"error":"invalid workspace auth token"}"#), StateAnswer::Unauthorized),
    ] {
        let server = Scripted::start([reply.clone()]).await;
        assert_eq!(client(&server).state().await.unwrap(), answer, "{reply:?}");
    }
    let server = Scripted::start([Reply::typed(404, "text/plain", "404 page not found\n")]).await;
    let error = client(&server).state().await.unwrap_err();
    assert!(matches!(error.fault, PlatformFault::RouteMissing), "{error}");
}

/// Case C48.
#[tokio::test]
async fn c48_nobody_there_and_may_not_ask_are_different_answers_about_peers() {
    let server = Scripted::start([Reply::json(200, "[]")]).await;
    assert_eq!(client(&server).peers().await.unwrap(), []);
    let mut faults = Vec::new();
    for reply in [
        Reply::json(401, r#"{"error":"missing workspace auth token"}"#),
        Reply::json(404, r#"{"error":"workspace not found"}"#),
        Reply::json(500, r#"{"error":"lookup failed"}"#),
        Reply::Silence,
    ] {
        let server = Scripted::answering(move |_| reply.clone()).await;
        faults.push(impatient(&server).peers().await.unwrap_err().fault);
    }
    assert!(matches!(
        faults.as_slice(),
        [
            PlatformFault::Unauthorized { .. },
            PlatformFault::NotFound { .. },
            PlatformFault::Server { .. },
            PlatformFault::Timeout { sent: Delivery::Unknown }
        ]
    ));
}

#[tokio::test]
async fn a_lost_cursor_is_an_answer_and_not_an_error() {
    let server = Scripted::start([Reply::json(410, r#"{"error":"cursor not found"}"#)]).await;
    let query = ActivityQuery { since_id: Some("r1".into()), ..ActivityQuery::default() };
    assert_eq!(client(&server).activity(&query).await.unwrap(), ActivityAnswer::CursorLost);
    assert!(server.received()[0].target.ends_with("/activity?since_id=r1"));
}

#[tokio::test]
async fn c47_a_peer_is_read_as_it_is_however_little_it_says() {
    let id = "7c1e2b9a-1111-4222-8333-444455556666";
    let listed = format!(
        r#"[{{"id":"{id}","name":"bob","role":null,"tier":0,"status":"frobnicating","x":[1]}},{{"id":"","name":"nobody"}}]"#
    );
    let server = Scripted::start([Reply::json(200, &listed)]).await;
    let peers = client(&server).peers().await.unwrap();
    assert_eq!(peers.len(), 1, "one without an id is passed over");
    assert_eq!(
        (peers[0].role.as_deref(), peers[0].tier, peers[0].status.as_str()),
        (None, 0, "frobnicating")
    );
}
