//! The life of a workspace, from its first start to its end.

mod health;
mod secrets;
mod starts;
mod stops;
mod token_command;
mod tokens;

use molecule_host::Event;
use molecule_tests::scripted::{Received, Reply, Scripted};
use molecule_tests::world::World;

/// Something before the platform that writes down what is asked.
async fn listener(world: &World) -> Scripted {
    let platform = world.address();
    Scripted::answering(move |_| Reply::PassOn(platform)).await
}

fn registrations(received: &[Received]) -> usize {
    received.iter().filter(|request| request.target == "/registry/register").count()
}

fn heartbeat(event: &Event) -> Option<()> {
    matches!(event, Event::Heartbeat).then_some(())
}
