//! The files of one commit, listed and read from a repository's objects; no working tree is involved.

use std::path::{Path, PathBuf};

use git2::{ObjectType, Odb, Oid, Repository};

use crate::outside::git::error::{GitError, near};
use crate::outside::git::listing::{Entry, EntryKind, Limits, Listing, MAX_TARGET, Tree, join, wanted_paths};
use crate::outside::git::reference::GitId;
use crate::outside::git::remote::open;

/// A repository opened for reading commits: a mirror or a local one.
pub struct SourceRepository {
    repository: Repository,
    path: PathBuf,
    shown: String,
}

/// The file types in a git tree entry's mode.
mod mode {
    pub(super) const TYPE: i32 = 0o170_000;
    pub(super) const FOLDER: i32 = 0o040_000;
    pub(super) const FILE: i32 = 0o100_000;
    pub(super) const LINK: i32 = 0o120_000;
    pub(super) const SUBMODULE: i32 = 0o160_000;
    pub(super) const OWNER_EXECUTES: i32 = 0o100;
}

/// One row of a git tree.
struct Row {
    mode: i32,
    id: Oid,
}

impl SourceRepository {
    /// Opens a repository, bare or not; `shown` names it in errors, since a mirror's folder means nothing to a user.
    ///
    /// # Errors
    /// [`GitError::Repository`].
    pub fn open(path: &Path, shown: &str) -> Result<Self, GitError> {
        Ok(Self { repository: open(path)?, path: path.to_owned(), shown: shown.to_owned() })
    }

    /// When the commit was made, in seconds since 1970; for display.
    ///
    /// # Errors
    /// [`GitError::Repository`].
    pub fn commit_time(&self, commit: GitId) -> Result<i64, GitError> {
        let commit = self.repository.find_commit(commit.0).map_err(GitError::repository(&self.path))?;
        Ok(commit.time().seconds())
    }

    /// Lists the wanted paths of a commit (none: all of it); a folder means everything below it. Paths are literal.
    ///
    /// # Errors
    /// [`GitError::PathMissing`] with near names, [`GitError::Entry`] for names and links that may not be used,
    /// [`GitError::TooLarge`], [`GitError::Repository`].
    pub fn tree(&self, commit: GitId, wanted: &[String], limits: Limits) -> Result<Tree, GitError> {
        let origin = format!("{} at {}", self.shown, commit.short());
        let wanted = wanted_paths(&origin, wanted)?;
        let root = self
            .repository
            .find_commit(commit.0)
            .and_then(|commit| commit.tree())
            .map_err(GitError::repository(&self.path))?;
        let odb = self.repository.odb().map_err(GitError::repository(&self.path))?;
        let mut listing = Listing::new(origin.clone(), limits);
        let mut rows = Vec::with_capacity(wanted.len());
        for path in wanted {
            let row = match path.as_str() {
                "" => Row { mode: mode::FOLDER, id: root.id() },
                path => self.find(root.id(), path, &origin)?,
            };
            self.add(&odb, &mut listing, path.clone(), &row)?;
            rows.push((path, row));
        }
        listing.finish(Some(tree_id(&rows).map_err(GitError::repository(&self.path))?))
    }

