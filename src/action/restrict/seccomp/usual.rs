//! The profile that `--seccomp default` means: what programs in containers need and nothing that
//! reaches around the container. What it allows is what docker's own allows (moby's
//! profiles/seccomp, whose list of io_uring's calls it dropped in 2023, as here), a few calls of
//! newer kernels more. Pure.

use super::Facts;
use super::profile::{Action, Comparison, Condition, Profile, Rule};
use crate::model::capability::CapSet;
use nix::errno::Errno;

/// Allowed to all.
const ALWAYS: &[&str] = &[
    // Files
    "access faccessat faccessat2 open openat openat2 creat close close_range dup dup2 dup3 fcntl \
     fcntl64 ioctl flock read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 \
     lseek _llseek fadvise64 fadvise64_64 readahead fallocate truncate truncate64 ftruncate \
     ftruncate64 sync syncfs fsync fdatasync sync_file_range copy_file_range sendfile sendfile64 \
     splice tee vmsplice umask memfd_create memfd_secret name_to_handle_at cachestat",
    // Their names and attributes
    "chdir fchdir getcwd getdents getdents64 link linkat symlink symlinkat readlink readlinkat \
     unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir mknod mknodat chmod fchmod \
     fchmodat fchmodat2 chown chown32 fchown fchown32 fchownat lchown lchown32 stat stat64 lstat \
     lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64 utime \
     utimes futimesat utimensat utimensat_time64 getxattr lgetxattr fgetxattr setxattr lsetxattr \
     fsetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr getxattrat \
     setxattrat listxattrat removexattrat file_getattr file_setattr",
    // Waiting, and being told
    "select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create \
     epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 \
     eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 \
     timerfd_settime timerfd_settime64 inotify_init inotify_init1 inotify_add_watch \
     inotify_rm_watch fanotify_mark io_setup io_submit io_getevents io_pgetevents \
     io_pgetevents_time64 io_cancel io_destroy pipe pipe2",
    // Sockets and System V's and POSIX' queues
    "socket socketpair bind listen accept accept4 connect shutdown getsockname getpeername \
     getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg \
     recvmmsg_time64 ipc msgget msgsnd msgrcv msgctl semget semop semctl semtimedop \
     semtimedop_time64 shmget shmat shmdt shmctl mq_open mq_unlink mq_notify mq_getsetattr \
     mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64",
    // Memory
    "brk mmap mmap2 munmap mremap remap_file_pages mprotect madvise mincore msync mlock mlock2 \
     munlock mlockall munlockall membarrier mseal map_shadow_stack pkey_alloc pkey_free \
     pkey_mprotect process_mrelease",
    // Processes and threads
    "fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid \
     setpgid getpgrp getsid setsid set_tid_address set_robust_list get_robust_list rseq futex \
     futex_time64 futex_waitv futex_wait futex_wake futex_requeue prctl seccomp pidfd_open \
     pidfd_send_signal landlock_create_ruleset landlock_add_rule landlock_restrict_self \
     restart_syscall pause process_vm_readv process_vm_writev ptrace set_thread_area \
     get_thread_area modify_ldt arch_prctl",
    // Signals
    "kill tkill tgkill rt_sigaction rt_sigprocmask rt_sigpending rt_sigqueueinfo \
     rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 \
     sigaltstack sigprocmask sigreturn",
    // Who one is, and what one may use
    "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 \
     getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid \
     setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid \
     setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset getrlimit ugetrlimit \
     setrlimit prlimit64 getrusage getpriority setpriority ioprio_get ioprio_set \
     sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam \
     sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max \
     sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 sched_yield getcpu",
    // Time, and the machine
    "time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 \
     clock_nanosleep clock_nanosleep_time64 clock_adjtime clock_adjtime64 adjtimex nanosleep alarm \
     getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime \
     timer_gettime64 timer_settime timer_settime64 getrandom sysinfo uname",
];

