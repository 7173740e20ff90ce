//! The work of each kind.

mod blob;
mod build;
mod check;
mod clone;
pub(in crate::exec) mod collector_tree;
mod depfile;
mod exec;
mod overlay;
mod package;
mod publish;
mod release;
mod report;
mod resolve;
#[cfg(test)]
mod small_tree;

use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::graph::node::Kind;

/// Does the work of one attempt.
///
/// # Errors
/// What went wrong; the worker decides about further attempts.
pub(in crate::exec) fn run(world: &World, job: &Job, log: &mut dyn Log) -> Result<Produced, WorkError> {
    match &job.node.kind {
        Kind::Exec(exec) => exec::run(world, job, exec, log),
        Kind::Clone(k) => clone::run(world, job, k, log),
        Kind::Resolve(k) => resolve::run(world, job, k, log),
        Kind::Overlay(k) => overlay::run(world, job, k, log),
        Kind::Build(k) => build::run(world, job, k, log),
        Kind::Package(package) => package::run(world, job, package, log),
        Kind::Check(check) => check::run(world, job, check, log),
        Kind::Publish(publish) => publish::run(world, job, publish, log),
        Kind::Report(report) => report::run(world, job, report),
        Kind::Release(release) => release::run(world, job, release, log),
        Kind::Group => Ok(Produced::default()),
    }
}
