//! `ocelot.lock` and `ocelot.lock.d/` on disk, and the pins of refs given on the command line in `.ocelot/pins`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::diag::{Diagnostic, SourceMap};
use crate::base::digest::BlobDigest;
use crate::exec::api::Prepared;
use crate::spec::lock::{LockFile, LockedTree, VERSION};
use crate::spec::yaml::{Limits, read};
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
            match sources.add_bytes(name, bytes) {
                Ok(source) => {
                    let text = sources.get(source).map(|source| source.text.clone()).unwrap_or_default();
                    if let Some(file) = read::<LockFile>(source, &text, &Limits::default(), &mut problems) {
                        if file.version > VERSION {
                            problems.push(
                                Diagnostic::error(format!("{name} was written by a newer version of ocelot"))
                                    .help("update ocelot, or delete the file to lock anew"),
                            );
                        }
                        *into = file;
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        for (key, tree) in &lock.file.prepared {
            let folder = Path::new(name).with_file_name(FOLDER).join(&tree.folder);
            let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
            lock.read.extend([file("go.mod"), file("go.sum")]);
            let text = |name: &str| std::fs::read_to_string(root.join(file(name)));
            match (text("go.mod"), text("go.sum")) {
                (Ok(go_mod), Ok(go_sum)) if digest(&go_mod, &go_sum) == tree.digest => {
                    lock.prepared.insert(key.clone(), Prepared { go_mod, go_sum });
                }
                (Ok(_), Ok(_)) => problems.push(
                    Diagnostic::error(format!("the files in {} are not the ones that {name} names", folder.display()))
                        .help("restore them from version control, or run `ocelot update`"),
                ),
                _ => problems.push(
                    Diagnostic::error(format!("{name} names {}, which cannot be read", folder.display()))
                        .help("restore it from version control, or run `ocelot update`"),
                ),
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

fn digest(go_mod: &str, go_sum: &str) -> String {
    BlobDigest::of(format!("{go_mod}\0{go_sum}").as_bytes()).to_hex()
}
