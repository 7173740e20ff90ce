//! The workspace lock: one run at a time in one workspace.
//!
//! It is an advisory `flock` on a small file that says who holds it. The kernel frees it when the last descriptor of
//! its open file description is closed, thus also when the holder is killed; the holder's watcher process keeps such
//! a descriptor until the commands of a killed run are gone.

use std::fmt;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::process::test_kill_process;

/// What to do when another run holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Wait for it.
    Wait,
    /// Fail at once.
    NoWait,
}

/// Who holds the lock, as its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// When it started, in milliseconds since 1970 UTC.
    pub started_ms: u64,
    /// Its command line, for people.
    pub command: String,
}

/// Why the lock cannot be had just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Another run goes on; its file says so, or `None` if it had not written it yet.
    ForRun(Option<Holder>),
    /// The holder is dead; its watcher still ends its commands.
    ForCommandsOfKilledRun(Holder),
}

/// Why a run goes on without the lock.
#[derive(Debug, thiserror::Error)]
pub enum LockWarning {
    /// The file system has no locks, or none to rely on.
    #[error("{}: this file system has no reliable file locks ({detail}); do not start two runs in this workspace at once", path.display())]
    Unsupported {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The lock file can be neither made nor opened for writing.
    #[error("{}: the workspace is read-only ({source}); this run is not protected from another one", path.display())]
    ReadOnly {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why the lock was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Held by another, in [`Mode::NoWait`].
    #[error("{}: {waiting}; try again later, or leave out --no-wait", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// By whom.
        waiting: Waiting,
    },
    /// The caller gave up waiting.
    #[error("{}: gave up waiting: {waiting}", path.display())]
    GaveUp {
        /// The lock file.
        path: PathBuf,
        /// For whom.
        waiting: Waiting,
    },
    /// The file cannot be opened, locked or written.
    #[error("cannot {what} the lock file {}: {source}; check the permissions and free space of its folder", path.display())]
    Io {
        /// What was tried, a verb.
        what: &'static str,
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The lock, held until this value and every duplicate of its file are gone.
#[derive(Debug)]
pub struct WorkspaceLock {
    file: Option<File>,
    warning: Option<LockWarning>,
}

impl WorkspaceLock {
    /// Acquires the lock at `path`, whose folder must exist, and writes `me` into it.
    ///
    /// In [`Mode::Wait`], `on_wait` is called between two attempts with the present reason. It sets the pace: it
    /// should pause for some 50 ms, waking for a cancellation, and break to give up.
    ///
    /// # Errors
    /// [`LockError`]. A file system without locks and a read-only workspace are no errors but warnings, see
    /// [`Self::warning`].
    pub fn acquire(
        path: &Path,
        mode: Mode,
        me: &Holder,
        on_wait: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<Self, LockError> {
        let mut was_looked_at = false;
        let io_error = |what| move |source| LockError::Io { what, path: path.to_owned(), source };
        loop {
            let file = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path) {
                Ok(file) => file,
                Err(error) if is_read_only(&error) => return Self::read_only(path, error),
                Err(error) => return Err(io_error("open")(error)),
            };
            if let Some(detail) = unreliable_file_system(&file) {
                return Ok(Self::without_lock(path, detail));
            }
            match file.try_lock() {
                Ok(()) if is_still_at(&file, path) => {
                    // The lock is held all the same on a full disk; others then wait without knowing for whom.
                    write_holder(&file, me).ok();
                    return Ok(Self { file: Some(file), warning: None });
                }
                // Someone removed the file meanwhile: what we locked is not what the next run will see.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let waiting = Waiting::read(&file);
                    if mode == Mode::NoWait {
                        if !was_looked_at {
                            // It may be no run, but somebody who asks whether there is one ([`held`]), and gone at once.
                            was_looked_at = true;
                            std::thread::sleep(LOOK);
                            continue;
                        }
                        return Err(LockError::Held { path: path.to_owned(), waiting });
                    }
                    if on_wait(&waiting).is_break() {
                        return Err(LockError::GaveUp { path: path.to_owned(), waiting });
                    }
                }
                Err(TryLockError::Error(error)) if is_unsupported(&error) => {
                    return Ok(Self::without_lock(path, error.to_string()));
                }
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(io_error("lock")(error)),
            }
        }
    }

    /// The locked file, to be duplicated into the watcher process; `None` when there is no lock.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Why this run is not protected, if it is not.
    pub fn warning(&self) -> Option<&LockWarning> {
        self.warning.as_ref()
    }

    /// Frees the lock at once, also for duplicates of its file. Only for a run whose commands are all gone; else
    /// drop it, so that the watcher goes on holding it.
    pub fn release(self) {
        if let Some(file) = &self.file {
            // If it fails, closing the file does the same as soon as the watcher has ended.
            let _ = file.unlock();
        }
    }

    fn without_lock(path: &Path, detail: String) -> Self {
        Self { file: None, warning: Some(LockWarning::Unsupported { path: path.to_owned(), detail }) }
    }

    /// A reader's run: nothing can be written in the workspace, so neither can who we are.
    fn read_only(path: &Path, source: io::Error) -> Result<Self, LockError> {
        Ok(Self { file: None, warning: Some(LockWarning::ReadOnly { path: path.to_owned(), source }) })
    }
}

impl Holder {
    fn to_text(&self) -> String {
        let command: String = self.command.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("pid {}\nstarted-ms {}\ncommand {command}\n", self.pid, self.started_ms)
    }

    /// Reads what [`Self::to_text`] wrote; `None` for anything else, such as a text that is just being written.
    fn from_text(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("pid ")?;
        let (pid, rest) = rest.split_once("\nstarted-ms ")?;
        let (started_ms, rest) = rest.split_once("\ncommand ")?;
        let (command, _) = rest.split_once('\n')?;
        let command = command.chars().filter(|c| !c.is_control()).collect();
        Some(Self { pid: pid.parse().ok()?, started_ms: started_ms.parse().ok()?, command })
    }
}

impl Waiting {
    fn read(file: &File) -> Self {
        match read_holder(file) {
            Some(holder) if !is_alive(holder.pid) => Self::ForCommandsOfKilledRun(holder),
            holder => Self::ForRun(holder),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForRun(Some(Holder { pid, command, .. })) => {
                write!(f, "waiting for another run in this workspace (pid {pid}: {command})")
            }
            Self::ForRun(None) => f.write_str("waiting for another run in this workspace"),
            Self::ForCommandsOfKilledRun(holder) => {
                write!(f, "ending the commands of a killed run (pid {})", holder.pid)
            }
        }
    }
}

/// Who holds the lock at `path` just now, if anybody does. Nothing is made or waited for.
pub fn held(path: &Path) -> Option<Waiting> {
    let file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(Waiting::read(&file)),
        // Closing the file frees it.
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// How long [`held`] may have the lock for itself, and far longer than it does.
const LOOK: Duration = Duration::from_millis(20);

/// Long enough for any command line worth showing.
const LONGEST_TEXT: usize = 4096;

fn write_holder(file: &File, me: &Holder) -> io::Result<()> {
    let text = me.to_text();
    let mut end = text.len().min(LONGEST_TEXT - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = format!("{}\n", text[..end].trim_end());
    file.write_all_at(text.as_bytes(), 0)?;
    // Truncating a file that has been written costs more than all else here, and mostly the length is the same.
    if file.metadata()?.len() > text.len() as u64 { file.set_len(text.len() as u64) } else { Ok(()) }
}

fn read_holder(file: &File) -> Option<Holder> {
    let mut buffer = [0; LONGEST_TEXT];
    let count = file.read_at(&mut buffer, 0).ok()?;
    Holder::from_text(std::str::from_utf8(&buffer[..count]).ok()?)
}

/// Whether the process exists and has not ended; one that was killed but not waited for yet is as good as gone.
fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    if test_kill_process(pid) == Err(Errno::SRCH) {
        return false;
    }
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap_or_default();
    !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}

/// Whether `path` still names `file`.
fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::OPNOTSUPP | Errno::NOLCK | Errno::NOSYS | Errno::INVAL))
}

