//! The cage on Linux: what is prepared, the thread that becomes it, and the time that the script spends in it.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use landlock::ABI;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, getrlimit, pidfd_open, prlimit};

use super::count::Count;
use super::files::{PROGRAMS, confine, owns_programs};
use super::group::{GONE, Group, Leader, pid_of};
use super::home::Home;
use super::lines::Lines;
use super::privileges;
use super::syscalls::Filter;
use super::{End, Line, Outcome, SCRIPT, Script, SetupLimits, Uncaged};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How often the caller is asked whether to go on.
const TICK: Duration = Duration::from_millis(100);

/// How long output may come after everything was killed.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs it with what a kernel of Landlock's ABI `newest` would have, at most.
pub(super) fn run(
    script: &Script<'_>,
    output: &mut dyn FnMut(Line),
    newest: ABI,
) -> Result<Outcome, Uncaged> {
    let begun = Instant::now();
    let place = Place::find(script)?;
    let count = Count::new(script.limits.processes)?;
    let mut running = Running::start(script, &place, &count, newest)?;
    let mut lines = Lines::new(script.limits);
    let end = running.watch(script, begun, &mut |bytes| lines.take(bytes, output));
    let (end, undead) = running.finish(end, &mut |bytes| lines.take(bytes, output));
    let truncated = lines.end(output);
    Ok(Outcome { end, truncated, took: begun.elapsed(), undead })
}

/// Where the script is, and what it is given.
struct Place {
    folder: PathBuf,
    script: PathBuf,
    bash: PathBuf,
    home: Home,
}

impl Place {
    fn find(script: &Script<'_>) -> Result<Self, Uncaged> {
        let path = script.folder.join(SCRIPT);
        let absent = |_| Uncaged::NoScript { path: path.clone() };
        let folder = script.folder.canonicalize().map_err(absent)?;
        for programs in PROGRAMS {
            let lies_there = |programs: PathBuf| folder.starts_with(programs);
            if Path::new(programs).canonicalize().is_ok_and(lies_there) {
                return Err(Uncaged::AmongPrograms { folder, programs });
            }
        }
        if !path.symlink_metadata().map_err(absent)?.is_file() {
            return Err(Uncaged::NoScript { path });
        }
        let bash =
            PATH.split(':').map(|programs| Path::new(programs).join("bash")).find(|bash| bash.is_file());
        let bash = bash.ok_or(Uncaged::NoBash { path: PATH })?;
        let home = Home::new(&std::env::temp_dir()).map_err(Uncaged::step("making a temporary folder"))?;
        Ok(Self { script: folder.join(SCRIPT), folder, bash, home })
    }
}

/// A script on its way. On drop all of it is killed.
struct Running {
    group: Group,
    child: Reaped,
    exit: OwnedFd,
    output: PipeReader,
}

/// The script's first process, which leaves no zombie.
struct Reaped(Child);

impl Reaped {
    /// How it ended, once it was killed or ended itself.
    fn status(&mut self) -> Option<ExitStatus> {
        // A kill takes effect at once but in a system call that cannot be interrupted, and such a one may last for ever.
        let deadline = Instant::now() + GONE;
        loop {
            match self.0.try_wait() {
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
                status => return status.ok().flatten(),
            }
        }
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.status();
    }
}

