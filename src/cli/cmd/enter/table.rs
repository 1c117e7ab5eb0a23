//! The options of `nsx enter` as a table: those of nsenter(1), and more.

use super::options::Id;
use crate::cli::options::{Opt, Value};
use crate::model::namespace::Kind;

const NAMESPACES: &str = "Namespaces";
const WHO_AND_WHERE: &str = "Who, where, with what";
const CONFINEMENT: &str = "Confinement";
const TOOLS: &str = "Tools";
const LIFE: &str = "Life";

const fn opt(
    id: Id,
    short: Option<char>,
    long: &'static str,
    value: Value,
    help: &'static str,
) -> Opt<Id> {
    Opt { id, short, long, aliases: &[], value, heading: None, help }
}

const fn flag(id: Id, short: Option<char>, long: &'static str, help: &'static str) -> Opt<Id> {
    opt(id, short, long, Value::None, help)
}

const fn join(kind: Kind, short: char, long: &'static str, help: &'static str) -> Opt<Id> {
    opt(Id::Join(kind), Some(short), long, Value::Optional("FILE"), help)
}

const fn under(heading: &'static str, option: Opt<Id>) -> Opt<Id> {
    Opt { heading: Some(heading), ..option }
}

pub(super) const OPTIONS: &[Opt<Id>] = &[
    opt(
        Id::Target,
        Some('t'),
        "target",
        Value::Required("TARGET"),
        "Whose namespaces: a PID, a container's name, an id prefix, RUNTIME:NAME, pod:N/POD, unit:NAME, cgroup:PATH; or one: netns:NAME, ns:INODE, a file (TARGETS in nsx(7))",
    ),
    under(
        NAMESPACES,
        flag(Id::All, Some('a'), "all", "Every namespace that differs from ours (the default)"),
    ),
    under(
        NAMESPACES,
        Opt {
            aliases: &["mnt"],
            ..join(Kind::Mnt, 'm', "mount", "The mount namespace: the program is the target's")
        },
    ),
    under(NAMESPACES, join(Kind::Uts, 'u', "uts", "The UTS namespace: hostname")),
    under(NAMESPACES, join(Kind::Ipc, 'i', "ipc", "The IPC namespace")),
    under(NAMESPACES, join(Kind::Net, 'n', "net", "The network namespace")),
    under(
        NAMESPACES,
        join(Kind::Pid, 'p', "pid", "The pid namespace: the program is a child in it"),
    ),
    under(NAMESPACES, join(Kind::Cgroup, 'C', "cgroup", "The cgroup namespace")),
    under(
        NAMESPACES,
        join(
            Kind::User,
            'U',
            "user",
            "The user namespace: root there, if it has one; --user=USER[:GROUP] is who to be instead, by the target's own passwd and group",
        ),
    ),
    under(NAMESPACES, join(Kind::Time, 'T', "time", "The time namespace")),
    under(
        NAMESPACES,
        opt(
            Id::NetSocket,
            Some('N'),
            "net-socket",
            Value::Required("FD"),
            "The network namespace of the socket that is the target's descriptor FD",
        ),
    ),
    under(
        NAMESPACES,
        flag(
            Id::UserParent,
            None,
            "user-parent",
            "The user namespace above the one that would be joined; again for the next above",
        ),
    ),
    under(
        WHO_AND_WHERE,
        opt(
            Id::SetUid,
            Some('S'),
            "setuid",
            Value::Required("UID"),
            "Be this user inside; follow: the target's",
        ),
    ),
    under(
        WHO_AND_WHERE,
        opt(
            Id::SetGid,
            Some('G'),
            "setgid",
            Value::Required("GID"),
            "Be of this group alone inside; follow: the target's",
        ),
    ),
    under(
        WHO_AND_WHERE,
        flag(
            Id::PreserveCredentials,
            None,
            "preserve-credentials",
            "Stay who we are in a joined user namespace",
        ),
    ),
    under(
        WHO_AND_WHERE,
        flag(
            Id::KeepCapabilities,
            None,
            "keep-caps",
            "Keep the capabilities of a joined user namespace as an ordinary user",
        ),
    ),
    under(
        WHO_AND_WHERE,
        opt(
            Id::Root,
            Some('r'),
            "root",
            Value::Optional("DIR"),
            "The target's root directory as root, or DIR as we see it",
        ),
    ),
    under(
        WHO_AND_WHERE,
        opt(
            Id::Wd,
            Some('w'),
            "wd",
            Value::Optional("DIR"),
            "Start in the target's working directory, or in DIR, seen from inside",
        ),
    ),
    under(
        WHO_AND_WHERE,
        opt(
            Id::WdInside,
            Some('W'),
            "wdns",
            Value::Required("DIR"),
            "Start in DIR, seen from inside",
        ),
    ),
    under(
        WHO_AND_WHERE,
        flag(Id::Env, Some('e'), "env", "The environment that the target was started with"),
    ),
    under(
        WHO_AND_WHERE,
        opt(
            Id::EnvAdd,
            None,
            "env-add",
            Value::Required("NAME=VALUE"),
            "Set a variable; may be repeated",
        ),
    ),
    under(
        WHO_AND_WHERE,
        flag(
            Id::CleanEnv,
            None,
            "clean-env",
            "Of our environment only TERM, COLORTERM, LANG, LC_ALL, LC_CTYPE, NO_COLOR and TZ",
        ),
    ),
    under(
        CONFINEMENT,
        flag(
            Id::AsTarget,
            None,
            "as-target",
            "Be what the target is, and no more: its user, groups, capabilities, seccomp filters, security label, limits, control groups, environment, root and working directory",
        ),
    ),
    under(
        CONFINEMENT,
        flag(Id::JoinCgroup, Some('c'), "join-cgroup", "Be in the target's control groups"),
    ),
    under(
        CONFINEMENT,
        flag(Id::AllowFrozen, None, "allow-frozen", "Join a control group that is frozen"),
    ),
    under(
        CONFINEMENT,
        flag(
            Id::FollowContext,
            Some('Z'),
            "follow-context",
            "The target's SELinux context or AppArmor profile",
        ),
    ),
    under(
        CONFINEMENT,
        flag(
            Id::Strict,
            None,
            "strict",
            "Run nothing where something of the target's cannot be taken over; exit 5",
        ),
    ),
    under(
        TOOLS,
        opt(
            Id::Tools,
            None,
            "tools",
            Value::Optional("DIR"),
            "The host's programs, or those in DIR, in a root made for them; the target's is at /target",
        ),
    ),
    under(
        TOOLS,
        flag(
            Id::ToolsInside,
            None,
            "tools-inside",
            "The target's root with the host's programs at /.nsx, seen by the program alone",
        ),
    ),
    under(
        TOOLS,
        flag(
            Id::Dns,
            None,
            "dns",
            "With the network and the host's mounts: the target's resolv.conf, hosts and nsswitch.conf",
        ),
    ),
    under(
        LIFE,
        flag(
            Id::NoFork,
            Some('F'),
            "no-fork",
            "Become the program: only its children are in the pid namespace",
        ),
    ),
    under(
        LIFE,
        opt(
            Id::Timeout,
            None,
            "timeout",
            Value::Required("TIME"),
            "End the program after that long, such as 30s, at most 24h: SIGTERM, then SIGKILL; exit 124",
        ),
    ),
    under(
        LIFE,
        flag(
            Id::Init,
            None,
            "init",
            "An init for the program: what it leaves behind is reaped, and ended with it",
        ),
    ),
    under(
        LIFE,
        flag(Id::Pty, None, "pty", "A terminal of its own for the program, whatever it is and has"),
    ),
    under(
        LIFE,
        flag(
            Id::NoPty,
            None,
            "no-pty",
            "Hand over our terminal instead of a new one (see PRIVILEGES)",
        ),
    ),
    under(
        LIFE,
        opt(
            Id::PreserveFds,
            None,
            "preserve-fds",
            Value::Required("N"),
            "Hand on N descriptors beside the standard ones: from 3 on",
        ),
    ),
    under(LIFE, flag(Id::DryRun, None, "dry-run", "Print what would be done, and do nothing")),
];
