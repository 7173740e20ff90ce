//! The seam through which everything that keeps state touches the file system.
//!
//! Production code uses [`RealFs`]; tests use a simulated one that forgets what was not synced, tears writes and
//! fails at a chosen call. The traits are small on purpose: every method is one more behaviour to simulate.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, device, pipe or socket.
    Other,
}

/// What the store needs to know of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Regular file, folder or something else; links are not followed.
    pub kind: FileKind,
    /// Length in bytes.
    pub len: u64,
    /// Time of the last change of content, seconds since 1970 by the file system's own clock.
    pub modified: i64,
    /// Permission bits.
    pub mode: u32,
    /// User id of the owner.
    pub owner: u32,
}

/// An open file. Offsets are explicit, so one handle serves several threads.
pub trait FsFile: Send + Sync {
    /// Reads from `offset` until `buffer` is full or the file ends; returns the bytes read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`. After an error any part of them may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file, or fills it with zeros, to this length.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Forces content and length to the disk.
    fn sync_data(&self) -> io::Result<()>;
    /// Facts of the open file.
    fn meta(&self) -> io::Result<Meta>;
    /// Takes the advisory exclusive lock without waiting; false if another handle has it. Freed by closing.
    fn try_lock(&self) -> io::Result<bool>;
    /// The operating system's file, where there is one: lets [`reflink`] share extents.
    fn os_file(&self) -> Option<&File>;
}

/// File system operations on paths.
pub trait Fs: Send + Sync {
    /// Creates a file that must not exist yet, for reading and writing. `mode` is cut by the umask.
    fn create_new(&self, path: &Path, mode: u32) -> io::Result<Box<dyn FsFile>>;
    /// Opens an existing file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Opens a file for reading and writing, without cutting it; creates it with mode 0600 if it is absent.
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Renames, replacing a file at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names in a folder, in no particular order.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;
    /// Facts of a path; a link is not followed.
    fn metadata(&self, path: &Path) -> io::Result<Meta>;
    /// Creates a folder and its parents with `mode`; one that exists is left as it is.
    fn create_dir_all(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Forces the names in a folder to the disk.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;
    /// Sets the modification time of a file to the file system's present time.
    fn touch(&self, path: &Path) -> io::Result<()>;
    /// Forces many files, and their names, to the disk. `folder` is a folder above all of them.
    fn sync_files(&self, files: &[PathBuf], folder: &Path) -> io::Result<()> {
        let _ = folder;
        sync_one_by_one(self, files)
    }
}

fn sync_one_by_one<F: Fs + ?Sized>(fs: &F, files: &[PathBuf]) -> io::Result<()> {
    let mut folders = std::collections::BTreeSet::new();
    for file in files {
        match fs.open(file) {
            Ok(open) => open.sync_data()?,
            // Collected or set aside by somebody else meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        folders.extend(file.parent());
    }
    folders.into_iter().try_for_each(|folder| fs.sync_dir(folder))
}

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

struct RealFile(File);

impl FsFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn meta(&self) -> io::Result<Meta> {
        self.0.metadata().map(|meta| meta_of(&meta))
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn os_file(&self) -> Option<&File> {
        Some(&self.0)
    }
}

impl Fs for RealFs {
    fn create_new(&self, path: &Path, mode: u32) -> io::Result<Box<dyn FsFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(Box::new(RealFile(File::open(path)?)))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    fn metadata(&self, path: &Path) -> io::Result<Meta> {
        std::fs::symlink_metadata(path).map(|meta| meta_of(&meta))
    }

    fn create_dir_all(&self, path: &Path, mode: u32) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(mode).create(path)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    #[cfg(target_os = "linux")]
    fn sync_files(&self, files: &[PathBuf], folder: &Path) -> io::Result<()> {
        // One sync of the file system costs about as much as a dozen of single files, and covers their names.
        const ONE_BY_ONE: usize = 12;
        if files.len() <= ONE_BY_ONE {
            return sync_one_by_one(self, files);
        }
        Ok(rustix::fs::syncfs(File::open(folder)?)?)
    }
}

fn meta_of(meta: &std::fs::Metadata) -> Meta {
    let kind = if meta.is_file() {
        FileKind::File
    } else if meta.is_dir() {
        FileKind::Folder
    } else {
        FileKind::Other
    };
    Meta { kind, len: meta.len(), modified: meta.mtime(), mode: meta.mode() & 0o7777, owner: meta.uid() }
}

/// Makes `target` share the extents of `source`; false where file system or platform cannot.
pub fn reflink(source: &dyn FsFile, target: &dyn FsFile) -> bool {
    #[cfg(target_os = "linux")]
    if let (Some(source), Some(target)) = (source.os_file(), target.os_file()) {
        return rustix::fs::ioctl_ficlone(target, source).is_ok();
    }
    let _ = (source, target);
    false
}

/// Makes a folder and its parents. With `sync`, those that are new survive a power cut: the name of a file in a folder is
/// worth no more than the folder's own name.
///
/// # Errors
/// As the file system says.
pub fn make_folder(fs: &dyn Fs, folder: &Path, mode: u32, sync: bool) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && fs.metadata(path).is_err();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    fs.create_dir_all(folder, mode)?;
    missing.into_iter().filter(|_| sync).try_for_each(|path| fs.sync_dir(parent_of(path)))
}

/// The folder that a path is in.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads a whole file.
pub fn read_file(fs: &dyn Fs, path: &Path) -> io::Result<Vec<u8>> {
    let file = fs.open(path)?;
    let len = usize::try_from(file.meta()?.len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// A name for a new file that no other process or thread picks: random, so that equal process ids in two
/// containers over one cache do not meet.
pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let parts = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("{:016x}", RandomState::new().hash_one(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_files_keep_what_the_trait_promises() {
        let dir = tempfile::tempdir().unwrap();
        let fs = RealFs;
        let nested = dir.path().join("a/b");
        fs.create_dir_all(&nested, 0o700).unwrap();
        assert_eq!(fs.metadata(&nested).unwrap().mode & 0o777, 0o700);
        let path = nested.join("file");
        let file = fs.create_new(&path, 0o444).unwrap();
        file.write_at(b"hello world", 0).unwrap();
        assert_eq!(fs.create_new(&path, 0o444).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        let mut buffer = [0; 8];
        assert_eq!(file.read_at(&mut buffer, 6).unwrap(), 5);
        assert_eq!(&buffer[..5], b"world");
        fs.sync_files(std::slice::from_ref(&path), dir.path()).unwrap();
        fs.sync_files(&vec![path.clone(); 20], dir.path()).unwrap();
        assert_eq!(read_file(&fs, &path).unwrap(), b"hello world");
        assert_eq!(fs.metadata(&path).unwrap().len, 11);
        assert_eq!(fs.list(&nested).unwrap(), ["file"]);
    }

    #[test]
    fn a_lock_excludes_other_handles_until_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = RealFs.open_write(&path).unwrap();
        let second = RealFs.open_write(&path).unwrap();
        assert!(first.try_lock().unwrap());
        assert!(!second.try_lock().unwrap());
        drop(first);
        assert!(second.try_lock().unwrap());
    }

    #[test]
    fn touch_brings_a_file_to_the_present() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old");
        let file = File::create(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(RealFs.metadata(&path).unwrap().modified, 0);
        RealFs.touch(&path).unwrap();
        assert!(RealFs.metadata(&path).unwrap().modified > 1_000_000_000);
    }

    #[test]
    fn names_differ() {
        let names: std::collections::BTreeSet<_> = (0..1000).map(|_| unique_name()).collect();
        assert_eq!(names.len(), 1000);
    }
}
