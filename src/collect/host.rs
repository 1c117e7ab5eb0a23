//! Which host a report speaks of.

use crate::model::host::Host;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::root::SysRoot;

/// Of a fixture empty texts where its /proc does not tell.
pub fn collect_host(root: &SysRoot) -> Host {
    if root.is_real() {
        // A /proc with subset=pid has no such files.
        let names = rustix::system::uname();
        let text = |name: &std::ffi::CStr| Text::new(name.to_bytes());
        return Host { hostname: text(names.nodename()), kernel: text(names.release()) };
    }
    let line = |name| {
        let bytes = bounded::read_single(root.proc(), name).unwrap_or_default();
        Text::new(bytes.trim_ascii_end())
    };
    Host { hostname: line("sys/kernel/hostname"), kernel: line("sys/kernel/osrelease") }
}
