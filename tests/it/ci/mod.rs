//! What GitHub Actions is given: matrices, workflows, and what checks them.

mod gates;
mod jobs;
mod matrix;
mod whole;
