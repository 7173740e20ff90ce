//! What a release tells its users: an index of layer versions, and the same in the forms that their tools read.
//!
//! All of it is rendered from one [`index::Index`], that of a run or the merged one of a release, so that no two files
//! can disagree.

pub mod assets;
pub mod body;
pub mod choose;
pub mod index;
pub mod maps;
mod merge;
pub mod name;
pub mod notes;
pub mod table;

#[cfg(test)]
pub(crate) mod testing;
