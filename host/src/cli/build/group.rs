//! A command and all that it starts.

use std::io;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};

/// A process that runs with its descendants in a group of its own. Dropped, all of them are killed: a compiler would go
/// on without its cargo.
#[derive(Debug)]
pub(in crate::cli) struct Group {
    leader: Option<Pid>,
    child: Child,
}

impl Group {
    /// Starts it. As a group of its own it hears nothing of a Ctrl-C at the terminal.
    pub(in crate::cli) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { leader, child })
    }

    /// The process.
    pub(in crate::cli) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Ends all of them now. Who has ended by himself has his status still.
    pub(in crate::cli) fn kill(&mut self) {
        if let Some(leader) = self.leader {
            // It may just have ended.
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
    }

    /// Waits for its end.
    pub(in crate::cli) async fn wait(&mut self) -> io::Result<std::process::ExitStatus> {
        let status = self.child.wait().await?;
        // Its number may be another's from now on.
        self.leader = None;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

    use super::*;

    #[tokio::test]
    async fn what_a_dropped_command_has_started_ends_with_it() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 1000 & echo there; wait"]).stdout(Stdio::piped()).kill_on_drop(true);
        let mut group = Group::spawn(&mut shell).unwrap();
        let mut stdout = BufReader::new(group.child().stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).await.unwrap();
        assert_eq!(line, "there\n");
        drop(group);
        // The pipe ends when nobody holds it any more, the sleeper included.
        let ended =
            tokio::time::timeout(std::time::Duration::from_secs(30), stdout.read_to_string(&mut line));
        assert_eq!(ended.await.expect("somebody still runs").unwrap(), 0);
    }
}
