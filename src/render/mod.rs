//! Model → bytes. Pure: no system, no terminal, no clock.
//!
//! Outside bytes arrive as [`Text`](crate::model::text::Text), whose `Display` is safe; JSON and
//! TSV go through serializers.

pub mod branches;
pub mod column;
pub mod emphasis;
pub mod filter;
pub mod formulas;
pub mod human;
pub mod inspect;
pub mod inspect_json;
pub mod json;
pub mod net_wish;
pub mod ns;
pub mod ns_json;
pub mod ns_process;
pub mod ns_tree;
pub mod orphans;
pub mod peers;
pub mod pids;
pub mod plan;
pub mod ps;
pub mod report;
pub mod sandboxed;
pub mod smartcols;
pub mod spawn;
pub mod table;
pub mod who;
