//! What the loops of one workspace share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use molecule_gate::{Gate, Receipt};
use molecule_protocol::Json;
use molecule_store::state::{Fence, State, StateError};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::appeals::Hearings;
use super::decisions;
use super::denials::Denials;
use super::direct::Places;
use super::directory::Directory;
use super::files::Files;
use super::lanes::Lanes;
use super::situation::Situation;
use super::tally::Tally;
use super::vitals::Vitals;
use super::waiting::Waiting;
use crate::clock::{self, Clock};
use crate::egress::Outlet;
use crate::events::{Ended, Event, Happened};
use crate::platform::Client;
use crate::plugins::Plugins;
use crate::random::{self, Random};
use crate::secrets::{Redactor, Secrets};
use crate::spec::AgentSpec;

/// Whether the workspace may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It takes messages.
    Working,
    /// It was paused: messages wait at the platform.
    Paused,
    /// The pause is over, and the agent is being told.
    Resuming,
    /// The platform does not take the token: nothing can be asked or sent.
    Revoked,
}

impl Mode {
    /// The agent knows that the pause is over. False if there is none that is.
    pub(super) fn resumed(&mut self) -> bool {
        let resuming = *self == Self::Resuming;
        if resuming {
            *self = Self::Working;
        }
        resuming
    }
}

/// What the loops of one workspace share.
pub(super) struct Context {
    pub(super) spec: AgentSpec,
    /// Under which it is registered.
    pub(super) name: String,
    pub(super) client: Client,
    pub(super) state: Arc<dyn State>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
    /// Ours once the platform has taken us.
    pub(super) lease: OnceLock<Fence>,
    pub(super) gate: Arc<Gate>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) plugins: Plugins,
    pub(super) files: Files,
    /// What the platform is told of the agent.
    pub(super) card: Mutex<Json>,
    pub(super) outlet: Outlet,
    pub(super) denials: Denials,
    pub(super) hearings: Hearings,
    pub(super) vitals: Vitals,
    pub(super) tally: Tally,
    pub(super) directory: Directory,
    pub(super) places: Places,
    pub(super) waiting: Waiting,
    pub(super) lanes: Lanes,
    pub(super) mode: watch::Sender<Mode>,
    /// How messages get here.
    pub(super) situation: Mutex<Situation>,
    /// Why the workspace ends; the first one counts.
    pub(super) end: mpsc::UnboundedSender<Ended>,
    /// Ends when the workspace stops: nothing new is begun from then on.
    pub(super) stopping: CancellationToken,

    /// A message waits to be claimed.
    pub(super) inbox: Notify,
    /// A send waits to be sent.
    pub(super) outbox: Arc<Notify>,
    /// The next heartbeat is to go out now.
    pub(super) beat: Notify,
    /// The token was refused somewhere: look at the state now.
    pub(super) look: Notify,
    /// Look for messages now.
    pub(super) poll: Notify,
    /// Look for other secrets now.
    pub(super) pull_secrets: Notify,
    /// A task was given to a peer: there is a result to look for.
    pub(super) delegated: Notify,
    /// The gate has decided something that is worth a row of the workspace's log.
    pub(super) decided: Notify,
    /// How many wait for something that only a poll brings.
    pub(super) eager: AtomicUsize,
    /// When the last poll began that saw all there was.
    pub(super) seen_all: watch::Sender<Option<Instant>>,
}

impl Context {
    /// Says what happens, to whoever listens and so to every log. No secret is in it.
    pub(super) fn say(&self, event: Event) {
        let event = event.redacted(self.redactor());
        self.tally.count(&event);
        let unheard = self.spec.events.tell(Happened { workspace: self.spec.workspace_id, event });
        // Nobody needs to listen.
        if let Some(Happened { event: Event::Trouble(trouble), .. }) = unheard {
            tracing::warn!("{trouble}");
        }
    }

    /// What knows the secrets in use.
    pub(super) fn redactor(&self) -> &Redactor {
        self.secrets.redactor()
    }