impl Running {
    /// Starts it. Until its limits are set it waits for a line of input.
    fn start(script: &Script<'_>, place: &Place, count: &Count, newest: ABI) -> Result<Self, Uncaged> {
        let pipe = || io::pipe().map_err(Uncaged::step("making a pipe"));
        let ((output, output_end), (gate_end, mut gate), (life_end, life)) = (pipe()?, pipe()?, pipe()?);
        let ends = Ends { output: &output_end, gate: &gate_end, life: &life_end };
        let enclosure = || enclose(script, place, &ends, newest);
        let enclosed = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("molecule-setup".into());
            let thread = thread.spawn_scoped(scope, enclosure).map_err(Uncaged::step("starting a thread"))?;
            let died = |_| Uncaged::step("making the cage")(io::Error::other("its thread panicked"));
            thread.join().map_err(died)?
        });
        let (leader, child) = enclosed?;
        let (group, child) = (leader.lead(life), Reaped(child));
        drop((output_end, gate_end, life_end));

        let pid = pid_of(&child.0).map_err(Uncaged::step("finding the script's process"))?;
        count.bind(pid).map_err(Uncaged::step("bounding the number of processes"))?;
        limit(pid, script.limits).map_err(Uncaged::step("limiting the script's process"))?;
        let exit = pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from);
        let exit = exit.map_err(Uncaged::step("watching the script's process"))?;
        let unblocked = fcntl_getfl(&output).and_then(|flags| fcntl_setfl(&output, flags | OFlags::NONBLOCK));
        unblocked.map_err(io::Error::from).map_err(Uncaged::step("setting up the output"))?;
        gate.write_all(b"\n").map_err(Uncaged::step("letting the script begin"))?;
        Ok(Self { group, child, exit, output })
    }

    /// Reads until the script ends, or has to.
    fn watch(&mut self, script: &Script<'_>, begun: Instant, output: &mut dyn FnMut(&[u8])) -> Option<End> {
        let mut open = true;
        loop {
            let left = script.limits.time.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Some(End::TimedOut(script.limits.time));
            }
            if script.cancel.load(Ordering::Relaxed) {
                return Some(End::Canceled);
            }
            if self.wait(open, left.min(TICK)) {
                return None;
            }
            if open {
                open = self.read(output);
            }
        }
    }

    /// Waits for output (if it is `open`) or for the end of the script, and tells whether it is the latter.
    fn wait(&self, open: bool, timeout: Duration) -> bool {
        let exit = PollFd::new(&self.exit, PollFlags::IN);
        let output = PollFd::new(&self.output, PollFlags::IN);
        let mut both = [exit, output];
        let (polled, _) = both.split_at_mut(if open { 2 } else { 1 });
        let timeout = Timespec::try_from(timeout).ok();
        // An interruption is no event.
        let _ = poll(polled, timeout.as_ref());
        polled.first().is_some_and(|exit| !exit.revents().is_empty())
    }

    /// Reads what is there, at most a buffer of it; false once nobody can write any more.
    fn read(&mut self, output: &mut dyn FnMut(&[u8])) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.output.read(&mut buffer) {
            Ok(0) => false,
            Ok(read) => {
                output(buffer.get(..read).unwrap_or_default());
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// Kills what is left of it, reads what was written before that, and tells how the script ended, where `end` does
    /// not, and whether something would not die.
    fn finish(mut self, end: Option<End>, output: &mut dyn FnMut(&[u8])) -> (End, bool) {
        self.group.kill();
        let deadline = Instant::now() + LAST_WORDS;
        while self.read(output) && Instant::now() < deadline {
            let mut polled = [PollFd::new(&self.output, PollFlags::IN)];
            let _ = poll(&mut polled, Timespec::try_from(TICK).ok().as_ref());
        }
        let status = self.child.status();
        let gone = self.group.end();
        // Without a status we have killed it, and know why.
        let own =
            || match (status.and_then(|status| status.code()), status.and_then(|status| status.signal())) {
                (Some(code), _) => End::Exited(code),
                (None, signal) => End::Signaled(signal.unwrap_or_default()),
            };
        (end.unwrap_or_else(own), !gone)
    }
}

/// The ends of pipes that the processes get. They belong to the caller: the thread below works on copies.
struct Ends<'a> {
    output: &'a PipeWriter,
    gate: &'a PipeReader,
    life: &'a PipeReader,
}

/// What the dedicated thread does: it becomes the cage, starts the script, and ends. Each step binds this thread and what
/// it starts, and nothing else of the process.
fn enclose(
    script: &Script<'_>,
    place: &Place,
    ends: &Ends<'_>,
    newest: ABI,
) -> Result<(Leader, Child), Uncaged> {
    privileges::disinherit().map_err(Uncaged::step("parting from our descriptors"))?;
    let leader = Leader::start(&place.bash, ends.life).map_err(Uncaged::step("starting a process group"))?;
    match imprison(script, place, ends, newest, leader.id()) {
        Ok(child) => Ok((leader, child)),
        Err(error) => {
            leader.abandon();
            Err(error)
        }
    }
}

