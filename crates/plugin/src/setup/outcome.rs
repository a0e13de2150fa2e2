//! What came of a script, or why it did not run.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How a script ended. Prints as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What ended it.
    pub end: End,
    /// Whether output was dropped: too much of it, or a line too long.
    pub truncated: bool,
    /// From its start until it and all that it started were dead.
    pub took: Duration,
    /// Whether a process of it was killed and still not dead some seconds later, as happens in a system call that cannot
    /// be interrupted. It can do nothing more.
    pub undead: bool,
}

/// What ended a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It ended itself, with this code.
    Exited(i32),
    /// A signal killed it, and it was not ours.
    Signaled(i32),
    /// It took longer than this, and was killed.
    TimedOut(Duration),
    /// It was killed because the caller asked for that.
    Canceled,
}

impl Outcome {
    /// Whether the script ended itself with 0.
    pub fn succeeded(&self) -> bool {
        self.end == End::Exited(0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = self.took.as_secs_f64();
        match self.end {
            End::Exited(0) => write!(f, "setup.sh succeeded in {took:.1} s")?,
            End::Exited(code) => write!(f, "setup.sh failed with exit code {code} after {took:.1} s")?,
            End::Signaled(signal) => write!(f, "setup.sh was killed by signal {signal} after {took:.1} s")?,
            End::TimedOut(limit) => {
                let limit = limit.as_secs_f64();
                write!(
                    f,
                    "setup.sh took longer than its {limit} s and was killed, with all that it had started"
                )?;
            }
            End::Canceled => {
                write!(
                    f,
                    "setup.sh was canceled after {took:.1} s and killed, with all that it had started"
                )?;
            }
        }
        if self.truncated {
            f.write_str("; its output was cut")?;
        }
        if self.undead {
            f.write_str("; a process of it was killed and is not dead yet")?;
        }
        Ok(())
    }
}

/// Why a script did not run.
#[derive(Debug, thiserror::Error)]
pub enum Uncaged {
    /// Another system than Linux, or a processor that we have no filter for.
    #[error(
        "setup.sh was skipped: it can be caged on Linux (x86_64, aarch64, riscv64) and this is {system} on {arch}; read it and run it yourself"
    )]
    Platform {
        /// The system.
        system: &'static str,
        /// The processor.
        arch: &'static str,
    },
    /// There is no script, or what has its name is not a regular file.
    #[error("setup.sh was skipped: {} is not a regular file that can be read", path.display())]
    NoScript {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// No bash where programs are.
    #[error("setup.sh was skipped: there is no bash in {path}; install it")]
    NoBash {
        /// The folders that were searched.
        path: &'static str,
    },
    /// The plugin lies in a folder that every script may read whole.
    #[error("setup.sh was skipped: {} lies below {programs}, which scripts may read; move the state folder (--state-dir)", folder.display())]
    AmongPrograms {
        /// The plugin's folder.
        folder: PathBuf,
        /// The folder of programs.
        programs: &'static str,
    },
    /// The kernel has no Landlock, or does not use it.
    #[error(
        "setup.sh was skipped: this kernel cannot restrict files ({reason}); Landlock needs Linux 5.13 and `landlock` in the kernel's `lsm=` parameter, and a container's seccomp profile must allow it"
    )]
    NoLandlock {
        /// What the kernel or the ruleset said.
        reason: String,
    },
    /// The kernel refused the filter of system calls.
    #[error(
        "setup.sh was skipped: this kernel cannot filter system calls ({reason}); it needs CONFIG_SECCOMP_FILTER"
    )]
    NoSeccomp {
        /// What the kernel or the compiler of filters said.
        reason: String,
    },
    /// As root only a cgroup bounds the number of processes, and none can be made.
    #[error(
        "setup.sh was skipped: nothing bounds how many processes root starts ({reason}); run as an ordinary user, or make a cgroup hierarchy with the pids controller writable"
    )]
    Uncounted {
        /// What was tried.
        reason: String,
    },
    /// A step of building the cage failed.
    #[error(
        "setup.sh was skipped: {step} failed: {source}; see whether the system is short of processes, descriptors or disk, or forbids this to a container"
    )]
    Step {
        /// What was tried.
        step: &'static str,
        /// What came back.
        source: io::Error,
    },
}

impl Uncaged {
    #[cfg(target_os = "linux")]
    pub(super) fn step(step: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Step { step, source }
    }
}
