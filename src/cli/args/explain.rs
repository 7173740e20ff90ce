//! `explain`.

use clap::Args;

/// `explain`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  ocelot explain OC0208
  ocelot explain unused-param missing-tool
  ocelot explain                   # all of them, by topic")]
pub struct ExplainArgs {
    /// Codes such as `OC0208`, or their names; without one, all codes are listed.
    #[arg(value_name = "CODE")]
    pub codes: Vec<String>,
}
