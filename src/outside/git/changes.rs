//! Which files of a project differ from a commit.

use std::path::Path;

use git2::{DiffOptions, Repository};

/// Paths, relative to `root`, of files that differ between a commit and the working tree, new files included; sorted.
///
/// # Errors
/// In words, if `root` is in no repository or the commit is unknown.
pub fn changed_since(root: &Path, since: &str) -> Result<Vec<String>, String> {
    let in_words = |error: git2::Error| error.message().to_owned();
    let repository = Repository::discover(root)
        .map_err(|_| format!("{} is not in a git repository, so nothing can be compared", root.display()))?;
    let commit = repository
        .revparse_single(since)
        .and_then(|object| object.peel_to_commit())
        .map_err(|_| format!("the repository has no commit `{since}`"))?;
    let mut options = DiffOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true);
    let tree = commit.tree().map_err(in_words)?;
    let diff = repository.diff_tree_to_workdir_with_index(Some(&tree), Some(&mut options)).map_err(in_words)?;
    let workdir = repository.workdir().and_then(|dir| std::fs::canonicalize(dir).ok()).unwrap_or_default();
    let prefix = root.strip_prefix(&workdir).unwrap_or(Path::new("")).to_owned();
    let mut changed = Vec::new();
    for delta in diff.deltas() {
        for file in [delta.old_file(), delta.new_file()] {
            if let Some(inside) = file.path().and_then(|path| path.strip_prefix(&prefix).ok()).and_then(Path::to_str) {
                changed.push(inside.to_owned());
            }
        }
    }
    changed.sort();
    changed.dedup();
    Ok(changed)
}
