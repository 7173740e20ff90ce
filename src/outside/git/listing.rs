//! What a source consists of, and the rules that every file list has to pass, wherever it comes from.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use crate::base::rel_path;
use crate::outside::git::error::GitError;
use crate::outside::git::reference::GitId;

/// The wanted files of a source, with the paths that they have there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Identifies the content, modes and names of the wanted paths and nothing else; `None` for a plain folder.
    ///
    /// One wanted folder, or the whole repository: its git tree id. Anything else: the git blob id of one line
    /// `MODE TYPE ID<tab>PATH` per wanted path, sorted bytewise (the lines of `git ls-tree`).
    pub tree_id: Option<String>,
    /// Files and links, sorted bytewise by path. Folders are implied; git knows no empty ones.
    pub entries: Vec<Entry>,
    /// Folders that were left out because they are repositories of their own.
    pub submodules: Vec<String>,
}

/// A file or link of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path from the source's root, with `/`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// git's id of the content; `None` in a plain folder.
    pub object: Option<GitId>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// The owner's execute bit.
        executable: bool,
        /// The length in bytes.
        size: u64,
    },
    /// A symbolic link; it stays inside the source, and what it names may be absent.
    Link {
        /// The text of the link.
        target: String,
    },
}

/// How large a source may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files, links and folders.
    pub entries: usize,
    /// The sum of all file lengths, in bytes.
    pub bytes: u64,
}

impl Default for Limits {
    /// 200,000 names and 2 GiB.
    fn default() -> Self {
        Self { entries: 200_000, bytes: 2 << 30 }
    }
}

/// Links to follow before a chain of them counts as a loop.
const MAX_HOPS: usize = 40;
/// The longest name that the common file systems take, in bytes.
const MAX_NAME: usize = 255;
/// The longest path that macOS takes, in bytes; also bounds the depth of folders.
const MAX_PATH: usize = 1024;
/// The longest link target that Linux takes, in bytes.
pub(super) const MAX_TARGET: usize = 4096;

/// Collects entries under the rules.
pub(super) struct Listing {
    origin: String,
    limits: Limits,
    bytes: u64,
    names: usize,
    entries: Vec<Entry>,
    submodules: Vec<String>,
}

impl Listing {
    /// An empty list; `origin` names the source in errors.
    pub(super) fn new(origin: String, limits: Limits) -> Self {
        Self { origin, limits, bytes: 0, names: 0, entries: Vec::new(), submodules: Vec::new() }
    }

    /// The error for an entry that may not be used.
    pub(super) fn refuse(&self, path: &str, why: impl Into<String>) -> GitError {
        GitError::Entry { origin: self.origin.clone(), path: path.to_owned(), why: why.into() }
    }

    /// The path of `name` in `folder` (`""` is the root), if the name may be used and is not one too many. Folders count
    /// too: a commit of a few objects can name one folder a billion times.
    pub(super) fn child(&mut self, folder: &str, name: &[u8]) -> Result<String, GitError> {
        let lossy = || join(folder, &String::from_utf8_lossy(name));
        let Ok(text) = std::str::from_utf8(name) else {
            return Err(self.refuse(&lossy(), "has a name that is not UTF-8: rename it"));
        };
        if text.chars().any(char::is_control) {
            return Err(self.refuse(&lossy(), "has a control character in its name: rename it"));
        }
        if text.len() > MAX_NAME {
            return Err(self.refuse(&lossy(), format!("has a name of more than {MAX_NAME} bytes: shorten it")));
        }
        if matches!(text, "" | "." | "..") || text.contains(['/', '\\']) || text.eq_ignore_ascii_case(".git") {
            return Err(self.refuse(&lossy(), "has a name that could change files outside the source: remove it"));
        }
        let path = join(folder, text);
        if path.len() > MAX_PATH {
            return Err(self.refuse(&path, format!("is a path of more than {MAX_PATH} bytes: shorten it")));
        }
        self.names += 1;
        if self.names > self.limits.entries {
            return Err(self.too_large(format!("{} files and folders", self.limits.entries)));
        }
        Ok(path)
    }