    /// Reads the files of a tree in its order, each whole and verified against its id; links are not visited.
    ///
    /// # Errors
    /// Those of `visit`, and [`GitError::Repository`] for a damaged or missing object.
    pub fn each_file<E: From<GitError>>(
        &self,
        tree: &Tree,
        mut visit: impl FnMut(&Entry, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let odb = self.repository.odb().map_err(GitError::repository(&self.path))?;
        for entry in &tree.entries {
            if let (EntryKind::File { .. }, Some(id)) = (&entry.kind, entry.object) {
                let object = odb.read(id.0).map_err(GitError::repository(&self.path))?;
                visit(entry, object.data())?;
            }
        }
        Ok(())
    }

    fn find(&self, root: Oid, path: &str, origin: &str) -> Result<Row, GitError> {
        let mut row = Row { mode: mode::FOLDER, id: root };
        let mut folder = String::new();
        for name in path.split('/') {
            let missing = |near| GitError::PathMissing { origin: origin.to_owned(), path: path.to_owned(), near };
            if row.mode & mode::TYPE != mode::FOLDER {
                return Err(missing(Vec::new()));
            }
            let tree = self.repository.find_tree(row.id).map_err(GitError::repository(&self.path))?;
            let Some(entry) = tree.get_name(name) else {
                let names: Vec<String> =
                    tree.iter().filter_map(|entry| Some(join(&folder, entry.name().ok()?))).collect();
                return Err(missing(near(&join(&folder, name), names.iter().map(String::as_str))));
            };
            row = Row { mode: entry.filemode_raw(), id: entry.id() };
            folder = join(&folder, name);
        }
        Ok(row)
    }

    fn add(&self, odb: &Odb<'_>, listing: &mut Listing, path: String, row: &Row) -> Result<(), GitError> {
        let damaged = GitError::repository(&self.path);
        match row.mode & mode::TYPE {
            mode::FOLDER => {
                let tree = self.repository.find_tree(row.id).map_err(damaged)?;
                for entry in &tree {
                    let child = listing.child(&path, entry.name_bytes())?;
                    self.add(odb, listing, child, &Row { mode: entry.filemode_raw(), id: entry.id() })?;
                }
                Ok(())
            }
            mode::FILE => {
                let (size, kind) = odb.read_header(row.id).map_err(damaged)?;
                if kind != ObjectType::Blob {
                    return Err(listing.refuse(&path, "is damaged: its object is no file"));
                }
                let executable = row.mode & mode::OWNER_EXECUTES != 0;
                let kind = EntryKind::File { executable, size: size as u64 };
                listing.push(Entry { path, kind, object: Some(GitId(row.id)) })
            }
            mode::LINK => {
                let target = self.link_target(odb, listing, &path, row.id)?;
                listing.push(Entry { path, kind: EntryKind::Link { target }, object: Some(GitId(row.id)) })
            }
            mode::SUBMODULE => {
                listing.push_submodule(path);
                Ok(())
            }
            other => Err(listing.refuse(&path, format!("has the unknown file type {other:o}: remove it"))),
        }
    }

    fn link_target(&self, odb: &Odb<'_>, listing: &Listing, path: &str, id: Oid) -> Result<String, GitError> {
        let object = odb.read(id).map_err(GitError::repository(&self.path))?;
        let usable = |text: &&str| !text.is_empty() && text.len() < MAX_TARGET && !text.chars().any(char::is_control);
        std::str::from_utf8(object.data())
            .ok()
            .filter(usable)
            .map(str::to_owned)
            .ok_or_else(|| listing.refuse(path, "is a link with an unusable target: remove it"))
    }
}

/// See [`Tree::tree_id`].
fn tree_id(rows: &[(String, Row)]) -> Result<String, git2::Error> {
    if let [(_, Row { mode: mode::FOLDER, id })] = rows {
        return Ok(id.to_string());
    }
    let mut text = String::new();
    for (path, row) in rows {
        let kind = match row.mode & mode::TYPE {
            mode::FOLDER => "tree",
            mode::SUBMODULE => "commit",
            _ => "blob",
        };
        text.push_str(&format!("{:06o} {kind} {}\t{path}\n", row.mode, row.id));
    }
    Oid::hash_object(ObjectType::Blob, text.as_bytes()).map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::git::fixture::{COMMIT_TIME, FILE, Fixture, LINK, PROGRAM, SUBMODULE};
    use std::fs;

    const FILES: &[(&str, u32, &str)] = &[
        ("README.md", FILE, "docs"),
        ("collector/Makefile", FILE, "all:"),
        ("collector/bin/run", PROGRAM, "#!"),
        ("collector/latest", LINK, "bin/run"),
        ("collector/vendor", SUBMODULE, ""),
        ("go/go.mod", FILE, "module x"),
    ];

    fn read(fixture: &Fixture, commit: GitId, wanted: &[&str]) -> Result<Tree, GitError> {
        let wanted: Vec<String> = wanted.iter().map(|&path| path.to_owned()).collect();
        SourceRepository::open(fixture.path(), "upstream").unwrap().tree(commit, &wanted, Limits::default())
    }

    #[test]
    fn wanted_paths_and_nothing_else_are_listed_and_read() {
        let fixture = Fixture::new();
        let commit = fixture.commit("main", FILES);
        let tree = read(&fixture, commit, &["collector/"]).unwrap();
        let shown: Vec<(&str, &EntryKind)> = tree.entries.iter().map(|x| (x.path.as_str(), &x.kind)).collect();
        assert_eq!(
            shown,
            [
                ("collector/Makefile", &EntryKind::File { executable: false, size: 4 }),
                ("collector/bin/run", &EntryKind::File { executable: true, size: 2 }),
                ("collector/latest", &EntryKind::Link { target: "bin/run".to_owned() }),
            ]
        );
        assert_eq!(tree.submodules, ["collector/vendor"]);
        let source = SourceRepository::open(fixture.path(), "upstream").unwrap();
        let mut contents = Vec::new();
        source
            .each_file::<GitError>(&tree, |entry, bytes| {
                contents.push((entry.path.clone(), bytes.to_vec()));
                Ok(())
            })
            .unwrap();
        let contents: Vec<(&str, &[u8])> = contents.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])).collect();
        assert_eq!(contents, [("collector/Makefile", &b"all:"[..]), ("collector/bin/run", b"#!")]);
        assert_eq!(source.commit_time(commit).unwrap(), COMMIT_TIME);
        assert_eq!(read(&fixture, commit, &[]).unwrap().entries.len(), 5);
    }

    #[test]
    fn the_tree_id_follows_the_wanted_paths_only() {
        let fixture = Fixture::new();
        let id = |commit, wanted: &[&str]| read(&fixture, commit, wanted).unwrap().tree_id.unwrap();
        let one = fixture.commit("main", FILES);
        let mut files = FILES.to_vec();
        files[0].2 = "other docs";
        let docs = fixture.commit("main", &files);
        for wanted in [&["collector"][..], &["collector", "go"], &["go/go.mod"]] {
            assert_eq!(id(one, wanted), id(docs, wanted), "{wanted:?}");
        }
        assert_ne!(id(one, &[]), id(docs, &[]));
        assert_eq!(id(one, &["go", "collector", "go/go.mod"]), id(one, &["collector", "go"]));
        files[2].1 = FILE;
        let mode = fixture.commit("main", &files);
        for wanted in [&["collector"][..], &["collector", "go"], &["collector/bin/run"]] {
            assert_ne!(id(docs, wanted), id(mode, wanted), "{wanted:?}");
        }
        // As git has them: `rev-parse COMMIT:go`, and `ls-tree COMMIT PATHS | hash-object --stdin`.
        assert_eq!(id(one, &["go"]), "861ef523a2b6fcc81308047731949dfc78080813");
        assert_eq!(id(one, &["go", "collector"]), "360546b9931ece7b099a10710b42e958af2f3cb4");
        assert_eq!(id(one, &["go/go.mod"]), "2992c571b430a84d02f0b3a95e08d6ee2e80bdde");
    }

    #[test]
    fn a_path_that_is_not_there_brings_near_names() {
        let fixture = Fixture::new();
        let commit = fixture.commit("main", FILES);
        let error = read(&fixture, commit, &["colector/bin"]).unwrap_err().to_string();
        assert!(error.contains(&commit.short()) && error.contains("did you mean `collector`?"), "{error}");
        assert!(matches!(read(&fixture, commit, &["README.md/x"]), Err(GitError::PathMissing { .. })));
        assert!(matches!(read(&fixture, commit, &["collector/latest/x"]), Err(GitError::PathMissing { .. })));
    }

    #[test]
    fn row_36_crafted_trees_are_refused_and_the_culprit_named() {
        let fixture = Fixture::new();
        for (files, culprit) in [
            (vec![("a/evil", LINK, "../../outside")], "a/evil"),
            (vec![("evil", LINK, "/etc/passwd")], "evil"),
            (vec![("evil", LINK, "")], "evil"),
            (vec![("a/../evil", FILE, "")], "a/.."),
            (vec![("a/.git/hooks", FILE, "")], "a/.git"),
            (vec![("new\nline", FILE, "")], "new"),
            (vec![("x/README", FILE, ""), ("x/Readme", FILE, "")], "x/Readme"),
            (vec![("device", 0o060_000, "")], "device"),
        ] {
            let commit = fixture.commit("crafted", &files);
            let error = read(&fixture, commit, &[]).unwrap_err();
            assert!(matches!(&error, GitError::Entry { path, .. } if path.starts_with(culprit)), "{error}");
        }
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let fixture = Fixture::new();
        let commit = fixture.commit("main", &[("a", FILE, "content")]);
        let tree = read(&fixture, commit, &[]).unwrap();
        let id = tree.entries[0].object.unwrap().to_string();
        fs::remove_file(fixture.path().join(".git/objects").join(&id[..2]).join(&id[2..])).unwrap();
        let source = SourceRepository::open(fixture.path(), "upstream").unwrap();
        let outcome = source.each_file::<GitError>(&tree, |_, _| Ok(()));
        assert!(matches!(outcome, Err(GitError::Repository { .. })));
    }
}
