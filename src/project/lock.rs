//! `ocelot.lock` and `ocelot.lock.d/` on disk, and the pins of refs given on the command line in `.ocelot/pins`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::code;
use crate::base::diag::{Diagnostic, SourceMap, quoted};
use crate::base::digest::BlobDigest;
use crate::exec::api::Prepared;
use crate::spec::lock::{LockFile, LockedTree, VERSION};
use crate::spec::yaml::{Limits, Tree, decode, parse};
use crate::store::atomic;

/// The lock of a project, and what it was read from.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    /// What the file says; empty if there is none.
    pub file: LockFile,
    /// Pins that are not for everybody: refs given by a flag.
    pub local: LockFile,
    /// `go.mod` and `go.sum` by key.
    pub prepared: BTreeMap<String, Prepared>,
    /// Files read, relative to the root.
    pub read: Vec<String>,
}

/// Name of the lock.
pub const FILE: &str = "ocelot.lock";
/// Folder of prepared module files.
pub const FOLDER: &str = "ocelot.lock.d";
/// Pins of refs given by a flag.
pub const LOCAL: &str = ".ocelot/pins";

impl Lock {
    /// Reads the lock (`path`, or `ocelot.lock`) of a project.
    ///
    /// # Errors
    /// What is wrong with it, with places.
    pub fn read(root: &Path, path: Option<&str>, sources: &mut SourceMap) -> Result<Self, Vec<Diagnostic>> {
        let name = path.unwrap_or(FILE);
        let mut lock = Self::default();
        let mut problems = Vec::new();
        for (name, into) in [(name, &mut lock.file), (LOCAL, &mut lock.local)] {
            lock.read.push(name.to_owned());
            let Ok(bytes) = std::fs::read(root.join(name)) else { continue };
            let before = problems.len();
            let source = match sources.add_bytes(name, bytes) {
                Ok(source) => source,
                Err(problem) => {
                    problems.push(problem.help(mend(name)));
                    continue;
                }
            };
            let text = sources.get(source).map(|source| source.text.clone()).unwrap_or_default();
            let tree = parse(source, &text, &Limits::default(), &mut problems);
            if let Some(newer) = tree.as_ref().and_then(|tree| newer(name, tree)) {
                problems.push(newer);
                continue;
            }
            if let Some(tree) = &tree {
                *into = decode(tree, &mut problems).unwrap_or_default();
                check_commits(tree, &mut problems);
            }
            if let Some(last) = problems[before..].last_mut() {
                last.help.push(mend(name).to_owned());
            }
            if let Some(tree) = tree.filter(|_| name != LOCAL) {
                lock.read.extend(prepared(root, name, &tree, into, &mut lock.prepared, &mut problems));
            }
        }
        if problems.is_empty() { Ok(lock) } else { Err(problems) }
    }

    /// Adds a prepared tree under a readable folder name.
    pub fn add_prepared(&mut self, key: &str, name: &str, prepared: &Prepared) {
        let digest = digest(&prepared.go_mod, &prepared.go_sum);
        // The same folder again if the same tree was prepared anew.
        self.file.prepared.retain(|_, tree| tree.folder != name);
        self.file.prepared.insert(key.to_owned(), LockedTree { folder: name.to_owned(), digest });
        self.prepared.insert(key.to_owned(), prepared.clone());
    }

    /// Writes the lock and its folder, synced; files first, so that the lock never names what is not there.
    ///
    /// # Errors
    /// As the file system says, with the path.
    pub fn write(&self, root: &Path, path: Option<&str>) -> Result<(), (PathBuf, std::io::Error)> {
        let name = path.unwrap_or(FILE);
        for (key, tree) in &self.file.prepared {
            let Some(prepared) = self.prepared.get(key) else { continue };
            let folder = root.join(name).with_file_name(FOLDER).join(&tree.folder);
            for (name, text) in [("go.mod", &prepared.go_mod), ("go.sum", &prepared.go_sum)] {
                let file = folder.join(name);
                if std::fs::read(&file).ok().as_deref() != Some(text.as_bytes()) {
                    atomic::write(&file, text.as_bytes(), true).map_err(|error| (file, error))?;
                }
            }
        }
        let file = root.join(name);
        atomic::write(&file, self.file.to_text().as_bytes(), true).map_err(|error| (file, error))
    }

