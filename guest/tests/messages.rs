//! Messages in the scripted host: files, history, progress, and the end of one.
#![allow(missing_docs)]

use std::time::Duration;

use molecule_guest::messages::{self, Chunk, Direction, Entry, Update};
use molecule_guest::testing::{Event, Host};
use molecule_guest::{
    Agent, Artifact, Card, Content, Error, Message, Outcome, Part, Result, Sender, peers, time,
};

/// Reads every file of a message, and tells how it goes.
#[derive(Default)]
struct Reader;

impl Agent for Reader {
    fn describe() -> Card {
        Card::new("reader")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let mut read = Vec::new();
        for file in message.files() {
            messages::progress(format!("reading {}", file.label())).await?;
            read.push(file.read_text().await?);
        }
        Ok(read.join("|").into())
    }
}

#[test]
fn a_file_is_read_where_its_bytes_are() {
    let host = Host::new().file("workspace:/uploads/b.txt", "from afar");
    let agent = host.start::<Reader>().unwrap();
    let message = Content::from("both, please")
        .part(Part::file_bytes("at hand").name("a.txt"))
        .part(Part::file_uri("workspace:/uploads/b.txt"));
    assert_eq!(agent.message(message).unwrap().text(), "at hand|from afar");
    let told: Vec<_> = host.told().iter().map(Update::text).collect();
    assert_eq!(told, ["reading a.txt", "reading file"]);
    let opened = |event: &Event| matches!(event, Event::Opened(uri) if uri == "workspace:/uploads/b.txt");
    assert_eq!(host.events().iter().filter(|event| opened(event)).count(), 1);
}

#[test]
fn a_file_that_is_no_text_or_not_there_is_an_error() {
    let host = Host::new().file("workspace:/x", [0xff, 0xfe]);
    let agent = host.start::<Reader>().unwrap();
    let error = agent.message(Content::from(Part::file_uri("workspace:/x").name("x.bin"))).unwrap_err();
    assert!(matches!(&error, Error::Invalid(why) if why.starts_with("x.bin is not text")), "{error}");
    let error = agent.message(Content::from(Part::file_uri("workspace:/y"))).unwrap_err();
    assert!(matches!(&error, Error::NotFound(why) if why.contains("`Host::file`")), "{error}");
}

#[test]
fn an_open_file_says_what_is_known_of_it_and_comes_in_pieces() {
    let bytes = vec![7; 100_000];
    let host = Host::new().file("workspace:/uploads/long.bin", bytes.clone());
    host.run(async {
        let mut file = messages::open("workspace:/uploads/long.bin").await.unwrap();
        assert_eq!((file.name.as_deref(), file.size), (Some("long.bin"), Some(100_000)));
        let first = file.chunk().await.unwrap().unwrap();
        assert!(first.len() < bytes.len());
        assert_eq!(file.bytes(bytes.len()).await.unwrap().len(), bytes.len() - first.len(), "the rest of it");

        let file = messages::open("workspace:/uploads/long.bin").await.unwrap();
        assert!(matches!(file.bytes(99_999).await, Err(Error::TooLarge(_))), "one byte less than there is");
    });
}

/// Answers with how many words it was told.
#[derive(Default)]
struct Counts;

impl Agent for Counts {
    fn describe() -> Card {
        Card::new("counts")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        if message.is_reply() {
            return Ok("never sent".into());
        }
        messages::notify("counting").await?;
        Ok(message.text().split(' ').count().to_string().into())
    }
}

#[test]
fn the_history_has_what_was_said_before_and_what_is_said_in_the_test() {
    let before = Entry::new("old", Direction::Sent, Sender::User, "welcome");
    let host = Host::new().said(before);
    let agent = host.start::<Counts>().unwrap();
    agent.message("one two").unwrap();
    agent.message(Message::from_peer("ws-1", "bob", "one two three")).unwrap();
    let mut reply = Message::from_peer("ws-1", "bob", "late");
    reply.in_reply_to = Some("m-1".into());
    agent.message(reply).unwrap();

    let read = |query: messages::History| {
        let entries = host.run(async { query.await }).unwrap();
        entries.into_iter().map(|entry| (entry.direction, entry.text())).collect::<Vec<_>>()
    };
    use Direction::{Received, Sent};
    let said = |direction, text: &str| (direction, text.to_owned());
    let with_user =
        [said(Sent, "welcome"), said(Received, "one two"), said(Sent, "counting"), said(Sent, "2")];
    assert_eq!(read(messages::history().with_user())[..4], with_user);
    for bob in ["bob", "ws-1"] {
        let with_bob = [said(Received, "one two three"), said(Sent, "3"), said(Received, "late")];
        assert_eq!(read(messages::history().with_peer(bob)), with_bob, "nobody answers an answer");
    }
    assert_eq!(read(messages::history().limit(1)), [said(Received, "late")]);
}

