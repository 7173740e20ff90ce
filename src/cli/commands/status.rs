//! `status`: what is declared against what is there, in every region. It changes nothing unless `--fix` asks for it.

use std::fmt::Write as _;

use crate::base::code;
use crate::cli::args::{HowArgs, OutputForm, StatusArgs};
use crate::cli::commands::plan::verdicts;
use crate::cli::commands::print;
use crate::cli::commands::run::{RunRequest, run_selection};
use crate::cli::confirm::confirm;
use crate::cli::exit::{Exit, Stop};
use crate::cli::live::{Answer, Asked, Line, ask, asked, is_due, told};
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace::{self, Mode};
use crate::exec::live::{Grant, Live};
use crate::exec::registries::Registries;

/// `status`.
///
/// # Errors
/// If the project or the targets are wrong; with `--unshare`, if nobody can be asked.
pub(in crate::cli) fn status(process: &Process, args: &StatusArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, &args.select)?;
    let mut workspace = workspace::open_to_read(process, selection.clone())?;
    verdicts(process, &mut workspace)?;
    let asked = asked(&workspace);
    if asked.is_empty() {
        return Err(Stop::usage(code::UNSUITABLE_TARGET, "nothing is published by these targets")
            .hint("name a pipeline with `publish` nodes"));
    }
    let registries = Registries::new(&workspace.selection.pipeline.root, &process.env, process.common.offline);
    let found = ask(&registries, &asked);
    print(&process.safe(&shown(process, args, &asked, &found)));
    let failed = found.iter().filter(|answer| answer.is_err()).count();
    let due: Vec<String> =
        asked.iter().zip(&found).filter(|(_, answer)| is_due(answer)).map(|(one, _)| one.node.to_owned()).collect();
    if args.fix {
        let surplus: Vec<(&str, &Grant)> = match args.unshare {
            true => asked.iter().zip(&found).flat_map(|(one, answer)| surplus(one, answer)).collect(),
            false => Vec::new(),
        };
        let taken_back = unshare(process, &registries, &surplus, args.yes)?;
        // A receipt may say that all is done: these nodes look again.
        let how = HowArgs { force: due.clone(), ..HowArgs::default() };
        let exit = match due.is_empty() {
            true => Exit::Ok,
            false => {
                let selection = selection::Selection { targets: due, ..selection };
                run_selection(process, RunRequest { selection, how: &how, extra_args: &[], mode: Mode::Write })?.exit
            }
        };
        return Ok(if exit == Exit::Ok && (failed > 0 || !taken_back) { Exit::Failure } else { exit });
    }
    Ok(match (failed, due.is_empty()) {
        (1.., _) => Exit::Failure,
        (0, false) if args.exit_code => Exit::Dirty,
        _ => Exit::Ok,
    })
}

fn shown(process: &Process, args: &StatusArgs, asked: &[Asked<'_>], found: &[Answer]) -> String {
    let mut out = String::new();
    let all = asked.iter().zip(found);
    // Writing to a String cannot fail.
    if process.common.output == OutputForm::Json {
        for (one, answer) in all {
            let _ = writeln!(out, "{}", serde_json::to_string(&Line::new(one, answer)).unwrap_or_default());
        }
        return out;
    }
    if args.markdown {
        let cell = |text: &str| text.replace('|', "\\|");
        out.push_str("| layer | region | state | what |\n|---|---|---|---|\n");
        for (one, answer) in all {
            let (word, detail) = told(answer);
            let _ = writeln!(out, "| `{}` | {} | {word} | {} |", one.node, one.publish.region, cell(&detail));
        }
        return out;
    }
    for (one, answer) in all {
        let (word, detail) = told(answer);
        let _ = writeln!(out, "{}", format!("{word:>11}  {}  {detail}", one.node).trim_end());
    }
    let (due, failed) = (found.iter().filter(|a| is_due(a)).count(), found.iter().filter(|a| a.is_err()).count());
    let _ = writeln!(out, "status: {} asked, {due} to do, {failed} not known", asked.len());
    out
}

/// What is shared beyond what is declared, and ours to take back.
fn surplus<'a>(one: &Asked<'a>, answer: &'a Answer) -> Vec<(&'a str, &'a Grant)> {
    match answer {
        Ok(Some(Live::Wider { removable, .. })) => {
            removable.iter().map(|grant| (one.publish.registry.as_str(), grant)).collect()
        }
        _ => Vec::new(),
    }
}

/// Takes grants back once that is confirmed; whether all of them are gone.
fn unshare(process: &Process, registries: &Registries, surplus: &[(&str, &Grant)], yes: bool) -> Result<bool, Stop> {
    if surplus.is_empty() {
        return Ok(true);
    }
    let plan: String = surplus.iter().map(|(_, grant)| format!("   unshare  {grant}\n")).collect();
    print(&process.safe(&plan));
    let question =
        format!("Take back {}? Functions of others that use these layers cannot be deployed then.", surplus.len());
    if !confirm(&question, yes)? {
        return Ok(false);
    }
    let mut all = true;
    for (registry, grant) in surplus {
        let removed = registries.open(registry).and_then(|registry| grant.remove(registry.as_ref()));
        let line = match &removed {
            Ok(()) => format!("  unshared  {grant}\n"),
            Err(error) => format!("    failed  {grant}: {error}\n"),
        };
        all &= removed.is_ok();
        print(&process.safe(&line));
    }
    Ok(all)
}
