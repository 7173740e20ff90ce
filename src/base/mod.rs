//! Leaf types: what every other folder may use. No I/O, no clock, no environment.

pub mod digest;
