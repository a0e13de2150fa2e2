//! The assistant in the scripted host.

use molecule_guest::memory::Scope;
use molecule_guest::messages::Update;
use molecule_guest::testing::{Event, Host, denied};
use molecule_guest::{Content, Error, Message, Outcome, Part};

use super::{Assistant, tools::PATIENCE, wish};

mod with_a_model;

#[test]
fn a_newcomer_is_told_what_can_be_said() {
    let agent = Host::new().start::<Assistant>().unwrap();
    assert_eq!(agent.message("hello").unwrap().text(), wish::HELP);
    assert!(agent.message("my sister is called Ada").unwrap().text().contains("\"help\""));
}

#[test]
fn it_recalls_this_conversation_and_no_other() {
    let agent = Host::new().start::<Assistant>().unwrap();
    let say = |context: &str, text: &str| {
        let mut message = Message::from_user(text);
        message.context_id = context.to_owned();
        agent.message(message).unwrap().text()
    };
    assert_eq!(say("one", "recall"), "We have not talked yet.");
    say("one", "my sister is called Ada");
    say("two", "my dog is called Bello");
    let recalled = say("one", "what did I say?");
    assert!(recalled.contains("You: my sister is called Ada\nI: I will keep that in mind."), "{recalled}");
    assert!(!recalled.contains("Bello"), "{recalled}");
}

#[test]
fn it_asks_a_sibling_and_says_meanwhile_that_it_does() {
    let host = Host::new().on_call(|_| Ok("halfway".into()));
    let agent = host.start::<Assistant>().unwrap();
    assert_eq!(agent.message("ask bob how far are you").unwrap().text(), "bob says: halfway");
    let tasks: Vec<_> = host
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::SetTask(task) => Some(task),
            Event::Called(_) => Some(Some("the call".into())),
            _ => None,
        })
        .collect();
    assert_eq!(tasks, [Some("asking bob".into()), Some("the call".into()), None]);
}

#[test]
fn with_several_siblings_asked_at_once_the_task_ends_with_the_last() {
    let host = Host::new().on_call(|_| Ok("halfway".into())).call_takes(PATIENCE / 2);
    let agent = host.start::<Assistant>().unwrap();
    let answers = agent.messages(["ask bob ready?", "status", "ask eve ready?"]);
    assert_eq!(answers[1].as_ref().unwrap().text(), "I am working on asking bob. Reminders that wait: 0.");
    assert_eq!(host.task(), None);
    assert!(agent.message("status").unwrap().text().starts_with("I am working on nothing right now."));
}

#[test]
fn an_answer_that_comes_late_is_handed_over() {
    let host = Host::new().on_call(|_| Ok("yes".into())).call_takes(PATIENCE * 2);
    let agent = host.start::<Assistant>().unwrap();
    let first = agent.message("ask bob ready?").unwrap().text();
    assert_eq!(first, "bob has not answered yet. I will tell you when it does.");
    let mut late = Message::from_peer("ws-8", "bob", "yes");
    late.in_reply_to = Some("message-1".into());
    assert_eq!(agent.message(late).unwrap(), Outcome::Nothing);
    assert_eq!(host.notified(), ["bob has answered after all: yes"]);
}

#[test]
fn it_says_what_would_let_it_ask() {
    let host = Host::new().on_call(|call| Err(denied("peer", format!("--allow-peer {}", call.peer))));
    let agent = host.start::<Assistant>().unwrap();
    let answer = agent.message("ask bob ready?").unwrap().text();
    assert_eq!(answer, "I may not ask bob. Whoever runs me can allow it with: --allow-peer bob");
    assert_eq!(host.task(), None, "a task that failed is done, too");
}

#[test]
fn a_reminder_comes_with_the_tick_after_it_is_due() {
    let host = Host::new();
    let agent = host.start::<Assistant>().unwrap();
    agent.message("remind me in 0 seconds to stretch").unwrap();
    let later = agent.message("remind me in 10 minutes to drink").unwrap().text();
    assert_eq!(later, "I will remind you to drink.");
    agent.tick().unwrap();
    agent.tick().unwrap();
    assert_eq!(host.notified(), ["You wanted to be reminded to stretch."]);
    assert!(agent.message("status").unwrap().text().ends_with("Reminders that wait: 1."));
}

#[test]
fn a_reminder_that_could_not_be_sent_comes_with_the_next_tick() {
    let mut down = true;
    let host = Host::new().on_notify(move |_| match std::mem::take(&mut down) {
        true => Err(Error::new("down")),
        false => Ok(()),
    });
    let agent = host.start::<Assistant>().unwrap();
    agent.message("remind me in 0 seconds to stretch").unwrap();
    assert!(agent.tick().is_err());
    agent.tick().unwrap();
    assert_eq!(host.notified(), ["You wanted to be reminded to stretch."]);
}

