//! Arguments of `init`.

use clap::{Args, ValueEnum};

/// `init`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot init my-layers             # asks what it is for
  ocelot init --yes --template commands")]
pub struct InitArgs {
    /// The folder of the project, made if it is not there; this one unless given.
    pub folder: Option<String>,
    /// What the project does. Unless given it is asked for; with `--yes` it is `makefile` where there is a Makefile, else
    /// `collector-layers`.
    #[arg(long, value_enum, value_name = "TEMPLATE")]
    pub template: Option<TemplateName>,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
}

/// What a new project does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TemplateName {
    /// OpenTelemetry Collector layers for AWS Lambda.
    CollectorLayers,
    /// Any commands, with an example to change.
    Commands,
    /// What the Makefile of the folder does, each target a node.
    Makefile,
}
