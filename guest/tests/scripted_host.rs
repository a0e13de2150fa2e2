//! The scripted host: what it promises to an author's tests.

use std::cell::RefCell;
use std::time::Duration;

use molecule_guest::testing::{Event, Host, denied};
use molecule_guest::{
    Agent, Card, Content, Context, Error, Message, Outcome, Part, Reply, Result, Start, StartReason,
    StopReason, log, messages, peers, time, workspace,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// An agent without callbacks of its own.
#[derive(Default)]
struct Quiet;

impl Agent for Quiet {
    fn describe() -> Card {
        Card::new("quiet")
    }
}

/// Sleeps the milliseconds that a message says, and keeps a diary.
#[derive(Default)]
struct Sleeper<const AT_ONCE: u32> {
    diary: RefCell<Vec<String>>,
}

impl<const AT_ONCE: u32> Agent for Sleeper<AT_ONCE> {
    fn describe() -> Card {
        Card::new("sleeper").concurrency(AT_ONCE)
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        self.diary.borrow_mut().push(format!("{text} begins"));
        time::sleep(ms(text.parse().context("reading the milliseconds")?)).await?;
        self.diary.borrow_mut().push(format!("{text} ends"));
        Ok(text.into())
    }
}

#[test]
fn callbacks_that_an_agent_does_not_have_do_nothing() {
    let host = Host::new();
    let agent = host.start::<Quiet>().unwrap();
    assert_eq!(agent.message("anybody there?").unwrap(), Outcome::Nothing);
    agent.tick().unwrap();
    agent.pause();
    agent.resume();
    assert_eq!(agent.card().name, "quiet");
    agent.stop(StopReason::Removed);
    assert_eq!(host.events(), []);
}

#[test]
fn the_start_says_what_the_test_said() {
    #[derive(Default)]
    struct Starter(RefCell<Option<Start>>);
    impl Agent for Starter {
        fn describe() -> Card {
            Card::new("starter")
        }
        async fn on_start(&self, start: Start) -> Result<()> {
            assert_eq!(workspace::me(), start.identity);
            assert_eq!(workspace::config("k").as_deref(), Some("v2"), "of two values the later one");
            assert_eq!(workspace::config("other"), None);
            self.0.replace(Some(start));
            Ok(())
        }
    }
    let host = Host::new()
        .identity("ws-9", "nine")
        .config("k", "v1")
        .config("k", "v2")
        .instructions("Be brief.")
        .start_reason(StartReason::Upgrade);
    let agent = host.start::<Starter>().unwrap();
    let start = agent.agent().0.take().unwrap();
    assert_eq!((start.identity.workspace_id.as_str(), start.identity.name.as_str()), ("ws-9", "nine"));
    assert_eq!(start.config, [("k".into(), "v1".into()), ("k".into(), "v2".into())]);
    assert_eq!(start.instructions.as_deref(), Some("Be brief."));
    assert_eq!(start.reason, StartReason::Upgrade);
}

#[test]
fn an_error_of_on_start_stops_the_start() {
    #[derive(Default)]
    struct Refuses;
    impl Agent for Refuses {
        fn describe() -> Card {
            Card::new("refuses")
        }
        async fn on_start(&self, _: Start) -> Result<()> {
            molecule_guest::bail!("no")
        }
    }
    assert_eq!(Host::new().start::<Refuses>().err(), Some(Error::new("no")));
}

#[test]
fn a_message_waits_for_the_one_before_it_unless_the_card_says_otherwise() {
    let host = Host::new();
    let agent = host.start::<Sleeper<1>>().unwrap();
    let answers = agent.messages(["30", "10"]);
    assert_eq!(answers, [Ok("30".into()), Ok("10".into())]);
    assert_eq!(*agent.agent().diary.borrow(), ["30 begins", "30 ends", "10 begins", "10 ends"]);
    assert_eq!(host.elapsed(), ms(40));
}

#[test]
fn as_many_messages_as_the_card_asks_for_are_in_flight_at_once() {
    let host = Host::new();
    let agent = host.start::<Sleeper<2>>().unwrap();
    let answers = agent.messages(["30", "10", "25"]);
    assert_eq!(answers, [Ok("30".into()), Ok("10".into()), Ok("25".into())]);
    let diary = ["30 begins", "10 begins", "10 ends", "25 begins", "30 ends", "25 ends"];
    assert_eq!(*agent.agent().diary.borrow(), diary);
    assert_eq!(host.elapsed(), ms(35));
}

#[test]
fn one_failed_message_leaves_the_others_alone() {
    let agent = Host::new().start::<Sleeper<8>>().unwrap();
    let answers = agent.messages(["1", "soon", "1"]);
    assert_eq!(answers[1], Err(Error::new("reading the milliseconds: invalid digit found in string")));
    assert_eq!([&answers[0], &answers[2]], [&Ok("1".into()), &Ok("1".into())]);
}

#[test]
fn sleeps_that_end_at_one_instant_end_in_the_order_in_which_they_began() {
    let host = Host::new();
    let order = RefCell::new(Vec::new());
    host.run(async {
        let sleep = |name: &'static str, first, second| {
            let order = &order;
            async move {
                time::sleep(ms(first)).await.unwrap();
                time::sleep(ms(second)).await.unwrap();
                order.borrow_mut().push(name);
            }
        };
        futures::join!(sleep("a", 3, 7), sleep("b", 1, 9), sleep("c", 10, 0));
    });
    assert_eq!(*order.borrow(), ["c", "b", "a"]);
    assert_eq!(host.elapsed(), ms(10));
}

