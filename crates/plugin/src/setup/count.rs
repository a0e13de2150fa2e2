//! How many processes a script may have: a cgroup where one can be made, or the limit of the user.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getuid, prlimit};

use super::Uncaged;

const PREFIX: &str = "molecule-setup-";

/// What bounds the number of a script's processes.
pub(super) enum Count {
    /// A cgroup of its own, removed on drop. The kernel counts for it whoever the user is.
    Cgroup { folder: PathBuf },
    /// `RLIMIT_NPROC`, which counts all of the user's processes and threads; so it is what there are now and what is
    /// allowed. It does not bind root.
    User { processes: u32 },
}

impl Count {
    /// A bound of `processes`.
    pub(super) fn new(processes: u32) -> Result<Self, Uncaged> {
        match cgroup(processes) {
            Ok(folder) => Ok(Self::Cgroup { folder }),
            Err(_) if !getuid().is_root() => Ok(Self::User { processes }),
            Err(error) => Err(Uncaged::Uncounted { reason: error.to_string() }),
        }
    }

    /// Binds `pid`, which has no children yet.
    pub(super) fn bind(&self, pid: Pid) -> io::Result<()> {
        match self {
            Self::Cgroup { folder } => {
                fs::write(folder.join("cgroup.procs"), pid.as_raw_nonzero().to_string())
            }
            Self::User { processes } => {
                let limit = Some(threads_of_user()? + u64::from(*processes));
                prlimit(Some(pid), Resource::Nproc, Rlimit { current: limit, maximum: limit })?;
                Ok(())
            }
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        let Self::Cgroup { folder } = self else { return };
        // A process leaves its cgroup a moment after its parent sees it dead.
        let deadline = Instant::now() + Duration::from_secs(2);
        while fs::remove_dir(&folder).is_err_and(|error| error.kind() == ErrorKind::ResourceBusy)
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Makes a cgroup for `processes` in the hierarchy that has the pids controller, as near to our own as can be.
fn cgroup(processes: u32) -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut last = io::Error::new(ErrorKind::NotFound, "no cgroup hierarchy has the pids controller");
    for parent in
        parents(&fs::read_to_string("/proc/self/mountinfo")?, &fs::read_to_string("/proc/self/cgroup")?)
    {
        sweep(&parent);
        let folder = parent.join(&name);
        let made = fs::create_dir(&folder).and_then(|()| {
            fs::write(folder.join("pids.max"), processes.to_string()).inspect_err(|_| {
                let _ = fs::remove_dir(&folder);
            })
        });
        match made {
            Ok(()) => return Ok(folder),
            Err(error) => last = io::Error::new(error.kind(), format!("{}: {error}", folder.display())),
        }
    }
    Err(last)
}

/// Removes the cgroups of hosts that were killed. One that still holds a process cannot be removed.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let host =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')?.0.parse::<u32>().ok());
        if host.is_some_and(|host| !Path::new("/proc").join(host.to_string()).exists()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The cgroups in which one with a bound may be made, the nearest first: our own and those above it. In a hierarchy of
/// version 2 a cgroup that holds processes cannot have children with a bound, so that it is often one further up.
fn parents(mountinfo: &str, cgroups: &str) -> Vec<PathBuf> {
    let mut parents = Vec::new();
    for mount in mountinfo.lines().filter_map(Mount::parse) {
        // proc(5): hierarchy, controllers, path.
        let own = cgroups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let ours = if mount.unified {
                controllers.is_empty()
            } else {
                controllers.split(',').any(|controller| controller == "pids")
            };
            ours.then(|| Path::new(path))
        });
        let Some(own) = own else { continue };
        // What is mounted may be a part of the hierarchy, as in a container.
        let below = own.strip_prefix(mount.root).unwrap_or(Path::new(""));
        let nearest = mount.point.join(below);
        let up = nearest.ancestors().take_while(|path| path.starts_with(mount.point));
        parents.extend(up.map(Path::to_owned));
    }
    parents
}

/// A mounted hierarchy that may have the pids controller.
struct Mount<'a> {
    root: &'a Path,
    point: &'a Path,
    unified: bool,
}

impl<'a> Mount<'a> {
    /// proc(5), `/proc/pid/mountinfo`: after `-` come type, source and the options of the file system.
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (Path::new(mount.next()?), Path::new(mount.next()?));
        let mut system = system.split(' ');
        let (kind, _, options) = (system.next()?, system.next()?, system.next()?);
        match kind {
            "cgroup2" => Some(Self { root, point, unified: true }),
            "cgroup" if options.split(',').any(|option| option == "pids") => {
                Some(Self { root, point, unified: false })
            }
            _ => None,
        }
    }
}

/// How many threads the kernel counts for our user, as far as `/proc` shows them.
fn threads_of_user() -> io::Result<u64> {
    let user = getuid().as_raw();
    let mut threads = 0;
    for entry in fs::read_dir("/proc")? {
        // A process may end while it is looked at.
        let Ok(status) = entry.and_then(|entry| fs::read_to_string(entry.path().join("status"))) else {
            continue;
        };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        if field("Uid:") == Some(u64::from(user)) {
            threads += field("Threads:").unwrap_or(1);
        }
    }
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_is_looked_for_from_ours_upwards_in_what_is_mounted() {
        let v2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        let v1 = "41 30 0:37 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                  42 30 0:38 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu";
        let part = "41 30 0:37 /docker/ab /sys/fs/cgroup/pids ro master:9 - cgroup cgroup rw,pids";
        let cases: [(&str, &str, &[&str]); 5] = [
            (
                v2,
                "0::/a.slice/b\n",
                &["/sys/fs/cgroup/a.slice/b", "/sys/fs/cgroup/a.slice", "/sys/fs/cgroup"],
            ),
            (v2, "0::/\n", &["/sys/fs/cgroup/"]),
            (v1, "8:pids:/x\n1:cpu:/y\n0::/\n", &["/sys/fs/cgroup/pids/x", "/sys/fs/cgroup/pids"]),
            (part, "8:pids:/docker/ab\n", &["/sys/fs/cgroup/pids/"]),
            ("22 28 0:20 / /proc rw - proc proc rw", "0::/\n", &[]),
        ];
        for (mounts, cgroups, expected) in cases {
            assert_eq!(
                parents(mounts, cgroups),
                expected.iter().map(PathBuf::from).collect::<Vec<_>>(),
                "{mounts}"
            );
        }
    }

    #[test]
    fn the_threads_of_this_process_are_counted() {
        assert!(threads_of_user().unwrap() >= 2);
    }
}
