//! The versions of an agent, one after the other in the same workspace.
//!
//! | what a change brings | what happens |
//! | --- | --- |
//! | a component that is another one | an upgrade: the old instance gets its grace for what is in hand, the new one what is left |
//! | the component that runs | nothing |
//! | no component, or none that is an agent | the old one goes on |
//! | an agent that refuses to start | the last one that did start is started again; where there is none, the next change is waited for |
//!
//! Trouble is said, and reported to the log of the workspace, where the page shows it until the next version runs.

use molecule_host::{Ended, Event, Happened, Host, LoadedAgent, Running, StartError};
use molecule_protocol::{ActivityReport, WorkspaceId};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::UnboundedReceiver;

use super::recipe::Recipe;
use super::user::User;
use super::workshop::{Made, Trouble};
use crate::cli::banner::lacks_anew;
use crate::cli::board::{Board, Stage};
use crate::cli::escape::one_line;
use crate::cli::failure::{Failure, end_line};
use crate::cli::run::finish;

/// The only agent of this process: all its versions are one line of `ps`.
pub(super) const ONLY: u64 = 1;

/// An agent, whichever version of it runs.
pub(super) struct Lives<'a> {
    host: &'a Host,
    user: &'a User,
    recipe: Recipe,
    board: Board,
    label: String,
    /// Whether there may be another version.
    is_watching: bool,
    events: Receiver<Happened>,
    running: Option<Running>,
    /// Those that were begun, without those that are known to have ended: events tell of one after the other.
    open: usize,
    current: LoadedAgent,
    /// The last one that did start.
    good: Option<LoadedAgent>,
    /// Whether the page shows trouble.
    is_troubled: bool,
}

impl<'a> Lives<'a> {
    /// Starts the first version.
    ///
    /// # Errors
    /// It makes no sense to go on.
    pub(super) async fn begin(
        host: &'a Host,
        user: &'a User,
        recipe: Recipe,
        (board, label): (Board, String),
        agent: LoadedAgent,
        is_watching: bool,
    ) -> Result<Self, StartError> {
        let events = recipe.events.subscribe();
        let mut lives = Self {
            host,
            user,
            recipe,
            board,
            label,
            is_watching,
            events,
            running: None,
            open: 0,
            current: agent,
            good: None,
            is_troubled: false,
        };
        lives.put().await?;
        Ok(lives)
    }

    /// The one that runs, if one does. While one makes room for another it is the old one.
    pub(super) fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// Puts each new version in the place of the one before, until the agent ends for good.
    ///
    /// # Errors
    /// Why it has ended, if that was not asked for.
    pub(super) async fn run(&mut self, mut made: UnboundedReceiver<Made>) -> Result<(), Failure> {
        loop {
            tokio::select! {
                biased;
                happened = self.events.recv() => self.hear(happened),
                ended = ended(self.running.as_ref()) => match ended {
                    Ended::Refused(words) if self.is_watching => self.refused(&words).await?,
                    ended => return finish(ended),
                },
                Some(mut news) = made.recv() => {
                    // While the one before was put in its place, there may have come several.
                    while let Ok(newer) = made.try_recv() {
                        news = newer;
                    }
                    match news {
                        Made::Agent(agent, how) => self.renew(agent, &how).await?,
                        Made::Trouble(trouble) => self.not_made(trouble).await,
                    }
                }
            }
        }
    }

    fn hear(&mut self, happened: Result<Happened, RecvError>) {
        match happened.map(|it| it.event) {
            Ok(Event::Ended(_)) => self.open = self.open.saturating_sub(1),
            // Not one of a version that has made room since.
            Ok(Event::Started) if self.open == 1 => self.good = Some(self.current.clone()),
            Err(RecvError::Lagged(_)) => self.open = 1,
            Ok(_) | Err(RecvError::Closed) => {}
        }
    }

