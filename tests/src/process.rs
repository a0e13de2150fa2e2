//! Programs of this repository as processes: started, listened to, killed.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a fixture: what it does not expect is the fault of the test, which then fails"
)]

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::canvas::{Canvas, PATIENCE, Workspace};
use crate::terminal::Terminal;

/// A command line: a program of ours, what it is told, and what runs it.
#[derive(Debug, Clone)]
pub struct CommandLine {
    runner: Vec<OsString>,
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    stdin: Option<String>,
    patience: Duration,
}

impl CommandLine {
    /// `molecule-host`, or another program of ours, with nothing but these arguments and an environment without any of
    /// our variables.
    pub fn new<A: Into<OsString>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            runner: Vec::new(),
            program: built(program),
            arguments: arguments.into_iter().map(Into::into).collect(),
            variables: Vec::new(),
            stdin: None,
            patience: PATIENCE,
        }
    }

    /// `molecule-host` for a workspace, quick to notice everything. The token is in a file beside the state folder.
    pub fn host(canvas: &Canvas, workspace: &Workspace, component: &str, state_dir: &Path) -> Self {
        Self::host_at(canvas.url(), workspace, component, state_dir)
    }

    /// The same, with the URL of something before the platform.
    pub fn host_at(url: &str, workspace: &Workspace, component: &str, state_dir: &Path) -> Self {
        let token_file = token_file(state_dir, workspace);
        write_token(&token_file, &workspace.token);
        let fixed = ["--platform-url", url, "--workspace-id", &workspace.id, "--heartbeat-interval", "0.2"];
        let quick = ["--state-interval", "0.1", "--poll-interval", "0.1"];
        Self::new("molecule-host", [component])
            .with(fixed)
            .with(quick)
            .with([OsStr::new("--token-file"), token_file.as_os_str()])
            .with([OsStr::new("--state-dir"), state_dir.as_os_str()])
    }

    /// Further arguments.
    #[must_use]
    pub fn with<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// What standard input says. It is at its end otherwise.
    #[must_use]
    pub fn hearing(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// How long it may take to say something, and to end: it has something to build first, say.
    #[must_use]
    pub fn taking(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Another program, with its own arguments, that runs this one and becomes it, or becomes nothing to its parent.
    #[must_use]
    pub fn run_by<A: Into<OsString>>(mut self, runner: impl IntoIterator<Item = A>) -> Self {
        self.runner = runner.into_iter().map(Into::into).collect();
        self
    }

    /// Starts it.
    pub fn spawn(&self) -> Program {
        let mut words = self.runner.iter().map(OsString::as_os_str).chain([self.program.as_os_str()]);
        let mut command = Command::new(words.next().expect("at least the program"));
        command.args(words).args(&self.arguments).env_clear();
        for kept in ["PATH", "HOME"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", command.as_std()));
        if let (Some(text), Some(mut stdin)) = (self.stdin.clone(), child.stdin.take()) {
            tokio::spawn(async move { stdin.write_all(text.as_bytes()).await });
        }
        Program::listen(child, self.patience)
    }

    /// The same with further words behind it, as a shell reads them: what somebody would paste.
    #[must_use]
    pub fn pasting(self, words: &str) -> Self {
        let script = format!("exec \"$0\" \"$@\" {words}");
        self.run_by(["sh", "-c", script.as_str()])
    }

    /// Starts it at a terminal of its own, in a folder.
    pub fn at_a_terminal(&self, folder: &Path) -> Terminal {
        let words = self.runner.iter().map(OsString::as_os_str).chain([self.program.as_os_str()]);
        let words: Vec<String> = words
            .chain(self.arguments.iter().map(OsString::as_os_str))
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        Terminal::start(&words, self.variables.clone(), folder)
    }

    /// Starts it and waits for its end.
    pub async fn run(&self) -> Ended {
        self.spawn().ended().await
    }
}

/// Where [`CommandLine::host`] puts a workspace's token.
pub fn token_file(state_dir: &Path, workspace: &Workspace) -> PathBuf {
    state_dir.with_extension(format!("{}.token", &workspace.id[..8]))
}

/// Puts a token into a file that only its owner can read, whole or not at all.
pub fn write_token(path: &Path, token: &str) {
    let draft = path.with_extension("draft");
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft);
    std::io::Write::write_all(&mut file.expect("a file"), token.as_bytes()).expect("room for a token");
    std::fs::rename(&draft, path).expect("a file can be renamed");
}

/// A process, and what it has said so far. Dropped, it is killed; where the test has failed, it is quoted.
pub struct Program {
    child: Child,
    pid: Pid,
    said: Arc<Said>,
    readers: [JoinHandle<()>; 2],
    patience: Duration,
}

#[derive(Default)]
struct Said {
    lines: Mutex<[Vec<String>; 2]>,
    news: Notify,
}

const OUT: usize = 0;
const ERR: usize = 1;

impl Said {
    fn text(&self, stream: usize) -> String {
        self.lines.lock().expect("no panic")[stream].iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Program {
    fn listen(mut child: Child, patience: Duration) -> Self {
        let pid =
            child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("it has just begun");
        let said = Arc::<Said>::default();
        let (stdout, stderr) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let readers =
            [tokio::spawn(hear(stdout, said.clone(), OUT)), tokio::spawn(hear(stderr, said.clone(), ERR))];
        Self { child, pid, said, readers, patience }
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.said.text(ERR)
    }

    /// Waits until it has written a line with these words to standard error or standard output, and gives it back.
    pub async fn says(&self, words: &str) -> String {
        self.says_often(words, 1).await
    }

    /// Waits until it has written so many lines with these words, and gives the last of them back.
    pub async fn says_often(&self, words: &str, count: usize) -> String {
        match tokio::time::timeout(self.patience, Self::heard(&self.said, words, count)).await {
            Ok(line) => line,
            Err(_) => panic!(
                "it did not say {words:?} {count} times, but:\n{}{}",
                self.said.text(OUT),
                self.stderr()
            ),
        }
    }

    async fn heard(said: &Said, words: &str, count: usize) -> String {
        loop {
            let news = said.news.notified();
            let found = {
                let lines = said.lines.lock().expect("no panic");
                lines.iter().flatten().filter(|line| line.contains(words)).nth(count - 1).cloned()
            };
            if let Some(line) = found {
                return line;
            }
            news.await;
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid, signal).expect("it runs");
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// From now on no file that it writes may be longer; `None` for no limit.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(Some(self.pid), Resource::Fsize, limit).expect("a limit can be set");
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.start_kill().expect("it can be killed");
        self.child.wait().await.expect("a child");
    }

    /// Whether it dies before it says this. If it does not, it is killed then.
    pub async fn dies_before_it_says(mut self, words: &str) -> bool {
        let died = tokio::select! {
            biased;
            _ = self.child.wait() => true,
            _ = Self::heard(&self.said, words, 1) => false,
        };
        if !died {
            self.kill().await;
        }
        died
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Ended {
        let status = match tokio::time::timeout(self.patience, self.child.wait()).await {
            Ok(status) => status.expect("a child"),
            Err(_) => panic!("it does not end:\n{}{}", self.said.text(OUT), self.stderr()),
        };
        for reader in &mut self.readers {
            reader.await.expect("no panic");
        }
        let (stdout, stderr) = (self.said.text(OUT), self.said.text(ERR));
        Ended { code: status.code(), signal: status.signal(), stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("process {} said:\n{}{}", self.pid(), self.said.text(OUT), self.stderr());
        }
    }
}

async fn hear(stream: impl AsyncRead + Unpin, said: Arc<Said>, which: usize) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    // A stream that breaks has ended.
    while stream.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
        said.lines.lock().expect("no panic")[which].push(text);
        said.news.notify_waiters();
        line.clear();
    }
}

/// How a process has ended, and all it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, if it had one.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A program of ours, as this build has made it.
pub fn built(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("this program has a path");
    let folder = tests.parent().and_then(Path::parent).expect("target/debug/deps/e2e-...");
    let program = folder.join(name);
    let modified = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
    let Some(made) = modified(&program) else {
        panic!("{} is not there; build it with: cargo build --workspace --bins", program.display());
    };
    // Cargo names in this file what the program was made of.
    let sources = std::fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let newer = |source: &&str| modified(Path::new(source)).is_some_and(|at: SystemTime| at > made);
    if let Some(newer) = sources.split_whitespace().skip(1).find(newer) {
        panic!("{} is older than {newer}; build it with: cargo build --workspace --bins", program.display());
    }
    program
}
