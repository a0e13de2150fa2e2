//! A plugin's `setup.sh`, run in a cage.
//!
//! The script is a stranger's. It runs as `bash <path>` in the plugin's folder with an empty environment but for `PATH`,
//! `HOME` and `TMPDIR`, the latter two a fresh folder that is removed afterwards, without input, and with no descriptor but
//! 0 to 2. What it may do:
//!
//! | | |
//! | --- | --- |
//! | files | read and run what the system's program folders hold; read and write the plugin's own folder and the fresh one; nothing else |
//! | modes, owners, times, attributes of files | not by path, on any file: Landlock does not judge these, so `chmod +x FILE` is refused in the plugin's folder too. By descriptor, but never set-user-id, and not where the user owns the system's programs, as root does |
//! | network | none; with [`Script::network`] internet sockets, and never a Unix, netlink or raw one |
//! | processes | a bounded number, all of one process group that none can leave; signals to each other only |
//! | privileges | none, and none to be gained; no namespaces, mounts, tracing, keys, modules |
//! | time, memory, files, output | [`SetupLimits`] |
//!
//! What it still may learn is whether a path exists, its size and its times: Landlock does not judge `stat`. A link that it
//! makes in the plugin's folder may name anything, so whoever reads that folder afterwards must not follow links out of it.
//!
//! The cage is made of a Landlock domain, seccomp filters and dropped capabilities of one thread, which starts the script
//! and ends. The process that calls this is left as it is: no signal handler, no limit, no descriptor of it changes. Where
//! a part of the cage cannot be had the script does not run, and [`Uncaged`] says why.

#[cfg(target_os = "linux")]
mod cage;
#[cfg(target_os = "linux")]
mod count;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod group;
#[cfg(target_os = "linux")]
mod home;
#[cfg(target_os = "linux")]
mod lines;
mod outcome;
#[cfg(target_os = "linux")]
mod privileges;
#[cfg(target_os = "linux")]
mod syscalls;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use outcome::{End, Outcome, Uncaged};

/// The script's name, at the top of a plugin's folder.
pub const SCRIPT: &str = "setup.sh";

/// What is run, and what it is given.
pub struct Script<'a> {
    /// The plugin's folder: a `setup.sh` lies in it, and the script may write to all of it.
    pub folder: &'a Path,
    /// How much it may take.
    pub limits: &'a SetupLimits,
    /// Whether it may open internet sockets, to loopback too. Off unless the operator chose it.
    pub network: bool,
    /// Once this is true the script and all that it started is killed, within a tenth of a second.
    pub cancel: &'a AtomicBool,
}

/// How much a script may take. A limit of the process that runs it, where that is lower, holds as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupLimits {
    /// Wall time, after which all its processes are killed.
    pub time: Duration,
    /// Processor time of each process, in whole seconds.
    pub cpu: Duration,
    /// Processes and threads at one time, the script's own among them.
    pub processes: u32,
    /// Bytes of address space, each process.
    pub memory: u64,
    /// Bytes of any one file.
    pub file_size: u64,
    /// Open descriptors, each process.
    pub open_files: u64,
    /// Bytes of output that are handed on. What comes after is read and dropped, so that the script may go on.
    pub output: usize,
    /// Bytes of one line of output. The rest of a longer one is dropped.
    pub line: usize,
}

impl Default for SetupLimits {
    fn default() -> Self {
        Self {
            // protocol 5.5
            time: Duration::from_secs(120),
            cpu: Duration::from_secs(120),
            processes: 128,
            memory: 4 << 30,
            file_size: 512 << 20,
            open_files: 1024,
            output: 1 << 20,
            line: 4096,
        }
    }
}

/// A line that the script wrote, to stdout or to stderr, in the order of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without its end. What is no UTF-8 and every control character but the tab is U+FFFD, so that it can be shown on a
    /// terminal.
    pub text: String,
    /// Whether the line was longer than [`SetupLimits::line`], or the output longer than [`SetupLimits::output`].
    pub cut: bool,
}

/// Runs the `setup.sh` of a plugin and gives each line to `output`. Blocks until the script and every process that it
/// started are dead. The exit of the script ends those that it left behind.
///
/// # Errors
///
/// [`Uncaged`]: the script did not run, because it would not have been caged whole, or because there is none.
pub fn run(script: &Script<'_>, output: &mut dyn FnMut(Line)) -> Result<Outcome, Uncaged> {
    #[cfg(target_os = "linux")]
    return cage::run(script, output, landlock::ABI::V10);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (script, output);
        Err(Uncaged::Platform { system: std::env::consts::OS, arch: std::env::consts::ARCH })
    }
}
