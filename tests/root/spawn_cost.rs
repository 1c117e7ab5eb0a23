//! What `spawn` costs that can be counted: system calls, and what many programs in a row leave.

use crate::support::{Need, binary, finish_within, output, stderr, test, until};
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const TRACED: &[Need] = &[Need::Root, Need::Program("strace")];
const APART: &[Need] = &[Need::Root, Need::Program("unshare")];

/// unshare(1) of util-linux 2.38 makes 122.
const MOST_CALLS: usize = 50;
/// Those of glibc's start that musl, with which nsx is shipped, does not make.
const OF_GLIBC: usize = 12;
/// Groups that tests beside this one may have at a time.
const OTHERS: usize = 20;

pub fn tests() -> Vec<Trial> {
    vec![
        test("cost, a program in a pid namespace takes few system calls", TRACED, calls),
        test("cost, a thousand programs in a row leave nothing", APART, thousand),
    ]
}

fn calls() {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace.arg("-f").arg("-o").arg(trace.path()).arg(binary("nsx-spawn"));
    let output = output(strace.args(["--newpid", "/bin/true"]));
    assert!(output.status.success(), "{}", stderr(&output));
    let trace = std::fs::read_to_string(trace.path()).unwrap();
    let counted = counted(&trace);
    assert!(counted.iter().any(|line| line.contains("clone3(")), "{trace}");
    let is_glibc = counted.iter().any(|line| line.contains("brk(NULL)"));
    let most = if is_glibc { MOST_CALLS + OF_GLIBC } else { MOST_CALLS };
    assert!(counted.len() <= most, "{}:\n{}", counted.len(), counted.join("\n"));
}

/// The calls of nsx and of its child up to the program, of which those that only a build for tests
/// makes are none: the standard library looks at each descriptor before it closes it. Nor is what asks
/// for the time, where that is a call at all.
fn counted(trace: &str) -> Vec<&str> {
    let mut programs = BTreeMap::new();
    let mut counted = Vec::new();
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let first = programs.is_empty();
        let is_program = programs.entry(pid).or_insert(false);
        let is_of_tests = call.contains("F_GETFD")
            && !["fcntl(0,", "fcntl(1,", "fcntl(2,"]
                .iter()
                .any(|of_ours| call.starts_with(of_ours));
        let is_clock = call.starts_with("clock_gettime(");
        if *is_program || call.starts_with(['<', '+', '-']) || is_of_tests || is_clock {
            continue;
        }
        counted.push(line);
        *is_program = call.starts_with("execve(") && !first;
    }
    counted
}

/// In namespaces of its own, where every process and every mount is of these programs.
const MANY: &str = r#"
set -e
mount -t tmpfs nsx-test /run
there() {
    set -- /proc/[0-9]*
    echo "$#"
    wc -l < /proc/self/mountinfo
    ls -A /run/nsx 2> /dev/null || :
}
before=$(there)
i=0
while [ $i -lt 1000 ]; do "$0" --newpid /bin/true; i=$((i + 1)); done
while [ $i -lt 1060 ]; do
    "$0" --new-all --read-only --pids 8 --name "test-$i" /bin/true
    i=$((i + 1))
done
# Who clears up behind nsx, and is nobody's child, may end a moment after it.
i=0
after=$(there)
while [ "$before" != "$after" ] && [ $i -lt 1200 ]; do
    sleep 0.1
    i=$((i + 1))
    after=$(there)
done
[ "$before" = "$after" ] || { echo "before: $before; after: $after" >&2; exit 1; }
"#;

fn thousand() {
    let (before, known) = (directories(), number_of_groups());
    let mut many = Command::new("unshare");
    many.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", MANY]);
    many.arg(binary("nsx-spawn")).stdin(Stdio::null());
    let many = many.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let done = finish_within(many, Duration::from_mins(10));
    assert!(done.status.success(), "{}", stderr(&done));
    until("no more groups are there than before", || directories() <= before + OTHERS);
    // The kernel is done with one some time after it was removed.
    until("the kernel has no more groups than before", || {
        let now = number_of_groups();
        now.iter()
            .all(|(name, number)| *number <= known.get(name).copied().unwrap_or_default() + OTHERS)
    });
}

/// Of control groups that nsx has made.
fn directories() -> usize {
    let (mut count, mut pending) = (0, vec![(PathBuf::from("/sys/fs/cgroup"), 0)]);
    while let Some((directory, depth)) = pending.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) || depth > 4 {
                continue;
            }
            count += usize::from(entry.file_name().to_string_lossy().starts_with("nsx-"));
            pending.push((entry.path(), depth + 1));
        }
    }
    count
}

/// Of each controller of version 1, and below the root of version 2: those also that are removed
/// and not gone yet.
fn number_of_groups() -> BTreeMap<String, usize> {
    let known = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let of_controllers = known.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some(((*fields.first()?).to_owned(), fields.get(2)?.parse().ok()?))
    });
    let mut numbers: BTreeMap<String, usize> = of_controllers.collect();
    for top in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let stat = std::fs::read_to_string(format!("{top}/cgroup.stat")).unwrap_or_default();
        for line in stat.lines() {
            let Some((name, number)) = line.split_once(' ') else { continue };
            if ["nr_descendants", "nr_dying_descendants"].contains(&name) {
                numbers.insert(name.to_owned(), number.parse().unwrap());
            }
        }
    }
    numbers
}
