//! Keeps an eye on what the platform thinks of the workspace, and draws the consequences.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use molecule_protocol::state::StateAnswer;
use tokio::sync::oneshot;

use super::context::{Context, Mode};
use super::situation::Situation;
use crate::events::{Ended, Event};
use crate::host::StartError;
use crate::life::{self, Ask, Effect, Ending, Life, Next, Notice, Phase, Settings};
use crate::platform::{PlatformError, PlatformFault, Reach, Registration, WINDOW};
use crate::spec::OnEnd;

/// How often a token file is looked at while the platform takes no token.
const TOUCH: Duration = Duration::from_secs(1);

/// An answer that is not the platform's may be one of an edge that has a bad moment. So many in a row at the start, and it
/// is a wrong setting.
const ODD_ANSWERS: u32 = 5;

/// How often it is said what cannot work on this platform.
const REMIND: Duration = Duration::from_secs(3600);

/// Tells once whether the workspace could be started.
pub(super) type Started = oneshot::Sender<Result<(), StartError>>;

/// Drives the life of a workspace to its end.
pub(super) async fn run(context: Arc<Context>, started: Started) {
    let spec = &context.spec;
    let settings = Settings {
        end_on_pause: spec.on_pause == OnEnd::Exit,
        end_on_revoked: spec.on_revoked == OnEnd::Exit,
        poll: spec.intervals.state,
        slow: spec.intervals.state * 2,
        retry: Settings::default().retry.min(spec.intervals.state),
        retry_start: Settings::default().retry_start.min(spec.intervals.state),
    };
    let _presence = context.client.pace().join(spec.intervals.requests_within(WINDOW));
    let has_token = context.client.credentials().token().is_some();
    let life = Life::start(settings, has_token);
    let watch = Watch {
        context: &context,
        life,
        started: Some(started),
        refusal: None,
        odd_answers: 0,
        troubled: false,
        reminded: None,
    };
    watch.run().await;
}

struct Watch<'a> {
    context: &'a Context,
    life: Life,
    /// Until it is known whether it started.
    started: Option<Started>,
    /// Why the platform refused the token last.
    refusal: Option<String>,
    /// Answers in a row, at the start, that were not the platform's.
    odd_answers: u32,
    /// The latest request failed, and that was said.
    troubled: bool,
    /// When it was said last what cannot work on this platform.
    reminded: Option<Instant>,
}

