//! `ci`: what GitHub Actions needs to run a pipeline on several machines.

mod matrix;
mod workflow;

use crate::cli::args::CiCommand;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;

/// `ci`.
///
/// # Errors
/// As the command inside.
pub(in crate::cli) fn ci(process: &Process, command: &CiCommand) -> Result<Exit, Stop> {
    match command {
        CiCommand::Matrix(args) => matrix::matrix(process, args),
        CiCommand::Workflow(args) => workflow::workflow(process, args),
    }
}
