//! Folders that their owner has shut himself out of, as a setup script may do.

use std::fs::File;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use rustix::fs::AtFlags;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;

/// Opens a folder whose owner may have taken from himself the right to read, enter or change it.
pub(super) fn open_mine(parent: &File, name: impl Arg + Copy) -> rustix::io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || openat(parent, name, flags | OFlags::RDONLY, Mode::empty());
    let folder = match open() {
        Err(Errno::ACCESS) => {
            allow(parent, name, flags)?;
            open()?
        }
        opened => opened?,
    };
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&folder)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        rustix::fs::fchmod(&folder, Mode::RWXU)?;
    }
    Ok(folder.into())
}

/// Gives its owner all rights to a folder that he may not even open, and to nothing that a link might put in its place.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn allow(parent: &File, name: impl Arg + Copy, flags: OFlags) -> rustix::io::Result<()> {
    use std::os::fd::AsRawFd;

    // fchmod refuses such a descriptor, and only kernels from 6.6 on take one otherwise than through /proc.
    let folder = openat(parent, name, flags | OFlags::PATH, Mode::empty())?;
    rustix::fs::chmod(format!("/proc/self/fd/{}", folder.as_raw_fd()), Mode::RWXU)
}

/// Gives its owner all rights to a folder that he may not even open, and to nothing that a link might put in its place.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn allow(parent: &File, name: impl Arg + Copy, _: OFlags) -> rustix::io::Result<()> {
    rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW)
}
