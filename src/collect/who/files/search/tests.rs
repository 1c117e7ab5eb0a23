//! Mounts that have to do with a clue, on lines of mountinfo as hosts have them.
use super::*;
use crate::sys::proc::mountinfo::parse_in_full;

const HOST: &[u8] = b"\
1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
2 1 0:40 / /mnt/x rw - tmpfs t rw
3 1 8:2 / /srv rw shared:2 - ext4 /dev/sda2 rw
4 1 8:1 /export/data /data rw - ext4 /dev/sda1 rw
5 1 0:55 / /var/lib/docker/overlay2/AB/merged rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/S,upperdir=/var/lib/docker/overlay2/AB/diff,workdir=/var/lib/docker/overlay2/AB/work
";

/// What `unshare -m` begins with, and what it does of its own.
const COPY: &[u8] = b"\
11 0 8:1 / / rw - ext4 /dev/sda1 rw
12 11 0:40 / /mnt/x rw - tmpfs t rw
13 11 8:2 / /srv rw master:2 - ext4 /dev/sda2 rw
14 11 8:1 /export/data /data rw - ext4 /dev/sda1 rw
15 11 8:1 /tmp/private /tmp rw - ext4 /dev/sda1 rw
16 11 0:55 / /var/lib/docker/overlay2/AB/merged rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/S,upperdir=/var/lib/docker/overlay2/AB/diff,workdir=/var/lib/docker/overlay2/AB/work
";

/// A container with volumes; it keeps somebody else's root below /rootfs.
const CONTAINER: &[u8] = b"\
21 0 0:56 / / rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/S:/var/lib/docker/overlay2/l/T,upperdir=/var/lib/docker/overlay2/CD/diff,workdir=/var/lib/docker/overlay2/CD/work
22 21 8:1 /export /vol rw - ext4 /dev/sda1 rw
23 22 8:1 /other /vol/over rw - ext4 /dev/sda1 rw
24 21 0:40 / /x rw - tmpfs t rw
25 21 8:1 /gone//deleted /g rw - ext4 /dev/sda1 rw
26 21 8:1 / /rootfs rw - ext4 /dev/sda1 rw
27 26 0:55 / /rootfs/var/lib/docker/overlay2/AB/merged rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/S,upperdir=/var/lib/docker/overlay2/AB/diff,workdir=/var/lib/docker/overlay2/AB/work
28 21 8:2 / /srv rw - ext4 /dev/sda2 rw
";

fn numbers(device: &str) -> Device {
    Device::parse(device.as_bytes()).unwrap()
}

/// A path of the host's, as it is taken without a file system behind it.
fn wanted(path: &str, exists: bool) -> Wanted {
    let (ours, _) = parse_in_full(HOST);
    let path = path.as_bytes();
    let at = mount_at(&ours, path).unwrap();
    Wanted {
        paths: vec![path.to_vec()],
        place: Place::of(at, path),
        exists,
        mount: Some(at.clone()).filter(|at| at.target.as_bytes() == path),
        ..Wanted::default()
    }
}

fn told(lines: &[u8], wanted: &Wanted) -> Vec<String> {
    let (ours, _) = parse_in_full(HOST);
    let own = Own::new(&ours);
    let (mounts, malformed) = parse_in_full(lines);
    assert_eq!(malformed, 0);
    let own = (lines != HOST).then_some(&own);
    let word = |found: Found| {
        let layer = found.layer.map(|(path, role)| format!(" {role} {path}"));
        format!("{} {}{}", found.role, found.target, layer.unwrap_or_default())
    };
    search(&mounts, wanted, own).into_iter().map(word).collect()
}

