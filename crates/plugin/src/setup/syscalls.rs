//! Which system calls a script may make: seccomp filters of the calling thread. Nearly all are, as long as they act on
//! files, where Landlock judges, or on the caller itself. Refused is what reaches past both.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    apply_filter, sock_filter,
};

use super::Uncaged;
use super::files::Gaps;

/// What the filter depends on.
pub(super) struct Filter {
    /// The only process group that may be entered.
    pub(super) group: u32,
    /// Whether internet sockets may be opened.
    pub(super) network: bool,
    /// Whether the user owns the system's programs, as root does. To read one is then enough to change its mode, times
    /// and attributes, by the descriptor.
    pub(super) owns_programs: bool,
    /// What Landlock leaves open.
    pub(super) gaps: Gaps,
}

/// Numbers from 424 on are the same on every processor; libc does not name all of them everywhere.
mod newer {
    pub(super) const CLONE3: i64 = 435;
    pub(super) const OPENAT2: i64 = 437;
    pub(super) const PIDFD_SEND_SIGNAL: i64 = 424;
    /// The first number that was not there when the table below was written (after `mseal`, Linux 6.10). Later calls set
    /// attributes by path, among other things.
    pub(super) const UNKNOWN: u32 = 463;
    pub(super) const REFUSED: [i64; 20] = [
        425, 426, 427, // io_uring: its operations pass no filter
        428, 429, 430, 431, 432, 433, 442, 457, 458, // the newer family of mount
        438, 440, 448, // pidfd_getfd, process_madvise, process_mrelease: other processes
        443, // quotactl_fd
        447, // memfd_secret
        450, // set_mempolicy_home_node
        452, // fchmodat2
        460, // lsm_set_self_attr
    ];
}

/// Never allowed, whatever the arguments.
const REFUSED: &[i64] = &[
    // Out of the process group, by which everything is ended.
    libc::SYS_setsid,
    // Into other processes, and at their schedule.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    // Memory, queues and semaphores that outlive the script, and those of the user's other programs.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Other views of the system.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    // What a path leads to is not judged by Landlock here.
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_inotify_add_watch,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // The kernel's own affairs, and parts of it with a long record of holes.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_personality,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
];

/// The older spellings, which only this processor has.
#[cfg(target_arch = "x86_64")]
const REFUSED_OLD: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OLD: &[i64] = &[];

/// Flags of `clone`: a namespace of its own (mount, cgroup, uts, ipc, user, pid, net), or our process for a parent.
const CLONE_FLAGS: [i32; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_PARENT,
];

impl Filter {
    /// Puts the calling thread, and what it starts from now on, under the filter.
    pub(super) fn apply(&self) -> Result<(), Uncaged> {
        let arch = TargetArch::try_from(std::env::consts::ARCH)
            .map_err(|_| Uncaged::Platform { system: std::env::consts::OS, arch: std::env::consts::ARCH })?;
        self.install(arch).map_err(|error| Uncaged::NoSeccomp { reason: error.to_string() })
    }

    fn install(&self, arch: TargetArch) -> Result<(), seccompiler::Error> {
        let mut absent = Rules::default();
        // Their arguments lie in memory, where no filter sees them; callers fall back to the older calls.
        absent.refuse(newer::CLONE3);
        absent.refuse(newer::OPENAT2);
        absent.install(libc::ENOSYS, arch)?;
        self.rules()?.install(libc::EPERM, arch)?;
        apply_filter(&unknown_is_absent())
    }

