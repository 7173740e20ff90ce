//! What a folder stands on: which file system, how much room, and whether files can share their bytes.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::store::fs::{Fs, RealFs, reflink, unique_name};

/// What a folder stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Medium {
    /// Equal for two folders between which a file can be renamed.
    pub device: u64,
    /// The network file system or layer in between, if it is a slow one that is known.
    pub slow: Option<&'static str>,
    /// Bytes that are free for this user.
    pub free: u64,
}

/// File systems that answer over a network or through another process, by the number that the kernel gives them.
#[cfg(target_os = "linux")]
const SLOW: [(i64, &str); 7] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9P"),
    (0x6573_5546, "FUSE"),
    (0x5346_414f, "AFS"),
];

impl Medium {
    /// Of a folder that is there.
    ///
    /// # Errors
    /// As the file system says.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let room = rustix::fs::statvfs(folder)?;
        let device = std::fs::metadata(folder)?.dev();
        Ok(Self { device, slow: slow(folder)?, free: room.f_bavail.saturating_mul(room.f_frsize) })
    }
}

#[cfg(target_os = "linux")]
fn slow(folder: &Path) -> io::Result<Option<&'static str>> {
    let kind = rustix::fs::statfs(folder)?.f_type;
    // The kernel's type of the number differs between machines; no known number is longer than 32 bits.
    let is_it = |number: i64| number & 0xffff_ffff == kind as i64 & 0xffff_ffff;
    Ok(SLOW.iter().find(|(number, _)| is_it(*number)).map(|(_, name)| *name))
}

#[cfg(not(target_os = "linux"))]
fn slow(_folder: &Path) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// Tries whether a file of `to` can share the bytes of one of `from`. Both files are gone afterwards.
///
/// # Errors
/// If no file can be made in one of the folders.
pub fn shares_bytes(from: &Path, to: &Path) -> io::Result<bool> {
    let (source, target) = (from.join(unique_name()), to.join(unique_name()));
    let tried = (|| {
        let one = RealFs.create_new(&source, 0o600)?;
        one.write_at(&[0; 4096], 0)?;
        let other = RealFs.create_new(&target, 0o600)?;
        Ok(reflink(&*one, &*other))
    })();
    for path in [source, target] {
        // One of them may never have been made.
        std::fs::remove_file(path).ok();
    }
    tried
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_on_something_and_a_trial_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let medium = Medium::of(dir.path()).unwrap();
        assert_eq!(medium, Medium { free: medium.free, ..Medium::of(dir.path()).unwrap() });
        shares_bytes(dir.path(), dir.path()).unwrap();
        assert!(shares_bytes(dir.path(), &dir.path().join("absent")).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(Medium::of(&dir.path().join("absent")).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_of_the_kernels_own_is_not_slow() {
        assert_eq!(Medium::of(Path::new("/proc")).unwrap().slow, None);
    }
}
