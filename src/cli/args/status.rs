//! Arguments of the commands about layers that are published.

use clap::Args;

use crate::cli::args::SelectArgs;

/// `status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ocelot status layers --set region=all
  ocelot status layers --exit-code  # 10 if a run would publish or share
  ocelot status layers --fix        # publishes and shares what is missing")]
pub struct StatusArgs {
    /// What.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Exit with 10 if a run would publish or share something.
    #[arg(long)]
    pub exit_code: bool,
    /// Print a Markdown table.
    #[arg(long)]
    pub markdown: bool,
    /// Publish and share what is missing.
    #[arg(long, help_heading = "Mending")]
    pub fix: bool,
    /// Also take back what is shared beyond what is declared; only statements of ours, and only after you say yes.
    #[arg(long, requires = "fix", help_heading = "Mending")]
    pub unshare: bool,
    /// Do not ask.
    #[arg(long, requires = "unshare", help_heading = "Mending")]
    pub yes: bool,
}

/// Which store an ARN is looked up in.
#[derive(Clone, Debug, Default, Args)]
pub struct StoreArgs {
    /// The store of `layer:…` names: `directory:PATH`. ARNs are AWS's.
    #[arg(long, value_name = "REGISTRY", help_heading = "Where layers are kept")]
    pub registry: Option<String>,
}

/// `copy`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot copy arn:aws:lambda:us-east-1:123456789012:layer:ocel-arm64-minimal-0_145_0:3 --to eu-north-1
  ocelot copy build/release/index.json --to eu-north-1 --to eu-west-3 --public")]
pub struct CopyArgs {
    /// A layer version's ARN, or the `index.json` of a release for all of its layers; may repeat.
    #[arg(value_name = "ARN|INDEX", required = true)]
    pub from: Vec<String>,
    /// The region to copy into; may repeat.
    #[arg(long, value_name = "REGION", required = true)]
    pub to: Vec<String>,
    /// Let everybody use the copies; unless given, they are shared as their source is.
    #[arg(long)]
    pub public: bool,
    /// Where.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `explain-layer`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot explain-layer arn:aws:lambda:us-east-1:123456789012:layer:ocel-arm64-minimal-0_145_0:3
  ocelot explain-layer layer:us-east-1:ocel:1 --registry directory:build/registry")]
pub struct ExplainLayerArgs {
    /// The layer version, of whatever account.
    pub arn: String,
    /// The metadata table that has more of it, as NAME@REGION.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Where.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `prune`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot prune layers --keep 3                             # shows what would go, and asks
  ocelot prune layers --keep 1 --older-than '90 days' --index index.json")]
pub struct PruneArgs {
    /// The pipeline and the `publish` nodes whose layers are looked through: their names, groups, regions and stores.
    #[command(flatten)]
    pub select: SelectArgs,
    /// How many collector versions to keep of each distribution, architecture and group; at least 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "What stays")]
    pub keep: u32,
    /// Delete only what was published longer ago than this, for example `90 days`.
    #[arg(long, value_name = "DAYS", help_heading = "What stays")]
    pub older_than: Option<String>,
    /// A collector version of which layers may be there that do not say so themselves, for example `v0.119.0`; may
    /// repeat.
    #[arg(long, value_name = "VERSION", help_heading = "What stays")]
    pub collector_version: Vec<String>,
    /// The `index.json` of a release: what it names is current and stays; may repeat.
    #[arg(long, value_name = "FILE", help_heading = "What stays")]
    pub index: Vec<String>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `registry`.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum RegistryCommand {
    /// Make the metadata table that `table:` of a `publish` names.
    #[command(after_help = "Examples:
  ocelot registry init ocelot-layers@us-east-1")]
    Init {
        /// The table, as NAME@REGION, for example `ocelot-layers@us-east-1`.
        #[arg(value_name = "TABLE")]
        table: String,
    },
}
