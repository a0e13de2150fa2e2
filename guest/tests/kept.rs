//! What the platform keeps, in the scripted host: memory, questions, delegations, and the workspace itself.
#![allow(missing_docs)]

use std::time::Duration;

use molecule_guest::approvals::{self, Decision};
use molecule_guest::memory::{self, Memory, Scope};
use molecule_guest::testing::{Event, Host, denied};
use molecule_guest::workspace::State;
use molecule_guest::{
    Agent, Backoff, Card, DelegationStatus, Error, Message, Outcome, Result, peers, time, workspace,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn without_a_grant_memory_is_denied_and_a_wider_scope_needs_a_wider_one() {
    let host = Host::new();
    host.run(async {
        let missing = denied("memory", "--allow-memory local");
        assert_eq!(memory::get("k").await, Err(missing.clone()));
        assert_eq!(memory::set("k", "1").await, Err(missing.clone()));
        assert_eq!(memory::search("x").await, Err(missing.clone()));
        assert_eq!(memory::checkpoints("w").await, Err(missing));
    });
    let host = Host::new().allow_memory(Scope::Team);
    host.run(async {
        assert!(memory::commit("for us").scope(Scope::Team).await.is_ok());
        assert!(memory::commit("for me").await.is_ok(), "what is narrower is granted, too");
        let global = memory::commit("for all").scope(Scope::Global).await;
        assert_eq!(global, Err(denied("memory", "--allow-memory global")));
    });
}

#[test]
fn a_value_has_a_version_and_who_comes_late_overwrites_nothing() {
    let host = Host::new().allow_memory(Scope::Local);
    host.run(async {
        assert_eq!(memory::get("k").await, Ok(None));
        assert_eq!(memory::set("k", "1").if_absent().await, Ok(1));
        assert!(matches!(memory::set("k", "2").if_absent().await, Err(Error::Conflict(_))));
        assert_eq!(memory::set("k", "2").if_version(1).await, Ok(2));
        assert!(matches!(memory::set("k", "3").if_version(1).await, Err(Error::Conflict(_))));
        assert_eq!(memory::set("k", "4").await, Ok(3), "who does not ask is not told");
        let entry = memory::get("k").await.unwrap().unwrap();
        assert_eq!((entry.value.as_str(), entry.version), ("4", 3));
        memory::set("a", "0").await.unwrap();
        let keys: Vec<_> = memory::list().await.unwrap().into_iter().map(|entry| entry.key).collect();
        assert_eq!(keys, ["a", "k"]);
        memory::delete("k").await.unwrap();
        memory::delete("k").await.unwrap();
        assert_eq!(memory::get("k").await, Ok(None));
    });
    assert_eq!(host.value("a").as_deref(), Some("0"));
}

#[test]
fn a_value_goes_when_its_time_is_over() {
    let host = Host::new().allow_memory(Scope::Local);
    host.run(async {
        memory::set("k", "1").ttl(seconds(60)).await.unwrap();
        let entry = memory::get("k").await.unwrap().unwrap();
        assert_eq!(entry.expires_at.as_deref(), Some("2026-01-01T00:01:00.000Z"));
        time::sleep(seconds(59)).await.unwrap();
        assert!(memory::get("k").await.unwrap().is_some());
        time::sleep(seconds(1)).await.unwrap();
        assert_eq!(memory::get("k").await, Ok(None));
        assert_eq!(memory::set("k", "2").if_absent().await, Ok(1));
    });
}

#[cfg(feature = "json")]
#[test]
fn values_are_types_of_serde_and_what_is_no_json_is_refused() {
    let host = Host::new().allow_memory(Scope::Local);
    host.run(async {
        memory::set_json("names", &["ada", "bob"]).await.unwrap();
        assert_eq!(memory::get_json::<Vec<String>>("names").await.unwrap().unwrap(), ["ada", "bob"]);
        assert_eq!(memory::get_json::<u8>("none").await, Ok(None));
        assert!(matches!(memory::get_json::<u8>("names").await, Err(Error::Invalid(_))));
        assert!(matches!(memory::set("names", "[").await, Err(Error::Invalid(_))));
        assert!(matches!(memory::set_json("k", &[f64::NAN]).await, Ok(1)), "NaN is null");
        let not_json = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(matches!(memory::set_json("k", &not_json).await, Err(Error::Invalid(_))));
    });
}

#[cfg(feature = "json")]
#[test]
fn an_update_does_not_lose_what_somebody_else_has_changed_meanwhile() {
    let host = Host::new().allow_memory(Scope::Local);
    host.set_value("visits", "40");
    let meanwhile = host.clone();
    let mut first = true;
    let counted = host.run(memory::update("visits", |visits: &mut u32| {
        if std::mem::take(&mut first) {
            meanwhile.set_value("visits", "41");
        }
        *visits += 1;
    }));
    assert_eq!(counted, Ok(42));
    assert_eq!(host.value("visits").as_deref(), Some("42"));

    let meanwhile = host.clone();
    let never = host.run(memory::update("visits", |visits: &mut u32| {
        meanwhile.set_value("visits", visits.to_string());
    }));
    assert!(matches!(never, Err(Error::Conflict(_))), "it does not try for ever");
}

#[test]
fn memories_are_found_by_words_scope_and_namespace_newest_first() {
    let mut of_bob = Memory::new("b-1", "Bob likes tea");
    of_bob.scope = Scope::Team;
    let host = Host::new().allow_memory(Scope::Team).memory(of_bob);
    host.run(async {
        let first = memory::commit("Ada likes tea").namespace("people").await.unwrap();
        memory::commit("Tea is hot").await.unwrap();
        memory::commit("Ada has a dog").namespace("people").await.unwrap();
        let found = async |search: memory::Search| {
            search.await.unwrap().into_iter().map(|memory| memory.content).collect::<Vec<_>>()
        };
        assert_eq!(found(memory::search("tea")).await, ["Tea is hot", "Ada likes tea"]);
        assert_eq!(found(memory::search("tea ADA")).await, ["Ada likes tea"]);
        assert_eq!(found(memory::latest().namespace("people").limit(1)).await, ["Ada has a dog"]);
        assert_eq!(found(memory::search("tea").scope(Scope::Team)).await, ["Bob likes tea"]);
        memory::forget(&first).await.unwrap();
        assert_eq!(found(memory::search("tea")).await, ["Tea is hot"]);
        assert!(matches!(memory::forget(first).await, Err(Error::NotFound(_))));
    });
    assert_eq!(host.memories().len(), 3);
}

#[test]
fn a_checkpoint_takes_the_place_of_the_one_of_the_same_step() {
    let host = Host::new().allow_memory(Scope::Local);
    host.run(async {
        memory::save_checkpoint("pack", "b", 1).await.unwrap();
        memory::save_checkpoint("pack", "a", 0).payload("1").await.unwrap();
        memory::save_checkpoint("send", "x", 0).await.unwrap();
        memory::save_checkpoint("pack", "b", 1).payload(r#"{"n":2}"#).await.unwrap();
        let steps: Vec<_> = memory::checkpoints("pack")
            .await
            .unwrap()
            .into_iter()
            .map(|it| (it.step, it.index, it.payload))
            .collect();
        assert_eq!(steps, [("a".into(), 0, Some("1".into())), ("b".into(), 1, Some(r#"{"n":2}"#.into()))]);
        let latest = memory::latest_checkpoint().await.unwrap().unwrap();
        assert_eq!((latest.workflow.as_str(), latest.step.as_str()), ("pack", "b"));
        memory::clear_checkpoints("pack").await.unwrap();
        assert!(memory::checkpoints("pack").await.unwrap().is_empty());
        assert_eq!(memory::latest_checkpoint().await.unwrap().unwrap().workflow, "send");
    });
    assert_eq!(host.checkpoints("send").len(), 1);
}

#[cfg(feature = "json")]
#[test]
fn a_checkpoint_has_what_is_needed_to_go_on() {
    let host = Host::new().allow_memory(Scope::Local);
    host.run(async {
        memory::save_checkpoint("pack", "a", 0).json(&("box", 3)).await.unwrap();
        memory::save_checkpoint("pack", "b", 1).await.unwrap();
        let all = memory::checkpoints("pack").await.unwrap();
        assert_eq!(all[0].parse::<(String, u8)>(), Ok(("box".into(), 3)));
        assert!(matches!(all[1].parse::<u8>(), Err(Error::Invalid(_))), "there is none");
        assert!(matches!(memory::save_checkpoint("pack", "c", 2).payload("{").await, Err(Error::Invalid(_))));
    });
}

#[test]
fn a_question_waits_until_it_is_decided() {
    let host = Host::new().decision_takes(seconds(10)).on_ask(|question| {
        Ok(if question.action.contains("gold") { Decision::Denied } else { Decision::Approved })
    });
    host.run(async {
        let tea = approvals::ask("buy tea").reason("thirst").task_id("t-1").context("{}").await.unwrap();
        assert!(approvals::get(&tea).await.unwrap().is_pending());
        let decided = approvals::wait(&tea, seconds(60)).await.unwrap();
        assert!(decided.is_approved());
        assert_eq!(
            (decided.decided_by.as_deref(), decided.decided_at.as_deref()),
            (Some("test"), Some("2026-01-01T00:00:10.000Z"))
        );
        let gold = approvals::ask("buy gold").await.unwrap();
        assert_eq!(approvals::wait(&gold, seconds(60)).await.unwrap().decision, Decision::Denied);
        let actions: Vec<_> = approvals::list().await.unwrap().into_iter().map(|it| it.action).collect();
        assert_eq!(actions, ["buy gold", "buy tea"]);
        assert!(matches!(approvals::get("approval-9").await, Err(Error::NotFound(_))));
        assert!(matches!(approvals::ask("").await, Err(Error::Invalid(_))));
    });
    let [tea, _] = host.questions().try_into().unwrap();
    assert_eq!((tea.reason.as_deref(), tea.task_id.as_deref()), (Some("thirst"), Some("t-1")));
}

#[test]
fn a_wait_looks_again_after_growing_pauses_and_ends_when_it_said() {
    let host = Host::new();
    let id = host.run(async { approvals::ask("buy tea").await.unwrap() });
    let undecided = host.run(approvals::wait(&id, seconds(100))).unwrap();
    assert!(undecided.is_pending());
    assert_eq!(host.elapsed(), seconds(100));
    let pauses: Vec<_> = host
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Slept(pause) => Some(pause.as_secs()),
            _ => None,
        })
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 9]);

    host.decide(&id, Decision::Approved);
    assert!(host.run(approvals::wait(&id, seconds(100))).unwrap().is_approved());
    assert_eq!(host.elapsed(), seconds(100), "what is decided is not waited for");
}

#[test]
fn a_wait_outlives_a_platform_that_is_busy_and_no_other_trouble() {
    let host = Host::new().on_ask(|_| Ok(Decision::Approved));
    let id = host.run(async { approvals::ask("buy tea").await.unwrap() });
    let busy = Error::RateLimited(Backoff { message: "slow down".into(), retry_after_ms: None });
    host.fail("approvals::get", busy.clone());
    assert_eq!(host.run(approvals::wait(&id, seconds(10))), Err(busy));
    assert_eq!(host.elapsed(), seconds(10));
    host.fail("approvals::get", Error::Forbidden("no".into()));
    assert_eq!(host.run(approvals::wait(&id, seconds(10))), Err(Error::Forbidden("no".into())));
    assert_eq!(host.elapsed(), seconds(10));
    host.mend("approvals::get");
    assert!(host.run(approvals::wait(&id, seconds(10))).unwrap().is_approved());
}

/// Gives its orders to bob, and hears what comes of them.
#[derive(Default)]
struct Boss;

impl Agent for Boss {
    fn describe() -> Card {
        Card::new("boss")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        if let Some(id) = &message.in_reply_to {
            let delegation = peers::delegation(id).await?;
            assert!(delegation.status.is_final());
            let how = matches!(delegation.status, DelegationStatus::Completed(_));
            return Ok(format!("{} {how}: {}", delegation.task, message.text()).into());
        }
        let given = peers::delegate("bob", message.text()).await?;
        Ok(format!("{} has {}", given.peer.label(), given.id).into())
    }
}

#[test]
fn the_result_of_a_delegation_comes_as_a_message() {
    let host = Host::new().peer("ws-1", "bob").delegation_takes(seconds(30)).on_delegate(|given| {
        Ok(match given.task.as_str() {
            "pack" => "packed".into(),
            "fly" => DelegationStatus::Failed("no wings".into()),
            _ => DelegationStatus::Queued,
        })
    });
    let agent = host.start::<Boss>().unwrap();
    assert_eq!(agent.message("pack").unwrap().text(), "bob has delegation-1");
    agent.message("fly").unwrap();
    agent.message("dream").unwrap();
    let first = host.run(peers::delegation("delegation-1")).unwrap();
    assert_eq!((first.peer.id.as_str(), first.status), ("ws-1", DelegationStatus::Pending));

    let told: Vec<_> = agent.deliver().into_iter().map(|outcome| outcome.unwrap().text()).collect();
    assert_eq!(told, ["pack true: packed", "fly false: no wings"]);
    assert_eq!(host.elapsed(), seconds(30));
    assert!(agent.deliver().is_empty(), "each is told once");
    let all = host.run(peers::delegations()).unwrap();
    assert_eq!(all.first().unwrap().status, DelegationStatus::Queued, "newest first");

    host.finish("delegation-3", "of sheep");
    assert_eq!(agent.deliver()[0].as_ref().unwrap().text(), "dream true: of sheep");
}

#[test]
fn one_key_is_one_delegation() {
    let host = Host::new().on_delegate(|given| Ok(format!("{} done", given.task).into()));
    host.run(async {
        let first = peers::delegate("bob", "pack").key("order 7").await.unwrap();
        let again = peers::delegate("eve", "send").key("order 7").await.unwrap();
        assert_eq!((&again.id, again.task.as_str()), (&first.id, "pack"));
        let other = peers::delegate("bob", "pack").await.unwrap();
        assert_ne!(other.id, first.id);
        assert!(matches!(peers::delegate("bob", "").await, Err(Error::Invalid(_))));
    });
    let keys: Vec<_> = host.assignments().into_iter().map(|given| given.key).collect();
    assert_eq!(keys, [Some("order 7".into()), None]);
}

#[test]
fn work_that_the_test_has_nobody_do_says_what_to_do() {
    let error = Host::new().run(async { peers::delegate("bob", "pack").await }).unwrap_err();
    assert!(matches!(&error, Error::NotFound(why) if why.contains("`Host::on_delegate`")), "{error}");
}

#[test]
fn a_peer_is_found_where_it_is_online() {
    let host = Host::new().peer("ws-1", "bob");
    host.run(async {
        for bob in ["bob", "ws-1"] {
            let place = peers::discover(bob).await.unwrap();
            assert_eq!((place.id.as_str(), place.name.as_str()), ("ws-1", "bob"));
        }
        assert!(matches!(peers::discover("eve").await, Err(Error::NotFound(_))));
        peers::invalidate("bob");
        peers::invalidate_all();
    });
    assert_eq!(host.events(), [Event::Invalidated(Some("bob".into())), Event::Invalidated(None)]);
}

#[test]
fn the_workspace_is_announced_again_and_asked_after() {
    let host = Host::new().state(State::new("degraded"));
    host.run(async {
        workspace::register(None).await.unwrap();
        workspace::register(Card::new("renamed")).await.unwrap();
        workspace::heartbeat().await.unwrap();
        let state = workspace::state().await.unwrap();
        assert_eq!((state.status.as_str(), state.paused), ("degraded", false));
    });
    let expected = [Event::Registered(None), Event::Registered(Some(Card::new("renamed"))), Event::Heartbeat];
    assert_eq!(host.events(), expected);
}

#[test]
fn any_function_can_be_made_to_fail() {
    let host = Host::new().allow_memory(Scope::Local);
    for function in ["workspace::heartbeat", "memory::set", "peers::delegations", "messages::history"] {
        host.fail(function, Error::new(function));
    }
    host.run(async {
        assert_eq!(workspace::heartbeat().await, Err(Error::new("workspace::heartbeat")));
        assert_eq!(memory::set("k", "1").await, Err(Error::new("memory::set")));
        assert_eq!(peers::delegations().await, Err(Error::new("peers::delegations")));
        assert!(molecule_guest::messages::history().await.is_err());
        assert_eq!(memory::get("k").await, Ok(None), "the others work");
    });
    assert_eq!(host.events(), []);
}

#[test]
fn what_is_kept_is_there_when_the_agent_is_started_again() {
    #[derive(Default)]
    struct Remembers;
    impl Agent for Remembers {
        fn describe() -> Card {
            Card::new("remembers")
        }
        async fn on_message(&self, message: Message) -> Result<Outcome> {
            let before = memory::get("last").await?.map_or("nothing".to_owned(), |entry| entry.value);
            memory::set("last", format!("{:?}", message.text())).await?;
            Ok(before.into())
        }
    }
    let host = Host::new().allow_memory(Scope::Local);
    assert_eq!(host.start::<Remembers>().unwrap().message("tea").unwrap().text(), "nothing");
    assert_eq!(host.start::<Remembers>().unwrap().message("gold").unwrap().text(), "\"tea\"");
}
