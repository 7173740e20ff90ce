//! The life of an output: room made for it, captured into the store, laid out from it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::action::result::{ActionResult, Content, FileContent, Listing, Output};
use crate::base::digest::BlobDigest;
use crate::exec::api::{WorkError, World};
use crate::store::cache_error::RestoreError;
use crate::store::look::list_dir;
use crate::store::path_table::{FileKind, Stamp};

/// A file that a worker wrote into the project.
#[derive(Clone, Debug)]
pub struct Written {
    /// Relative to the project root.
    pub path: String,
    /// Its stamp after writing.
    pub stamp: Stamp,
    /// Its content's digest.
    pub digest: BlobDigest,
}

/// Why a stored result could not be laid out.
#[derive(Debug)]
pub enum LayOutError {
    /// A blob is gone or damaged; the node has to run.
    Lost,
    /// The project could not be written.
    Work(WorkError),
}

/// Moves files that no node made out of the way of outputs: an edit is never lost.
///
/// # Errors
/// If a file cannot be moved.
pub fn set_aside(world: &World, paths: &[String]) -> Result<Vec<String>, WorkError> {
    let mut warnings = Vec::new();
    for path in paths {
        let to = format!(".ocelot/replaced/{}/{path}", world.run);
        let target = world.root.join(&to);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(WorkError::io(parent.display().to_string()))?;
        }
        move_away(&world.root.join(path), &target).map_err(WorkError::io(path))?;
        warnings.push(format!("`{path}` was edited by hand; the edit is kept at `{to}`"));
    }
    Ok(warnings)
}

/// Moves a file, also to another file system: an output folder may be a mount of its own.
fn move_away(from: &Path, to: &Path) -> std::io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices && !from.is_symlink() && from.is_file() => {
            fs::copy(from, to)?;
            fs::remove_file(from)
        }
        other => other,
    }
}

/// Removes old outputs and makes their parent folders, so that nothing old can be taken for new.
///
/// # Errors
/// If a path cannot be removed or a folder not made.
pub fn make_room<'a>(root: &Path, outputs: impl IntoIterator<Item = &'a str>) -> Result<(), WorkError> {
    for output in outputs {
        let parents = stay_inside(root, output)?;
        let path = root.join(output.trim_end_matches('/'));
        if parents == Parents::There {
            remove_any(&path).map_err(WorkError::io(output))?;
        } else if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(WorkError::io(parent.display().to_string()))?;
        }
    }
    Ok(())
}

/// Whether the folders on the way to an output are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parents {
    /// All of them.
    There,
    /// Not all: there can be no output.
    Missing,
}

/// Refuses an output path that leads out of `root`: by its text, or because a folder on the way is a link. Only files
/// of the project are ours to replace.
///
/// # Errors
/// If it does.
pub fn stay_inside(root: &Path, output: &str) -> Result<Parents, WorkError> {
    let refused = |why: String| Err(WorkError::Invalid(format!("output `{output}` leads out of the project: {why}")));
    let path = Path::new(output.trim_end_matches('/'));
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return refused("it is no plain relative path".to_owned());
    }
    let mut folder = root.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        folder.push(part);
        match fs::symlink_metadata(&folder) {
            Ok(meta) if meta.is_symlink() => {}
            Ok(_) => continue,
            Err(_) => return Ok(Parents::Missing),
        }
        let inside = |real: PathBuf| fs::canonicalize(root).is_ok_and(|root| real.starts_with(root));
        if !fs::canonicalize(&folder).is_ok_and(inside) {
            let target = fs::read_link(&folder).unwrap_or_default();
            let link = folder.strip_prefix(root).unwrap_or(&folder).display();
            return refused(format!(
                "`{link}` is a link to `{}`; remove the link (a folder on another disk may be a mount)",
                target.display()
            ));
        }
    }
    Ok(Parents::There)
}

/// Removes a file, link or directory; nothing there is fine.
///
/// # Errors
/// As the file system says.
pub fn remove_any(path: &Path) -> std::io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Stores what stands at `path` (below `base`); `None` if nothing does.
///
/// # Errors
/// If it cannot be read or stored.
pub fn capture(world: &World, base: &Path, path: &str) -> Result<Option<Content>, WorkError> {
    // The command may have made a link of a folder on the way.
    stay_inside(base, path)?;
    let full = base.join(path.trim_end_matches('/'));
    let meta = match fs::symlink_metadata(&full) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(WorkError::Io { path: path.to_owned(), error }),
    };
    if !meta.is_dir() {
        return capture_leaf(world, &full, path, &meta).map(Some);
    }
    let mut entries = Vec::new();
    let mut open = vec![(full, String::new())];
    while let Some((dir, prefix)) = open.pop() {
        let names = list_dir(&dir).map_err(WorkError::io(dir.display().to_string()))?;
        if names.is_empty() && !prefix.is_empty() {
            entries.push((prefix.trim_end_matches('/').to_owned(), Listing::empty_folder()));
        }
        for (name, kind) in names {
            let (child, path) = (dir.join(&name), format!("{prefix}{name}"));
            if kind == FileKind::Dir {
                open.push((child, format!("{path}/")));
            } else {
                let meta = fs::symlink_metadata(&child).map_err(WorkError::io(&path))?;
                let content = capture_leaf(world, &child, &path, &meta)?;
                entries.push((path, content));
            }
        }
    }
    Ok(Some(store_listing(world, Listing::new(entries))?))
}

