//! Knowledge of collector layers: sources, components, configurations, binaries, zips, names and AWS's rules for them.
//!
//! Pure: text and bytes in, values out. Files, processes, clock and network belong to the callers.

pub mod arch;
pub mod arn;
pub mod build_constraint;
pub mod build_info;
pub mod code_size;
pub mod collector_config;
pub mod compare;
pub mod component;
pub mod component_dependencies;
pub mod component_type;
pub mod config_yaml;
pub mod contract;
pub mod deflate;
pub mod description;
pub mod elf;
pub mod error;
pub mod geography;
pub mod go_flags;
pub mod go_functions;
pub mod go_mod;
pub mod go_source;
pub mod go_sum;
pub mod go_target;
pub mod go_version;
pub mod hashes;
pub mod inspection;
pub mod limits;
pub mod name;
pub mod provenance;
pub mod record;
pub mod regions;
pub mod release;
pub mod retention;
pub mod sbom;
pub mod start_config;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;
pub mod zip_read;
pub mod zip_write;
