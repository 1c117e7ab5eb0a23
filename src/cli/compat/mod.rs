//! Personalities: nsx called by the name of a tool that it can stand in for. Options, output and
//! exit codes are that tool's; what is read, and how safely, is nsx's.

pub mod getopt;
