//! Sinks: what a person or a machine sees of a run.

pub mod closing;
pub mod github;
pub mod history;
pub mod json;
pub mod lines;
pub mod page;
pub mod progress;
pub mod table;
pub mod trace;
mod view;