fn imprison(
    script: &Script<'_>,
    place: &Place,
    ends: &Ends<'_>,
    newest: ABI,
    group: Pid,
) -> Result<Child, Uncaged> {
    privileges::drop_all().map_err(Uncaged::step("dropping capabilities"))?;
    let gaps = confine(&place.folder, place.home.path(), script.network, newest)?;
    Filter {
        group: group.as_raw_nonzero().get().cast_unsigned(),
        network: script.network,
        owns_programs: owns_programs(),
        gaps,
    }
    .apply()?;
    let copies =
        || Ok((ends.gate.as_fd().try_clone_to_owned()?, ends.output.try_clone()?, ends.output.try_clone()?));
    let (input, stdout, stderr) = copies().map_err(Uncaged::step("copying a pipe"))?;
    let child = Command::new(&place.bash)
        .args(["-c", r#"read -r _ && exec bash "$1" </dev/null"#, "setup"])
        .arg(&place.script)
        .current_dir(&place.folder)
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", place.home.path())
        .env("TMPDIR", place.home.path())
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(OwnedFd::from(stdout)))
        .stderr(Stdio::from(OwnedFd::from(stderr)))
        .process_group(group.as_raw_nonzero().get())
        .spawn();
    child.map_err(Uncaged::step("starting bash"))
}

/// Sets the limits of a process, for good: it holds no capability to raise them.
fn limit(pid: Pid, limits: &SetupLimits) -> io::Result<()> {
    let of_process = [
        (Resource::As, limits.memory),
        (Resource::Fsize, limits.file_size),
        (Resource::Nofile, limits.open_files),
        (Resource::Cpu, limits.cpu.as_secs().max(1)),
        (Resource::Core, 0),
        (Resource::Msgqueue, 0),
    ];
    for (resource, limit) in of_process {
        let limit = Some(getrlimit(resource).maximum.map_or(limit, |ours| ours.min(limit)));
        prlimit(Some(pid), resource, Rlimit { current: limit, maximum: limit })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// Runs a script as on a kernel with that ABI of Landlock.
    fn run_on(abi: ABI, script: &str) -> (End, String) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(SCRIPT), script).unwrap();
        let (limits, cancel) = (SetupLimits::default(), AtomicBool::new(false));
        let script = Script { folder: folder.path(), limits: &limits, network: false, cancel: &cancel };
        let mut text = String::new();
        let outcome = run(&script, &mut |line| text += &(line.text + "\n"), abi);
        (outcome.unwrap_or_else(|error| panic!("{error}")).end, text)
    }

    const ABIS: [ABI; 7] = [ABI::V1, ABI::V2, ABI::V3, ABI::V4, ABI::V5, ABI::V6, ABI::V10];

    #[test]
    fn a_good_script_works_on_every_kernel_with_landlock() {
        for abi in ABIS {
            let script = "set -e; mkdir a; echo x > a/b; cp a/b c; mv c d; cat d; cat <(echo y); echo > /dev/null; seq 2 | tail -1";
            assert_eq!(run_on(abi, script), (End::Exited(0), "x\ny\n2\n".into()), "{abi:?}");
        }
    }

    /// Fails without `gaps`: an older Landlock does not judge `truncate(2)`.
    #[test]
    fn a_file_outside_is_neither_read_nor_cut_short_on_any_kernel() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(outside.path(), "as it was").unwrap();
        for abi in ABIS {
            for command in
                ["cat", "perl -e 'truncate($ARGV[0], 0) or die $!'", "truncate -s 0", "rm -f", "tee"]
            {
                let (end, text) = run_on(abi, &format!("{command} {} </dev/null", outside.path().display()));
                assert_ne!(end, End::Exited(0), "{abi:?} {command} {text}");
                assert_eq!(
                    std::fs::read_to_string(outside.path()).unwrap(),
                    "as it was",
                    "{abi:?} {command}"
                );
            }
        }
    }

    /// Fails without `gaps`: an older Landlock lets signals through.
    #[test]
    fn no_signal_reaches_us_on_any_kernel() {
        for abi in ABIS {
            let (end, text) = run_on(abi, &format!("kill -KILL {}", std::process::id()));
            assert!(end == End::Exited(1) && text.contains("not permitted"), "{abi:?} {text}");
        }
    }

    #[test]
    fn a_kernel_without_landlock_runs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(SCRIPT), "echo ran > ran").unwrap();
        let (limits, cancel) = (SetupLimits::default(), AtomicBool::new(false));
        let script = Script { folder: folder.path(), limits: &limits, network: false, cancel: &cancel };
        let refused = run(&script, &mut |_| {}, ABI::Unsupported).unwrap_err();
        assert!(matches!(refused, Uncaged::NoLandlock { .. }), "{refused}");
        assert!(!folder.path().join("ran").exists());
    }
}