#[test]
fn a_call_that_takes_longer_than_the_agent_waits_is_queued() {
    let cases = [
        (ms(10), Some(ms(20)), true, ms(10)),
        (ms(20), Some(ms(20)), true, ms(20)),
        (ms(21), Some(ms(20)), false, ms(20)),
        (ms(60_000), None, true, ms(60_000)),
        (ms(60_001), None, false, ms(60_000)),
    ];
    for (takes, waits, answered, elapsed) in cases {
        let host = Host::new().call_takes(takes).on_call(|_| Ok("fine".into()));
        let reply = host.run(async {
            let call = peers::call("bob", "hi");
            match waits {
                Some(timeout) => call.timeout(timeout).await,
                None => call.await,
            }
        });
        assert_eq!(reply.unwrap().answer().is_some(), answered, "{takes:?} of {waits:?}");
        assert_eq!(host.elapsed(), elapsed, "{takes:?} of {waits:?}");
    }
}

#[test]
fn what_a_test_scripts_is_what_the_agent_gets() {
    let denial = || denied("peer", "--allow-peer bob");
    let host = Host::new()
        .on_call(move |_| Err(denial()))
        .on_list(|_| Err(Error::Forbidden("no list".into())))
        .on_notify(|content| Err(Error::TooLarge(content.text())))
        .on_set_task(|task| Err(Error::Invalid(format!("{task:?}"))));
    host.run(async {
        assert_eq!(peers::call("bob", "hi").await, Err(denied("peer", "--allow-peer bob")));
        assert_eq!(peers::list().await, Err(Error::Forbidden("no list".into())));
        assert_eq!(messages::notify("all of it").await, Err(Error::TooLarge("all of it".into())));
        assert_eq!(workspace::set_task("x"), Err(Error::Invalid("Some(\"x\")".into())));
        assert_eq!(workspace::clear_task(), Err(Error::Invalid("None".into())));
    });
    assert!(host.notified().is_empty(), "what the host refused did not happen");
    assert_eq!(host.task(), None);
    assert_eq!(host.calls().len(), 1, "a call is known even when it was refused");
}

