//! `resolve`: a distribution to tags, components and versions, checked against the sources.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::result::Output;
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::kinds::collector_tree::{CollectorTree, invalid, project_components};
use crate::exec::outputs;
use crate::graph::node::Resolve;
use crate::layer::component::{imported_components, selected_components};
use crate::layer::go_mod::{GoMod, contrib_version};
use crate::layer::go_target;
use crate::layer::go_version::GoVersion;
use crate::layer::tags::{TagSet, known_tags};

/// Resolves the distribution.
pub(in crate::exec) fn run(world: &World, job: &Job, k: &Resolve, _log: &mut dyn Log) -> Result<Produced, WorkError> {
    let (source, result) = job.dep("source")?;
    let content =
        &result.output("tree").ok_or_else(|| WorkError::Internal("a clone without a tree".to_owned()))?.content;
    let tree = CollectorTree::read(world, source.id, content)?;
    let tags = TagSet::new(k.tags.iter().map(String::as_str));
    let mut files = tree.component_files()?;
    let own = project_components(world, &job.files, k.components.as_deref())?;
    files.extend(own.into_iter().filter(|file| file.in_tree.ends_with(".go")).map(|file| (file.in_tree, file.text)));
    let texts = || files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    check_tags(k, &tags, &known_tags(texts()).map_err(invalid)?)?;

    let go = tree.go_mod.go.clone().unwrap_or_default();
    let minor = GoVersion::parse(&go).map_or(0, GoVersion::minor);
    // Component files are chosen for both architectures alike; a difference would be upstream's mistake.
    let implied = |tag: &str| go_target::implied(tag, crate::layer::arch::Arch::Amd64, minor);
    let components: BTreeSet<String> = if tags.is_empty() {
        let default = files.iter().filter(|(path, _)| path.ends_with("/default.go"));
        default.flat_map(|(path, text)| imported_components(path, text)).map(|c| short(&c.tag())).collect()
    } else {
        selected_components(texts(), &tags, &implied).map_err(invalid)?.iter().map(|c| short(&c.tag())).collect()
    };
    let mods = tree.go_mods()?;
    let collector = tree.go_mod.collector_version().map_err(invalid)?.to_owned();
    let contrib = contrib_version(&mods.iter().collect::<Vec<&GoMod>>()).unwrap_or_default().to_owned();

    let config = match &k.config_file {
        Some(path) => outputs::capture(world, &world.root, path)?
            .ok_or_else(|| WorkError::Invalid(format!("the collector config `{path}` does not exist")))?,
        None => {
            let path = format!("{}config.yaml", tree.folder);
            tree.listing.get(&path).cloned().ok_or_else(|| {
                WorkError::Invalid(format!(
                    "the sources have no `{path}`; name a collector config of your own: `config-file:` of `{}`",
                    k.distribution
                ))
            })?
        }
    };
    let mut outputs = vec![Output { name: "config".to_owned(), path: None, content: config }];
    if let Some(path) = &k.output {
        outputs::publish_outputs(world, &mut outputs, &[("config", path)])?;
    }
    let facts: BTreeMap<String, String> = [
        ("distribution", k.distribution.clone()),
        ("description", k.description.clone()),
        ("tags", tags.to_string()),
        ("components", components.into_iter().collect::<Vec<_>>().join(",")),
        ("collector-version", collector),
        ("contrib-version", contrib),
        ("go-directive", go),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    Ok(Produced { outputs, facts, ..Produced::default() })
}

fn short(tag: &str) -> String {
    tag.strip_prefix("lambdacomponents.").unwrap_or(tag).to_owned()
}

/// Go ignores a tag that nothing asks for: a misspelt one would silently leave its component out.
fn check_tags(k: &Resolve, tags: &TagSet, known: &BTreeSet<String>) -> Result<(), WorkError> {
    let unknown = tags.unknown(known);
    if unknown.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = unknown
        .iter()
        .map(|unknown| match unknown.suggestion {
            Some(near) => format!("unknown build tag `{}`; did you mean `{near}`?", unknown.tag),
            None => format!("unknown build tag `{}`", unknown.tag),
        })
        .collect();
    Err(WorkError::Invalid(format!(
        "{}\ndistribution `{}`: no `//go:build` line of the sources or of the component files has such a tag",
        lines.join("\n"),
        k.distribution
    )))
}
