//! Options of the commands that look back at runs.

use clap::Args;

use crate::cli::args::{NodeArgs, OfArgs};

/// `why`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot why 'layer[minimal,arm64]'
  ocelot why --last                # all that the last run did, with old and new values
  ocelot why 2 1                   # what differs between two runs
  ocelot why here.json there.json  # two machines, by files of `run --record FILE`")]
pub struct WhyArgs {
    /// A node, for example `'collector[arm64]'`; or two runs, by number or name, or two files that `--record` wrote:
    /// what differs between them.
    #[arg(value_name = "NODE|RUN|FILE", num_args = 1..=2, required_unless_present = "last")]
    pub words: Vec<String>,
    /// Say of every node that the last run did something about what it did and why.
    #[arg(long, conflicts_with = "words")]
    pub last: bool,
    /// Of which run.
    #[command(flatten)]
    pub of: OfArgs,
}

/// `log`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot log 'collector[minimal,arm64]'
  ocelot log 'collector[minimal,arm64]' --run 3
  ocelot log --follow 'collector[minimal,arm64]'")]
pub struct LogArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// What it printed in this run, by number or name, instead of the last.
    #[arg(long, value_name = "RUN", conflicts_with = "follow")]
    pub run: Option<String>,
    /// Print what it prints now, as long as the run at work here goes on.
    #[arg(short, long)]
    pub follow: bool,
}

/// `history`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot history
  ocelot history --slow -n 50")]
pub struct HistoryArgs {
    /// Show this many runs, the newest.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub last: usize,
    /// Say what made these runs slow: by node, and by reason.
    #[arg(long)]
    pub slow: bool,
}
