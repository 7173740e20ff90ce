//! YAML text to checked values. Pure: takes text, returns values.

pub mod budget;
pub mod ci;
pub mod config;
pub mod lock;
pub mod misplaced;
pub mod pipeline;
pub mod smoke;
pub mod value;
pub mod yaml;
