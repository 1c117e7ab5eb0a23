//! `/etc/nsswitch.conf`: the target's word on hosts among the host's words on all else. Pure;
//! nsswitch.conf(5).
//!
//! A word of the target's becomes the name of a library that the host's programs load: only those
//! pass that are modules of the host's own.

use crate::model::text::Text;

/// What the C library does where nobody says anything.
const DEFAULT: &[u8] = b"files dns";

/// The new file, and the target's modules that were left out since the host lacks them.
pub fn merge(
    host: Option<&[u8]>,
    target: Option<&[u8]>,
    has_module: impl Fn(&str) -> bool,
) -> (Vec<u8>, Vec<Text>) {
    let mut left_out = Vec::new();
    let wanted = target.and_then(hosts_of).unwrap_or_default();
    let mut sources = possible(wanted, has_module, &mut left_out);
    if sources.is_empty() {
        sources.push(DEFAULT);
    }
    let hosts = [b"hosts: ".to_vec(), sources.join(&b' '), b"\n".to_vec()].concat();
    let mut merged = Vec::new();
    for line in host.unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
        if after_hosts(line).is_none() {
            merged.extend_from_slice(line);
        }
    }
    if merged.last().is_some_and(|byte| *byte != b'\n') {
        merged.push(b'\n');
    }
    merged.extend_from_slice(&hosts);
    (merged, left_out)
}

/// What stands behind the last `hosts:`.
fn hosts_of(file: &[u8]) -> Option<&[u8]> {
    file.split(|byte| *byte == b'\n').rev().find_map(after_hosts)
}

fn after_hosts(line: &[u8]) -> Option<&[u8]> {
    let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
    let (database, rest) = line.split_at_checked(b"hosts".len())?;
    let rest = rest.trim_ascii_start().strip_prefix(b":")?;
    database.eq_ignore_ascii_case(b"hosts").then_some(rest)
}

/// Modules that the host has, each with the `[…]` that stands behind it.
fn possible<'a>(
    words: &'a [u8],
    has_module: impl Fn(&str) -> bool,
    left_out: &mut Vec<Text>,
) -> Vec<&'a [u8]> {
    let mut kept = Vec::new();
    let mut keeps = false;
    let mut rest = words.trim_ascii_start();
    while !rest.is_empty() {
        let is_action = rest.starts_with(b"[");
        let end = if is_action {
            rest.iter().position(|byte| *byte == b']').map_or(rest.len(), |at| at + 1)
        } else {
            let ends = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'[';
            rest.iter().position(ends).unwrap_or(rest.len())
        };
        let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = behind.trim_ascii_start();
        if is_action {
            let is_whole = word.ends_with(b"]") && !word.contains(&0);
            kept.extend(Some(word).filter(|_| keeps && is_whole));
            continue;
        }
        keeps = module(word).is_some_and(&has_module);
        if keeps {
            kept.push(word);
        } else if left_out.len() < MOST {
            left_out.push(Text::new(word));
        }
    }
    kept
}

/// More are not told of.
const MOST: usize = 8;

/// The name of a module, which becomes part of a file's name.
fn module(word: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let name = std::str::from_utf8(word).ok()?;
    (!name.is_empty() && name.len() <= 64 && word.iter().all(is_plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(host: &str, target: Option<&str>) -> (String, Vec<String>) {
        let has = |module: &str| ["files", "dns", "resolve"].contains(&module);
        let (file, left_out) = merge(Some(host.as_bytes()), target.map(str::as_bytes), has);
        let left_out = left_out.iter().map(ToString::to_string).collect();
        (String::from_utf8(file).unwrap(), left_out)
    }

    const HOST: &str = "passwd: files systemd\nhosts: files resolve [!UNAVAIL=return] dns\nrpc: db";

    #[test]
    fn hosts_are_the_targets_and_all_else_the_hosts() {
        let (file, left_out) = merged(HOST, Some("passwd: evil\n hosts : dns  files # x\n"));
        assert_eq!(file, "passwd: files systemd\nrpc: db\nhosts: dns files\n");
        assert!(left_out.is_empty());
    }

    #[test]
    fn a_target_without_a_word_gets_the_librarys_default() {
        for target in [None, Some(""), Some("passwd: files\n"), Some("hosts:\n"), Some("#hosts: x")]
        {
            let (file, _) = merged(HOST, target);
            assert!(file.ends_with("\nhosts: files dns\n"), "{target:?}: {file}");
        }
        assert_eq!(merge(None, None, |_| true).0, b"hosts: files dns\n");
    }

    #[test]
    fn a_module_that_the_host_lacks_is_left_out_with_what_belongs_to_it() {
        let target = "hosts: files mdns4_minimal [NOTFOUND=return] resolve[!UNAVAIL=return] dns";
        let (file, left_out) = merged("", Some(target));
        assert_eq!(file, "hosts: files resolve [!UNAVAIL=return] dns\n");
        assert_eq!(left_out, ["mdns4_minimal"]);
    }

    #[test]
    fn no_word_leads_to_a_library_elsewhere() {
        let all = |_: &str| true;
        let target = b"hosts: ../../tmp/evil /x dns\x1b files\0 [a".as_slice();
        let (file, left_out) = merge(None, Some(target), all);
        assert_eq!(file, b"hosts: files dns\n");
        assert_eq!(left_out.len(), 4);
    }

    #[test]
    fn of_modules_that_are_left_out_the_first_ones_are_told() {
        let modules: Vec<String> = (0..=MOST).map(|at| format!("m{at}")).collect();
        let (file, left_out) = merged("", Some(&format!("hosts: {} dns", modules.join(" "))));
        assert_eq!(file, "hosts: dns\n");
        assert_eq!(left_out, modules[..MOST]);
    }

    #[test]
    fn an_action_is_kept_whole_or_not_at_all() {
        for (target, expected) in [
            ("files [a\0b] dns", "files dns"),
            ("files [NOTFOUND=return", "files"),
            ("[NOTFOUND=return] files", "files"),
        ] {
            let (file, _) = merged("", Some(&format!("hosts: {target}")));
            assert_eq!(file, format!("hosts: {expected}\n"));
        }
    }

    #[test]
    fn a_module_is_called_by_a_short_plain_word() {
        let longest = "x".repeat(64);
        assert_eq!(module(longest.as_bytes()), Some(longest.as_str()));
        for none in [String::new(), "x".repeat(65), "a.b".to_owned(), "a/b".to_owned()] {
            assert_eq!(module(none.as_bytes()), None, "{none}");
        }
        assert_eq!(module(b"my_hostname-2"), Some("my_hostname-2"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_one_line_of_hosts(bytes: Vec<u8>) {
            let (file, _) = merge(Some(HOST.as_bytes()), Some(&bytes), |_| true);
            let lines = file.split(|byte| *byte == b'\n');
            proptest::prop_assert_eq!(lines.filter(|line| line.starts_with(b"hosts:")).count(), 1);
            proptest::prop_assert!(file.starts_with(b"passwd: files systemd\nrpc: db\nhosts: "));
        }
    }
}
