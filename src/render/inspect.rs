//! One target on one screen: quiet about what is normal, the most asked fact first.

use super::emphasis::heading;
use super::human;
use super::table::cut;
use crate::model::finding::{Finding, Level};
use crate::model::inspection::{Inspection, Namespace, Vacant};
use crate::model::runtime::Runtime;
use crate::model::text::Text;

mod cgroup;
mod identity;
mod limits;
mod mounts;
mod namespaces;
mod network;
mod processes;
mod seccomp;
mod security;
mod uts;

/// How much is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail {
    /// Every mount and process, not the first ones.
    pub everything: bool,
    /// And what every target has alike.
    pub wide: bool,
    /// Columns of the terminal; `None`: nothing is cut.
    pub width: Option<usize>,
    /// Headings stand out.
    pub emphasis: bool,
}

/// Mounts and processes beyond this are counted, unless everything is asked for.
const FEW: usize = 8;

/// A heading and its lines.
type Lines = (&'static str, Vec<String>);

/// The whole screen; a section without anything to say is left out.
pub fn screen(report: &Inspection, detail: Detail) -> String {
    let mut sections: Vec<Lines> = Vec::new();
    if !report.findings.is_empty() {
        sections.push(("unusual", findings(&report.findings)));
    }
    if let Some(identity) = &report.identity {
        sections.push(("identity", identity::lines(identity, report, detail.everything)));
    }
    if let Some(namespaces) = &report.namespaces {
        sections.push(("namespaces", namespaces::lines(namespaces, detail.everything)));
    }
    let uts = uts::lines(report.uts.as_ref(), report.clock_offsets.as_ref());
    if !uts.is_empty() {
        sections.push(("uts", uts));
    }
    if let Some(network) = &report.network {
        sections.push(("net", network::lines(network, detail)));
    }
    if let Some(mounts) = &report.mounts {
        sections.push(("mounts", mounts::lines(mounts, detail.everything)));
    }
    if let Some(cgroup) = &report.cgroup {
        let formulas = report.formulas.as_ref();
        sections.push(("cgroup", cgroup::lines(cgroup, formulas, detail.everything)));
    }
    if let Some(security) = &report.security {
        let of_the_host = report.of_the_host == Some(true) && report.container.is_none();
        let mut lines = security::lines(security, of_the_host, detail.everything);
        lines.extend(security.seccomp_dump.iter().flat_map(|dump| seccomp::lines(dump, detail)));
        sections.push(("security", lines));
    }
    if let Some(limits) = &report.limits {
        sections.push(("limits", limits::lines(limits, detail.everything)));
    }
    if let Some(processes) = &report.processes {
        sections.push(("processes", processes::lines(processes, detail.everything)));
    }
    laid_out(title(report), sections, detail)
}

/// A mount namespace that nobody lives in.
pub fn screen_of_vacant(vacant: &Vacant, detail: Detail) -> String {
    let Namespace { kind, inode, .. } = &vacant.namespace;
    let title = format!("{kind}:[{inode}]   a namespace that no process lives in");
    let mounts =
        vacant.mounts.as_ref().map(|all| ("mounts", mounts::lines(all, detail.everything)));
    laid_out(title, mounts.into_iter().collect(), detail)
}

fn laid_out(title: String, sections: Vec<Lines>, detail: Detail) -> String {
    let mut lines = vec![(String::new(), title)];
    for (name, body) in sections {
        for (at, line) in body.into_iter().enumerate() {
            lines.push((format!("{:<13}", if at == 0 { name } else { "" }), line));
        }
    }
    let mut text = String::new();
    for (name, mut line) in lines {
        if let Some(width) = detail.width {
            cut(&mut line, width.saturating_sub(name.len()));
        }
        let line = heading(&name, detail.emphasis) + &line;
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `web   docker 6961dd4fce83   my_nginx:v1.0   running 3h   pid 30176 (1 inside)`
fn title(report: &Inspection) -> String {
    let mut parts = Vec::new();
    match &report.container {
        Some(container) => {
            parts.push(container.label().to_string());
            if container.runtime != Runtime::Unknown {
                let id = container
                    .id
                    .as_ref()
                    .map(|id| format!(" {}", id.shortened(13).trim_end_matches('…')));
                parts.push(format!("{}{}", container.runtime, id.unwrap_or_default()));
            }
            parts.extend(container.image.as_ref().map(Text::to_string));
            let age = container.age_seconds.map(|age| format!(" {}", human::age(age)));
            parts.push(format!("{}{}", container.state.name(), age.unwrap_or_default()));
        }
        None => {
            parts.push(report.comm.to_string());
            parts.push(match report.of_the_host {
                Some(true) => "a process of the host".to_owned(),
                Some(false) => "isolated".to_owned(),
                None => "its isolation cannot be seen".to_owned(),
            });
        }
    }
    let inside = match report.pid_inside {
        Some(inside) if inside != report.pid => format!(" ({inside} inside)"),
        _ => String::new(),
    };
    parts.push(format!("pid {}{inside}", report.pid));
    parts.join("   ")
}

/// Warnings first, marked; a line each.
fn findings(findings: &[Finding]) -> Vec<String> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let mark = |level| if level == Level::Warning { '!' } else { '·' };
    let line = |finding: &&Finding| format!("{} {}", mark(finding.level), finding.text);
    sorted.iter().map(line).collect()
}
