//! What the seccomp filters of a process make of each system call.

/// All filters of a process, and what they come to together.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SeccompDump {
    /// The oldest first.
    pub filters: Vec<Filter>,
    /// Every way in which a program can call this kernel, the kernel's own first.
    pub architectures: Vec<Architecture>,
}

/// One filter as it is installed; a process may have several, and all are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Filter {
    /// How long it is: the kernel takes at most 4096.
    pub instructions: usize,
    /// What it does not allow is logged; null where the kernel does not tell. Linux 4.16.
    pub logs: Option<bool>,
    /// One instruction each: `ld [4]`, `jeq #0xc000003e, 1, 0`, `ret #0x7fff0000`. Jumps count from
    /// the next instruction.
    pub program: Vec<String>,
}

/// Calls of one kind of program.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Architecture {
    /// x86_64, i386, x32 or aarch64.
    pub name: &'static str,
    /// What befalls a number among the known ones that no system call has: what no rule names.
    pub default: Verdict,
    /// What befalls a number beyond all known ones.
    pub beyond: Verdict,
    /// How many system calls are allowed whatever their arguments are.
    pub allowed: usize,
    /// The others.
    pub calls: Vec<Call>,
}

/// What becomes of one system call.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Call {
    /// As the kernel names it in this architecture: `openat`.
    pub name: &'static str,
    /// As the kernel numbers it in this architecture.
    pub number: u32,
    /// What becomes of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What may befall a call.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verdict {
    /// The most restrictive that there is.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Other outcomes are possible: arguments decide.
    pub conditional: bool,
    /// Those, from the most restrictive on.
    pub otherwise: Vec<Outcome>,
}

impl Verdict {
    /// It is let through whatever its arguments are.
    pub fn is_allowed(&self) -> bool {
        self.outcome.action == Action::Allow && !self.conditional
    }
}

/// One thing that a filter can make of a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Outcome {
    /// What the kernel does.
    pub action: Action,
    /// The name of the error, with `errno`: EPERM, or a number that has no name. Null where the
    /// call does nothing and reports success.
    pub errno: Option<String>,
    /// What goes with the action: the number of the error, or what a tracer or handler is told.
    pub data: u16,
}

/// SECCOMP_RET_*, the most restrictive first. Of several filters the most restrictive counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The whole process ends by SIGSYS, which it cannot catch.
    KillProcess,
    /// The thread ends; the others of its process stay.
    KillThread,
    /// SIGSYS.
    Trap,
    /// It is not made, and returns what `errno` says.
    Errno,
    /// A supervisor of user space decides.
    Notify,
    /// A tracer decides.
    Trace,
    /// Allowed, and logged.
    Log,
    /// It is made.
    Allow,
    /// The filter is too large or too odd to be told.
    Undetermined,
}
