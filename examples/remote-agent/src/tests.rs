//! The agent's life in the scripted host: natively, with `cargo test`.

use molecule_guest::plugins::{Plugin, Skill};
use molecule_guest::testing::{Event, Host, denied};
use molecule_guest::{Error, Message, Outcome, StopReason, Task, TaskState, log::Level};

use super::{PATIENCE, RemoteAgent};

fn state(outcome: &Outcome) -> Option<TaskState> {
    match outcome {
        Outcome::Task(Task { state, .. }) => Some(*state),
        _ => None,
    }
}

#[test]
fn it_says_who_it_is_and_greets_as_configured() {
    let host = Host::new().identity("ws-7", "ada").config("greeting", "Good day");
    let agent = host.start::<RemoteAgent>().unwrap();
    let answer = agent.message("hello").unwrap().text();
    assert!(answer.starts_with("Good day, I am ada (ws-7). You can say: peers"), "{answer}");
    assert_eq!(host.logged()[0], "I am ada");
}

#[test]
fn it_does_not_start_with_a_setting_that_it_does_not_know() {
    let error = Host::new().config("greetign", "Hi").start::<RemoteAgent>().err().unwrap();
    assert!(error.to_string().contains("greetign"), "{error}");
}

#[test]
fn it_asks_a_sibling_while_its_user_waits() {
    let host = Host::new().on_call(|call| Ok(format!("{} yourself", call.content.text()).into()));
    let agent = host.start::<RemoteAgent>().unwrap();
    assert_eq!(agent.message("ask bob hello").unwrap().text(), "bob says: hello yourself");

    let call = &host.calls()[0];
    assert_eq!((call.peer.as_str(), call.timeout), ("bob", Some(PATIENCE)));
}

#[test]
fn it_hands_over_an_answer_that_came_late() {
    let host = Host::new().on_call(|_| Ok("yes".into())).call_takes(PATIENCE * 2);
    let agent = host.start::<RemoteAgent>().unwrap();
    let first = agent.message("ask bob ready?").unwrap();
    assert_eq!(first.text(), "bob has not answered yet. I will tell you when it does.");
    assert_eq!(host.elapsed(), PATIENCE);

    let mut late = Message::from_peer("ws-8", "bob", "yes");
    late.in_reply_to = Some("message-1".into());
    assert_eq!(agent.message(late).unwrap(), Outcome::Nothing);
    assert_eq!(host.notified(), ["bob has answered after all: yes"]);
}

#[test]
fn it_says_what_would_let_it_ask() {
    let host = Host::new().on_call(|call| Err(denied("peer", format!("--allow-peer {}", call.peer))));
    let agent = host.start::<RemoteAgent>().unwrap();
    let answer = agent.message("ask bob hello").unwrap();
    assert_eq!(state(&answer), Some(TaskState::Rejected));
    assert!(answer.text().ends_with("allow it with: --allow-peer bob"), "{}", answer.text());
}

#[test]
fn it_fails_a_message_that_asks_a_sibling_nobody_knows() {
    // A scripted host without `on_call` knows no peer.
    let agent = Host::new().start::<RemoteAgent>().unwrap();
    let answer = agent.message("ask bob hello").unwrap();
    assert_eq!(state(&answer), Some(TaskState::Failed));
}

#[test]
fn an_error_that_nobody_can_mend_is_the_answer() {
    let host = Host::new().on_call(|_| Err(Error::Forbidden("other org".into())));
    let agent = host.start::<RemoteAgent>().unwrap();
    let error = agent.message("ask bob hello").unwrap_err();
    assert_eq!(error, Error::Forbidden("I could not ask bob: other org".into()));
}

#[test]
fn it_lists_its_siblings() {
    let agent = Host::new().start::<RemoteAgent>().unwrap();
    assert_eq!(agent.message("peers").unwrap().text(), "I have no siblings.");

    let host = Host::new().peer("ws-1", "ada").peer("ws-2", "bob").on_list(|peers| {
        let mut peers = peers.to_vec();
        peers[1].role = Some("builder".into());
        Ok(peers)
    });
    let agent = host.start::<RemoteAgent>().unwrap();
    assert_eq!(agent.message("peers").unwrap().text(), "- ada (ws-1): online\n- bob (ws-2), builder: online");
}

#[test]
fn it_says_what_it_works_on_until_it_is_told_to_stop() {
    let host = Host::new();
    let agent = host.start::<RemoteAgent>().unwrap();
    agent.message("task write a book").unwrap();
    assert_eq!(host.task().as_deref(), Some("write a book"));
    assert_eq!(host.events().last(), Some(&Event::Heartbeat), "at once");
    agent.message("task").unwrap();
    assert_eq!(host.task(), None);
}

#[test]
fn half_of_a_command_is_asked_back() {
    let agent = Host::new().start::<RemoteAgent>().unwrap();
    let answer = agent.message("ask bob").unwrap();
    assert_eq!(state(&answer), Some(TaskState::InputRequired));
    assert_eq!(answer.text(), "Please say it as: ask <peer> <text>");
}

