//! Which pipeline, targets and parameters a command is about.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::code;
use crate::cli::args::SelectArgs;
use crate::cli::exit::Stop;
use crate::cli::process::Process;
use crate::project::find::{self, Located};
use crate::project::params::Sets;

/// The pipeline and targets of a command.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Selection {
    /// The pipeline.
    pub(in crate::cli) pipeline: Located,
    /// Targets as given.
    pub(in crate::cli) targets: Vec<String>,
    /// Parameters as given.
    pub(in crate::cli) sets: Sets,
}

/// What is remembered of the last run in a workspace.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::cli) struct LastRun {
    /// The pipeline, relative to the root.
    pub(in crate::cli) pipeline: String,
    /// Its parameters.
    pub(in crate::cli) sets: Sets,
    /// Names of its nodes, to tell a target from a pipeline.
    pub(in crate::cli) nodes: Vec<String>,
}

impl LastRun {
    pub(in crate::cli) fn file(root: &Path) -> PathBuf {
        root.join(".ocelot/state/last")
    }

    /// Reads it; nothing if there is none.
    pub(in crate::cli) fn read(root: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::file(root)).ok()?).ok()
    }
}

/// Parses `--set NAME=VALUE`.
///
/// # Errors
/// A word without `=`.
pub(in crate::cli) fn parse_sets(given: &[String]) -> Result<Sets, Stop> {
    let mut sets = Sets::new();
    for set in given {
        let Some((name, value)) = set.split_once('=') else {
            return Err(
                Stop::usage(code::BAD_ARGUMENT, format!("`--set {set}` has no `=`")).hint("write `--set NAME=VALUE`")
            );
        };
        sets.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    Ok(sets)
}

/// Tells the pipeline from the targets.
///
/// # Errors
/// No pipeline, an unknown one, or a word that could be both.
pub(in crate::cli) fn select(process: &Process, args: &SelectArgs) -> Result<Selection, Stop> {
    let dir = &process.dir;
    let last = LastRun::read(dir);
    let sets = parse_sets(&args.set)?;
    let usage = |error: find::FindError| Stop::usage(code::NO_PIPELINE, error);
    let located = |file: &Path| find::locate(file).map_err(usage);
    if let Some(name) = &args.pipeline {
        let file = find::as_pipeline(dir, name).ok_or_else(|| usage(find::unknown(dir, name)))?;
        return Ok(Selection { pipeline: located(&file)?, targets: args.words.clone(), sets });
    }
    let default = || find::default(dir, last.as_ref().map(|last| last.pipeline.as_str()));
    let Some(first) = args.words.first() else {
        return Ok(Selection { pipeline: located(&default().map_err(usage)?)?, targets: Vec::new(), sets });
    };
    match find::as_pipeline(dir, first) {
        Some(file) => {
            let pipeline = located(&file)?;
            let also_target = last.as_ref().filter(|last| last.pipeline != pipeline.file && last.nodes.contains(first));
            if let Some(last) = also_target {
                let message =
                    format!("`{first}` is a pipeline, and a node of `{}`, which was last run here", last.pipeline);
                return Err(Stop::usage(code::NO_PIPELINE, message).hint(format!(
                    "write `-p {first}` for the pipeline, or `-p {} {first}` for the node",
                    last.pipeline
                )));
            }
            Ok(Selection { pipeline, targets: args.words[1..].to_vec(), sets })
        }
        None => {
            let looks_like_file = first.ends_with(".yaml") || first.ends_with(".yml");
            let file = match default() {
                Ok(file) if !looks_like_file => file,
                _ => return Err(usage(find::unknown(dir, first))),
            };
            Ok(Selection { pipeline: located(&file)?, targets: args.words.clone(), sets })
        }
    }
}
