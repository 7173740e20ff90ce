//! Real repositories for the tests, written object by object, so that also trees which git would not make can be had.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{ObjectType, Oid, Repository, RepositoryInitOptions, Signature, Time};
use tempfile::TempDir;

use crate::outside::git::reference::GitId;

/// Modes of git tree entries.
pub(super) const FILE: u32 = 0o100_644;
pub(super) const PROGRAM: u32 = 0o100_755;
pub(super) const LINK: u32 = 0o120_000;
pub(super) const SUBMODULE: u32 = 0o160_000;

/// Path, mode and content.
type Row<'a> = (&'a str, u32, &'a [u8]);

/// When every commit of a fixture was made.
pub(super) const COMMIT_TIME: i64 = 1_700_000_000;

/// A repository with a working tree (which stays empty) in a folder that goes away with it.
pub(super) struct Fixture {
    pub(super) repository: Repository,
    pub(super) folder: TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main").external_template(false);
        let repository = Repository::init_opts(folder.path().join("upstream"), &options).unwrap();
        Self { repository, folder }
    }

    pub(super) fn path(&self) -> &Path {
        self.repository.workdir().unwrap()
    }

    /// A commit of these files (path, mode, content) on top of what `branch` is, which then names it.
    pub(super) fn commit(&self, branch: &str, files: &[(&str, u32, &str)]) -> GitId {
        let files: Vec<Row<'_>> = files.iter().map(|&(path, mode, text)| (path, mode, text.as_bytes())).collect();
        let tree = self.repository.find_tree(self.write_tree(&files)).unwrap();
        let name = format!("refs/heads/{branch}");
        let parent = self.repository.find_reference(&name).ok().map(|tip| tip.peel_to_commit().unwrap());
        let author = Signature::new("A", "a@example.org", &Time::new(COMMIT_TIME, 0)).unwrap();
        let parents: Vec<_> = parent.iter().collect();
        GitId(self.repository.commit(Some(&name), &author, &author, "change", &tree, &parents).unwrap())
    }

    /// A lightweight tag.
    pub(super) fn tag(&self, name: &str, commit: GitId) {
        self.repository.reference(&format!("refs/tags/{name}"), commit.0, true, "").unwrap();
    }

    /// A tag with an object of its own.
    pub(super) fn annotated_tag(&self, name: &str, commit: GitId) {
        let target = self.repository.find_object(commit.0, None).unwrap();
        let author = Signature::new("A", "a@example.org", &Time::new(COMMIT_TIME, 0)).unwrap();
        self.repository.tag(name, &target, &author, "release", true).unwrap();
    }

    fn write_tree(&self, files: &[Row<'_>]) -> Oid {
        let odb = self.repository.odb().unwrap();
        let mut folders: BTreeMap<&str, Vec<Row<'_>>> = BTreeMap::new();
        // git sorts a folder as if its name ended in `/`.
        let mut rows: BTreeMap<String, (u32, &str, Oid)> = BTreeMap::new();
        for &(path, mode, content) in files {
            match path.split_once('/') {
                Some((folder, rest)) => folders.entry(folder).or_default().push((rest, mode, content)),
                None if mode == SUBMODULE => {
                    rows.insert(path.to_owned(), (mode, path, Oid::from_bytes(&[7; 20]).unwrap()));
                }
                None => {
                    rows.insert(path.to_owned(), (mode, path, odb.write(ObjectType::Blob, content).unwrap()));
                }
            }
        }
        for (folder, files) in &folders {
            rows.insert(format!("{folder}/"), (0o040_000, folder, self.write_tree(files)));
        }
        let mut data = Vec::new();
        for (mode, name, id) in rows.values() {
            data.extend_from_slice(format!("{mode:o} {name}\0").as_bytes());
            data.extend_from_slice(id.as_bytes());
        }
        odb.write(ObjectType::Tree, &data).unwrap()
    }
}