#[test]
fn a_call_of_a_peer_that_the_test_does_not_answer_says_what_to_do() {
    let error = Host::new().run(async { peers::call("bob", "hi").await }).unwrap_err();
    assert!(matches!(&error, Error::NotFound(why) if why.contains("`Host::on_call`")), "{error}");
}

#[test]
fn everything_is_recorded_in_order() {
    let host = Host::new().peer("ws-1", "bob").on_call(|_| Ok(Reply::Queued("m-1".into())));
    host.run(async {
        workspace::set_task("asking").unwrap();
        let peer = &peers::list().await.unwrap()[0];
        let call = peers::call(&peer.id, "a\0b").timeout(ms(5)).context_id("talk");
        assert_eq!(call.await.unwrap(), Reply::Queued("m-1".into()));
        messages::notify(Content::from(Part::data("{}")).part("and text")).await.unwrap();
        log::warn!("queued");
        time::sleep(Duration::from_micros(1)).await.unwrap();
        workspace::clear_task().unwrap();
    });
    let events = host.events();
    assert_eq!(events.len(), 7);
    assert_eq!(events[0], Event::SetTask(Some("asking".into())));
    assert_eq!(events[1], Event::ListedPeers);
    let Event::Called(call) = &events[2] else { panic!("{:?}", events[2]) };
    assert_eq!((call.peer.as_str(), call.content.text().as_str()), ("ws-1", "a\0b"));
    assert_eq!((call.timeout, call.context_id.as_deref()), (Some(ms(5)), Some("talk")));
    assert_eq!(events[3], Event::Notified(Content::from(Part::data("{}")).part("and text")));
    assert_eq!(host.logged(), ["queued"]);
    assert_eq!(events[5], Event::Slept(ms(1)), "rounded up");
    assert_eq!(events[6], Event::SetTask(None));
}

#[test]
fn content_without_parts_is_refused_as_a_host_would() {
    let host = Host::new().on_call(|_| Ok("fine".into()));
    host.run(async {
        assert!(matches!(messages::notify(Content::default()).await, Err(Error::Invalid(_))));
        assert!(matches!(peers::call("bob", Content::default()).await, Err(Error::Invalid(_))));
    });
    assert_eq!(host.events(), []);
}

#[test]
fn describe_reaches_nothing() {
    #[derive(Default)]
    struct Curious;
    impl Agent for Curious {
        fn describe() -> Card {
            let denied = matches!(workspace::set_task("describing"), Err(Error::Denied(_)));
            Card::new("curious").description(denied.to_string())
        }
    }
    let host = Host::new();
    let agent = host.start::<Curious>().unwrap();
    assert_eq!(agent.card().description, "true");
    // Only while it describes itself.
    host.run(async { workspace::set_task("working") }).unwrap();
}

#[test]
fn messages_that_a_test_makes_up_differ_in_their_ids() {
    let (one, two) = (Message::from_user("a"), Message::from_peer("ws-1", "bob", "b"));
    assert_ne!(one.id, two.id);
    assert!(one.is_from_user() && one.peer().is_none() && !one.is_reply());
    assert!(!two.is_from_user());
    assert_eq!(two.peer().map(|peer| (peer.id.as_str(), peer.label())), Some(("ws-1", "bob")));
    assert_ne!(one.context_id, two.context_id);
}

#[test]
#[should_panic(
    expected = "call this in a callback of an agent that `Host::start` started, or within `Host::run`"
)]
fn a_call_without_a_host_says_what_to_do() {
    workspace::me();
}

#[test]
#[should_panic(expected = "the agent waits for something that will not happen in this host")]
fn a_wait_for_ever_is_told_from_a_long_one() {
    Host::new().run(std::future::pending::<()>());
}

#[test]
fn hosts_within_hosts_are_told_apart() {
    let (outer, inner) = (Host::new().identity("o", "outer"), Host::new().identity("i", "inner"));
    outer.run(async {
        assert_eq!(inner.run(async { workspace::me() }).name, "inner");
        assert_eq!(workspace::me().name, "outer");
    });
}
