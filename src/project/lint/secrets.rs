//! Values that look like secrets. They are never shown: not in a message, and not in the picture of a line.

use std::collections::BTreeSet;

use crate::base::code;
use crate::base::diag::{Diagnostic, SourceMap};
use crate::project::load::Loaded;

/// Parts of names that mean a secret.
const NAMES: [&str; 8] =
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "PRIVATE_KEY", "ACCESS_KEY"];

/// How well-known secrets begin, and how long they are at least.
const STARTS: [(&str, usize); 11] = [
    ("AKIA", 20),
    ("ASIA", 20),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghs_", 30),
    ("github_pat_", 40),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("eyJ", 60),
    ("-----BEGIN ", 20),
];

/// The same findings as a person may see them: those whose picture would show a secret only name their place.
pub fn without_their_lines(sources: &SourceMap, found: &[Diagnostic]) -> Vec<Diagnostic> {
    let line = |problem: &Diagnostic| {
        let span = problem.span()?;
        Some((span.source, sources.line_col(span)?.line))
    };
    let hidden: BTreeSet<_> =
        found.iter().filter(|problem| problem.code == code::SECRET_IN_ENV).filter_map(line).collect();
    let shown =
        |problem: &Diagnostic| match problem.span().filter(|_| line(problem).is_some_and(|at| hidden.contains(&at))) {
            Some(span) => {
                let message = format!("{}: {}", sources.place(span), problem.message);
                Diagnostic { message, labels: Vec::new(), ..problem.clone() }
            }
            None => problem.clone(),
        };
    found.iter().map(shown).collect()
}

/// Whether a variable with this value should not stand in a file.
fn is_secret(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    // A path, a switch or a parameter is no secret, whatever it is called.
    let is_telling = value.len() >= 8 && !value.contains("${") && !value.starts_with(['/', '.']);
    let is_named_so = is_telling && NAMES.iter().any(|part| upper.contains(part));
    is_named_so || STARTS.iter().any(|(start, length)| value.starts_with(start) && value.len() >= *length)
}

pub(super) fn in_env(loaded: &Loaded) -> Vec<Diagnostic> {
    let execs = loaded.file.nodes.iter().filter_map(|(node, file)| Some((node, file.exec.as_ref()?)));
    let values = execs.flat_map(|(node, exec)| exec.env.iter().map(move |(name, value)| (node, name, value)));
    values
        .filter(|(_, name, value)| is_secret(name, &value.value))
        .map(|(node, name, value)| {
            Diagnostic::warning(code::SECRET_IN_ENV, format!("`{name}` of `{node}` holds what looks like a secret"))
                .label(value.span, "")
                .note("values of `env:` are in the file, in digests and in records")
                .help(format!("`secret-env: [{name}]` takes it from the caller, and keeps it out of all of them"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn secrets_are_known_by_their_name_or_their_form() {
        for (name, value) in [
            ("DB_PASSWORD", "correct horse"),
            ("api_key", "0123456789"),
            ("X", "AKIAIOSFODNN7EXAMPLE"),
            ("X", "ghp_0123456789012345678901234567890123"),
            ("X", "-----BEGIN PRIVATE KEY-----"),
        ] {
            assert!(is_secret(name, value), "{name}");
        }
        for (name, value) in [
            ("TOKEN_FILE", "/run/secrets/token"),
            ("PASSWORD", "${password}"),
            ("USE_TOKEN", "true"),
            ("NAME", "an ordinary value"),
            ("X", "AKIA"),
        ] {
            assert!(!is_secret(name, value), "{name}");
        }
    }
}
