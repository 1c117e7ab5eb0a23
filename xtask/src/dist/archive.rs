//! One archive that is unpacked below /usr/local.

use super::stage;
use crate::run;
use crate::workspace;
use anyhow::Result;
use std::path::Path;

/// `NAME.tar.gz` in `out`, of the directory NAME in `place`.
pub(super) fn pack(place: &Path, name: &str, out: &Path) -> Result<()> {
    stage::write(&place.join(name).join("INSTALL.txt"), &instructions(name))?;
    let mut tar = run::plain("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"])
        .args([&format!("--mtime={} 00:00:00Z", workspace::RELEASED)])
        .args(["--use-compress-program=gzip -9n", "-cf"])
        .arg(out.join(format!("{name}.tar.gz")))
        .arg("-C")
        .args([place.as_os_str(), name.as_ref()]);
    run::output(&mut tar).map(drop)
}

/// Directories that are there already keep their owner and mode; of those that are not, none is
/// left but `bin`, `share` and `share/man`, which every such place has.
fn instructions(name: &str) -> String {
    format!(
        "Install, as root:\n\n    \
         tar -C /usr/local --strip-components=1 --no-overwrite-dir --exclude=INSTALL.txt \
         -xzf {name}.tar.gz\n\n\
         The programs are static: they need nothing else, and bin/nsx alone is enough.\n\
         The others are single commands of it: nsx-ps is `nsx ps`.\n\n\
         Remove, files first, then directories that are empty:\n\n    \
         tar -tzf {name}.tar.gz | sed -n 's|^[^/]*/\\(.*[^/]\\)$|/usr/local/\\1|p' | xargs rm -f\n    \
         tar -tzf {name}.tar.gz | sed -n '/share.man.$/d; s|^[^/]*/\\(share/.*\\)/$|/usr/local/\\1|p' \
         | sort -r | xargs rmdir --ignore-fail-on-non-empty\n"
    )
}
