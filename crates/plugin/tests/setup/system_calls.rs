//! System calls, made for real by a copy of this program in a cage, and what came back.
#![allow(unsafe_code, reason = "no crate makes system calls that it knows to be refused")]

use std::ptr::null;

use crate::fixture::Plugin;

/// Calls that would not be refused for their arguments alone, were it not for the filter.
fn refused() -> Vec<(&'static str, i64, [u64; 4])> {
    let null = null::<u8>() as u64;
    let here = libc::AT_FDCWD as u64;
    let path = c"file".as_ptr() as u64;
    let create = (libc::O_CREAT | libc::O_WRONLY) as u64;
    let temporary = (libc::O_TMPFILE | libc::O_WRONLY) as u64;
    let mut calls = vec![
        ("setsid", libc::SYS_setsid, [0; 4]),
        ("setpgid", libc::SYS_setpgid, [0, 0, 0, 0]),
        ("ptrace", libc::SYS_ptrace, [libc::PTRACE_TRACEME as u64, 0, 0, 0]),
        ("process_vm_readv", libc::SYS_process_vm_readv, [1, null, 0, null]),
        ("prlimit", libc::SYS_prlimit64, [parent(), libc::RLIMIT_NOFILE as u64, null, null]),
        ("setpriority", libc::SYS_setpriority, [libc::PRIO_USER as u64, 0, 1, 0]),
        ("unshare", libc::SYS_unshare, [libc::CLONE_NEWUSER as u64, 0, 0, 0]),
        ("unshare nothing", libc::SYS_unshare, [0; 4]),
        ("setns", libc::SYS_setns, [0, 0, 0, 0]),
        ("clone user", libc::SYS_clone, [libc::CLONE_NEWUSER as u64 | 17, 0, 0, 0]),
        ("clone net", libc::SYS_clone, [libc::CLONE_NEWNET as u64 | 17, 0, 0, 0]),
        ("clone parent", libc::SYS_clone, [libc::CLONE_PARENT as u64 | 17, 0, 0, 0]),
        ("mount", libc::SYS_mount, [null, path, null, libc::MS_BIND]),
        ("umount", libc::SYS_umount2, [path, 0, 0, 0]),
        ("chroot", libc::SYS_chroot, [path, 0, 0, 0]),
        ("fchmodat", libc::SYS_fchmodat, [here, path, 0o644, 0]),
        ("fchownat", libc::SYS_fchownat, [here, path, 0, 0]),
        ("utimensat", libc::SYS_utimensat, [here, path, null, 0]),
        ("setxattr", libc::SYS_setxattr, [path, c"user.a".as_ptr() as u64, path, 4]),
        ("inotify", libc::SYS_inotify_add_watch, [0, path, 1, 0]),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, [here, null, 0, 0]),
        ("keyctl", libc::SYS_keyctl, [0, -3_i64 as u64, 0, 0]),
        ("add_key", libc::SYS_add_key, [path, path, null, 0]),
        ("bpf", libc::SYS_bpf, [0, null, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [null, 0, 0, 0]),
        ("userfaultfd", libc::SYS_userfaultfd, [1, 0, 0, 0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [1, null, 0, 0]),
        ("fsopen", libc::SYS_fsopen, [path, 0, 0, 0]),
        ("open_tree", libc::SYS_open_tree, [here, path, 0, 0]),
        ("pidfd_getfd", libc::SYS_pidfd_getfd, [0, 0, 0, 0]),
        ("shmget", libc::SYS_shmget, [0, 1, 0o600, 0]),
        ("mq_open", libc::SYS_mq_open, [path, create, 0o600, null]),
        ("kexec_load", libc::SYS_kexec_load, [0, 0, null, 0]),
        ("finit_module", libc::SYS_finit_module, [0, path, 0, 0]),
        ("reboot", libc::SYS_reboot, [0; 4]),
        ("personality", libc::SYS_personality, [0xffff_ffff, 0, 0, 0]),
        ("socket inet", libc::SYS_socket, [libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0, 0]),
        ("socket unix", libc::SYS_socket, [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0, 0]),
        ("socket netlink", libc::SYS_socket, [libc::AF_NETLINK as u64, libc::SOCK_RAW as u64, 0, 0]),
        (
            "socketpair of datagrams",
            libc::SYS_socketpair,
            [libc::AF_UNIX as u64, libc::SOCK_DGRAM as u64, 0, null],
        ),
        ("connect", libc::SYS_connect, [0, null, 0, 0]),
        ("TIOCSTI", libc::SYS_ioctl, [0, libc::TIOCSTI, path, 0]),
        ("set-user-id openat", libc::SYS_openat, [here, c"suid".as_ptr() as u64, create, 0o4755]),
        ("set-group-id openat", libc::SYS_openat, [here, c"sgid".as_ptr() as u64, create, 0o2755]),
        ("set-user-id O_TMPFILE", libc::SYS_openat, [here, c".".as_ptr() as u64, temporary, 0o4755]),
        ("set-user-id fchmod", libc::SYS_fchmod, [1, 0o4755, 0, 0]),
        ("set-user-id mknodat", libc::SYS_mknodat, [here, c"node".as_ptr() as u64, 0o104_755, 0]),
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        ("chmod", libc::SYS_chmod, [path, 0o644, 0, 0]),
        ("chown", libc::SYS_chown, [path, 0, 0, 0]),
        ("utimes", libc::SYS_utimes, [path, null, 0, 0]),
        ("set-user-id open", libc::SYS_open, [c"suid".as_ptr() as u64, create, 0o4755, 0]),
        ("set-user-id creat", libc::SYS_creat, [c"suid".as_ptr() as u64, 0o4755, 0, 0]),
    ]);
    calls
}

