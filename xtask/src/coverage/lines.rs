//! Lines that were reached, by directory, without those of tests.

use crate::scope;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;

/// Of a file: its lines of code, and whether each was reached.
type Lines = BTreeMap<usize, bool>;

#[derive(Debug)]
pub(crate) struct Reached {
    files: BTreeMap<String, Lines>,
    parsers: scope::Files,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    reached: u32,
    all: u32,
}

impl Share {
    fn add(&mut self, lines: &Lines) {
        for reached in lines.values() {
            self.all += 1;
            self.reached += u32::from(*reached);
        }
    }

    fn percent(self) -> f64 {
        if self.all == 0 { 100.0 } else { f64::from(self.reached) * 100.0 / f64::from(self.all) }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6} of {:>6} lines {:>6.1} %", self.reached, self.all, self.percent())
    }
}

impl Reached {
    /// From what llvm-cov tells in the format of lcov (geninfo(1)).
    pub(crate) fn read(root: &Path, counted: &str) -> Result<Self> {
        let mut files: BTreeMap<String, Lines> = BTreeMap::new();
        let mut file = None;
        for line in counted.lines() {
            if let Some(path) = line.strip_prefix("SF:") {
                let path = Path::new(path);
                let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
                let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
                file = (!is_test(&name)).then(|| (name, first_of_tests(&text)));
            }
            let (Some((name, end)), Some(told)) = (&file, line.strip_prefix("DA:")) else {
                continue;
            };
            let (number, count) = told.split_once(',').context("a line without a count")?;
            let number: usize = number.parse().context("a line without a number")?;
            if number < *end {
                let lines = files.entry(name.clone()).or_default();
                *lines.entry(number).or_default() |= count != "0";
            }
        }
        if files.is_empty() {
            bail!("llvm-cov told of no lines");
        }
        Ok(Self { files, parsers: scope::Files::read()? })
    }

    /// The lines that nothing reaches, by file.
    pub(crate) fn missed(&self, part: &str) -> String {
        let mut text = String::new();
        for (name, lines) in self.files.iter().filter(|(name, _)| name.contains(part)) {
            let missed: Vec<usize> =
                lines.iter().filter(|(_, reached)| !**reached).map(|(number, _)| *number).collect();
            if !missed.is_empty() {
                let _ = writeln!(text, "{name}: {}", ranges(&missed));
            }
        }
        text
    }

    pub(crate) fn suffices(&self, parsers: f64, all: f64) -> Result<()> {
        let (of_parsers, of_all) =
            (self.share(|name| self.parsers.has(name)), self.share(|_| true));
        if of_parsers.percent() < parsers || of_all.percent() < all {
            bail!("too few lines are reached: {parsers} % of parsers and {all} % of all must be");
        }
        Ok(())
    }

    fn share(&self, counts: impl Fn(&str) -> bool) -> Share {
        let mut share = Share::default();
        self.files.iter().filter(|(name, _)| counts(name)).for_each(|(_, lines)| share.add(lines));
        share
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut directories: BTreeMap<String, (Share, Share)> = BTreeMap::new();
        for (name, lines) in &self.files {
            let (all, parsers) = directories.entry(scope::directory(name)).or_default();
            all.add(lines);
            if self.parsers.has(name) {
                parsers.add(lines);
            }
        }
        for (directory, (all, parsers)) in directories {
            write!(f, "{directory:<28} {all}")?;
            if parsers.all > 0 {
                write!(f, "  parsers {parsers}")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "{:<28} {}", "parsers", self.share(|name| self.parsers.has(name)))?;
        write!(f, "{:<28} {}", "all", self.share(|_| true))
    }
}

/// A file that is compiled for tests alone.
fn is_test(name: &str) -> bool {
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    stem == "tests" || stem.ends_with("_tests") || name == "src/collect/runtime/fixture.rs"
}

/// The number of the line where the tests of a file begin.
fn first_of_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |at: &usize| {
        let mut after = lines.iter().skip(*at);
        let item = after.find(|line| !line.starts_with("#["));
        item.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let cfg = |at: &usize| lines.get(*at).is_some_and(|line| *line == "#[cfg(test)]");
    (0..lines.len()).filter(cfg).find(begins).map_or(usize::MAX, |at| at + 1)
}

/// Numbers in order as `1-3 7`.
fn ranges(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let spelled = runs.filter_map(|run| match (run.first()?, run.last()?) {
        (first, last) if first == last => Some(first.to_string()),
        (first, last) => Some(format!("{first}-{last}")),
    });
    spelled.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_where_any_program_reached_it_and_is_no_test() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("src/sys/proc/stat.rs");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "a\nb\nc\n#[cfg(test)]\n#[cfg(unix)]\nmod tests {\n}\n").unwrap();
        let tests = file.with_file_name("tests.rs");
        std::fs::write(&tests, "a\n").unwrap();
        let counted = format!(
            "SF:{0}\nDA:1,0\nDA:2,7\nDA:3,0\nDA:6,1\nend_of_record\n\
             SF:{0}\nDA:1,1\nDA:3,0\nend_of_record\nSF:{1}\nDA:1,1\nend_of_record\n",
            file.display(),
            tests.display()
        );
        let reached = Reached::read(root.path(), &counted).unwrap();
        assert_eq!(reached.missed("stat"), "src/sys/proc/stat.rs: 3\n");
        let shown = reached.to_string();
        let last = "all                               2 of      3 lines   66.7 %";
        assert_eq!(shown.lines().last(), Some(last));
        assert!(reached.suffices(66.0, 66.0).is_ok());
        assert!(reached.suffices(67.0, 66.0).is_err() && reached.suffices(66.0, 67.0).is_err());
    }

    #[test]
    fn what_is_missed_is_told_in_ranges() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1-3 7 9-10");
    }
}