/// Stores a listing whose files are in the store already.
///
/// # Errors
/// If the store cannot be written.
pub fn store_listing(world: &World, listing: Listing) -> Result<Content, WorkError> {
    let size = listing.size();
    let put = world.cache.put_bytes(&listing.encode());
    Ok(Content::Tree { listing: put.digest, size })
}

fn capture_leaf(world: &World, full: &Path, path: &str, meta: &fs::Metadata) -> Result<Content, WorkError> {
    if meta.is_symlink() {
        let target = fs::read_link(full).map_err(WorkError::io(path))?;
        return match target.to_str() {
            Some(target) => Ok(Content::Symlink(target.to_owned())),
            None => Err(WorkError::Invalid(format!("the target of the link `{path}` is not UTF-8"))),
        };
    }
    if !meta.is_file() {
        return Err(WorkError::Invalid(format!("output `{path}` is neither a file, a directory nor a link")));
    }
    let put = world.cache.put_file(full).map_err(|error| WorkError::Environment(error.to_string()))?;
    let executable = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o100 != 0;
    Ok(Content::File(FileContent { digest: put.digest, size: put.size, executable }))
}

/// Lays out every declared output of a result in the project.
///
/// # Errors
/// If a blob is lost, or the project cannot be written.
pub fn lay_out(world: &World, result: &ActionResult) -> Result<Vec<Written>, LayOutError> {
    let mut written = Vec::new();
    for output in &result.outputs {
        if let Some(path) = &output.path {
            make_room(&world.root, [path.as_str()]).map_err(LayOutError::Work)?;
            place(world, &world.root, path.trim_end_matches('/'), &output.content)?;
            note_written(world, path, &output.content, &mut written)?;
        }
    }
    Ok(written)
}

/// Puts stored content at a path below `base`.
///
/// # Errors
/// If a blob is lost, or the path cannot be written.
pub fn place(world: &World, base: &Path, path: &str, content: &Content) -> Result<(), LayOutError> {
    let full = base.join(path);
    match content {
        Content::File(file) => {
            world.cache.restore(&file.digest, file.size, &full, file.executable).map_err(|error| match error {
                RestoreError::Missing { .. } | RestoreError::Damaged { .. } => LayOutError::Lost,
                RestoreError::Io { source: error, .. } => {
                    LayOutError::Work(WorkError::Io { path: path.to_owned(), error })
                }
            })
        }
        Content::Symlink(target) => {
            let made = remove_any(&full).and_then(|()| std::os::unix::fs::symlink(target, &full));
            made.map_err(|error| LayOutError::Work(WorkError::Io { path: path.to_owned(), error }))
        }
        Content::Tree { listing, .. } => {
            let listing = read_listing(world, listing).ok_or(LayOutError::Lost)?;
            make_dir(&full, path)?;
            let mut made: Option<PathBuf> = None;
            for (name, content) in &listing.0 {
                let child = full.join(name);
                if let Some(parent) = child.parent().filter(|parent| made.as_deref() != Some(parent)) {
                    make_dir(parent, path)?;
                    made = Some(parent.to_owned());
                }
                place(world, &full, name, content)?;
            }
            Ok(())
        }
    }
}

fn make_dir(dir: &Path, path: &str) -> Result<(), LayOutError> {
    fs::create_dir_all(dir).map_err(|error| LayOutError::Work(WorkError::Io { path: path.to_owned(), error }))
}

/// A stored directory listing.
pub fn read_listing(world: &World, digest: &BlobDigest) -> Option<Listing> {
    Listing::read(digest, || world.cache.read_blob(digest, u64::MAX))
}

/// Stats what was written, so that the path table knows it.
pub fn note_written(
    world: &World,
    path: &str,
    content: &Content,
    written: &mut Vec<Written>,
) -> Result<(), LayOutError> {
    let bare = path.trim_end_matches('/');
    match content {
        Content::File(file) => {
            written.push(Written { path: bare.to_owned(), stamp: world.looker.stat(bare), digest: file.digest });
        }
        Content::Symlink(target) => {
            let digest = BlobDigest::of(target.as_bytes());
            written.push(Written { path: bare.to_owned(), stamp: world.looker.stat(bare), digest });
        }
        Content::Tree { listing, .. } => {
            let listing = read_listing(world, listing).ok_or(LayOutError::Lost)?;
            for (name, content) in &listing.0 {
                note_written(world, &format!("{bare}/{name}"), content, written)?;
            }
        }
    }
    Ok(())
}

/// Gives every output of a kind its declared path, and lays it out there.
///
/// # Errors
/// If the project cannot be written.
pub fn publish_outputs(world: &World, outputs: &mut [Output], paths: &[(&str, &str)]) -> Result<(), WorkError> {
    for (name, path) in paths {
        for output in outputs.iter_mut().filter(|output| output.name == *name) {
            output.path = Some((*path).to_owned());
            make_room(&world.root, [*path])?;
            place(world, &world.root, path.trim_end_matches('/'), &output.content).map_err(|error| match error {
                LayOutError::Lost => WorkError::Environment("the cache lost a blob that was just stored".to_owned()),
                LayOutError::Work(error) => error,
            })?;
        }
    }
    Ok(())
}