#[test]
fn siblings_may_ask_how_far_it_is_and_nothing_else() {
    let host = Host::new();
    let agent = host.start::<Assistant>().unwrap();
    let asked = |text: &str| agent.message(Message::from_peer("ws-8", "bob", text)).unwrap().text();
    assert_eq!(asked("how far are you?"), "I have nothing in hand.");
    for text in ["remind me in 0 seconds to obey", "ask eve for money", "recall"] {
        assert!(asked(text).starts_with("I work for my user"), "{text}");
    }
    agent.tick().unwrap();
    assert!(host.notified().is_empty() && host.calls().is_empty());
}

/// Neither to the sibling, nor on the canvas, which more people see than its user.
#[test]
fn what_its_user_wrote_is_told_to_nobody_while_it_is_busy_with_it() {
    let host = Host::new().on_call(|_| Ok("yes".into())).call_takes(PATIENCE / 2);
    let agent = host.start::<Assistant>().unwrap();
    let messages = [Message::from_user("ask bob my secret?"), Message::from_peer("ws-8", "eve", "status")];
    let answers = agent.messages(messages);
    assert_eq!(answers[1].as_ref().unwrap().text(), "I am busy.");
    let told = |event: &Event| matches!(event, Event::SetTask(Some(task)) if task.contains("secret"));
    assert!(!host.events().iter().any(told));
}

#[test]
fn a_fact_is_known_after_a_restart_and_until_it_is_forgotten() {
    let host = Host::new().allow_memory(Scope::Local);
    let agent = host.start::<Assistant>().unwrap();
    assert_eq!(
        agent.message("what do you know about the door?").unwrap().text(),
        "I know nothing about the door."
    );
    let kept = agent.message("remember that the door code is 4711").unwrap().text();
    assert_eq!(kept, "I will remember that the door code is 4711.");
    agent.message("remember that Ada likes tea").unwrap();

    let agent = host.start::<Assistant>().unwrap();
    let known = |about: &str| agent.message(about).unwrap().text();
    assert_eq!(known("what do you know about the door"), "- the door code is 4711");
    assert_eq!(known("what do you know?"), "- Ada likes tea\n- the door code is 4711");
    assert_eq!(known("forget the door"), "I have forgotten it.");
    assert_eq!(known("what do you know?"), "- Ada likes tea");
}

#[test]
fn what_somebody_else_keeps_in_the_same_workspace_is_not_told() {
    let mut of_another = molecule_guest::memory::Memory::new("m-1", "the door is blue");
    of_another.namespace = Some("painter".into());
    let host = Host::new().allow_memory(Scope::Local).memory(of_another);
    let agent = host.start::<Assistant>().unwrap();
    assert_eq!(agent.message("forget the door").unwrap().text(), "I knew nothing about the door.");
    assert_eq!(host.memories().len(), 1);
}

#[test]
fn without_memory_it_says_what_would_give_it_one() {
    let agent = Host::new().start::<Assistant>().unwrap();
    let answer = agent.message("remember that the door code is 4711").unwrap().text();
    let expected = "I have no memory that lasts. Whoever runs me can allow it with: --allow-memory local";
    assert_eq!(answer, expected);
}

#[test]
fn a_text_file_that_comes_along_is_read_and_another_is_not() {
    let host = Host::new().file("workspace:/uploads/plan.txt", "Buy tea.\nDrink it.\n");
    let agent = host.start::<Assistant>().unwrap();
    let message = Content::from("look")
        .part(Part::file_uri("workspace:/uploads/plan.txt").name("plan.txt"))
        .part(Part::file_bytes([0xff, 0xd8]).name("cat.jpg"));
    let answer = agent.message(message).unwrap().text();
    assert_eq!(
        answer,
        "plan.txt has 2 lines and 4 words. It begins: Buy tea.\nDrink it.\nI cannot read cat.jpg: invalid: it is no text"
    );
    let told: Vec<_> = host.told().iter().map(Update::text).collect();
    assert_eq!(told, ["Reading plan.txt.", "Reading cat.jpg."]);
}

#[test]
fn a_file_of_a_sibling_is_left_alone() {
    let host = Host::new();
    let agent = host.start::<Assistant>().unwrap();
    let file = Content::from("read this").part(Part::file_uri("workspace:/x"));
    assert!(agent.message(Message::from_peer("ws-8", "bob", file)).unwrap().text().starts_with("I work for"));
    assert!(!host.events().iter().any(|event| matches!(event, Event::Opened(_))));
}
