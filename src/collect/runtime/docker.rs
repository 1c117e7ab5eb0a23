//! Docker's own record of a container: `DATA_ROOT/containers/ID/config.v2.json`.
//!
//! The data root is the usual one of root's or of a user's, one that the engine was told, or the
//! one that the bind mounts in the OCI bundle come from.

mod roots;

pub use roots::{configured, parse_arguments};

use super::kubernetes;
use super::owners::Owners;
use super::picked::{Path as Key, Picked};
use super::published;
use super::record::{self, CAP, Case, First, Gaps, Record, Source};
use super::rootless;
use super::shim::{self, Bundle};
use super::storage::process;
use super::timestamp;
use crate::collect::clock::Clock;
use crate::collect::scan::Scan;
use crate::model::container::State;
use crate::model::gap::Gap;
use crate::model::process::Process;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::{Result, SysError};
use crate::sys::owned::Place;
use crate::sys::root::{self, SysRoot};
use nix::errno::Errno;
use roots::Users;
use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Finds records; remembers the data roots that it came across.
#[derive(Debug)]
pub struct Docker {
    data_roots: Vec<DataRoot>,
    owners: Owners,
    /// Those of users.
    users: Users,
    engines: roots::Engines,
    /// What was left out of a listing.
    gaps: Gaps,
    clock: OnceCell<Clock>,
}

/// No process started then.
const NEVER: u64 = u64::MAX;

impl Default for Docker {
    fn default() -> Self {
        Self {
            data_roots: vec![DataRoot::new(Path::new("/var/lib/docker"))],
            owners: Owners::default(),
            users: Users::default(),
            engines: roots::Engines::default(),
            gaps: Gaps::default(),
            clock: OnceCell::new(),
        }
    }
}

impl Source for Docker {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let named = case.id_of(&[Runtime::Docker]);
        if let Some(id) = named
            && let Some(record) = self.known(case.root, id)?
        {
            let record = self.dated(case.root, record, Some(case.init));
            if !matches!(record.first, First::At { start_ticks: Some(NEVER), .. }) {
                return Ok(Some(record));
            }
        }
        // A group may be called anything: only docker's own shim may contradict it.
        let bundle = case
            .monitor()
            .and_then(|monitor| shim::bundle(case.root, monitor))
            .filter(|bundle| shim::is_dockers(&bundle.namespace));
        let Some(bundle) = bundle else { return Ok(self.of_user(case, named)) };
        if let Some(record) = self.known(case.root, &bundle.id)? {
            return Ok(Some(record));
        }
        if let Some(data_root) = data_root_of(case.root, &bundle)
            && self.add(&data_root)
            && let Some(record) = self.known(case.root, &bundle.id)?
        {
            return Ok(Some(record));
        }
        Ok(Some(Record {
            runtime: Runtime::Docker,
            id: Text::new(&bundle.id),
            owner_uid: Some(0),
            file: root::path_text(&bundle.path),
            ..Record::default()
        }))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        let mut records = Vec::new();
        self.learn(root);
        for data_root in &self.data_roots {
            let ids = data_root.open(root).and_then(root::list);
            let ids = self.gaps.note(ids).unwrap_or_default();
            let known = |id: &Text| self.gaps.note(data_root.read(root, id.as_bytes())).flatten();
            let known = ids.iter().filter_map(known);
            records.extend(known.map(|record| self.dated(root, record, None)));
        }
        for uid in self.owners.all(root).into_iter().filter(|uid| *uid != 0) {
            self.users.look(root, &self.owners, uid);
            records.extend(self.users.of(uid).flat_map(all_of_user));
        }
        records
    }

    fn see(&mut self, scan: &Scan) {
        self.engines.see(scan);
    }

    fn gaps(&self) -> Vec<Gap> {
        self.gaps.list()
    }
}

impl Docker {
    /// False where it is known already.
    fn add(&mut self, data_root: &Path) -> bool {
        let is_new = !self.data_roots.iter().any(|known| known.path == data_root);
        if is_new {
            self.data_roots.push(DataRoot::new(data_root));
        }
        is_new
    }

    /// Where engines were told to keep their records.
    fn learn(&mut self, root: &SysRoot) {
        for (uid, data_root) in self.engines.told(root) {
            if uid != 0 {
                self.users.add(root, &self.owners, uid, &data_root);
            } else {
                self.add(&data_root);
            }
        }
    }

