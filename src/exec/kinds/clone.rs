//! `clone`: sources at one commit, from a remote through this user's mirror, a local repository, or a plain folder.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::action::result::{Content, FileContent, Listing, Output};
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::outputs;
use crate::exec::sources;
use crate::graph::node::{CloneKind, Pin, Source};
use crate::outside::git::{
    Entry, EntryKind, GitError, GitId, Hooks, Limits, LocationContext, Mirrors, NetworkSettings, SourceLocation,
    SourceRepository, walk_plain,
};

/// Stores the wanted files; the fact `commit` names where they come from.
pub(in crate::exec) fn run(world: &World, job: &Job, k: &CloneKind, log: &mut dyn Log) -> Result<Produced, WorkError> {
    let mut pin = None;
    let (listing, commit) = match &k.source {
        Source::Plain(path) => (plain(world, path, k)?, revision(job)?),
        Source::Local(path) => {
            let commit = revision(job)?;
            (commit_files(world, &world.root.join(path), &commit, k)?, commit)
        }
        Source::Remote { url, .. } => {
            let (folder, found) = remote(world, job, url, k, log)?;
            let listing = commit_files(world, &folder, &found.commit, k)?;
            let commit = found.commit.clone();
            if job.revision.is_none() {
                log.line(&format!("`{}` pinned at {} of {}", k.reference, &found.commit[..12], found.date));
                pin = Some(found);
            }
            (listing, commit)
        }
    };
    let tree = outputs::store_listing(world, listing)?;
    let mut outputs = vec![Output { name: "tree".to_owned(), path: None, content: tree }];
    if let Some(path) = &k.output {
        outputs::publish_outputs(world, &mut outputs, &[("tree", path)])?;
    }
    let facts = [("commit".to_owned(), commit)].into();
    Ok(Produced { outputs, facts, pin, ..Produced::default() })
}

fn revision(job: &Job) -> Result<String, WorkError> {
    job.revision.clone().ok_or_else(|| WorkError::Internal(format!("`{}` has no revision", job.node.name)))
}

/// A mistake in what was asked for, or trouble outside.
fn git_error(error: GitError) -> WorkError {
    match error {
        GitError::Unreachable { .. } | GitError::TimedOut { .. } | GitError::Denied { .. } => {
            WorkError::Environment(error.to_string())
        }
        GitError::Cancelled { .. } => WorkError::Cancelled,
        error => WorkError::Invalid(error.to_string()),
    }
}

/// The mirror that has the commit, and what the commit is.
fn remote(world: &World, job: &Job, url: &str, k: &CloneKind, log: &mut dyn Log) -> Result<(PathBuf, Pin), WorkError> {
    let mirrors = Mirrors::new(&world.user_cache.join("git"), NetworkSettings::default());
    let context = LocationContext { project_root: &world.root, allow_file_url: true };
    let SourceLocation::Remote(remote) = SourceLocation::parse(url, context).map_err(git_error)? else {
        return Err(WorkError::Internal(format!("`{url}` is no remote")));
    };
    let Some(commit) = &job.revision else {
        if world.offline {
            return Err(WorkError::Environment(format!(
                "`{}` at `{}` is not pinned, and `--offline` forbids asking; run once without it, or pin it with \
                 `ocelot update`",
                k.repo, k.reference
            )));
        }
        log.line(&format!("asking {url} for {}", k.reference));
        let found = sources::ask(&world.user_cache, url, k).map_err(git_error)?;
        return Ok((mirrors.path(&remote), found));
    };
    let id: GitId =
        commit.parse().map_err(|_| WorkError::Invalid(format!("`{commit}` in the lock is no commit id")))?;
    if world.offline && !mirrors.has(&remote, id) {
        return Err(WorkError::Environment(format!(
            "commit {} of `{}` is not in this user's mirror, and `--offline` forbids fetching it; run once without it",
            &commit[..12.min(commit.len())],
            k.repo
        )));
    }
    let cancel = AtomicBool::new(false);
    let mut progress = |_| {};
    let mut hooks = Hooks { progress: &mut progress, cancel: &cancel };
    let folder = mirrors.ensure(&remote, id, None, &mut hooks).map_err(git_error)?;
    let pin = Pin { commit: commit.clone(), tree: String::new(), date: String::new(), branch: false };
    Ok((folder, pin))
}

/// Stores the wanted files of a commit.
fn commit_files(world: &World, repository: &Path, commit: &str, k: &CloneKind) -> Result<Listing, WorkError> {
    let repository = SourceRepository::open(repository, &k.repo).map_err(git_error)?;
    let id: GitId = commit.parse().map_err(|_| WorkError::Invalid(format!("`{commit}` is no commit id")))?;
    let tree = repository.tree(id, &k.paths, Limits::default()).map_err(git_error)?;
    let mut files = Vec::with_capacity(tree.entries.len());
    repository
        .each_file(&tree, |entry, bytes| -> Result<(), GitError> {
            let put = world.cache.put_bytes(bytes);
            let executable = matches!(entry.kind, EntryKind::File { executable: true, .. });
            let content = Content::File(FileContent { digest: put.digest, size: put.size, executable });
            files.push((entry.path.clone(), content));
            Ok(())
        })
        .map_err(git_error)?;
    files.extend(links(&tree.entries));
    Ok(Listing::new(files))
}

fn links(entries: &[Entry]) -> impl Iterator<Item = (String, Content)> {
    entries.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Link { target } => Some((entry.path.clone(), Content::Symlink(target.clone()))),
        EntryKind::File { .. } => None,
    })
}

/// Stores the wanted files of a folder as they are now.
fn plain(world: &World, path: &str, k: &CloneKind) -> Result<Listing, WorkError> {
    let folder = world.root.join(path);
    let tree = walk_plain(&folder, &k.paths, Limits::default()).map_err(git_error)?;
    let mut files = Vec::with_capacity(tree.entries.len());
    for entry in &tree.entries {
        if matches!(entry.kind, EntryKind::File { .. })
            && let Some(content) = outputs::capture(world, &folder, &entry.path)?
        {
            files.push((entry.path.clone(), content));
        }
    }
    files.extend(links(&tree.entries));
    Ok(Listing::new(files))
}
