//! Leaf types: what every other folder may use. No I/O, no environment.

pub mod aws_id;
pub mod clock;
pub mod code;
pub mod diag;
pub mod digest;
pub mod id;
pub mod lists;
pub mod rel_path;
pub mod shell;
pub mod suggest;