#[test]
fn a_bind_is_told_where_the_directory_is_seen() {
    let container = |path: &str| told(CONTAINER, &wanted(path, true));
    assert_eq!(container("/export"), ["bind /vol", "bind /rootfs/export"]);
    assert_eq!(container("/export/data"), ["bind /vol/data", "bind /rootfs/export/data"]);
    let over = ["mount /vol/over", "bind /rootfs/export/over"];
    assert_eq!(container("/export/over"), over, "it is not seen below what is mounted on it");
    assert_eq!(container("/export/over/x"), ["bind /rootfs/export/over/x"]);
    assert_eq!(container("/expo"), ["bind /rootfs/expo"]);
    assert_eq!(container("/other/x"), ["bind /vol/over/x", "bind /rootfs/other/x"]);
    assert_eq!(container("/mnt/x"), ["bind /x"]);
    assert_eq!(container("/mnt/x/deep/er"), ["bind /x/deep/er"]);
    assert_eq!(container("/srv/a"), ["bind /srv/a"], "a container's own bind is no copy");
    assert_eq!(container("/srv"), ["mount /srv"]);
    let below = container("/");
    assert!(below.contains(&"bind /vol".to_owned()), "what lies within it: {below:?}");
}

#[test]
fn a_copy_of_the_hosts_mounts_is_told_only_where_it_holds_one() {
    assert_eq!(told(COPY, &wanted("/mnt/x", true)), ["mount /mnt/x"]);
    assert_eq!(told(COPY, &wanted("/mnt/x/a", true)), [""; 0]);
    assert_eq!(told(COPY, &wanted("/export/data", true)), [""; 0]);
    assert_eq!(told(COPY, &wanted("/srv", true)), [""; 0], "it goes with the host's");
    assert_eq!(told(COPY, &wanted("/etc", true)), [""; 0]);
    assert_eq!(told(COPY, &wanted("/tmp/private/a", true)), ["bind /tmp/a"]);
    assert_eq!(told(COPY, &wanted("/", true)), ["bind /tmp"]);
}

#[test]
fn what_is_unmounted_here_stays_where_one_side_is_private() {
    // Ours on /srv is shared, that on /mnt/x is private.
    let copy = |line: &str| {
        let lines = [b"11 0 8:1 / / rw - ext4 /dev/sda1 rw\n", line.as_bytes()].concat();
        let of = |device| Wanted { devices: vec![numbers(device)], ..Wanted::default() };
        let srv = [told(&lines, &wanted("/srv", true)), told(&lines, &of("8:2"))].concat();
        let mnt = [told(&lines, &wanted("/mnt/x", true)), told(&lines, &of("0:40"))].concat();
        (srv.len(), mnt.len())
    };
    assert_eq!(copy("13 11 8:2 / /srv rw - ext4 /dev/sda2 rw\n"), (2, 0));
    assert_eq!(copy("13 11 8:2 / /srv rw master:2 - ext4 /dev/sda2 rw\n"), (0, 0));
    assert_eq!(copy("13 11 8:2 / /srv rw shared:2 - ext4 /dev/sda2 rw\n"), (0, 0));
    assert_eq!(copy("12 11 0:40 / /mnt/x rw shared:9 - tmpfs t rw\n"), (0, 2));
}

#[test]
fn of_our_own_mounts_the_one_that_was_asked_for_is_no_answer() {
    assert_eq!(told(HOST, &wanted("/mnt/x", true)), [""; 0]);
    assert_eq!(told(HOST, &wanted("/srv", true)), [""; 0]);
    assert_eq!(told(HOST, &wanted("/export/data", true)), ["bind /data"]);
    assert_eq!(told(HOST, &wanted("/export", true)), ["bind /data"], "what lies within it");
}

#[test]
fn a_directory_that_is_a_containers_root_is_told_as_that() {
    let rooted = |line: &[u8], path: &str| told(line, &wanted(path, true));
    assert_eq!(rooted(b"31 0 8:1 /export / rw - ext4 /dev/sda1 rw\n", "/export"), ["root /"]);
    assert_eq!(rooted(b"31 0 8:1 /export / rw - ext4 /dev/sda1 rw\n", "/"), ["root /"]);
    assert_eq!(rooted(b"31 0 8:1 /export / rw - ext4 /dev/sda1 rw\n", "/export/a"), ["root /a"]);
    assert_eq!(rooted(b"31 0 8:2 / / rw - ext4 /dev/sda2 rw\n", "/srv"), ["root /"]);
}

