//! Ending what a runtime left, without asking it: it may hang, or be gone.

use super::{rootfs, traces};
use crate::process::{self, Started};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// What belongs to one runtime of the lab.
#[derive(Debug)]
pub(super) struct Leftovers {
    /// Names of programs that are the lab's if their command line speaks of its directory; first
    /// the one that would look after the others. The first word of a title that is not a path is
    /// one too.
    pub(super) programs: &'static [&'static str],
    /// Names of control groups, wherever they are.
    pub(super) cgroups: Vec<String>,
    /// Files and directories outside the lab's directory.
    pub(super) state: Vec<PathBuf>,
}

/// Ends every process, then removes groups and state. `inits` are the containers' first ones.
pub(super) fn clear(dir: &Path, inits: &[Started], look: impl Fn() -> Leftovers) -> Result<()> {
    let mut seen = Vec::new();
    // An engine goes on with what it does until it is ended, so that there may be more afterwards.
    for round in 0.. {
        let left = look();
        let cgroups = traces::cgroups_named(left.cgroups.iter().map(String::as_str));
        traces::thaw(&cgroups);
        let mut ended = 0;
        for program in left.programs {
            ended += kill(&running(program, dir));
        }
        let mut members = with_root(dir);
        members.extend(traces::members(&cgroups));
        let members = members.iter().filter_map(|pid| Started::of("a member", *pid).ok());
        let alive = inits.iter().filter(|init| init.is_running()).cloned();
        ended += kill(&members.chain(alive).collect::<Vec<_>>());
        seen.push((cgroups, left.state));
        if ended == 0 {
            break;
        }
        if round == 20 {
            bail!("{}: processes keep appearing", dir.display());
        }
    }
    for (cgroups, state) in seen.iter().rev() {
        for group in cgroups {
            traces::remove_group(group);
        }
        for path in state {
            // Whoever else is using a directory keeps it.
            let is_directory = path.is_dir() && !path.is_symlink();
            let remove = if is_directory { std::fs::remove_dir_all } else { std::fs::remove_file };
            let _ = remove(path);
        }
    }
    Ok(())
}

/// All at once; how many they are.
fn kill(processes: &[Started]) -> usize {
    processes.iter().for_each(Started::send_kill);
    for process in processes {
        process.kill();
    }
    processes.len()
}

/// The processes of a program that speak of `dir` in their command lines.
pub(super) fn running(program: &str, dir: &Path) -> Vec<Started> {
    let pids = process::all().into_iter();
    pids.filter(|pid| belongs(&process::arguments(*pid), program, dir))
        .filter_map(|pid| Started::of(program, pid).ok())
        .collect()
}

/// The processes that execute the busybox of the root in `dir`, wherever they see it.
fn with_root(dir: &Path) -> Vec<i32> {
    let busybox = rootfs::busybox(dir);
    process::all().into_iter().filter(|pid| process::executes(*pid, &busybox)).collect()
}

/// Whether a command line is that of a program working in `dir`.
fn belongs(arguments: &[String], program: &str, dir: &Path) -> bool {
    let Some((first, rest)) = arguments.split_first() else {
        return false;
    };
    if let Some(title) = first.strip_prefix(program)
        && program.starts_with('[')
    {
        return title.split(' ').any(|word| speaks_of(word, dir));
    }
    let name = Path::new(first).file_name().unwrap_or_default().to_string_lossy();
    // containerd-shim is followed by what it is for.
    let is_it = name == program || (program.ends_with("-shim") && name.starts_with(program));
    is_it && rest.iter().any(|argument| speaks_of(argument, dir))
}

/// `PATH`, `unix://PATH`, `--option=PATH`.
fn speaks_of(argument: &str, dir: &Path) -> bool {
    let value = argument.split_once('=').map_or(argument, |(_, value)| value);
    [argument, value]
        .iter()
        .any(|text| Path::new(text.trim_start_matches("unix://")).starts_with(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_in_the_same_directory_belongs() {
        let dir = Path::new("/tmp/lab/docker");
        let line = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (program, text, expected) in [
            ("containerd", "/usr/bin/containerd --config /tmp/lab/docker/run/c.toml", true),
            ("containerd-shim", "containerd-shim-runc-v2 -address /tmp/lab/docker/c.sock", true),
            ("containerd", "containerd-shim-runc-v2 -address /tmp/lab/docker/c.sock", false),
            ("dockerd", "/usr/sbin/dockerd --host unix:///tmp/lab/docker/sock", true),
            ("dockerd", "/usr/sbin/dockerd --host unix:///tmp/lab/docker2/sock", false),
            ("runsc-sandbox", "runsc-sandbox --root=/tmp/lab/docker/state boot x", true),
            ("dockerd", "vi /tmp/lab/docker/log", false),
            ("dockerd", "/usr/bin/dockerd", false),
            ("dockerd", "", false),
        ] {
            assert_eq!(belongs(&line(text), program, dir), expected, "{program}: {text}");
        }
    }

    #[test]
    fn a_title_is_one_argument() {
        let title = ["[lxc monitor] /tmp/lab/lxc nsx-lab-lxc".to_owned()];
        assert!(belongs(&title, "[lxc monitor]", Path::new("/tmp/lab/lxc")));
        assert!(!belongs(&title, "[lxc monitor]", Path::new("/tmp/lab2/lxc")));
    }
}
