//! The program as its README has it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

use molecule_tests::guests;
use molecule_tests::process::{CommandLine, write_token};
use molecule_tests::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_an_agent_until_enter_is_pressed_or_the_workspace_is_gone() {
    for by_enter in [true, false] {
        let world = World::new().await;
        let alice = world.create("alice").await;
        let token = world.path("token");
        write_token(&token, &alice.token);
        let program = CommandLine::new("embed-blocking", [world.url(), alice.id.as_str()]);
        let program = program.with([token.as_os_str(), guests::ECHO.as_ref()]);
        let program = if by_enter { program.hearing("\n") } else { program }.spawn();
        program.says("registered as echo").await;
        if !by_enter {
            world.say(&alice, "hello").await;
            assert_eq!(world.answered(&alice, 1).await, ["hello"]);
            program.says("delivered to user").await;
            world.delete(&alice).await;
        }
        let ended = program.ended().await;
        let why = if by_enter { "ended: Shutdown" } else { "ended: Removed" };
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stdout.ends_with(&format!("{why}\n")), "{}", ended.stdout);
    }
}
