//! Threads of the kernel's, and programs that it started.

use super::*;
use std::os::unix::fs::symlink;
use std::path::Path;

const KERNEL: u32 = 0x0020_0000;
const HOSTS: [(&str, u64); 3] = [("mnt", 1), ("pid", 2), ("net", 3)];

fn process(proc: &Path, pid: u32, flags: u32, namespaces: &[(&str, u64)], exe: Option<&str>) {
    let state = if namespaces.len() < HOSTS.len() { "Z" } else { "S" };
    let dir = proc.join(pid.to_string());
    std::fs::create_dir_all(dir.join("ns")).unwrap();
    let stat = format!("{pid} (x) {state} 2 0 0 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 2 0 7 0 0\n");
    std::fs::write(dir.join("stat"), stat).unwrap();
    std::fs::write(dir.join("cgroup"), "0::/\n").unwrap();
    for (kind, inode) in namespaces {
        symlink(format!("{kind}:[{inode}]"), dir.join("ns").join(kind)).unwrap();
    }
    if let Some(exe) = exe {
        symlink(exe, dir.join("exe")).unwrap();
    }
}

#[test]
fn a_program_that_the_kernel_started_is_no_thread_of_its_own() {
    let temp = tempfile::tempdir().unwrap();
    let proc = temp.path().join("proc");
    process(&proc, 1, 0, &HOSTS, Some("/sbin/init"));
    process(&proc, 2, KERNEL, &HOSTS, None);
    process(&proc, 3, KERNEL, &HOSTS, None);
    // kdevtmpfs
    process(&proc, 4, KERNEL, &[("mnt", 9), ("pid", 2), ("net", 3)], None);
    process(&proc, 5, 0, &[("mnt", 1), ("pid", 2), ("net", 8)], Some("/bin/sleep"));
    process(&proc, 6, 0, &HOSTS, Some("/bin/sleep"));
    // Its first thread has ended.
    process(&proc, 7, 0, &[("pid", 7)], None);
    let children = proc.join("2/task/2");
    std::fs::create_dir_all(&children).unwrap();
    std::fs::write(children.join("children"), "3 4 5 6 7 8 ").unwrap();

    let root = SysRoot::fixture(temp.path()).unwrap();
    let kernel = KernelThreads::list(&root);
    let which = |is_so: &dyn Fn(Pid) -> bool| -> Vec<u32> {
        (1..9).filter(|pid| Pid::new(*pid).is_some_and(is_so)).collect()
    };
    assert!(kernel.has_kthreadd());
    assert_eq!(which(&|pid| kernel.has(pid)), [3, 4]);
    assert_eq!(which(&|pid| kernel.shares_all(pid)), [3]);
    let isolated = scan(&root).unwrap().0.isolated;
    let isolated: Vec<_> = isolated.iter().map(|process| process.pid.number()).collect();
    assert_eq!(isolated, [5, 7]);
}
