//! Durable state: the content store shared by all workspaces of a user, and the state of one workspace.

pub mod atomic;
mod blobs;
pub mod bundle;
pub mod cache;
pub mod cache_blobs;
pub mod cache_error;
pub mod cache_options;
mod compact;
#[cfg(test)]
mod fault_tests;
pub mod frame;
pub mod fs;
pub mod gc;
mod hash;
pub mod history;
pub mod lock;
pub mod look;
pub mod medium;
pub mod new_files;
pub mod path_table;
pub mod receipt_bundle;
pub mod receipts;
pub mod sections;
mod segment;
mod segment_writer;
#[cfg(test)]
pub(crate) mod sim_cache;
#[cfg(test)]
pub(crate) mod sim_fs;
pub mod tail;
pub mod verify;
