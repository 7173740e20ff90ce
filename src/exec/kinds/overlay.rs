//! `overlay`: the selected component files laid over a source tree, and the modules that they need.

use std::collections::BTreeMap;
use std::path::Path;

use crate::action::result::{Content, Listing, Output};
use crate::base::digest::BlobDigest;
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::go::{Call, Go};
use crate::exec::kinds::collector_tree::{CollectorTree, ProjectFile, invalid, project_components};
use crate::exec::outputs::{self, LayOutError};
use crate::graph::node::Overlay;
use crate::layer::component::overlay_files;
use crate::layer::component_dependencies::{ModuleVersion, required_modules, unlisted_modules};
use crate::layer::go_mod::GoMod;
use crate::layer::go_source::imports;
use crate::layer::tags::TagSet;

/// Lays the selected files over the tree.
pub(in crate::exec) fn run(world: &World, job: &Job, k: &Overlay, log: &mut dyn Log) -> Result<Produced, WorkError> {
    let (source, result) = job.dep("source")?;
    let before = result.output("tree").ok_or_else(|| WorkError::Internal("a clone without a tree".to_owned()))?;
    let tree = CollectorTree::read(world, source.id, &before.content)?;
    let tags = TagSet::new(job.fact("resolution", "tags")?.split(',').filter(|tag| !tag.is_empty()));
    let files = project_components(world, &job.files, k.components.as_deref())?;
    let selected = select(&files, &tags)?;

    let mut produced = Produced::default();
    let mut modules = Vec::new();
    let content = if selected.is_empty() {
        log.line("no component of this project is selected: the tree stays as it is");
        before.content.clone()
    } else {
        refuse_conflicts(&tree, &selected)?;
        let prepared = prepare(world, job, k, &tree, &tags, &selected, log)?;
        modules = prepared.modules;
        prepared.tree
    };
    let module_files = module_files(world, source.id, &tree, &content)?;
    produced.outputs = vec![Output { name: "tree".to_owned(), path: None, content }];
    produced.outputs.extend(modules);
    if let Some(path) = &k.output {
        outputs::publish_outputs(world, &mut produced.outputs, &[("tree", path)])?;
    }
    let resolution = |name: &str| job.fact("resolution", name).map(str::to_owned);
    let facts: BTreeMap<&str, String> = [
        ("commit", job.fact("source", "commit")?.to_owned()),
        ("collector-version", resolution("collector-version")?),
        ("components", resolution("components")?),
        ("distribution", resolution("distribution")?),
        ("tags", resolution("tags")?),
        ("go-sum", module_files),
    ]
    .into();
    produced.facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(produced)
}

/// The files of selected components, by their real `//go:build` lines; files without one come along with them.
fn select<'a>(files: &'a [ProjectFile], tags: &TagSet) -> Result<Vec<&'a ProjectFile>, WorkError> {
    let texts: Vec<(&str, &str)> = files.iter().map(|file| (file.in_tree.as_str(), file.text.as_str())).collect();
    let selected = overlay_files(&texts, tags).map_err(invalid)?;
    Ok(selected.into_iter().map(|position| &files[position]).collect())
}

fn refuse_conflicts(tree: &CollectorTree<'_>, selected: &[&ProjectFile]) -> Result<(), WorkError> {
    let conflicts: Vec<String> = selected
        .iter()
        .filter(|file| tree.listing.get(&file.in_tree).is_some())
        .map(|file| {
            format!("`{}` would overwrite `{}` of the sources; rename it, or remove it", file.in_project, file.in_tree)
        })
        .collect();
    if conflicts.is_empty() { Ok(()) } else { Err(WorkError::Invalid(conflicts.join("\n"))) }
}

struct PreparedTree {
    tree: Content,
    /// `go.mod` and `go.sum`, if they are not those of the sources: what a lock keeps.
    modules: Vec<Output>,
}

/// Lays the tree out, adds files and requirements, and takes it in again.
fn prepare(
    world: &World,
    job: &Job,
    k: &Overlay,
    tree: &CollectorTree<'_>,
    tags: &TagSet,
    selected: &[&ProjectFile],
    log: &mut dyn Log,
) -> Result<PreparedTree, WorkError> {
    let mods = tree.go_mods()?;
    let modules = required_modules(&k.dependencies, tags, &mods.iter().collect::<Vec<_>>()).map_err(invalid)?;
    let base = job.work.join("tree");
    outputs::remove_any(&job.work).map_err(WorkError::io(job.work.display().to_string()))?;
    lay_out(world, job, tree, &base)?;
    for file in selected {
        log.line(&format!("adding {} as {}", file.in_project, file.in_tree));
        let to = base.join(&file.in_tree);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(WorkError::io(parent.display().to_string()))?;
        }
        std::fs::write(&to, &file.text).map_err(WorkError::io(to.display().to_string()))?;
    }
    let folder = base.join(&tree.folder);
    match &job.prepared {
        Some(prepared) => {
            log.line("taking go.mod and go.sum from ocelot.lock");
            for (name, text) in [("go.mod", &prepared.go_mod), ("go.sum", &prepared.go_sum)] {
                std::fs::write(folder.join(name), text).map_err(WorkError::io(name))?;
            }
        }
        None => tidy(world, job, tree, &modules, selected, &folder, log)?,
    }
    let mut entries: BTreeMap<String, Content> = tree.listing.0.iter().cloned().collect();
    let mut changed = selected.iter().map(|file| file.in_tree.clone()).collect::<Vec<_>>();
    changed.extend(["go.mod", "go.sum"].map(|name| format!("{}{name}", tree.folder)));
    for path in changed {
        match outputs::capture(world, &base, &path)? {
            Some(content) => drop(entries.insert(path, content)),
            None => drop(entries.remove(&path)),
        }
    }
    let modules = changed_modules(tree, &entries);
    let tree = outputs::store_listing(world, Listing::new(entries.into_iter().collect()))?;
    if !world.keep_temp {
        outputs::remove_any(&job.work).map_err(WorkError::io(job.work.display().to_string()))?;
    }
    Ok(PreparedTree { tree, modules })
}