#[test]
fn a_page_of_the_history_ends_where_the_next_one_begins() {
    let host = Host::new();
    let agent = host.start::<Counts>().unwrap();
    for text in ["a", "b", "c"] {
        agent.message(text).unwrap();
    }
    host.run(async {
        let (mut pages, mut before) = (Vec::new(), None);
        loop {
            let query = messages::history().with_user().limit(4);
            let page = match before.take() {
                Some(time) => query.before(time).await.unwrap(),
                None => query.await.unwrap(),
            };
            let Some(oldest) = page.first() else { break };
            before = oldest.at.clone();
            pages.push(page.iter().map(Entry::text).collect::<Vec<_>>());
        }
        let expected: [&[&str]; 3] =
            [&["1", "c", "counting", "1"], &["counting", "1", "b", "counting"], &["a"]];
        assert_eq!(pages, expected);
    });
}

#[test]
fn progress_is_told_in_order_with_the_pieces_of_what_was_made() {
    let host = Host::new();
    let piece = |text: &str| Artifact::new("story", text);
    host.run(async {
        messages::progress("writing").await.unwrap();
        messages::progress(Chunk::first(piece("once"))).await.unwrap();
        messages::progress(Chunk::next(piece("upon"))).await.unwrap();
        messages::progress(Chunk::last(piece("a time"))).await.unwrap();
        messages::progress(Artifact::new("cover", "blue")).await.unwrap();
        assert!(matches!(messages::progress(Content::default()).await, Err(Error::Invalid(_))));
    });
    let told: Vec<_> = host
        .told()
        .iter()
        .map(|update| match update {
            Update::Status(content) => (content.text(), None),
            Update::Artifact(chunk) => (update.text(), Some((chunk.append, chunk.last))),
        })
        .collect();
    let expected = [
        ("writing", None),
        ("once", Some((false, false))),
        ("upon", Some((true, false))),
        ("a time", Some((true, true))),
        ("blue", Some((false, true))),
    ];
    assert_eq!(told, expected.map(|(text, flags)| (text.to_owned(), flags)));
}

/// Works in steps of a second, asks bob in the end, and says where it was stopped.
#[derive(Default)]
struct Patient;

impl Agent for Patient {
    fn describe() -> Card {
        Card::new("patient")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        for step in 0..message.text().parse()? {
            if let Err(Error::Canceled(sent)) = time::sleep(Duration::from_secs(1)).await {
                assert!(messages::is_canceled());
                return Ok(Outcome::canceled(format!("step {step}, {sent:?}")));
            }
            assert!(!messages::is_canceled());
        }
        match peers::call("bob", "done?").await {
            Err(Error::Canceled(sent)) => Ok(Outcome::canceled(format!("call, {sent:?}"))),
            other => Ok(format!("{:?}", other?).into()),
        }
    }
}

#[test]
fn what_is_waited_for_ends_when_the_message_is_canceled() {
    let host = Host::new().on_call(|_| Ok("yes".into())).call_takes(Duration::from_secs(9));
    let agent = host.start::<Patient>().unwrap();
    assert_eq!(agent.canceled("5", Duration::from_millis(2500)).unwrap().text(), "step 2, Sent::No");
    assert_eq!(host.elapsed(), Duration::from_millis(2500));
    assert_eq!(agent.canceled("1", Duration::from_secs(4)).unwrap().text(), "call, Sent::Yes");
    assert_eq!(agent.canceled("0", Duration::ZERO).unwrap().text(), "call, Sent::No");
    assert!(agent.message("0").unwrap().text().contains("yes"), "the next message is not canceled");
}
