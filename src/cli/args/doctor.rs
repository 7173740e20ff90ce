//! Arguments of the commands that look at a project and its machine.

use clap::Args;

/// `doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Also ask AWS whose the credentials are, and whether each region to publish in answers.
    #[arg(long)]
    pub online: bool,
}
