//! Integration tests: the real program on real files. One binary, so that it links once.

#![allow(clippy::disallowed_methods, reason = "tests start the program and are steered by variables")]

#[allow(unreachable_pub, reason = "shared by the modules of this binary")]
mod support;

mod affected;
mod aws;
mod ci;
mod cli_reference;
mod diagnostics;
mod discovered;
mod docs;
mod elsewhere;
mod failure;
mod faults;
mod forgotten;
mod frugal;
mod github;
mod hostile;
mod language;
mod layering;
mod meanwhile;
mod moved_output;
mod page;
mod pipelines;
mod process;
mod quickstart;
mod rows;
mod schema;
mod shipped;
mod smoke;
mod snapshot;
mod state_bundle;
mod timeline;
mod upstream;
mod verdicts;
