//! Asks a remote which commit a ref names, and fetches it into this user's mirror.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::base::clock::format_utc;
use crate::graph::node::{CloneKind, Pin};
use crate::outside::git::{
    GitError, GitRef, Hooks, Limits, LocationContext, Mirrors, NetworkSettings, RefKind, SourceLocation,
    SourceRepository,
};

/// The commit, tree and date that `clone`'s ref names now at `url`; the commit is then in the mirror.
///
/// # Errors
/// If the remote cannot be reached or does not have the ref.
pub fn ask(user_cache: &Path, url: &str, clone: &CloneKind) -> Result<Pin, GitError> {
    let mirrors = Mirrors::new(&user_cache.join("git"), NetworkSettings::default());
    let context = LocationContext { project_root: Path::new("/"), allow_file_url: true };
    let SourceLocation::Remote(remote) = SourceLocation::parse(url, context)? else {
        return Err(GitError::PathMissing { path: url.to_owned(), origin: url.to_owned(), near: Vec::new() });
    };
    let cancel = AtomicBool::new(false);
    let mut progress = |_| {};
    let mut hooks = Hooks { progress: &mut progress, cancel: &cancel };
    let resolved = mirrors.resolve(&remote, &GitRef::parse(&clone.reference)?, &mut hooks)?;
    let folder = mirrors.ensure(&remote, resolved.commit, resolved.ref_name.as_deref(), &mut hooks)?;
    let repository = SourceRepository::open(&folder, url)?;
    let tree = repository.tree(resolved.commit, &clone.paths, Limits::default())?;
    let seconds = u64::try_from(repository.commit_time(resolved.commit)?).unwrap_or(0);
    let branch = resolved.kind == RefKind::Branch;
    let date = format_utc(seconds)[..10].to_owned();
    Ok(Pin { commit: resolved.commit.to_string(), tree: tree.tree_id.unwrap_or_default(), date, branch })
}
