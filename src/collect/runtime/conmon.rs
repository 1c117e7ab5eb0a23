//! conmon: the parent of every container of podman's and of CRI-O's, and what it was told.
//!
//! A user's conmon is isolated from the host like all that podman does for him. It is his word.

use super::monitor::Monitor;
use super::record::Case;
use crate::model::text::Text;
use std::path::PathBuf;

/// The conmon that is the parent of a group's first process.
#[derive(Debug)]
pub struct Conmon<'a> {
    monitor: &'a Monitor,
}

const CONMON: &[u8] = b"conmon";
/// CRI-O's for a whole pod: its command line names no container.
const CONMONRS: &[u8] = b"conmonrs";

impl<'a> Conmon<'a> {
    /// `None` where something else is its parent.
    pub fn of(case: &'a Case<'_>) -> Option<Self> {
        let monitor = case.monitor().or_else(|| case.users_monitor())?;
        matches!(&*monitor.comm, CONMON | CONMONRS).then_some(Self { monitor })
    }

    /// Whose conmon it is, and with it whose word.
    pub fn uid(&self) -> u32 {
        self.monitor.uid
    }

    /// What it is called in a list of evidence.
    pub fn object(&self) -> Text {
        format!("pid {}", self.monitor.pid).into()
    }

    /// `None` where its command line cannot be read, or names no container.
    pub fn told(&self) -> Option<Told> {
        (self.monitor.comm == CONMON).then(|| parse(&self.monitor.arguments()))?
    }
}

/// A conmon's command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `-c`: the engine's whole id; never empty.
    pub id: String,
    /// `-n`; None where it was not given or is empty.
    pub name: Option<Text>,
    /// podman notes its roots for the command to run at the end; CRI-O's are where it keeps the
    /// container.
    pub graph_root: Option<PathBuf>,
    /// podman's `--runroot` among the same; CRI-O's by its bundle. None where it tells none.
    pub run_root: Option<PathBuf>,
    /// CRI-O has no command to run at the end.
    pub is_podmans: bool,
}

/// Options with an argument, which may look like an option itself.
const WITH_ARGUMENT: [&[u8]; 22] = [
    b"-0",
    b"-T",
    b"-P",
    b"-b",
    b"-c",
    b"-l",
    b"-n",
    b"-p",
    b"-r",
    b"-u",
    b"--api-version",
    b"--conmon-pidfile",
    b"--exit-command",
    b"--exit-delay",
    b"--exit-dir",
    b"--log-level",
    b"--log-tag",
    b"--persist-dir",
    b"--runtime-arg",
    b"--runtime-opt",
    b"--sdnotify-socket",
    b"--socket-dir-path",
];

/// `None` where an option lacks its argument, or there is no id.
pub fn parse(arguments: &[Text]) -> Option<Told> {
    let mut told = Told::default();
    let mut at_exit = Vec::new();
    let (mut bundle, mut persistent) = (None, None);
    let mut rest = arguments.iter().skip(1).map(Text::as_bytes);
    while let Some(option) = rest.next() {
        if option == b"--exit-command-arg" {
            at_exit.push(rest.next()?);
        } else if WITH_ARGUMENT.contains(&option) {
            let argument = rest.next()?;
            match option {
                b"-c" => utf8(argument)?.clone_into(&mut told.id),
                b"-n" => told.name = Some(Text::new(argument)).filter(|name| !name.is_empty()),
                b"-b" => bundle = utf8(argument),
                b"-0" | b"--persist-dir" => persistent = utf8(argument),
                b"--exit-command" => told.is_podmans = true,
                _ => {}
            }
        }
    }
    let after = |option: &[u8]| {
        let at = at_exit.iter().position(|argument| *argument == option)?;
        utf8(at_exit.get(at + 1)?).map(PathBuf::from).filter(|path| path.is_absolute())
    };
    if told.is_podmans {
        told.graph_root = after(b"--root");
        told.run_root = after(b"--runroot");
    } else {
        told.graph_root = persistent.and_then(|dir| root_of(dir, &told.id));
        told.run_root = bundle.and_then(|dir| root_of(dir, &told.id));
    }
    (!told.id.is_empty()).then_some(told)
}

