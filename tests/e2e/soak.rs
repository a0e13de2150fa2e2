//! A day in ten minutes: two agents, a platform and a network, all of which have bad days.
//!
//! A minute by default; `MOLECULE_MINUTES=10` for all of it. What happens is drawn from a seed that is printed;
//! `MOLECULE_SEED` sets it, and the same seed makes the same plan.

mod plan;
mod stage;

use std::collections::BTreeMap;
use std::time::Duration;

use molecule_tests::dice::Dice;
use serde_json::Value;
use tokio::time::Instant;

use plan::{Job, Plan};
use stage::Stage;

/// What is left when the last fault is over: an answer may be in doubt for 16 s, and a call waits 10.
const PATIENCE: Duration = Duration::from_secs(240);
/// The platform takes an agent for gone after three intervals.
const STALE: Duration = stage::HEARTBEAT.saturating_mul(3);

#[tokio::test]
async fn a_bad_day_loses_nothing_and_answers_nothing_twice() {
    let minutes = std::env::var("MOLECULE_MINUTES").map_or(1, |text| text.parse().expect("a number"));
    let plan = Plan::draw(&mut Dice::new(), minutes);
    let mut stage = Stage::set().await;
    let began = Instant::now();
    for (number, slice) in plan.slices.iter().enumerate() {
        println!("{:>6.1} s  slice {number}: {slice}", began.elapsed().as_secs_f64());
        let end = Instant::now() + plan::SLICE;
        stage.play(slice).await;
        tokio::time::sleep_until(end).await;
    }
    stage.clear_up().await;
    println!("{:>6.1} s  the faults are over", began.elapsed().as_secs_f64());

    // Everything that was said is answered, once.
    let expected: BTreeMap<String, usize> = plan.jobs().map(|job| (job.answer(), 1)).collect();
    stage.until("every message is answered", PATIENCE, async |stage| expected == stage.answers().await).await;
    stage
        .until("every question is answered", PATIENCE, async |stage| stage.unanswered().await.is_empty())
        .await;
    println!("{:>6.1} s  all is answered", began.elapsed().as_secs_f64());
    stage.quit().await;
    assert_eq!(stage.answers().await, expected);

    let questions = stage.questions().await;
    let replies = stage.replies().await;
    for (question, ids) in &replies {
        assert_eq!(ids.len(), 1, "question {question} was answered by {ids:?}");
    }
    let calls = plan.jobs().filter(|job| matches!(job, Job::Relay(_))).count();
    let delegations = plan.jobs().filter(|job| matches!(job, Job::Delegate(_))).count();
    println!(
        "{calls} calls and {delegations} delegations made {} questions and {} replies between the agents; the proxy saw {} \
         requests",
        questions.len(),
        replies.len(),
        stage.requests(),
    );
    assert!(questions.len() >= calls + delegations && replies.len() == questions.len());
    assert_eq!(stage.refused(), 0, "the platform itself never had to say that it is asked too much");
    for (workspace, gap) in stage.longest_silences() {
        println!("{workspace}: {:.1} s at most between two heartbeats that arrived", gap.as_secs_f64());
        assert!(gap < STALE, "{workspace} was silent for {gap:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_day() {
    let shown = |seed| {
        let plan = Plan::draw(&mut Dice::of(seed), 1);
        plan.slices.iter().map(|slice| format!("{slice}\n")).collect::<String>()
    };
    assert_eq!(shown(1), shown(1));
    assert_ne!(shown(1), shown(2));
    let day = shown(3);
    for event in ["killed", "restarted", "rotated", "paused", "429", "cursor", "reset"] {
        assert!(day.contains(event), "{event} is missing in\n{day}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
