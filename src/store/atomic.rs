//! Replaces a file as a whole: a reader sees the old content or the new one, never a part.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::fs::{Fs, RealFs, make_folder, parent_of};

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Writes `bytes` to a temporary file beside `path` and renames it. With `sync`, it survives a power cut once this
/// returns; without, a power cut may leave the old file or none, which readers of disposable state tell by checksum.
///
/// # Errors
/// As the file system says. The old file is then in place, or, if only the folder could not be synced, the new one; no
/// temporary file stays.
pub fn write(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    write_on(&RealFs, path, bytes, sync)
}

/// As [`write()`], on any file system.
///
/// # Errors
/// As [`write()`].
pub fn write_on(fs: &dyn Fs, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let folder = parent_of(path);
    make_folder(fs, folder, 0o777, sync)?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temp = folder.join(format!(".{name}.{}-{number}.tmp", std::process::id()));
    let written = (|| {
        let file = fs.create_new(&temp, 0o666)?;
        file.write_at(bytes, 0)?;
        if sync {
            file.sync_data()?;
        }
        fs.rename(&temp, path)
    })();
    if written.is_err() {
        // The error that matters is the first one.
        fs.remove(&temp).ok();
    }
    written?;
    if sync { fs.sync_dir(folder) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/file");
        write(&path, b"one", true).unwrap();
        write(&path, b"two", false).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path().join("sub")).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, b"x", false).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
