//! The scheduler: which node next. Pure: ids, costs and completions only; no I/O, clock, thread or hash.

pub mod cost;
pub mod critical;
pub mod forecast;
pub mod machine;
