//! The process group that a script cannot leave, by which all of it is ended.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid};

/// How long a killed process may take to be gone.
pub(super) const GONE: Duration = Duration::from_secs(5);

/// A process group, held by a process of ours that leads it.
///
/// The script enters it, and its filter lets it enter no other group and no other session; so whatever it starts, with
/// `setsid`, by a double fork or deaf to SIGTERM, is in it. The kernel kills a group at one stroke: a fork comes before
/// it, and the child is killed too, or fails. The leader is not reaped before that, so that no stranger's group can have
/// the number meanwhile.
pub(super) struct Group {
    id: Pid,
    /// Taken out once it is reaped.
    leader: Option<Child>,
    /// The leader waits for the other end. Should our process die, it kills the group.
    _life: PipeWriter,
}

/// The leader, while the thread that started it is still in another table of descriptors.
pub(super) struct Leader {
    child: Child,
    id: Pid,
}

impl Leader {
    /// Starts the leader, whose input is `life`, under no restriction and so out of the script's reach.
    pub(super) fn start(bash: &Path, life: &PipeReader) -> io::Result<Self> {
        let child = Command::new(bash)
            .args(["-c", "read -r _; kill -KILL 0"])
            .current_dir("/")
            .env_clear()
            .stdin(Stdio::from(life.as_fd().try_clone_to_owned()?))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let id = pid_of(&child)?;
        Ok(Self { child, id })
    }

    /// The number of its process and of its group.
    pub(super) fn id(&self) -> Pid {
        self.id
    }

    /// Ends it, when nothing has entered its group.
    pub(super) fn abandon(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its group, which ends when `life` is dropped, if not before.
    pub(super) fn lead(self, life: PipeWriter) -> Group {
        Group { id: self.id, leader: Some(self.child), _life: life }
    }
}

impl Group {
    /// Kills every process in it, at one stroke. Only the first call does something.
    pub(super) fn kill(&self) {
        if self.leader.is_some() {
            let _ = kill_process_group(self.id, Signal::KILL);
        }
    }

    /// Kills it and reaps the leader; then whether all of it is gone.
    pub(super) fn end(&mut self) -> bool {
        self.kill();
        let Some(mut leader) = self.leader.take() else { return true };
        let _ = leader.wait();
        let deadline = Instant::now() + GONE;
        // Signal 0 asks only, so that it does not matter whose number it is by now.
        while test_kill_process_group(self.id).is_ok() {
            // Orphans come to us where we are the first process of a container.
            let reaped = matches!(waitpgid(self.id, WaitOptions::NOHANG), Ok(Some(_)));
            if Instant::now() > deadline {
                return false;
            }
            if !reaped {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        true
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// The number of a child that was not reaped yet.
pub(super) fn pid_of(child: &Child) -> io::Result<Pid> {
    // 0 and 1 mean something else to kill(2).
    let id = i32::try_from(child.id()).ok().filter(|id| *id > 1).and_then(Pid::from_raw);
    id.ok_or_else(|| io::Error::other(format!("{} is no number of a process", child.id())))
}
