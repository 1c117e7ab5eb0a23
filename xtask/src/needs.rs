//! What the tests need beside cargo, as one table.

/// A program, the Debian package that has it, and what it is for.
#[derive(Debug)]
pub(crate) struct Need {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    pub(crate) why: &'static str,
}

const fn need(program: &'static str, package: &'static str, why: &'static str) -> Need {
    Need { program, package, why }
}

pub(crate) const NEEDS: [Need; 33] = [
    need("dockerd", "docker.io", "containers of the tests and the lab"),
    need("containerd", "containerd", "the engine below docker"),
    need("runc", "runc", "containers without an engine"),
    need("ctr", "containerd", "containers of containerd alone"),
    need("crun", "crun", "containers without an engine, and podman's"),
    need("podman", "podman", "containers of the lab"),
    need("lxc-start", "lxc", "containers of the lab"),
    need("systemd-nspawn", "systemd-container", "containers of the lab"),
    need("bwrap", "bubblewrap", "sandboxes of the lab"),
    need("runsc", "runsc", "containers with a kernel of their own"),
    need("nginx", "nginx-light", "the server in the container of the scene"),
    need("busybox", "busybox-static", "the root file system of the lab's containers"),
    need("ip", "iproute2", "addresses and links to compare with; the lab's network"),
    need("iptables", "iptables", "dockerd does not start without it"),
    need("nsenter", "util-linux", "to compare with, like unshare, lsns and findmnt"),
    need("script", "bsdutils", "a terminal for tests of terminals"),
    need("ps", "procps", "processes to compare with"),
    need("capsh", "libcap2-bin", "capabilities to compare with"),
    need("newuidmap", "uidmap", "user namespaces with a range of ids"),
    need("strace", "strace", "counts of system calls"),
    need("tmux", "tmux", "tests of what a terminal shows"),
    need("mandoc", "mandoc", "the check of the manual pages"),
    need("zsh", "zsh", "the test of its completions"),
    need("fish", "fish", "the test of its completions"),
    need("tar", "tar", "images and archives"),
    need("qemu-system-x86_64", "qemu-system-x86", "the virtual machine"),
    need("mmdebstrap", "mmdebstrap", "its image"),
    need("patchelf", "patchelf", "a newer util-linux, run where it is unpacked"),
    need("mke2fs", "e2fsprogs", "its disk"),
    need("g++", "g++", "libFuzzer, of the fuzz targets"),
    need("dpkg-deb", "dpkg", "the packages for Debian"),
    need("readelf", "binutils", "whether a program is static"),
    need("depmod", "kmod", "its kernel's modules"),
];

/// What is not installed.
pub(crate) fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| crate::run::find(need.program).is_none()).collect()
}
