//! Bubblewrap: no state on disk; told by the bwrap that waits outside.

use super::recognise::Recognised;
use super::record::{Case, Record, Source};
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::root::SysRoot;

/// Flatpak asks first: what is left is bwrap used by something else.
#[derive(Debug, Default)]
pub struct Bubblewrap;

impl Source for Bubblewrap {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        // flatpak's are bubblewrap's too.
        let unnamed = case.named.is_none_or(Recognised::is_host_service);
        let monitor = case.monitor().filter(|monitor| unnamed && monitor.comm == b"bwrap");
        Ok(monitor.map(|monitor| Record {
            runtime: Runtime::Bubblewrap,
            program: program_of_arguments(&monitor.arguments()),
            owner_uid: Some(monitor.uid),
            file: format!("pid {}", monitor.pid).into(),
            ..Record::default()
        }))
    }

    fn all(&mut self, _: &SysRoot) -> Vec<Record> {
        Vec::new()
    }
}

/// Options without a value, as of bubblewrap 0.11; `--unshare-…` are more of them.
const ALONE: [&[u8]; 9] = [
    b"help",
    b"version",
    b"share-net",
    b"clearenv",
    b"disable-userns",
    b"assert-userns-disabled",
    b"new-session",
    b"die-with-parent",
    b"as-pid-1",
];

/// Options with two values; `overlay` has three, any other one.
const WITH_TWO: [&[u8]; 14] = [
    b"setenv",
    b"bind",
    b"bind-try",
    b"dev-bind",
    b"dev-bind-try",
    b"ro-bind",
    b"ro-bind-try",
    b"bind-fd",
    b"ro-bind-fd",
    b"file",
    b"bind-data",
    b"ro-bind-data",
    b"symlink",
    b"chmod",
];

/// The last part of the program that bwrap was told to run.
pub fn program_of_arguments(arguments: &[Text]) -> Option<Text> {
    let mut rest = arguments.iter().skip(1).map(Text::as_bytes);
    let program = loop {
        match rest.next()? {
            b"--" => break rest.next()?,
            [b'-', b'-', option @ ..] => {
                let values = match option {
                    _ if ALONE.contains(&option) || option.starts_with(b"unshare-") => 0,
                    _ if WITH_TWO.contains(&option) => 2,
                    b"overlay" => 3,
                    _ => 1,
                };
                for _ in 0..values {
                    rest.next()?;
                }
            }
            program => break program,
        }
    };
    let last = program.rsplit(|byte| *byte == b'/').next().unwrap_or(program);
    (!last.is_empty()).then(|| Text::new(last))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Group, Host};
    use super::*;

    #[test]
    fn the_program_follows_the_options() {
        let program = |line: &str| {
            let arguments: Vec<Text> = line.split(' ').map(Text::from).collect();
            program_of_arguments(&arguments).map(|program| program.to_string())
        };
        for (line, expected) in [
            ("bwrap --ro-bind / / --unshare-pid --proc /proc --dev /dev sleep 9", Some("sleep")),
            ("bwrap --args 41 -- /app/bin/firefox --new-window", Some("firefox")),
            ("bwrap --overlay a b c --setenv A B --chdir / -x", Some("-x")),
            ("bwrap --bind a", None),
            ("bwrap --", None),
            ("bwrap /bin/", None),
            ("bwrap", None),
        ] {
            assert_eq!(program(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn it_is_whose_the_waiting_bwrap_is() {
        let host = Host::with(&[]);
        host.process(70, 1, "bwrap", 1000, "bwrap --unshare-all /usr/bin/firefox");
        host.process(80, 1, "sh", 1000, "bwrap --unshare-all /usr/bin/firefox");
        let find = |parent| {
            host.find(
                &mut Bubblewrap,
                &Group { pid: 71, parent: Some(parent), cgroup: "/x", ..Group::default() },
            )
        };
        let record = find(70).unwrap();
        assert_eq!((record.program, record.name), (Some("firefox".into()), None));
        assert_eq!((record.runtime, record.owner_uid), (Runtime::Bubblewrap, Some(1000)));
        assert_eq!(record.file, "pid 70");
        assert_eq!(find(80), None);
        assert_eq!(Bubblewrap.all(&host.root), [], "it has no record of anything");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(arguments: Vec<Vec<u8>>) {
            let arguments: Vec<Text> = arguments.into_iter().map(Text::from).collect();
            let _ = program_of_arguments(&arguments);
        }
    }
}
