//! Repositories on this machine: what a ref means there, and which files prove that it still means the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};

use crate::outside::git::error::GitError;
use crate::outside::git::reference::{GitId, GitRef, RefKind, RefList, Resolved, both_note};
use crate::outside::git::remote::open;

/// Finds the commit that a ref names in a local repository: exact tag, branch, remote-tracking branch
/// (`origin/main`), then commit id. Only what is committed counts; changes in the working tree do not.
///
/// # Errors
/// [`GitError::UnknownRef`] with near names, [`GitError::AmbiguousId`], [`GitError::Repository`].
pub fn resolve_local(path: &Path, reference: &GitRef) -> Result<Resolved, GitError> {
    let repository = open(path)?;
    let shown = path.display().to_string();
    let mut found = None;
    let mut note = None;
    for (name, kind) in local_candidates(reference) {
        let target = match repository.find_reference(&name) {
            Ok(target) => target,
            Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => continue,
            Err(error) => return Err(GitError::repository(path)(error)),
        };
        let commit = match target.peel_to_commit() {
            Ok(commit) => GitId(commit.id()),
            // A repository without any commit has a HEAD that leads nowhere.
            Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::UnbornBranch) => continue,
            Err(error) => return Err(GitError::repository(path)(error)),
        };
        match &found {
            None => found = Some(Resolved { commit, ref_name: Some(name), kind, note: None }),
            Some(first) if first.kind == RefKind::Tag && kind == RefKind::Branch && first.commit != commit => {
                note = Some(both_note(reference));
            }
            Some(_) => {}
        }
    }
    if let Some(found) = found {
        return Ok(Resolved { note, ..found });
    }
    if reference.full_id().is_some() || reference.short_id().is_some() {
        match repository.find_commit_by_prefix(reference.as_str()) {
            Ok(commit) => {
                let commit = GitId(commit.id());
                return Ok(Resolved { commit, ref_name: None, kind: RefKind::Commit, note: None });
            }
            Err(error) if error.code() == ErrorCode::Ambiguous => {
                return Err(GitError::AmbiguousId { repository: shown, id: reference.to_string() });
            }
            Err(_) => {}
        }
    }
    Err(list(&repository).unknown(reference, &shown))
}

/// The files whose state (also their absence) proves that [`resolve_local`] would give the same answer again. A full
/// commit id needs no proof. Absolute if `path` is; sorted; no file is made, and any of them may be absent.
///
/// For a shortened commit id the names that could shadow it are watched; that a later commit makes it ambiguous is not
/// noticed, since it still means the commit that it meant.
///
/// # Errors
/// [`GitError::Repository`] if the repository cannot be opened.
pub fn ref_watch(path: &Path, reference: &GitRef) -> Result<Vec<PathBuf>, GitError> {
    if reference.full_id().is_some() {
        return Ok(Vec::new());
    }
    let repository = open(path)?;
    let own = repository.path();
    let common = repository.commondir();
    let mut files = BTreeSet::new();
    let link = path.join(".git");
    if link.is_file() {
        files.insert(link);
    }
    if own != common {
        files.insert(own.join("commondir"));
    }
    files.insert(common.join("packed-refs"));
    let mut names: Vec<String> = local_candidates(reference).into_iter().map(|(name, _)| name).collect();
    // Symbolic refs lead on; a ring of them is cut by the set.
    while let Some(name) = names.pop() {
        // HEAD is of the working tree, the other names are shared by all working trees.
        let file = if name.starts_with("refs/") { common.join(&name) } else { own.join(&name) };
        let next = fs::read_to_string(&file).ok();
        if files.insert(file)
            && let Some(target) = next.as_deref().and_then(|text| text.strip_prefix("ref:"))
        {
            names.push(target.trim().to_owned());
        }
    }
    Ok(files.into_iter().collect())
}

/// A full commit id is itself and never a name, as for a remote.
fn local_candidates(reference: &GitRef) -> Vec<(String, RefKind)> {
    if reference.full_id().is_some() {
        return Vec::new();
    }
    let mut names = reference.candidates();
    if names.len() > 1 {
        names.push((format!("refs/remotes/{reference}"), RefKind::Branch));
    }
    names
}

