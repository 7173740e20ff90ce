//! `overlay`: the selected component files laid over a source tree, and the modules that they need.

use std::collections::BTreeMap;
use std::path::Path;

use crate::action::result::{Content, Listing, Output};
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::go::{Call, Go, is_network_trouble};
use crate::exec::kinds::collector_tree::{CollectorTree, ProjectFile, invalid, project_components};
use crate::exec::outputs::{self, LayOutError};
use crate::graph::node::Overlay;
use crate::layer::component::overlay_files;
use crate::layer::component_dependencies::{ModuleVersion, required_modules, unlisted_modules, unprovided};
use crate::layer::go_mod::GoMod;
use crate::layer::go_source::imports;
use crate::layer::hashes::Sha256Sum;
use crate::layer::tags::TagSet;

/// Lays the selected files over the tree.
pub(in crate::exec) fn run(world: &World, job: &Job, k: &Overlay, log: &mut dyn Log) -> Result<Produced, WorkError> {
    let (source, result) = job.dep("source")?;
    let before = result.output("tree").ok_or_else(|| WorkError::Internal("a clone without a tree".to_owned()))?;
    let tree = CollectorTree::read(world, source.id, &before.content)?;
    // What is passed on unread has to be there: whoever comes next would ask this node for it, which never made it.
    let is_gone =
        |content: &Content| matches!(content, Content::File(file) if !world.cache.has_blob(&file.digest, file.size));
    if tree.listing.0.iter().any(|(_, content)| is_gone(content)) {
        return Err(WorkError::NeedsProducer(source.id));
    }
    let tags = TagSet::new(job.fact("resolution", "tags")?.split(',').filter(|tag| !tag.is_empty()));
    let files = project_components(world, &job.files, k.components.as_deref())?;
    let selected = select(&files, &tags)?;

    let mut produced = Produced::default();
    let mut modules = Vec::new();
    let content = if selected.is_empty() {
        log.line("no component of this project is selected: the tree stays as it is");
        before.content.clone()
    } else {
        refuse_conflicts(&tree.listing, &selected)?;
        let prepared = prepare(world, job, k, &tree, &tags, &selected, log)?;
        modules = prepared.modules;
        prepared.tree
    };
    let [go_mod, go_sum] = module_files(world, source.id, &tree, &content)?;
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
        ("go-mod", go_mod),
        ("go-sum", go_sum),
        ("overlay-files", overlay_lines(&selected)),
        ("source-tree", job.fact("source", "source-tree")?.to_owned()),
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

/// A file of the project may stand neither where the sources have something, nor below what is no folder there: a link
/// would lead it elsewhere.
fn refuse_conflicts(listing: &Listing, selected: &[&ProjectFile]) -> Result<(), WorkError> {
    let conflicts: Vec<String> = selected
        .iter()
        .filter_map(|file| {
            let (ours, path) = (&file.in_project, file.in_tree.as_str());
            if listing.get(path).is_some() {
                return Some(format!("`{ours}` would overwrite `{path}` of the sources; rename it, or remove it"));
            }
            let folder = format!("{path}/");
            if let Some((inside, _)) = listing.0.iter().find(|(inside, _)| inside.starts_with(&folder)) {
                return Some(format!("`{ours}` stands where the sources have a folder (`{inside}`); rename it"));
            }
            let mut parents = path.match_indices('/').map(|(end, _)| &path[..end]);
            let parent = parents.find(|parent| listing.get(parent).is_some())?;
            Some(format!("`{ours}` would lie below `{parent}`, which is no folder in the sources; move it"))
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
        WorkError::Command { end, .. } if !world.offline && is_network_trouble(&end) => {
            WorkError::Environment(format!("`go mod tidy` {end}; check the network and GOPROXY, then run again"))
        }
        WorkError::Command { end, .. } => {
            let wanted: Vec<String> = modules.iter().map(|m| format!("{}@{}", m.path, m.version)).collect();
            let offline = if world.offline { " (`--offline` forbids fetching modules)" } else { "" };
            WorkError::Invalid(format!(
                "`go mod tidy` {end}{offline}; the modules of the selected components are: {}{}",
                if wanted.is_empty() { "none".to_owned() } else { wanted.join(", ") },
                to_list(selected, &tree.go_mod, modules)
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

/// For each import whose module nothing names, where to name it.
fn to_list(selected: &[&ProjectFile], go_mod: &GoMod, modules: &[ModuleVersion]) -> String {
    let mut text = String::new();
    for file in selected {
        for import in unprovided(imports(&file.text), go_mod, modules) {
            text.push_str(&format!(
                "\n    {} imports {import}, of no module that is required: name its module under the component's tag in \
                 config/component_dependencies.yaml",
                file.in_project
            ));
        }
    }
    text
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

/// The files that are laid over the tree: one line each with SHA-256 and path in the project, as `sha256sum` writes them.
fn overlay_lines(selected: &[&ProjectFile]) -> String {
    let line = |file: &&ProjectFile| format!("{}  {}", Sha256Sum::of(file.text.as_bytes()).to_hex(), file.in_project);
    selected.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The SHA-256 of `go.mod` and of `go.sum` of the finished tree; empty for one that is not there.
fn module_files(
    world: &World,
    producer: crate::base::id::NodeId,
    tree: &CollectorTree<'_>,
    content: &Content,
) -> Result<[String; 2], WorkError> {
    let Content::Tree { listing, .. } = content else {
        return Err(WorkError::Internal("an overlay without a tree".to_owned()));
    };
    let listing = outputs::read_listing(world, listing).ok_or(WorkError::NeedsProducer(producer))?;
    let sum = |name: &str| -> Result<String, WorkError> {
        match listing.get(&format!("{}{name}", tree.folder)) {
            Some(Content::File(file)) => {
                let bytes = world.cache.read_blob(&file.digest, u64::MAX).ok_or(WorkError::NeedsProducer(producer))?;
                Ok(Sha256Sum::of(&bytes).to_hex())
            }
            _ => Ok(String::new()),
        }
    };
    Ok([sum("go.mod")?, sum("go.sum")?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::api::Prepared;
    use crate::exec::kinds::small_tree::{
        COMMIT, GO_MOD, OWN, facts_dep, job_over, lines, sources, stand_in, texts, tree_dep, variable,
    };
    use crate::exec::testing::{Printed, world};
    use crate::graph::node::Kind;
    use crate::outside::process::command::CommandSpec;

    const TREE: &str = "89abcdef0123456789abcdef0123456789abcdef";
    const S3: &str = "lambdacomponents.custom,lambdacomponents.exporter.awss3";
    const MODULE: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/awss3exporter";

    fn overlay(modules: &[&str]) -> Overlay {
        let modules = modules.iter().map(|module| (*module).to_owned()).collect();
        Overlay {
            components: Some("config/components".into()),
            dependencies: [("lambdacomponents.exporter.awss3".to_owned(), modules)].into(),
            output: None,
        }
    }

    fn job_of(world: &World, k: &Overlay, tags: &str, files: &[(&str, &str)]) -> Job {
        let resolution = [
            ("collector-version", "v0.145.0"),
            ("components", "exporter.awss3"),
            ("contrib-version", "v0.145.1"),
            ("distribution", "mine"),
            ("tags", tags),
        ];
        let deps = vec![
            tree_dep(world, "source", &sources(), &[("commit", COMMIT), ("source-tree", TREE)]),
            facts_dep("resolution", Vec::new(), &resolution),
        ];
        job_over(world, Kind::Overlay(Box::new(k.clone())), deps, files)
    }

    fn overlaid(world: &World, job: &Job, k: &Overlay) -> Result<Produced, WorkError> {
        run(world, job, k, &mut Printed::default())
    }

    /// Go as far as an overlay needs it: `tidy` adds `more` to what `edit` was asked for.
    fn go(more: &'static str) -> impl Fn(&CommandSpec) -> (String, i32) + Send + Sync {
        move |spec| {
            let path = spec.dir.join("go.mod");
            let mut text = std::fs::read_to_string(&path).unwrap();
            for arg in &spec.args {
                if let Some(module) = arg.to_str().unwrap().strip_prefix("-require=") {
                    text.push_str(&format!("require {}\n", module.replace('@', " ")));
                }
            }
            if spec.args[1] == "tidy" {
                text.push_str(more);
                std::fs::write(spec.dir.join("go.sum"), "sums\n").unwrap();
            }
            std::fs::write(&path, text).unwrap();
            (String::new(), 0)
        }
    }

    #[test]
    fn with_nothing_selected_the_tree_passes_unchanged_and_go_is_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let k = overlay(&[MODULE]);
        let job = job_of(&world, &k, "lambdacomponents.custom,lambdacomponents.receiver.otlp", &[OWN]);
        let produced = overlaid(&world, &job, &k).unwrap();
        assert_eq!(produced.outputs, job.dep("source").unwrap().1.outputs);
        assert_eq!((produced.facts["commit"].as_str(), produced.facts["distribution"].as_str()), (COMMIT, "mine"));
        assert_eq!((produced.facts["source-tree"].as_str(), produced.facts["overlay-files"].as_str()), (TREE, ""));
        assert_eq!(produced.facts["go-mod"], Sha256Sum::of(GO_MOD.as_bytes()).to_hex());
        assert_eq!(produced.facts["go-sum"], "", "there is none");
    }

    #[test]
    fn a_selected_file_brings_its_modules_at_the_contrib_version() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        world.offline = false;
        world.env = [("GOPROXY", "https://proxy.example.org"), ("GOFLAGS", "-mod=mod"), ("HOME", "/home/me")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let calls = stand_in(&mut world, go(""));
        let k = overlay(&[MODULE]);
        let readme = ("config/components/collector/README.md", "not laid over");
        let produced = overlaid(&world, &job_of(&world, &k, S3, &[OWN, readme]), &k).unwrap();
        assert_eq!(lines(&calls), [format!("mod edit -require={MODULE}@v0.145.1"), "mod tidy".to_owned()]);
        let tidy = &calls.lock().unwrap()[1];
        assert!(tidy.dir.ends_with("tree/collector"));
        for (name, value) in [
            ("GOPROXY", Some("https://proxy.example.org")),
            ("GOFLAGS", Some("")),
            ("GOTOOLCHAIN", Some("go1.26.8")),
            ("HOME", Some("/home/me")),
            ("GOENV", None),
        ] {
            assert_eq!(variable(tidy, name).as_deref(), value, "{name}");
        }
        let sum = Sha256Sum::of(OWN.1.as_bytes()).to_hex();
        assert_eq!(produced.facts["overlay-files"], format!("{sum}  {}", OWN.0));
        assert_eq!(produced.facts["go-sum"], Sha256Sum::of(b"sums\n").to_hex());
        let tree = texts(&world, &produced.outputs[0].content);
        assert_eq!(tree["collector/lambdacomponents/exporter/awss3.go"], OWN.1);
        assert_eq!(tree["collector/go.sum"], "sums\n");
        assert!(tree["collector/go.mod"].contains(MODULE) && !tree.contains_key("collector/README.md"));
        assert_eq!(tree.len(), sources().len() + 2);
        let names: Vec<_> = produced.outputs.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(names, ["tree", "go.mod", "go.sum"]);
        assert!(!world.root.join(".ocelot/work/n").exists(), "the private folder is gone");
    }

    #[test]
    fn module_files_of_the_lock_are_taken_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let k = overlay(&[MODULE]);
        let mut job = job_of(&world, &k, S3, &[OWN]);
        job.prepared = Some(Prepared { go_mod: format!("{GO_MOD}// locked\n"), go_sum: "locked sums\n".into() });
        let produced = overlaid(&world, &job, &k).unwrap();
        let tree = texts(&world, &produced.outputs[0].content);
        assert!(tree["collector/go.mod"].ends_with("// locked\n"));
        assert_eq!(tree["collector/go.sum"], "locked sums\n");
    }

    #[test]
    fn a_module_that_tidy_chose_by_itself_is_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        stand_in(
            &mut world,
            go("require github.com/open-telemetry/opentelemetry-collector-contrib/exporter/awss3exporter v0.158.0\n"),
        );
        let k = overlay(&[]);
        let error = overlaid(&world, &job_of(&world, &k, S3, &[OWN]), &k).unwrap_err();
        assert!(matches!(&error, WorkError::Invalid(text) if text.contains(MODULE)), "{error}");
    }

    #[test]
    fn a_failed_tidy_says_why_and_a_network_that_is_down_is_not_the_project_s_fault() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        world.offline = false;
        let k = overlay(&[MODULE]);
        let mut fail = |why: &'static str| {
            stand_in(&mut world, move |spec| match spec.args[1] == "tidy" {
                true => (format!("go: x.org/m imports\n\t{why}\n"), 1),
                false => (String::new(), 0),
            });
            overlaid(&world, &job_of(&world, &k, S3, &[OWN]), &k).unwrap_err()
        };
        let error = fail("x.org/a@v9.9.9: unknown revision v9.9.9");
        assert!(matches!(error, WorkError::Invalid(_)), "{error}");
        for part in ["unknown revision v9.9.9", &format!("{MODULE}@v0.145.1")] {
            assert!(error.to_string().contains(part), "{error}");
        }
        let error = fail("x.org/a@v1.0.0: dial tcp: lookup proxy: no such host");
        assert!(matches!(&error, WorkError::Environment(text) if text.contains("no such host")), "{error}");
    }

    #[test]
    fn an_import_whose_module_nothing_names_is_told_with_where_to_name_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        stand_in(&mut world, |_| ("go: found, but does not contain package x.org/forgotten/exporter\n".to_owned(), 1));
        let constraint = OWN.1.lines().next().unwrap();
        let text =
            format!("{constraint}\n\npackage exporter\n\nimport (\n\t\"fmt\"\n\t\"x.org/forgotten/exporter\"\n)\n");
        let k = overlay(&[]);
        let error = overlaid(&world, &job_of(&world, &k, S3, &[(OWN.0, &text)]), &k).unwrap_err().to_string();
        let told =
            format!("{} imports x.org/forgotten/exporter, of no module that is required: name its module", OWN.0);
        assert!(error.contains(&told) && !error.contains("imports fmt"), "{error}");
    }

    #[test]
    fn a_file_that_clashes_with_the_sources_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let k = overlay(&[MODULE]);
        for (path, other) in [
            ("collector/lambdacomponents/exporter/otlphttp.go", "collector/lambdacomponents/exporter/otlphttp.go"),
            ("collector/main.go/own.go", "collector/main.go"),
            ("collector/lambdacomponents", "collector/lambdacomponents/default.go"),
        ] {
            let ours = ProjectFile { in_tree: path.into(), in_project: "ours".into(), text: String::new() };
            let job = job_of(&world, &k, S3, &[]);
            let (source, result) = job.dep("source").unwrap();
            let tree = CollectorTree::read(&world, source.id, &result.outputs[0].content).unwrap();
            let error = refuse_conflicts(&tree.listing, &[&ours]).unwrap_err().to_string();
            assert!(error.contains("`ours`") && error.contains(other), "{error}");
        }
        let clash = ("config/components/collector/lambdacomponents/exporter/otlphttp.go", OWN.1);
        let error = overlaid(&world, &job_of(&world, &k, S3, &[clash]), &k).unwrap_err().to_string();
        assert!(error.contains(clash.0), "{error}");
    }

    #[test]
    fn a_toolchain_older_than_the_sources_is_told_before_anything_runs() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let k = overlay(&[MODULE]);
        let mut job = job_of(&world, &k, S3, &[OWN]);
        job.tools.get_mut("go").unwrap().identity = "go1.23.9".into();
        let error = overlaid(&world, &job, &k).unwrap_err();
        assert!(matches!(&error, WorkError::Environment(text) if text.contains("1.24") && text.contains("go1.23.9")));
    }
}
