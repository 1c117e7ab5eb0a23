//! The mounts section: what was mounted on purpose, and a count of what every container has.

use super::FEW;
use crate::model::mount::{LayerOf, Mount, Overlay, Usage, shows_root};
use crate::model::text::Text;
use crate::render::human;
use crate::render::table::align;

/// A path may have thousands of columns, most of them escapes; whole ones are in JSON.
const LONGEST: usize = 512;
/// Of a path on the short screen.
const BRIEF: usize = 48;

pub(super) fn lines(mounts: &[Mount], everything: bool) -> Vec<String> {
    let is_shared = shares(mounts.iter().find(|mount| mount.target == "/"));
    let has_usage = mounts.iter().any(|mount| mount.usage.is_some());
    let row = |mount: &&Mount| {
        let mut cells = vec![shown(&mount.target, everything), mount.fs_type.to_string()];
        cells.push(if mount.read_only { "ro" } else { "rw" }.to_owned());
        if everything {
            cells.push(mount.propagation.to_owned());
        }
        if has_usage {
            cells.push(mount.usage.map_or_else(|| "-".to_owned(), fullness));
        }
        let marks = marks(mount, everything || is_shared);
        let what = Some(what(mount, everything)).filter(|what| !what.is_empty());
        cells.push(what.into_iter().chain(marks).collect::<Vec<_>>().join(" · "));
        cells
    };
    let outside = (!shows_root(mounts))
        .then(|| "its root is no mount (chroot): the kernel shows none outside it".to_owned());
    let columns = 4 + usize::from(everything) + usize::from(has_usage);
    let table = |rows: Vec<Vec<String>>| -> Vec<String> {
        align(rows, &vec![false; columns]).lines().map(str::to_owned).collect()
    };
    if everything {
        let told = table(mounts.iter().map(|mount| row(&mount)).collect());
        return told.into_iter().chain(outside).collect();
    }
    let (usual, mut telling): (Vec<&Mount>, Vec<&Mount>) =
        mounts.iter().partition(|one| is_usual(one));
    // The root is on the first line, wherever it stands in the list.
    telling.sort_by_key(|mount| mount.target != "/");
    let mut lines = table(telling.iter().take(FEW).map(row).collect());
    lines.extend(the_rest(&usual, telling.len().saturating_sub(FEW)));
    lines.extend(outside);
    lines
}

/// `16 of the kernel's own, 5 of them masks · 3 others: --only mounts`
fn the_rest(usual: &[&Mount], others: usize) -> Option<String> {
    let masks = usual.iter().filter(|mount| mount.masked).count();
    let mut parts = Vec::new();
    if !usual.is_empty() {
        let masks = match masks {
            0 => String::new(),
            masks => format!(", {masks} of them {}", if masks == 1 { "a mask" } else { "masks" }),
        };
        parts.push(format!("{} of the kernel's own{masks}", usual.len()));
    }
    if others > 0 {
        parts.push(format!("{others} other{}", if others == 1 { "" } else { "s" }));
    }
    (!parts.is_empty()).then(|| format!("{}: --only mounts", parts.join(" · ")))
}

/// The kernel's own file systems, what masks parts of them, and devices are in every container.
fn is_usual(mount: &Mount) -> bool {
    let is_any_of = |types: &[&str]| types.iter().any(|fs_type| mount.fs_type == *fs_type);
    if is_any_of(&[
        "proc",
        "sysfs",
        "cgroup",
        "cgroup2",
        "devpts",
        "mqueue",
        "devtmpfs",
        "securityfs",
    ]) {
        return true;
    }
    let target = mount.target.as_bytes();
    let is_devices = target == b"/dev" || target.starts_with(b"/dev/");
    // LXC puts files of its own over those that tell of the machine.
    let is_made =
        is_any_of(&["tmpfs", "hugetlbfs", "fuse.lxcfs", "debugfs", "tracefs", "bpf", "pstore"]);
    let is_kernels = mount.is_in_kernels_trees() || is_devices || target == b"/sys";
    is_kernels
        && (is_made || is_any_of(&["configfs", "fusectl", "binfmt_misc", "efivarfs", "autofs"]))
}