fn lay_out(world: &World, job: &Job, tree: &CollectorTree<'_>, base: &Path) -> Result<(), WorkError> {
    let (source, _) = job.dep("source")?;
    std::fs::create_dir_all(base).map_err(WorkError::io(base.display().to_string()))?;
    for (path, content) in &tree.listing.0 {
        if let Some(parent) = base.join(path).parent() {
            std::fs::create_dir_all(parent).map_err(WorkError::io(parent.display().to_string()))?;
        }
        outputs::place(world, base, path, content).map_err(|error| match error {
            LayOutError::Lost => WorkError::NeedsProducer(source.id),
            LayOutError::Work(error) => error,
        })?;
    }
    Ok(())
}

/// `go mod edit`, `go mod tidy`, and a look at what tidy added by itself.
fn tidy(
    world: &World,
    job: &Job,
    tree: &CollectorTree<'_>,
    modules: &[ModuleVersion],
    selected: &[&ProjectFile],
    folder: &Path,
    log: &mut dyn Log,
) -> Result<(), WorkError> {
    let go = Go::of(world, job, tree.go_mod.go.as_deref())?;
    let timeout = job.node.timeout_ms.map(std::time::Duration::from_millis);
    let no_env = BTreeMap::new();
    let call = |args: &[String], network: bool, log: &mut dyn Log| {
        go.run(&Call { args, env: &no_env, dir: folder, network, timeout }, log)
    };
    if !modules.is_empty() {
        let mut args = vec!["mod".to_owned(), "edit".to_owned()];
        args.extend(modules.iter().map(|module| format!("-require={}@{}", module.path, module.version)));
        call(&args, false, log)?;
    }
    call(&["mod".to_owned(), "tidy".to_owned()], true, log).map_err(|error| match error {
        WorkError::Command { end, .. } => {
            let wanted: Vec<String> = modules.iter().map(|m| format!("{}@{}", m.path, m.version)).collect();
            let offline = if world.offline { " (`--offline` forbids fetching modules)" } else { "" };
            WorkError::Invalid(format!(
                "`go mod tidy` {end}{offline}; the modules of the selected components are: {}",
                if wanted.is_empty() { "none".to_owned() } else { wanted.join(", ") }
            ))
        }
        error => error,
    })?;
    let text = std::fs::read_to_string(folder.join("go.mod")).map_err(WorkError::io("go.mod"))?;
    let after = GoMod::parse("go.mod", &text).map_err(invalid)?;
    let used = selected.iter().flat_map(|file| imports(&file.text));
    let floating: Vec<String> = unlisted_modules(used, &tree.go_mod, &after, modules)
        .into_iter()
        .map(|(import, module)| {
            format!(
                "the package {import} comes from the module {module}, which no file requires: its newest version would \
                 be taken, and builds would change over time; list it in config/component_dependencies.yaml"
            )
        })
        .collect();
    if floating.is_empty() { Ok(()) } else { Err(WorkError::Invalid(floating.join("\n"))) }
}

/// The module files, if one of them is not what the sources have.
fn changed_modules(tree: &CollectorTree<'_>, entries: &BTreeMap<String, Content>) -> Vec<Output> {
    let found = ["go.mod", "go.sum"].map(|name| (name, format!("{}{name}", tree.folder)));
    if found.iter().all(|(_, path)| entries.get(path) == tree.listing.get(path)) {
        return Vec::new();
    }
    let content = |path: &String| entries.get(path).cloned();
    let output = |(name, path): &(&str, String)| {
        content(path).map(|content| Output { name: (*name).to_owned(), path: None, content })
    };
    found.iter().filter_map(output).collect()
}

/// One digest over the module files of the finished tree.
fn module_files(
    world: &World,
    producer: crate::base::id::NodeId,
    tree: &CollectorTree<'_>,
    content: &Content,
) -> Result<String, WorkError> {
    let Content::Tree { listing, .. } = content else {
        return Err(WorkError::Internal("an overlay without a tree".to_owned()));
    };
    let listing = outputs::read_listing(world, listing).ok_or(WorkError::NeedsProducer(producer))?;
    let values = ["go.mod", "go.sum"]
        .map(|name| listing.get(&format!("{}{name}", tree.folder)).map_or_else(|| "(none)".to_owned(), Content::value));
    Ok(BlobDigest::of(values.join("\0").as_bytes()).to_hex())
}
