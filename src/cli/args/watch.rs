//! `watch`.

use clap::Args;

use crate::cli::args::SelectArgs;

/// `watch`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot watch                           # run again whenever a source changes; Ctrl-C ends
  ocelot watch quickstart 'layer[*,amd64]'
  ocelot watch layers --effects          # publish too")]
pub struct WatchArgs {
    /// What.
    #[command(flatten)]
    pub select: SelectArgs,
    /// How many nodes may work at once; the number of processors unless given.
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<u32>,
    /// Run `publish`, `release` and other effects too. Then a change waits until the run has ended: no effect is ever
    /// cancelled.
    #[arg(long)]
    pub effects: bool,
}
