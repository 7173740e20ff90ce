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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::api::Dep;
    use crate::exec::kinds::small_tree::{COMMIT, OWN, job_over, sources, tree_dep};
    use crate::exec::testing::{Printed, world};
    use crate::graph::check::{Budgets, SmokeValues};
    use crate::graph::node::Kind;

    fn resolve(tags: &[&str]) -> Resolve {
        Resolve {
            distribution: "mine".into(),
            description: "Mine".into(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            config_file: None,
            smoke: SmokeValues::default(),
            budgets: Budgets::default(),
            components: Some("config/components".into()),
            output: None,
        }
    }

    fn resolved(world: &World, source: Dep, k: &Resolve) -> Result<Produced, WorkError> {
        let files = [OWN, ("config/mine.yaml", "own config")];
        run(
            world,
            &job_over(world, Kind::Resolve(Box::new(k.clone())), vec![source], &files),
            k,
            &mut Printed::default(),
        )
    }

    fn source(world: &World) -> Dep {
        tree_dep(world, "source", &sources(), &[("commit", COMMIT)])
    }

    fn config(world: &World, produced: &Produced) -> String {
        let crate::action::result::Content::File(file) = produced.outputs[0].content else { panic!("no file") };
        String::from_utf8(world.cache.read_blob(&file.digest, file.size).unwrap()).unwrap()
    }

    #[test]
    fn tags_become_components_and_versions_of_the_outer_module() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let tags = ["custom", "receiver.otlp", "exporter.awss3"].map(|tag| format!("lambdacomponents.{tag}"));
        let produced = resolved(&world, source(&world), &resolve(&tags.each_ref().map(String::as_str))).unwrap();
        let facts: Vec<_> = produced.facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            facts,
            [
                "collector-version=v0.145.0",
                "components=exporter.awss3,receiver.otlp",
                "contrib-version=v0.145.1",
                "description=Mine",
                "distribution=mine",
                "go-directive=1.24.0",
                "tags=lambdacomponents.custom,lambdacomponents.exporter.awss3,lambdacomponents.receiver.otlp",
            ]
        );
        assert_eq!(config(&world, &produced), "receivers:\n");
    }

    #[test]
    fn without_tags_the_sources_default_set_is_meant() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let produced = resolved(&world, source(&world), &resolve(&[])).unwrap();
        assert_eq!((produced.facts["components"].as_str(), produced.facts["tags"].as_str()), ("receiver.otlp", ""));
    }

    #[test]
    fn an_unknown_tag_is_named_with_its_distribution_and_the_nearest() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let k = resolve(&["lambdacomponents.custom", "lambdacomponents.exporter.otlphtp"]);
        let error = resolved(&world, source(&world), &k).unwrap_err();
        assert!(matches!(error, WorkError::Invalid(_)));
        let text = error.to_string();
        for part in ["`lambdacomponents.exporter.otlphtp`", "`lambdacomponents.exporter.otlphttp`", "`mine`"] {
            assert!(text.contains(part), "{text}");
        }
        // A tag of a component file counts only if the folder is looked at.
        let k =
            Resolve { components: None, ..resolve(&["lambdacomponents.custom", "lambdacomponents.exporter.awss3"]) };
        assert!(matches!(resolved(&world, source(&world), &k), Err(WorkError::Invalid(_))));
    }

    #[test]
    fn the_config_is_the_project_s_if_it_names_one() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let named = |path: &str| Resolve { config_file: Some(path.into()), ..resolve(&[]) };
        let produced = resolved(&world, source(&world), &named("config/mine.yaml")).unwrap();
        assert_eq!(config(&world, &produced), "own config");
        let error = resolved(&world, source(&world), &named("config/none.yaml")).unwrap_err().to_string();
        assert!(error.contains("config/none.yaml"), "{error}");
        let mut files = sources();
        files.remove("collector/config.yaml");
        let source = tree_dep(&world, "source", &files, &[]);
        let error = resolved(&world, source, &resolve(&[])).unwrap_err().to_string();
        assert!(error.contains("collector/config.yaml") && error.contains("config-file"), "{error}");
    }

    #[test]
    fn sources_that_are_no_collector_are_refused_and_lost_ones_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let other = [("collector/go.mod", "module x.org/other\n")].into();
        let error = resolved(&world, tree_dep(&world, "source", &other, &[]), &resolve(&[])).unwrap_err();
        assert!(matches!(&error, WorkError::Invalid(text) if text.contains("go.opentelemetry.io/collector/otelcol")));
        let mut lost = source(&world);
        let mut result = (**lost.result.as_ref().unwrap()).clone();
        let gone = crate::base::digest::BlobDigest::of(b"gone");
        result.outputs[0].content = crate::action::result::Content::Tree { listing: gone, size: 0 };
        lost.result = Some(std::sync::Arc::new(result));
        assert!(matches!(resolved(&world, lost, &resolve(&[])), Err(WorkError::NeedsProducer(_))));
    }
}