    /// Another version, or the same again.
    async fn renew(&mut self, agent: LoadedAgent, how: &str) -> Result<(), Failure> {
        if self.running.is_some() && agent.component.digest() == self.current.component.digest() {
            self.well(how).await;
            tracing::info!("{how}; nothing is different, so it goes on");
            return Ok(());
        }
        let spec = self.recipe.spec();
        let anew = lacks_anew(&self.current.card.asks, &agent.card.asks, &spec);
        let before = std::mem::replace(&mut self.current, agent);
        let begins = if self.running.is_some() { "upgraded" } else { "started" };
        tracing::info!("{how}; swapping");
        if let Err(error) = self.put().await {
            let summary = format!("{} cannot be started; the one before is started again", self.who());
            self.current = self.good.take().unwrap_or(before);
            self.trouble(Trouble { summary, detail: error.to_string(), is_shown: false }).await;
            self.put().await?;
            return Ok(());
        }
        self.well(how).await;
        tracing::info!("{begins}: {}", self.who());
        for line in anew {
            tracing::info!("it lacks {line}");
        }
        Ok(())
    }

    /// There is no other version.
    async fn not_made(&mut self, trouble: Trouble) {
        let then = match self.running {
            Some(_) => "the old one goes on",
            None => "the next change is waited for",
        };
        let summary = format!("{}; {then}", trouble.summary);
        self.trouble(Trouble { summary, ..trouble }).await;
    }

    /// Its `on-start` does not want to.
    async fn refused(&mut self, words: &str) -> Result<(), Failure> {
        let ended = Ended::Refused(words.to_owned());
        self.running = None;
        let is_another = |good: &LoadedAgent| good.component.digest() != self.current.component.digest();
        // Taken: if it refuses now as well, there is none.
        match self.good.take().filter(is_another) {
            Some(good) => {
                let summary = format!("{} refused to start; the one before is started again", self.who());
                self.current = good;
                self.trouble(Trouble { summary, detail: words.to_owned(), is_shown: false }).await;
                self.put().await?;
            }
            None => {
                self.board.stage(&self.label, ONLY, Stage::Ended(end_line(&ended)));
                let summary = format!("{} refused to start; the next change is waited for", self.who());
                self.trouble(Trouble { summary, detail: words.to_owned(), is_shown: false }).await;
            }
        }
        Ok(())
    }

    /// Puts the current version in the place of the one that runs, or starts it where none does.
    async fn put(&mut self) -> Result<(), StartError> {
        let (agent, spec) = (&self.current, self.recipe.spec());
        let begun = match &self.running {
            Some(old) => self.host.upgrade(old, agent, spec).await,
            None => self.host.start(agent, spec).await,
        };
        // Whatever comes of it, the old one has ended.
        self.running = None;
        let running = begun?;
        self.open += 1;
        self.board.runs(&self.label, ONLY, agent.component.digest(), running.clone());
        self.running = Some(running);
        Ok(())
    }

    /// The current version, for people.
    fn who(&self) -> String {
        let card = &self.current.card;
        let name = self.recipe.name.as_ref().unwrap_or(&card.name);
        one_line(format!("{name} {}", card.version).trim(), 100)
    }

    async fn trouble(&mut self, trouble: Trouble) {
        let Trouble { summary, detail, is_shown } = trouble;
        self.is_troubled = true;
        self.report(ActivityReport {
            status: Some("error".to_owned()),
            summary: Some(summary.clone()),
            error_detail: Some(detail.clone()),
            ..ActivityReport::default()
        })
        .await;
        match is_shown || detail.is_empty() {
            true => tracing::error!("{summary}"),
            false => tracing::error!("{summary}\n{detail}"),
        }
    }

    /// The newest version runs. That is worth a row only where there was trouble.
    async fn well(&mut self, how: &str) {
        if std::mem::take(&mut self.is_troubled) {
            let status = Some("ok".to_owned());
            self.report(ActivityReport {
                status,
                summary: Some(how.to_owned()),
                ..ActivityReport::default()
            })
            .await;
        }
    }

    /// A courtesy to whoever looks at the page.
    async fn report(&self, report: ActivityReport) {
        let report = ActivityReport {
            activity_type: "agent_log".to_owned(),
            method: Some("build".to_owned()),
            ..report
        };
        let workspace: WorkspaceId = self.recipe.workspace;
        if let Err(error) = self.user.report(workspace, &report).await {
            tracing::debug!("how the build went was not reported: {error}");
        }
    }
}

/// Waits for its end; for ever, where none runs.
async fn ended(running: Option<&Running>) -> Ended {
    match running {
        Some(running) => running.ended().await,
        None => std::future::pending().await,
    }
}