#[test]
fn a_root_that_another_covers_is_not_where_every_missing_path_was() {
    let covered = b"\
41 0 8:1 / / rw - ext4 /dev/sda1 rw
42 41 0:90 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/own/diff
";
    assert_eq!(told(covered, &wanted("/typo", false)), [""; 0]);
    assert_eq!(told(covered, &wanted("/typo/x", false)), [""; 0]);
}

#[test]
fn a_mount_that_is_gone_for_us_is_found_by_where_others_have_it() {
    let gone = |lines: &[u8], path: &str, exists| {
        let ours: Vec<u8> = HOST
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| !line.starts_with(b"2 ") && !line.starts_with(b"5 "))
            .flatten()
            .copied()
            .collect();
        let (ours, _) = parse_in_full(&ours);
        let at = mount_at(&ours, path.as_bytes()).unwrap();
        let wanted = Wanted {
            paths: vec![path.into()],
            place: Place::of(at, path.as_bytes()),
            exists,
            ..Wanted::default()
        };
        let found = search(&parse_in_full(lines).0, &wanted, Some(&Own::new(&ours)));
        let found = found.into_iter().map(|found| format!("{} {}", found.device, found.target));
        found.collect::<Vec<_>>()
    };
    assert_eq!(gone(COPY, "/mnt/x", true), ["0:40 /mnt/x"]);
    assert_eq!(gone(COPY, "/mnt/x", false), ["0:40 /mnt/x"]);
    assert_eq!(gone(COPY, "/mnt/x/file", false), ["0:40 /mnt/x"]);
    assert_eq!(gone(COPY, "/mnt/x/file", true), [""; 0]);
    assert_eq!(gone(COPY, "/mnt", true), [""; 0]);
    let merged = "/var/lib/docker/overlay2/AB/merged";
    assert_eq!(gone(COPY, merged, false), [format!("0:55 {merged}")]);
    assert_eq!(gone(CONTAINER, merged, false), [format!("0:55 /rootfs{merged}")]);
}

#[test]
fn a_removed_directory_is_known_by_what_it_was_called() {
    assert_eq!(told(CONTAINER, &wanted("/gone", false)), ["bind /g"]);
    assert_eq!(told(CONTAINER, &wanted("/gone/x", false)), [""; 0]);
    assert_eq!(told(CONTAINER, &wanted("/typo", false)), [""; 0]);
}

#[test]
fn a_root_and_its_layers() {
    let merged = "/var/lib/docker/overlay2/AB/merged";
    let of = |path: &str| told(CONTAINER, &wanted(path, true));
    let here = of(merged);
    assert!(here.contains(&format!("bind /rootfs{merged}")), "{here:?}");
    let upper = "/var/lib/docker/overlay2/CD/diff";
    let layer = format!("layer / upper {upper}");
    assert!(of(upper).contains(&layer), "{:?}", of(upper));
    assert!(of("/var/lib/docker/overlay2/CD").contains(&layer));
    assert!(of("/var/lib/docker/overlay2/CD/diff/etc").contains(&layer));
    let mut by_link = wanted("/var/lib/docker/overlay2/EF/diff/etc", true);
    by_link.layers.links.push(b"/var/lib/docker/overlay2/l/T/etc".to_vec());
    let lower = "layer / lower /var/lib/docker/overlay2/l/T".to_owned();
    assert!(told(CONTAINER, &by_link).contains(&lower));
    assert_eq!(told(COPY, &wanted("/var/lib/docker/overlay2/AB", true)), [""; 0]);
    assert_eq!(told(HOST, &wanted("/var/lib/docker/overlay2/AB/diff", true)).len(), 1);
}

