//! The DAG of node instances: immutable once built, and a pure function of the pipeline and its parameters.

pub mod build;
pub mod check;
pub mod declared;
pub mod elsewhere;
mod expand;
pub mod fold;
mod kind_values;
pub mod kinds;
pub mod node;
mod order;
mod origin;
pub mod outline;
pub mod paths;
mod places;
pub mod render;
pub mod scope;
pub mod select;
pub mod tree;