    /// The time of day, in milliseconds since the Unix epoch.
    pub(super) fn unix_millis(&self) -> i64 {
        clock::unix_millis(&self.clock)
    }

    /// What the platform is told of the agent.
    pub(super) fn card(&self) -> Json {
        self.card.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How messages get here.
    pub(super) fn situation(&self) -> Situation {
        self.situation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It is known, or known better, how messages get here. True if that is news.
    pub(super) fn found(&self, situation: Situation) -> bool {
        let mut known = self.situation.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *known != situation;
        *known = situation;
        news
    }

    /// An id for a message of ours.
    pub(super) fn message_id(&self) -> String {
        random::message_id(&self.random)
    }

    /// The gate has decided: tells whom it concerns. Called on the thread that asked it.
    pub(super) fn decided(&self, receipt: &Receipt) {
        if decisions::is_worth_a_row(receipt) {
            self.decided.notify_one();
        }
        if let Some(event) = self.denials.count(receipt) {
            self.say(event);
        }
    }

    /// Ends the workspace.
    pub(super) fn end(&self, why: Ended) {
        let _ = self.end.send(why.redacted(self.redactor()));
    }

    /// Waits until the workspace may work.
    pub(super) async fn working(&self) {
        // The sender lives as long as this.
        let _ = self.mode.subscribe().wait_for(|mode| *mode == Mode::Working).await;
    }

    /// The lease of the workspace. Before there is one, every verb of the state is refused.
    pub(super) fn fence(&self) -> &Fence {
        static NONE: Fence = Fence { workspace: String::new(), token: 0 };
        self.lease.get().unwrap_or(&NONE)
    }

    /// Waits while the platform takes no token.
    pub(super) async fn accepted(&self) {
        let _ = self.mode.subscribe().wait_for(|mode| *mode != Mode::Revoked).await;
    }

    /// Waits until the workspace may work, once the agent knows.
    pub(super) async fn may_work(&self) {
        let may = |mode: &Mode| matches!(mode, Mode::Working | Mode::Resuming);
        let _ = self.mode.subscribe().wait_for(may).await;
    }

    /// Polls more often until what comes back is dropped.
    pub(super) fn poll_eagerly(&self) -> Eager<'_> {
        self.eager.fetch_add(1, Ordering::Relaxed);
        self.poll.notify_one();
        Eager(self)
    }

    /// Waits for a poll that began after `at` and saw all there was.
    pub(super) async fn polled_after(&self, at: Instant) {
        let _eager = self.poll_eagerly();
        let _ = self.seen_all.subscribe().wait_for(|seen| seen.is_some_and(|seen| seen > at)).await;
    }

    /// Does a verb of the state, again and again while the storage fails: what it is about is in memory and must not be
    /// lost. `None` when the workspace is another host's now, or the verb makes no sense any more.
    pub(super) async fn keep<'a, T>(
        &self,
        verb: impl Fn() -> BoxFuture<'a, Result<T, StateError>>,
    ) -> Option<T> {
        let mut wait = Duration::from_millis(250);
        loop {
            match verb().await {
                Ok(done) => return Some(done),
                Err(StateError::Store(error)) => {
                    self.say(Event::Trouble(format!("the state cannot be written, trying again: {error}")));
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(30));
                }
                Err(error) => {
                    self.lost(&error);
                    return None;
                }
            }
        }
    }

    /// A verb that cannot be done at all.
    pub(super) fn lost(&self, error: &StateError) {
        match error {
            StateError::Fenced { .. } => self.end(Ended::TakenOver),
            _ => self.say(Event::Trouble(error.to_string())),
        }
    }
}

/// Polls are more frequent while it lives.
pub(super) struct Eager<'a>(&'a Context);

impl Drop for Eager<'_> {
    fn drop(&mut self) {
        self.0.eager.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A wait that doubles up to a bound.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, max: Duration) -> Self {
        Self { next: first, max }
    }

    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(self.max);
    }
}
