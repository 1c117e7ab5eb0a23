//! The structure that ARCHITECTURE.md promises, checked: layers, unsafe code, sizes, names, and
//! that every command has all that belongs to one.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "reads the sources of the project itself, and fails where it cannot"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A layer and what of ours it may use.
const LAYERS: [(&str, &[&str]); 6] = [
    ("model", &["model"]),
    ("sys", &["sys", "model"]),
    ("collect", &["collect", "sys", "model"]),
    ("action", &["action", "sys", "model"]),
    ("render", &["render", "model"]),
    ("cli", &["cli", "render", "collect", "action", "sys", "model"]),
];

/// Without its tests.
const LONGEST_FILE: usize = 600;
/// Without comments too: what an item is for does not make a command longer.
const LONGEST_COMMAND: usize = 120;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source below a directory: its path from the project's root, and its text.
fn sources(directory: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![root().join(directory)];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{directory} has no sources");
    found
}

/// Lines of code proper: what follows `#[cfg(test)]` at the margin is its tests.
fn without_tests(text: &str) -> &str {
    text.split_once("\n#[cfg(test)]\nmod ").map_or(text, |(code, _)| code)
}

fn without_comments(text: &str) -> String {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

#[test]
fn each_layer_uses_only_what_stands_below_it() {
    let mut offences = Vec::new();
    for (layer, allowed) in LAYERS {
        for (file, text) in sources(&format!("src/{layer}")) {
            for (number, line) in without_comments(&text).lines().enumerate() {
                for used in line.split("crate::").skip(1) {
                    let used: String =
                        used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    let is_layer = LAYERS.iter().any(|(name, _)| *name == used);
                    if is_layer && !allowed.contains(&used.as_str()) {
                        offences.push(format!("{file}:{}: {layer} uses {used}", number + 1));
                    }
                }
            }
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn everything_below_src_is_in_a_layer() {
    for (file, _) in sources("src") {
        let layer = file.split('/').nth(1).unwrap();
        let known = layer == "lib.rs" || LAYERS.iter().any(|(name, _)| *name == layer);
        assert!(known, "{file} is in no layer");
    }
}

#[test]
fn unsafe_code_stands_in_sys_raw_alone() {
    let mut offences = Vec::new();
    for directory in ["src", "bin", "xtask/src"] {
        for (file, text) in sources(directory) {
            let code = without_comments(&text);
            let unsafe_words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe("];
            let has = unsafe_words.iter().any(|word| code.contains(word));
            if has && !file.starts_with("src/sys/raw/") {
                offences.push(file);
            }
        }
    }
    assert!(offences.is_empty(), "unsafe code in {offences:?}");
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    for (file, text) in sources("src/sys/raw") {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if line.contains("unsafe {") && !line.trim_start().starts_with("//") {
                let before = &lines[at.saturating_sub(5)..at];
                let said = before.iter().any(|line| line.contains("// SAFETY:"));
                assert!(said, "{file}:{} has no SAFETY line", at + 1);
            }
        }
    }
}

#[test]
fn no_file_is_too_long() {
    for directory in ["src", "bin", "xtask/src", "tests"] {
        for (file, text) in sources(directory) {
            let lines = without_tests(&text).lines().count();
            assert!(lines <= LONGEST_FILE, "{file} has {lines} lines: cut it by concept");
            let is_command = Path::new(&file).parent() == Some(Path::new("src/cli/cmd"));
            let code = without_tests(&text).lines().filter(|line| !line.trim().starts_with("//"));
            let lines = code.count();
            assert!(!is_command || lines <= LONGEST_COMMAND, "{file} has {lines} lines of code");
        }
    }
}

#[test]
fn no_module_is_a_grab_bag() {
    let refused = ["util", "utils", "common", "helper", "helpers", "misc"];
    for directory in ["src", "bin", "xtask/src", "tests"] {
        for (file, _) in sources(directory) {
            let parts: BTreeSet<&str> = file.trim_end_matches(".rs").split('/').collect();
            let offence = refused.iter().find(|name| parts.contains(*name));
            assert!(offence.is_none(), "{file}: a name that says nothing");
        }
    }
}

#[test]
fn every_file_says_what_it_owns() {
    for directory in ["src", "bin", "xtask/src", "tests"] {
        for (file, text) in sources(directory) {
            assert!(text.starts_with("//! ") && text.len() > 30, "{file} begins without a word");
        }
    }
}

/// Whether a line makes something that other files can use. A module says what it is in its own
/// first line.
fn is_public(line: &str) -> bool {
    const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "const", "static", "type", "unsafe"];
    let words = line.trim_start().strip_prefix("pub ");
    words.and_then(|rest| rest.split(' ').next()).is_some_and(|word| ITEMS.contains(&word))
}

/// Whether what stands above a line, attributes left out, is a doc comment.
fn is_documented(above: &[&str]) -> bool {
    let mut open = 0;
    let mut is_attribute = |line: &str| {
        open += line.matches(']').count();
        open -= line.matches('[').count().min(open);
        line.trim_start().starts_with("#[") || open > 0
    };
    let nearest = above.iter().rev().find(|line| !is_attribute(line));
    nearest.is_some_and(|line| line.trim_start().starts_with("///"))
}

#[test]
fn every_public_item_says_what_it_is_for() {
    let mut offences = Vec::new();
    for (file, text) in sources("src") {
        let lines: Vec<&str> = without_tests(&text).lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if is_public(line) && !is_documented(&lines[..at]) {
                offences.push(format!("{file}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    assert!(offences.is_empty(), "without a doc comment:\n{}", offences.join("\n"));
}

#[test]
fn every_command_has_a_binary_a_manual_a_completion_and_a_contract() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap_or_default();
    let contracts = read("tests/cli/main.rs") + &read("tests/cli/contract.rs");
    for command in nsx::cli::cmd::ALL {
        let name = command.name;
        let small = format!("nsx-{name}");
        assert!(read(&format!("bin/{small}.rs")).lines().count() <= 5, "bin/{small}.rs");
        assert!(read(&format!("bin/{small}.rs")).contains(name), "bin/{small}.rs is missing");
        assert!(read("Cargo.toml").contains(&format!("name = \"{small}\"")), "no binary {small}");
        assert!(read(&format!("man/{small}.1")).contains("EXIT STATUS"), "man/{small}.1");
        for completion in ["completions/nsx.bash", "completions/_nsx", "completions/nsx.fish"] {
            assert!(read(completion).contains(&small), "{completion} lacks {small}");
        }
        assert!(contracts.contains(&format!("\"{name}\"")), "{name} has no contract snapshot");
        assert!(read("README.md").contains(&format!("nsx {name}")), "README lacks {name}");
    }
    let defined: BTreeSet<String> =
        nsx::cli::definition().get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let run: BTreeSet<String> =
        nsx::cli::cmd::ALL.iter().map(|command| command.name.to_owned()).collect();
    assert_eq!(defined, run, "what is documented is what can be run");
}
