//! `doctor`: what of this machine and project would stop a run, or make it slow.

mod online;
mod places;
mod tools;

use std::fmt::Write as _;

use serde::Serialize;

use crate::base::code;
use crate::cli::args::{DoctorArgs, OutputForm};
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    /// Works, and could be better.
    Note,
    /// Something will fail.
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    what: String,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn ok(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Ok, detail: detail.into(), fix: None }
    }

    fn note(what: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { state: State::Note, fix: Some(fix.into()), ..Self::ok(what, detail) }
    }

    fn wrong(what: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { state: State::Wrong, ..Self::note(what, detail, fix) }
    }
}

/// `doctor`.
///
/// # Errors
/// `--online` together with `--offline`.
pub(in crate::cli) fn doctor(process: &Process, args: &DoctorArgs) -> Result<Exit, Stop> {
    if args.online && process.common.offline {
        return Err(Stop::usage(code::UNUSABLE_OPTION, "`--online` asks AWS, and `--offline` lets nobody")
            .hint("leave one of them out"));
    }
    let mut findings = tools::look(process);
    findings.extend(places::look(process));
    if args.online {
        findings.extend(online::ask(process));
    }
    print(&process.safe(&shown(process, &findings)));
    let is_wrong = findings.iter().any(|finding| finding.state == State::Wrong);
    Ok(if is_wrong { Exit::Failure } else { Exit::Ok })
}

fn shown(process: &Process, findings: &[Finding]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    if process.common.output == OutputForm::Json {
        for finding in findings {
            let _ = writeln!(out, "{}", serde_json::to_string(finding).unwrap_or_default());
        }
        return out;
    }
    for Finding { what, state, detail, fix } in findings {
        let word = match state {
            State::Ok => "ok",
            State::Note => "note",
            State::Wrong => "wrong",
        };
        let _ = writeln!(out, "{word:>5}  {what}: {detail}");
        if let Some(fix) = fix {
            let _ = writeln!(out, "       help: {fix}");
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (notes, wrong) = (count(State::Note), count(State::Wrong));
    let _ = writeln!(out, "doctor: {} looked at, {notes} to note, {wrong} wrong", findings.len());
    out
}
