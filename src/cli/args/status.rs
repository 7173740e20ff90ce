//! Arguments of `status`.

use clap::Args;

use crate::cli::args::SelectArgs;

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// What.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Exit with 10 if a run would publish or share something.
    #[arg(long)]
    pub exit_code: bool,
}
