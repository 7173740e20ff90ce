//! Arguments of `verify`.

use clap::Args;

/// `verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// A layer zip: held against Lambda's rules and against its own configuration, not started.
    #[arg(value_name = "LAYER", required_unless_present = "twice")]
    pub layer: Option<String>,
    /// What the layer is for; without it, what its binary says.
    #[arg(short, long, value_name = "ARCH", value_parser = ["amd64", "arm64"], requires = "layer")]
    pub architecture: Option<String>,
    /// Build the layer again in a fresh copy of the project, and say whether the same bytes come out or which input differs.
    #[arg(long, requires = "layer", requires = "provenance")]
    pub rebuild: bool,
    /// The layer's provenance, as a report with the format `provenance` writes it.
    #[arg(long, value_name = "FILE", requires = "rebuild")]
    pub provenance: Option<String>,
    /// The node to work twice, in a fresh copy of the project, for example `'collector[arm64]'`; may repeat.
    #[arg(long, value_name = "NODE", conflicts_with = "layer")]
    pub twice: Vec<String>,
    /// Another pipeline than the one last run here.
    #[arg(short, long, value_name = "PIPELINE")]
    pub pipeline: Option<String>,
    /// Set a parameter.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}
