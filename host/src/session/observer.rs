//! What the runtime has to say about the agent, as events.

use std::sync::Arc;
use std::time::Duration;

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

    fn memory(&self, bytes: usize) {
        self.0.tally.set_memory(bytes);
    }

    fn cpu_time(&self, used: Duration) {
        self.0.tally.set_cpu_time(used);
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
            AgentEvent::Throttled { cpu_per_minute } => context.say(Event::Trouble(format!(
                "CPU limit: the agent has used up its {cpu_per_minute:?} of CPU time in a minute and waits for more; \
                 --cpu-per-minute allows more"
            ))),
            AgentEvent::LogDropped { lines, bytes } => {
                let most = &context.spec.limits;
                context.say(Event::Trouble(format!(
                    "log limit: {lines} lines of the agent ({bytes} bytes) were dropped, since it may write {} lines \
                     and {} bytes in a minute; --max-log-lines and --max-log-bytes allow more",
                    most.log_lines_per_minute, most.log_bytes_per_minute
                )));
            }
            AgentEvent::Stopped => {}
        }
    }
}
