//! What stands in the project, by the path table: each path is looked at once per run, unless a node may have written it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::action::result::{Content, FileContent, Listing};
use crate::base::digest::BlobDigest;
use crate::base::id::PathId;
use crate::base::rel_path;
use crate::graph::declared::Declared;
use crate::graph::paths::compile_glob;
use crate::store::look::{Looker, list_dir};
use crate::store::path_table::{FileKind, PathTable, Stamp};

/// Looks at paths and remembers which it looked at.
pub struct Observer {
    looker: Looker,
    /// The workspace's table.
    pub table: PathTable,
    /// Rows looked at in this run.
    seen: Vec<bool>,
}

/// Something that cannot be an input.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// Nothing there, and no node makes it.
    #[error("`{path}` does not exist, and no node declares it as output")]
    Missing {
        /// The path.
        path: String,
    },
    /// It is there and cannot be read.
    #[error("`{path}` cannot be read; check its permissions")]
    Unreadable {
        /// The path.
        path: String,
    },
    /// A device, socket or pipe.
    #[error("`{path}` is neither a file, a directory nor a link")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// A folder that cannot be listed.
    #[error("{path}: {error}")]
    List {
        /// The folder.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A pattern that is no glob.
    #[error("`{pattern}` is not a glob: {why}")]
    Glob {
        /// The pattern.
        pattern: String,
        /// The library's words.
        why: String,
    },
}

impl Observer {
    /// Looks through `looker`, starting from `table`.
    pub fn new(looker: Looker, table: PathTable) -> Self {
        let seen = vec![false; table.len()];
        Self { looker, table, seen }
    }

    /// The project root.
    pub fn root(&self) -> &Path {
        self.looker.root()
    }

    /// The row of a path, brought up to date if it was not looked at in this run.
    pub fn look(&mut self, path: &str) -> PathId {
        let id = self.table.intern(path);
        self.look_id(id);
        id
    }

    /// Brings many rows up to date at once, in parallel; returns those whose content changed since last known.
    pub fn look_all(&mut self, ids: &[PathId]) -> Vec<PathId> {
        self.seen.resize(self.table.len(), false);
        let unseen: Vec<PathId> =
            ids.iter().copied().filter(|id| !std::mem::replace(&mut self.seen[id.index()], true)).collect();
        self.looker.refresh(&mut self.table, &unseen)
    }

    fn look_id(&mut self, id: PathId) {
        self.seen.resize(self.table.len().max(self.seen.len()), false);
        if !std::mem::replace(&mut self.seen[id.index()], true) {
            self.looker.refresh(&mut self.table, &[id]);
        }
    }

    /// Forgets that a path was looked at: a node may have written it.
    pub fn forget(&mut self, id: PathId) {
        if let Some(seen) = self.seen.get_mut(id.index()) {
            *seen = false;
        }
    }

    /// Forgets a path and everything below it.
    pub fn forget_below(&mut self, path: &str) {
        let bare = path.trim_end_matches('/');
        let below = format!("{bare}/");
        for index in 0..self.table.len() {
            let id = PathId::from_index(index);
            let known = self.table.path(id);
            if known == bare || known.starts_with(&below) {
                self.forget(id);
            }
        }
    }

    /// Notes what a worker found at a path that it has just written.
    pub fn note_written(&mut self, path: &str, stamp: Stamp, digest: BlobDigest) -> PathId {
        let id = self.table.intern(path);
        // Written during this run, so after the clock was read: never settled.
        self.table.set(id, stamp, digest, false);
        self.table.mark_ours(id);
        self.seen.resize(self.table.len().max(self.seen.len()), false);
        self.seen[id.index()] = true;
        id
    }

