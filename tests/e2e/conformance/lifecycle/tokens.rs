//! Tokens that are wrong, revoked and replaced.

use molecule_host::{Ended, Event, OnEnd, StartError};
use molecule_tests::embedded::{Embedded, host, load, spec};
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, token_file, write_token};
use molecule_tests::world::World;

use super::{listener, registrations};

/// Case C05.
#[tokio::test]
async fn c05_a_wrong_token_ends_the_start_and_is_not_tried_again() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let front = listener(&world).await;
    let host = host(&world.path("state")).await;
    let agent = load(&host, guests::ECHO).await;
    let mut spec = spec(&front.url(), &alice);
    spec.token.variable = Some("not-the-token-0123456789".into());
    let error = host.start(&agent, spec).await.unwrap_err();
    assert!(matches!(error, StartError::Unauthorized { .. }), "{error}");
    let line = error.to_string();
    assert!(line.contains(&alice.id) && line.contains("--token-file"), "{line}");
    let asked = front.received();
    assert_eq!(registrations(&asked), 0);
    assert!(asked.len() < 5, "{asked:?}");
    let cached = world.path("state").join(&alice.id).join(".auth_token");
    assert!(!cached.exists(), "nothing was kept");

    let state = world.path("state");
    let command = CommandLine::host(&world, &alice, guests::ECHO, &state);
    write_token(&token_file(&state, &alice), "not-the-token-0123456789");
    let ended = command.run().await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("molecule-host: the platform does not accept the token of workspace"), "{last}");
    assert!(last.contains("--token-file"), "{last}");
}

/// Case C12.
#[tokio::test]
async fn c12_a_revoked_token_stops_work_until_another_one_is_put_into_its_file() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let state = world.path("state");
    let mut host = CommandLine::host(&world, &alice, guests::ECHO, &state).spawn();
    host.says("INFO started").await;
    // There always is a live one: without any, everybody would pass.
    let next = world.issue_token(&alice).await;
    world.revoke_token(&alice, &alice.token).await;
    let line = host.says("refuses the workspace's token (1×)").await;
    assert!(line.contains("have a new one issued and write it to the token file"), "{line}");
    world.say(&alice, "meanwhile").await;
    assert!(host.runs());
    assert_eq!(world.answers(&alice).await, Vec::<String>::new());

    write_token(&token_file(&state, &alice), &next);
    assert_eq!(world.answered(&alice, 1).await, ["meanwhile"]);
    world.say(&alice, "again").await;
    assert_eq!(world.answered(&alice, 2).await, ["meanwhile", "again"]);
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

/// Whatever comes between, a pause that is over is over for the agent, too.
#[tokio::test]
async fn an_agent_whose_token_is_replaced_while_it_is_paused_works_when_it_is_resumed() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let state = world.path("state");
    let host = CommandLine::host(&world, &alice, guests::LIFECYCLE, &state).spawn();
    host.says("INFO started").await;
    world.pause(&alice).await;
    host.says("on-pause").await;
    let next = world.issue_token(&alice).await;
    world.revoke_token(&alice, &alice.token).await;
    host.says("refuses the workspace's token (1×)").await;
    world.say(&alice, "hello").await;
    world.resume(&alice).await;
    write_token(&token_file(&state, &alice), &next);
    assert_eq!(world.answered(&alice, 1).await, ["on-start on-pause on-resume on-message"]);
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

/// A start that came to nothing is none: the agent sets up on its first one.
#[tokio::test]
async fn the_first_start_is_the_first_that_succeeds() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = load(&host, guests::LIFECYCLE).await;
    let mut wrong = spec(world.url(), &alice);
    wrong.token.variable = Some("not-the-token-0123456789".into());
    host.start(&agent, wrong).await.unwrap_err();
    for reason in ["(first start)", "(restart)"] {
        let agent = Embedded::start_loaded(&host, &agent, spec(world.url(), &alice)).await;
        let line = agent.logs("on-start").await;
        assert!(line.contains(reason), "{line}");
        agent.stop().await;
    }
}

#[tokio::test]
async fn a_host_that_was_told_to_exits_when_its_token_is_revoked() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    spec.on_revoked = OnEnd::Exit;
    let agent = Embedded::start(&host, guests::LIFECYCLE, spec).await;
    agent.event("a start", |event| matches!(event, Event::Started).then_some(())).await;
    world.issue_token(&alice).await;
    world.revoke_token(&alice, &alice.token).await;
    assert_eq!(agent.ended().await, Ended::Revoked);
    agent.logs("on-stop revoked").await;
}

/// Case C01: a workspace without any token is given one, which is on the disk before anything else is asked.
#[tokio::test]
async fn c01_a_token_that_the_platform_issues_is_kept_and_used() {
    use std::os::unix::fs::MetadataExt;

    let world = World::new().await;
    let alice = world.create("alice").await;
    world.revoke_token(&alice, &alice.token).await;
    let file = world.path("state").join(&alice.id).join(".auth_token");
    let (platform, kept) = (world.address(), file.clone());
    let front = molecule_tests::scripted::Scripted::answering(move |request| {
        if request.target != "/registry/register" {
            let mode = std::fs::metadata(&kept).map(|it| it.mode() & 0o7777);
            assert_eq!(mode.ok(), Some(0o600), "{} came before the token was kept", request.target);
        }
        molecule_tests::scripted::Reply::PassOn(platform)
    })
    .await;
    let host = host(&world.path("state")).await;
    let mut without = spec(&front.url(), &alice);
    without.token = Default::default();
    let agent = Embedded::start(&host, guests::ECHO, without).await;
    world.say(&alice, "hello").await;
    assert_eq!(world.answered(&alice, 1).await, ["hello"]);
    agent.stop().await;
    let token = std::fs::read_to_string(file).unwrap();
    let bearer = format!("Bearer {token}");
    assert!(front.received().iter().skip(1).all(|it| it.header("authorization") == Some(&bearer)));
}

/// The file first, then the platform: whoever rotates a token so holds up nobody.
#[tokio::test]
async fn a_token_that_was_rotated_underneath_is_taken_from_its_file_and_nothing_is_lost_or_said() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let state = world.path("state");
    let host = CommandLine::host(&world, &alice, guests::ECHO, &state).spawn();
    host.says("INFO started").await;
    let mut token = alice.token.clone();
    for count in 1..=3 {
        let next = world.issue_token(&alice).await;
        write_token(&token_file(&state, &alice), &next);
        world.revoke_token(&alice, &token).await;
        world.say(&alice, &count.to_string()).await;
        assert_eq!(world.answered(&alice, count).await[count - 1], count.to_string());
        token = next;
    }
    host.terminate();
    let ended = host.ended().await;
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("WARN") && !ended.stderr.contains("ERROR"), "{}", ended.stderr);
}
