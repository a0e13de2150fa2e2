//! Answers of which nobody knows at first whether they have arrived.
//!
//! They take as long as it takes until a request can no longer land, which is about 16 s.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use molecule_host::{Event, Host};
use molecule_store::MemoryState;
use molecule_store::state::{Incoming, NewSend, Page, Row, RowKind, State as _};
use molecule_tests::canvas::Canvas;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::scripted::{Received, Reply, Scripted};
use molecule_tests::world::World;
use reqwest::Method;
use serde_json::json;

fn is_notify(request: &Received) -> bool {
    request.method == "POST" && request.target.ends_with("/notify")
}

/// A platform whose first answers to texts for the user are like this, and whose others are its own.
async fn front(world: &World, first: Vec<Reply>) -> (Scripted, Arc<AtomicUsize>) {
    let platform = world.address();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let front = Scripted::answering(move |request| match is_notify(request) {
        true => first.get(count.fetch_add(1, Ordering::SeqCst)).cloned().unwrap_or(Reply::PassOn(platform)),
        false => Reply::PassOn(platform),
    })
    .await;
    (front, asked)
}

/// Case C26. Whether it had arrived before the connection broke, or not: the user reads it once.
#[tokio::test]
async fn c26_an_answer_in_doubt_is_found_out_about_before_it_is_sent_again() {
    let world = World::new().await;
    let landed = Reply::Lose(world.address(), Box::new(Reply::Hangup));
    let landed_badly = Reply::Lose(world.address(), Box::new(Reply::empty(502)));
    let mut runs = Vec::new();
    for (name, first, requests) in [
        ("arrived", vec![landed], 1),
        ("arrived and was reported as broken", vec![landed_badly], 1),
        ("did not arrive", vec![Reply::Hangup], 2),
        ("did not arrive twice", vec![Reply::Hangup, Reply::empty(500)], 3),
    ] {
        let workspace = world.create(name).await;
        let (front, asked) = front(&world, first).await;
        let host = host(&world.path(&name.replace(' ', "-"))).await;
        let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &workspace)).await;
        world.say(&workspace, "hello").await;
        runs.push((name, workspace, front, asked, agent, requests));
    }
    for (name, workspace, _front, asked, agent, requests) in runs {
        agent.event(name, |event| matches!(event, Event::Delivered { .. }).then_some(())).await;
        assert_eq!(world.answers(&workspace).await, ["hello"], "{name}");
        assert_eq!(asked.load(Ordering::SeqCst), requests, "{name}");
        agent.stop().await;
        assert_eq!(world.answers(&workspace).await, ["hello"], "{name}");
    }
}

/// A success that makes no sense may be a page of something before the platform, which has swallowed the answer. A peer that
/// always talks like that gets no more than five copies, under one id.
#[tokio::test]
async fn an_answer_to_a_peer_of_which_a_page_says_that_it_arrived_is_sent_again() {
    let page =
        || Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>".to_vec());
    let world = World::new().await;
    let bob = world.create("bob").await;
    for (pages, copies, arrived) in [(1, 2, 1), (usize::MAX, 5, 0)] {
        let alice = world.create("alice").await;
        let (platform, asked) = (world.address(), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        let front = Scripted::answering(move |request| match request.target.ends_with("/a2a") {
            true if count.fetch_add(1, Ordering::SeqCst) < pages => page(),
            _ => Reply::PassOn(platform),
        })
        .await;
        let host = host(&world.path(&copies.to_string())).await;
        let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &alice)).await;
        let before = world.peer_messages(&bob).await.len();
        let question = json!({ "role": "user", "messageId": copies.to_string(), "parts": [{ "kind": "text", "text": "hi" }] });
        world.send(Some(&bob), &alice, &question).await;
        agent.event("the end", |event| matches!(event, Event::Delivered { .. }).then_some(())).await;
        agent.stop().await;
        assert_eq!(asked.load(Ordering::SeqCst), copies);
        assert_eq!(world.peer_messages(&bob).await.len() - before, arrived);
    }
}

/// What a bad network can do: the connection has broken, and the request still arrives. Not to have seen its echo yet
/// is no reason to send it again.
#[tokio::test]
async fn an_answer_that_may_still_land_is_not_sent_again() {
    /// Well within the time that a request may take.
    const DELAY: Duration = Duration::from_secs(6);
    let world = World::new().await;
    let alice = world.create("alice").await;
    let (platform, canvas, token) = (world.address(), Canvas::of(world.url()), alice.token.clone());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let front = Scripted::answering(move |request| {
        if !is_notify(request) || count.fetch_add(1, Ordering::SeqCst) > 0 {
            return Reply::PassOn(platform);
        }
        let (canvas, token, request) = (canvas.clone(), token.clone(), request.clone());
        tokio::spawn(async move {
            tokio::time::sleep(DELAY).await;
            let body = serde_json::from_slice(&request.body).unwrap();
            canvas.ask(Method::POST, &request.target, Some(&token), Some(&body)).await
        });
        Reply::Hangup
    })
    .await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &alice)).await;
    world.say(&alice, "hello").await;
    agent.event("the end of the doubt", |event| matches!(event, Event::Delivered { .. }).then_some(())).await;
    agent.stop().await;
    assert_eq!((world.answers(&alice).await, asked.load(Ordering::SeqCst)), (vec!["hello".to_owned()], 1));
}

