//! `clone`: sources at one commit, from a remote through this user's mirror, a local repository, or a plain folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::action::result::{Content, FileContent, Listing, Output};
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::outputs;
use crate::exec::sources;
use crate::graph::node::{CloneKind, Pin, Source};
use crate::outside::git::{
    Entry, EntryKind, GitError, GitId, Hooks, Limits, LocationContext, Mirrors, SourceLocation, SourceRepository,
    walk_plain,
};

/// Stores the wanted files; the fact `commit` names where they come from.
pub(in crate::exec) fn run(world: &World, job: &Job, k: &CloneKind, log: &mut dyn Log) -> Result<Produced, WorkError> {
    let mut pin = None;
    let (listing, source_tree, commit) = match &k.source {
        Source::Plain(path) => (plain(world, path, k)?, String::new(), revision(job)?),
        Source::Local(path) => {
            let commit = revision(job)?;
            let (listing, tree) = commit_files(world, &world.root.join(path), &commit, k)?;
            (listing, tree, commit)
        }
        Source::Remote { url, .. } => {
            let (folder, found) = remote(world, job, url, k, log)?;
            let (listing, tree) = commit_files(world, &folder, &found.commit, k)?;
            let commit = found.commit.clone();
            if job.revision.is_none() {
                log.line(&format!("`{}` pinned at {} of {}", k.reference, &found.commit[..12], found.date));
                pin = Some(found);
            }
            (listing, tree, commit)
        }
    };
    let tree = outputs::store_listing(world, listing)?;
    let mut outputs = vec![Output { name: "tree".to_owned(), path: None, content: tree }];
    if let Some(path) = &k.output {
        outputs::publish_outputs(world, &mut outputs, &[("tree", path)])?;
    }
    let facts = [("commit".to_owned(), commit), ("source-tree".to_owned(), source_tree)].into();
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
    let context = LocationContext { project_root: &world.root, allow_file_url: true };
    let SourceLocation::Remote(remote) = SourceLocation::parse(url, context).map_err(git_error)? else {
        return Err(WorkError::Internal(format!("`{url}` is no remote")));
    };
    let mirrors = Mirrors::new(&world.user_cache, sources::network_settings(&world.env, &remote));
    let Some(commit) = &job.revision else {
        if world.offline {
            return Err(WorkError::Environment(format!(
                "`{}` at `{}` is not pinned, and `--offline` forbids asking; run once without it, or pin it with \
                 `ocelot update`",
                k.repo, k.reference
            )));
        }
        log.line(&format!("asking {url} for {}", k.reference));
        let found = talk(world, job, |hooks| sources::ask_with(&mirrors, &remote, k, hooks))?;
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
    let folder = talk(world, job, |hooks| mirrors.ensure(&remote, id, None, hooks))?;
    let pin = Pin { commit: commit.clone(), tree: String::new(), date: String::new(), branch: false };
    Ok((folder, pin))
}

/// Talks to a remote for as long as the run and the node's `timeout` let it.
fn talk<T>(world: &World, job: &Job, talk: impl FnOnce(&mut Hooks<'_>) -> Result<T, GitError>) -> Result<T, WorkError> {
    let limit = job.node.timeout_ms.map(Duration::from_millis);
    let outcome = sources::while_wanted(&world.cancel, limit, talk).map_err(WorkError::io("a thread for git"))?;
    outcome.map_err(|error| match error {
        GitError::Cancelled { .. } if !world.cancel.is_raised() => WorkError::TimedOut,
        error => git_error(error),
    })
}

/// Stores the wanted files of a commit, and says which git tree they are.
fn commit_files(world: &World, repository: &Path, commit: &str, k: &CloneKind) -> Result<(Listing, String), WorkError> {
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
    Ok((Listing::new(files), tree.tree_id.unwrap_or_default()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::kinds::small_tree::{COMMIT, job_over, texts};
    use crate::exec::testing::{Printed, world};
    use crate::graph::node::Kind;
    use crate::outside::process::cancel::Level;

    fn cloning(source: Source, paths: &[&str]) -> CloneKind {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        CloneKind { repo: "the/repo".into(), reference: "main".into(), paths, source, output: None }
    }

    fn cloned(world: &World, k: &CloneKind, revision: Option<&str>) -> Result<Produced, WorkError> {
        let mut job = job_over(world, Kind::Clone(Box::new(k.clone())), Vec::new(), &[]);
        job.revision = revision.map(str::to_owned);
        run(world, &job, k, &mut Printed::default())
    }

    /// A repository with one commit on `main`.
    fn repository(dir: &Path) -> String {
        let mut options = git2::RepositoryInitOptions::new();
        let repository =
            git2::Repository::init_opts(dir, options.initial_head("main").external_template(false)).unwrap();
        let mut files = Vec::new();
        for (path, mode, content) in [
            ("collector/main.go", 0o100_644, "package main\n"),
            ("collector/run.sh", 0o100_755, "#!/bin/sh\n"),
            ("collector/link", 0o120_000, "main.go"),
            ("docs/big.md", 0o100_644, "not wanted"),
        ] {
            files.push((path, mode, repository.blob(content.as_bytes()).unwrap()));
        }
        let folder = |prefix: &str| {
            let mut builder = repository.treebuilder(None).unwrap();
            for (path, mode, id) in &files {
                if let Some(name) = path.strip_prefix(prefix) {
                    builder.insert(name, *id, *mode).unwrap();
                }
            }
            builder.write().unwrap()
        };
        let mut root = repository.treebuilder(None).unwrap();
        root.insert("collector", folder("collector/"), 0o040_000).unwrap();
        root.insert("docs", folder("docs/"), 0o040_000).unwrap();
        let tree = repository.find_tree(root.write().unwrap()).unwrap();
        let author = git2::Signature::new("A", "a@example.org", &git2::Time::new(1_700_000_000, 0)).unwrap();
        repository.commit(Some("refs/heads/main"), &author, &author, "one", &tree, &[]).unwrap().to_string()
    }

    const WANTED: [&str; 3] = ["collector/link", "collector/main.go", "collector/run.sh"];

    #[test]
    fn a_local_repository_gives_the_wanted_files_of_the_commit_with_their_modes() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let commit = repository(&world.root.join("up"));
        let k = cloning(Source::Local("up".into()), &["collector"]);
        let produced = cloned(&world, &k, Some(&commit)).unwrap();
        assert_eq!(produced.facts["commit"], commit);
        let Content::Tree { listing, .. } = &produced.outputs[0].content else { panic!("no tree") };
        let listing = outputs::read_listing(&world, listing).unwrap();
        assert_eq!(listing.0.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), WANTED);
        assert_eq!(listing.get("collector/link"), Some(&Content::Symlink("main.go".into())));
        let runs = |path| matches!(listing.get(path), Some(Content::File(file)) if file.executable);
        assert!(runs("collector/run.sh") && !runs("collector/main.go"));
        let error = cloned(&world, &cloning(Source::Local("up".into()), &["colector"]), Some(&commit)).unwrap_err();
        assert!(matches!(&error, WorkError::Invalid(text) if text.contains("`colector`")), "{error}");
    }

    #[test]
    fn a_plain_folder_is_taken_as_it_is_now() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        for (path, text) in [("src/collector/main.go", "one"), ("src/other/x", "not wanted")] {
            let path = world.root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let k = cloning(Source::Plain("src".into()), &["collector"]);
        let produced = cloned(&world, &k, Some(COMMIT)).unwrap();
        assert_eq!(texts(&world, &produced.outputs[0].content), [("collector/main.go".into(), "one".into())].into());
        assert_eq!((produced.facts["commit"].as_str(), produced.pin), (COMMIT, None));
    }

    #[test]
    fn a_remote_is_pinned_once_and_then_needs_no_network() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        let upstream = dir.path().join("upstream");
        let commit = repository(&upstream);
        let url = format!("file://{}", upstream.display());
        let k = cloning(Source::Remote { url, pin: None }, &["collector"]);
        let error = cloned(&world, &k, None).unwrap_err();
        assert!(matches!(&error, WorkError::Environment(text) if text.contains("ocelot update")), "{error}");
        let error = cloned(&world, &k, Some(&commit)).unwrap_err();
        assert!(matches!(&error, WorkError::Environment(text) if text.contains(&commit[..12])), "{error}");

        world.offline = false;
        let first = cloned(&world, &k, None).unwrap();
        let pin = first.pin.unwrap();
        assert_eq!((pin.commit.as_str(), pin.date.as_str(), pin.branch), (commit.as_str(), "2023-11-14", true));
        assert_eq!(texts(&world, &first.outputs[0].content).into_keys().collect::<Vec<_>>(), WANTED);

        world.offline = true;
        std::fs::remove_dir_all(&upstream).unwrap();
        let again = cloned(&world, &k, Some(&commit)).unwrap();
        assert_eq!((again.outputs, again.facts, again.pin), (first.outputs, first.facts, None));
    }

    #[test]
    fn a_cancelled_run_fetches_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        world.offline = false;
        let commit = repository(&dir.path().join("upstream"));
        let url = format!("file://{}", dir.path().join("upstream").display());
        let k = cloning(Source::Remote { url, pin: None }, &[]);
        world.cancel.raise(Level::Graceful);
        for revision in [None, Some(commit.as_str())] {
            assert!(matches!(cloned(&world, &k, revision), Err(WorkError::Cancelled)));
        }
    }
}
