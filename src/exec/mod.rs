//! Does the work of one node. Knows nothing of the graph, of pools, or of who is watching.

pub mod api;
pub mod command;
mod go;
mod kinds;
pub mod outputs;
pub mod sources;
pub mod worker;
