//! Arguments of `verify`.

use clap::Args;

use crate::cli::args::{PIPELINE, StoreArgs};

/// `verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot verify build/collector-arm64-minimal.zip
  ocelot verify arn:aws:lambda:us-east-1:123456789012:layer:ocel-arm64-minimal-0_145_0:3 --against build/collector-arm64-minimal.zip
  ocelot verify --twice 'collector[minimal,arm64]'")]
pub struct VerifyArgs {
    /// What is to be verified; may repeat. A layer zip is held against Lambda's rules and against its own configuration,
    /// not started. An ARN is looked for in every region; each version that the `index.json` of a release names is looked
    /// up; of a `publish` node, what is there is compared with what is built here.
    #[arg(value_name = "LAYER|ARN|INDEX|NODE", required_unless_present = "twice")]
    pub what: Vec<String>,
    /// What a layer zip is for; without it, what its binary says.
    #[arg(short, long, value_name = "ARCH", value_parser = ["amd64", "arm64"], requires = "what")]
    pub architecture: Option<String>,
    /// Build a layer zip again in a fresh copy of the project, and say whether the same bytes come out or which input
    /// differs.
    #[arg(long, requires = "what", requires = "provenance", help_heading = "Building again")]
    pub rebuild: bool,
    /// The layer's provenance, as a report with the format `provenance` writes it.
    #[arg(long, value_name = "FILE", requires = "rebuild", help_heading = "Building again")]
    pub provenance: Option<String>,
    /// Do the work of this pure node twice, in a fresh copy of the project, and compare, for example
    /// `'collector[arm64]'`; may repeat.
    #[arg(long, value_name = "NODE", conflicts_with = "what", help_heading = "Building again")]
    pub twice: Vec<String>,
    /// A zip that was built here, to compare an ARN with.
    #[arg(long, value_name = "ZIP", conflicts_with_all = ["twice", "rebuild"], help_heading = "What was published")]
    pub against: Option<String>,
    /// Look for an ARN's layer in this region; may repeat. Unless given, in all of `config/regions.yaml`.
    #[arg(long, value_name = "REGION", conflicts_with_all = ["twice", "rebuild"], help_heading = "What was published")]
    pub region: Vec<String>,
    /// Where.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Another pipeline than the one last run here.
    #[arg(short, long, value_name = "PIPELINE", help_heading = PIPELINE)]
    pub pipeline: Option<String>,
    /// Set a parameter.
    #[arg(long, value_name = "NAME=VALUE", help_heading = PIPELINE)]
    pub set: Vec<String>,
}
