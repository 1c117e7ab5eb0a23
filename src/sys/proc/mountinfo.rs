//! `/proc/PID/mountinfo`: proc_pid_mountinfo(5).

use crate::model::device::Device;
use crate::model::mount::Mount;
use crate::model::text::Text;
use crate::sys::overlay;

/// Every line that has the documented form, and how many had not.
pub fn parse(bytes: &[u8]) -> (Vec<Mount>, usize) {
    each(bytes, line_of)
}

/// The same with the layers of overlays.
pub fn parse_in_full(bytes: &[u8]) -> (Vec<Mount>, usize) {
    each(bytes, |line| {
        let mut mount = line_of(line)?;
        if mount.fs_type == "overlay" {
            let options = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            mount.overlay = Some(Box::new(overlay::parse(options)));
        }
        Some(mount)
    })
}

fn each(bytes: &[u8], parse: impl Fn(&[u8]) -> Option<Mount>) -> (Vec<Mount>, usize) {
    let mut malformed = 0;
    let mut mounts = Vec::with_capacity(bytes.split(|byte| *byte == b'\n').count());
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match parse(line) {
            Some(mount) => mounts.push(mount),
            None => malformed += 1,
        }
    }
    (mounts, malformed)
}

/// The lines of one file system type; the others are not taken apart.
pub fn parse_of_type<'a>(bytes: &'a [u8], fs_type: &'a str) -> impl Iterator<Item = Mount> + 'a {
    // The kernel writes no blank inside a field, so that this stands in no name.
    let word = format!(" - {fs_type} ").into_bytes();
    bytes
        .split(|byte| *byte == b'\n')
        .filter(move |line| line.windows(word.len()).any(|window| window == word))
        .filter_map(line_of)
        .filter(move |mount| mount.fs_type == fs_type)
}

/// Fields are separated by single spaces and may be empty; the kernel writes space, tab, newline,
/// backslash and `#` inside one as `\NNN`. Optional fields end with `-`.
fn line_of(line: &[u8]) -> Option<Mount> {
    let is_escaped = line.contains(&b'\\');
    let text = |field| if is_escaped { unescape(field) } else { Text::new(field) };
    let mut fields = line.split(|byte| *byte == b' ');
    let id = number(fields.next()?)?;
    let parent_id = number(fields.next()?)?;
    let device = Device::parse(fields.next()?)?;
    let root = text(fields.next()?);
    let target = text(fields.next()?);
    let options = Text::new(fields.next()?);
    let (mut shared, mut slave, mut unbindable) = (false, false, false);
    loop {
        let field = fields.next()?;
        if field == b"-" {
            break;
        }
        shared |= field.starts_with(b"shared:");
        slave |= field.starts_with(b"master:");
        unbindable |= field == b"unbindable";
    }
    let fs_type = text(fields.next()?);
    let source = text(fields.next()?);
    let fs_options = text(fields.next()?);
    let propagation = propagation(shared, slave, unbindable);
    let mount = Mount {
        id,
        parent_id,
        device,
        root,
        target,
        options,
        propagation,
        fs_type,
        source,
        fs_options,
        ..Mount::default()
    };
    Some(mount.told())
}

