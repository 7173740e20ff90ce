//! A file system in memory for tests: it forgets what was not synced, tears writes, and fails at a chosen call.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::store::fs::{FileKind, Fs, FsFile, Meta};

/// What a power cut leaves of things that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Nothing: neither bytes nor names.
    Forget,
    /// All names, no bytes: renames overtake data, so files are empty or old.
    NamesFirst,
    /// All names; of appended bytes the first half, then zeros up to the full length.
    Torn,
}

/// Every [`Crash`].
pub(crate) const CRASHES: [Crash; 3] = [Crash::Forget, Crash::NamesFirst, Crash::Torn];

#[derive(Default)]
struct Inode {
    data: Vec<u8>,
    synced: Vec<u8>,
    mode: u32,
    modified: i64,
    locked_by: Option<u64>,
}

#[derive(Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    folders: BTreeMap<PathBuf, u32>,
    /// Folders whose names are synced; `None` if every folder survives.
    durable_folders: Option<BTreeSet<PathBuf>>,
    next: u64,
    clock: i64,
    changes: u64,
    fault: Option<Fault>,
}

#[derive(Clone, Copy)]
struct Fault {
    at: u64,
    errno: i32,
    lasting: bool,
}

/// The simulated file system; clones share it.
#[derive(Clone)]
pub(crate) struct SimFs(Arc<Mutex<State>>);

impl Default for SimFs {
    fn default() -> Self {
        Self::new()
    }
}

impl SimFs {
    /// Empty, but for the folder `/`.
    pub(crate) fn new() -> Self {
        let state = State { clock: 1_700_000_000, ..State::default() };
        let fs = Self(Arc::new(Mutex::new(state)));
        fs.lock().folders.insert("/".into(), 0o755);
        fs
    }

    /// Empty, and [`Crash::Forget`] forgets folders too, with all that is in them, unless their own names were synced.
    pub(crate) fn that_forgets_folders() -> Self {
        let fs = Self::new();
        fs.lock().durable_folders = Some(BTreeSet::from(["/".into()]));
        fs
    }

    /// Lets the power fail: open files keep working on the lost state and must be dropped.
    pub(crate) fn crash(&self, crash: Crash) {
        let mut state = self.lock();
        let state = &mut *state;
        state.fault = None;
        match crash {
            Crash::Forget => {
                state.names = state.durable.clone();
                if let Some(durable) = &state.durable_folders {
                    state.folders.retain(|folder, _| folder.ancestors().all(|above| durable.contains(above)));
                    let folders = &state.folders;
                    state.names.retain(|path, _| path.parent().is_some_and(|folder| folders.contains_key(folder)));
                }
            }
            Crash::NamesFirst | Crash::Torn => state.durable = state.names.clone(),
        }
        if let Some(durable) = &mut state.durable_folders {
            *durable = state.folders.keys().cloned().collect();
        }
        for inode in state.inodes.values_mut() {
            inode.locked_by = None;
            if crash == Crash::Torn && inode.data.len() > inode.synced.len() {
                let kept = inode.synced.len().midpoint(inode.data.len());
                inode.data[kept..].fill(0);
            } else {
                inode.data = inode.synced.clone();
            }
            inode.synced = inode.data.clone();
        }
    }

    /// Ends the process, not the machine: locks are freed, everything written stays.
    pub(crate) fn kill(&self) {
        let mut state = self.lock();
        state.fault = None;
        state.inodes.values_mut().for_each(|inode| inode.locked_by = None);
    }

    /// Number of changing calls (create, write, sync, rename, remove, touch) so far.
    pub(crate) fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// The `n`-th changing call from now on (0 is the next) fails with `errno`; a write does half its work first.
    pub(crate) fn fail_once(&self, n: u64, errno: i32) {
        let mut state = self.lock();
        state.fault = Some(Fault { at: state.changes + n, errno, lasting: false });
    }

    /// As [`SimFs::fail_once`], and every changing call after it fails too.
    pub(crate) fn fail_from(&self, n: u64, errno: i32) {
        let mut state = self.lock();
        state.fault = Some(Fault { at: state.changes + n, errno, lasting: true });
    }

    /// Moves the file system's clock, in seconds.
    pub(crate) fn advance(&self, seconds: i64) {
        self.lock().clock += seconds;
    }

