//! `explain`: what there is to say of the codes of errors and warnings.

use crate::base::code::{self, Code};
use crate::base::diag::quoted;
use crate::base::suggest;
use crate::cli::args::{ExplainArgs, OutputForm};
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;

/// `explain`.
///
/// # Errors
/// A word that is no code and no name of one.
pub(in crate::cli) fn explain(process: &Process, args: &ExplainArgs) -> Result<Exit, Stop> {
    let asked: Vec<Code> = args.codes.iter().map(|word| find(word)).collect::<Result<_, _>>()?;
    let text = match (process.common.output, asked.as_slice()) {
        (OutputForm::Json, []) => Code::all().map(line).collect(),
        (OutputForm::Json, asked) => asked.iter().copied().map(line).collect(),
        (_, []) => index(),
        (_, asked) => asked.iter().map(|code| code.page()).collect::<Vec<_>>().join("\n"),
    };
    print(&text);
    Ok(Exit::Ok)
}

fn find(word: &str) -> Result<Code, Stop> {
    if let Some(code) = Code::find(word) {
        return Ok(code);
    }
    let known: Vec<String> = Code::all().flat_map(|code| [code.name().to_owned(), code.to_string()]).collect();
    let stop = Stop::usage(code::UNKNOWN_CODE, format!("there is no code {}", quoted(word)));
    Err(match suggest::closest(word, known.iter().map(String::as_str)) {
        Some(near) => stop.hint(format!("did you mean `{near}`?")),
        None => stop.hint("`ocelot explain` lists all of them"),
    })
}

fn index() -> String {
    let width = Code::all().map(|code| code.name().len()).max().unwrap_or(0);
    let list = Code::index(
        |topic| format!("\n{topic}\n"),
        |code| format!("  {code}  {:width$}  {}\n", code.name(), code.title()),
    );
    list.trim_start().to_owned()
}

/// A code as one line for machines.
fn line(code: Code) -> String {
    let value = serde_json::json!({
        "code": code,
        "name": code.name(),
        "title": code.title(),
        "see": code.see(),
        "text": code.page(),
    });
    format!("{value}\n")
}
