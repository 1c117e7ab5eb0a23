//! What is unusual about a target: pure functions over what was read, a file for each section.

use crate::model::finding::{Finding, Level};
use crate::model::inspection::Inspection;
use crate::model::security::Surroundings;

mod cgroup;
mod limits;
mod mounts;
mod net;
mod processes;
mod security;

/// Puts into the report what its sections give, the worst first.
pub fn add(report: &mut Inspection, around: &Surroundings) {
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(report.network.iter().flat_map(net::of_network));
    findings.extend(report.cgroup.iter().flat_map(cgroup::findings));
    findings.extend(report.limits.iter().flat_map(limits::findings));
    findings.extend(processes::findings(report));
    if let (Some(container), Some(security)) = (&report.container, &report.security) {
        let is_of_pod = container.pod.is_some();
        findings.extend(security::findings(security, around, container.runtime, is_of_pod));
    }
    if let (Some(container), Some(found)) = (&report.container, &report.mounts) {
        findings.extend(mounts::findings(found, around, container.runtime));
    }
    findings.sort_by_key(|finding| finding.level != Level::Warning);
    report.findings = findings;
}
