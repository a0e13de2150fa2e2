//! The agents of this process, as their operator asks about them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use molecule_host::{Phase, Running};
use molecule_protocol::WorkspaceId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Latest lines of an agent that are kept, and bytes of their texts.
const LINES: usize = 200;
const BYTES: usize = 64 * 1024;

/// The agents of this process. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<BTreeMap<String, Entry>>>);

#[derive(Debug)]
struct Entry {
    /// Tells one life of an agent from the next.
    life: u64,
    workspace: WorkspaceId,
    component: String,
    stage: Stage,
    recent: Recent,
}

/// How far an agent has come.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// It is not registered yet.
    Starting,
    /// It runs, or has run and says itself how it ended.
    Running(Running),
    /// It could not be started, or has ended; why.
    Ended(String),
}

/// An agent, as `ps` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AgentRow {
    /// Its name in this process.
    pub(super) agent: String,
    /// The workspace that it is.
    pub(super) workspace: WorkspaceId,
    /// Digest of its component.
    pub(super) component: String,
    /// One word.
    pub(super) state: String,
    /// Seconds since it was started.
    pub(super) uptime_s: u64,
    /// Seconds since the platform took the last heartbeat.
    pub(super) heartbeat_age_s: Option<u64>,
    /// Messages: came in, done with, in hand, given up.
    pub(super) received: u64,
    pub(super) handled: u64,
    pub(super) in_hand: u64,
    pub(super) given_up: u64,
    /// Times that its instance died.
    pub(super) restarts: u64,
    /// Bytes of linear memory of its instance.
    pub(super) memory_bytes: u64,
    /// Milliseconds of CPU time that it has used. A host of an older version does not say.
    #[serde(default)]
    pub(super) cpu_ms: u64,
    /// Effects that the gate refused.
    pub(super) denials: u64,
    /// The latest trouble.
    pub(super) last_error: Option<String>,
}

impl Board {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an agent on it that is about to start, or to start anew. Its lines are those of all its lives.
    pub(super) fn put(&self, label: &str, life: u64, workspace: WorkspaceId, component: &str) -> Recent {
        let mut entries = self.entries();
        let recent = entries.get(label).map(|entry| entry.recent.clone()).unwrap_or_default();
        let (component, stage) = (component.to_owned(), Stage::Starting);
        let entry = Entry { life, workspace, component, stage, recent: recent.clone() };
        entries.insert(label.to_owned(), entry);
        recent
    }

    /// Says how far an agent has come. A life that is over, or no longer on the board, says nothing.
    pub(super) fn stage(&self, label: &str, life: u64, stage: Stage) {
        if let Some(entry) = self.entries().get_mut(label).filter(|entry| entry.life == life) {
            entry.stage = stage;
        }
    }

    /// The agent runs, with this component.
    pub(super) fn runs(&self, label: &str, life: u64, component: &str, running: Running) {
        if let Some(entry) = self.entries().get_mut(label).filter(|entry| entry.life == life) {
            component.clone_into(&mut entry.component);
            entry.stage = Stage::Running(running);
        }
    }

    /// Takes an agent off it. Whoever reads its lines reads on until they are closed.
    pub(super) fn remove(&self, label: &str) -> Option<Recent> {
        self.entries().remove(label).map(|entry| entry.recent)
    }

    /// How all of them are, by name.
    pub(super) fn rows(&self) -> Vec<AgentRow> {
        self.entries().iter().map(|(label, entry)| entry.row(label)).collect()
    }

    /// The agent that runs as this workspace.
    pub(super) fn running(&self, workspace: WorkspaceId) -> Option<Running> {
        self.entries().values().find(|entry| entry.workspace == workspace).and_then(|entry| {
            match &entry.stage {
                Stage::Running(running) => Some(running.clone()),
                Stage::Starting | Stage::Ended(_) => None,
            }
        })
    }

    /// Has the secrets of all that run pulled again.
    pub(super) fn pull_secrets(&self) {
        for entry in self.entries().values() {
            if let Stage::Running(running) = &entry.stage {
                running.pull_secrets();
            }
        }
    }

    /// The lines of an agent, by its name or its workspace.
    pub(super) fn recent(&self, agent: &str) -> Option<Recent> {
        let entries = self.entries();
        let by_workspace = || {
            let workspace = agent.parse::<WorkspaceId>().ok()?;
            entries.values().find(|entry| entry.workspace == workspace)
        };
        entries.get(agent).or_else(by_workspace).map(|entry| entry.recent.clone())
    }
}

