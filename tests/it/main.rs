//! Integration tests: the real program on real files. One binary, so that it links once.

mod support;

mod failure;
mod forgotten;
mod language;
mod process;
mod rows;
mod verdicts;