/// What changes the file of a descriptor: root could open any program for reading and do that to it.
fn by_descriptor() -> Vec<(&'static str, i64, [u64; 4])> {
    vec![
        ("fchmod", libc::SYS_fchmod, [0, 0o600, 0, 0]),
        ("futimens", libc::SYS_utimensat, [0, 0, 0, 0]),
        ("fchown", libc::SYS_fchown, [0, u64::from(u32::MAX), u64::from(u32::MAX), 0]),
    ]
}

/// Calls that the filter says are not there.
fn absent() -> Vec<(&'static str, i64, [u64; 4])> {
    let mut calls = vec![
        ("clone3", libc::SYS_clone3, [0; 4]),
        ("openat2", libc::SYS_openat2, [0; 4]),
        ("setxattrat", 463, [0; 4]),
        ("a call of the future", 600, [0; 4]),
    ];
    #[cfg(target_arch = "x86_64")]
    calls.push(("the x32 number of getpid", 0x4000_0000 | libc::SYS_getpid, [0; 4]));
    calls
}

/// Calls that a script may make, so that the test below is not passed by a filter that refuses everything.
fn allowed() -> Vec<(&'static str, i64, [u64; 4])> {
    let here = libc::AT_FDCWD as u64;
    let flags = (libc::O_CREAT | libc::O_WRONLY) as u64;
    // A mode without O_CREAT is a register that nobody set.
    let garbage = 0o7777;
    vec![
        ("openat", libc::SYS_openat, [here, c"plain".as_ptr() as u64, flags, 0o755]),
        ("openat for reading", libc::SYS_openat, [here, c"file".as_ptr() as u64, 0, garbage]),
        ("getpid", libc::SYS_getpid, [0; 4]),
        ("prlimit of itself", libc::SYS_prlimit64, [0, libc::RLIMIT_NOFILE as u64, 0, 0]),
    ]
}

fn parent() -> u64 {
    u64::from(std::os::unix::process::parent_id())
}

#[test]
#[ignore = "runs in a cage"]
fn makes_system_calls() {
    std::fs::write("file", "").unwrap();
    // Not by `fchmod` of the null device, which is root's.
    let own = std::fs::File::open("file").unwrap();
    assert_eq!(unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&own), 0) }, 0);
    for (name, number, [a, b, c, d]) in
        refused().into_iter().chain(absent()).chain(allowed()).chain(by_descriptor())
    {
        // SAFETY: every pointer is null or a C string that lives for ever; those that are not refused open files or ask.
        let result = unsafe { libc::syscall(number, a, b, c, d, 0_u64) };
        let error = if result < 0 { std::io::Error::last_os_error().raw_os_error().unwrap() } else { 0 };
        println!("\ncall {name}: {error}");
    }
}

/// Fails for each row that is taken out of the filter.
#[test]
fn what_reaches_past_files_and_the_caller_is_refused() {
    let script = "./probe --ignored --exact system_calls::makes_system_calls --nocapture --test-threads=1";
    let ran = Plugin::new(script).with_probe().run();
    let text = ran.text();
    let by_descriptor_error = if rustix::process::getuid().is_root() { libc::EPERM } else { 0 };
    let expected = [
        (refused(), libc::EPERM),
        (absent(), libc::ENOSYS),
        (allowed(), 0),
        (by_descriptor(), by_descriptor_error),
    ];
    for (calls, error) in expected {
        for (name, ..) in calls {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("call {name}: ")));
            assert_eq!(line, Some(error.to_string().as_str()), "{name}\n{text}");
        }
    }
    assert_eq!(ran.line(), "setup.sh succeeded", "{text}");
}
