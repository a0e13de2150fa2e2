//! Says what there is to say, and prints what the agent says to its user.

use std::time::Duration;

use molecule_host::{Event, Happened};
use molecule_protocol::WorkspaceId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use uuid::Uuid;

use super::input::Input;
use super::user::User;
use crate::cli::failure::{Failure, NoAnswer};

/// How long somebody waits for answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// For ever; trouble is said and it goes on.
    Endless,
    /// So long for each; trouble is the end.
    Once(Duration),
}

/// Prints a text of the agent's.
type Print<'a> = Box<dyn FnMut(&str) -> Result<(), Failure> + Send + 'a>;

/// The user's side of a conversation.
///
/// What the agent says is read from the workspace's own log, where the platform keeps every text to the user; so a
/// text that a tick or a message from the page brought about is printed as well. The log does not say which message a
/// text answers. The agent's host does, by its [`Event`]s:
///
/// | of the message that was sent | then |
/// | --- | --- |
/// | handled, without an answer | it is the next one's turn |
/// | handled, with one | the next text that reaches the user is the answer |
/// | given up | no answer |
pub(super) struct Conversation<'a> {
    user: &'a User,
    workspace: WorkspaceId,
    patience: Patience,
    print: Print<'a>,
    /// The last row of the log that was looked at.
    seen: Option<String>,
    waiting: Option<Waiting>,
}

/// For the answer to a message.
struct Waiting {
    id: String,
    /// The agent is done with it, and the answer is on its way.
    handled: bool,
    until: Option<Instant>,
}

impl<'a> Conversation<'a> {
    /// A conversation that begins now: what was said before is not printed again.
    pub(super) async fn new(
        user: &'a User,
        workspace: WorkspaceId,
        patience: Patience,
        print: Print<'a>,
    ) -> Result<Self, Failure> {
        let seen = user.newest(workspace).await?;
        Ok(Self { user, workspace, patience, print, seen, waiting: None })
    }