    /// Writes the pins that are not for everybody.
    ///
    /// # Errors
    /// As the file system says, with the path.
    pub fn write_local(&self, root: &Path) -> Result<(), (PathBuf, std::io::Error)> {
        let file = root.join(LOCAL);
        atomic::write(&file, self.local.to_text().as_bytes(), true).map_err(|error| (file, error))
    }
}

/// A lock of a format that is not known here: nothing else that it says can be judged.
fn newer(name: &str, tree: &Tree<'_>) -> Option<Diagnostic> {
    let version = tree.get("version")?;
    let number: u64 = version.as_str()?.parse().ok()?;
    (number > u64::from(VERSION)).then(|| {
        Diagnostic::error(code::LOCK_NEWER, format!("`{name}` was written by a newer version of ocelot"))
            .label(version.span(), format!("this version reads format {VERSION}"))
            .help("update ocelot, or delete the file to lock anew")
    })
}

/// What to do about a file that a person should not have to touch.
fn mend(name: &str) -> &'static str {
    if name == LOCAL {
        "this file has the pins of refs that were given by a flag: delete it, and they are pinned anew"
    } else {
        "ocelot writes this file: restore it from version control, or delete it to lock anew"
    }
}

/// What stands for a commit is handed to git: it has to be one.
fn check_commits(tree: &Tree<'_>, problems: &mut Vec<Diagnostic>) {
    for source in tree.get("sources").map(Tree::items).unwrap_or_default() {
        let Some(commit) = source.get("commit") else { continue };
        let text = commit.as_str().unwrap_or_default();
        if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            problems.push(
                Diagnostic::error(code::LOCK_COMMIT, format!("{} is not a commit id", quoted(text)))
                    .label(commit.span(), "expected 40 hexadecimal digits"),
            );
        }
    }
}

/// Reads the files of the prepared trees that a lock names; gives the files looked at.
fn prepared(
    root: &Path,
    name: &str,
    tree: &Tree<'_>,
    lock: &LockFile,
    into: &mut BTreeMap<String, Prepared>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<String> {
    let mut files = Vec::new();
    for (key, locked) in &lock.prepared {
        let at =
            tree.get("prepared").and_then(|prepared| prepared.get(key)?.get("folder")).map_or(tree.span(), Tree::span);
        let folder = Path::new(name).with_file_name(FOLDER).join(&locked.folder);
        let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
        files.extend([file("go.mod"), file("go.sum")]);
        let text = |name: &str| std::fs::read_to_string(root.join(file(name)));
        match (text("go.mod"), text("go.sum")) {
            (Ok(go_mod), Ok(go_sum)) if digest(&go_mod, &go_sum) == locked.digest => {
                into.insert(key.clone(), Prepared { go_mod, go_sum });
            }
            (Ok(_), Ok(_)) => problems.push(
                Diagnostic::error(
                    code::LOCK_PREPARED,
                    format!("the files in {} are not the ones that {name} names", folder.display()),
                )
                .label(at, "their digest is another one")
                .help("restore both from version control, or take this entry out to prepare the tree anew"),
            ),
            _ => problems.push(
                Diagnostic::error(
                    code::LOCK_PREPARED,
                    format!("{name} names {}, which cannot be read", folder.display()),
                )
                .label(at, "`go.mod` and `go.sum` should be in this folder")
                .help("restore them from version control, or take this entry out to prepare the tree anew"),
            ),
        }
    }
    files
}

fn digest(go_mod: &str, go_sum: &str) -> String {
    BlobDigest::of(format!("{go_mod}\0{go_sum}").as_bytes()).to_hex()
}