pub(crate) fn propagation(shared: bool, slave: bool, unbindable: bool) -> &'static str {
    match (shared, slave, unbindable) {
        (true, true, _) => "shared slave",
        (true, false, _) => "shared",
        (false, true, _) => "slave",
        (false, false, true) => "unbindable",
        (false, false, false) => "private",
    }
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Undoes `\040` and its like; anything else stays.
pub(crate) fn unescape(field: &[u8]) -> Text {
    if !field.contains(&b'\\') {
        return Text::new(field);
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        match (first, octal(after)) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes.into()
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..3)?).ok()?;
    if !digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit)) {
        return None;
    }
    u8::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_line() {
        let line = b"577 470 0:55 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a:/b,upperdir=/u,workdir=/w\n";
        let (mounts, malformed) = parse_in_full(line);
        assert_eq!(malformed, 0);
        let mount = &mounts[0];
        assert_eq!(mount.overlay.as_ref().unwrap().lower, ["/a", "/b"]);
        assert_eq!((mount.id, mount.parent_id), (577, 470));
        assert_eq!(mount.target, "/");
        assert_eq!(mount.fs_type, "overlay");
        assert_eq!(mount.propagation, "slave");
        assert_eq!(mount.fs_options, "rw,lowerdir=/a:/b,upperdir=/u,workdir=/w");
        assert!(!mount.read_only);
    }

    #[test]
    fn escapes_are_undone_and_nothing_else_is() {
        let line = b"1 2 0:1 / /a\\040b\\011c\\012d\\134040\\9 ro - tmpfs  rw\n";
        let (mounts, _) = parse(line);
        assert_eq!(mounts[0].target, "/a b\tc\nd\\040\\9");
        assert_eq!(mounts[0].source, "");
        assert!(mounts[0].read_only);
    }

    #[test]
    fn a_target_cannot_forge_the_separator_and_a_bad_line_costs_itself_only() {
        let lines = b"1 2 0:1 / /x\\040-\\040proc rw shared:3 - ext4 /dev/sda rw\nnonsense\n3 1 0:2 / /y rw - tmpfs t rw\n";
        let (mounts, malformed) = parse(lines);
        assert_eq!((mounts.len(), malformed), (2, 1));
        assert_eq!(mounts[0].target, "/x - proc");
        assert_eq!(mounts[0].propagation, "shared");
    }

    #[test]
    fn what_a_line_tells_of_itself() {
        let lines = b"\
1 0 0:1 / / ro - overlay o rw\n\
2 1 8:1 / /a rw,relatime,idmapped - ext4 /dev/sda1 ro,errors=ro\n\
3 1 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw,errors=remount-ro\n\
4 1 0:9 /../.. /sys/fs/cgroup rw - cgroup2 c rw\n\
5 1 0:8 /@home /home rw - btrfs /dev/sdb rw,subvolid=257,subvol=/@home\n\
6 1 0:8 /@home/ann /ann rw - btrfs /dev/sdb rw,subvolid=257,subvol=/@home\n\
7 1 0:4 net:[4026532280] /run/netns/a rw - nsfs nsfs rw\n";
        let (mounts, _) = parse(lines);
        let ids = |is: fn(&Mount) -> bool| -> Vec<u32> {
            mounts.iter().filter(|mount| is(mount)).map(|mount| mount.id).collect()
        };
        assert_eq!(ids(|mount| mount.read_only), [1, 2]);
        assert_eq!(ids(|mount| mount.idmapped), [2]);
        assert_eq!(ids(|mount| mount.bind), [3, 6, 7]);
    }

    #[test]
    fn one_type_is_picked_out() {
        let lines = b"1 2 0:1 / /a rw - tmpfs nsfs rw\n\
            3 2 0:4 net:[4026532280] /run/netns/a\\040-\\040b rw shared:3 - nsfs nsfs rw\n\
            4 2 0:1 / /nsfs rw - ext4 - nsfs rw\n";
        let found: Vec<Mount> = parse_of_type(lines, "nsfs").collect();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].root.as_bytes(), found[0].target.as_bytes()),
            (&b"net:[4026532280]"[..], &b"/run/netns/a - b"[..])
        );
    }

    #[test]
    fn where_changes_go_is_told_by_tags() {
        for (tags, propagation) in [
            ("", "private"),
            ("shared:1 ", "shared"),
            ("master:1 ", "slave"),
            ("shared:2 master:1 ", "shared slave"),
            ("unbindable ", "unbindable"),
            ("propagate_from:3 ", "private"),
        ] {
            let line = format!("1 2 0:1 / /x rw {tags}- tmpfs t rw\n");
            assert_eq!(parse(line.as_bytes()).0[0].propagation, propagation);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse(&bytes), parse_in_full(&bytes));
            let _ = parse_of_type(&bytes, "nsfs").count();
        }

        #[test]
        fn any_target_survives_the_kernels_escaping(target in proptest::collection::vec(1_u8.., 0..40)) {
            let mut line = b"1 2 0:1 / ".to_vec();
            for byte in &target {
                match byte {
                    b' ' | b'\t' | b'\n' | b'\\' | b'#' => line.extend(format!("\\{byte:03o}").bytes()),
                    byte => line.push(*byte),
                }
            }
            line.extend(b" rw - tmpfs t rw\n");
            proptest::prop_assert_eq!(&parse(&line).0[0].target, &Text::new(&target));
        }
    }
}
