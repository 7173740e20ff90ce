//! The command line.

mod build;
mod ci;
mod common;
mod contents;
mod doctor;
mod explain;
mod import;
mod init;
mod oidc;
mod runs;
mod shell;
mod status;
mod verify;
mod watch;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use build::BuildArgs;
pub use ci::{CiCommand, MatrixArgs, WorkflowArgs};
pub(in crate::cli) use common::named;
pub use common::{Color, Common, OutputForm};
pub use contents::{CheckConfigArgs, ComponentsArgs, ListArgs, ListWhat};
pub use doctor::{DoctorArgs, LintArgs};
pub use explain::ExplainArgs;
pub use import::ImportArgs;
pub use init::{InitArgs, TemplateName};
pub use oidc::{OidcCommand, OidcFormat, OidcSetupArgs};
pub use runs::{HistoryArgs, LogArgs, WhyArgs};
pub use shell::{CompletionsArgs, ManArgs, Shell};
pub use status::{CopyArgs, ExplainLayerArgs, PruneArgs, RegistryCommand, StatusArgs, StoreArgs};
pub use verify::VerifyArgs;
pub use watch::WatchArgs;

/// Headings of options that several commands share.
const PIPELINE: &str = "Pipeline";
const PACE: &str = "How many at once, and how far after a failure";
const AGAIN: &str = "What is done again";
const TRACES: &str = "What is written down";

/// A declarative build-graph engine, and on it OpenTelemetry Collector layers for AWS Lambda.
#[derive(Debug, Parser)]
#[command(name = "ocelot", version, about, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a project: a pipeline, its configuration, ignore lines and a workflow; replaces no file.
    Init(InitArgs),
    /// Make a project of a checkout of the original tool: copies and mends its configuration; replaces no file.
    Import(ImportArgs),
    /// Build collector layers: `run layers` with flags for its parameters.
    Build(BuildArgs),
    /// Run a pipeline, or targets of it.
    Run(RunArgs),
    /// Show what a run would do, and why; changes nothing.
    Plan(PlanArgs),
    /// Run again whenever something changes that a run depends on; leaves out effects.
    Watch(WatchArgs),
    /// Print the graph.
    Graph(GraphArgs),
    /// Explain the codes of errors and warnings: cause, example, remedy.
    Explain(ExplainArgs),
    /// Ask what is there of the layers that are published, in every region; `--fix` brings the rest there.
    Status(StatusArgs),
    /// Say what is in a published layer, where it came from, and who may use it.
    ExplainLayer(ExplainLayerArgs),
    /// Bring a published layer into other regions, with the same bytes and no build.
    Copy(CopyArgs),
    /// Delete old layer versions that nothing names any more.
    Prune(PruneArgs),
    /// Look after the metadata table.
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Say why a node is what it is: which input changed, old and new value. Or why two runs or machines differ.
    Why(WhyArgs),
    /// Print what a node printed when it last ran, or in an earlier run, or prints now.
    Log(LogArgs),
    /// List the runs that did something here, how long they took, and what the cache saved.
    History(HistoryArgs),
    /// Check a pipeline and every file of `config/`; reports all problems.
    #[command(after_help = "Examples:
  ocelot validate                  # the pipeline a run would take
  ocelot validate layers --set region=eu-west-1")]
    Validate(SelectArgs),
    /// Find what is legal and mostly a mistake: what is never used, not pinned, not proven, or secret.
    Lint(LintArgs),
    /// Look at this machine and project: tools, cache, lock, and what would make builds slow; changes nothing.
    Doctor(DoctorArgs),
    /// List what there is.
    List(ListArgs),
    /// Say which components a distribution or a layer has.
    Components(ComponentsArgs),
    /// Check a collector configuration against the components of a distribution or a layer.
    CheckConfig(CheckConfigArgs),
    /// Ask remotes again and move `ocelot.lock`.
    Update(UpdateArgs),
    /// Remove outputs whose content we recorded.
    #[command(after_help = "Examples:
  ocelot clean                     # all outputs of the pipeline
  ocelot clean quickstart 'layer[*,arm64]'")]
    Clean(SelectArgs),
    /// Say whether a layer is what it should be: a zip, what was published, or what comes out when it is built again.
    Verify(VerifyArgs),
    /// Look after the cache.
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Serve GitHub Actions: what has to run where.
    #[command(subcommand)]
    Ci(CiCommand),
    /// Serve GitHub Actions: what it may do in AWS.
    #[command(subcommand)]
    Oidc(OidcCommand),
    /// Print the JSON Schema of a file.
    Schema(SchemaArgs),
    /// Print the script that teaches a shell to complete commands, and the values of the project.
    Completions(CompletionsArgs),
    /// Write manual pages, one for each command.
    Man(ManArgs),
    /// Ends the commands of a run that died.
    #[command(name = "__watch", hide = true)]
    EndCommands,
}

