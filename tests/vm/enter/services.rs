//! Programs beside a service that systemd confines with all that it has: no engine is needed.

use super::{KEYRING, as_it_is};
use crate::containers::Service;
use crate::host::INSIDE;
use crate::support::{asleep, nsx, output, status, stderr, stdout, succeeds, test};
use libtest_mimic::Trial;
use std::process::Command;

pub fn tests() -> Vec<Trial> {
    vec![
        test("enter, a service: of root, with filters and a profile", INSIDE, of_root),
        test("enter, a service: of a user, in a user namespace", INSIDE, of_user),
    ]
}

/// A profile that the kernel has for as long as the test runs.
struct Profile {
    file: tempfile::NamedTempFile,
}

impl Profile {
    fn load(name: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let rules = "file, capability, network, unix, signal, ptrace, mount, umount, pivot_root,";
        let text = format!(
            "profile {name} flags=(attach_disconnected) {{ {rules} deny /etc/hostname r, }}\n"
        );
        std::fs::write(file.path(), text).unwrap();
        let profile = Self { file };
        succeeds(&mut profile.parser("--add"));
        profile
    }

    fn parser(&self, what: &str) -> Command {
        let mut parser = Command::new("apparmor_parser");
        parser.args([what, "--skip-cache"]).arg(self.file.path());
        parser
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = output(&mut self.parser("--remove"));
    }
}

const PROPERTIES: [&str; 8] = [
    "SystemCallFilter=~keyctl:EILSEQ",
    "RestrictNamespaces=yes",
    "PrivateTmp=yes",
    "PrivateNetwork=yes",
    "ProtectHostname=yes",
    "UMask=0027",
    "LimitNOFILE=100:200",
    "MemoryMax=64M",
];

fn confined(name: &str, more: &[&str]) {
    // Before the service, so that it is removed after it.
    let profile = Profile::load(name);
    let label = format!("AppArmorProfile={name}");
    let properties = PROPERTIES.iter().chain(more).copied().chain([label.as_str()]);
    let options: Vec<String> = properties.map(|one| format!("--property={one}")).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let service = Service::run(name, &options, super::SLEEP);
    asleep(service.pid);
    let label = super::read(service.pid, "attr/current");
    assert_eq!(label, format!("{name} (enforce)\n"), "the reference");
    let filters = status(service.pid, "Seccomp_filters").and_then(|count| count.parse().ok());
    assert!(filters > Some(2_u32), "the reference: {filters:?}");
    as_it_is(service.pid);

    let target = format!("unit:{}", service.unit);
    let entered = |options: &[&str], program: &[&str]| {
        output(nsx(["enter", "-t", &target]).args(options).args(program))
    };
    let keyctl = libc::SYS_keyctl.to_string();
    let perl = ["perl", "-e", KEYRING, &keyctl];
    let asked = entered(&["--as-target", "--strict"], &perl);
    assert_eq!(stdout(&asked), libc::EILSEQ.to_string(), "{}", stderr(&asked));
    assert_ne!(stdout(&entered(&["-a"], &perl)), libc::EILSEQ.to_string());
    let show = ["cat", "/etc/hostname"];
    let denied = entered(&["--as-target", "--strict"], &show);
    assert_eq!(stderr(&denied), "cat: /etc/hostname: Permission denied\n");
    assert!(entered(&["-a"], &show).status.success());
    drop(service);
    drop(profile);
}

fn of_root() {
    confined(
        "nsx-vm-root",
        &["CapabilityBoundingSet=~CAP_SYS_ADMIN CAP_SYS_RESOURCE", "OOMScoreAdjust=-500"],
    );
}

fn of_user() {
    confined(
        "nsx-vm-user",
        &[
            "User=alice",
            "SupplementaryGroups=adm video",
            "PrivateUsers=yes",
            "CapabilityBoundingSet=CAP_CHOWN CAP_NET_BIND_SERVICE",
            "AmbientCapabilities=CAP_NET_BIND_SERVICE",
            "OOMScoreAdjust=500",
        ],
    );
}
