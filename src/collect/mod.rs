//! Reads the system into the model. Changes nothing, prints nothing.

pub mod cgroups;
