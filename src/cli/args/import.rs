//! Arguments of `import`.

use clap::Args;

/// `import`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot import ../old-layers                  # into this folder
  ocelot import ../old-layers --into layers")]
pub struct ImportArgs {
    /// A checkout of the original tool: a folder with `tools/ocelot.py` and `config/distributions.yaml`.
    pub from: String,
    /// The folder of the project, made if it is not there; this one unless given.
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<String>,
}
