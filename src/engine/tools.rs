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
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// Where.
        path: String,
    },
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

/// The absolute path of a program: every candidate before it is a row, so that a program put in front of it is seen.
fn locate(name: &str, path: &str, observer: &mut Observer, rows: &mut Vec<PathId>) -> Result<PathBuf, ToolError> {
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![observer.root().join(name)]
    } else {
        path.split(':').filter(|dir| dir.starts_with('/')).map(|dir| Path::new(dir).join(name)).collect()
    };
    for candidate in candidates {
        let Some(text) = candidate.to_str() else { continue };
        let id = observer.look(text);
        rows.push(id);
        let usable = match observer.table.entry(id).stamp.kind {
            FileKind::File => observer.table.entry(id).stamp.executable,
            FileKind::Symlink => candidate.is_file(),
            _ => false,
        };
        if usable {
            return Ok(candidate);
        }
    }
    Err(ToolError::NotFound { name: name.to_owned() })
}

fn find_by_content(name: &str, path: &str, observer: &mut Observer) -> Result<(Tool, Vec<PathId>), ToolError> {
    let mut rows = Vec::new();
    let program = locate(name, path, observer, &mut rows)?;
    let unreadable = || ToolError::Unreadable { path: program.display().to_string() };
    let real = std::fs::canonicalize(&program).map_err(|_| unreadable())?;
    let content = observer.content(real.to_str().ok_or_else(unreadable)?, &mut rows).map_err(|_| unreadable())?;
    match content {
        Some(Content::File(file)) => Ok((Tool { program, identity: file.digest.to_hex() }, rows)),
        _ => Err(unreadable()),
    }
}

/// Go is known by its version: the toolchain's own build id does not depend on where it is installed.
fn find_go(path: &str, observer: &mut Observer) -> Result<(Tool, Vec<PathId>), ToolError> {
    let mut rows = Vec::new();
    let program = locate("go", path, observer, &mut rows)?;
    let real = std::fs::canonicalize(&program).unwrap_or_else(|_| program.clone());
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
