//! `lint`: what is legal in a project and mostly a mistake.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use crate::base::code::Code;
use crate::base::diag::{self, Diagnostic, SourceMap};
use crate::cli::args::{LintArgs, OutputForm};
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection::{self, Selection};
use crate::cli::workspace;
use crate::project::find;
use crate::project::lint::{distributions_of, lint as look, unreached_distributions, without_their_lines};
use crate::project::load::Loaded;
use crate::report::github::command::{annotate, annotations};

/// `lint`.
///
/// # Errors
/// If the project is wrong: `validate` comes first.
pub(in crate::cli) fn lint(process: &Process, args: &LintArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, &args.select)?;
    let loaded = workspace::load_everything(process, &selection)?;
    let mut found = look(&loaded);
    if let Some(named) = named_distributions(process, &selection, &loaded) {
        found.extend(unreached_distributions(&loaded, &named));
    }
    let mut text = match process.common.output {
        OutputForm::Json => lines(&loaded.sources, &found),
        _ => {
            let count = format!("{}: {} found\n", selection.pipeline.file, found.len());
            let shown = without_their_lines(&loaded.sources, &found);
            process.safe(&(diag::render(&loaded.sources, &shown, process.colors()) + &count))
        }
    };
    if process.common.output == OutputForm::Github {
        let folder = process.folder_in_repository(&selection.pipeline.root);
        text.push_str(&annotate(&annotations(&loaded.sources, &found, &folder)));
    }
    print(&text);
    Ok(if args.exit_code && !found.is_empty() { Exit::Dirty } else { Exit::Ok })
}

/// What all pipelines of the project name; `None` where one may build any distribution, or cannot be read.
fn named_distributions(process: &Process, selection: &Selection, loaded: &Loaded) -> Option<BTreeSet<String>> {
    let mut named = distributions_of(&loaded.file)?;
    let root = &selection.pipeline.root;
    for name in find::names(root) {
        let pipeline = find::locate(&find::as_pipeline(root, &name)?).ok()?;
        if pipeline.file != selection.pipeline.file {
            let other = Selection { pipeline, targets: Vec::new(), sets: Default::default() };
            named.extend(distributions_of(&workspace::load_project(process, &other).ok()?.file)?);
        }
    }
    Some(named)
}

/// One finding, for machines.
#[derive(Serialize)]
struct Line<'a> {
    code: Code,
    rule: &'static str,
    message: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    help: &'a [String],
    notes: &'a [String],
}

fn lines(sources: &SourceMap, found: &[Diagnostic]) -> String {
    let mut out = String::new();
    for problem in found {
        let at = problem.span().and_then(|span| Some((sources.get(span.source)?, sources.line_col(span)?)));
        let line = Line {
            code: problem.code,
            rule: problem.code.name(),
            message: &problem.message,
            file: at.map(|(source, _)| source.name.as_str()),
            line: at.map(|(_, at)| at.line),
            column: at.map(|(_, at)| at.column),
            help: &problem.help,
            notes: &problem.notes,
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", serde_json::to_string(&line).unwrap_or_default());
    }
    out
}
