//! `verify`: whether a layer is what it should be, and whether the same comes out twice.

mod fresh_copy;
mod layer;
mod rebuild;
mod twice;

use crate::cli::args::VerifyArgs;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;

/// `verify`.
///
/// # Errors
/// If what is to be verified cannot be read.
pub(in crate::cli) fn verify(process: &Process, args: &VerifyArgs) -> Result<Exit, Stop> {
    match &args.layer {
        Some(layer) if args.rebuild => rebuild::verify(process, layer, args),
        Some(layer) => layer::verify(process, layer, args),
        None => twice::verify(process, args),
    }
}
