//! Deaths at random instants.

use std::collections::BTreeMap;
use std::time::Duration;

use molecule_tests::dice::Dice;
use molecule_tests::world::World;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Mortal, rounds};

/// A host of a test lives no longer than this from its start, or from when it works.
const LIFE: u64 = 600;

#[tokio::test]
async fn every_message_is_answered_once_however_often_the_host_is_killed() {
    let mut dice = Dice::new();
    let (kills, messages) = rounds().map_or((5, 60), |rounds| (rounds, 10 * rounds));
    let world = World::new().await;
    let alice = Mortal::new(&world, "alice").await;
    // A peer that nobody runs. His host would drop copies by their id; here they can be seen.
    let bob = world.create("bob").await;

    let (mut said, mut asked): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for kill in 1..=kills {
        let host = alice.command().spawn();
        if dice.below(3) > 0 {
            host.says("INFO started").await;
        }
        let death = Instant::now() + Duration::from_millis(dice.below(LIFE));
        let share = messages * kill / kills - said.len();
        for left in (1..=share as u64).rev() {
            // Few texts, so that many are equal.
            let text = format!("text {}", dice.below(8));
            world.say(&alice.workspace, &text).await;
            said.push(text);
            if dice.below(4) == 0 {
                let id = format!("question {}", asked.len());
                world.send(Some(&bob), &alice.workspace, &question(&id)).await;
                asked.push(id);
            }
            let rest = death.saturating_duration_since(Instant::now()).as_millis() as u64;
            sleep(Duration::from_millis(dice.below(rest / left + 1))).await;
        }
        sleep_until(death).await;
        host.kill().await;
        println!(
            "killed {kill} times, {} of {} answered",
            world.answers(&alice.workspace).await.len(),
            said.len()
        );
    }

    let mut answers = alice.lives_on(messages).await;
    said.sort();
    answers.sort();
    assert_eq!(answers, said);

    let replies = world.peer_messages(&bob).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let copies: BTreeMap<String, String> = replies
        .iter()
        .map(|reply| (text(&reply["messageId"]), text(&reply["metadata"]["in_reply_to"])))
        .collect();
    let mut answered: Vec<String> = copies.into_values().collect();
    asked.sort();
    answered.sort();
    assert_eq!(answered, asked, "each question has one answer, however often that was sent");
}

fn question(id: &str) -> Value {
    json!({ "role": "user", "messageId": id, "parts": [{ "kind": "text", "text": "a question" }] })
}
