//! Control groups on disk: which hierarchies are mounted where, and the values in their files.
