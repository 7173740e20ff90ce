//! From a node and its inputs to an action digest, and from what is known about it to a verdict. Pure.

pub mod compare;
pub mod describe;
pub mod manifest;
pub mod result;
pub mod topic;
pub mod verdict;
