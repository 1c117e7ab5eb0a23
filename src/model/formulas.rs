//! What other tools would print for the same numbers: each has its own formula.

/// `docker stats`, `podman stats`: hundredths of a per cent are what both print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Usage less inactive file cache; all of it where the cache is said to be more.
    pub memory_bytes: u64,
    /// Its own limit, or the machine's memory where that is less.
    pub memory_limit_bytes: u64,
    /// Of that limit: 569 is 5.69 %; 0 where there is none.
    pub memory_percent_hundredths: u64,
    /// Only where an interval was asked for.
    pub cpu_percent_hundredths: Option<u64>,
}

/// `kubectl top`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// Usage less inactive file cache, never below zero.
    pub memory_bytes: u64,
    /// Only where an interval was asked for.
    pub cpu_millicores: Option<u64>,
}

/// One target's numbers by each of the formulas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Formulas {
    /// `docker stats`: CPU by what the machine's CPUs counted meanwhile.
    pub docker: Stats,
    /// `podman stats`: CPU by the clock.
    pub podman: Stats,
    /// `kubectl top`, which asks the kubelet.
    pub kubelet: Top,
}
