//! What a target may be spelled like. Pure: bytes in, one meaning out, nothing guessed.
//!
//! A word before a colon that this grammar knows always has its meaning; any other text with a
//! colon is a whole name. What a container is called can therefore be hidden by the grammar
//! (`1234`, `pod:x`), and `RUNTIME:` before it reaches it all the same.

use crate::model::process::Pid;
use crate::model::runtime::Runtime;

/// A target, taken apart and not looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelled<'a> {
    /// `1234`
    Process(Pid),
    /// `1234:INODE`: only while its pidfd has that inode.
    ProcessWithInode {
        /// Of the host's numbering.
        pid: Pid,
        /// Of its pidfd (pidfs, Linux 6.9); never 0.
        inode: u64,
    },
    /// `web`, `3f2a9c`, and the same after `RUNTIME:`.
    Container {
        /// None where no `RUNTIME:` stands before it.
        runtime: Option<Runtime>,
        /// A name, an id or the beginning of one; never empty.
        name: &'a [u8],
    },
    /// `containerd:NS/ID`
    Containerd {
        /// containerd's own: `k8s.io`, `moby`.
        namespace: &'a [u8],
        /// A name, an id or the beginning of one; never empty.
        name: &'a [u8],
    },
    /// `cri:NAME`: a container of a Kubernetes pod, whatever engine runs it.
    Cri(&'a [u8]),
    /// `pod:NAMESPACE/POD[/CONTAINER]`; `pod:POD` for pods that are in no namespace.
    Pod {
        /// Kubernetes' namespace; None where one part alone was given.
        namespace: Option<&'a [u8]>,
        /// The pod's name.
        pod: &'a [u8],
        /// Its name in the pod; None means the only one, or the sandbox.
        container: Option<&'a [u8]>,
    },
    /// `unit:NAME`, as it was spelled: see [`unit_name`].
    Unit(&'a [u8]),
    /// `netns:NAME`
    Netns(&'a [u8]),
    /// `ns:INODE`
    Namespace(u64),
    /// `/path/to/nsfile`
    File(&'a [u8]),
    /// `cgroup:/path`, without slashes at its end; `/` is the root.
    Cgroup(&'a [u8]),
}

/// Whether it means one namespace, and no process.
pub fn names_namespace(spelled: &[u8]) -> bool {
    matches!(parse(spelled), Ok(Spelled::Netns(_) | Spelled::Namespace(_) | Spelled::File(_)))
}

/// Why a text is no target at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misspelled {
    /// Nothing was spelled.
    #[error("the target is empty")]
    Empty,
    /// A byte that no argument and no path can hold.
    #[error("a NUL byte is in no name")]
    Nul,
    /// A number before the colon, and one of the two is missing, malformed or out of range.
    #[error("PID:INODE is a process id (1 to {max}) and the decimal inode of its pidfd", max = Pid::MAX)]
    Process,
    /// Nothing stands after this word and its colon.
    #[error("{0}: wants a name or id after it")]
    Name(&'static str),
    /// More than one slash, or nothing on one side of it.
    #[error("containerd:NAMESPACE/ID has one slash, and a name on either side")]
    Containerd,
    /// An empty part, or more than three.
    #[error("pod: wants NAMESPACE/POD or NAMESPACE/POD/CONTAINER")]
    Pod,
    /// Nothing, `.`, `..`, or a slash in it.
    #[error("unit: wants the name of a unit, such as nginx.service")]
    Unit,
    /// Nothing, `.`, `..`, or a slash in it.
    #[error("netns: wants a name, as `ip netns` lists them; a path stands alone")]
    Netns,
    /// Anything but a decimal number from 1.
    #[error("ns: wants the decimal inode of a namespace")]
    Namespace,
    /// Not from the root; an empty part or `.`; `..` anywhere but at its beginning.
    #[error("cgroup: wants a path from the root of the hierarchy, such as /system.slice")]
    Cgroup,
}

/// Words before the colon, besides the runtimes' names and numbers.
pub const WORDS: [&str; 6] = ["cri", "pod", "unit", "netns", "ns", "cgroup"];

/// A path, then a bare pid, then a word with a colon, then a container's name or id.
pub fn parse(spelled: &[u8]) -> Result<Spelled<'_>, Misspelled> {
    if spelled.is_empty() {
        return Err(Misspelled::Empty);
    }
    if spelled.contains(&0) {
        return Err(Misspelled::Nul);
    }
    if spelled.starts_with(b"/") {
        return Ok(Spelled::File(spelled));
    }
    if let Some(pid) = Pid::parse(spelled) {
        return Ok(Spelled::Process(pid));
    }
    let Some((word, rest)) = split(spelled) else {
        return Ok(Spelled::Container { runtime: None, name: spelled });
    };
    match word {
        b"cri" if rest.is_empty() => Err(Misspelled::Name("cri")),
        b"cri" => Ok(Spelled::Cri(rest)),
        b"containerd" => containerd(rest),
        b"pod" => pod(rest),
        b"unit" if is_component(rest) => Ok(Spelled::Unit(rest)),
        b"unit" => Err(Misspelled::Unit),
        b"netns" if is_component(rest) => Ok(Spelled::Netns(rest)),
        b"netns" => Err(Misspelled::Netns),
        b"ns" => decimal(rest).map(Spelled::Namespace).ok_or(Misspelled::Namespace),
        b"cgroup" => cgroup(rest),
        digits if digits.iter().all(u8::is_ascii_digit) => process(digits, rest),
        _ => match runtime(word) {
            Some(runtime) if rest.is_empty() => Err(Misspelled::Name(runtime.name())),
            Some(runtime) => Ok(Spelled::Container { runtime: Some(runtime), name: rest }),
            None => Ok(Spelled::Container { runtime: None, name: spelled }),
        },
    }
}

/// At the first colon. A colon that nothing stands before is part of a name.
fn split(spelled: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = spelled.iter().position(|byte| *byte == b':').filter(|at| *at > 0)?;
    Some((spelled.get(..colon)?, spelled.get(colon + 1..)?))
}

fn runtime(word: &[u8]) -> Option<Runtime> {
    Runtime::ALL.into_iter().find(|runtime| runtime.name().as_bytes() == word)
}

fn process<'a>(pid: &[u8], inode: &[u8]) -> Result<Spelled<'a>, Misspelled> {
    match (Pid::parse(pid), decimal(inode)) {
        (Some(pid), Some(inode)) => Ok(Spelled::ProcessWithInode { pid, inode }),
        _ => Err(Misspelled::Process),
    }
}

fn containerd(rest: &[u8]) -> Result<Spelled<'_>, Misspelled> {
    let mut parts = rest.split(|byte| *byte == b'/');
    match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
        ([], None, _) => Err(Misspelled::Name("containerd")),
        (name, None, _) => Ok(Spelled::Container { runtime: Some(Runtime::Containerd), name }),
        (namespace, Some(name), None) if !namespace.is_empty() && !name.is_empty() => {
            Ok(Spelled::Containerd { namespace, name })
        }
        _ => Err(Misspelled::Containerd),
    }
}

fn pod(rest: &[u8]) -> Result<Spelled<'_>, Misspelled> {
    let parts: Vec<&[u8]> = rest.splitn(4, |byte| *byte == b'/').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(Misspelled::Pod);
    }
    match *parts.as_slice() {
        [pod] => Ok(Spelled::Pod { namespace: None, pod, container: None }),
        [namespace, pod] => Ok(Spelled::Pod { namespace: Some(namespace), pod, container: None }),
        [namespace, pod, container] => {
            Ok(Spelled::Pod { namespace: Some(namespace), pod, container: Some(container) })
        }
        _ => Err(Misspelled::Pod),
    }
}

