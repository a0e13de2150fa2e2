//! What a script is and holds: no capabilities, no descriptors of ours. All of it of the calling thread only.

use std::io;

use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};

/// Gives up every capability of the calling thread, and the means to get one.
///
/// With `no_new_privs` an exec grants no capability that was not held, to root neither, so that the empty set lasts. The
/// bounding set and the secure bits say the same once more, where the thread may change them.
pub(super) fn drop_all() -> io::Result<()> {
    set_no_new_privs(true)?;
    let locked = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    if set_capabilities_secure_bits(locked).is_ok() {
        for capability in CapabilitySet::all().iter() {
            // A kernel that does not know it cannot grant it.
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
}

/// Gives the calling thread a table of descriptors of its own, in which all but 0 to 2 close on exec: a library of the
/// program that embeds us may have opened some without saying so.
///
/// From then on the thread must neither close a descriptor that another thread gave it nor hand out one that it opens.
#[allow(
    unsafe_code,
    reason = "no crate wraps close_range, and the other ways change the table of the whole process"
)]
pub(super) fn disinherit() -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_UNSHARE | libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: close_range(2) takes no pointer, and with CLOEXEC closes nothing: what any part of the program owns stays
    // open. The flag is set in this thread's copy of the table only.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, flags) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
