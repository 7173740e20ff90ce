//! Told by the system when something changes below a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// An editor writes a file in several steps, and a branch switch many files: what follows within this time is the same
/// change.
const SETTLE: Duration = Duration::from_millis(100);
/// However fast changes follow each other, one is told after this time.
const LONGEST_SETTLE: Duration = Duration::from_secs(2);

/// The folders that are watched, and what else is waited for.
pub struct FileWatch {
    watcher: RecommendedWatcher,
    root: PathBuf,
    /// Names of folders that nobody looks into.
    passed_over: &'static [&'static str],
    folders: usize,
    messages: Receiver<Message>,
    sender: Sender<Message>,
}

/// What came.
enum Message {
    Changed(notify::Result<Event>),
    Ended,
}

/// What was waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// These paths, relative to the root, changed, appeared or are gone.
    Changed(BTreeSet<PathBuf>),
    /// What [`FileWatch::bell`] is for has ended.
    Ended,
    /// Nothing came in time.
    Nothing,
}

impl FileWatch {
    /// Watches a folder and all below it but folders of these names, and links, which are not followed.
    ///
    /// # Errors
    /// If the system gives no more watches; in words.
    pub fn new(root: &Path, passed_over: &'static [&'static str]) -> Result<Self, String> {
        let (sender, messages) = channel();
        let of_watcher = sender.clone();
        // A receiver that is gone wants nothing any more.
        let tell = move |event| drop(of_watcher.send(Message::Changed(event)));
        let watcher = RecommendedWatcher::new(tell, Config::default()).map_err(|error| refused(root, &error))?;
        let mut watch = Self { watcher, root: root.to_owned(), passed_over, folders: 0, messages, sender };
        watch.add(root)?;
        Ok(watch)
    }

    /// How many folders are watched.
    pub fn folders(&self) -> usize {
        self.folders
    }

    /// Rings when dropped: [`Self::next`] then returns [`News::Ended`].
    pub fn bell(&self) -> Bell {
        Bell(self.sender.clone())
    }

    fn add(&mut self, folder: &Path) -> Result<(), String> {
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => self.folders += 1,
                // Gone again before it was looked at.
                Err(_) if !folder.exists() => continue,
                Err(error) => return Err(refused(&folder, &error)),
            }
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let is_passed_over = self.passed_over.iter().any(|name| entry.file_name() == *name);
                if !is_passed_over && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(entry.path());
                }
            }
        }
        Ok(())
    }

    /// Waits for a change, which is told when no other has followed it for a moment, or for the bell; at most this long.
    ///
    /// # Errors
    /// If the system gives no more watches for new folders; in words.
    pub fn next(&mut self, longest: Duration) -> Result<News, String> {
        let mut changed = BTreeSet::new();
        let begun = Instant::now();
        let mut first = None;
        loop {
            let wait = match first {
                None => longest.saturating_sub(begun.elapsed()),
                Some(first) => SETTLE.min(LONGEST_SETTLE.saturating_sub(Instant::now().duration_since(first))),
            };
            match self.messages.recv_timeout(wait) {
                Ok(Message::Ended) if changed.is_empty() => return Ok(News::Ended),
                Ok(Message::Ended) => {
                    // Told next, after the change.
                    self.sender.send(Message::Ended).ok();
                    return Ok(News::Changed(changed));
                }
                Ok(Message::Changed(event)) => {
                    for path in self.paths(event)? {
                        first.get_or_insert_with(Instant::now);
                        changed.insert(path);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) if changed.is_empty() => {
                    return Ok(News::Nothing);
                }
                Err(_) => return Ok(News::Changed(changed)),
            }
        }
    }

    /// The paths of an event that are of interest; new folders are watched from now on.
    fn paths(&mut self, event: notify::Result<Event>) -> Result<Vec<PathBuf>, String> {
        // An event that was lost: something changed, and nobody knows what.
        let Ok(event) = event else { return Ok(vec![PathBuf::new()]) };
        if event.need_rescan() {
            return Ok(vec![PathBuf::new()]);
        }
        if matches!(event.kind, EventKind::Access(_)) {
            return Ok(Vec::new());
        }
        let mut paths = Vec::new();
        for path in event.paths {
            let Ok(inside) = path.strip_prefix(&self.root) else { continue };
            if inside.iter().any(|part| self.passed_over.iter().any(|name| part == *name)) {
                continue;
            }
            paths.push(inside.to_owned());
            let is_new = matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_));
            if is_new && std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir()) {
                self.add(&path)?;
            }
        }
        Ok(paths)
    }
}

fn refused(folder: &Path, error: &notify::Error) -> String {
    let limit = matches!(error.kind, notify::ErrorKind::MaxFilesWatch);
    let help = if limit { "; raise `fs.inotify.max_user_watches` (sysctl)" } else { "" };
    format!("cannot watch {}: {error}{help}", folder.display())
}

/// Rings when dropped.
pub struct Bell(Sender<Message>);

impl Drop for Bell {
    fn drop(&mut self) {
        // Who no longer waits needs no bell.
        self.0.send(Message::Ended).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn changed(watch: &mut FileWatch) -> Vec<String> {
        match watch.next(LONG).unwrap() {
            News::Changed(paths) => paths.iter().map(|path| path.display().to_string()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn changes_are_told_once_they_have_settled_and_new_folders_are_watched_too() {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir_all(root.join(".ocelot/state")).unwrap();
        std::fs::create_dir(root.join("src")).unwrap();
        let mut watch = FileWatch::new(&root, &[".ocelot"]).unwrap();
        assert_eq!(watch.folders(), 2);
        std::fs::write(root.join(".ocelot/state/x"), "x").unwrap();
        std::fs::write(root.join("src/a"), "1").unwrap();
        std::fs::write(root.join("src/a"), "2").unwrap();
        std::fs::rename(root.join("src/a"), root.join("src/b")).unwrap();
        assert_eq!(changed(&mut watch), ["src/a", "src/b"]);
        std::fs::create_dir(root.join("new")).unwrap();
        assert_eq!(changed(&mut watch), ["new"]);
        std::fs::write(root.join("new/c"), "1").unwrap();
        assert_eq!(changed(&mut watch), ["new/c"]);
    }

    #[test]
    fn a_bell_is_heard_after_a_change_that_came_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(dir.path()).unwrap();
        let mut watch = FileWatch::new(&root, &[]).unwrap();
        assert_eq!(watch.next(Duration::ZERO).unwrap(), News::Nothing);
        drop(watch.bell());
        assert_eq!(watch.next(LONG).unwrap(), News::Ended);
        std::fs::write(root.join("a"), "1").unwrap();
        assert_eq!(changed(&mut watch), ["a"]);
        drop(watch.bell());
        assert_eq!(watch.next(LONG).unwrap(), News::Ended);
    }
}
