//! Running commands: start, supervise, capture, end. The only place that uses `std::process::Command`.

#![allow(clippy::disallowed_methods, reason = "the one place that starts commands")]

pub mod again;
pub mod cancel;
pub mod command;
pub mod conversation;
pub mod describe;
mod group;
pub mod output;
mod pause;
pub mod redact;
pub mod runner;
mod start;
pub mod start_error;
pub mod terminal;
pub mod watcher;
