//! Which files a script reaches: a Landlock domain of the calling thread.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::Uncaged;

/// Where programs are. All of it may be read and run.
pub(super) const PROGRAMS: [&str; 8] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/gnu/store"];

/// What the dynamic linker and libc ask for. No list of users, no keys.
const ETC: [&str; 6] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/nsswitch.conf",
];

/// What it takes to resolve a name and to check a certificate. `/etc/ssl` whole would hold private keys.
const ETC_OF_NETWORK: [&str; 12] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates",
];

/// What the domain leaves to the filter of system calls, because the kernel's Landlock is too old for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gaps {
    /// Signals to processes outside are not refused (before ABI 6, Linux 6.12).
    pub(super) signals: bool,
    /// `truncate(2)` is not judged (before ABI 3, Linux 6.2).
    pub(super) truncate: bool,
}

/// Puts the calling thread, and what it starts from now on, into a domain that reaches programs, `plugin` and `home`, and
/// nothing else. `newest` is the newest ABI that is used, so that a test can be an older kernel.
pub(super) fn confine(plugin: &Path, home: &Path, network: bool, newest: ABI) -> Result<Gaps, Uncaged> {
    let reason = |reason: String| Uncaged::NoLandlock { reason };
    let ruleset = ruleset(plugin, home, network, newest).map_err(|error| reason(error.to_string()))?;
    let status = ruleset.restrict_self().map_err(|error| reason(error.to_string()))?;
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        return Err(reason(format!("{:?}", status.landlock)));
    }
    let LandlockStatus::Available { effective_abi, .. } = status.landlock else {
        return Err(reason(format!("{:?}", status.landlock)));
    };
    let abi = effective_abi.min(newest);
    Ok(Gaps { signals: abi < ABI::V6, truncate: abi < ABI::V3 })
}

/// Whether our user owns what scripts may only read.
pub(super) fn owns_programs() -> bool {
    let user = rustix::process::geteuid().as_raw();
    let below = ["/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/local/lib"];
    let owned = |path: &&str| fs::metadata(path).is_ok_and(|place| place.uid() == user);
    PROGRAMS.iter().chain(&below).any(owned)
}

fn ruleset(plugin: &Path, home: &Path, network: bool, newest: ABI) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(newest))?;
    if !network && newest >= ABI::V4 {
        ruleset = ruleset.handle_access(AccessNet::from_all(newest))?;
    }
    if newest >= ABI::V6 {
        ruleset = ruleset.scope(Scope::from_all(newest))?;
    }
    let mut ruleset = ruleset.create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let all = AccessFs::from_all(newest);
    for programs in PROGRAMS {
        ruleset = allow(ruleset, Path::new(programs), read | AccessFs::Execute)?;
    }
    let etc = ETC.iter().chain(if network { ETC_OF_NETWORK.as_slice() } else { &[] });
    for path in etc.chain(&["/dev/zero", "/dev/urandom"]) {
        ruleset = allow(ruleset, Path::new(path), read)?;
    }
    let write = (AccessFs::WriteFile | AccessFs::Truncate) & all;
    ruleset = allow(ruleset, Path::new("/dev/null"), write | AccessFs::ReadFile)?;
    // No devices and no sockets; and no fifo in the plugin, where it would hold up whoever reads the folder.
    let never = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock | AccessFs::IoctlDev;
    ruleset = allow(ruleset, home, all & !never)?;
    allow(ruleset, plugin, all & !never & !AccessFs::MakeFifo)
}

/// Allows `access` below `path`, or to it where it is a file. What does not exist needs no rule.
fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(ruleset) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI::V10) };
    ruleset.add_rule(PathBeneath::new(opened, access))
}
