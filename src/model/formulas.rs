//! What other tools would print for the same numbers: each has its own formula.

/// `docker stats`, `podman stats`: hundredths of a per cent are what both print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub memory_bytes: u64,
    /// Its own limit, or the machine's memory where that is less.
    pub memory_limit_bytes: u64,
    pub memory_percent_hundredths: u64,
    /// Only where an interval was asked for.
    pub cpu_percent_hundredths: Option<u64>,
}

/// `kubectl top`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    pub memory_bytes: u64,
    /// Only where an interval was asked for.
    pub cpu_millicores: Option<u64>,
}

/// One target's numbers by each of the formulas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Formulas {
    pub docker: Stats,
    pub podman: Stats,
    pub kubelet: Top,
}
