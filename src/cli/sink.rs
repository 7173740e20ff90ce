//! Where events go.

use std::io::Write;
use std::path::PathBuf;

use crate::cli::args::{Color, OutputForm};
use crate::cli::process::{Process, is_github};
use crate::event::EventSink;
use crate::report::github::{GithubSink, StepFiles, command};
use crate::report::lines::{Closing, LineSink};
use crate::report::{json::JsonSink, progress::ProgressSink};

/// Variables whose values are hidden in the log of GitHub Actions, beside those that the pipeline names as secret.
const SECRET_VARIABLES: [&str; 4] =
    ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];

/// The sink that the options and the terminal ask for.
pub(in crate::cli) fn of(process: &Process) -> Box<dyn EventSink> {
    // Whoever wants no colours wants nothing that moves either.
    let terminal = process.has_terminal() && !process.env.contains_key("CI") && process.common.color != Color::Never;
    match process.common.output {
        OutputForm::Json => Box::new(JsonSink::new()),
        OutputForm::Human if terminal => {
            Box::new(ProgressSink::new(process.colors(), process.common.verbose, process.clock))
        }
        OutputForm::Github => Box::new(GithubSink::new(std::io::stderr(), step_files(process), process.clock)),
        OutputForm::Plain => Box::new(lines(process)),
        OutputForm::Auto | OutputForm::Human => Box::new(lines(process).with_closing(Closing::Plain)),
    }
}

fn lines(process: &Process) -> LineSink {
    LineSink::new(process.colors(), process.common.verbose, process.clock)
}

/// The files that a step hands on results by.
pub(in crate::cli) fn step_files(process: &Process) -> StepFiles {
    let file = |name: &str| process.env.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    StepFiles { output: file("GITHUB_OUTPUT"), summary: file("GITHUB_STEP_SUMMARY") }
}

/// Makes the runner of GitHub Actions hide these values, and those of the variables that are always secret. Nothing
/// is printed elsewhere: there the commands themselves would show them.
pub(in crate::cli) fn mask(process: &Process, secrets: &[String]) {
    if process.common.output != OutputForm::Github || !is_github(&process.env) {
        return;
    }
    let known = SECRET_VARIABLES.iter().filter_map(|name| process.env.get(*name));
    let text = command::masks(secrets.iter().chain(known).map(String::as_str));
    // A reader that went away shows nothing.
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
}
