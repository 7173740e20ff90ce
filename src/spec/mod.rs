//! YAML text to checked values. Pure: takes text, returns values.

pub mod pipeline;
pub mod value;
pub mod yaml;
