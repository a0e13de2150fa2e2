//! `GET /events/stream`

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::stream;

use crate::app::App;
use crate::auth::Admin;
use crate::feed::Follower;

/// A listener that hears nothing for longer may take the stream for broken.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/events/stream", get(feed))
}

/// All workspaces and what passes between them: first how things stand, then what changes. One that was away begins
/// again with how things stand.
async fn feed(State(app): State<App>, _: Admin) -> Response {
    let frames = stream::unfold(Follower::new(app), |mut follower| async {
        let picture = follower.next().await?;
        let frame = Frame::default().json_data(&picture).unwrap_or_default();
        Some((Ok::<_, Infallible>(frame), follower))
    });
    Sse::new(frames).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE)).into_response()
}
