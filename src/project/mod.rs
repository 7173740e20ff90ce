//! A project on disk: finds its files, reads them, and turns them into a graph with the proof that it is current.

pub mod around;
pub mod find;
mod last_release;
pub mod lint;
pub mod load;
pub mod lock;
pub mod params;
pub mod texts;
