//! Options that every command takes.

use clap::{Args, ValueEnum};

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Common {
    /// Work in this directory.
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR")]
    pub dir: Option<String>,
    /// How results are shown.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub output: OutputForm,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Print what commands print, and more.
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Let nobody use the network.
    #[arg(long, global = true)]
    pub offline: bool,
    /// Fail if `ocelot.lock` would change.
    #[arg(long, global = true)]
    pub locked: bool,
    /// Use this lock file instead of `ocelot.lock`.
    #[arg(long, global = true, value_name = "FILE")]
    pub lock: Option<String>,
    /// Use this profile of the AWS configuration; as AWS_PROFILE does.
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Fail at once if another run is at work in this workspace, instead of waiting for it.
    #[arg(long, global = true)]
    pub no_wait: bool,
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// `github` under GitHub Actions, else `human`.
    #[default]
    Auto,
    /// Progress on a terminal, plain lines otherwise.
    Human,
    /// Plain lines.
    Plain,
    /// One JSON event per line.
    Json,
    /// Groups and annotations of GitHub Actions.
    Github,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A value as it is written on a command line.
pub(in crate::cli) fn named(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
