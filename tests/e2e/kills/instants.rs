//! Deaths at random instants.

use std::time::Duration;

use molecule_tests::world::World;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Dice, Mortal, rounds};

/// A host of a test lives no longer than this from its start, or from when it works.
const LIFE: u64 = 600;

#[tokio::test]
async fn every_message_is_answered_once_however_often_the_host_is_killed() {
    let mut dice = Dice::new();
    let (kills, messages) = rounds().map_or((5, 60), |rounds| (rounds, 10 * rounds));
    let world = World::new().await;
    let alice = Mortal::new(&world, "alice").await;

    let mut said: Vec<String> = Vec::new();
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
            let rest = death.saturating_duration_since(Instant::now()).as_millis() as u64;
            sleep(Duration::from_millis(dice.below(rest / left + 1))).await;
        }
        sleep_until(death).await;
        host.kill().await;
        println!("killed {kill} times, {} of {} answered", world.answers(&alice.workspace).await.len(), said.len());
    }

    let mut answers = alice.lives_on(messages).await;
    said.sort();
    answers.sort();
    assert_eq!(answers, said);
}