impl Watch<'_> {
    async fn run(mut self) {
        loop {
            let event = match self.life.next() {
                Next::Ended(ending) => return self.ended(ending),
                Next::Wait(until) => self.wait(until).await,
                Next::Ask(ask) => match self.ask(ask).await {
                    Ok(event) => event,
                    Err(error) => return self.not_started(error),
                },
            };
            let before = self.life.phase();
            for effect in self.life.on(event, Instant::now()) {
                self.apply(effect, before);
            }
            if matches!(self.life.phase(), Phase::Running { .. }) {
                self.remind();
            }
            if matches!(self.life.phase(), Phase::Paused) {
                // Nothing runs, and all is as it should be.
                self.tell_started(Ok(()));
            }
        }
    }

    async fn wait(&self, until: Instant) -> life::Event {
        let revoked = matches!(self.life.phase(), Phase::Revoked { .. });
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return life::Event::Wake;
            }
            tokio::select! {
                () = tokio::time::sleep(if revoked { rest.min(TOUCH) } else { rest }) => {
                    if revoked && self.context.client.credentials().changed() {
                        return life::Event::TokenTouched;
                    }
                }
                () = self.context.look.notified() => return life::Event::HeartbeatRefused,
            }
        }
    }

    /// Asks the platform. An error means that there is no point in trying to start.
    async fn ask(&mut self, ask: Ask) -> Result<life::Event, StartError> {
        let context = self.context;
        let client = &context.client;
        Ok(match ask {
            Ask::State => {
                let answer = client.state().await;
                let misrouted = matches!(answer, Ok(StateAnswer::Misrouted));
                if misrouted && self.started.is_some() {
                    self.hopeless(client.instructions().await.err())?;
                } else {
                    self.hopeless(answer.as_ref().err())?;
                }
                self.trouble(answer.as_ref().err());
                if !matches!(answer, Ok(StateAnswer::Unauthorized)) {
                    // Whoever was refused before this was so with another token.
                    let _ = context.look.notified().now_or_never();
                }
                life::Event::of_state(answer.as_ref().map(Clone::clone))
            }
            Ask::Reload => match client.credentials().reload() {
                Ok(changed) => life::Event::Reloaded { changed },
                Err(error) => {
                    self.context.say(Event::Trouble(error.to_string()));
                    life::Event::Reloaded { changed: false }
                }
            },
            Ask::Probe => {
                let answer = client.probe().await;
                life::Event::of_probe(answer.as_ref().map(Clone::clone))
            }
            Ask::Register => {
                let answer = self.register().await;
                if let Err(PlatformError { fault: PlatformFault::Unauthorized { text, .. }, .. }) = &answer {
                    self.refusal = Some(text.clone());
                }
                if let Err(error @ PlatformError { fault: PlatformFault::RouteMissing, .. }) = &answer
                    && self.started.is_some()
                {
                    return Err(StartError::Misconfigured(format!(
                        "there is no {}: this is no platform; check --platform-url",
                        error.url
                    )));
                }
                let error = self.hopeless(answer.as_ref().err())?;
                self.trouble(error);
                life::Event::of_registration(answer.as_ref())
            }
        })
    }

    /// Registers to poll, and where the platform does not know that, at the public URL or without any.
    async fn register(&mut self) -> Result<(), PlatformError> {
        let context = self.context;
        let (client, card) = (&context.client, context.card());
        let had_token = client.credentials().token().is_some();
        let situation = match client.register(&card, &Reach::Poll).await {
            Ok(Registration { delivery_mode: Some(_), .. }) => Situation::Poll,
            // Servers written after the Python SDK do not say. The log tells, unless it has already.
            Ok(Registration { delivery_mode: None, .. }) => match context.situation() {
                known @ (Situation::Poll | Situation::WithoutCursor) => known,
                _ => Situation::Unclear,
            },
            Err(error) if is_bad_request(&error) => match &context.spec.public_url {
                Some(url) => match client.register(&card, &Reach::Push(url.as_url().clone())).await {
                    Ok(_) => Situation::Push(url.clone()),
                    Err(error) if is_bad_request(&error) => outbound_only(&error),
                    Err(error) => return Err(error),
                },
                None => outbound_only(&error),
            },
            Err(error) => return Err(error),
        };
        context.found(situation);
        let has_token = client.credentials().token().is_some();
        if !had_token && !has_token && matches!(client.state().await, Ok(StateAnswer::Running(_))) {
            context.say(Event::Trouble(
                "this platform uses no tokens: whoever knows the workspace's id can act in its name"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Says, now and then, what cannot work here.
    fn remind(&mut self) {
        let due = self.reminded.is_none_or(|at| at.elapsed() >= REMIND);
        if due && let Some(notice) = self.context.situation().notice() {
            self.reminded = Some(Instant::now());
            self.context.say(Event::Trouble(notice));
        }
        if let Some(crowd) = self.context.client.pace().crowd() {
            self.context.say(Event::Trouble(crowd.to_string()));
        }
    }

    /// Passes an error on, unless it is one at the start that trying again does not help against.
    fn hopeless<E: std::borrow::Borrow<PlatformError>>(
        &mut self,
        error: Option<E>,
    ) -> Result<Option<E>, StartError> {
        use PlatformFault as Fault;
        let Some(error) = error else {
            self.odd_answers = 0;
            return Ok(None);
        };
        let hopeless = match error.borrow().fault {
            Fault::Tls(_)
            | Fault::HttpToHttps
            | Fault::Redirected { .. }
            | Fault::OriginRefused
            | Fault::Rejected { .. }
            | Fault::Forbidden { .. } => true,
            Fault::EmptyNotFound | Fault::NotJson { .. } | Fault::Malformed(_) | Fault::Broken(_) => {
                self.odd_answers += 1;
                self.odd_answers >= ODD_ANSWERS
            }
            _ => false,
        };
        match self.started.is_some() && hopeless {
            true => Err(StartError::Misconfigured(error.borrow().to_string())),
            false => Ok(Some(error)),
        }
    }

    /// Says that a request failed, once until one succeeds.
    fn trouble(&mut self, error: Option<&PlatformError>) {
        if let Some(error) = error
            && !self.troubled
            && !matches!(error.fault, PlatformFault::Unauthorized { .. } | PlatformFault::RouteMissing)
        {
            self.context.say(Event::Trouble(format!("{error} (trying again)")));
        }
        self.troubled = error.is_some();
    }

    fn apply(&mut self, effect: Effect, before: Phase) {
        let context = self.context;
        match effect {
            Effect::StartWork => {
                // A pause may have been followed by a token that was refused.
                let resumed = match before {
                    Phase::Paused => true,
                    Phase::Revoked { .. } => *context.mode.borrow() == Mode::Paused,
                    Phase::Starting | Phase::Running { .. } => false,
                };
                if resumed {
                    context.say(Event::Resumed);
                }
                context.mode.send_replace(if resumed { Mode::Resuming } else { Mode::Working });
                self.tell_started(Ok(()));
            }
            Effect::StopWork => {
                let paused = matches!(self.life.phase(), Phase::Paused);
                context.mode.send_replace(if paused { Mode::Paused } else { Mode::Revoked });
                if paused {
                    context.say(Event::Paused);
                }
            }
            // Said as events of their own, or by how it ended.
            Effect::Say(Notice::Paused | Notice::Resumed | Notice::Removed) => {}
            Effect::Say(notice) => context.say(Event::Trouble(notice.to_string())),
        }
    }

    fn ended(&mut self, ending: Ending) {
        let workspace = self.context.spec.workspace_id.to_string();
        match ending {
            Ending::Removed => {
                self.tell_started(Err(StartError::Removed { workspace }));
                self.context.end(Ended::Removed);
            }
            Ending::Revoked => {
                let reason = self.refusal.take().unwrap_or_else(|| "401 to the token given".to_owned());
                self.tell_started(Err(StartError::Unauthorized { workspace, reason }));
                self.context.end(Ended::Revoked);
            }
            Ending::Paused => {
                self.tell_started(Ok(()));
                self.context.end(Ended::Paused);
            }
        }
    }

    fn not_started(&mut self, error: StartError) {
        self.tell_started(Err(error));
    }

    fn tell_started(&mut self, result: Result<(), StartError>) {
        if let Some(started) = self.started.take() {
            // Whoever wanted to start may have given up.
            let _ = started.send(result);
        }
    }
}

/// 400, which is all that an older platform says to a registration without a URL, or with one that it does not take.
fn is_bad_request(error: &PlatformError) -> bool {
    matches!(error.fault, PlatformFault::Rejected { status: 400, .. })
}

fn outbound_only(error: &PlatformError) -> Situation {
    Situation::OutboundOnly { refusal: error.fault.to_string() }
}
