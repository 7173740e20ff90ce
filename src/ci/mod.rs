//! What runs on other people's machines, as text: matrices, workflows, templates. Pure: values in, text out.

pub mod matrix;
