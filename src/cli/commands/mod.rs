//! One file per command.

mod build;
mod bundle;
mod cache;
mod check_config;
mod ci;
mod clean;
mod compare;
mod components;
mod copy;
mod doctor;
mod explain;
mod explain_layer;
mod follow;
mod graph;
mod history;
mod import;
mod init;
mod lint;
pub(in crate::cli) mod list;
mod log;
mod oidc;
mod page;
pub(in crate::cli) mod plan;
mod prune;
mod regions;
mod registry;
mod run;
mod schema;
mod shell;
mod status;
mod update;
mod validate;
mod verify;
mod versions;
mod watch;
mod why;

use std::io::Write;

use crate::cli::args::{Command, PlanArgs};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;

/// Runs a command.
///
/// # Errors
/// What to print and how to end, if it could not do its work.
pub(in crate::cli) fn dispatch(process: &Process, command: Command) -> Result<Exit, Stop> {
    match command {
        Command::Init(args) => init::init(process, &args),
        Command::Import(args) => import::run(process, &args),
        Command::Build(args) => build::build(process, &args),
        Command::Run(args) if args.dry_run => {
            let plan = PlanArgs {
                select: args.select,
                force: args.how.force,
                as_is: args.how.as_is,
                no_cache: args.how.no_cache,
                record: args.how.record,
                ..PlanArgs::default()
            };
            plan::plan(process, &plan)
        }
        Command::Run(args) => run::run(process, &args),
        Command::Plan(args) => plan::plan(process, &args),
        Command::Watch(args) => watch::watch(process, &args),
        Command::Graph(args) => graph::graph(process, &args),
        Command::Status(args) => status::status(process, &args),
        Command::Explain(args) => explain::explain(process, &args),
        Command::ExplainLayer(args) => explain_layer::explain_layer(process, &args),
        Command::Copy(args) => copy::copy(process, &args),
        Command::Prune(args) => prune::prune(process, &args),
        Command::Registry(args) => registry::registry(process, &args),
        Command::Why(args) => why::why(process, &args),
        Command::Log(args) => log::log(process, &args),
        Command::History(args) => history::history(process, &args),
        Command::Validate(args) => validate::validate(process, &args),
        Command::Doctor(args) => doctor::doctor(process, &args),
        Command::Lint(args) => lint::lint(process, &args),
        Command::List(args) => list::list(process, &args),
        Command::Components(args) => components::components(process, &args),
        Command::CheckConfig(args) => check_config::check_config(process, &args),
        Command::Update(args) => update::update(process, &args),
        Command::Clean(args) => clean::clean(process, &args),
        Command::Verify(args) => verify::verify(process, &args),
        Command::Cache(args) => cache::cache(process, args),
        Command::Ci(args) => ci::ci(process, &args),
        Command::Oidc(args) => oidc::oidc(process, args),
        Command::Schema(args) => schema::schema(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(process, &args),
        Command::EndCommands => Ok(Exit::Ok),
    }
}

/// Writes a result to standard output; a reader that went away wants no more of it.
pub(in crate::cli) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}
