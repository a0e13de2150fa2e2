//! What an agent prints and logs becomes lines of that agent.

use std::time::Duration;

use molecule_runtime::wit::{Level, StopReason};
use molecule_runtime::{ActorOptions, Line, LineSource};
use molecule_tests::guests;

use super::fixture::{Heard, Running, agent, soon};

/// The lines that come of one message.
async fn lines(running: &mut Running, text: &str) -> Vec<Heard> {
    assert_eq!(running.ask(text).await, "done");
    running.all_lines()
}

#[tokio::test]
async fn stdout_and_stderr_become_lines_of_their_own() {
    let mut running = agent(guests::STDIO).start().await;
    for (text, source, level) in
        [("out hello", LineSource::Stdout, Level::Info), ("err hello", LineSource::Stderr, Level::Warn)]
    {
        let heard = lines(&mut running, text).await;
        let expected = Heard { source, level, text: "hello".to_owned(), fields: Vec::new(), message: None };
        assert_eq!(heard, [expected]);
    }
}

#[tokio::test]
async fn half_a_line_waits_for_the_rest() {
    let mut running = agent(guests::STDIO).start().await;
    assert!(lines(&mut running, "partial one ").await.is_empty());
    assert!(lines(&mut running, "partial and ").await.is_empty());
    let heard = lines(&mut running, "out the rest").await;
    assert_eq!(heard.into_iter().map(|line| line.text).collect::<Vec<_>>(), ["one and the rest"]);
}

/// Also when it is killed, and not only when it ends by itself.
#[tokio::test]
async fn the_last_line_is_heard_though_it_has_no_end() {
    let mut running = agent(guests::STDIO).start().await;
    assert!(lines(&mut running, "partial last words").await.is_empty());
    soon(running.actor.stop(StopReason::Shutdown, Duration::ZERO)).await;
    running.hears("last words").await;
}

#[tokio::test]
async fn a_long_line_is_cut() {
    let mut running = agent(guests::STDIO).start().await;
    let heard = lines(&mut running, "long 10000000").await;
    let [line] = heard.as_slice() else { panic!("{} lines", heard.len()) };
    assert_eq!(line.text.len(), Line::MAX);
    assert!(line.text.starts_with("xxx") && line.text.ends_with('…'));
}

#[tokio::test]
async fn a_flood_comes_whole_and_in_order() {
    let roomy = |options: &mut ActorOptions| options.limits.log_lines_per_minute = 10_000;
    let mut running = agent(guests::STDIO).options(roomy).start().await;
    let heard = lines(&mut running, "flood 10000").await;
    assert_eq!(heard.len(), 10_000);
    for (number, line) in heard.into_iter().enumerate() {
        assert_eq!(line.text, format!("line {number} of a flood"));
    }
}

#[tokio::test]
async fn what_is_no_text_is_made_one() {
    let mut running = agent(guests::STDIO).start().await;
    let heard = lines(&mut running, "bytes").await;
    let [line] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(line.text, "not \u{FFFD}\u{FFFD} text, \u{FFFD} half a character");
}

/// Whoever shows a line makes it harmless where it is shown; here nothing may be lost.
#[tokio::test]
async fn control_characters_are_passed_on_as_they_are() {
    let mut running = agent(guests::STDIO).start().await;
    let heard = lines(&mut running, "out \u{1b}[2J\0\u{7}\ttext").await;
    assert_eq!(heard[0].text, "\u{1b}[2J\0\u{7}\ttext");
}

#[tokio::test]
async fn there_is_nothing_to_read() {
    let running = agent(guests::STDIO).start().await;
    assert_eq!(running.ask("in").await, "read \"\"");
}

#[tokio::test]
async fn a_logged_line_has_its_level_its_fields_and_its_message() {
    let mut running = agent(guests::EFFECTS).start().await;
    running.ask("log.write hello log").await;
    let expected = Heard {
        source: LineSource::Log,
        level: Level::Info,
        text: "hello log".to_owned(),
        fields: vec![("import".to_owned(), "log.write".to_owned())],
        message: Some("log.write hello log".to_owned()),
    };
    assert_eq!(running.all_lines(), [expected]);
}

#[tokio::test]
async fn a_logged_line_is_cut_where_it_is_too_long() {
    let mut running = agent(guests::EFFECTS).start().await;
    running.ask(&format!("log.write {}", "ä".repeat(Line::MAX))).await;
    let line = running.line().await;
    assert!(line.text.len() <= Line::MAX && line.text.len() > Line::MAX - 4, "{} bytes", line.text.len());
    assert!(line.text.ends_with("ä…"));
}
