//! Listens to the platform's events, so that a message need not wait for the next poll.
//!
//! The stream only says that it is time to look: what a message says is taken from the log alone. Without a stream, and
//! whenever it breaks off, polling goes on as ever; nobody is told.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use molecule_protocol::events::{Frames, is_reason_to_look};
use tokio::time::Instant;

use super::context::{Context, Mode};
use crate::platform::{BodyStream, PlatformFault};
use crate::random;

/// Before a stream is opened again, doubled each time ...
const FIRST: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST: Duration = Duration::from_secs(60);
/// A stream that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(60);

/// Listens until the workspace ends, or it is clear that there is nothing to listen to.
pub(super) async fn run(context: Arc<Context>) {
    if !context.spec.event_stream {
        return;
    }
    let mut wait = FIRST;
    loop {
        context.working().await;
        let began = Instant::now();
        // In a box: a stream is open most of the time, and this would keep the room for the request all the while.
        match Box::pin(context.client.events()).await {
            Ok(stream) => listen(&context, stream).await,
            Err(error) => match error.fault {
                PlatformFault::RouteMissing => {
                    tracing::debug!("this platform has no stream of events; messages are polled for");
                    return;
                }
                PlatformFault::Unauthorized { .. } => context.look.notify_one(),
                _ => tracing::debug!("no stream of events, trying again: {error}"),
            },
        }
        wait = if began.elapsed() >= GOOD { FIRST } else { (wait * 2).min(LONGEST) };
        // Many hosts whose platform was restarted do not come back together.
        tokio::time::sleep(wait.mul_f64(0.5 + random::unit(&context.random))).await;
    }
}

/// Listens until the stream ends or the workspace stops working.
async fn listen(context: &Context, mut stream: BodyStream) {
    // What came before it was open.
    context.poll.notify_one();
    let mut frames = Frames::default();
    let mut mode = context.mode.subscribe();
    loop {
        tokio::select! {
            piece = stream.next() => match piece {
                Some(Ok(piece)) => {
                    if frames.push(&piece).iter().any(|frame| is_reason_to_look(frame)) {
                        context.poll.notify_one();
                    }
                }
                Some(Err(_)) | None => return,
            },
            _ = mode.wait_for(|mode| *mode != Mode::Working) => return,
        }
    }
}
