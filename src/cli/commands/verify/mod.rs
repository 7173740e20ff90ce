//! `verify`: whether a layer is what it should be, here and where it was published, and whether the same comes out twice.

mod fresh_copy;
mod layer;
mod live;
mod rebuild;
mod twice;

use std::path::Path;

use crate::base::code;
use crate::cli::args::VerifyArgs;
use crate::cli::commands::versions::is_arn;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;

pub(super) use live::read_index;

/// `verify`.
///
/// # Errors
/// If what is to be verified cannot be read.
pub(in crate::cli) fn verify(process: &Process, args: &VerifyArgs) -> Result<Exit, Stop> {
    if !args.twice.is_empty() {
        return twice::verify(process, args);
    }
    let (layers, others): (Vec<&str>, Vec<&str>) =
        args.what.iter().map(String::as_str).partition(|word| is_layer(process, word));
    if args.rebuild {
        let [layer] = layers[..] else {
            return Err(Stop::usage(code::UNUSABLE_OPTION, "`--rebuild` makes one layer again")
                .hint("name one zip, and its provenance"));
        };
        return rebuild::verify(process, layer, args);
    }
    let mut exit = Exit::Ok;
    for layer in layers {
        exit = worse(exit, layer::verify(process, layer, args)?);
    }
    if !others.is_empty() {
        exit = worse(exit, live::verify(process, &others, args)?);
    }
    Ok(exit)
}

fn worse(one: Exit, other: Exit) -> Exit {
    if one == Exit::Ok { other } else { one }
}

/// Whether a word names a layer zip: by its ending, or by being a file that is no index.
fn is_layer(process: &Process, word: &str) -> bool {
    let ends_in = |end: &str| Path::new(word).extension().is_some_and(|extension| extension.eq_ignore_ascii_case(end));
    !is_arn(word) && (ends_in("zip") || (!ends_in("json") && process.dir.join(word).is_file()))
}
