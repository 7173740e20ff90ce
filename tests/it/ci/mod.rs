//! What GitHub Actions is given: matrices, workflows, and what checks them.

mod gates;
mod matrix;
mod whole;