impl Entry {
    fn row(&self, label: &str) -> AgentRow {
        let mut row = AgentRow {
            agent: label.to_owned(),
            workspace: self.workspace,
            component: self.component.clone(),
            state: "starting".to_owned(),
            uptime_s: 0,
            heartbeat_age_s: None,
            received: 0,
            handled: 0,
            in_hand: 0,
            given_up: 0,
            restarts: 0,
            memory_bytes: 0,
            cpu_ms: 0,
            denials: 0,
            last_error: None,
        };
        match &self.stage {
            Stage::Starting => {}
            Stage::Ended(why) => {
                row.state = "ended".to_owned();
                row.last_error = Some(why.clone());
            }
            Stage::Running(running) => {
                let status = running.status();
                row.state = word(&status.phase).to_owned();
                row.uptime_s = status.uptime.as_secs();
                row.heartbeat_age_s = status.heartbeat_age.as_ref().map(Duration::as_secs);
                row.received = status.messages.received;
                row.handled = status.messages.handled;
                row.in_hand = status.messages.in_hand;
                row.given_up = status.messages.given_up;
                row.restarts = status.deaths;
                row.memory_bytes = status.memory_bytes;
                row.cpu_ms = u64::try_from(status.cpu_time.as_millis()).unwrap_or(u64::MAX);
                row.denials = status.denials;
                row.last_error = status.last_error;
            }
        }
        row
    }
}

fn word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Working => "working",
        Phase::Wedged => "wedged",
        Phase::Paused => "paused",
        Phase::Revoked => "revoked",
        _ => "ended",
    }
}

/// A line of the log about one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogLine {
    /// When it was written.
    pub(super) at: Timestamp,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub(super) level: String,
    /// Whether these are the agent's own words.
    pub(super) by_agent: bool,
    /// The words.
    pub(super) text: String,
    /// The message that the agent was busy with, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message_id: Option<String>,
}

/// The latest lines about one agent: so many, so long. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lines: Mutex<Lines>,
    /// The number of the line that comes next.
    next: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Lines {
    latest: VecDeque<LogLine>,
    bytes: usize,
    next: u64,
    closed: bool,
}

/// The same, without keeping them.
#[derive(Debug, Clone)]
pub(super) struct WeakRecent(Weak<Kept>);

impl WeakRecent {
    /// The lines, if anybody still keeps them.
    pub(super) fn upgrade(&self) -> Option<Recent> {
        self.0.upgrade().map(Recent)
    }
}

impl Recent {
    /// The same lines, for whoever shall not keep them.
    pub(super) fn downgrade(&self) -> WeakRecent {
        WeakRecent(Arc::downgrade(&self.0))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a line, and lets the oldest go. A heartbeat is no news.
    pub(super) fn push(&self, line: LogLine) {
        if line.level == "trace" {
            return;
        }
        let mut lines = self.lines();
        lines.bytes += line.text.len();
        lines.latest.push_back(line);
        while lines.latest.len() > LINES || (lines.bytes > BYTES && lines.latest.len() > 1) {
            let gone = lines.latest.pop_front();
            lines.bytes -= gone.map_or(0, |line| line.text.len());
        }
        lines.next += 1;
        self.0.next.send_replace(lines.next);
    }

    /// Says that no more will come.
    pub(super) fn close(&self) {
        self.lines().closed = true;
        self.0.next.send_modify(|_| {});
    }

    /// Whether no more will come.
    pub(super) fn is_closed(&self) -> bool {
        self.lines().closed
    }

    /// The lines from this number on that are still there, and the number of the one that comes after them.
    pub(super) fn since(&self, number: u64) -> (Vec<LogLine>, u64) {
        let lines = self.lines();
        let kept = u64::try_from(lines.latest.len()).unwrap_or(u64::MAX);
        let skip = number.saturating_sub(lines.next.saturating_sub(kept));
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        (lines.latest.iter().skip(skip).cloned().collect(), lines.next)
    }

    /// Waits until there is a line of this number, or there will be none.
    pub(super) async fn reached(&self, number: u64) {
        let is_there = |next: &u64| *next > number || self.is_closed();
        // The sender lives as long as this.
        let _ = self.0.next.subscribe().wait_for(is_there).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        let level = "info".to_owned();
        LogLine { at: Timestamp::UNIX_EPOCH, level, by_agent: true, text: text.to_owned(), message_id: None }
    }

    #[test]
    fn the_latest_lines_are_kept_within_their_bounds() {
        let recent = Recent::default();
        for number in 0..LINES + 5 {
            recent.push(line(&number.to_string()));
        }
        let (lines, next) = recent.since(0);
        assert_eq!((lines.len(), lines[0].text.as_str(), next), (LINES, "5", LINES as u64 + 5));
        recent.push(line("x"));
        let (lines, next) = recent.since(next);
        assert_eq!((lines, next), (vec![line("x")], LINES as u64 + 6));
        assert!(recent.since(next).0.is_empty());

        for _ in 0..3 {
            recent.push(line(&"y".repeat(BYTES / 2)));
        }
        assert_eq!(recent.since(0).0.len(), 2, "no more than so many bytes");
        recent.push(line(&"z".repeat(BYTES * 2)));
        assert_eq!(recent.since(0).0.len(), 1, "the newest, however long");
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_the_next_line() {
        let recent = Recent::default();
        let (waiting, pushing) = (recent.clone(), recent.clone());
        let waiter = tokio::spawn(async move { waiting.reached(0).await });
        pushing.push(LogLine { level: "trace".into(), ..line("heartbeat") });
        pushing.push(line("news"));
        waiter.await.unwrap();
        assert_eq!(recent.since(0).0, [line("news")]);

        let waiting = recent.clone();
        let waiter = tokio::spawn(async move { waiting.reached(1).await });
        recent.close();
        waiter.await.unwrap();
    }
}