const SYS_MODULE: CapSet = CapSet::of_bits(1 << 16);
const SYS_RAWIO: CapSet = CapSet::of_bits(1 << 17);
const SYS_CHROOT: CapSet = CapSet::of_bits(1 << 18);
const SYS_PTRACE: CapSet = CapSet::of_bits(1 << 19);
const SYS_PACCT: CapSet = CapSet::of_bits(1 << 20);
const SYS_BOOT: CapSet = CapSet::of_bits(1 << 22);
const SYS_NICE: CapSet = CapSet::of_bits(1 << 23);
const SYS_TIME: CapSet = CapSet::of_bits(1 << 25);
const SYS_TTY_CONFIG: CapSet = CapSet::of_bits(1 << 26);
const SYSLOG: CapSet = CapSet::of_bits(1 << 34);
const PERFMON: CapSet = CapSet::of_bits(1 << 38);
const BPF: CapSet = CapSet::of_bits(1 << 39);
const DAC_READ_SEARCH: CapSet = CapSet::of_bits(1 << 2);

/// Allowed to whoever has the capability that they take.
const BY_CAPABILITY: &[(CapSet, &str)] = &[
    (DAC_READ_SEARCH, "open_by_handle_at"),
    (
        CapSet::SYS_ADMIN,
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount \
         mount_setattr move_mount open_tree open_tree_attr listmount statmount perf_event_open \
         quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare \
         lsm_get_self_attr lsm_set_self_attr lsm_list_modules",
    ),
    (SYS_BOOT, "reboot"),
    (SYS_CHROOT, "chroot"),
    (SYS_MODULE, "delete_module init_module finit_module"),
    (SYS_PACCT, "acct"),
    (SYS_PTRACE, "kcmp pidfd_getfd process_madvise"),
    (SYS_RAWIO, "iopl ioperm"),
    (SYS_TIME, "settimeofday stime clock_settime clock_settime64"),
    (SYS_TTY_CONFIG, "vhangup"),
    (SYS_NICE, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    (SYSLOG, "syslog"),
    (BPF, "bpf"),
    (PERFMON, "perf_event_open"),
];

/// Of a hypervisor's own sockets, which no network namespace holds.
const AF_VSOCK: u64 = 40;
/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
const NEW_NAMESPACES: u64 = 0x7e02_0000;
/// Linux, Linux of 32 bits, each with UNAME26, and the question which one it is.
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

pub(super) fn profile(facts: &Facts) -> Profile {
    let mut rules: Vec<Rule> = ALWAYS.iter().map(|names| allow(names, None)).collect();
    let has = |one: &CapSet| facts.capabilities.contains_all(*one);
    let by_capability = BY_CAPABILITY.iter().filter(|(one, _)| has(one));
    rules.extend(by_capability.map(|(_, names)| allow(names, None)));
    // The kernel takes 32 bits of it, whatever is in the others.
    let vsock = allow("socket", Some((Comparison::Masked(0xffff_ffff), AF_VSOCK)));
    rules.push(Rule { action: Action::Errno(Errno::EPERM as u32), ..vsock });
    // The arguments of these are in memory, which no filter reads: the C library then takes others.
    let enosys = Action::Errno(Errno::ENOSYS as u32);
    rules.push(Rule { action: enosys, ..allow("socketcall", None) });
    for one in PERSONALITIES {
        rules.push(allow("personality", Some((Comparison::Equal, one))));
    }
    if !has(&CapSet::SYS_ADMIN) {
        rules.push(allow("clone", Some((Comparison::Masked(NEW_NAMESPACES), 0))));
        rules.push(Rule { action: enosys, ..allow("clone3", None) });
    }
    Profile { default: Action::Errno(Errno::EPERM as u32), i386: true, logs: false, rules }
}

/// All of them, if it so stands with the first argument.
fn allow(names: &str, first_argument: Option<(Comparison, u64)>) -> Rule {
    let condition = |(comparison, value)| Condition { argument: 0, comparison, value };
    Rule {
        names: names.split_ascii_whitespace().map(str::to_owned).collect(),
        action: Action::Allow,
        conditions: first_argument.map(condition).into_iter().collect(),
    }
}