/// Over NFS, `flock` may block without end or hold on one machine only.
#[cfg(target_os = "linux")]
fn unreliable_file_system(file: &File) -> Option<String> {
    let kind = rustix::fs::fstatfs(file).ok()?.f_type;
    (kind == rustix::fs::NFS_SUPER_MAGIC).then(|| "NFS".to_owned())
}

#[cfg(not(target_os = "linux"))]
fn unreliable_file_system(_file: &File) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: u32) -> Holder {
        Holder { pid, started_ms: 1_700_000_000_000, command: "ocelot run build".to_owned() }
    }

    fn me() -> Holder {
        holder(std::process::id())
    }

    fn never(_: &Waiting) -> ControlFlow<()> {
        unreachable!("nobody holds the lock")
    }

    #[test]
    fn a_second_run_learns_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = WorkspaceLock::acquire(&path, Mode::NoWait, &me(), &mut never).unwrap();
        assert!(lock.warning().is_none() && lock.file().is_some());
        let error = WorkspaceLock::acquire(&path, Mode::NoWait, &me(), &mut never).unwrap_err();
        let LockError::Held { waiting: Waiting::ForRun(Some(found)), .. } = &error else { panic!("{error}") };
        assert_eq!(*found, me());
        assert_eq!(held(&path), Some(Waiting::ForRun(Some(me()))));
        assert!(error.to_string().contains(&format!("pid {}: ocelot run build", me().pid)), "{error}");
        drop(lock);
        assert_eq!(held(&path), None);
        WorkspaceLock::acquire(&path, Mode::NoWait, &me(), &mut never).unwrap();
    }

    #[test]
    fn row_16_waiting_goes_on_until_the_lock_is_free_or_the_caller_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let mut first = Some(WorkspaceLock::acquire(&path, Mode::Wait, &me(), &mut never).unwrap());
        let mut calls = 0;
        let result = WorkspaceLock::acquire(&path, Mode::Wait, &me(), &mut |_| {
            calls += 1;
            if calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(result, Err(LockError::GaveUp { .. })) && calls == 3);
        WorkspaceLock::acquire(&path, Mode::Wait, &me(), &mut |_| {
            first = None;
            ControlFlow::Continue(())
        })
        .unwrap();
    }

    #[test]
    fn a_duplicate_of_the_file_keeps_it_held_after_a_drop_but_not_after_a_release() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let acquire = || WorkspaceLock::acquire(&path, Mode::NoWait, &me(), &mut never);
        let lock = acquire().unwrap();
        let kept = lock.file().unwrap().try_clone().unwrap();
        drop(lock);
        assert!(matches!(acquire(), Err(LockError::Held { .. })));
        drop(kept);
        let lock = acquire().unwrap();
        let _kept = lock.file().unwrap().try_clone().unwrap();
        lock.release();
        acquire().unwrap();
    }

    #[test]
    fn a_dead_holder_is_told_from_a_living_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        // Above the highest process number Linux can be set to.
        let _lock = WorkspaceLock::acquire(&path, Mode::NoWait, &holder(1 << 23), &mut never).unwrap();
        let error = WorkspaceLock::acquire(&path, Mode::NoWait, &me(), &mut never).unwrap_err();
        assert!(error.to_string().contains("ending the commands of a killed run (pid 8388608)"), "{error}");
    }

    #[test]
    fn a_removed_lock_file_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = WorkspaceLock::acquire(&path, Mode::NoWait, &me(), &mut never).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!is_still_at(first.file().unwrap(), &path));
        let second = WorkspaceLock::acquire(&path, Mode::NoWait, &me(), &mut never).unwrap();
        assert!(is_still_at(second.file().unwrap(), &path));
    }

    #[test]
    fn a_torn_or_foreign_text_is_no_holder() {
        let text = me().to_text();
        assert_eq!(Holder::from_text(&text), Some(me()));
        for end in 0..text.len() {
            assert_eq!(Holder::from_text(&text[..end]), None, "{end}");
        }
        assert_eq!(Holder::from_text("pid x\nstarted-ms 1\ncommand y\n"), None);
    }

    #[test]
    fn a_long_command_line_with_control_characters_is_written_and_read() {
        let file = tempfile::tempfile().unwrap();
        let long = Holder { command: format!("a\n\x1b[31m{}", "é".repeat(5000)), ..me() };
        write_holder(&file, &long).unwrap();
        let read = read_holder(&file).unwrap();
        assert!(read.command.starts_with("a  [31mé") && read.command.ends_with('é'));
    }

    #[test]
    fn row_20_a_file_system_without_locks_is_a_warning() {
        for errno in [Errno::NOTSUP, Errno::NOLCK, Errno::NOSYS] {
            assert!(is_unsupported(&errno.into()));
        }
        assert!(!is_unsupported(&Errno::IO.into()));
        assert!(is_read_only(&Errno::ROFS.into()));
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("absent/lock");
        let error = WorkspaceLock::acquire(&path, Mode::Wait, &me(), &mut never).unwrap_err();
        assert!(error.to_string().contains("absent/lock"), "{error}");
    }
}
