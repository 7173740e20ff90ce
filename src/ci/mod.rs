//! What runs on other people's machines, as text: matrices, workflows, templates. Pure: values in, text out.

pub mod facts;
pub mod matrix;
pub mod model;
pub mod oidc;
pub mod workflow;
pub mod yaml;
