//! Does the work of one node. Knows nothing of the graph, of pools, or of who is watching.

pub mod api;
pub mod budget;
pub mod command;
mod go;
mod kinds;
pub mod known_tags;
pub mod live;
pub mod outputs;
pub mod printed;
mod publication;
pub mod receipt;
mod reconcile;
pub mod registries;
pub mod release_name;
pub mod smoke;
pub mod sources;
pub mod standing;
#[cfg(test)]
pub(in crate::exec) mod testing;
pub mod versions;
pub mod worker;
