//! All agents of a process: which run, and what a changed file changes.

use std::collections::HashMap;

use molecule_host::{Host, LoadedAgent};
use molecule_protocol::WorkspaceId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::agent::{End, Life, Order, Version};
use super::file::{AgentsFile, Definition};
use super::reporter::Reporter;
use crate::cli::board::{Board, Recent, Stage};
use crate::cli::failure::{Exit, Failure};
use crate::cli::load;

/// The agents of this process.
pub(super) struct Fleet {
    host: Host,
    board: Board,
    reporter: Reporter,
    /// In the file's order.
    members: Vec<Member>,
    lives: JoinSet<(String, u64, End)>,
    /// Numbers lives: a label may have several, one after the other.
    born: u64,
    /// Components, by the digest of their bytes.
    components: HashMap<blake3::Hash, LoadedAgent>,
    /// Workspaces of agents that were told to stop, until they have.
    leaving: HashMap<WorkspaceId, CancellationToken>,
    /// The lines of agents that the file no longer has, by life, until they have stopped.
    closing: HashMap<u64, Recent>,
}

/// An agent of the file.
struct Member {
    label: String,
    life: Option<u64>,
    version: Option<Version>,
    orders: mpsc::UnboundedSender<Order>,
    gone: CancellationToken,
    end: Option<End>,
}

/// What a changed file has changed, in numbers.
#[derive(Debug, Default)]
struct Changed {
    added: usize,
    removed: usize,
    upgraded: usize,
    restarted: usize,
    untouched: usize,
    wrong: usize,
}

impl Fleet {
    /// Without agents.
    pub(super) fn new(host: Host, board: Board) -> Self {
        Self {
            host,
            board,
            reporter: Reporter::start(),
            members: Vec::new(),
            lives: JoinSet::new(),
            born: 0,
            components: HashMap::new(),
            leaving: HashMap::new(),
            closing: HashMap::new(),
        }
    }

    /// Starts the agents of a file. One that cannot be started is said, and keeps nobody else from it.
    pub(super) async fn begin(&mut self, file: AgentsFile) {
        for definition in file.agents {
            let (label, workspace) = (definition.label.clone(), definition.workspace);
            match self.load(definition).await {
                Ok(version) => self.start(version),
                Err(failure) => {
                    self.cannot_start(label, workspace, &failure);
                }
            }
        }
    }

    /// Does what makes this file come true: adds, removes, upgrades what is different, starts again what has ended, and
    /// leaves the rest alone. An agent whose component cannot be used stays as it is.
    pub(super) async fn change(&mut self, file: AgentsFile) {
        self.take_note();
        let mut changed = Changed::default();
        // All are loaded before anything is stopped.
        let mut wanted = Vec::new();
        for definition in file.agents {
            let label = definition.label.clone();
            wanted.push((label, definition.workspace, self.load(definition).await));
        }
        self.take_note();
        let mut before = std::mem::take(&mut self.members);
        let goes = |label: &str| !wanted.iter().any(|(it, ..)| it == label);
        for member in before.extract_if(.., |member| goes(&member.label)) {
            if let (Some(recent), Some(life)) = (self.board.remove(&member.label), member.life) {
                match member.end {
                    None => drop(self.closing.insert(life, recent)),
                    Some(_) => recent.close(),
                }
            }
            self.dismiss(member);
            changed.removed += 1;
        }
        // Those whose workspace is another one now, before anybody takes it over.
        let mut moved = Vec::new();
        for (label, workspace, version) in &wanted {
            let moves = |member: &mut Member| {
                let other = member.workspace().is_some_and(|it| it != *workspace);
                member.label == *label && other && version.is_ok()
            };
            moved.extend(before.extract_if(.., moves));
        }
        changed.upgraded += moved.len();
        for member in moved {
            self.dismiss(member);
        }
        for (label, workspace, version) in wanted {
            let at = before.iter().position(|member| member.label == label);
            let member = at.map(|at| before.remove(at));
            match (version, member) {
                (Err(failure), Some(member)) => {
                    tracing::error!(about = label, "stays as it is: {failure}");
                    changed.wrong += 1;
                    self.members.push(member);
                }
                (Err(failure), None) => {
                    self.cannot_start(label, workspace, &failure);
                    changed.wrong += 1;
                }
                (Ok(version), Some(member)) if member.end.is_none() => {
                    changed.count(self.renew(member, version));
                }
                (Ok(version), Some(_)) => {
                    changed.restarted += 1;
                    self.start(version);
                }
                (Ok(version), None) => {
                    changed.added += 1;
                    self.start(version);
                }
            }
        }
        self.forget_components();
        tracing::info!("{}", changed.said());
    }

    /// Upgrades an agent that runs, where something is different.
    fn renew(&mut self, mut member: Member, version: Version) -> Renewed {
        if member.version.as_ref().is_some_and(|old| old.is(&version)) {
            self.members.push(member);
            return Renewed::Untouched;
        }
        let order = Order::Upgrade(Box::new(version.clone()));
        match member.orders.send(order) {
            Ok(()) => {
                member.version = Some(version);
                self.members.push(member);
                Renewed::Upgraded
            }
            // It has ended in this instant.
            Err(_) => {
                self.start(version);
                Renewed::Restarted
            }
        }
    }

