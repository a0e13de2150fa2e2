//! The stream of a workspace's events.

use std::time::Duration;

use super::super::client::Client;
use super::super::error::{PlatformError, PlatformFault, one_line};
use super::super::request::Call;
use super::super::retry::Repeat;
use super::super::transport::BodyStream;

/// A stream that says nothing for so long is dead: the workspace's own heartbeats stand in it.
const IDLE: Duration = Duration::from_secs(120);

impl Client {
    /// `GET /workspaces/:own/events/stream`: server-sent events, as they happen. 10 s to the first of them, and no end; a
    /// piece of it is waited for 120 s. Once: whoever listens opens it again.
    ///
    /// # Errors
    /// [`RouteMissing`](PlatformFault::RouteMissing) from a platform without it.
    pub async fn events(&self) -> Result<BodyStream, PlatformError> {
        let call =
            Call::get(self.own(&["events", "stream"])).repeated(Repeat::Once).up_to(usize::MAX).streamed();
        let mut answer = self.exchange(call.idle(IDLE)).await?;
        let Some(body) = answer.rest.take() else { return Err(answer.refusal()) };
        match answer.content_type() {
            Some(kind) if kind.starts_with("text/event-stream") => Ok(body),
            kind => {
                let content = kind.map_or_else(|| "something of no type".to_owned(), one_line);
                let status = answer.status.as_u16();
                Err(answer.asked.failed(PlatformFault::NotJson { status, content }))
            }
        }
    }
}
