//! Exit codes: an interface, pinned by a test.

use std::path::Path;

use crate::base::code::Code;
use crate::base::diag::{self, Diagnostic, SourceMap};
use crate::cli::process::Process;
use crate::report::github::command::{Annotation, annotations};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// A node failed.
    Failure,
    /// The command line or a file of the project is wrong.
    Usage,
    /// Something outside is missing: a tool, a lock, credentials.
    Environment,
    /// Some layers were published and some were not.
    Partial,
    /// `plan --exit-code` found work.
    Dirty,
    /// Our own mistake.
    Internal,
    /// Ended by a signal; 128 and its number.
    Signal(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Partial => 4,
            Self::Dirty => 10,
            Self::Internal => 70,
            Self::Signal(code) => code,
        }
    }
}

/// A command that could not do its work: what to print and how to end.
#[derive(Debug)]
pub struct Stop {
    /// How to end.
    pub exit: Exit,
    /// What to print, complete with `error:` lines.
    pub text: String,
    /// The problems in it that have a place, for GitHub Actions.
    pub annotations: Vec<Annotation>,
    /// The codes of the problems in it.
    pub(in crate::cli) codes: Vec<Code>,
}

impl Stop {
    /// A problem in one sentence.
    pub fn new(code: Code, exit: Exit, message: impl std::fmt::Display) -> Self {
        Self::several(code, exit, [message])
    }

    /// Problems of one kind, a sentence for each.
    pub fn several(code: Code, exit: Exit, messages: impl IntoIterator<Item = impl std::fmt::Display>) -> Self {
        let text = messages.into_iter().map(|message| format!("error[{code}]: {message}\n")).collect();
        Self { exit, text, annotations: Vec::new(), codes: vec![code] }
    }

    /// What it says, without the word that begins an error.
    pub(in crate::cli) fn told(&self) -> &str {
        let text = self.text.trim();
        match text.split_once("]: ") {
            Some((head, message)) if head.starts_with("error[") => message,
            _ => text,
        }
    }

    /// Problems of files of the project at `root`, shown in their text.
    pub(in crate::cli) fn shown(
        process: &Process,
        root: &Path,
        exit: Exit,
        sources: &SourceMap,
        diagnostics: &[Diagnostic],
    ) -> Self {
        let text = diag::render(sources, diagnostics, process.colors());
        let annotations = annotations(sources, diagnostics, &process.folder_in_repository(root));
        Self { exit, text, annotations, codes: diagnostics.iter().map(|problem| problem.code).collect() }
    }

    /// This, then what the other says; ends as this does.
    #[must_use]
    pub(in crate::cli) fn and(mut self, other: Self) -> Self {
        self.text.push_str(&other.text);
        self.annotations.extend(other.annotations);
        self.codes.extend(other.codes);
        self
    }

    /// A problem of the command line.
    pub fn usage(code: Code, message: impl std::fmt::Display) -> Self {
        Self::new(code, Exit::Usage, message)
    }

    /// Something outside is missing.
    pub fn environment(code: Code, message: impl std::fmt::Display) -> Self {
        Self::new(code, Exit::Environment, message)
    }

    /// With a hint on a line of its own.
    #[must_use]
    pub fn hint(mut self, hint: impl std::fmt::Display) -> Self {
        self.text.push_str(&format!("  help: {hint}\n"));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_numbers_are_an_interface() {
        let all = [
            (Exit::Ok, 0),
            (Exit::Failure, 1),
            (Exit::Usage, 2),
            (Exit::Environment, 3),
            (Exit::Partial, 4),
            (Exit::Dirty, 10),
            (Exit::Internal, 70),
            (Exit::Signal(130), 130),
        ];
        for (exit, code) in all {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }
}