fn cgroup(rest: &[u8]) -> Result<Spelled<'_>, Misspelled> {
    if !rest.starts_with(b"/") {
        return Err(Misspelled::Cgroup);
    }
    let end = rest.iter().rposition(|byte| *byte != b'/').map_or(1, |last| last + 1);
    let path = rest.get(..end).unwrap_or(rest);
    // As the kernel shows it: `..` can only lead, where a group is outside of our cgroup namespace.
    let mut below = path.split(|byte| *byte == b'/').skip(1).skip_while(|name| *name == b"..");
    if path != b"/" && below.any(|name| matches!(name, b"" | b"." | b"..")) {
        return Err(Misspelled::Cgroup);
    }
    Ok(Spelled::Cgroup(path))
}

/// One name in a directory.
fn is_component(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}

/// Strict decimal from 1: no sign, no leading zero, nothing after it.
fn decimal(digits: &[u8]) -> Option<u64> {
    let strict = digits.iter().all(u8::is_ascii_digit) && digits.first() != Some(&b'0');
    std::str::from_utf8(digits).ok().filter(|_| strict)?.parse().ok()
}

/// What systemd calls a unit that was spelled like this: without a suffix it is a service. Only
/// the kinds that have processes are known.
pub fn unit_name(spelled: &[u8]) -> Vec<u8> {
    const SUFFIXES: [&[u8]; 6] =
        [b".service", b".scope", b".slice", b".socket", b".mount", b".swap"];
    let complete = SUFFIXES.iter().any(|suffix| spelled.ends_with(suffix));
    if complete { spelled.to_vec() } else { [spelled, b".service"].concat() }
}

