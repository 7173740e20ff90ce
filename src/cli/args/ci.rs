//! Arguments of `ci`.

use clap::{Args, Subcommand};

use crate::cli::args::SelectArgs;

/// `ci`.
#[derive(Clone, Debug, Subcommand)]
pub enum CiCommand {
    /// Print the matrix of a job: an entry for each architecture and region that has something to do.
    Matrix(MatrixArgs),
}

/// `ci matrix`.
#[derive(Clone, Debug, Args)]
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