#[test]
fn it_counts_messages_and_ticks() {
    let agent = Host::new().start::<RemoteAgent>().unwrap();
    agent.tick().unwrap();
    agent.tick().unwrap();
    let status = agent.message("status").unwrap().text();
    assert_eq!(status, "The platform has me online. Messages so far: 1. Ticks: 2.");
}

#[test]
fn a_pause_a_resume_and_the_end_are_logged() {
    let host = Host::new();
    let agent = host.start::<RemoteAgent>().unwrap();
    agent.pause();
    agent.resume();
    agent.stop(StopReason::Shutdown);
    assert_eq!(host.logged()[1..], ["paused", "resumed", "stopping (shutdown) after 0 messages and 0 ticks"]);
    let all_for_everybody =
        host.events().iter().all(|e| matches!(e, Event::Logged { level: Level::Info, .. }));
    assert!(all_for_everybody);
}

#[test]
fn it_installs_a_plugin_and_answers_with_one_of_its_skills() {
    let folder = std::env::temp_dir().join(format!("remote-agent-{}", std::process::id()));
    std::fs::write(&folder, "Say hello.").unwrap();
    let path = folder.display().to_string();
    let host = Host::new().on_install(move |install| {
        assert_eq!(install.source.as_deref(), Some("github://acme/dev#v1"));
        let mut plugin = Plugin::new(&install.name);
        plugin.version = Some("1.0".into());
        plugin.skills.push(Skill::new("greet", &path));
        Ok(plugin.into())
    });
    let agent = host.start::<RemoteAgent>().unwrap();
    let missing = agent.message("skill dev greet").unwrap();
    assert_eq!(missing.text(), "I have no plugin dev. Say: install dev");
    assert_eq!(agent.message("install dev github://acme/dev#v1").unwrap().text(), "I have dev 1.0 now.");
    let announced = host.events().into_iter().find_map(|event| match event {
        Event::Registered(card) => card,
        _ => None,
    });
    let skills: Vec<_> = announced.unwrap().skills.into_iter().map(|skill| skill.id).collect();
    assert_eq!(skills, ["ask", "learn", "greet"], "others are told of it");
    assert_eq!(agent.message("plugins").unwrap().text(), "- dev 1.0: greet");
    assert_eq!(agent.message("skill dev greet").unwrap().text(), "Say hello.");
    assert_eq!(agent.message("skill dev sing").unwrap().text(), "dev has no skill sing, but: greet");
    std::fs::remove_file(folder).unwrap();
}

#[test]
fn it_says_what_would_let_it_install() {
    let host = Host::new();
    let agent = host.start::<RemoteAgent>().unwrap();
    assert_eq!(agent.message("plugins").unwrap().text(), "I have no plugins. Say: install <plugin>");
    let answer = agent.message("install dev").unwrap();
    assert_eq!(state(&answer), Some(TaskState::Rejected));
    assert!(answer.text().ends_with("allow it with: --allow-plugin dev"), "{}", answer.text());
}

#[test]
fn a_plugin_is_there_also_where_nobody_could_be_told() {
    let host = Host::new().on_install(|install| Ok(Plugin::new(&install.name).into()));
    host.fail("workspace::register", Error::new("busy"));
    let agent = host.start::<RemoteAgent>().unwrap();
    assert_eq!(agent.message("install dev").unwrap().text(), "I have dev without a version now.");
    assert_eq!(host.logged().last().unwrap(), "nobody knows yet what I have learned: busy");
}

#[test]
fn it_finds_a_sibling_where_it_is_now() {
    let host = Host::new().peer("ws-1", "bob").on_list(|peers| Ok(peers.to_vec()));
    let agent = host.start::<RemoteAgent>().unwrap();
    let found = agent.message("find bob").unwrap().text();
    assert_eq!(found, "bob (ws-1) is at an address that the platform keeps to itself.");
    let forgotten = Event::Invalidated(Some("bob".into()));
    assert!(host.events().contains(&forgotten), "what it remembers may be what is wrong");
    assert_eq!(agent.message("find eve").unwrap().text(), "I cannot find eve. Try: peers");
    host.fail("peers::discover", denied("peer", "--allow-peer bob"));
    assert!(agent.message("find bob").unwrap().text().ends_with("allow it with: --allow-peer bob"));
}

#[test]
fn it_tells_what_was_said_with_whom() {
    let host = Host::new();
    let agent = host.start::<RemoteAgent>().unwrap();
    assert_eq!(agent.message("history eve").unwrap().text(), "Nothing was said lately.");
    agent.message(Message::from_peer("ws-1", "bob", "task write a book")).unwrap();
    let with_bob = agent.message("history bob").unwrap().text();
    assert_eq!(with_bob, "bob: task write a book\nme: I am working on: write a book");
    let with_user = agent.message("history").unwrap().text();
    assert!(with_user.starts_with("you: history eve\nme: Nothing was said lately."), "{with_user}");
}
