//! A terminal with a program at it, by util-linux' `script`, which makes it the program's own: Ctrl-C typed there is a
//! signal.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a fixture: what it does not expect is the fault of the test, which then fails"
)]

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use molecule_host::gate::quoted;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;

use crate::canvas::PATIENCE;

/// What is typed for Ctrl-C.
pub const CTRL_C: &str = "\u{3}";

/// A program, what it shows, and what is typed.
pub struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    shown: Arc<Shown>,
    /// Bytes of what is shown that a test has seen.
    seen: usize,
}

#[derive(Default)]
struct Shown {
    text: Mutex<String>,
    news: Notify,
}

impl Terminal {
    pub(crate) fn start(words: &[String], variables: Vec<(String, OsString)>, folder: &Path) -> Self {
        let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-f", "-c", &format!("exec {}", line.join(" ")), "/dev/null"]).env_clear();
        for kept in ["PATH", "HOME"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        command.envs(variables).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("script, of util-linux");
        let (keyboard, screen) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let shown = Arc::<Shown>::default();
        tokio::spawn(look(screen, shown.clone()));
        Self { child, keyboard, shown, seen: 0 }
    }

    /// Types something; a line ends in `\n`.
    pub async fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).await.expect("somebody reads");
    }

    /// Waits until these words are shown, behind those that were waited for before.
    pub async fn shows(&mut self, words: &str) {
        let (shown, seen) = (self.shown.clone(), self.seen);
        let found = async {
            loop {
                let news = shown.news.notified();
                if let Some(at) = shown.text().get(seen..).and_then(|text| text.find(words)) {
                    return seen + at + words.len();
                }
                news.await;
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(seen) => self.seen = seen,
            Err(_) => panic!("it does not show {words:?} behind byte {seen}, but:\n{}", self.text()),
        }
    }

    /// All that has been shown so far.
    pub fn text(&self) -> String {
        self.shown.text()
    }

    /// Waits for the end of the program, and gives its exit code.
    pub async fn ended(mut self) -> Option<i32> {
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.expect("a child").code(),
            Err(_) => panic!("it does not end:\n{}", self.text()),
        }
    }
}

impl Shown {
    fn text(&self) -> String {
        self.text.lock().expect("no panic").clone()
    }
}

async fn look(mut screen: ChildStdout, shown: Arc<Shown>) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = screen.read(&mut bytes).await {
        let text = String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned();
        shown.text.lock().expect("no panic").push_str(&text);
        shown.news.notify_waiters();
    }
}