    /// What a user's engine left, by its shim or else by the user in whose slice the group is.
    fn of_user(&mut self, case: &Case<'_>, named: Option<&[u8]>) -> Option<Record> {
        let bundle =
            rootless::bundle(case, &self.owners).filter(|one| shim::is_dockers(&one.namespace));
        let (uid, id) = match &bundle {
            Some(bundle) => (bundle.place.uid(), bundle.id.clone()),
            None => (rootless::user_of_group(case)?, String::from_utf8(named?.to_vec()).ok()?),
        };
        self.users.look(case.root, &self.owners, uid);
        if let Some(record) = self.users.find(uid, &id) {
            return Some(record);
        }
        let specification = bundle.as_ref().and_then(|one| one.place.read("config.json", CAP).ok());
        match specification.and_then(|bytes| parse_data_root(&bytes, &id)) {
            Some(data_root) => self.users.add(case.root, &self.owners, uid, &data_root),
            None => self.learn(case.root),
        }
        let bundle = self.users.find(uid, &id).ok_or(bundle);
        match bundle {
            Ok(record) => Some(record),
            Err(bundle) => Some(Record {
                runtime: Runtime::Docker,
                id: id.into(),
                owner_uid: Some(uid),
                file: root::path_text(bundle?.place.path()),
                ..Record::default()
            }),
        }
    }

    /// With the start of the first process, which was there when docker noted that the container
    /// had started: else its number was given to another since. A clock that was set may say so,
    /// too, but not of a child of docker's shim.
    fn dated(&self, root: &SysRoot, record: Record, init: Option<&Process>) -> Record {
        let (First::At { pid, .. }, Some(noted)) = (record.first, record.started_unix_seconds)
        else {
            return record;
        };
        let of_init = init.filter(|init| init.pid == pid).map(|init| init.start_ticks);
        let ticks = of_init.or_else(|| Some(process::alive(root, pid)?.start_ticks));
        let clock = self.clock.get_or_init(|| Clock::read(root));
        let start_ticks = ticks.and_then(|ticks| {
            let was_there = clock.was_there(ticks, noted)?;
            Some(if was_there { ticks } else { NEVER })
        });
        Record { first: First::At { pid, start_ticks }, ..record }
    }

    fn known(&self, root: &SysRoot, id: &[u8]) -> Result<Option<Record>> {
        for data_root in &self.data_roots {
            if let Some(record) = data_root.read(root, id)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// One of root's. Its directory of containers is opened once, for all of them.
#[derive(Debug)]
struct DataRoot {
    path: PathBuf,
    /// None where there is none.
    containers: OnceCell<Option<OwnedFd>>,
}

impl DataRoot {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), containers: OnceCell::new() }
    }