fn shown(path: &Text, everything: bool) -> String {
    if everything { path.shortened(LONGEST) } else { brief(path) }
}

fn what(mount: &Mount, everything: bool) -> String {
    let shown = |path: &Text| shown(path, everything);
    if let Some(overlay) = mount.overlay.as_ref().filter(|_| !mount.bind) {
        return layers(overlay, everything);
    }
    let elsewhere = mount.host_source.as_ref();
    if let Some(path) = elsewhere.filter(|path| mount.bind || **path != mount.target) {
        return format!("<- {}", shown(path));
    }
    let is_told = mount.source == mount.fs_type || mount.source == "none";
    match (mount.bind, is_told) {
        (true, _) => format!("{} of {}", shown(&mount.root), shown(&mount.source)),
        (false, true) => String::new(),
        (false, false) => shown(&mount.source),
    }
}

fn layers(overlay: &Overlay, everything: bool) -> String {
    let lower = human::count(overlay.lower.len() + overlay.data_only.len(), "lower layer");
    let Some(path) = &overlay.upper else { return format!("{lower}, no upper") };
    let whose = overlay.layer_of.as_ref().map(|of| match of {
        LayerOf { own_upper: true, engine, .. } => format!("its own upper ({engine})"),
        LayerOf { engine, layer, .. } => {
            format!("upper of {engine} {}", short_id(&layer.shortened(LONGEST)))
        }
    });
    match (whose, everything) {
        (Some(whose), false) => format!("{lower}, {whose}"),
        (Some(whose), true) => format!("{lower}, {whose} {}", path.shortened(LONGEST)),
        (None, _) => format!("{lower}, upper {}", shown(path, everything)),
    }
}

/// What is unlike what is around it.
fn marks(mount: &Mount, is_shared: bool) -> Vec<String> {
    let marks = [
        (mount.overmounted, "overmounted"),
        (mount.idmapped, "idmapped"),
        (mount.masked, "mask"),
        (!is_shared && shares(Some(mount)), "shared"),
    ];
    marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| (*mark).to_owned()).collect()
}

fn shares(mount: Option<&Mount>) -> bool {
    mount.is_some_and(|mount| mount.propagation.starts_with("shared"))
}

/// The kernel's own file systems have no size.
fn fullness(usage: Usage) -> String {
    if usage.size_bytes == 0 {
        return "-".to_owned();
    }
    format!("{} of {}", human::bytes(usage.used_bytes), human::bytes(usage.size_bytes))
}

/// `…/containers/6961dd4fce83/hosts`: the end of a path, with ids as people know them.
fn brief(path: &Text) -> String {
    let text = path.shortened(8 * LONGEST);
    let parts: Vec<&str> = text.split('/').map(short_id).collect();
    let whole = parts.join("/");
    if whole.chars().count() <= BRIEF {
        return whole;
    }
    let ends = (1..parts.len()).map(|from| parts.get(from..).unwrap_or_default().join("/"));
    let end = ends.map(|end| format!("…/{end}")).find(|end| end.chars().count() <= BRIEF);
    end.unwrap_or_else(|| {
        let last = parts.last().copied().unwrap_or_default();
        let cut: String = last.chars().take(BRIEF - 3).collect();
        format!("…/{cut}…")
    })
}

