//! A container that kills everything it sees with a signal that leaves a core file, for the core file of whoever joins it.

use crate::rooted::Rooted;
use crate::support::{Need, child_of, nsx, output, test, until};
use libtest_mimic::Trial;
use std::process::Command;

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Program("perl"),
    Need::Program("pivot_root"),
    Need::Machine("a core pattern that names a file in the working directory", || {
        std::fs::read_to_string("/proc/sys/kernel/core_pattern")
            .is_ok_and(|pattern| !pattern.starts_with(['|', '/', '\n']))
    }),
];
const SECRET: &str = "nsx-secret-of-the-operator";
/// At least; as many as it takes for the fire to hit a tenth of that.
const JOINS: usize = 100;

const PRIVILEGED: &[&str] = &["-p", "-m", "-n"];
const OWN_USERS: &[&str] = &["-U", "-p", "-m", "-n"];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a container that fires SIGSEGV gets no core file of nsx", NEEDS, || {
            fire(PRIVILEGED, "SEGV");
        }),
        test("neither does one that fires every signal that leaves one", NEEDS, || {
            fire(PRIVILEGED, "QUIT ILL TRAP ABRT BUS FPE SEGV XCPU XFSZ SYS");
        }),
        test("nor one in a user namespace of its own", NEEDS, || fire(OWN_USERS, "SEGV ABRT")),
    ]
}

/// At everything that the pid namespace has, until the file `stop` is there. Core files land in the
/// root directory.
const FIRE: &str = r#"
    my @signals = split " ", shift;
    my $child = fork // die;
    unless ($child) { while (!-e "/stop") { kill $_, -1 for @signals } exit }
    while (!-e "/stop") { wait; select undef, undef, undef, 0.01 }
    sleep 1000"#;

fn fire(options: &[&str], signals: &str) {
    let container = Rooted::running(options, &["perl", "-e", FIRE, signals]);
    let target = container.target;
    let (mut joins, mut killed) = (0, 0);
    let mut found = Vec::new();
    while joins < JOINS || (killed <= JOINS / 10 && joins < 10 * JOINS) {
        joins += 1;
        let nsx = nsx(["enter", "-t", &target.to_string(), "-a", "true"]);
        let mut shell = Command::new("bash");
        shell.args(["-c", r#"ulimit -c unlimited; exec "$@""#, "bash"]);
        shell.arg(nsx.get_program()).args(nsx.get_args()).env("NSX_TEST_SECRET", SECRET);
        killed += usize::from(!output(&mut shell).status.success());
        for entry in std::fs::read_dir(container.path("")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with("core") {
                let core = std::fs::read(entry.path()).unwrap();
                if core.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
                    found.push(core.len());
                }
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    std::fs::write(container.path("stop"), "").unwrap();
    until("the fire stops", || child_of(target).is_none());
    assert_eq!(found, [] as [usize; 0], "bytes of core files of nsx");
    assert!(killed > JOINS / 10, "the fire hit only {killed} of {joins} times");
}