    /// The file system's clock, seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.lock().clock
    }

    /// Changes bytes behind everybody's back.
    pub(crate) fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let id = state.names[path];
        let inode = state.inodes.get_mut(&id).unwrap();
        change(&mut inode.data);
        inode.synced = inode.data.clone();
    }

    /// Every file, by path.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.lock().names.keys().cloned().collect()
    }

    /// Files below `folder`.
    pub(crate) fn files_in(&self, folder: impl AsRef<Path>) -> Vec<PathBuf> {
        self.files().into_iter().filter(|path| path.starts_with(folder.as_ref())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// Counts a changing call and fails it if that is its fate.
    fn change(&mut self) -> io::Result<()> {
        let this = self.changes;
        self.changes += 1;
        match self.fault {
            Some(fault) if this == fault.at || (fault.lasting && this > fault.at) => {
                Err(io::Error::from_raw_os_error(fault.errno))
            }
            _ => Ok(()),
        }
    }

    fn id(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn parent_is_there(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        if self.folders.contains_key(parent) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn meta(&self, id: u64) -> Meta {
        let inode = &self.inodes[&id];
        Meta {
            kind: FileKind::File,
            len: inode.data.len() as u64,
            modified: inode.modified,
            mode: inode.mode,
            owner: rustix::process::geteuid().as_raw(),
        }
    }

    fn create(&mut self, path: &Path, mode: u32) -> io::Result<u64> {
        self.parent_is_there(path)?;
        self.change()?;
        self.next += 1;
        let id = self.next;
        self.inodes.insert(id, Inode { mode, modified: self.clock, ..Inode::default() });
        self.names.insert(path.to_path_buf(), id);
        Ok(id)
    }
}

struct SimFile {
    state: Arc<Mutex<State>>,
    inode: u64,
    handle: u64,
}

impl SimFs {
    fn handle(&self, state: &mut State, inode: u64) -> Box<dyn FsFile> {
        state.next += 1;
        Box::new(SimFile { state: Arc::clone(&self.0), inode, handle: state.next })
    }
}

impl FsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state.lock().unwrap();
        let data = &state.inodes[&self.inode].data;
        let rest = data.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let fate = state.change();
        let bytes = if fate.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        let clock = state.clock;
        let inode = state.inodes.get_mut(&self.inode).unwrap();
        let end = offset as usize + bytes.len();
        if inode.data.len() < end {
            inode.data.resize(end, 0);
        }
        inode.data[offset as usize..end].copy_from_slice(bytes);
        inode.modified = clock;
        fate
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.change()?;
        state.inodes.get_mut(&self.inode).unwrap().data.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.change()?;
        let inode = state.inodes.get_mut(&self.inode).unwrap();
        inode.synced = inode.data.clone();
        Ok(())
    }

    fn meta(&self) -> io::Result<Meta> {
        Ok(self.state.lock().unwrap().meta(self.inode))
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut state = self.state.lock().unwrap();
        let inode = state.inodes.get_mut(&self.inode).unwrap();
        Ok(*inode.locked_by.get_or_insert(self.handle) == self.handle)
    }

    fn os_file(&self) -> Option<&File> {
        None
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.lock()
            && let Some(inode) = state.inodes.get_mut(&self.inode)
            && inode.locked_by == Some(self.handle)
        {
            inode.locked_by = None;
        }
    }
}

impl Fs for SimFs {
    fn create_new(&self, path: &Path, mode: u32) -> io::Result<Box<dyn FsFile>> {
        let mut state = self.lock();
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = state.create(path, mode)?;
        Ok(self.handle(&mut state, id))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let mut state = self.lock();
        let id = state.id(path)?;
        Ok(self.handle(&mut state, id))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let mut state = self.lock();
        let id = match state.id(path) {
            Ok(id) => id,
            Err(_) => state.create(path, 0o600)?,
        };
        Ok(self.handle(&mut state, id))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let id = state.id(from)?;
        state.parent_is_there(to)?;
        state.change()?;
        state.names.remove(from);
        state.names.insert(to.to_path_buf(), id);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.id(path)?;
        state.change()?;
        state.names.remove(path);
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let state = self.lock();
        if !state.folders.contains_key(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let all = state.names.keys().chain(state.folders.keys());
        Ok(all
            .filter(|path| path.parent() == Some(folder))
            .filter_map(|path| path.file_name())
            .map(Into::into)
            .collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Meta> {
        let state = self.lock();
        if let Some(&mode) = state.folders.get(path) {
            let owner = rustix::process::geteuid().as_raw();
            return Ok(Meta { kind: FileKind::Folder, len: 0, modified: state.clock, mode, owner });
        }
        Ok(state.meta(state.id(path)?))
    }

    fn create_dir_all(&self, path: &Path, mode: u32) -> io::Result<()> {
        let mut state = self.lock();
        for folder in path.ancestors() {
            state.folders.entry(folder.to_path_buf()).or_insert(mode);
        }
        Ok(())
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        let state = &mut *state;
        state.durable.retain(|path, _| path.parent() != Some(folder));
        let present = state.names.iter().filter(|(path, _)| path.parent() == Some(folder));
        state.durable.extend(present.map(|(path, &id)| (path.clone(), id)));
        if let Some(durable) = &mut state.durable_folders {
            durable.extend(state.folders.keys().filter(|path| path.parent() == Some(folder)).cloned());
        }
        Ok(())
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let id = state.id(path)?;
        state.change()?;
        let clock = state.clock;
        state.inodes.get_mut(&id).unwrap().modified = clock;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_forgets_bytes_and_names_that_were_not_synced() {
        let fs = SimFs::new();
        let (old, new) = (Path::new("/old"), Path::new("/new"));
        let file = fs.create_new(old, 0o600).unwrap();
        file.write_at(b"one", 0).unwrap();
        file.sync_data().unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        file.write_at(b"two", 3).unwrap();
        fs.rename(old, new).unwrap();
        fs.crash(Crash::Forget);
        assert_eq!(fs.files(), [old]);
        assert_eq!(crate::store::fs::read_file(&fs, old).unwrap(), b"one");
    }

    #[test]
    fn faults_hit_the_chosen_call() {
        let fs = SimFs::new();
        let file = fs.create_new(Path::new("/f"), 0o600).unwrap();
        fs.fail_once(1, 28);
        file.write_at(b"good", 0).unwrap();
        assert_eq!(file.write_at(b"half", 4).unwrap_err().raw_os_error(), Some(28));
        assert_eq!(crate::store::fs::read_file(&fs, Path::new("/f")).unwrap(), b"goodha");
        file.write_at(b"whole", 4).unwrap();
    }
}
