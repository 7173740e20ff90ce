//! Several new files at once: all of them, or none; and never in the place of one that is there.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that could not be made. Nothing of the others is left.
#[derive(Debug, thiserror::Error)]
#[error("cannot make {}: {source}; nothing was written", path.display())]
pub struct NewFilesError {
    /// Which.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Files that were made. Unless [`Self::keep`] is called they are taken away again.
#[derive(Debug, Default)]
pub struct NewFiles {
    /// In the order they were made, folders before what is in them.
    made: Vec<PathBuf>,
}

impl NewFiles {
    /// Makes files with these texts below `root`, and the folders on the way, `root` too.
    ///
    /// # Errors
    /// If any cannot be made, or is there already, or a folder below `root` is a link: it could lead anywhere. A process that is killed meanwhile may leave some; none is half-written
    /// in place of an older one.
    pub fn create(root: &Path, files: &[(String, String)]) -> Result<Self, NewFilesError> {
        let mut new = Self::default();
        for (path, text) in files {
            let path = root.join(path);
            if let Err(source) = new.create_one(root, &path, text) {
                return Err(NewFilesError { path, source });
            }
        }
        Ok(new)
    }

    fn create_one(&mut self, root: &Path, path: &Path, text: &str) -> io::Result<()> {
        let is_link = |folder: &&Path| folder.symlink_metadata().is_ok_and(|is| is.is_symlink());
        if let Some(link) = path.ancestors().skip(1).take_while(|folder| *folder != root).find(is_link) {
            let why = format!("{} is a link, which is not followed; put a folder there, or remove it", link.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder)?;
            self.made.push(folder.to_owned());
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        self.made.push(path.to_owned());
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }

    /// They stay.
    pub fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        for path in self.made.iter().rev() {
            // What cannot be taken away stays; a folder in which something else appeared has to.
            let is_folder = path.symlink_metadata().is_ok_and(|is| is.is_dir());
            if is_folder {
                fs::remove_dir(path).ok()
            } else {
                fs::remove_file(path).ok()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<(String, String)> {
        paths.iter().map(|path| ((*path).to_owned(), format!("of {path}"))).collect()
    }

    #[test]
    fn all_are_there_with_their_folders() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("new/project");
        NewFiles::create(&root, &files(&["a", "deep/er/b"])).unwrap().keep();
        assert_eq!(fs::read_to_string(root.join("deep/er/b")).unwrap(), "of deep/er/b");
    }

    #[test]
    fn one_that_cannot_be_made_takes_the_others_with_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("there"), "old").unwrap();
        for bad in ["there", "there/below"] {
            let error = NewFiles::create(dir.path(), &files(&["new/a", "new/b", bad])).unwrap_err();
            assert!(error.path.ends_with(bad), "{error}");
            let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, ["there"]);
            assert_eq!(fs::read_to_string(dir.path().join("there")).unwrap(), "old");
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_link_below_the_root_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (root, other) = (dir.path().join("root"), dir.path().join("other"));
        fs::create_dir_all(other.join("deep")).unwrap();
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(&other, root.join("link")).unwrap();
        for path in ["link/x", "link/deep/x"] {
            let error = NewFiles::create(&root, &files(&["a", path])).unwrap_err().to_string();
            assert!(error.contains("link is a link") && error.ends_with("nothing was written"), "{error}");
        }
        assert!(!root.join("a").exists() && !other.join("x").exists() && !other.join("deep/x").exists());
        // The root itself is what the caller named.
        NewFiles::create(&root.join("link"), &files(&["x"])).unwrap().keep();
        assert!(other.join("x").exists());
    }

    #[test]
    fn what_nobody_keeps_is_gone_but_for_what_others_put_there() {
        let dir = tempfile::tempdir().unwrap();
        let new = NewFiles::create(dir.path(), &files(&["a/b"])).unwrap();
        fs::write(dir.path().join("a/other"), "").unwrap();
        drop(new);
        assert!(dir.path().join("a/other").exists() && !dir.path().join("a/b").exists());
    }
}
