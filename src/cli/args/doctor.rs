//! Arguments of the commands that look at a project and its machine.

use clap::Args;

use crate::cli::args::SelectArgs;

/// `doctor`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot doctor
  ocelot doctor --online            # asks AWS as well")]
pub struct DoctorArgs {
    /// Also ask AWS whose the credentials are, and whether each region to publish in answers.
    #[arg(long)]
    pub online: bool,
}

/// `lint`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot lint
  ocelot lint layers --exit-code")]
pub struct LintArgs {
    /// The pipeline; targets are not looked at.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Exit with 10 if anything was found.
    #[arg(long)]
    pub exit_code: bool,
}