    fn start(&mut self, version: Version) {
        let label = version.definition.label.clone();
        let workspace = version.definition.workspace;
        self.born += 1;
        let number = self.born;
        let recent = self.board.put(&label, number, workspace, version.agent.component.digest());
        let (orders, inbox) = mpsc::unbounded_channel();
        let gone = CancellationToken::new();
        let life = Life {
            host: self.host.clone(),
            board: self.board.clone(),
            label: label.clone(),
            number,
            recent,
            reporter: self.reporter.clone(),
            orders: inbox,
            before: self.leaving.get(&workspace).cloned(),
        };
        let (named, running, ends) = (label.clone(), version.clone(), gone.clone().drop_guard());
        self.lives.spawn(async move {
            let end = life.live(running).await;
            drop(ends);
            (named, number, end)
        });
        self.members.push(Member {
            label,
            life: Some(number),
            version: Some(version),
            orders,
            gone,
            end: None,
        });
    }

    /// Notes an agent that has no life at all, because its component cannot be used.
    fn cannot_start(&mut self, label: String, workspace: WorkspaceId, failure: &Failure) {
        let end = End::failed(failure);
        tracing::error!(about = label, exit_code = end.exit as u8, "{}", end.line);
        self.born += 1;
        self.board.put(&label, self.born, workspace, "");
        self.board.stage(&label, self.born, Stage::Ended(end.line.clone()));
        self.members.push(Member::unborn(label, end));
    }

    /// Tells an agent to stop; whoever gets its workspace waits for that.
    fn dismiss(&mut self, member: Member) {
        if member.end.is_none()
            && let Some(workspace) = member.workspace()
        {
            // One that has just ended needs no order.
            let _ = member.orders.send(Order::Stop);
            self.leaving.insert(workspace, member.gone);
        }
        self.leaving.retain(|_, gone| !gone.is_cancelled());
    }

    /// Waits for the next end of an agent. When none is left that runs: why the process ends.
    pub(super) async fn next_ended(&mut self) -> Option<Failure> {
        let Some(ended) = self.lives.join_next().await else { return Some(self.verdict()) };
        self.ended(ended);
        self.lives.is_empty().then(|| self.verdict())
    }

    /// Takes note of all that have ended.
    fn take_note(&mut self) {
        while let Some(ended) = self.lives.try_join_next() {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<(String, u64, End), tokio::task::JoinError>) {
        match ended {
            Ok((label, life, end)) => {
                if let Some(recent) = self.closing.remove(&life) {
                    recent.close();
                }
                let is_it = |member: &&mut Member| member.label == label && member.life == Some(life);
                if let Some(member) = self.members.iter_mut().find(is_it) {
                    self.board.stage(&label, life, Stage::Ended(end.line.clone()));
                    member.end = Some(end);
                }
            }
            Err(error) => tracing::error!("the task of an agent broke off: {error}; report this"),
        }
    }

    /// How the process ends with nobody left.
    fn verdict(&self) -> Failure {
        let unasked = |member: &&Member| member.end.as_ref().is_some_and(|end| end.exit != Exit::Done);
        match self.members.iter().find(unasked).and_then(|it| Some((it, it.end.as_ref()?))) {
            Some((member, end)) => {
                Failure::AllEnded { agent: member.label.clone(), line: end.line.clone(), exit: end.exit }
            }
            None => Failure::Stopped,
        }
    }

    /// Stops all of them, and waits until they have.
    pub(super) async fn stop(&mut self) {
        for member in &self.members {
            let _ = member.orders.send(Order::Stop);
        }
        while let Some(ended) = self.lives.join_next().await {
            self.ended(ended);
        }
    }

    /// The component of an agent, compiled once for all that have the same.
    async fn load(&mut self, definition: Definition) -> Result<Version, Failure> {
        let bytes = load::read(&definition.component).await?;
        let digest = blake3::hash(&bytes);
        let agent = match self.components.get(&digest) {
            Some(agent) => agent.clone(),
            None => {
                let limits = definition.spec().map_err(Failure::Usage)?.limits;
                let agent = load::load_bytes(&self.host, &definition.component, bytes, &limits).await?;
                self.components.insert(digest, agent.clone());
                agent
            }
        };
        Ok(Version { definition, agent })
    }

    /// Lets components go that nobody runs any more.
    fn forget_components(&mut self) {
        let used = |agent: &LoadedAgent| {
            let versions = self.members.iter().filter_map(|member| member.version.as_ref());
            versions.into_iter().any(|it| it.agent.component.digest() == agent.component.digest())
        };
        self.components.retain(|_, agent| used(agent));
    }
}

impl Member {
    /// One that could not even be started.
    fn unborn(label: String, end: End) -> Self {
        let (orders, _) = mpsc::unbounded_channel();
        Self { label, life: None, version: None, orders, gone: CancellationToken::new(), end: Some(end) }
    }

    fn workspace(&self) -> Option<WorkspaceId> {
        self.version.as_ref().map(|version| version.definition.workspace)
    }
}

/// What became of an agent that runs.
enum Renewed {
    Untouched,
    Upgraded,
    Restarted,
}

impl Changed {
    fn count(&mut self, renewed: Renewed) {
        match renewed {
            Renewed::Untouched => self.untouched += 1,
            Renewed::Upgraded => self.upgraded += 1,
            Renewed::Restarted => self.restarted += 1,
        }
    }

    fn said(&self) -> String {
        let Self { added, removed, upgraded, restarted, untouched, wrong } = self;
        format!(
            "the file was read again: {added} added, {removed} removed, {upgraded} upgraded, {restarted} started again, \
             {wrong} wrong, {untouched} left alone"
        )
    }
}