/// The echo of the one must not count as that of the other.
#[tokio::test]
async fn of_two_equal_answers_the_one_that_got_lost_is_sent_again() {
    let world = World::new().await;
    let landed = || Reply::PassOn(world.address());
    let swallowed = || Reply::Lose(world.address(), Box::new(Reply::Hangup));
    let mut runs = Vec::new();
    for (name, first) in [
        ("the first got lost", vec![Reply::Hangup, landed()]),
        ("the second got lost", vec![landed(), Reply::Hangup]),
        ("the answer to the first got lost", vec![swallowed(), landed()]),
        ("the answer to the second got lost", vec![landed(), swallowed()]),
        ("one got lost, and of the other the answer", vec![Reply::Hangup, swallowed()]),
    ] {
        let workspace = world.create(name).await;
        let (front, _) = front(&world, first).await;
        let host = host(&world.path(&name.replace([' ', ','], "-"))).await;
        let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &workspace)).await;
        world.say(&workspace, "twice").await;
        world.say(&workspace, "twice").await;
        runs.push((name, workspace, front, agent));
    }
    for (name, workspace, _front, agent) in runs {
        agent.nth(2, name, |event| matches!(event, Event::Delivered { .. }).then_some(())).await;
        agent.stop().await;
        assert_eq!(world.answers(&workspace).await, ["twice", "twice"], "{name}");
    }
}

/// A death in the middle of equal answers, of which the oldest had been held up: the newest is in doubt, the oldest still
/// has to go, and others between them. Went it at once, its echo could be taken for that of the newest, which never
/// arrived.
#[tokio::test]
async fn an_answer_waits_for_an_equal_one_that_an_earlier_life_left_in_doubt() {
    /// More than the outbox looks at in one go.
    const ANSWERS: usize = 4200;
    let world = World::new().await;
    let alice = world.create("alice").await;
    let state = Arc::new(MemoryState::new());
    let fence = state.lease(&alice.id).await.unwrap();
    let question = |number: usize| {
        let message = Incoming { sender: "user".into(), message_id: None, body: "long answered".into() };
        Row { id: number.to_string(), kind: RowKind::Message(message) }
    };
    let page = Page { rows: (0..ANSWERS).map(question).collect(), ..Page::default() };
    state.accept(&fence, page).await.unwrap();
    let mut texts = Vec::new();
    for (number, message) in state.claim(&fence, ANSWERS).await.unwrap().into_iter().enumerate() {
        let is_between = (1..ANSWERS - 1).contains(&number);
        let text = if is_between { format!("between {number}") } else { "hello".to_owned() };
        let answer = NewSend {
            id: format!("answer {number}"),
            to: "user".into(),
            digest: Some(blake3::hash(text.as_bytes()).to_hex().to_string()),
            body: json!({ "text": text }).to_string(),
        };
        state.finish(&fence, message.key, Some(answer)).await.unwrap();
        texts.push(text);
    }
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(3);
    let newest = format!("answer {}", ANSWERS - 1);
    state.begin(&fence, &newest, soon.as_millis().try_into().unwrap()).await.unwrap();

    let host = Host::builder().state(state).build().await.unwrap();
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    let delivered = |event: &Event| matches!(event, Event::Delivered { .. }).then_some(());
    agent.nth_within(Duration::from_secs(300), ANSWERS, "all answers", delivered).await;
    agent.stop().await;
    let mut answers = world.answers(&alice).await;
    answers.sort();
    texts.sort();
    assert_eq!(answers, texts);
}

/// Case C27: nothing is in doubt where nobody took the connection, so nothing is waited for.
#[tokio::test]
async fn c27_an_answer_that_certainly_did_not_go_out_goes_out_once_the_platform_is_back() {
    let mut world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::SLOW, spec(world.url(), &alice)).await;
    let id = world.say(&alice, "1000 hello").await;
    agent.event("the message", |event| matches!(event, Event::MessageIn { .. }).then_some(())).await;
    world.stop_platform().await;
    let handled =
        |event: &Event| matches!(event, Event::Handled { id: done, .. } if *done == id).then_some(());
    agent.event("the answer", handled).await;
    world.start_platform().await;
    assert_eq!(world.answered(&alice, 1).await, ["1000 hello"]);
    agent.stop().await;
    assert_eq!(world.answers(&alice).await.len(), 1);
}

/// What the agent itself says while it works is never said twice: it is told that nobody knows, and may ask.
#[tokio::test]
async fn a_text_of_the_agents_own_is_not_repeated_when_it_may_have_arrived() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let (front, asked) = front(&world, vec![Reply::Hangup]).await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::EFFECTS, spec(&front.url(), &alice)).await;
    world.say(&alice, "messages.notify hello").await;
    let answers = world.answered(&alice, 1).await;
    assert!(answers[0].starts_with("messages.notify: error "), "{answers:?}");
    agent
        .event("the end of the doubt", |event| match event {
            Event::Undeliverable { to, reason, .. } if to == "user" && reason.contains("did not arrive") => {
                Some(())
            }
            _ => None,
        })
        .await;
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the text, and the answer");
    agent.stop().await;
    assert_eq!(world.answers(&alice).await.len(), 1);
}
