//! Where events go.

use std::io::IsTerminal;

use crate::cli::args::OutputForm;
use crate::cli::process::Process;
use crate::event::EventSink;
use crate::report::{json::JsonSink, lines::LineSink, progress::ProgressSink};

/// The sink that the options and the terminal ask for.
pub(in crate::cli) fn of(process: &Process) -> Box<dyn EventSink> {
    let terminal = std::io::stderr().is_terminal()
        && process.env.get("TERM").is_none_or(|term| term != "dumb")
        && !process.env.contains_key("CI");
    match process.common.output {
        OutputForm::Json => Box::new(JsonSink::new()),
        OutputForm::Human if terminal => {
            Box::new(ProgressSink::new(process.colors(), process.common.verbose, process.clock))
        }
        OutputForm::Human | OutputForm::Plain | OutputForm::Github => {
            Box::new(LineSink::new(process.colors(), process.common.verbose, process.clock))
        }
    }
}