    fn open(&self, root: &SysRoot) -> Result<BorrowedFd<'_>> {
        if self.containers.get().is_none() {
            let opened = root.open_data(&self.path.join("containers"));
            let missing = |error: &SysError| error.errno() == Some(Errno::ENOENT);
            let opened = opened
                .map(Some)
                .or_else(|error| if missing(&error) { Ok(None) } else { Err(error) })?;
            let _ = self.containers.set(opened);
        }
        let open = self.containers.get().and_then(Option::as_ref).map(AsFd::as_fd);
        open.ok_or_else(|| SysError::new("open", root::path_text(&self.path), Errno::ENOENT))
    }

    fn read(&self, root: &SysRoot, id: &[u8]) -> Result<Option<Record>> {
        let Ok(id) = std::str::from_utf8(id) else {
            return Ok(None);
        };
        let path = format!("{id}/config.v2.json");
        let containers = self.path.join("containers");
        let file = || root::path_text(&containers.join(&path));
        match self.open(root).and_then(|dir| record::read(dir, &containers, &path, CAP)) {
            Ok(bytes) => {
                let record = parse(&bytes, id);
                let record = record.ok_or_else(|| SysError::malformed("read", file(), "JSON"))?;
                Ok(Some(Record { file: file(), ..record }))
            }
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The same in a data root of a user's. What he has in a way of his own is his affair.
fn read_users(data_root: &Place, id: &str) -> Option<Record> {
    let path = format!("containers/{id}/config.v2.json");
    let record = parse(&data_root.read(&path, CAP).ok()?, id)?.kept(data_root);
    Some(Record {
        owner_uid: Some(data_root.uid()),
        file: root::path_text(&data_root.path().join(path)),
        ..record
    })
}

fn all_of_user(data_root: &Place) -> Vec<Record> {
    let ids = data_root.enter("containers").map(|place| place.names()).unwrap_or_default();
    ids.iter().filter_map(|id| read_users(data_root, id)).collect()
}

const ID: Key = &["ID"];
const NAME: Key = &["Name"];
const IMAGE: Key = &["Config", "Image"];
const LABELS: Key = &["Config", "Labels", "*"];
const CREATED: Key = &["Created"];
const PID: Key = &["State", "Pid"];
const STARTED: Key = &["State", "StartedAt"];

/// A record that names another container is none.
pub fn parse(bytes: &[u8], id: &str) -> Option<Record> {
    let [address, port] = published::DOCKERS;
    let paths = [ID, NAME, IMAGE, LABELS, CREATED, PID, STARTED, address, port];
    let json = Picked::from_json(bytes, &paths)?;
    if json.text(ID) != Some(id) {
        return None;
    }
    let name = json.text(NAME).unwrap_or_default();
    let labels = json.labels(LABELS);
    let started_unix_seconds = json.text(STARTED).and_then(timestamp::unix_seconds);
    let first = First::of(json.number(PID).unwrap_or(0), None);
    Some(Record {
        runtime: Runtime::Docker,
        id: id.into(),
        name: Some(name.strip_prefix('/').unwrap_or(name))
            .filter(|name| !name.is_empty())
            .map(Text::from),
        image: json.text(IMAGE).map(Text::from),
        pod: kubernetes::pod_of_labels(&labels),
        labels,
        created_unix_seconds: json.text(CREATED).and_then(timestamp::unix_seconds),
        owner_uid: Some(0),
        started_unix_seconds,
        state: if started_unix_seconds.is_some() { State::Stopped } else { State::Created },
        // What has ended may still be on record with them.
        published: match first {
            First::At { .. } => published::dockers(&json),
            _ => Vec::new(),
        },
        first,
        ..Record::default()
    })
}

const SOURCES: Key = &["mounts", "*", "source"];

/// The data root behind a bundle: docker binds `DATA_ROOT/containers/ID/hostname` into every
/// container.
fn data_root_of(root: &SysRoot, bundle: &Bundle) -> Option<PathBuf> {
    let bytes = record::read(bundle.directory.as_fd(), &bundle.path, "config.json", CAP);
    let bytes = record::noted(root.reach(), bytes)?;
    parse_data_root(&bytes, std::str::from_utf8(&bundle.id).ok()?)
}

/// From an OCI bundle's config.json; `None` where no mount comes from such a place.
pub fn parse_data_root(bytes: &[u8], id: &str) -> Option<PathBuf> {
    let spec = Picked::from_json(bytes, &[SOURCES])?;
    spec.all(SOURCES).find_map(|(_, source)| {
        let directory = Path::new(source).parent()?;
        let data_root = directory.to_str()?.strip_suffix(&format!("/containers/{id}"))?;
        data_root.starts_with('/').then(|| PathBuf::from(data_root))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::runtime::containerd::Containerd;
    use crate::collect::runtime::fixture::{Group, Host};
    use crate::model::namespace::NsSet;
    use crate::model::process::Pid;

    #[test]
    fn a_record_gives_name_image_labels_and_state() {
        let bytes = br#"{"ID":"abc","Name":"/web","Config":{"Image":"my_nginx:v1.0","Labels":{"b":"2","a":"1"}},
            "Created":"2026-11-24T13:51:25.1Z","State":{"Pid":7,"StartedAt":"2026-11-24T13:51:26Z"}}"#;
        let record = parse(bytes, "abc").unwrap();
        assert_eq!(record.name, Some("web".into()));
        assert_eq!(record.image, Some("my_nginx:v1.0".into()));
        assert_eq!(record.labels, [("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert_eq!(record.created_unix_seconds, Some(1_795_528_285));
        assert_eq!(record.first, First::At { pid: Pid::new(7).unwrap(), start_ticks: None });
        assert_eq!(parse(bytes, "abd"), None);
        assert_eq!(parse(b"{", "abc"), None);
    }

    #[test]
    fn ports_are_those_of_a_container_that_runs() {
        let published = |pid: u32| {
            let ports = r#"{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}}"#;
            let json = format!(r#"{{"ID":"a","State":{{"Pid":{pid}}},"NetworkSettings":{ports}}}"#);
            parse(json.as_bytes(), "a").unwrap().published
        };
        assert_eq!((published(7)[0].host_port, published(7)[0].container_port), (8080, 80));
        assert!(published(0).is_empty());
    }

    #[test]
    fn what_never_started_is_created_and_what_ended_is_stopped() {
        let record = |started: &str| {
            let json = format!(r#"{{"ID":"a","State":{{"Pid":0,"StartedAt":"{started}"}}}}"#);
            let record = parse(json.as_bytes(), "a").unwrap();
            assert_eq!(record.first, First::NotRunning);
            record.state
        };
        assert_eq!(record("0001-01-01T00:00:00Z"), State::Created);
        assert_eq!(record("2026-11-24T13:51:26Z"), State::Stopped);
    }

    #[test]
    fn a_bundle_leads_to_the_data_root() {
        let bytes =
            br#"{"mounts":[{"source":"proc"},{"source":"/data/d/containers/abc/hostname"}]}"#;
        assert_eq!(parse_data_root(bytes, "abc"), Some(PathBuf::from("/data/d")));
        assert_eq!(parse_data_root(bytes, "abd"), None);
    }

    const ID: &str = "993fef54ff728793a1961134bd76392059fd4cb910d1a1238a26dcff4dba02f3";

    fn config(name: &str, pid: u32) -> String {
        format!(r#"{{"ID":"{ID}","Name":"/{name}","State":{{"Pid":{pid}}}}}"#)
    }

    /// What ann runs; her data root is `of`.
    fn anns(of: &str) -> Host {
        let bundle = format!("run/user/1000/docker/containerd/daemon/{TASKS}/moby/{ID}");
        let mounts = format!(r#"{{"mounts":[{{"source":"/{of}/containers/{ID}/hostname"}}]}}"#);
        let host = Host::with(&[
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n"),
            (&format!("{of}/containers/{ID}/config.v2.json"), &config("hers", 42)),
            (&format!("{bundle}/config.json"), &mounts),
        ]);
        host.process(40, 1, "containerd-shim", 1000, "containerd-shim-runc-v2");
        host.process(42, 40, "sleep", 1000, "sleep");
        std::os::unix::fs::symlink(
            format!("/run/.ro378940/{}", &bundle["run/".len()..]),
            host.path("proc/40/cwd"),
        )
        .unwrap();
        host
    }

    const TASKS: &str = "io.containerd.runtime.v2.task";

    const HERS: Group<'static> = Group {
        pid: 42,
        parent: Some(40),
        comm: "sleep",
        start_ticks: None,
        cgroup: "/",
        is_parent_isolated: true,
    };

    #[test]
    fn a_users_container_is_found_by_his_shim_wherever_he_keeps_it() {
        for data_root in ["home/ann/.local/share/docker", "home/ann/d", "srv/d"] {
            let host = anns(data_root);
            let record = host.find(&mut Docker::default(), &HERS).unwrap();
            assert_eq!((record.name, record.owner_uid), (Some("hers".into()), Some(1000)));
            assert_eq!(record.first, First::At { pid: Pid::new(42).unwrap(), start_ticks: None });
        }
        let host = anns("home/ann/.local/share/docker");
        let all = Docker::default().all(&host.root);
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].owner_uid, &all[0].name), (Some(1000), &Some("hers".into())));
    }

    #[test]
    fn a_users_container_is_found_by_its_group_in_his_slice() {
        let host = anns("home/ann/.local/share/docker");
        let cgroup =
            format!("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope");
        let group = Group { parent: Some(1), cgroup: &cgroup, is_parent_isolated: false, ..HERS };
        let record = host.find(&mut Docker::default(), &group).unwrap();
        assert_eq!((record.name, record.owner_uid), (Some("hers".into()), Some(1000)));
        let cgroup = format!("/system.slice/docker-{ID}.scope");
        let group = Group { cgroup: &cgroup, ..group };
        assert_eq!(host.find(&mut Docker::default(), &group), None);
    }

    #[test]
    fn roots_record_comes_before_a_users() {
        let host = anns("home/ann/.local/share/docker");
        let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
        host.write(&file, &config("roots", 42));
        let cgroup = format!("/user.slice/user-1000.slice/docker-{ID}.scope");
        let group = Group { cgroup: &cgroup, ..HERS };
        let record = host.find(&mut Docker::default(), &group).unwrap();
        assert_eq!((record.name, record.owner_uid), (Some("roots".into()), Some(0)));
    }

    #[test]
    fn docker_may_have_users_of_its_own() {
        let host = Host::with(&[]);
        let bundle = format!("run/docker/containerd/daemon/{TASKS}/moby-5.6/{ID}");
        let data_root = "var/lib/docker/5.6";
        let mounts =
            format!(r#"{{"mounts":[{{"source":"/{data_root}/containers/{ID}/hostname"}}]}}"#);
        host.write(&format!("{bundle}/config.json"), &mounts);
        host.write(&format!("{data_root}/containers/{ID}/config.v2.json"), &config("web", 42));
        host.process(40, 1, "containerd-shim", 0, "containerd-shim-runc-v2");
        std::os::unix::fs::symlink(format!("/{bundle}"), host.path("proc/40/cwd")).unwrap();
        let group = Group { is_parent_isolated: false, ..HERS };
        let record = host.find(&mut Docker::default(), &group).unwrap();
        assert_eq!((record.runtime, record.name), (Runtime::Docker, Some("web".into())));
        assert_eq!(host.find(&mut Containerd::default(), &group), None);
    }

    #[test]
    fn a_number_that_was_given_again_is_not_the_containers() {
        let host = anns("home/ann/.local/share/docker");
        let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
        // 25 seconds after boot.
        let started = r#""Pid":43,"StartedAt":"2026-11-24T14:20:25Z""#;
        host.write(&file, &config("roots", 43).replace(r#""Pid":43"#, started));
        let cgroup = format!("/user.slice/user-1000.slice/docker-{ID}.scope");
        let hz = rustix::param::clock_ticks_per_second();
        let found = |host: &Host, seconds: u64, parent| {
            let start_ticks = Some(seconds * hz);
            let group = Group { pid: 43, parent, start_ticks, cgroup: &cgroup, ..Group::default() };
            let record = host.find(&mut Docker::default(), &group)?;
            Some((record.name?.to_string(), record.first))
        };
        let first = |seconds: u64| {
            let start_ticks = Some(seconds * hz);
            First::At { pid: Pid::new(43).unwrap(), start_ticks }
        };
        assert_eq!(found(&host, 24, None), Some(("roots".into(), first(24))));
        assert_eq!(found(&host, 90, None).map(|(name, _)| name), Some("hers".into()));
        host.process(43, 1, "sleep", 1000, "sleep");
        let all = |host: &Host| {
            let all = Docker::default().all(&host.root);
            all.iter().find(|one| one.owner_uid == Some(0)).map(|one| one.first).unwrap()
        };
        assert_eq!(all(&host), First::At { pid: Pid::new(43).unwrap(), start_ticks: Some(430) });
        let stat = format!("43 (sleep) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {} 0 0\n", 90 * hz);
        host.write("proc/43/stat", &stat);
        assert_eq!(all(&host), First::At { pid: Pid::new(43).unwrap(), start_ticks: Some(NEVER) });
        // The clock was set since, and docker's shim still looks after it.
        host.process(40, 1, "containerd-shim", 0, "containerd-shim-runc-v2");
        std::fs::remove_file(host.path("proc/40/cwd")).unwrap();
        let bundle = format!("/run/user/1000/docker/containerd/daemon/{TASKS}/moby/{ID}");
        std::os::unix::fs::symlink(bundle, host.path("proc/40/cwd")).unwrap();
        assert_eq!(found(&host, 90, Some(40)).map(|(name, _)| name), Some("roots".into()));
    }

    #[test]
    fn what_is_isolated_and_roots_is_no_shim() {
        let host = anns("home/ann/.local/share/docker");
        host.process(40, 1, "containerd-shim", 0, "containerd-shim-runc-v2");
        assert_eq!(host.find(&mut Docker::default(), &HERS), None);
    }

    #[test]
    fn an_engine_tells_where_its_containers_are_that_do_not_run() {
        let host = anns("home/ann/d");
        host.process(30, 1, "dockerd", 1000, "dockerd --data-root /home/ann/d");
        let engine = Process { comm: "dockerd".into(), pid: Pid::new(30).unwrap(), ..process() };
        let scan = Scan { host: NsSet::default(), isolated: vec![engine], gaps: Vec::new() };
        let mut docker = Docker::default();
        assert!(docker.all(&host.root).is_empty());
        docker.see(&scan);
        assert_eq!(docker.all(&host.root).len(), 1);
    }

    #[test]
    fn no_more_data_roots_of_a_user_are_held_than_he_needs() {
        let host = anns("home/ann/d");
        let (mut users, owners) = (Users::default(), Owners::default());
        for number in 0..20 {
            let path = format!("home/ann/{number}");
            host.write(&format!("{path}/f"), "");
            users.add(&host.root, &owners, 1000, &Path::new("/").join(path));
        }
        assert_eq!(users.of(1000).count(), 8);
    }

    fn process() -> Process {
        Process {
            pid: Pid::new(1).unwrap(),
            parent: None,
            state: crate::model::process::State(b'S'),
            kernel_thread: false,
            comm: Text::default(),
            start_ticks: 0,
            namespaces: NsSet::default(),
            cgroup: Text::default(),
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse(&bytes, "abc"), parse_data_root(&bytes, "abc"));
        }
    }
}
