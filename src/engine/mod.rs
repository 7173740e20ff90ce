//! The engine: verdicts of all nodes, and the one loop that acts on them. The only place that holds both the pure core
//! and effects.

pub mod affected;
pub mod evaluate;
mod find;
pub mod job;
mod lock_key;
pub mod observe;
pub mod outcome;
pub mod plan;
pub mod run;
pub mod session;
pub mod snapshot;
pub mod sources;
pub mod state;
pub mod tools;
mod workers;
