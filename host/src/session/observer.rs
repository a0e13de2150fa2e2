//! What the runtime has to say about the agent, as events.

use std::sync::Arc;

use molecule_runtime::{AgentEvent, Line, Observer, wit};

use super::context::Context;
use crate::events::{Ended, Event};

pub(super) struct WorkspaceObserver(pub(super) Arc<Context>);

impl Observer for WorkspaceObserver {
    fn line(&self, line: Line<'_>) {
        self.0.say(Event::Log {
            source: line.source,
            level: line.level,
            text: line.text.to_owned(),
            fields: line.fields.to_vec(),
            message: line.message.map(str::to_owned),
        });
    }

    fn event(&self, event: AgentEvent) {
        let context = &self.0;
        match event {
            AgentEvent::Started => context.say(Event::Started),
            AgentEvent::Refused(error) => context.end(Ended::Refused(wit::words(&error))),
            AgentEvent::Died { death, backoff } => context.say(Event::Died { death, backoff }),
            AgentEvent::Wedged { death } => {
                context.vitals.set_wedged(Some(death.to_string()));
                context.beat.notify_one();
                context.say(Event::Wedged { death });
            }
            AgentEvent::Recovered => {
                context.vitals.set_wedged(None);
                context.beat.notify_one();
                context.say(Event::Recovered);
            }
            AgentEvent::TickFailed(error) => {
                context.say(Event::Trouble(format!("the agent's on-tick failed: {}", wit::words(&error))));
            }
            AgentEvent::Stopped => {}
        }
    }
}