fn list(repository: &Repository) -> RefList {
    let Ok(references) = repository.references() else { return RefList::default() };
    RefList::new(
        references
            .flatten()
            .filter_map(|found| Some((found.name().ok()?.to_owned(), found.target_peel().or(found.target())?))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::git::fixture::{FILE, Fixture};

    fn resolve(path: &Path, text: &str) -> Result<Resolved, GitError> {
        resolve_local(path, &GitRef::parse(text).unwrap())
    }

    /// The watched files' content, absence included.
    fn look(path: &Path, text: &str) -> Vec<Option<Vec<u8>>> {
        let files = ref_watch(path, &GitRef::parse(text).unwrap()).unwrap();
        files.iter().map(|file| fs::read(file).ok()).collect()
    }

    #[test]
    fn names_are_tried_in_order_and_ids_last() {
        let fixture = Fixture::new();
        let first = fixture.commit("main", &[("a", FILE, "1")]);
        fixture.annotated_tag("both", first);
        let second = fixture.commit("both", &[("a", FILE, "2")]);
        fixture.repository.reference("refs/remotes/origin/next", second.0, true, "").unwrap();
        for (text, commit, kind, noted) in [
            ("main", first, RefKind::Branch, false),
            ("HEAD", first, RefKind::Head, false),
            ("both", first, RefKind::Tag, true),
            ("refs/heads/both", second, RefKind::Branch, false),
            ("origin/next", second, RefKind::Branch, false),
            (&second.short(), second, RefKind::Commit, false),
            (&second.to_string(), second, RefKind::Commit, false),
        ] {
            let found = resolve(fixture.path(), text).unwrap();
            assert_eq!((found.commit, found.kind, found.note.is_some()), (commit, kind, noted), "{text}");
        }
        let error = resolve(fixture.path(), "mian").unwrap_err().to_string();
        assert!(error.contains("did you mean `main`"), "{error}");
        assert!(resolve(fixture.path(), &"a".repeat(40)).is_err());
    }

    #[test]
    fn a_repository_without_commits_is_an_error_and_not_a_panic() {
        let fixture = Fixture::new();
        assert!(matches!(resolve(fixture.path(), "HEAD"), Err(GitError::UnknownRef { .. })));
        assert!(matches!(resolve(fixture.folder.path(), "HEAD"), Err(GitError::Repository { .. })));
    }

    #[test]
    fn every_change_of_meaning_shows_in_a_watched_file() {
        let fixture = Fixture::new();
        let path = fixture.path();
        let first = fixture.commit("main", &[("a", FILE, "1")]);
        let other = fixture.commit("other", &[("a", FILE, "3")]);
        let move_branch = |text: &str| {
            fixture.commit("main", &[("a", FILE, text)]);
        };
        let watch = |text: &'static str, change: &dyn Fn()| {
            let before = (look(path, text), resolve(path, text).unwrap().commit);
            change();
            let after = (look(path, text), resolve(path, text).unwrap().commit);
            assert!(before.1 != after.1 && before.0 != after.0, "{text}");
        };
        watch("main", &|| move_branch("2"));
        watch("HEAD", &|| move_branch("4"));
        watch("HEAD", &|| fixture.repository.set_head("refs/heads/other").unwrap());
        watch("main", &|| fixture.tag("main", first));
        watch("main", &|| {
            fs::remove_file(path.join(".git/refs/tags/main")).unwrap();
            fs::remove_file(path.join(".git/refs/heads/main")).unwrap();
            fs::write(path.join(".git/packed-refs"), format!("{other} refs/heads/main\n")).unwrap();
        });
        assert!(ref_watch(path, &GitRef::parse(&first.to_string()).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn a_linked_working_tree_has_its_own_head_and_shared_branches() {
        let fixture = Fixture::new();
        let first = fixture.commit("main", &[("a", FILE, "1")]);
        let linked = fixture.folder.path().join("linked");
        fixture.repository.worktree("linked", &linked, None).unwrap();
        assert_eq!(resolve(&linked, "HEAD").unwrap().commit, first);
        let before = look(&linked, "HEAD");
        let second = fixture.commit("linked", &[("a", FILE, "2")]);
        assert_eq!(resolve(&linked, "HEAD").unwrap().commit, second);
        assert_ne!(before, look(&linked, "HEAD"));
        let watched = ref_watch(&linked, &GitRef::head()).unwrap();
        assert!(watched.contains(&linked.join(".git")), "{watched:?}");
    }
}
