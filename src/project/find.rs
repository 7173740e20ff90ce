//! Which pipeline file a command is about, and which folder is its project's root.

use std::path::{Path, PathBuf};

use crate::base::suggest;

/// A pipeline file and its project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The project root, absolute.
    pub root: PathBuf,
    /// The file, relative to the root.
    pub file: String,
}

/// Why no pipeline was found, in words for the person.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct FindError {
    /// What and what to do.
    pub message: String,
}

/// Whether a word names a pipeline: a file, or a name in `pipelines/`.
pub fn as_pipeline(dir: &Path, word: &str) -> Option<PathBuf> {
    let is_yaml = |path: &Path| path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml");
    let direct = dir.join(word);
    if direct.is_file() && is_yaml(&direct) {
        return Some(direct);
    }
    let named = ["yaml", "yml"].iter().map(|ext| dir.join("pipelines").join(format!("{word}.{ext}")));
    named.into_iter().find(|path| !word.contains('/') && path.is_file())
}

/// The names in `pipelines/`, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir.join("pipelines"))
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let yaml = path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml");
            yaml.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
        })
        .collect();
    names.sort();
    names
}

/// The root of a pipeline file: the parent of `pipelines/` if the file is in a folder of that name, else its folder.
///
/// # Errors
/// If the path does not resolve.
pub fn locate(file: &Path) -> Result<Located, FindError> {
    let full = std::fs::canonicalize(file)
        .map_err(|error| FindError { message: format!("cannot open the pipeline {}: {error}", file.display()) })?;
    let folder = full.parent().unwrap_or(Path::new("/"));
    let in_pipelines = folder.file_name().is_some_and(|name| name == "pipelines");
    let root = if in_pipelines { folder.parent().unwrap_or(folder) } else { folder };
    let relative = full.strip_prefix(root).unwrap_or(&full);
    match relative.to_str() {
        Some(file) => Ok(Located { root: root.to_owned(), file: file.to_owned() }),
        None => Err(FindError { message: format!("the path {} is not UTF-8", full.display()) }),
    }
}

/// The pipeline of a command that names none: the one last run here, `pipeline.yaml`, or the only one in `pipelines/`.
///
/// # Errors
/// If there is no such, with the choices.
pub fn default(dir: &Path, last: Option<&str>) -> Result<PathBuf, FindError> {
    if let Some(last) = last.map(|last| dir.join(last)).filter(|last| last.is_file()) {
        return Ok(last);
    }
    let plain = dir.join("pipeline.yaml");
    if plain.is_file() {
        return Ok(plain);
    }
    let names = names(dir);
    match names.as_slice() {
        [] => Err(FindError {
            message: "there is no pipeline here: no `pipeline.yaml`, and nothing in `pipelines/`; begin one with `ocelot init`, or say \
                      with `-C DIR` where it is"
                .to_owned(),
        }),
        [only] => as_pipeline(dir, only).ok_or_else(|| FindError { message: format!("cannot open `{only}`") }),
        several => Err(FindError { message: format!("which pipeline? One of: {}", several.join(", ")) }),
    }
}

/// The error for a word that names no pipeline.
pub fn unknown(dir: &Path, word: &str) -> FindError {
    let names = names(dir);
    let near = suggest::closest(word, names.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("; did you mean `{near}`?"),
        None if names.is_empty() => String::new(),
        None => format!("; there are: {}", names.join(", ")),
    };
    FindError { message: format!("no pipeline `{word}`{hint}") }
}
