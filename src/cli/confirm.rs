//! Asking before what cannot be undone.

use std::io::{IsTerminal, Write};

use crate::base::code;
use crate::cli::exit::Stop;

/// Whether to go on: said beforehand with `--yes`, or asked on the terminal.
///
/// # Errors
/// If nobody can be asked.
pub(in crate::cli) fn confirm(question: &str, yes: bool) -> Result<bool, Stop> {
    if yes {
        return Ok(true);
    }
    let nobody =
        ("nothing was done: there is no terminal to ask on", "look at the plan above, and give `--yes` to do it");
    let answer = ask(&format!("{question} [y/N] "), nobody)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Asks on the terminal for one of several; an empty answer is the one at `first`.
///
/// # Errors
/// If nobody can be asked, or the answer is none of them.
pub(in crate::cli) fn choose(question: &str, choices: &[&str], first: usize) -> Result<usize, Stop> {
    let listed: String = choices.iter().zip(1..).map(|(choice, number)| format!("  {number}  {choice}\n")).collect();
    let nobody =
        ("there is no terminal to ask on", "give `--yes`, with `--template` if it is to be another than the likeliest");
    let answer = ask(&format!("{question}\n{listed}[{}] ", first + 1), nobody)?;
    match answer.trim() {
        "" => Ok(first),
        answer => answer
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1))
            .filter(|number| *number < choices.len())
            .ok_or_else(|| {
                Stop::usage(code::BAD_ARGUMENT, format!("`{answer}` is no number from 1 to {}", choices.len()))
            }),
    }
}

/// A line from the terminal; without one, an error and what to do instead.
fn ask(prompt: &str, (nobody, instead): (&'static str, &'static str)) -> Result<String, Stop> {
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() {
        return Err(Stop::usage(code::NO_TERMINAL, nobody).hint(instead));
    }
    let mut answer = String::new();
    write!(output, "{prompt}")
        .and_then(|()| output.flush())
        .and_then(|()| input.read_line(&mut answer))
        .map_err(|error| Stop::environment(code::NO_TERMINAL, format!("cannot ask on the terminal: {error}")))?;
    Ok(answer)
}
