//! The two agents in one host, the platform, and the proxy between them, and what is done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use molecule_tests::canvas::{Canvas, Workspace};
use molecule_tests::faults::{Fault, Faults};
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, Program, token_file, write_token};
use tempfile::TempDir;

use super::plan::{Incident, Slice, Who};
use super::text;

/// Of both agents. A tenth of the real one.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(3);
/// Requests a minute that the platform takes from the host's address: few enough to matter.
const RATE_LIMIT: u64 = 900;
/// Users are at another address, with a limit of their own.
const USERS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

pub(super) struct Stage {
    platform: Option<Program>,
    address: SocketAddr,
    canvas: Canvas,
    proxy: Faults,
    host: Option<Program>,
    alice: Workspace,
    bob: Workspace,
    paused: Option<Who>,
    /// When host or platform were not there.
    gone: Vec<(Instant, Instant)>,
    folder: TempDir,
}

impl Stage {
    /// Everybody is there and well.
    pub(super) async fn set() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (platform, address) = platform(folder.path().join("platform.db"), "127.0.0.1:0").await;
        let canvas = Canvas::seen_at(USERS, format!("http://{address}"));
        let proxy = Faults::before(address, 0, Vec::new()).await;
        let (alice, bob) = (canvas.create("alice").await, canvas.create("bob").await);
        let mut stage = Self {
            platform: Some(platform),
            address,
            canvas,
            proxy,
            host: None,
            alice,
            bob,
            paused: None,
            gone: Vec::new(),
            folder,
        };
        stage.write_agents();
        stage.start_host().await;
        stage
    }

    fn write_agents(&self) {
        let mut file = format!(
            "[defaults]\ncomponent = '{}'\nplatform-url = '{}'\nheartbeat-interval = {}\nstate-interval = 1\n\
             poll-interval = 1\nallow-peer = ['*']\nshutdown-grace = 2\n",
            guests::RELAY,
            self.proxy.url(),
            HEARTBEAT.as_secs(),
        );
        for workspace in [&self.alice, &self.bob] {
            let token = token_file(&self.state(), workspace);
            write_token(&token, &workspace.token);
            file.push_str(&format!(
                "\n[agents.{}]\nworkspace-id = '{}'\ntoken-file = '{}'\n",
                workspace.name,
                workspace.id,
                token.display()
            ));
        }
        std::fs::write(self.folder.path().join("agents.toml"), file).expect("room");
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn who(&self, who: Who) -> &Workspace {
        match who {
            Who::Alice => &self.alice,
            Who::Bob => &self.bob,
        }
    }

    async fn start_host(&mut self) {
        let file = self.folder.path().join("agents.toml");
        let command = CommandLine::new("molecule-host", ["up"]).with([file.as_os_str()]);
        let host = command.with(["--state-dir".as_ref(), self.state().as_os_str()]).spawn();
        host.says_often("] started", 2).await;
        self.host = Some(host);
    }

    async fn start_platform(&mut self) {
        let (platform, _) = platform(self.folder.path().join("platform.db"), &self.address.to_string()).await;
        self.platform = Some(platform);
    }

    /// One part of the day.
    pub(super) async fn play(&mut self, slice: &Slice) {
        self.proxy.rules_of(slice.seed, slice.weather.rules());
        if let Some(who) = self.paused.take() {
            self.canvas.resume(self.who(who)).await;
        }
        let began = Instant::now();
        match slice.incident {
            None => {}
            Some(Incident::HostKilled) => {
                self.host.take().expect("a host").kill().await;
                tokio::time::sleep(Duration::from_millis(slice.seed % 1500)).await;
                self.start_host().await;
                self.gone.push((began, Instant::now()));
            }
            Some(Incident::HostRestarted) => {
                self.end_host().await;
                self.start_host().await;
                self.gone.push((began, Instant::now()));
            }
            Some(Incident::PlatformKilled) => {
                self.platform.take().expect("a platform").kill().await;
                tokio::time::sleep(Duration::from_millis(slice.seed % 1500)).await;
                self.start_platform().await;
                self.gone.push((began, Instant::now()));
            }
            Some(Incident::PlatformRestarted) => {
                let platform = self.platform.take().expect("a platform");
                platform.terminate();
                assert_eq!(platform.ended().await.code, Some(0));
                self.start_platform().await;
                self.gone.push((began, Instant::now()));
            }
            Some(Incident::TokenRotated(who)) => self.rotate(who).await,
            Some(Incident::Paused(who)) => {
                self.canvas.pause(self.who(who)).await;
                self.paused = Some(who);
            }
        }
        for job in &slice.jobs {
            // A platform takes no message for a workspace that is paused. It is said later.
            if self.paused == Some(job.to()) {
                self.canvas.resume(self.who(job.to())).await;
                self.paused = None;
            }
            self.canvas.say(self.who(job.to()), &job.says(&self.bob.id)).await;
        }
    }

    /// As an operator does it, beside the host.
    async fn rotate(&self, who: Who) {
        let workspace = self.who(who);
        let rotate = CommandLine::new("molecule-host", ["token", "rotate"])
            .with(["--platform-url", self.canvas.url(), "--workspace-id", &workspace.id])
            .with(["--state-dir".as_ref(), self.state().as_os_str()])
            .with(["--token-file".as_ref(), token_file(&self.state(), workspace).as_os_str()]);
        let ended = rotate.run().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }

    async fn end_host(&mut self) {
        let host = self.host.take().expect("a host");
        host.terminate();
        let ended = host.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stderr.contains("is lost"), "{}", ended.stderr);
    }

    /// From now on all is well.
    pub(super) async fn clear_up(&mut self) {
        self.proxy.rules(Vec::new());
        if let Some(who) = self.paused.take() {
            self.canvas.resume(self.who(who)).await;
        }
    }

    pub(super) async fn quit(&mut self) {
        self.end_host().await;
    }

    /// Waits until something is so.
    pub(super) async fn until(&self, what: &str, patience: Duration, is: impl AsyncFn(&Self) -> bool) {
        let end = Instant::now() + patience;
        while !is(self).await {
            if Instant::now() > end {
                let unanswered = self.unanswered().await;
                panic!("not within {patience:?}: {what}: {:#?} {unanswered:?}", self.answers().await);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// What was said to the users, and how often.
    pub(super) async fn answers(&self) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        for workspace in [&self.alice, &self.bob] {
            for answer in self.canvas.answers(workspace).await {
                *answers.entry(answer).or_default() += 1;
            }
        }
        answers
    }

    /// The ids of what Alice has asked Bob. One may have come more than once.
    pub(super) async fn questions(&self) -> BTreeSet<String> {
        let messages = self.canvas.peer_messages(&self.bob).await;
        messages
            .iter()
            .filter(|it| it["from"] == self.alice.id.as_str())
            .map(|it| text(&it["messageId"]))
            .collect()
    }

    /// By question: the ids of Bob's answers.
    pub(super) async fn replies(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut replies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for message in self.canvas.peer_messages(&self.alice).await {
            let question = text(&message["metadata"]["in_reply_to"]);
            replies.entry(question).or_default().insert(text(&message["messageId"]));
        }
        replies
    }

    pub(super) async fn unanswered(&self) -> Vec<String> {
        let replies = self.replies().await;
        self.questions().await.into_iter().filter(|question| !replies.contains_key(question)).collect()
    }

    pub(super) fn requests(&self) -> usize {
        self.proxy.count("*", "/**")
    }

    /// How often the platform itself said that it is asked too much.
    pub(super) fn refused(&self) -> usize {
        self.proxy.refused()
    }

    /// The longest time between two heartbeats of an agent that reached the platform, while it and the host were there.
    pub(super) fn longest_silences(&self) -> Vec<(&str, Duration)> {
        let seen = self.proxy.seen();
        let arrives = |fault: &Option<Fault>| {
            matches!(fault, None | Some(Fault::Delay(_) | Fault::DropAfter | Fault::Truncate(_)))
        };
        let silence = |workspace: &Workspace| {
            let beats: Vec<Instant> = seen
                .iter()
                .filter(|it| it.path == "/registry/heartbeat" && it.by.as_ref() == Some(&workspace.id))
                .filter(|it| arrives(&it.fault))
                .map(|it| it.at)
                .collect();
            let gap = |two: &[Instant]| {
                let gone = self
                    .gone
                    .iter()
                    .map(|(from, to)| two[1].min(*to).saturating_duration_since(two[0].max(*from)));
                (two[1] - two[0]).saturating_sub(gone.sum())
            };
            beats.windows(2).map(gap).max().unwrap_or(Duration::MAX)
        };
        [&self.alice, &self.bob].map(|workspace| (workspace.name.as_str(), silence(workspace))).into()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("what platform and host have kept is in {}", self.folder.path().display());
        }
    }
}

async fn platform(db: PathBuf, listen: &str) -> (Program, SocketAddr) {
    let limit = RATE_LIMIT.to_string();
    let command = CommandLine::new("molecule-platform", ["--listen", listen, "--rate-limit", &limit]);
    let platform = command.with(["--rate-limit-in-development", "--db"]).with([db]).spawn();
    let line = platform.says("molecule-platform listens on ").await;
    let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://")).expect("its address");
    let port =
        url.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    (platform, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}
