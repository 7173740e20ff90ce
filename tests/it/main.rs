//! Integration tests: the real program on real files. One binary, so that it links once.

#![allow(clippy::disallowed_methods, reason = "tests start the program and are steered by variables")]

#[allow(unreachable_pub, reason = "shared by the modules of this binary")]
mod support;

mod affected;
mod ahead;
mod aws;
mod broken;
mod budgets;
mod ci;
mod cli_reference;
mod code_size;
mod codes;
mod diagnostics;
mod discovered;
mod docs;
mod doctor;
mod elsewhere;
mod failure;
mod faults;
mod forgotten;
mod frugal;
mod github;
mod hostile;
mod import;
mod init;
mod language;
mod layering;
mod lint;
mod meanwhile;
mod moved_output;
mod page;
mod pipelines;
mod plan;
mod process;
mod provenance;
mod published;
mod quickstart;
mod registry;
mod release;
mod rows;
#[allow(unreachable_pub, reason = "shared by the modules of this binary")]
mod runner;
mod runs;
mod schema;
mod shell;
mod shipped;
mod shown;
mod smoke;
mod snapshot;
mod soak;
mod state_bundle;
mod terminal;
mod timeline;
mod upstream;
mod verdicts;
mod walked;
mod watch;