#[test]
fn a_device_is_told_wherever_it_is_mounted() {
    let device = |lines: &[u8], device: &str| {
        told(lines, &Wanted { devices: vec![numbers(device)], exists: true, ..Wanted::default() })
    };
    assert_eq!(device(HOST, "8:1"), ["mount /", "bind /data"]);
    assert_eq!(device(COPY, "0:40"), ["mount /mnt/x"]);
    assert_eq!(device(COPY, "8:2"), [""; 0], "it goes with the host's");
    assert_eq!(device(CONTAINER, "0:56"), ["root /"]);
    assert_eq!(device(CONTAINER, "0:40"), ["mount /x"]);
    assert_eq!(device(CONTAINER, "9:9"), [""; 0]);
}

#[test]
fn a_source_is_a_path_too() {
    let by_source = Wanted { paths: vec![b"/dev/sda2".to_vec()], ..Wanted::default() };
    assert_eq!(told(CONTAINER, &by_source), ["mount /srv"]);
    assert_eq!(told(HOST, &by_source), ["mount /srv"]);
    assert_eq!(told(COPY, &by_source), [""; 0]);
}

#[test]
fn what_a_container_writes_is_not_taken_for_the_hosts() {
    let inner = b"\
31 0 0:70 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/own/diff
32 31 0:71 / /run/inner rw - overlay overlay rw,lowerdir=/l,upperdir=/c/snapshots/17/fs
33 31 0:72 / /f rw - fuse /dev/sda2 rw
";
    assert_eq!(told(inner, &wanted("/c/snapshots/17/fs", true)), [""; 0]);
    assert_eq!(told(inner, &wanted("/dev/sda2", false)), [""; 0]);
    let mut by_name = Wanted::default();
    by_name.layers.name = Some(b"17".to_vec());
    assert_eq!(told(inner, &by_name), ["layer /run/inner upper /c/snapshots/17/fs"]);
}

#[test]
fn a_node_is_not_looked_for_on_the_file_system_that_it_lies_on() {
    let node = Wanted { devices: vec![numbers("7:0")], ..wanted("/mnt/x/loop0", true) };
    assert_eq!(node.devices_of().collect::<Vec<_>>(), [numbers("7:0")]);
    assert_eq!(wanted("/mnt/x/a", true).devices_of().collect::<Vec<_>>(), [numbers("0:40")]);
    assert_eq!(wanted("/mnt/x/a", false).devices_of().count(), 0);
    assert!(known(&parse_in_full(HOST).0, &node).is_empty());
}

#[test]
fn what_travels_arrives() {
    let (mounts, _) = parse_in_full(CONTAINER);
    let wanted = Wanted { devices: vec![numbers("8:1")], ..wanted("/export", true) };
    let known = known(&mounts, &wanted);
    assert_eq!(known.len(), 4);
    let found = Found {
        device: numbers("8:1"),
        root: "/a\n".into(),
        target: "/".into(),
        fs_type: "ext4".into(),
        role: "bind",
        layer: Some(("/l".into(), "lower")),
    };
    let plain = Found { layer: None, role: "root", ..found.clone() };
    let mut out = Vec::new();
    for known in &known {
        known.write(&mut out);
    }
    found.write(&mut out);
    plain.write(&mut out);
    let mut rest = Rest(&out);
    for one in &known {
        assert_eq!(Known::read(&mut rest).as_ref(), Some(one));
    }
    assert_eq!(Found::read(&mut rest), Some(found));
    assert_eq!(Found::read(&mut rest), Some(plain));
    assert_eq!(Found::read(&mut rest), None);
}

proptest::proptest! {
    #[test]
    fn no_mounts_panic(lines: Vec<u8>, path: Vec<u8>, bytes: Vec<u8>) {
        let (mounts, _) = parse_in_full(&lines);
        let wanted = Wanted { paths: vec![path], ..wanted("/export", true) };
        let _ = (search(&mounts, &wanted, None), search(&mounts, &wanted, Some(&Own::default())));
        let _ = (Found::read(&mut Rest(&bytes)), Known::read(&mut Rest(&bytes)));
    }
}
