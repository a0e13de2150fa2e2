//! One agent of many: started, upgraded, stopped, by a task of its own.

use molecule_host::{Ended, Host, LoadedAgent, Running};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::file::Definition;
use super::reporter::{Following, Reporter};
use crate::cli::banner::lacks_line;
use crate::cli::board::{Board, Recent};
use crate::cli::escape::one_line;
use crate::cli::failure::{Exit, Failure, end_line, of_end};
use crate::cli::report;

/// What is to run: a component and its settings.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) definition: Definition,
    pub(super) agent: LoadedAgent,
}

impl Version {
    /// Whether nothing about it is different.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.definition == other.definition && self.agent.component.digest() == other.agent.component.digest()
    }
}

/// What to do with an agent that runs.
#[derive(Debug)]
pub(super) enum Order {
    /// Put this in its place.
    Upgrade(Box<Version>),
    /// Let what is in hand end, and stop.
    Stop,
}

/// How an agent has ended.
#[derive(Debug)]
pub(super) struct End {
    /// As it would have ended a process of its own.
    pub(super) exit: Exit,
    /// Why, and what to do.
    pub(super) line: String,
}

impl End {
    fn asked_for() -> Self {
        Self { exit: Exit::Done, line: end_line(&Ended::Shutdown) }
    }

    pub(super) fn failed(failure: &Failure) -> Self {
        Self { exit: failure.exit(), line: one_line(&failure.to_string(), 2000) }
    }

    fn of(ended: &Ended) -> Self {
        Self { exit: of_end(ended), line: one_line(&end_line(ended), 2000) }
    }
}

/// An agent's life in this process.
pub(super) struct Life {
    pub(super) host: Host,
    pub(super) board: Board,
    pub(super) label: String,
    /// Tells it from those before and after it.
    pub(super) number: u64,
    /// Its lines.
    pub(super) recent: Recent,
    pub(super) reporter: Reporter,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    /// Whoever has the workspace until then.
    pub(super) before: Option<CancellationToken>,
}

impl Life {
    /// Runs an agent to its end.
    pub(super) async fn live(mut self, version: Version) -> End {
        if let Some(before) = self.before.take() {
            before.cancelled().await;
        }
        let following = self.reporter.follow(version.definition.workspace, &self.label, &self.recent);
        let end = match self.run(version, &following).await {
            Ok(end) => end,
            Err(failure) => End::failed(&failure),
        };
        // Nobody reads them any more: whoever has another order for it hears of that.
        self.orders.close();
        // How it ended is its last line.
        following.drained().await;
        let about = self.label.as_str();
        match end.exit {
            Exit::Done => {
                report::note(&self.recent, Level::INFO, &end.line);
                tracing::info!(about, "{}", end.line);
            }
            _ => {
                report::note(&self.recent, Level::ERROR, &end.line);
                tracing::error!(about, exit_code = end.exit as u8, "{}", end.line);
            }
        }
        end
    }

    async fn run(&mut self, mut version: Version, following: &Following) -> Result<End, Failure> {
        let mut old: Option<Running> = None;
        loop {
            // Started, or in the place of the one before; unless another order comes first.
            let mut spec = version.definition.spec()?;
            if let Some(lacks) = lacks_line(&version.agent.card.asks, &spec) {
                tracing::warn!(about = self.label, "lacks {lacks}");
            }
            spec.events = following.events();
            let grace = spec.shutdown_grace;
            let begun = async {
                match &old {
                    None => self.host.start(&version.agent, spec).await,
                    Some(old) => self.host.upgrade(old, &version.agent, spec).await,
                }
            };
            let running = tokio::select! {
                begun = begun => begun?,
                order = self.orders.recv() => match order {
                    Some(Order::Upgrade(newer)) => {
                        version = *newer;
                        continue;
                    }
                    Some(Order::Stop) | None => {
                        if let Some(old) = old {
                            old.stop(grace).await;
                        }
                        return Ok(End::asked_for());
                    }
                },
            };
            following.begun();
            self.watch(&running, &version);
            tokio::select! {
                ended = running.ended() => return Ok(End::of(&ended)),
                order = self.orders.recv() => match order {
                    Some(Order::Upgrade(newer)) => {
                        tracing::info!(about = self.label, "makes room for another version of itself");
                        version = *newer;
                        old = Some(running);
                    }
                    Some(Order::Stop) | None => return Ok(End::of(&running.stop(grace).await)),
                },
            }
        }
    }

    /// Has its operator hear of it.
    fn watch(&self, running: &Running, version: &Version) {
        let (label, digest) = (self.label.as_str(), version.agent.component.digest());
        let workspace = running.workspace();
        self.board.runs(label, self.number, digest, running.clone());
        let component = digest.get(..12).unwrap_or(digest);
        tracing::info!(
            about = label,
            "registered as {} in workspace {workspace}, component {component}",
            one_line(running.name(), 100)
        );
    }
}