    /// Talks until there is nothing more to say.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`] where patience has an end, and when the platform or the output fails.
    pub(super) async fn hold(
        mut self,
        mut events: Receiver<Happened>,
        mut input: Input,
    ) -> Result<(), Failure> {
        loop {
            let typed = input.is_typed();
            let until = self.waiting.as_ref().and_then(|waiting| waiting.until);
            tokio::select! {
                happened = events.recv() => match happened {
                    Ok(happened) => self.hear(happened.event).await?,
                    Err(RecvError::Lagged(_)) => self.catch_up().await?,
                    // The agent has ended, and whoever waits for that knows why.
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                next = input.next(), if typed || self.waiting.is_none() => match next {
                    Some(text) => self.say(&text, typed).await?,
                    None => return Ok(()),
                },
                limit = passed(until, self.patience) => return Err(NoAnswer::TimedOut(limit).into()),
            }
        }
    }

    async fn say(&mut self, text: &str, typed: bool) -> Result<(), Failure> {
        let id = Uuid::new_v4().to_string();
        // Before it is sent: the first event may come before the platform's answer.
        if !typed {
            let until = match self.patience {
                Patience::Endless => None,
                Patience::Once(limit) => Some(Instant::now() + limit),
            };
            self.waiting = Some(Waiting { id: id.clone(), handled: false, until });
        }
        Ok(self.user.say(self.workspace, &id, text).await?)
    }

    async fn hear(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Delivered { to, .. } if to == "user" => {
                self.print_news().await?;
                self.waiting.take_if(|waiting| waiting.handled);
                Ok(())
            }
            Event::Handled { id, answered, .. } => match self.waiting_for(&id) {
                Some(waiting) if answered => {
                    waiting.handled = true;
                    Ok(())
                }
                Some(_) => {
                    tracing::info!("the agent has no answer to that");
                    self.waiting = None;
                    Ok(())
                }
                None => Ok(()),
            },
            Event::DeadLetter { id, reason, .. } if self.waiting_for(&id).is_some() => {
                self.no_answer(NoAnswer::DeadLetter(reason))
            }
            Event::Undeliverable { to, reason, .. } if to == "user" && self.answer_is_due() => {
                self.no_answer(NoAnswer::Undeliverable(reason))
            }
            Event::Wedged { death, .. } if self.patience != Patience::Endless => {
                self.no_answer(NoAnswer::Wedged(death.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn waiting_for(&mut self, id: &str) -> Option<&mut Waiting> {
        self.waiting.as_mut().filter(|waiting| waiting.id == id)
    }

    fn answer_is_due(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.handled)
    }

    fn no_answer(&mut self, why: NoAnswer) -> Result<(), Failure> {
        self.waiting = None;
        match self.patience {
            Patience::Endless => Ok(()),
            Patience::Once(_) => Err(why.into()),
        }
    }

    /// Events were missed, and what they said is not known: whatever has come since counts as the answer.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        if self.print_news().await? {
            self.waiting = None;
        }
        Ok(())
    }

    /// True if there was any.
    async fn print_news(&mut self) -> Result<bool, Failure> {
        let (texts, seen) = self.user.heard(self.workspace, self.seen.take()).await?;
        self.seen = seen;
        for text in &texts {
            (self.print)(text)?;
        }
        Ok(!texts.is_empty())
    }
}

/// Until then, and how long that was.
async fn passed(until: Option<Instant>, patience: Patience) -> Duration {
    match (until, patience) {
        (Some(until), Patience::Once(limit)) => {
            tokio::time::sleep_until(until).await;
            limit
        }
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use molecule_host::runtime::{Cause, Death};
    use molecule_platform::{Config, Platform, Running};
    use tokio::sync::broadcast;

    use super::*;

    /// A platform with a workspace, whose agent the test plays.
    struct Scene {
        _platform: Running,
        user: User,
        workspace: WorkspaceId,
        events: broadcast::Sender<Happened>,
        printed: Arc<Mutex<Vec<String>>>,
    }

    impl Scene {
        async fn new() -> Self {
            let platform = Platform::start(Config::default()).await.unwrap();
            let user = User::new(platform.url.clone()).unwrap();
            let (workspace, _) = user.create_workspace("echo").await.unwrap();
            let events = broadcast::Sender::new(16);
            Self { _platform: platform, user, workspace, events, printed: Arc::default() }
        }

        /// Says these texts, while the agent does what `agent` says.
        async fn play(
            &self,
            patience: Patience,
            texts: &[&str],
            agent: impl Future<Output = ()>,
        ) -> Result<(), Failure> {
            let printed = self.printed.clone();
            let print = Box::new(move |text: &str| {
                printed.lock().unwrap().push(text.to_owned());
                Ok(())
            });
            let conversation = Conversation::new(&self.user, self.workspace, patience, print).await.unwrap();
            let left = texts.iter().map(|text| (*text).to_owned()).collect();
            let input = Input::Given { left, ends: true };
            let held = conversation.hold(self.events.subscribe(), input);
            let (held, ()) = tokio::join!(held, agent);
            held
        }

        /// The id of the message of this number, once it has come.
        async fn message(&self, number: usize) -> String {
            let sent = async {
                loop {
                    if let Some(id) = self.user.sent(self.workspace).await.into_iter().nth(number) {
                        return id;
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(60), sent).await.expect("a message")
        }

        fn tell(&self, event: Event) {
            self.events.send(Happened::new(self.workspace, event)).unwrap();
        }

        async fn answer(&self, number: usize, text: &str) {
            self.tell(handled(self.message(number).await, true));
            self.user.hear(self.workspace, text).await;
            self.tell(Event::delivered("user"));
        }

        fn printed(&self) -> Vec<String> {
            self.printed.lock().unwrap().clone()
        }
    }

    fn handled(id: String, answered: bool) -> Event {
        Event::handled(id, answered, Duration::ZERO)
    }

    const PATIENT: Patience = Patience::Once(Duration::from_secs(60));

    #[tokio::test]
    async fn the_second_text_is_sent_when_the_first_is_answered_and_what_was_said_before_is_not_printed() {
        let scene = Scene::new().await;
        scene.user.hear(scene.workspace, "long ago").await;
        let agent = async {
            scene.message(0).await;
            // Neither a text that no message asked for, nor the end of another message, is the answer.
            scene.user.hear(scene.workspace, "by the way").await;
            scene.tell(Event::delivered("user"));
            scene.tell(handled("another".into(), true));
            scene.answer(0, "first").await;
            scene.answer(1, "second\nline").await;
        };
        scene.play(PATIENT, &["a", "b"], agent).await.unwrap();
        assert_eq!(scene.printed(), ["by the way", "first", "second\nline"]);
    }

    #[tokio::test]
    async fn a_message_without_an_answer_is_over_when_it_is_handled() {
        let scene = Scene::new().await;
        let agent = async {
            scene.tell(handled(scene.message(0).await, false));
            scene.answer(1, "second").await;
        };
        scene.play(PATIENT, &["a", "b"], agent).await.unwrap();
        assert_eq!(scene.printed(), ["second"]);
    }

    /// What the agent does about a message, given its id.
    type Does = fn(String) -> Vec<Event>;

    #[tokio::test]
    async fn an_answer_that_will_not_come_ends_a_conversation_that_has_an_end_and_no_other() {
        let wedged: Does = |_| vec![Event::wedged(Death { cause: Cause::StackOverflow, backtrace: None })];
        let buried: Does = |id| vec![Event::dead_letter(id, "it died")];
        let lost: Does = |id| {
            let lost = Event::undeliverable("user", "too long");
            vec![handled(id, true), lost]
        };
        for (does, expected) in [
            (wedged, NoAnswer::Wedged("stack limit: stack overflow".into())),
            (buried, NoAnswer::DeadLetter("it died".into())),
            (lost, NoAnswer::Undeliverable("too long".into())),
        ] {
            let scene = Scene::new().await;
            let agent = async {
                does(scene.message(0).await).into_iter().for_each(|event| scene.tell(event));
            };
            let ended = scene.play(PATIENT, &["a"], agent).await;
            assert!(matches!(&ended, Err(Failure::NoAnswer(why)) if *why == expected), "{ended:?}");
        }
        for does in [buried, lost] {
            let scene = Scene::new().await;
            let agent = async {
                does(scene.message(0).await).into_iter().for_each(|event| scene.tell(event));
                scene.answer(1, "second").await;
            };
            scene.play(Patience::Endless, &["a", "b"], agent).await.unwrap();
            assert_eq!(scene.printed(), ["second"]);
        }
    }

    #[tokio::test]
    async fn patience_is_for_each_answer_and_has_an_end() {
        let scene = Scene::new().await;
        let limit = Duration::from_millis(50);
        let ended = scene.play(Patience::Once(limit), &["a"], std::future::ready(())).await;
        assert!(matches!(ended, Err(Failure::NoAnswer(NoAnswer::TimedOut(it))) if it == limit), "{ended:?}");
    }

    #[tokio::test]
    async fn whoever_missed_events_takes_what_came_since_for_the_answer() {
        let scene = Scene::new().await;
        let agent = async {
            scene.message(0).await;
            scene.user.hear(scene.workspace, "first").await;
            // Without a pause in between, so that none of them can be read before they are too many.
            (0..100).for_each(|_| scene.tell(Event::Heartbeat));
        };
        scene.play(PATIENT, &["a"], agent).await.unwrap();
        assert_eq!(scene.printed(), ["first"]);
    }
}
