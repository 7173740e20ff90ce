//! `explain`.

use clap::Args;

/// `explain`.
#[derive(Clone, Debug, Default, Args)]
pub struct ExplainArgs {
    /// Codes such as `OC0208`, or their names; without one, all codes are listed.
    #[arg(value_name = "CODE")]
    pub codes: Vec<String>,
}
