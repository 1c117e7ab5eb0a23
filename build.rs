//! Where the launchers that can seal their own file begin: see docs/adr/0009.
#![expect(clippy::disallowed_methods, reason = "cargo tells a build script by the environment")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        for binary in ["nsx", "nsx-enter", "nsx-spawn"] {
            println!("cargo::rustc-link-arg-bin={binary}=-Wl,--entry=nsx_start");
        }
    }
}
