//! The composition root: the command line, and one file per command.

pub mod args;
mod closing;
pub mod commands;
mod complete;
mod confirm;
mod ending;
pub mod exit;
mod live;
mod lock;
mod outside;
mod preflight;
mod process;
mod record;
mod record_file;
mod selection;
mod settings;
mod sink;
mod trace;
mod unknown_tags;
mod workspace;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Parser;

use crate::base::clock::Clock;
use crate::base::code;
use crate::cli::args::{Cli, Command, OutputForm};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::report::github::command::neutral;

/// Runs a command line to its end and returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>, environment: Vec<(OsString, OsString)>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if complete::answer(&arguments, &environment) {
        return Exit::Ok.code();
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let complaint = complaint(&error);
            let in_github = environment.iter().any(|(name, value)| name == "GITHUB_ACTIONS" && value == "true");
            if in_github && error.use_stderr() {
                // Its values may come from whoever started the workflow.
                std::io::stderr().write_all(neutral(&complaint).as_bytes()).ok();
            } else if error.use_stderr() && !std::io::stderr().is_terminal() {
                std::io::stderr().write_all(complaint.as_bytes()).ok();
            } else {
                // A reader that went away wants no more output.
                error.print().ok();
                if error.use_stderr() && complaint.starts_with("error[") {
                    let more = format!("for more: ocelot explain {}\n", code::COMMAND_LINE);
                    std::io::stderr().write_all(more.as_bytes()).ok();
                }
            }
            return code.code();
        }
    };
    if matches!(cli.command, Command::EndCommands) {
        return u8::try_from(crate::outside::process::watcher::main(std::io::stdin())).unwrap_or(1);
    }
    crate::outside::signals::survive_size_limit();
    let process = match process(&cli, environment) {
        Ok(process) => process,
        Err(stop) => {
            std::io::stderr().write_all(neutral(&stop.text).as_bytes()).ok();
            return stop.exit.code();
        }
    };
    let exit = commands::dispatch(&process, cli.command).unwrap_or_else(|stop| {
        process.show(&stop);
        stop.exit
    });
    exit.code()
}

/// What is wrong with a command line, with the code of such problems; help that was asked for has none.
fn complaint(error: &clap::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("error:") {
        Some(rest) => format!("error[{}]:{rest}", code::COMMAND_LINE),
        None => text,
    }
}

fn process(cli: &Cli, environment: Vec<(OsString, OsString)>) -> Result<Process, Stop> {
    let mut env: BTreeMap<String, String> = environment
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if let Some(profile) = &cli.common.profile {
        env.insert("AWS_PROFILE".to_owned(), profile.clone());
    }
    let wanted = cli.common.dir.as_ref().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let dir = std::fs::canonicalize(&wanted).map_err(|error| {
        Stop::usage(code::UNREADABLE_ARGUMENT, format!("cannot work in {}: {error}", wanted.display()))
    })?;
    let mut common = cli.common.clone();
    if common.output == OutputForm::Auto {
        common.output = if process::is_github(&env) { OutputForm::Github } else { OutputForm::Human };
    }
    Ok(Process { dir, env, clock: Clock::start(), common })
}
