//! PIDs at every level.

use crate::model::namespace::{Kind, NsKey};
use crate::model::pid_chain::PidChain;

/// A process and its numbers in JSON.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonRow<'a> {
    /// Its numbers, from here down.
    #[serde(flatten)]
    pub chain: &'a PidChain,
    /// The number that was asked for, where that is not `pid`: with `--to` the one there, with
    /// `--inside` the innermost.
    pub shown: Option<u32>,
}

/// A line each: the number here alone.
pub fn numbers(chains: &[PidChain]) -> String {
    let numbers: Vec<_> = chains.iter().map(|chain| chain.pid.to_string()).collect();
    if numbers.is_empty() { String::new() } else { numbers.join("\n") + "\n" }
}

/// A line each: the numbers from here down, then the namespace of the last.
pub fn table(chains: &[PidChain]) -> String {
    let row = |chain: &PidChain| -> String {
        let numbers: Vec<_> =
            chain.levels.iter().map(|level| format!("{:>7}", level.pid)).collect();
        let last = chain.levels.last().and_then(|level| level.namespace);
        let last = last
            .map_or_else(|| "-".to_owned(), |inode| NsKey { inode, kind: Kind::Pid }.to_string());
        format!("{}  {last}\n", numbers.join(" "))
    };
    chains.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pid_chain::Level;

    #[test]
    fn a_line_is_a_process_from_here_down() {
        let level = |namespace, pid| Level { namespace, pid };
        let nested = PidChain {
            pid: 25_403,
            levels: vec![level(Some(1), 25_403), level(None, 12), level(Some(3), 1)],
        };
        let hidden = PidChain { pid: 7, levels: vec![level(None, 7)] };
        let chains = [nested, hidden];
        assert_eq!(table(&chains), "  25403      12       1  pid:[3]\n      7  -\n");
        assert_eq!(numbers(&chains), "25403\n7\n");
    }
}
