//! A command that runs as long as the agent does.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cli::build::{Group, clean};
use crate::cli::escape::one_line;

/// What stands in the line that says that it is ready.
const READY: &str = "http://";
/// How long it may take until then: it may have to be compiled first.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// Characters of a line of its.
const SHOWN: usize = 500;

/// A command that runs. Dropped, it is ended, and all that it has started with it.
#[derive(Debug)]
pub(super) struct Beside {
    /// Takes the lines that nobody waits for any more.
    listener: JoinHandle<()>,
    /// Kills them all when it is dropped.
    _group: Group,
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum BesideError {
    /// It cannot be started.
    #[error(
        "cannot run `{command}`, which {} names: {source}; install it, or give --no-dev-file",
        super::file::NAME
    )]
    Spawn {
        /// What was to run.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended at once.
    #[error(
        "`{command}` ended ({status}) before it said where it is{said}; correct {}, or give --no-dev-file",
        super::file::NAME
    )]
    Ended {
        /// What ran.
        command: String,
        /// How it ended.
        status: String,
        /// What it said last, with what leads to it.
        said: String,
    },
    /// It says nothing.
    #[error(
        "`{command}` printed no line with {}... within {within:?}; let it say so when it is ready, or give --no-dev-file",
        READY
    )]
    Silent {
        /// What runs.
        command: String,
        /// How long that was waited for.
        within: Duration,
    },
}

impl Beside {
    /// Starts a command in a folder, and waits until it prints a line with the URL that it is at. All that it prints is in
    /// the log.
    ///
    /// # Errors
    /// It cannot be started, ends before that line, or does not print it within the time.
    pub(super) async fn start(
        words: &[String],
        folder: &Path,
        within: Duration,
    ) -> Result<Self, BesideError> {
        let shown = one_line(&words.join(" "), SHOWN);
        let mut words = words.iter();
        let mut command = Command::new(words.next().map(String::as_str).unwrap_or_default());
        clean(&mut command);
        command.args(words).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let spawned = Group::spawn(&mut command);
        let mut group = spawned.map_err(|source| BesideError::Spawn { command: shown.clone(), source })?;
        let (stdout, stderr) = (group.child().stdout.take(), group.child().stderr.take());
        let (sender, mut lines) = mpsc::channel(16);
        tokio::spawn(follow(stderr, sender.clone(), false));
        tokio::spawn(follow(stdout, sender, true));

        let mut last = String::new();
        let ready = async {
            while let Some((line, is_ready)) = lines.recv().await {
                if is_ready {
                    return true;
                }
                last = line;
            }
            false
        };
        let ready = tokio::time::timeout(within, ready).await;
        match ready {
            Err(_) => return Err(BesideError::Silent { command: shown, within }),
            Ok(false) => {
                // Its streams have ended, and it most likely has as well. What it has started may not have, and would
                // be out of reach when it is waited for.
                group.kill();
                let status = tokio::time::timeout(Duration::from_secs(1), group.wait()).await;
                let status = match status {
                    Ok(Ok(status)) if status.signal() == Some(9) => "its output, or it was killed".to_owned(),
                    Ok(Ok(status)) => status.to_string(),
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "its output, not the command itself".to_owned(),
                };
                let said = if last.is_empty() { last } else { format!(": {last}") };
                return Err(BesideError::Ended { command: shown, status, said });
            }
            Ok(true) => {}
        }
        let listener = tokio::spawn(async move {
            while lines.recv().await.is_some() {}
            tracing::warn!("what runs beside the agent has ended: {shown}");
        });
        Ok(Self { listener, _group: group })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // That it ends now is no news.
        self.listener.abort();
    }
}

/// Logs what comes, and passes it on with whether it says that the command is ready.
async fn follow(stream: Option<impl AsyncRead + Unpin>, lines: mpsc::Sender<(String, bool)>, counts: bool) {
    let Some(stream) = stream else { return };
    let mut said = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = said.next_segment().await {
        let line = one_line(&String::from_utf8_lossy(&line), SHOWN);
        tracing::info!(about = "beside", "{line}");
        let is_ready = counts && line.contains(READY);
        // Whoever waited has given up, and the command ends with that.
        if lines.send((line, is_ready)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    async fn shell(script: &str, within: Duration) -> Result<Beside, BesideError> {
        let words = ["sh", "-c", script].map(str::to_owned);
        Beside::start(&words, Path::new("."), within).await
    }

    #[tokio::test]
    async fn what_it_has_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let status = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(status.success());
        // The grandchild holds the writing end: it is at its end when nobody runs any more.
        let script = format!("sleep 1000 > {} & echo at http://127.0.0.1:1; wait", pipe.display());
        let open = tokio::task::spawn_blocking(move || std::fs::File::open(&pipe).unwrap());
        let (beside, end) = tokio::join!(shell(&script, LONG), open);
        drop(beside.unwrap());
        let read = tokio::task::spawn_blocking(move || std::io::read_to_string(end.unwrap()).unwrap());
        assert_eq!(tokio::time::timeout(LONG, read).await.expect("somebody still runs").unwrap(), "");
    }

    #[tokio::test]
    async fn what_one_that_failed_has_started_ends_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        // The grandchild holds none of the streams.
        let script = format!("sleep 1000 >/dev/null 2>&1 & echo $! >{}; exit 3", pid.display());
        let error = shell(&script, LONG).await.unwrap_err().to_string();
        assert!(error.contains("(exit status: 3)"), "{error}");
        let stat = format!("/proc/{}/stat", std::fs::read_to_string(pid).unwrap().trim());
        // One that nobody has asked how it ended is a zombie.
        let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        let gone = async {
            while runs() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, gone).await.expect("it goes on");
    }

    #[tokio::test]
    async fn why_it_does_not_run_is_said_in_one_line() {
        for (script, within, expected) in [
            (
                "echo starting; echo no port >&2; exit 3",
                LONG,
                "`sh -c echo starting; echo no port >&2; exit 3` ended (exit status: 3) before it said where it is",
            ),
            // A URL of its diagnostics is none of its own.
            (
                "echo see http://help.example >&2; exec sleep 1000",
                Duration::from_millis(300),
                "printed no line with http://",
            ),
        ] {
            let error = shell(script, within).await.unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("--no-dev-file"), "{error}");
        }
        let error = Beside::start(&["no-such-program".into()], Path::new("."), LONG).await.unwrap_err();
        assert!(
            error.to_string().starts_with("cannot run `no-such-program`, which agent.dev.toml names"),
            "{error}"
        );
    }
}
