//! A collector's sources as a listing in the store: where its modules are, and what their files say.

use crate::action::result::{Content, Listing};
use crate::base::id::NodeId;
use crate::exec::api::{WorkError, World};
use crate::exec::outputs;
use crate::layer::go_mod::GoMod;

/// The module that requires this one is the collector's.
const COLLECTOR_MODULE: &str = "go.opentelemetry.io/collector/otelcol";

/// The sources that a dependency left, with the node that can make them again.
pub(in crate::exec) struct CollectorTree<'a> {
    world: &'a World,
    producer: NodeId,
    /// Every file of it.
    pub(in crate::exec) listing: Listing,
    /// Folder of the collector's own `go.mod`, with a trailing `/`; empty at the root.
    pub(in crate::exec) folder: String,
    /// That `go.mod`.
    pub(in crate::exec) go_mod: GoMod,
}

impl<'a> CollectorTree<'a> {
    /// Reads the `tree` output of a node.
    ///
    /// # Errors
    /// If it is lost, or has no collector in it.
    pub(in crate::exec) fn read(world: &'a World, producer: NodeId, content: &Content) -> Result<Self, WorkError> {
        let Content::Tree { listing, .. } = content else {
            return Err(WorkError::Internal("a source tree is no directory".to_owned()));
        };
        let listing = outputs::read_listing(world, listing).ok_or(WorkError::NeedsProducer(producer))?;
        let mut tree = Self { world, producer, listing, folder: String::new(), go_mod: GoMod::default() };
        let paths: Vec<String> = tree.paths_ending("go.mod").map(str::to_owned).collect();
        let mut mods = Vec::with_capacity(paths.len());
        for path in paths {
            let go_mod = GoMod::parse(&path, &tree.text(&path)?).map_err(invalid)?;
            mods.push((path, go_mod));
        }
        let found = collector_module(mods);
        (tree.folder, tree.go_mod) = found.ok_or_else(|| {
            WorkError::Invalid(format!(
                "the sources have no go.mod that requires {COLLECTOR_MODULE}; is this an OpenTelemetry collector, and \
                 do `paths:` of the clone include it?"
            ))
        })?;
        Ok(tree)
    }

    /// Paths that end so.
    pub(in crate::exec) fn paths_ending<'b>(&'b self, suffix: &'b str) -> impl Iterator<Item = &'b str> {
        self.listing.0.iter().map(|(path, _)| path.as_str()).filter(move |path| {
            path.strip_suffix(suffix)
                .is_some_and(|rest| suffix.starts_with('.') || rest.is_empty() || rest.ends_with('/'))
        })
    }

    /// The text of a file.
    ///
    /// # Errors
    /// If it is lost, absent, or not UTF-8.
    pub(in crate::exec) fn text(&self, path: &str) -> Result<String, WorkError> {
        let Some(Content::File(file)) = self.listing.get(path) else {
            return Err(WorkError::Invalid(format!("the sources have no file `{path}`")));
        };
        let bytes =
            self.world.cache.read_blob(&file.digest, u64::MAX).ok_or(WorkError::NeedsProducer(self.producer))?;
        String::from_utf8(bytes).map_err(|_| WorkError::Invalid(format!("`{path}` in the sources is not UTF-8")))
    }

    /// Every `go.mod` of the tree, parsed, the collector's first.
    ///
    /// # Errors
    /// If one is lost or broken.
    pub(in crate::exec) fn go_mods(&self) -> Result<Vec<GoMod>, WorkError> {
        let mut mods = vec![self.go_mod.clone()];
        let own = format!("{}go.mod", self.folder);
        for path in self.paths_ending("go.mod").filter(|path| *path != own) {
            mods.push(GoMod::parse(path, &self.text(path)?).map_err(invalid)?);
        }
        Ok(mods)
    }

    /// The Go files of the folder where components register themselves, with their texts.
    ///
    /// # Errors
    /// If one is lost.
    pub(in crate::exec) fn component_files(&self) -> Result<Vec<(String, String)>, WorkError> {
        let paths = self.paths_ending(".go").filter(|path| is_component_file(&self.folder, path));
        paths.map(|path| Ok((path.to_owned(), self.text(path)?))).collect()
    }
}

/// Of all `go.mod` files (path, content) the collector's own: its folder, with a trailing `/`, and what it says.
pub(in crate::exec) fn collector_module(mods: Vec<(String, GoMod)>) -> Option<(String, GoMod)> {
    let requiring = mods.into_iter().filter(|(_, go_mod)| go_mod.require(COLLECTOR_MODULE).is_some());
    let folders = requiring.map(|(path, go_mod)| (path.strip_suffix("go.mod").unwrap_or_default().to_owned(), go_mod));
    // Nested modules require it too; the outermost one is the program.
    folders.min_by_key(|(folder, _)| folder.len())
}

/// Whether a component registers itself in this file of the sources, if the collector is in `folder`.
pub(in crate::exec) fn is_component_file(folder: &str, path: &str) -> bool {
    let inside = path.strip_prefix(folder).is_some_and(|rest| rest.starts_with("lambdacomponents/"));
    inside && path.ends_with(".go") && !path.ends_with("_test.go")
}

/// What is wrong with the sources.
pub(in crate::exec) fn invalid(error: crate::layer::error::LayerError) -> WorkError {
    WorkError::Invalid(error.to_string())
}

/// Component files of the project: path in the tree, path in the project, text.
///
/// # Errors
/// If a file cannot be read.
pub(in crate::exec) fn project_components(
    world: &World,
    files: &[crate::exec::api::InputFile],
    folder: Option<&str>,
) -> Result<Vec<ProjectFile>, WorkError> {
    let Some(folder) = folder.map(|folder| format!("{}/", folder.trim_end_matches('/'))) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for file in files {
        let Some(inside) = file.path.strip_prefix(&folder) else { continue };
        let text = std::fs::read_to_string(world.root.join(&file.path)).map_err(WorkError::io(&file.path))?;
        found.push(ProjectFile { in_tree: inside.to_owned(), in_project: file.path.clone(), text });
    }
    Ok(found)
}

/// A component file of the project.
pub(in crate::exec) struct ProjectFile {
    /// Where it goes in the tree.
    pub(in crate::exec) in_tree: String,
    /// Where it is.
    pub(in crate::exec) in_project: String,
    /// What it says.
    pub(in crate::exec) text: String,
}
