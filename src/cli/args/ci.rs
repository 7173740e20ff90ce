//! Arguments of `ci`.

use clap::{Args, Subcommand};

use crate::cli::args::SelectArgs;

/// `ci`.
#[derive(Clone, Debug, Subcommand)]
pub enum CiCommand {
    /// Print the matrix of a job: an entry for each architecture and region that has something to do.
    Matrix(MatrixArgs),
    /// Write the workflow that builds, publishes, reports and releases the layers of a pipeline.
    Workflow(WorkflowArgs),
}

/// `ci matrix`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot ci matrix layers published --name jobs
  ocelot ci matrix layers --all")]
pub struct MatrixArgs {
    /// What: the instances of these targets are listed, not what they need; without targets, those that have the most
    /// of architecture and region.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Every architecture and region, up to date or not, as the arrays `build_jobs` and `release_jobs`.
    #[arg(long)]
    pub all: bool,
    /// The step output that takes the matrix; `NAME-empty` says whether it has no entry, `NAME-2` and so on take what is
    /// beyond 256 entries.
    #[arg(long, value_name = "NAME", default_value = "matrix")]
    pub name: String,
}

/// `ci workflow`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot ci workflow layers            # writes .github/workflows/layers.yml
  ocelot ci workflow layers --check    # fails if that file is not what would be written")]
pub struct WorkflowArgs {
    /// The pipeline.
    pub pipeline: String,
    /// Write nothing; fail if the file is not what would be written.
    #[arg(long)]
    pub check: bool,
    /// A publishing job for each architecture and region, rather than one for all.
    #[arg(long)]
    pub per_region_jobs: bool,
    /// Build ocelot from this repository, rather than download a release of it.
    #[arg(long)]
    pub from_source: bool,
    /// The file; `.github/workflows/PIPELINE.yml` unless given, `-` for standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<String>,
}
