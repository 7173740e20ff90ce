//! Looks at paths: stat, and hash only what its stamp does not prove unchanged.
//!
//! Paths are relative to the project root, or absolute. Plain threads over contiguous ranges: the kernel's stat is 70 to
//! 90 % of a null run, and two threads halve it.

use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{AtFlags, FileType, OFlags, RawMode};

use crate::base::digest::BlobDigest;
use crate::base::id::PathId;
use crate::store::path_table::{FileKind, PathTable, Stamp};

/// Files up to this many bytes are read by one call.
const SMALL: usize = 16 * 1024;
/// Below this many paths a second thread costs more than it saves.
const PATHS_PER_THREAD: usize = 900;
/// A stamp this much older than the clock reading proves content on a file system with fine stamps.
const SETTLE_NS: i64 = 20_000_000;
/// The same where stamps are whole seconds.
const SETTLE_COARSE_NS: i64 = 2_000_000_000;

/// Looks at paths below one root.
pub struct Looker {
    root: PathBuf,
    fd: rustix::fd::OwnedFd,
    /// The file system's own clock, read before anything was hashed.
    now_ns: i64,
}

/// What was found at a path.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The stat.
    pub stamp: Stamp,
    /// The content's digest; zero for kinds without content.
    pub digest: BlobDigest,
    /// Whether the stamp proves it from now on.
    pub settled: bool,
}

impl Looker {
    /// Opens the root. `now_ns` is the file system's clock (the modification time of a file touched just now); 0 means
    /// unknown, so that nothing found is settled.
    ///
    /// # Errors
    /// If the root is not a directory that can be opened.
    pub fn new(root: &Path, now_ns: i64) -> std::io::Result<Self> {
        let fd = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, RawMode::default().into())?;
        Ok(Self { root: root.to_owned(), fd, now_ns })
    }

    /// The project root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Stats one path, without following a final link.
    pub fn stat(&self, path: &str) -> Stamp {
        let path = if path.is_empty() { "." } else { path };
        match rustix::fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stamp_of(&stat),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Stamp::ABSENT,
            Err(_) => Stamp { kind: FileKind::Unreadable, ..Stamp::ABSENT },
        }
    }

    /// Hashes what stands at a path whose stamp is `stamp`; stats again, so that an edit meanwhile is seen.
    pub fn hash(&self, path: &str, stamp: Stamp) -> Found {
        if stamp.kind == FileKind::File
            && let Some((digest, after)) = self.hash_regular(path)
            && after == stamp
        {
            return Found { stamp, digest, settled: self.settles(&stamp) };
        }
        let full = self.root.join(path);
        let mut stamp = stamp;
        for _ in 0..3 {
            let digest = match stamp.kind {
                FileKind::File => hash_file(&full),
                FileKind::Dir => list_dir(&full).map(|names| hash_names(&names)),
                FileKind::Symlink => {
                    std::fs::read_link(&full).map(|target| BlobDigest::of(target.as_os_str().as_encoded_bytes()))
                }
                FileKind::Absent | FileKind::Other | FileKind::Unreadable => Ok(zero()),
            };
            let after = self.stat(path);
            match digest {
                Ok(digest) if after == stamp => return Found { stamp, digest, settled: self.settles(&stamp) },
                Ok(_) => stamp = after,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => stamp = after,
                Err(_) => {
                    return Found {
                        stamp: Stamp { kind: FileKind::Unreadable, ..after },
                        digest: zero(),
                        settled: false,
                    };
                }
            }
        }
        // It changes faster than it can be read: remember nothing about it.
        Found { stamp: Stamp { kind: FileKind::Unreadable, ..stamp }, digest: zero(), settled: false }
    }

    /// The digest of a regular file and its stamp after it was read, with as few calls as there can be: a stamp that is
    /// what the path had before, inode and all, says that this is its content.
    fn hash_regular(&self, path: &str) -> Option<(BlobDigest, Stamp)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = std::fs::File::from(rustix::fs::openat(&self.fd, path, flags, RawMode::default().into()).ok()?);
        let mut small = [0; SMALL];
        let len = rustix::io::read(&file, &mut small).ok()?;
        let after = stamp_of(&rustix::fs::fstat(&file).ok()?);
        // All of it, if it is as long as it says.
        (after.size == len as u64).then(|| (BlobDigest::of(&small[..len]), after))
    }

    /// Whether a stamp, hashed after the clock was read, proves the content from now on.
    pub fn settles(&self, stamp: &Stamp) -> bool {
        if stamp.kind == FileKind::Absent {
            return true;
        }
        let newest = stamp.mtime_ns.max(stamp.ctime_ns);
        let coarse = stamp.mtime_ns % 1_000_000_000 == 0 && stamp.ctime_ns % 1_000_000_000 == 0;
        newest + if coarse { SETTLE_COARSE_NS } else { SETTLE_NS } <= self.now_ns
    }

    /// Stats `ids` against the table, in parallel: the ids whose stamp does not prove their row, in the given order.
    pub fn suspects(&self, table: &PathTable, ids: &[PathId]) -> Vec<(PathId, Stamp)> {
        in_parallel(ids, |part, out| {
            for &id in part {
                let entry = table.entry(id);
                let stamp = self.stat(table.path(id));
                if stamp != entry.stamp || !entry.settled {
                    out.push((id, stamp));
                }
            }
        })
    }

    /// Looks at `ids` and brings the table up to date: the ids whose content differs from before, in the given order.
    pub fn refresh(&self, table: &mut PathTable, ids: &[PathId]) -> Vec<PathId> {
        let suspects = self.suspects(table, ids);
        let found = in_parallel(&suspects, |part, out| {
            for &(id, stamp) in part {
                out.push((id, self.hash(table.path(id), stamp)));
            }
        });
        found
            .into_iter()
            .filter_map(|(id, found)| table.set(id, found.stamp, found.digest, found.settled).then_some(id))
            .collect()
    }
}