    /// What stands at a path, as content; directories as trees. The rows looked at are added to `rows`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn content(&mut self, path: &str, rows: &mut Vec<PathId>) -> Result<Option<Content>, ObserveError> {
        let bare = path.strip_suffix('/').unwrap_or(path);
        let bare = if bare == "." { "" } else { bare };
        let id = self.look(bare);
        rows.push(id);
        let entry = self.table.entry(id);
        match entry.stamp.kind {
            FileKind::Absent => Ok(None),
            FileKind::File => Ok(Some(Content::File(FileContent {
                digest: entry.digest,
                size: entry.stamp.size,
                executable: entry.stamp.executable,
            }))),
            FileKind::Symlink => {
                let target = std::fs::read_link(self.looker.root().join(bare))
                    .map_err(|error| ObserveError::List { path: bare.to_owned(), error })?;
                Ok(Some(Content::Symlink(target.to_string_lossy().into_owned())))
            }
            FileKind::Dir => {
                let listing = self.listing(bare, rows, true)?;
                let bytes = listing.encode();
                Ok(Some(Content::Tree { listing: BlobDigest::of(&bytes), size: listing.size() }))
            }
            FileKind::Other => Err(ObserveError::NotAFile { path: bare.to_owned() }),
            FileKind::Unreadable => Err(match list_dir(&self.looker.root().join(bare)) {
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    ObserveError::List { path: bare.to_owned(), error }
                }
                _ => ObserveError::Unreadable { path: bare.to_owned() },
            }),
        }
    }

    /// Every file and link below a directory, by path relative to it.
    ///
    /// # Errors
    /// If something below cannot be read.
    pub fn tree(&mut self, dir: &str, rows: &mut Vec<PathId>) -> Result<Listing, ObserveError> {
        self.listing(dir, rows, false)
    }

    /// What is below a directory; as an output, the folders with nothing in them belong to it.
    fn listing(&mut self, dir: &str, rows: &mut Vec<PathId>, empty_folders: bool) -> Result<Listing, ObserveError> {
        let mut folders = Vec::new();
        let mut files = self.walk(dir, rows, &|_| true, usize::MAX, &mut folders)?;
        if empty_folders {
            files.extend(folders.into_iter().filter(|folder| folder != dir));
        }
        let ids: Vec<PathId> = files.iter().map(|path| self.table.intern(path)).collect();
        self.look_all(&ids);
        let prefix = if dir.is_empty() { 0 } else { dir.len() + 1 };
        let mut entries = Vec::with_capacity(files.len());
        for path in files {
            if let Some(content) = self.content(&path, rows)? {
                entries.push((path[prefix..].to_owned(), content));
            }
        }
        Ok(Listing::new(entries))
    }

    /// Paths of all files and links below `dir` that `keep` accepts, sorted bytewise. Every folder visited is a row; those
    /// with nothing in them are added to `empty`.
    fn walk(
        &mut self,
        dir: &str,
        rows: &mut Vec<PathId>,
        keep: &dyn Fn(&str) -> bool,
        depth: usize,
        empty: &mut Vec<String>,
    ) -> Result<Vec<String>, ObserveError> {
        let mut found = Vec::new();
        let mut open = vec![(dir.to_owned(), depth)];
        while let Some((dir, depth)) = open.pop() {
            rows.push(self.look(&dir));
            let names = match list_dir(&self.looker.root().join(&dir)) {
                Ok(names) => names,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => continue,
                Err(error) => return Err(ObserveError::List { path: dir, error }),
            };
            if names.is_empty() {
                empty.push(dir.clone());
            }
            for (name, kind) in names {
                let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
                match kind {
                    FileKind::Dir if depth > 0 => open.push((path, depth - 1)),
                    FileKind::Dir => {}
                    _ if keep(&path) => found.push(path),
                    _ => {}
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The files that input patterns name and that no node declares as output, sorted, with their content.
    ///
    /// # Errors
    /// A literal path with nothing at it, or something that cannot be read.
    pub fn inputs(
        &mut self,
        patterns: &[String],
        declared: &Declared,
        rows: &mut Vec<PathId>,
    ) -> Result<Vec<(String, Content)>, ObserveError> {
        let excluded = Excluded::new(patterns)?;
        let mut paths = BTreeSet::new();
        for pattern in patterns.iter().filter(|pattern| !pattern.starts_with('!')) {
            if rel_path::is_glob(pattern) {
                let glob = compile_glob(pattern).map_err(|why| ObserveError::Glob { pattern: pattern.clone(), why })?;
                let prefix = rel_path::literal_prefix(pattern);
                // Without `**` a glob reaches exactly as deep as it has parts.
                let depth =
                    if pattern.contains("**") { usize::MAX } else { pattern[prefix.len()..].matches('/').count() };
                let dir = prefix.trim_end_matches('/').to_owned();
                let files = self.walk(&dir, rows, &|path| glob.is_match(path), depth, &mut Vec::new())?;
                paths.extend(files);
                continue;
            }
            let bare = pattern.trim_end_matches('/');
            if declared.claims(pattern) {
                continue;
            }
            let bare = if bare == "." { "" } else { bare };
            let id = self.look(bare);
            match self.table.entry(id).stamp.kind {
                FileKind::Dir => paths.extend(self.walk(bare, rows, &|_| true, usize::MAX, &mut Vec::new())?),
                // A folder that only other nodes fill does not exist yet.
                FileKind::Absent if pattern.ends_with('/') || declared.is_below(bare) => rows.push(id),
                FileKind::Absent => return Err(ObserveError::Missing { path: pattern.clone() }),
                _ => {
                    paths.insert(bare.to_owned());
                }
            }
        }
        let paths: Vec<String> =
            paths.into_iter().filter(|path| !excluded.matches(path) && !declared.claims(path)).collect();
        let ids: Vec<PathId> = paths.iter().map(|path| self.table.intern(path)).collect();
        self.look_all(&ids);
        let mut inputs = Vec::with_capacity(paths.len());
        for path in paths {
            match self.content(&path, rows)? {
                Some(content) => inputs.push((path, content)),
                None => return Err(ObserveError::Missing { path }),
            }
        }
        Ok(inputs)
    }
}

/// The `!` patterns of an input list: what it leaves out.
#[derive(Debug, Default)]
pub struct Excluded {
    globs: Vec<globset::GlobMatcher>,
    paths: Vec<String>,
}

impl Excluded {
    /// Those of a whole list; its other patterns are passed over.
    ///
    /// # Errors
    /// A glob that is none.
    pub fn new(patterns: &[String]) -> Result<Self, ObserveError> {
        let mut excluded = Self { globs: Vec::new(), paths: Vec::new() };
        for pattern in patterns.iter().filter_map(|pattern| pattern.strip_prefix('!')) {
            if rel_path::is_glob(pattern) {
                let glob =
                    compile_glob(pattern).map_err(|why| ObserveError::Glob { pattern: pattern.to_owned(), why })?;
                excluded.globs.push(glob);
            } else {
                excluded.paths.push(pattern.trim_end_matches('/').to_owned());
            }
        }
        Ok(excluded)
    }

    /// Whether a path relative to the root is left out.
    pub fn matches(&self, path: &str) -> bool {
        self.globs.iter().any(|glob| glob.is_match(path))
            || self.paths.iter().any(|excluded| {
                path.strip_prefix(excluded.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }
}
