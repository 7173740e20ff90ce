//! Finds programs on `PATH` and says what the digest says of them. Starts nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::action::result::Content;
use crate::base::id::PathId;
use crate::engine::observe::Observer;
use crate::exec::api::Tool;
use crate::store::path_table::FileKind;

/// Programs found in this run, with the rows that prove it.
#[derive(Default)]
pub struct Tools {
    found: BTreeMap<String, Result<(Tool, Vec<PathId>), ToolError>>,
}

/// A program that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// Not on `PATH`.
    #[error("`{name}` was not found on PATH; {}", hint(name))]
    NotFound {
        /// As named.
        name: String,
    },
    /// Found and unreadable.
    #[error("`{path}` cannot be read{why}")]
    Unreadable {
        /// Where.
        path: String,
        /// What the system says, with a colon before it; empty if it says nothing.
        why: String,
    },
}

impl ToolError {
    /// The program as it was named.
    pub fn tool(&self) -> &str {
        match self {
            Self::NotFound { name } => name,
            Self::Unreadable { path, .. } => path,
        }
    }
}

fn hint(name: &str) -> &'static str {
    match name {
        "go" => "install Go (https://go.dev/dl/), or add its `bin` folder to PATH",
        "git" => "install git with your package manager",
        _ => "install it, or correct the name",
    }
}

impl Tools {
    /// The program `name`, and the rows that prove that it is still that one.
    ///
    /// # Errors
    /// If `path` (the value of `PATH`) has no such program.
    pub fn find(&mut self, name: &str, path: &str, observer: &mut Observer) -> Result<(Tool, Vec<PathId>), ToolError> {
        if let Some(found) = self.found.get(name) {
            return found.clone();
        }
        let found = if name == "go" { find_go(path, observer) } else { find_by_content(name, path, observer) };
        self.found.insert(name.to_owned(), found.clone());
        found
    }
}

/// Where a program of this name is looked for, in order. Relative folders in `PATH` mean another place in every folder,
/// and do not count.
pub fn on_path<'a>(name: &'a str, path: &'a str) -> impl Iterator<Item = PathBuf> {
    path.split(':').filter(|dir| dir.starts_with('/')).map(move |dir| Path::new(dir).join(name))
}

/// The file behind a program's name, following links one by one: every place looked at is a row, so that a link that
/// leads elsewhere, or a program put in front of it, is seen. Returns where it was found, and what it leads to.
fn locate(
    name: &str,
    path: &str,
    observer: &mut Observer,
    rows: &mut Vec<PathId>,
) -> Result<(PathBuf, PathBuf), ToolError> {
    let candidates: Vec<PathBuf> =
        if name.contains('/') { vec![observer.root().join(name)] } else { on_path(name, path).collect() };
    let mut unreadable = None;
    for candidate in candidates {
        if let Some(program) = follow(&candidate, observer, rows) {
            return Ok((candidate, program));
        }
        let last = rows.last().map(|row| observer.table.entry(*row).stamp.kind);
        if last == Some(FileKind::Unreadable) {
            unreadable.get_or_insert(candidate);
        }
    }
    Err(unreadable.map_or_else(|| ToolError::NotFound { name: name.to_owned() }, |path| cannot_read(&path)))
}

fn cannot_read(path: &Path) -> ToolError {
    let why = std::fs::File::open(path).err().map(|error| format!(": {error}"));
    ToolError::Unreadable { path: path.display().to_string(), why: why.unwrap_or_default() }
}

/// More links in a row than this are a circle, as for the kernel.
const MAX_LINKS: usize = 40;

/// The executable file that a path leads to.
fn follow(path: &Path, observer: &mut Observer, rows: &mut Vec<PathId>) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let id = observer.look(path.to_str()?);
        rows.push(id);
        let stamp = observer.table.entry(id).stamp;
        match stamp.kind {
            FileKind::File => return stamp.executable.then_some(path),
            FileKind::Symlink => {
                let target = std::fs::read_link(&path).ok()?;
                // `..` is left to the file system: a folder on the way may be a link too.
                path = path.parent()?.join(target);
            }
            _ => return None,
        }
    }
    None
}

fn find_by_content(name: &str, path: &str, observer: &mut Observer) -> Result<(Tool, Vec<PathId>), ToolError> {
    let mut rows = Vec::new();
    let (program, real) = locate(name, path, observer, &mut rows)?;
    let unreadable = || cannot_read(&program);
    let content = observer.content(real.to_str().ok_or_else(unreadable)?, &mut rows).map_err(|_| unreadable())?;
    match content {
        Some(Content::File(file)) => Ok((Tool { program, identity: file.digest.to_hex() }, rows)),
        _ => Err(unreadable()),
    }
}

/// Go is known by its version: the toolchain's own build id does not depend on where it is installed.
fn find_go(path: &str, observer: &mut Observer) -> Result<(Tool, Vec<PathId>), ToolError> {
    let mut rows = Vec::new();
    let (_, real) = locate("go", path, observer, &mut rows)?;
    let version = real.parent().and_then(Path::parent).map(|goroot| goroot.join("VERSION"));
    if let Some(version) = version.filter(|version| version.is_file())
        && let Some(text) = version.to_str()
    {
        rows.push(observer.look(text));
        let line = std::fs::read_to_string(&version).unwrap_or_default();
        if let Some(first) = line.lines().next().filter(|first| first.starts_with("go")) {
            return Ok((Tool { program: real, identity: first.trim().to_owned() }, rows));
        }
    }
    let (tool, more) = find_by_content("go", path, observer)?;
    rows.extend(more);
    Ok((tool, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::look::Looker;
    use crate::store::path_table::PathTable;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn every_link_on_the_way_to_a_program_is_a_row() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for version in ["one", "two"] {
            std::fs::write(at(version), version).unwrap();
            std::fs::set_permissions(at(version), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::create_dir(at("bin")).unwrap();
        symlink("../current", at("bin/tool")).unwrap();
        let find = |target: &str| {
            std::fs::remove_file(at("current")).ok();
            symlink(target, at("current")).unwrap();
            let mut observer = Observer::new(Looker::new(dir.path(), 0).unwrap(), PathTable::new(1));
            let path = at("bin").to_str().unwrap().to_owned();
            let (tool, rows) = Tools::default().find("tool", &path, &mut observer).unwrap();
            let rows = rows.iter().map(|row| observer.table.path(*row).to_owned()).collect::<Vec<_>>();
            (tool, rows)
        };
        let (one, rows) = find("one");
        assert_eq!(one.program, at("bin/tool"));
        assert!(rows.iter().any(|row| row.ends_with("/current")), "{rows:?}");
        assert_ne!(one.identity, find("two").0.identity);
    }
}