fn stamp_of(stat: &rustix::fs::Stat) -> Stamp {
    Stamp {
        size: stat.st_size.cast_unsigned(),
        mtime_ns: stat.st_mtime * 1_000_000_000 + i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
        ctime_ns: stat.st_ctime * 1_000_000_000 + i64::try_from(stat.st_ctime_nsec).unwrap_or(0),
        inode: stat.st_ino,
        device: stat.st_dev,
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Dir,
            FileType::Symlink => FileKind::Symlink,
            _ => FileKind::Other,
        },
        executable: stat.st_mode & 0o100 != 0,
    }
}

/// Runs `work` over contiguous parts of `items` on as many threads as pay, and joins what it pushed, in order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T], &mut Vec<R>) + Sync) -> Vec<R> {
    let useful = items.len() / PATHS_PER_THREAD;
    // Asking for the number of processors reads three files: not for a handful of paths.
    let threads =
        if useful < 2 { 1 } else { thread::available_parallelism().map_or(1, NonZero::get).min(useful).min(8) };
    if threads == 1 {
        let mut out = Vec::new();
        work(items, &mut out);
        return out;
    }
    // This thread takes a part too: a thread costs a stack, an arena of the allocator and a wake-up.
    let mut parts = items.chunks(items.len().div_ceil(threads));
    let own = parts.next().unwrap_or_default();
    let work = &work;
    thread::scope(|scope| {
        let handles: Vec<_> = parts
            .map(|part| {
                scope.spawn(move || {
                    let mut out = Vec::with_capacity(part.len());
                    work(part, &mut out);
                    out
                })
            })
            .collect();
        let mut out = Vec::with_capacity(items.len());
        work(own, &mut out);
        for handle in handles {
            out.extend(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        out
    })
}

fn zero() -> BlobDigest {
    BlobDigest::from_bytes([0; 32])
}

/// Names in a directory with their kinds, sorted bytewise; `.git` and `.ocelot` are never seen.
///
/// # Errors
/// If the directory cannot be listed.
pub fn list_dir(path: &Path) -> std::io::Result<Vec<(String, FileKind)>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("the name {:?} in {} is not UTF-8", entry.file_name(), path.display()),
            ));
        };
        if name == ".git" || name == ".ocelot" {
            continue;
        }
        let kind = entry.file_type()?;
        let kind = match () {
            () if kind.is_dir() => FileKind::Dir,
            () if kind.is_file() => FileKind::File,
            () if kind.is_symlink() => FileKind::Symlink,
            () => FileKind::Other,
        };
        names.push((name, kind));
    }
    names.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    Ok(names)
}

