//! The mounts section.

use super::FEW;
use crate::model::mount::Mount;
use crate::model::text::Text;
use crate::render::human;
use crate::render::table::align;

pub(super) fn lines(mounts: &[Mount], everything: bool) -> Vec<String> {
    let telling = |mount: &&Mount| everything || !is_usual(mount);
    let shown: Vec<&Mount> = mounts.iter().filter(telling).collect();
    let rows =
        shown.iter().take(if everything { usize::MAX } else { FEW }).map(|mount| mount_row(mount));
    let rows: Vec<_> = rows.collect();
    let count = rows.len();
    let mut lines: Vec<String> = align(rows, &[false; 4]).lines().map(str::to_owned).collect();
    if let Some(more) = mounts.len().checked_sub(count).filter(|more| *more > 0) {
        lines.push(format!("{more} more: --only mounts"));
    }
    lines
}

/// A path may have thousands of columns, most of them escapes; whole ones are in JSON.
const LONGEST: usize = 512;

/// The kernel's own file systems, and what masks parts of them, are in every container.
fn is_usual(mount: &Mount) -> bool {
    let kernel =
        ["proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "devtmpfs", "securityfs"];
    let below = [&b"/proc/"[..], b"/sys/", b"/dev"];
    kernel.iter().any(|fs_type| mount.fs_type == *fs_type)
        || below.iter().any(|place| mount.target.as_bytes().starts_with(place))
}

fn mount_row(mount: &Mount) -> Vec<String> {
    let access = if mount.read_only() { "ro" } else { "rw" };
    // A part of a file system that is mounted elsewhere too: a bind.
    let what = if mount.fs_type == "overlay" {
        layers(mount)
    } else if mount.root == "/" {
        mount.source.shortened(LONGEST)
    } else {
        format!("{} of {}", mount.root.shortened(LONGEST), mount.source.shortened(LONGEST))
    };
    let (target, fs_type) = (mount.target.shortened(LONGEST), mount.fs_type.to_string());
    vec![target, fs_type, access.to_owned(), what]
}

fn layers(mount: &Mount) -> String {
    let options = mount.fs_options.as_bytes();
    let option = |key: &[u8]| {
        options.split(|byte| *byte == b',').find_map(|option| option.strip_prefix(key))
    };
    let lower = option(b"lowerdir=").map_or(0, |lower| lower.split(|byte| *byte == b':').count());
    let upper = option(b"upperdir=")
        .map(|upper| format!(", upper {}", Text::new(upper).shortened(LONGEST)));
    format!("{}{}", human::count(lower, "lower layer"), upper.unwrap_or_default())
}
