//! `check-config`: a collector configuration against the components of a layer that is there or will be built.

use crate::base::code;
use crate::base::diag::{self, Diagnostic, SourceMap, Span};
use crate::cli::args::CheckConfigArgs;
use crate::cli::commands::{components, print};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::layer::collector_config::{Finding, Severity};
use crate::layer::contract;

/// `check-config`.
///
/// # Errors
/// All findings, each at its line; warnings alone are shown and no error.
pub(in crate::cli) fn check_config(process: &Process, args: &CheckConfigArgs) -> Result<Exit, Stop> {
    let contents = components::contents(process, args.distribution.as_deref(), args.layer.as_deref())?;
    let text = std::fs::read_to_string(process.dir.join(&args.file))
        .map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, format!("cannot read `{}`: {error}", args.file)))?;
    let findings = contract::findings(&args.file, &text, &contents.components, &contents.collector_version)
        .map_err(|errors| Stop::several(code::COLLECTOR_CONFIG, Exit::Failure, errors))?;
    let mut sources = SourceMap::default();
    let source = sources.add(args.file.as_str(), text.as_str());
    let span = |finding: &Finding| line_span(&text, finding.mark).map(|(start, end)| Span::new(source, start, end));
    let shown: Vec<Diagnostic> = findings
        .iter()
        .map(|finding| {
            let diagnostic = match finding.severity {
                Severity::Error => Diagnostic::error(code::COLLECTOR_CONFIG, finding.message.as_str()),
                Severity::Warning => Diagnostic::warning(code::COLLECTOR_CONFIG, finding.message.as_str()),
            };
            let placed = match span(finding) {
                Some(span) => diagnostic.label(span, ""),
                None => diagnostic,
            };
            placed.help(finding.fix.as_str())
        })
        .collect();
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Stop::shown(process, &process.dir, Exit::Failure, &sources, &shown));
    }
    print(&diag::render(&sources, &shown, process.colors()));
    print(&format!("{}: it fits the {} components of this layer\n", args.file, contents.components.len()));
    Ok(Exit::Ok)
}

/// The bytes of a line (from 1) without the white space around it.
fn line_span(text: &str, line: usize) -> Option<(u32, u32)> {
    let start = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum::<usize>();
    let held = text.get(start..)?.lines().next()?;
    let inner = held.trim();
    let from = start + (held.len() - held.trim_start().len());
    Some((u32::try_from(from).ok()?, u32::try_from(from + inner.len()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_without_its_margins() {
        let text = "a:\n  b: 1 \n";
        assert_eq!(line_span(text, 1), Some((0, 2)));
        let (from, to) = line_span(text, 2).unwrap();
        assert_eq!(&text[from as usize..to as usize], "b: 1");
        assert_eq!(line_span(text, 9), None);
        assert_eq!(line_span(text, 0), None);
    }
}
