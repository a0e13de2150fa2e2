//! In somebody else's program, and within his tokio runtime.

use molecule_runtime::{Delivery, Limits, Runtime};
use molecule_tests::guests;

use super::fixture::{agent, message, soon};

/// Dropping a tokio runtime within another one would panic; ours has one inside.
#[tokio::test]
async fn a_runtime_can_be_dropped_where_it_is_used() {
    let runtime = Runtime::new(None).unwrap();
    let component = soon(runtime.load(std::fs::read(guests::FIRST_CONTRACT).unwrap())).await.unwrap();
    soon(runtime.describe(&component, Limits::default())).await.unwrap();
    drop(component);
    drop(runtime);
}

/// The last who holds it may be one of its own threads.
#[tokio::test]
async fn an_actor_keeps_its_runtime_alive() {
    let runtime = Runtime::new(None).unwrap();
    let component = soon(runtime.load(std::fs::read(guests::FLIGHTS).unwrap())).await.unwrap();
    let mut running = agent(guests::FLIGHTS).held().spawn_on(&runtime, &component);
    drop((runtime, component));
    let held = running.send("hold");
    let asked = running.asked().await;
    assert_eq!(running.gate.receipts().latest().len(), 1);
    held.abort();
    drop(running);
    asked.given_up().await;
}

#[test]
fn it_runs_on_either_kind_of_tokio_runtime() {
    let mut single = tokio::runtime::Builder::new_current_thread();
    let mut multi = tokio::runtime::Builder::new_multi_thread();
    for tokio in [&mut single, &mut multi] {
        tokio.enable_all().build().unwrap().block_on(async {
            let running = agent(guests::ECHO).start().await;
            assert_eq!(running.ask("hello").await, "hello");
        });
    }
}

/// An actor ends with the tokio runtime that it was started on.
#[test]
fn an_actor_whose_tokio_runtime_is_gone_has_stopped() {
    let tokio = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = tokio();
    let running = first.block_on(agent(guests::ECHO).start());
    drop(first);
    let delivery = tokio().block_on(running.actor.deliver(message("hello")));
    assert_eq!(delivery, Delivery::Stopped);
}
