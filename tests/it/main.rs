//! Integration tests: the real program on real files. One binary, so that it links once.

#[allow(unreachable_pub, reason = "shared by the modules of this binary")]
mod support;

mod failure;
mod forgotten;
mod language;
mod process;
mod quickstart;
mod rows;
mod shipped;
mod timeline;
mod upstream;
mod verdicts;
