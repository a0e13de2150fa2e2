//! What the runtime has to say about the agent, as events.

use std::sync::Arc;

use molecule_runtime::{AgentEvent, Line, Observer};

use super::context::Context;
use super::errors;
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

    fn memory(&self, bytes: usize) {
        self.0.tally.set_memory(bytes);
    }

    fn event(&self, event: AgentEvent) {
        let context = &self.0;
        match event {
            AgentEvent::Started => context.say(Event::Started),
            AgentEvent::Refused(error) => context.end(Ended::Refused(errors::words(&error))),
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
                context.say(Event::Trouble(format!("the agent's on-tick failed: {}", errors::words(&error))));
            }
            AgentEvent::Stopped => {}
        }
    }
}
