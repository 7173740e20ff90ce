//! The world beyond the project: processes, signals, repositories, registries. Narrow traits, real clients.

pub mod download;
pub mod files;
pub mod git;
pub mod github;
pub mod lambda;
pub mod process;
pub mod registry;
pub mod signals;
mod tls;
