//! Which host a report speaks of.

use crate::model::host::Host;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::root::SysRoot;

pub fn collect_host(root: &SysRoot) -> Host {
    if root.is_real() {
        // A /proc with subset=pid has no /proc/sys.
        let names = rustix::system::uname();
        let [hostname, kernel] = [names.nodename(), names.release()];
        return Host { hostname: hostname.to_bytes().into(), kernel: kernel.to_bytes().into() };
    }
    let line = |name| {
        let bytes = bounded::read_single(root.proc(), name).unwrap_or_default();
        Text::new(bytes.trim_ascii_end())
    };
    Host { hostname: line("sys/kernel/hostname"), kernel: line("sys/kernel/osrelease") }
}
