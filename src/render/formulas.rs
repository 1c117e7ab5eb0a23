//! The same numbers in the spelling of docker, podman and kubectl.

use crate::model::formulas::{Formulas, Stats, Top};

/// As text exactly what the tool prints, and as numbers.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonFormulas {
    /// `docker stats`: usage less inactive file cache, binary units; CPU by the machine's counters.
    pub docker: JsonStats,
    /// `podman stats`: the same memory in decimal units; CPU by the clock.
    pub podman: JsonStats,
    /// `kubectl top`, from the kubelet: the working set.
    pub kubelet: JsonTop,
}

/// `docker stats` and `podman stats`.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonStats {
    /// Usage less inactive file cache; all of it where the cache is said to be more.
    pub memory_bytes: u64,
    /// Its own limit, or the machine's memory where that is less.
    pub memory_limit_bytes: u64,
    /// `MEM USAGE / LIMIT`
    pub memory: String,
    /// `MEM %`
    pub memory_percent: String,
    /// `CPU %`; null without an interval.
    pub cpu_percent: Option<String>,
}

/// `kubectl top`.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonTop {
    /// Usage less inactive file cache, never below zero.
    pub memory_bytes: u64,
    /// In whole mebibytes, cut: `3Mi`.
    pub memory: String,
    /// Null without an interval.
    pub cpu: Option<String>,
}

impl From<&Formulas> for JsonFormulas {
    fn from(formulas: &Formulas) -> Self {
        Self {
            docker: stats(&formulas.docker, |bytes| sized(bytes, 1024.0, "iB")),
            podman: stats(&formulas.podman, |bytes| sized(bytes, 1000.0, "B")),
            kubelet: top(&formulas.kubelet),
        }
    }
}

/// A line for each tool.
pub(super) fn lines(formulas: &Formulas) -> Vec<String> {
    let JsonFormulas { docker, podman, kubelet } = JsonFormulas::from(formulas);
    let line = |name, stats: JsonStats| {
        let cpu = stats.cpu_percent.map(|cpu| format!(" · cpu {cpu}")).unwrap_or_default();
        format!("as {name:<8} {} ({}){cpu}", stats.memory, stats.memory_percent)
    };
    let cpu = kubelet.cpu.map(|cpu| format!(" · cpu {cpu}")).unwrap_or_default();
    vec![
        line("docker", docker),
        line("podman", podman),
        format!("as {:<8} {}{cpu}", "kubectl", kubelet.memory),
    ]
}

fn stats(stats: &Stats, size: impl Fn(u64) -> String) -> JsonStats {
    let percent = |hundredths: u64| format!("{}.{:02}%", hundredths / 100, hundredths % 100);
    JsonStats {
        memory_bytes: stats.memory_bytes,
        memory_limit_bytes: stats.memory_limit_bytes,
        memory: format!("{} / {}", size(stats.memory_bytes), size(stats.memory_limit_bytes)),
        memory_percent: percent(stats.memory_percent_hundredths),
        cpu_percent: stats.cpu_percent_hundredths.map(percent),
    }
}

/// Whole mebibytes, cut; thousandths of a core.
fn top(top: &Top) -> JsonTop {
    JsonTop {
        memory_bytes: top.memory_bytes,
        memory: format!("{}Mi", top.memory_bytes >> 20),
        cpu: top.cpu_millicores.map(|cores| format!("{cores}m")),
    }
}

/// Four significant figures, trailing zeros left out: `3.641MiB`, `64MiB`, `67.11MB`.
fn sized(bytes: u64, step: f64, suffix: &str) -> String {
    const PREFIXES: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    #[expect(clippy::cast_precision_loss, reason = "four figures are shown")]
    let mut scaled = bytes as f64;
    let mut chosen = "";
    for prefix in PREFIXES {
        chosen = prefix;
        if scaled < step {
            break;
        }
        if prefix != "E" {
            scaled /= step;
        }
    }
    let decimals = match scaled {
        ..10.0 => 3,
        ..100.0 => 2,
        ..1000.0 => 1,
        _ => 0,
    };
    let figures = format!("{scaled:.decimals$}");
    let figures =
        if decimals > 0 { figures.trim_end_matches('0').trim_end_matches('.') } else { &figures };
    match (chosen, suffix) {
        ("", _) => format!("{figures}B"),
        // Decimal kilo is a small letter.
        ("K", "B") => format!("{figures}kB"),
        _ => format!("{figures}{chosen}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_the_engines_print_them() {
        let docker = |bytes| sized(bytes, 1024.0, "iB");
        let podman = |bytes| sized(bytes, 1000.0, "B");
        assert_eq!(docker(3_817_472), "3.641MiB");
        assert_eq!(docker(67_108_864), "64MiB");
        assert_eq!(docker(33_400_000_000), "31.11GiB");
        assert_eq!(
            (docker(0), docker(1023), docker(1024)),
            ("0B".into(), "1023B".into(), "1KiB".into())
        );
        assert_eq!((podman(67_108_864), podman(4096)), ("67.11MB".into(), "4.096kB".into()));
        assert_eq!(podman(u64::MAX), "18.45EB");
    }

    #[test]
    fn a_line_for_each_tool() {
        let stats = Stats {
            memory_bytes: 3_817_472,
            memory_limit_bytes: 67_108_864,
            memory_percent_hundredths: 569,
            cpu_percent_hundredths: Some(5005),
        };
        let kubelet = Top { memory_bytes: 3_817_472, cpu_millicores: Some(500) };
        assert_eq!(
            lines(&Formulas { docker: stats, podman: stats, kubelet }),
            [
                "as docker   3.641MiB / 64MiB (5.69%) · cpu 50.05%",
                "as podman   3.817MB / 67.11MB (5.69%) · cpu 50.05%",
                "as kubectl  3Mi · cpu 500m",
            ]
        );
    }
}