fn hash_names(names: &[(String, FileKind)]) -> BlobDigest {
    let mut hasher = blake3::Hasher::new();
    for (name, kind) in names {
        hasher.update(&[*kind as u8]);
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    BlobDigest::from_bytes(*hasher.finalize().as_bytes())
}

/// The digest of a file's bytes, read with one buffer.
///
/// # Errors
/// If the file cannot be read.
pub fn hash_file(path: &Path) -> std::io::Result<BlobDigest> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut small = [0; SMALL];
    let mut len = file.read(&mut small)?;
    while len > 0 {
        hasher.update(&small[..len]);
        if len == small.len() {
            let mut buffer = vec![0; 512 * 1024];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(BlobDigest::from_bytes(*hasher.finalize().as_bytes())),
                    n => hasher.update(&buffer[..n]),
                };
            }
        }
        len = file.read(&mut small)?;
    }
    Ok(BlobDigest::from_bytes(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_that_keeps_size_and_modification_time_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        std::fs::write(&file, "one").unwrap();
        let looker = Looker::new(dir.path(), i64::MAX).unwrap();
        let mut table = PathTable::new(1);
        let id = table.intern("a");
        assert_eq!(looker.refresh(&mut table, &[id]), [id]);
        assert_eq!(looker.refresh(&mut table, &[id]), []);
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        let before = looker.stat("a");
        // The kernel's stamps are a few milliseconds coarse: write until the change time moves.
        while looker.stat("a").ctime_ns == before.ctime_ns {
            std::fs::write(&file, "two").unwrap();
            std::fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        }
        assert_eq!(looker.stat("a").mtime_ns, before.mtime_ns);
        assert_eq!(looker.refresh(&mut table, &[id]), [id]);
    }

    #[test]
    fn an_unsettled_row_is_hashed_again_even_if_its_stamp_is_equal() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "one").unwrap();
        let looker = Looker::new(dir.path(), 0).unwrap();
        let mut table = PathTable::new(1);
        let id = table.intern("a");
        looker.refresh(&mut table, &[id]);
        // As after two edits within one tick of the clock: stamp equal, content not what the row says.
        let stamp = table.entry(id).stamp;
        table.set(id, stamp, BlobDigest::of(b"older"), false);
        assert_eq!(looker.refresh(&mut table, &[id]), [id]);
        assert_eq!(table.entry(id).digest, BlobDigest::of(b"one"));
    }

    #[test]
    fn a_directory_row_changes_with_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let looker = Looker::new(dir.path(), i64::MAX).unwrap();
        let mut table = PathTable::new(1);
        let (id, absent) = (table.intern(""), table.intern("x/y"));
        looker.refresh(&mut table, &[id, absent]);
        assert_eq!(table.entry(absent).stamp.kind, FileKind::Absent);
        let before = table.entry(id);
        std::fs::write(dir.path().join("new"), "").unwrap();
        let seen = looker.hash("", looker.stat(""));
        assert_ne!(seen.digest, before.digest);
    }

    #[test]
    fn many_paths_keep_their_order_over_threads() {
        let ids: Vec<u32> = (0..10_000).collect();
        assert_eq!(in_parallel(&ids, |part, out| out.extend_from_slice(part)), ids);
    }
}