/// The word before the colon of a text that is no container's name, if nothing has that meaning.
pub fn unknown_word(spelled: &[u8]) -> Option<&[u8]> {
    let (word, _) = split(spelled)?;
    let known = WORDS.iter().any(|known| known.as_bytes() == word) || runtime(word).is_some();
    (!known && !word.iter().all(u8::is_ascii_digit)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Spelled::{Cgroup, Container, Containerd, Cri, File, Namespace, Netns, Pod, Unit};

    fn name(name: &str) -> Spelled<'_> {
        Container { runtime: None, name: name.as_bytes() }
    }

    fn of(runtime: Runtime, name: &str) -> Spelled<'_> {
        Container { runtime: Some(runtime), name: name.as_bytes() }
    }

    fn pid(number: u32) -> Pid {
        Pid::new(number).unwrap()
    }

    #[test]
    fn each_spelling_has_one_meaning() {
        let cases = [
            ("1234", Spelled::Process(pid(1234))),
            ("4194304", Spelled::Process(pid(4_194_304))),
            ("1234:567", Spelled::ProcessWithInode { pid: pid(1234), inode: 567 }),
            ("web", name("web")),
            ("3f2a9c", name("3f2a9c")),
            ("docker:web", of(Runtime::Docker, "web")),
            ("nsx:web", of(Runtime::Nsx, "web")),
            ("containerd:3f2a", of(Runtime::Containerd, "3f2a")),
            ("containerd:k8s.io/3f2a", Containerd { namespace: b"k8s.io", name: b"3f2a" }),
            ("cri:3f2a", Cri(b"3f2a")),
            ("pod:a/b", Pod { namespace: Some(b"a"), pod: b"b", container: None }),
            ("pod:a/b/c", Pod { namespace: Some(b"a"), pod: b"b", container: Some(b"c") }),
            ("pod:b", Pod { namespace: None, pod: b"b", container: None }),
            ("unit:foo.service", Unit(b"foo.service")),
            ("unit:foo@a:b", Unit(b"foo@a:b")),
            ("netns:blue", Netns(b"blue")),
            ("ns:4026531840", Namespace(4_026_531_840)),
            ("/run/netns/blue", File(b"/run/netns/blue")),
            ("/a:b", File(b"/a:b")),
            ("cgroup:/", Cgroup(b"/")),
            ("cgroup:/a.slice/b:c/", Cgroup(b"/a.slice/b:c")),
            ("cgroup:/../a", Cgroup(b"/../a")),
        ];
        for (spelled, meaning) in cases {
            assert_eq!(parse(spelled.as_bytes()), Ok(meaning), "{spelled}");
        }
        for runtime in Runtime::ALL {
            let spelled = format!("{runtime}:x");
            assert_eq!(parse(spelled.as_bytes()), Ok(of(runtime, "x")));
        }
    }

    #[test]
    fn what_is_almost_a_spelling_is_refused_and_never_taken_for_a_name() {
        use Misspelled as Wrong;
        let cases = [
            ("", Wrong::Empty),
            ("a\0b", Wrong::Nul),
            ("1234:", Wrong::Process),
            ("1234:0", Wrong::Process),
            ("1234:x", Wrong::Process),
            ("1234:+1", Wrong::Process),
            ("1234:1:1", Wrong::Process),
            ("0:1", Wrong::Process),
            ("01:1", Wrong::Process),
            ("4194305:1", Wrong::Process),
            ("1:18446744073709551616", Wrong::Process),
            ("docker:", Wrong::Name("docker")),
            ("cri:", Wrong::Name("cri")),
            ("containerd:", Wrong::Name("containerd")),
            ("containerd:/x", Wrong::Containerd),
            ("containerd:a/", Wrong::Containerd),
            ("containerd:a/b/c", Wrong::Containerd),
            ("pod:", Wrong::Pod),
            ("pod:/a", Wrong::Pod),
            ("pod:a//c", Wrong::Pod),
            ("pod:a/b/c/d", Wrong::Pod),
            ("unit:", Wrong::Unit),
            ("unit:a/b", Wrong::Unit),
            ("unit:..", Wrong::Unit),
            ("netns:", Wrong::Netns),
            ("netns:../x", Wrong::Netns),
            ("netns:/run/netns/x", Wrong::Netns),
            ("ns:", Wrong::Namespace),
            ("ns:net", Wrong::Namespace),
            ("ns:-1", Wrong::Namespace),
            ("cgroup:", Wrong::Cgroup),
            ("cgroup:a", Wrong::Cgroup),
            ("cgroup:/a/../b", Wrong::Cgroup),
            ("cgroup:/a//b", Wrong::Cgroup),
            ("cgroup:/./a", Wrong::Cgroup),
        ];
        for (spelled, wrong) in cases {
            assert_eq!(parse(spelled.as_bytes()), Err(wrong), "{spelled:?}");
        }
    }

    #[test]
    fn any_other_text_is_a_whole_name() {
        for text in ["4194305", "0042", "1x", "-1", "１", ":x", "dokcer:web", "Docker:web", "a/b"]
        {
            assert_eq!(parse(text.as_bytes()), Ok(name(text)), "{text}");
        }
        assert_eq!(unknown_word(b"dokcer:web"), Some(&b"dokcer"[..]));
        assert_eq!(unknown_word(b"docker:web"), None);
        assert_eq!(unknown_word(b"web"), None);
    }

    #[test]
    fn a_runtime_reaches_the_names_that_the_grammar_hides() {
        for hidden in ["1234", "pod:x", "1234:5", "/x", "docker:web", "ns:1"] {
            let spelled = format!("runc:{hidden}");
            assert_eq!(parse(spelled.as_bytes()), Ok(of(Runtime::Runc, hidden)));
        }
    }

    #[test]
    fn a_unit_without_a_suffix_is_a_service() {
        assert_eq!(unit_name(b"foo"), b"foo.service");
        assert_eq!(unit_name(b"foo.bar"), b"foo.bar.service");
        assert_eq!(unit_name(b"a.slice"), b"a.slice");
    }

    #[test]
    fn some_targets_are_namespaces() {
        for spelled in ["netns:a", "ns:4026531840", "/run/netns/a"] {
            assert!(names_namespace(spelled.as_bytes()), "{spelled}");
        }
        for spelled in ["a", "42", "unit:a", "cgroup:/a", "pod:a", "", "ns:x"] {
            assert!(!names_namespace(spelled.as_bytes()), "{spelled}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse(&bytes), unknown_word(&bytes), unit_name(&bytes));
        }

        #[test]
        fn a_runtime_takes_the_rest_as_it_is(rest in "[^\0]{1,20}") {
            let spelled = format!("docker:{rest}");
            proptest::prop_assert_eq!(parse(spelled.as_bytes()), Ok(of(Runtime::Docker, &rest)));
        }
    }
}
