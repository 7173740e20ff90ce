//! The build tags that the sources of a `clone` know, read before anything runs: without a network, and without writing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::exec::kinds::collector_tree::{collector_module, is_component_file};
use crate::graph::node::{CloneKind, Pin, Source};
use crate::layer::go_mod::GoMod;
use crate::layer::tags;
use crate::outside::git::{
    GitError, GitId, GitRef, Limits, LocationContext, Mirrors, NetworkSettings, SourceLocation, SourceRepository, Tree,
    local, walk_plain,
};

/// Every tag of the sources, and of the component files in the project's folder `components`; `pin` is the commit of a
/// remote one. `None` if that cannot be told here and now: a remote that is not mirrored, or sources with problems of
/// their own, which a run tells better.
pub fn known_tags(
    root: &Path,
    user_cache: &Path,
    clone: &CloneKind,
    pin: Option<&Pin>,
    components: Option<&str>,
) -> Option<BTreeSet<String>> {
    let mut files = match &clone.source {
        Source::Plain(path) => folder_files(&root.join(path), &clone.paths, has_a_say)?,
        Source::Local(path) => {
            let path = root.join(path);
            let commit = local::resolve_local(&path, &GitRef::parse(&clone.reference).ok()?).ok()?.commit;
            commit_files(&path, commit, &clone.paths)?
        }
        Source::Remote { url, pin: known } => {
            let context = LocationContext { project_root: root, allow_file_url: true };
            let Ok(SourceLocation::Remote(remote)) = SourceLocation::parse(url, context) else { return None };
            let commit: GitId = pin.or(known.as_ref())?.commit.parse().ok()?;
            let mirrors = Mirrors::new(user_cache, NetworkSettings::default());
            if !mirrors.has(&remote, commit) {
                return None;
            }
            commit_files(&mirrors.path(&remote), commit, &clone.paths)?
        }
    };
    let mods = files.iter().filter(|(path, _)| path.ends_with("go.mod"));
    let mods: Vec<(String, GoMod)> =
        mods.map(|(path, text)| Some((path.clone(), GoMod::parse(path, text).ok()?))).collect::<Option<_>>()?;
    let (folder, _) = collector_module(mods)?;
    files.retain(|path, _| is_component_file(&folder, path));
    if let Some(components) = components {
        files.extend(folder_files(&root.join(components), &[], |path| path.ends_with(".go"))?);
    }
    tags::known_tags(files.iter().map(|(path, text)| (path.as_str(), text.as_str()))).ok()
}

/// Files that have a say, by path.
type Files = BTreeMap<String, String>;

/// Which files of the sources are read: those that may be component files, and those that tell where they are.
fn has_a_say(path: &str) -> bool {
    path == "go.mod" || path.ends_with("/go.mod") || path.contains("lambdacomponents/") && path.ends_with(".go")
}

fn folder_files(folder: &Path, wanted: &[String], is_read: impl Fn(&str) -> bool) -> Option<Files> {
    let tree = walk_plain(folder, wanted, Limits::default()).ok()?;
    let paths = tree.entries.into_iter().map(|entry| entry.path).filter(|path| is_read(path));
    paths.map(|path| Some((path.clone(), fs::read_to_string(folder.join(path)).ok()?))).collect()
}

fn commit_files(repository: &Path, commit: GitId, wanted: &[String]) -> Option<Files> {
    let source = SourceRepository::open(repository, &repository.display().to_string()).ok()?;
    let mut tree: Tree = source.tree(commit, wanted, Limits::default()).ok()?;
    tree.entries.retain(|entry| has_a_say(&entry.path));
    let mut files = Files::new();
    let read = source.each_file::<GitError>(&tree, |entry, bytes| {
        files.insert(entry.path.clone(), String::from_utf8_lossy(bytes).into_owned());
        Ok(())
    });
    read.ok().map(|()| files)
}