    /// Adds a file or link, unless it makes the source too large.
    pub(super) fn push(&mut self, entry: Entry) -> Result<(), GitError> {
        if let EntryKind::File { size, .. } = entry.kind {
            self.bytes = self.bytes.saturating_add(size);
            if self.bytes > self.limits.bytes {
                return Err(self.too_large(format!("{} bytes", self.limits.bytes)));
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Notes a folder that is left out.
    pub(super) fn push_submodule(&mut self, path: String) {
        self.submodules.push(path);
    }

    fn too_large(&self, limit: String) -> GitError {
        GitError::TooLarge { origin: self.origin.clone(), limit }
    }

    /// Applies the rules that concern several entries at once.
    pub(super) fn finish(mut self, tree_id: Option<String>) -> Result<Tree, GitError> {
        self.entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.submodules.sort_unstable();
        self.check_twins()?;
        self.check_links()?;
        Ok(Tree { tree_id, entries: self.entries, submodules: self.submodules })
    }

    /// Two names that some file system takes for one would make the result depend on the machine.
    fn check_twins(&self) -> Result<(), GitError> {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let mut last_folder = "";
        for entry in &self.entries {
            let folder = entry.path.rfind('/').map_or("", |at| &entry.path[..at]);
            let folders = (folder != last_folder).then(|| rel_path::parents(&entry.path)).into_iter().flatten();
            last_folder = folder;
            for path in std::iter::once(entry.path.as_str()).chain(folders.map(|path| path.trim_end_matches('/'))) {
                if let Some(twin) = seen.insert(fold(path), path)
                    && twin != path
                {
                    let why = format!("and `{twin}` are one name on some file systems: rename one");
                    return Err(self.refuse(path, why));
                }
            }
        }
        Ok(())
    }

    fn check_links(&self) -> Result<(), GitError> {
        let links: BTreeMap<String, &str> = self
            .entries
            .iter()
            .filter_map(|entry| match &entry.kind {
                EntryKind::Link { target } => Some((fold(&entry.path), target.as_str())),
                EntryKind::File { .. } => None,
            })
            .collect();
        for entry in &self.entries {
            if let EntryKind::Link { target } = &entry.kind {
                follow(&links, &entry.path, target).map_err(|why| {
                    self.refuse(&entry.path, format!("is a link to `{}`, {why}", target.escape_debug()))
                })?;
            }
        }
        Ok(())
    }
}

/// Walks a link as the system would, through other links too, without touching the disk.
fn follow(links: &BTreeMap<String, &str>, path: &str, target: &str) -> Result<(), &'static str> {
    const LEAVES: &str = "which leaves the source: remove the link or list its folder apart";
    let mut at: Vec<&str> = path.split('/').collect();
    at.pop();
    let mut hops = 0;
    let mut ahead: Vec<&str> = Vec::new();
    let mut jump = Some(target);
    loop {
        if let Some(target) = jump.take() {
            if target.starts_with('/') || target.contains('\\') {
                return Err(LEAVES);
            }
            ahead.extend(target.split('/').rev());
        }
        match ahead.pop() {
            None => return Ok(()),
            Some("" | ".") => {}
            Some("..") => {
                at.pop().ok_or(LEAVES)?;
            }
            Some(name) => {
                at.push(name);
                if let Some(target) = links.get(&fold(&at.join("/"))) {
                    hops += 1;
                    if hops > MAX_HOPS {
                        return Err("which leads in a circle: remove it");
                    }
                    at.pop();
                    jump = Some(target);
                }
            }
        }
    }
}

/// One form for all spellings that a file system without case, or with normalisation, takes for one.
fn fold(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    // Upper case first: it is where ß and ss, or ſ and s, meet.
    path.nfc().collect::<String>().to_uppercase().to_lowercase().nfc().collect()
}

/// `folder/name`, where the root is `""`.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The wanted paths in normal form (no `/` at the end, `""` for the root), sorted, none inside another. No path at all
/// means the whole source.
pub(super) fn wanted_paths(origin: &str, wanted: &[String]) -> Result<Vec<String>, GitError> {
    let mut paths = Vec::with_capacity(wanted.len().max(1));
    for path in wanted {
        let normal = rel_path::normalise(path).map_err(|why| GitError::Entry {
            origin: origin.to_owned(),
            path: path.clone(),
            why: format!("cannot be taken: {why}; write a path inside the source"),
        })?;
        let normal = normal.trim_end_matches('/');
        paths.push(if normal == "." { String::new() } else { normal.to_owned() });
    }
    if paths.is_empty() || paths.iter().any(String::is_empty) {
        return Ok(vec![String::new()]);
    }
    paths.sort_unstable();
    paths.dedup();
    let all = paths.clone();
    paths.retain(|path| {
        rel_path::parents(path)
            .all(|parent| all.binary_search_by(|x| x.as_str().cmp(parent.trim_end_matches('/'))).is_err())
    });
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        Listing::new("source".to_owned(), Limits { entries: 10, bytes: 100 })
    }

    fn file(path: &str, size: u64) -> Entry {
        Entry { path: path.to_owned(), kind: EntryKind::File { executable: false, size }, object: None }
    }

    fn link(path: &str, target: &str) -> Entry {
        Entry { path: path.to_owned(), kind: EntryKind::Link { target: target.to_owned() }, object: None }
    }

    fn finish(entries: &[Entry]) -> Result<Tree, String> {
        let mut listing = listing();
        for entry in entries {
            listing.push(entry.clone()).map_err(|error| error.to_string())?;
        }
        listing.finish(None).map_err(|error| error.to_string())
    }

    #[test]
    fn entries_are_sorted_bytewise() {
        let tree = finish(&[file("a/b", 1), file("a.b", 1), file("B", 1)]).unwrap();
        assert_eq!(tree.entries.iter().map(|x| x.path.as_str()).collect::<Vec<_>>(), ["B", "a.b", "a/b"]);
    }

    #[test]
    fn row_37_links_may_dangle_but_not_leave_or_turn_in_a_circle() {
        for links in [
            vec![link("a/b", "../c")],
            vec![link("a/b", "missing/deep")],
            vec![link("a/b", "../a/./x//y")],
            vec![link("a", "."), link("b", "a/a/a")],
        ] {
            assert!(finish(&links).is_ok(), "{links:?}");
        }
        for (links, word) in [
            (vec![link("a", "/etc/passwd")], "leaves"),
            (vec![link("a/b", "../../x")], "leaves"),
            (vec![link("a", "b/../../x")], "leaves"),
            // Each link is harmless as text; together they climb out.
            (vec![link("s/t/up", "../.."), link("x", "s/t/up/../secret")], "leaves"),
            (vec![link("s/t/Up", "../.."), link("x", "s/t/uP/../secret")], "leaves"),
            (vec![link("a", "a")], "circle"),
            (vec![link("a", "b"), link("b", "a")], "circle"),
        ] {
            let error = finish(&links).unwrap_err();
            assert!(error.contains(word) && error.contains(&links.last().unwrap().path), "{error}");
        }
    }

    #[test]
    fn row_38_names_that_are_one_on_some_file_system_are_refused() {
        for (one, other) in
            [("a/README", "a/Readme"), ("Dir/a", "dir/b"), ("caf\u{e9}", "cafe\u{301}"), ("stra\u{df}e", "STRASSE")]
        {
            assert!(finish(&[file(one, 1), file(other, 1)]).unwrap_err().contains("one name"), "{one} {other}");
        }
        assert!(finish(&[file("a/x", 1), file("a/y", 1), file("b/x", 1)]).is_ok());
    }

    #[test]
    fn row_38_dangerous_names_are_refused() {
        let mut listing = listing();
        for name in
            [&b""[..], b".", b"..", b"a/b", b"a\\b", b".git", b".GIT", b"a\nb", b"\x1b[2J", b"\xff", &[b'x'; 256]]
        {
            assert!(listing.child("d", name).is_err(), "{name:?}");
        }
        assert_eq!(listing.child("d", "a b\u{e9}".as_bytes()).unwrap(), "d/a b\u{e9}");
        assert_eq!(listing.child("", b".github").unwrap(), ".github");
    }

    #[test]
    fn limits_hold() {
        assert!(finish(&[file("a", 60), file("b", 40)]).is_ok());
        assert!(finish(&[file("a", 60), file("b", 41)]).unwrap_err().contains("100 bytes"));
        assert!(finish(&[file("a", 60), file("b", u64::MAX)]).unwrap_err().contains("100 bytes"));
        let mut listing = listing();
        let outcomes: Vec<bool> = (0..11).map(|n| listing.child("", n.to_string().as_bytes()).is_ok()).collect();
        assert_eq!(outcomes.iter().filter(|&&fits| fits).count(), 10);
        assert!(listing.child(&"d/".repeat(600), b"x").is_err());
    }

    #[test]
    fn wanted_paths_are_normal_and_apart() {
        let read = |paths: &[&str]| {
            wanted_paths("s", &paths.iter().map(|&x| x.to_owned()).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(&[]).unwrap(), [""]);
        assert_eq!(read(&["a", "./"]).unwrap(), [""]);
        assert_eq!(read(&["b/", "a/c", "a", "a-b", "./b"]).unwrap(), ["a", "a-b", "b"]);
        assert!(read(&["../a"]).is_err() && read(&["/a"]).is_err() && read(&[""]).is_err());
    }
}
