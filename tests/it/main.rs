//! Integration tests: the real program on real files. One binary, so that it links once.

#[allow(unreachable_pub, reason = "shared by the modules of this binary")]
mod support;

mod failure;
mod forgotten;
mod language;
mod process;
mod rows;
mod timeline;
mod verdicts;
