//! Reads a file that a dependency left.

use crate::action::result::{ActionResult, Content, FileContent};
use crate::exec::api::{Dep, Job, WorkError, World};
use crate::layer::limits::UNZIPPED_LIMIT;

/// The bytes of a dependency's output.
///
/// # Errors
/// If it is gone or damaged, so that the dependency has to run again; no file; or over the limit of a layer.
pub(in crate::exec) fn read(world: &World, job: &Job, field: &str, output: &str) -> Result<Vec<u8>, WorkError> {
    let (dep, result) = job.dep(field)?;
    let file = file(dep, result, output)?;
    if file.size > UNZIPPED_LIMIT {
        return Err(WorkError::Invalid(format!(
            "the {output} of `{}` has {} bytes; a layer takes at most {UNZIPPED_LIMIT} unpacked: leave out components",
            dep.name, file.size
        )));
    }
    world.cache.read_blob(&file.digest, file.size).ok_or(WorkError::NeedsProducer(dep.id))
}

/// What a dependency's output is, which has to be a file.
pub(in crate::exec) fn file(dep: &Dep, result: &ActionResult, output: &str) -> Result<FileContent, WorkError> {
    match result.output(output).map(|output| &output.content) {
        Some(Content::File(file)) => Ok(*file),
        _ => Err(WorkError::Internal(format!("`{}` has no file `{output}`", dep.name))),
    }
}