/// The first digits of an engine's id; anything else whole.
fn short_id(part: &str) -> &str {
    let is_id = part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    part.get(..12).filter(|_| is_id).unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(target: &str, fs_type: &str) -> Mount {
        Mount {
            target: target.into(),
            fs_type: fs_type.into(),
            source: fs_type.into(),
            root: "/".into(),
            propagation: "private",
            ..Mount::default()
        }
    }

    #[test]
    fn a_path_is_told_by_its_end() {
        let id = "ab".repeat(32);
        let path = |text: String| brief(&Text::from(text));
        assert_eq!(path("/srv/data".into()), "/srv/data");
        assert_eq!(path(format!("/d/{id}/x")), "/d/abababababab/x");
        assert_eq!(
            path(format!("/var/lib/docker/containers/{id}/hostname")),
            "/var/lib/docker/containers/abababababab/hostname"
        );
        assert_eq!(
            path(format!("/var/lib/docker/containers/{id}/resolv.conf")),
            "…/lib/docker/containers/abababababab/resolv.conf"
        );
        let long = path(format!("/a/{}", "x".repeat(100)));
        assert_eq!((long.chars().count(), long.starts_with("…/xxx")), (BRIEF, true));
        assert_eq!(path("/".repeat(100)).chars().count(), BRIEF);
    }

    #[test]
    fn what_every_container_has_is_counted() {
        let masked = Mount { masked: true, ..mount("/proc/acpi", "tmpfs") };
        let mounts = [
            mount("/proc", "proc"),
            masked,
            mount("/dev/shm", "tmpfs"),
            Mount { source: "/dev/sdb".into(), ..mount("/data", "ext4") },
            mount("/dev/log", "ext4"),
            mount("/", "ext4"),
        ];
        assert_eq!(
            lines(&mounts, false),
            [
                "/         ext4  rw",
                "/data     ext4  rw  /dev/sdb",
                "/dev/log  ext4  rw",
                "3 of the kernel's own, 1 of them a mask: --only mounts",
            ]
        );
        assert_eq!(lines(&mounts, true).len(), 6);
        assert_eq!(lines(&mounts, true)[1], "/proc/acpi  tmpfs  rw  private  mask");
    }

    #[test]
    fn what_is_unusual_is_marked() {
        let odd = Mount {
            bind: true,
            idmapped: true,
            overmounted: true,
            propagation: "shared slave",
            host_source: Some("/srv/x".into()),
            ..mount("/x", "ext4")
        };
        let private = [mount("/", "ext4"), odd.clone()];
        assert!(lines(&private, false)[1].ends_with("<- /srv/x · overmounted · idmapped · shared"));
        let shared = [Mount { propagation: "shared", ..mount("/", "ext4") }, odd];
        assert!(lines(&shared, false)[1].ends_with("overmounted · idmapped"));
    }

    #[test]
    fn a_part_of_an_overlay_is_told_by_what_it_is() {
        let overlay = Mount { overlay: Some(Box::default()), ..mount("/", "overlay") };
        assert_eq!(what(&overlay, false), "0 lower layers, no upper");
        let part = Mount { bind: true, root: "/data".into(), ..overlay };
        assert_eq!(what(&part, false), "/data of overlay");
        let known = Mount { host_source: Some("/srv/merged/data".into()), ..part };
        assert_eq!(what(&known, false), "<- /srv/merged/data");
    }

    #[test]
    fn layers_are_told_by_whose_they_are() {
        let told = |upper: Option<&str>, layer_of: Option<LayerOf>| {
            let overlay = Overlay {
                lower: vec!["a".into(), "b".into()],
                upper: upper.map(Text::from),
                layer_of,
                ..Overlay::default()
            };
            layers(&overlay, false)
        };
        let of = |own_upper| LayerOf {
            engine: "docker",
            layer: "ab".repeat(32).into(),
            container: None,
            own_upper,
        };
        assert_eq!(told(Some("/u"), Some(of(true))), "2 lower layers, its own upper (docker)");
        assert_eq!(
            told(Some("/u"), Some(of(false))),
            "2 lower layers, upper of docker abababababab"
        );
        assert_eq!(told(Some("/u"), None), "2 lower layers, upper /u");
        assert_eq!(told(None, Some(of(false))), "2 lower layers, no upper");
    }

    #[test]
    fn fullness_is_a_column_where_it_was_asked_for() {
        let usage = Usage {
            size_bytes: 64 << 20,
            used_bytes: 62 << 20,
            available_bytes: 2 << 20,
            inodes: 10,
            inodes_used: 1,
        };
        let mounts =
            [Mount { usage: Some(usage), ..mount("/", "ext4") }, mount("/silent", "fuse.x")];
        assert_eq!(
            lines(&mounts, false),
            ["/        ext4    rw  62M of 64M", "/silent  fuse.x  rw  -"]
        );
    }
}
