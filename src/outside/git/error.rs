//! What can go wrong between a source's name and its files.

use std::io;
use std::path::PathBuf;

/// A failure of the git source module. Each text names the repository or file and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// The text of a source is neither a repository, nor a URL, nor a folder.
    #[error("`{}` is not a usable source: {why}", text.escape_debug())]
    Location {
        /// What the user wrote.
        text: String,
        /// What is wrong with it and what to write.
        why: String,
    },
    /// The text of a branch, tag or commit is malformed.
    #[error("`{}` is not a usable git ref: {why}", text.escape_debug())]
    Reference {
        /// What the user wrote.
        text: String,
        /// What is wrong with it and what to write.
        why: String,
    },
    /// The repository has no such branch, tag or commit.
    #[error("{repository} has no tag, branch or commit `{reference}`{}", near_text(near))]
    UnknownRef {
        /// The repository as the user knows it.
        repository: String,
        /// What was looked for.
        reference: String,
        /// Names that exist and look alike, best first.
        near: Vec<String>,
    },
    /// A short commit id fits more than one commit.
    #[error("commit id `{id}` fits several commits of {repository}: write more digits")]
    AmbiguousId {
        /// The repository as the user knows it.
        repository: String,
        /// The short id.
        id: String,
    },
    /// The server answered "no", or does not know the repository.
    #[error("{repository} cannot be read: {why}; check the name, and for a private repository set up {login}")]
    Denied {
        /// The repository as the user knows it.
        repository: String,
        /// The server's or the library's words.
        why: String,
        /// The kind of login that this transport can use.
        login: &'static str,
    },
    /// The network or the server failed, after all attempts.
    #[error("{repository} cannot be reached: {why}; check the network, then run again")]
    Unreachable {
        /// The repository as the user knows it.
        repository: String,
        /// The library's words.
        why: String,
    },
    /// The server was silent for too long, after all attempts.
    #[error("{repository} did not answer for {seconds} s while {phase}; check the network or proxy, then run again")]
    TimedOut {
        /// The repository as the user knows it.
        repository: String,
        /// What was being done.
        phase: &'static str,
        /// The limit that passed.
        seconds: u64,
    },
    /// The caller's cancel flag was raised.
    #[error("fetching {repository} was cancelled")]
    Cancelled {
        /// The repository as the user knows it.
        repository: String,
    },
    /// The remote does not give out a commit that was asked for by its id.
    #[error(
        "{repository} does not have commit {commit}: it was removed upstream or belongs to a fork; \
         choose another ref, or run `ocelot update` to move the pin"
    )]
    CommitMissing {
        /// The repository as the user knows it.
        repository: String,
        /// The full commit id.
        commit: String,
    },
    /// A repository on disk cannot be opened or read.
    #[error("git repository {} cannot be read: {why}", path.display())]
    Repository {
        /// The repository's folder.
        path: PathBuf,
        /// The library's words and what to do.
        why: String,
    },
    /// A wanted path is not in the source.
    #[error("{origin} has no `{path}`{}", near_text(near))]
    PathMissing {
        /// The repository and commit, or the folder.
        origin: String,
        /// The wanted path.
        path: String,
        /// Names that exist and look alike, best first.
        near: Vec<String>,
    },
    /// A file, link or name of the source may not be used.
    #[error("in {origin}: `{}` {why}", path.escape_debug())]
    Entry {
        /// The repository and commit, or the folder.
        origin: String,
        /// The offending path.
        path: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// The source is larger than the configured limit.
    #[error("{origin} has more than {limit}: list fewer `paths`, or raise the limit")]
    TooLarge {
        /// The repository and commit, or the folder.
        origin: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// The file system failed.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done, such as `cannot read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl GitError {
    /// An I/O failure on `path`; made for `map_err`.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// A failure of libgit2 on a repository on disk; made for `map_err`.
    pub(super) fn repository(path: impl Into<PathBuf>) -> impl FnOnce(git2::Error) -> Self {
        let path = path.into();
        move |error| {
            let fix = match error.code() {
                git2::ErrorCode::Owner => "; it belongs to another user: add it to git's `safe.directory`",
                git2::ErrorCode::NotFound => {
                    "; it may be a partial or damaged clone: fetch it again in full (a mirror in the cache may be deleted)"
                }
                _ => "",
            };
            Self::Repository { path, why: format!("{}{fix}", error.message()) }
        }
    }
}

fn near_text(near: &[String]) -> String {
    match near {
        [] => String::new(),
        [one] => format!("; did you mean `{one}`?"),
        several => format!("; did you mean one of `{}`?", several.join("`, `")),
    }
}

/// At most three of `names` that look like `text`, best first.
pub(super) fn near<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = text.trim_start_matches('v');
    let mut scored: Vec<(f64, &str)> = names
        .filter_map(|name| {
            // A ref is most often mistyped by leaving out its first or last part.
            let tail = name.rsplit('/').next().unwrap_or(name).trim_start_matches('v');
            let whole = strsim::normalized_damerau_levenshtein(text, name);
            let partial = if wanted.len() < 3 {
                0.0
            } else if tail == wanted {
                1.9
            } else if name.starts_with(text) {
                1.0 + whole
            } else if name.contains(wanted) {
                0.9
            } else {
                0.0
            };
            let score = whole.max(partial);
            (score >= 0.6).then_some((score, name))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_complete_a_prefix_or_a_tail_and_mend_a_typo() {
        let names = ["layer-collector/0.20.0", "layer-collector/0.19.0", "layer-java/1.32.0", "main"];
        let best = |text: &str| near(text, names.iter().copied()).into_iter().next();
        assert_eq!(best("layer-collector/0.20").as_deref(), Some("layer-collector/0.20.0"));
        assert_eq!(best("v0.19.0").as_deref(), Some("layer-collector/0.19.0"));
        assert_eq!(best("mian").as_deref(), Some("main"));
        assert_eq!(best("something else entirely"), None);
    }
}