/// A pipeline, targets, parameters.
#[derive(Clone, Debug, Default, Args)]
pub struct SelectArgs {
    /// A pipeline (file, or name in `pipelines/`) first, then targets such as `layer` or `'layer[*,arm64]'`.
    #[arg(value_name = "PIPELINE|TARGET")]
    pub words: Vec<String>,
    /// The pipeline; then every word is a target.
    #[arg(short, long, value_name = "PIPELINE", help_heading = PIPELINE)]
    pub pipeline: Option<String>,
    /// Set a parameter; lists are separated by commas or repeated.
    #[arg(long, value_name = "NAME=VALUE", help_heading = PIPELINE)]
    pub set: Vec<String>,
}

/// `run`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  ocelot run                                 # what `default:` of the pipeline names
  ocelot run quickstart 'layer[*,arm64]'     # one architecture
  ocelot run layers --set region=eu-west-1 --force 'checked[minimal,arm64]'")]
pub struct RunArgs {
    /// What.
    #[command(flatten)]
    pub select: SelectArgs,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
    /// Only show what would be done, as `plan`.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Arguments for the one `exec` that is the target.
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// How a run goes.
#[derive(Clone, Debug, Default, Args)]
pub struct HowArgs {
    /// How many nodes may work at once; the number of processors unless given.
    #[arg(short, long, value_name = "N", help_heading = PACE)]
    pub jobs: Option<u32>,
    /// After a failure, go on with what does not depend on it (the default).
    #[arg(long, overrides_with = "fail_fast", help_heading = PACE)]
    pub keep_going: bool,
    /// Stop starting nodes after the first failure.
    #[arg(long, help_heading = PACE)]
    pub fail_fast: bool,
    /// Run this node again whatever is known of it.
    #[arg(long, value_name = "NODE", help_heading = AGAIN)]
    pub force: Vec<String>,
    /// Never run this node: what is there of it stands, its receipts unasked; nothing there is a failure.
    #[arg(long, value_name = "NODE", help_heading = AGAIN)]
    pub as_is: Vec<String>,
    /// Do not read the action cache.
    #[arg(long, help_heading = AGAIN)]
    pub no_cache: bool,
    /// Run every `exec` in a fresh directory with only its declared inputs.
    #[arg(long, help_heading = AGAIN)]
    pub sandbox: bool,
    /// Keep intermediate files under `.ocelot/work/`.
    #[arg(long, help_heading = TRACES)]
    pub keep_temp: bool,
    /// Write into this file what every node was made from, to be compared with that of another machine by `why A B`.
    #[arg(long, value_name = "FILE", help_heading = TRACES)]
    pub record: Option<String>,
    /// Write a trace of the run into this file, for ui.perfetto.dev or chrome://tracing.
    #[arg(long, value_name = "FILE", help_heading = TRACES)]
    pub trace: Option<String>,
}

/// `plan`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  ocelot plan                      # what a run would do, and why
  ocelot plan --exit-code          # 10 if there is anything to do
  ocelot plan layers --live        # ask AWS what is there as well")]
pub struct PlanArgs {
    /// What.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Plan as if these nodes were forced.
    #[arg(long, value_name = "NODE", help_heading = AGAIN)]
    pub force: Vec<String>,
    /// Plan as if these nodes were taken as they are.
    #[arg(long, value_name = "NODE", help_heading = AGAIN)]
    pub as_is: Vec<String>,
    /// Plan as if the action cache were not read.
    #[arg(long, help_heading = AGAIN)]
    pub no_cache: bool,
    /// Write into this file what every node is made from, to be compared with that of another machine by `why A B`.
    #[arg(long, value_name = "FILE", help_heading = TRACES)]
    pub record: Option<String>,
    /// Exit with 10 if anything is to be done.
    #[arg(long)]
    pub exit_code: bool,
    /// Also ask what is there of the layers that are published.
    #[arg(long)]
    pub live: bool,
}

/// `graph`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot graph quickstart
  ocelot graph --format html > graph.html     # one page: drawing, table, timeline, layers
  ocelot graph --format dot | dot -Tsvg > graph.svg")]
pub struct GraphArgs {
    /// What.
    #[command(flatten)]
    pub select: SelectArgs,
    /// How it is drawn.
    #[arg(long, value_enum, default_value_t)]
    pub format: GraphFormat,
    /// In a tree, every node in a line of its own: instances are not folded.
    #[arg(long)]
    pub full: bool,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Indented text; instances of one node are one line.
    #[default]
    Tree,
    /// For Graphviz.
    Dot,
    /// For Markdown pages.
    Mermaid,
    /// For machines.
    Json,
    /// A page.
    Html,
}

/// A node of the pipeline last run here.
#[derive(Clone, Debug, Args)]
pub struct NodeArgs {
    /// The node, for example `'collector[arm64]'`.
    pub node: String,
    /// Of which run.
    #[command(flatten)]
    pub of: OfArgs,
}

/// The pipeline and parameters last run here, unless others are given.
#[derive(Clone, Debug, Default, Args)]
pub struct OfArgs {
    /// Another pipeline than the one last run here.
    #[arg(short, long, value_name = "PIPELINE", help_heading = PIPELINE)]
    pub pipeline: Option<String>,
    /// Set a parameter.
    #[arg(long, value_name = "NAME=VALUE", help_heading = PIPELINE)]
    pub set: Vec<String>,
}

/// `update`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot update                    # ask all remotes, print what moved
  ocelot update layers --out new.lock")]
pub struct UpdateArgs {
    /// What.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Write the lock to this file instead.
    #[arg(long, value_name = "FILE")]
    pub out: Option<String>,
}

/// `schema`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  ocelot schema pipeline > pipeline.schema.json     # for the editor")]
pub struct SchemaArgs {
    /// Of which file.
    #[arg(value_enum)]
    pub file: SchemaFile,
}

/// Files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum SchemaFile {
    /// `pipelines/*.yaml`.
    Pipeline,
    /// `config/distributions.yaml`.
    Distributions,
    /// `config/component_dependencies.yaml`.
    ComponentDependencies,
    /// `config/regions.yaml`.
    Regions,
    /// `config/ocelot.yaml`.
    Ocelot,
    /// `ocelot.lock`.
    Lock,
}

/// `cache`.
#[derive(Clone, Debug, Subcommand)]
pub enum CacheCommand {
    /// Where it is and how much it holds.
    #[command(after_help = "Examples:
  ocelot cache info")]
    Info,
    /// Hash everything again; damage is set aside.
    #[command(after_help = "Examples:
  ocelot cache verify")]
    Verify,
    /// Drop what is old or too much.
    #[command(after_help = "Examples:
  ocelot cache gc")]
    Gc,
    /// Write the results of targets, with all they name, into one file.
    #[command(after_help = "Examples:
  ocelot cache export quickstart --out results.bundle
  ocelot cache export layers layer --state --out state.bundle     # for the next job")]
    Export {
        /// What.
        #[command(flatten)]
        select: SelectArgs,
        /// What another machine needs to know what was done: the receipts, and of the results what is small, with the
        /// layer zips.
        #[arg(long)]
        state: bool,
        /// The file.
        #[arg(long, value_name = "FILE")]
        out: String,
    },
    /// Take in such a file; everything is verified first. Receipts go into the project of this folder.
    #[command(after_help = "Examples:
  ocelot cache import results.bundle")]
    Import {
        /// The file.
        file: String,
    },
}
