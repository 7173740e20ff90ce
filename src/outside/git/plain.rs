//! The files of a plain folder, listed under the same rules as those of a commit. Nothing is read but names, file
//! attributes and link texts.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::outside::git::error::{GitError, near};
use crate::outside::git::listing::{Entry, EntryKind, Limits, Listing, MAX_TARGET, Tree, join, wanted_paths};

/// Never part of a source: a repository's own data, and this program's.
const SKIPPED: [&str; 2] = [".git", ".ocelot"];

/// Lists the wanted paths of a folder (none: all of it); a folder means everything below it. Paths are literal. `.git`
/// and `.ocelot` are left out at every depth. The tree has no id, and entries no object: the caller hashes.
///
/// # Errors
/// [`GitError::PathMissing`] with near names, [`GitError::Entry`] for names, links and devices that may not be used,
/// [`GitError::TooLarge`], [`GitError::Io`].
pub fn walk_plain(root: &Path, wanted: &[String], limits: Limits) -> Result<Tree, GitError> {
    let origin = root.display().to_string();
    let wanted = wanted_paths(&origin, wanted)?;
    let root = root.canonicalize().map_err(GitError::io("cannot open folder", root))?;
    let walk = Walk { root: &root, origin };
    let mut listing = Listing::new(walk.origin.clone(), limits);
    for path in wanted {
        let attributes = walk.find(&listing, &path)?;
        walk.add(&mut listing, path, &attributes)?;
    }
    listing.finish(None)
}

struct Walk<'a> {
    root: &'a Path,
    origin: String,
}

impl Walk<'_> {
    /// The attributes of a wanted path, none of whose parents may be a link.
    fn find(&self, listing: &Listing, path: &str) -> Result<Metadata, GitError> {
        let mut at = String::new();
        let mut attributes = attributes(self.root)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if attributes.is_symlink() {
                return Err(listing.refuse(path, format!("is behind the link `{at}`: write the path that it leads to")));
            }
            let folder = self.root.join(&at);
            let next = join(&at, name);
            attributes = match fs::symlink_metadata(self.root.join(&next)) {
                Ok(attributes) => attributes,
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    let near = near(&next, siblings(&folder, &at).iter().map(String::as_str));
                    return Err(GitError::PathMissing { origin: self.origin.clone(), path: path.to_owned(), near });
                }
                Err(error) => return Err(GitError::io("cannot read", self.root.join(&next))(error)),
            };
            at = next;
        }
        Ok(attributes)
    }

    fn add(&self, listing: &mut Listing, path: String, found: &Metadata) -> Result<(), GitError> {
        let full = self.root.join(&path);
        if found.is_dir() {
            let failed = || GitError::io("cannot list folder", &full);
            for child in fs::read_dir(&full).map_err(failed())? {
                let name = child.map_err(failed())?.file_name();
                if SKIPPED.iter().any(|skipped| name == *skipped) {
                    continue;
                }
                let child = listing.child(&path, name.as_bytes())?;
                let found = attributes(&self.root.join(&child))?;
                self.add(listing, child, &found)?;
            }
            return Ok(());
        }
        let kind = if found.is_file() {
            EntryKind::File { executable: found.permissions().mode() & 0o100 != 0, size: found.len() }
        } else if found.is_symlink() {
            let target = fs::read_link(&full).map_err(GitError::io("cannot read link", &full))?;
            match target.to_str() {
                Some(target) if target.len() < MAX_TARGET && !target.chars().any(char::is_control) => {
                    EntryKind::Link { target: target.to_owned() }
                }
                _ => return Err(listing.refuse(&path, "is a link with an unusable target: remove it")),
            }
        } else {
            return Err(listing.refuse(&path, "is neither file, folder nor link: remove it"));
        };
        listing.push(Entry { path, kind, object: None })
    }
}

fn attributes(path: &Path) -> Result<Metadata, GitError> {
    fs::symlink_metadata(path).map_err(GitError::io("cannot read", path))
}

fn siblings(folder: &Path, at: &str) -> Vec<String> {
    let Ok(children) = fs::read_dir(folder) else { return Vec::new() };
    children.flatten().filter_map(|child| Some(join(at, child.file_name().to_str()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn folder() -> TempDir {
        let temp = tempfile::tempdir().unwrap();
        for folder in ["collector/bin", "collector/.git", ".ocelot", "docs"] {
            fs::create_dir_all(temp.path().join(folder)).unwrap();
        }
        for file in
            ["collector/Makefile", "collector/bin/run", "collector/.git/config", ".ocelot/x", "docs/a", ".hidden"]
        {
            fs::write(temp.path().join(file), "12").unwrap();
        }
        fs::set_permissions(temp.path().join("collector/bin/run"), PermissionsExt::from_mode(0o755)).unwrap();
        symlink("bin/run", temp.path().join("collector/latest")).unwrap();
        temp
    }

    fn walk(temp: &TempDir, wanted: &[&str]) -> Result<Tree, GitError> {
        let wanted: Vec<String> = wanted.iter().map(|&path| path.to_owned()).collect();
        walk_plain(temp.path(), &wanted, Limits::default())
    }

    #[test]
    fn a_folder_is_listed_like_a_commit() {
        let temp = folder();
        let tree = walk(&temp, &["collector"]).unwrap();
        let shown: Vec<(&str, &EntryKind)> = tree.entries.iter().map(|x| (x.path.as_str(), &x.kind)).collect();
        assert_eq!(
            shown,
            [
                ("collector/Makefile", &EntryKind::File { executable: false, size: 2 }),
                ("collector/bin/run", &EntryKind::File { executable: true, size: 2 }),
                ("collector/latest", &EntryKind::Link { target: "bin/run".to_owned() }),
            ]
        );
        assert_eq!(tree.tree_id, None);
        assert_eq!(walk(&temp, &[]).unwrap().entries.len(), 5);
    }

    #[test]
    fn missing_paths_and_paths_behind_links_are_named() {
        let temp = folder();
        let error = walk(&temp, &["colector"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `collector`?"), "{error}");
        symlink("/", temp.path().join("root")).unwrap();
        let error = walk(&temp, &["root/etc"]).unwrap_err().to_string();
        assert!(error.contains("behind the link `root`"), "{error}");
    }

    #[test]
    fn what_cannot_be_a_source_is_refused() {
        for (make, culprit) in [
            ((|root| symlink("../../x", root.join("docs/out")).unwrap()) as fn(&Path), "docs/out"),
            (|root| symlink("circle", root.join("circle")).unwrap(), "circle"),
            (|root| fs::write(root.join(OsStr::from_bytes(b"bad\xff")), "").unwrap(), "bad"),
            (|root| fs::write(root.join("new\nline"), "").unwrap(), "new"),
            (|root| drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap()), "socket"),
        ] {
            let temp = folder();
            make(temp.path());
            let error = walk(&temp, &[]).unwrap_err();
            assert!(matches!(&error, GitError::Entry { path, .. } if path.starts_with(culprit)), "{error}");
        }
    }
}
