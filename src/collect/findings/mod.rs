//! What is unusual in what was collected: pure, one file a section.

pub mod net;