    fn rules(&self) -> Result<Rules, seccompiler::Error> {
        let mut rules = Rules::default();
        for number in REFUSED.iter().chain(REFUSED_OLD).chain(&newer::REFUSED) {
            rules.refuse(*number);
        }
        rules.refuse_if(libc::SYS_setpgid, &[not(1, self.group.into())])?;
        rules.refuse_if(libc::SYS_prlimit64, &[not(0, 0)])?;
        for flag in CLONE_FLAGS {
            rules.refuse_if(libc::SYS_clone, &[has(0, flag)])?;
        }
        // Input to whatever terminal there is: TIOCSTI and TIOCLINUX, include/uapi/asm-generic/ioctls.h
        // Flags of a file that was opened for reading: FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION and their
        // narrow form, include/uapi/linux/fs.h
        for request in [0x5412, 0x541c, 0x4008_6602, 0x4004_6602, 0x401c_5820, 0x4008_7602, 0x4004_7602] {
            rules.refuse_if(libc::SYS_ioctl, &[is(1, request)])?;
        }
        set_user_id(&mut rules)?;
        self.metadata(&mut rules)?;
        self.sockets(&mut rules)?;
        self.gaps(&mut rules)?;
        Ok(rules)
    }

    fn metadata(&self, rules: &mut Rules) -> Result<(), seccompiler::Error> {
        if self.owns_programs {
            let all = [libc::SYS_fchmod, libc::SYS_fchown, libc::SYS_fsetxattr, libc::SYS_fremovexattr];
            for number in all.into_iter().chain([libc::SYS_utimensat]) {
                rules.refuse(number);
            }
        } else {
            // With a path; without one it is the descriptor's file.
            rules.refuse_if(libc::SYS_utimensat, &[Condition { long: true, ..not(1, 0) }])?;
        }
        Ok(())
    }

    fn sockets(&self, rules: &mut Rules) -> Result<(), seccompiler::Error> {
        // Of a pair only such are let through as cannot be connected anew to somebody else.
        let stream = (libc::SOCK_STREAM as u64, libc::SOCK_SEQPACKET as u64);
        let kind =
            |kind| Condition { argument: 1, operator: SeccompCmpOp::MaskedEq(0xf), value: kind, long: false };
        for other in (0..=0xf).filter(|other| *other != stream.0 && *other != stream.1) {
            rules.refuse_if(libc::SYS_socketpair, &[kind(other)])?;
        }
        if self.network {
            rules.refuse_if(
                libc::SYS_socket,
                &[not(0, libc::AF_INET as u64), not(0, libc::AF_INET6 as u64)],
            )?;
        } else {
            for number in [libc::SYS_socket, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen] {
                rules.refuse(number);
            }
        }
        Ok(())
    }

    fn gaps(&self, rules: &mut Rules) -> Result<(), seccompiler::Error> {
        if self.gaps.truncate {
            rules.refuse(libc::SYS_truncate);
        }
        if self.gaps.signals {
            // To the own group only; and asking whether a process is there (signal 0).
            rules.refuse_if(libc::SYS_kill, &[not(0, 0), not(1, 0)])?;
            let others =
                [libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];
            for number in others.into_iter().chain([newer::PIDFD_SEND_SIGNAL]) {
                rules.refuse(number);
            }
            // Signals on behalf of a descriptor. F_SETSIG, F_SETOWN_EX: include/uapi/asm-generic/fcntl.h
            for command in [libc::F_SETOWN as u64, 10, 15] {
                rules.refuse_if(libc::SYS_fcntl, &[is(1, command)])?;
            }
            // FIOSETOWN, SIOCSPGRP: include/uapi/asm-generic/sockios.h
            for request in [0x8901, 0x8902] {
                rules.refuse_if(libc::SYS_ioctl, &[is(1, request)])?;
            }
        }
        Ok(())
    }
}

