//! A new project as text. Pure: names and texts in, files out.

pub mod makefile;
