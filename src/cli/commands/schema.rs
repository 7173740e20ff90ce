//! `schema`: JSON Schema of the files we read, derived from the types that read them.

use schemars::{Schema, schema_for};

use crate::cli::args::{SchemaArgs, SchemaFile};
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::spec::config::{DependenciesFile, DistributionsFile, RegionsFile, SettingsFile};
use crate::spec::lock::LockFile;
use crate::spec::pipeline::PipelineFile;

/// `schema`.
///
/// # Errors
/// Never.
pub(in crate::cli) fn schema(args: &SchemaArgs) -> Result<Exit, Stop> {
    print(&text(args.file));
    Ok(Exit::Ok)
}

/// The schema of a file, as it is kept under `docs/schema/`.
pub(in crate::cli) fn text(file: SchemaFile) -> String {
    let schema: Schema = match file {
        SchemaFile::Pipeline => schema_for!(PipelineFile),
        SchemaFile::Distributions => schema_for!(DistributionsFile),
        SchemaFile::ComponentDependencies => schema_for!(DependenciesFile),
        SchemaFile::Regions => schema_for!(RegionsFile),
        SchemaFile::Ocelot => schema_for!(SettingsFile),
        SchemaFile::Lock => schema_for!(LockFile),
    };
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