/// A file that runs as its owner would outlive the cage: whoever finds it becomes the user that ran the script.
fn set_user_id(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    for bit in [libc::S_ISUID as i32, libc::S_ISGID as i32] {
        rules.refuse_if(libc::SYS_fchmod, &[has(1, bit)])?;
        rules.refuse_if(libc::SYS_mknodat, &[has(2, bit)])?;
        // Without one of these flags the mode is whatever the register held.
        for flag in [libc::O_CREAT, libc::O_TMPFILE & !libc::O_DIRECTORY] {
            rules.refuse_if(libc::SYS_openat, &[has(2, flag), has(3, bit)])?;
            #[cfg(target_arch = "x86_64")]
            rules.refuse_if(libc::SYS_open, &[has(1, flag), has(2, bit)])?;
        }
        #[cfg(target_arch = "x86_64")]
        {
            rules.refuse_if(libc::SYS_creat, &[has(1, bit)])?;
            rules.refuse_if(libc::SYS_mknod, &[has(1, bit)])?;
        }
    }
    Ok(())
}

/// Refuses numbers that are not known here: calls of newer kernels, and those of x32, whose numbers have bit 30 set and
/// would pass the other filters.
fn unknown_is_absent() -> [sock_filter; 4] {
    // linux/bpf_common.h, linux/seccomp.h; the number is at offset 0 of struct seccomp_data.
    let statement = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    let (load, jump_if_at_least, give) = (0x20, 0x35, 0x06);
    [
        statement(load, 0),
        sock_filter { code: jump_if_at_least, jt: 0, jf: 1, k: newer::UNKNOWN },
        statement(give, SeccompAction::Errno(libc::ENOSYS as u32).into()),
        statement(give, SeccompAction::Allow.into()),
    ]
}

/// What has to hold of one argument.
#[derive(Clone)]
struct Condition {
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
    /// All 64 bits count, and not the lower 32.
    long: bool,
}

fn is(argument: u8, value: u64) -> Condition {
    Condition { argument, operator: SeccompCmpOp::Eq, value, long: false }
}

fn not(argument: u8, value: u64) -> Condition {
    Condition { argument, operator: SeccompCmpOp::Ne, value, long: false }
}

fn has(argument: u8, bit: i32) -> Condition {
    let bit = u64::from(bit.cast_unsigned());
    Condition { argument, operator: SeccompCmpOp::MaskedEq(bit), value: bit, long: false }
}

/// What is refused.
#[derive(Default)]
struct Rules(BTreeMap<i64, Vec<SeccompRule>>);

impl Rules {
    fn refuse(&mut self, number: i64) {
        self.0.insert(number, Vec::new());
    }

    /// Refused where all of `conditions` hold; a second call for the same number is another case.
    fn refuse_if(&mut self, number: i64, conditions: &[Condition]) -> Result<(), seccompiler::Error> {
        let conditions = conditions.iter().cloned().map(|Condition { argument, operator, value, long }| {
            let length = if long { SeccompCmpArgLen::Qword } else { SeccompCmpArgLen::Dword };
            SeccompCondition::new(argument, length, operator, value)
        });
        let rule = SeccompRule::new(conditions.collect::<Result<_, _>>()?)?;
        match self.0.entry(number) {
            Entry::Vacant(entry) => {
                entry.insert(vec![rule]);
            }
            // No rules: refused whatever the arguments. One rule would narrow that.
            Entry::Occupied(entry) if entry.get().is_empty() => {}
            Entry::Occupied(mut entry) => entry.get_mut().push(rule),
        }
        Ok(())
    }

    fn install(self, errno: i32, arch: TargetArch) -> Result<(), seccompiler::Error> {
        let refused = SeccompAction::Errno(errno.cast_unsigned());
        let filter = SeccompFilter::new(self.0, SeccompAction::Allow, refused, arch)?;
        apply_filter(&seccompiler::BpfProgram::try_from(filter)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_stays_refused_when_a_case_is_added() {
        let mut rules = Rules::default();
        rules.refuse(7);
        rules.refuse_if(7, &[is(0, 1)]).unwrap();
        rules.refuse_if(8, &[is(0, 1)]).unwrap();
        rules.refuse_if(8, &[is(0, 2)]).unwrap();
        assert_eq!((rules.0[&7].len(), rules.0[&8].len()), (0, 2));
    }
}