/// `ROOT` of `ROOT/DRIVER-containers/ID/userdata`.
fn root_of(directory: &str, id: &str) -> Option<PathBuf> {
    let of_driver = directory.strip_suffix("/userdata")?.strip_suffix(id)?.strip_suffix('/')?;
    let (root, driver) = of_driver.rsplit_once('/')?;
    (driver.ends_with("-containers") && root.starts_with('/')).then(|| PathBuf::from(root))
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn words(line: &str) -> Vec<Text> {
        line.split_ascii_whitespace().map(Text::from).collect()
    }

    #[test]
    fn podmans_conmon_tells_id_name_and_where() {
        let told = parse(&words(
            "/usr/bin/conmon --api-version 1 -c ID1 -u ID1 -r /usr/bin/runc \
             -b /srv/g/overlay-containers/ID1/userdata -p /srv/r/overlay-containers/ID1/userdata/pidfile \
             -n web --exit-dir /srv/t/exits --full-attach -l k8s-file:/srv/g/x/ctr.log --log-level warning \
             --runtime-arg --log-format=json --runtime-arg --log --runtime-arg=/srv/r/x/oci-log \
             --conmon-pidfile /srv/r/x/conmon.pid --exit-command /usr/bin/podman \
             --exit-command-arg --root --exit-command-arg /srv/g --exit-command-arg --runroot \
             --exit-command-arg /srv/r --exit-command-arg --tmpdir --exit-command-arg /srv/t \
             --exit-command-arg container --exit-command-arg cleanup --exit-command-arg ID1",
        ));
        let told = told.unwrap();
        assert_eq!((told.id.as_str(), told.name), ("ID1", Some("web".into())));
        assert_eq!(told.graph_root.as_deref(), Some(Path::new("/srv/g")));
        assert_eq!(told.run_root.as_deref(), Some(Path::new("/srv/r")));
        assert!(told.is_podmans);
    }

    #[test]
    fn cri_os_conmon_has_nothing_to_run_at_the_end() {
        let told = parse(&words(
            "/usr/bin/conmon -b /run/containers/storage/overlay-containers/ID2/userdata -c ID2 \
             --exit-dir /var/run/crio/exits -l /var/log/pods/shop_web_u/app/0.log --log-level info \
             -n k8s_app_web_shop_u_0 -P /run/x/conmon-pidfile -p /run/x/pidfile \
             --persist-dir /data/g/overlay-containers/ID2/userdata -r /usr/bin/crun --runtime-arg --root=/run/crun \
             --socket-dir-path /var/run/crio --syslog -u ID2 -s",
        ));
        let told = told.unwrap();
        assert_eq!(told.id, "ID2");
        assert!(!told.is_podmans);
        assert_eq!(told.graph_root.as_deref(), Some(Path::new("/data/g")));
        assert_eq!(told.run_root.as_deref(), Some(Path::new("/run/containers/storage")));
        assert_eq!(root_of("/a/b/ID2/userdata", "ID2"), None);
    }

    #[test]
    fn an_argument_is_no_option() {
        let told = parse(&words("conmon --runtime-arg -c -c a -n -c x")).unwrap();
        assert_eq!((told.id.as_str(), told.name), ("a", Some("-c".into())));
        assert_eq!(parse(&words("conmon -n a")), None);
        assert_eq!(parse(&words("conmon -c")), None);
        assert_eq!(parse(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_arguments_panic(arguments: Vec<Vec<u8>>, known in "(-c |-n |--exit-command-arg |a |--root ){0,9}") {
            let arguments: Vec<Text> = arguments.into_iter().map(Text::from).collect();
            let _ = (parse(&arguments), parse(&words(&known)));
        }
    }
}
