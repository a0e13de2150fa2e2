//! Says that the agent lives. Waits for nothing but its own request.

use std::sync::Arc;
use std::time::Duration;

use super::context::{Context, Mode};
use crate::events::Event;
use crate::platform::PlatformFault;
use crate::random;

/// After a heartbeat that failed the next one comes sooner, since the platform forgives two in a row: after so much of
/// the interval, but...
const AFTER_FAILURE: u32 = 6;
/// ...no later than this.
const LATEST: Duration = Duration::from_secs(5);

/// Beats until it is dropped, the first time at once.
pub(super) async fn run(context: Arc<Context>) {
    let mut failures = 0_u32;
    loop {
        let interval = context.spec.intervals.heartbeat;
        let wait = match context.client.heartbeat(context.vitals.heartbeat(context.redactor())).await {
            Ok(()) => {
                failures = 0;
                context.say(Event::Heartbeat);
                // Many hosts that started together do not beat together.
                interval.mul_f64(0.9 + 0.2 * random::unit(&context.random))
            }
            Err(error) => {
                failures += 1;
                if matches!(error.fault, PlatformFault::Unauthorized { .. }) {
                    context.look.notify_one();
                }
                // The first, the third, and then now and then: a platform that is down is said, not shouted.
                if (failures == 1 || failures == 3 || failures.is_multiple_of(20))
                    && *context.mode.borrow() != Mode::Revoked
                {
                    context.say(Event::Trouble(format!("no heartbeat ({failures} in a row): {error}")));
                }
                (interval / AFTER_FAILURE).min(LATEST)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = context.beat.notified() => {}
        }
    }
}
