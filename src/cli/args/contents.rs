//! Arguments of the commands that say what there is, and what is in it.

use clap::{Args, ValueEnum};

/// `components`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot components -d minimal
  ocelot components build/collector-arm64-minimal.zip --sizes
  ocelot components new.zip --diff old.zip")]
pub struct ComponentsArgs {
    /// A layer zip, or a collector binary.
    #[arg(value_name = "LAYER", required_unless_present = "distribution")]
    pub layer: Option<String>,
    /// A distribution of `config/distributions.yaml`, before anything is built.
    #[arg(short, long, value_name = "DIST", conflicts_with = "layer")]
    pub distribution: Option<String>,
    /// Show what this other layer has more (+), less (-) or in another version.
    #[arg(long, value_name = "LAYER", requires = "layer")]
    pub diff: Option<String>,
    /// Show instead how many bytes of code each Go module has in the layer, the largest first.
    #[arg(long, requires = "layer", conflicts_with = "distribution")]
    pub sizes: bool,
}

/// `check-config`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot check-config config/examples/minimal.yaml -d minimal
  ocelot check-config collector.yaml --layer build/collector-arm64-minimal.zip")]
pub struct CheckConfigArgs {
    /// The configuration.
    #[arg(value_name = "FILE")]
    pub file: String,
    /// Against this distribution of `config/distributions.yaml`.
    #[arg(short, long, value_name = "DIST", required_unless_present = "layer")]
    pub distribution: Option<String>,
    /// Against this layer zip, or collector binary.
    #[arg(long, value_name = "LAYER", conflicts_with = "distribution")]
    pub layer: Option<String>,
}

/// `list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot list distributions
  ocelot list nodes -p quickstart --since origin/main")]
pub struct ListArgs {
    /// Of what.
    #[arg(value_enum)]
    pub what: ListWhat,
    /// The pipeline, for nodes.
    #[arg(short, long, value_name = "PIPELINE", help_heading = "Nodes")]
    pub pipeline: Option<String>,
    /// Set a parameter.
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Nodes")]
    pub set: Vec<String>,
    /// Only nodes that files changed since this commit reach.
    #[arg(long, value_name = "GITREF", help_heading = "Nodes")]
    pub since: Option<String>,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListWhat {
    /// Distributions with their tags.
    Distributions,
    /// Custom components.
    Components,
    /// Nodes of a pipeline.
    Nodes,
    /// Regions.
    Regions,
    /// Pipelines.
    Pipelines,
}
