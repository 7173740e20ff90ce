//! The contract of a collector configuration with what is compiled into a layer, from the text to the findings; and which
//! components a layer's tags stand for where its sources are not at hand.

use std::collections::BTreeSet;

use crate::base::suggest::closest;
use crate::layer::collector_config::{Finding, LayerContents, check_config};
use crate::layer::component::{Category, Component, component_tag, parse_component_tag};
use crate::layer::component_type::{SourceTypes, tag_name};
use crate::layer::config_yaml;
use crate::layer::tags::{ALL_TAG, CUSTOM_TAG, TagSet};

/// Components that upstream's sources and the ones shipped here have beside [`DEFAULT`], so that "not selected" is told
/// from "does not exist".
const OTHERS: [&str; 3] = ["connector.signaltometrics", "connector.spanmetrics", "exporter.awss3"];
/// What upstream's sources compile in without `lambdacomponents.custom`. Source: `lambdacomponents/default.go` of
/// `layer-collector/0.20.0`.
const DEFAULT: [&str; 18] = [
    "exporter.debug",
    "exporter.otlp",
    "exporter.otlphttp",
    "exporter.prometheusremotewrite",
    "extension.basicauth",
    "extension.sigv4auth",
    "processor.attributes",
    "processor.batch",
    "processor.coldstart",
    "processor.decouple",
    "processor.filter",
    "processor.memorylimiter",
    "processor.probabilisticsampler",
    "processor.resource",
    "processor.span",
    "processor.transform",
    "receiver.otlp",
    "receiver.telemetryapi",
];

/// Every component that is known here, as `category.name`.
fn known() -> impl Iterator<Item = &'static &'static str> {
    DEFAULT.iter().chain(&OTHERS)
}

/// Checks a configuration against the components of a layer; findings in the order of their lines. `file` is used in
/// messages only; `collector_version` is `v0.145.0`, or empty where it is not known.
///
/// # Errors
/// Every problem of the YAML itself, each with file, line and column.
pub fn findings(
    file: &str,
    text: &str,
    components: &[Component],
    collector_version: &str,
) -> Result<Vec<Finding>, Vec<String>> {
    let names = config_yaml::read_names(file, text)?;
    let source_types = SourceTypes::new();
    let mut known_tags: BTreeSet<String> = components.iter().map(Component::tag).collect();
    known_tags.extend(known().filter_map(|short| component(short)).map(|component| component.tag()));
    // The sources may have more components than are known here. A name that is like none of those that are known is
    // taken for one of them, so that its tag is named.
    for used in &names.defined {
        let kind = used.named.id.split('/').next().unwrap_or_default();
        let name = tag_name(used.category, kind, &source_types);
        let tag = component_tag(used.category, name);
        let of_category = known_tags.iter().filter_map(|tag| parse_component_tag(tag));
        let of_category = of_category.filter(|(category, _)| *category == used.category).map(|(_, name)| name);
        if closest(name, of_category).is_none() {
            known_tags.insert(tag);
        }
    }
    let contents =
        LayerContents { components, known_tags: &known_tags, source_types: &source_types, collector_version };
    Ok(check_config(&names, &contents))
}

/// The components that these tags compile in, sorted, as far as that can be said without the sources: `all` stands for
/// what is known here.
pub fn components_of_tags(tags: &TagSet) -> Vec<Component> {
    if !tags.contains(CUSTOM_TAG) {
        return DEFAULT.iter().filter_map(|short| component(short)).collect();
    }
    let mut found: BTreeSet<Component> = BTreeSet::new();
    for (category, name) in tags.iter().filter_map(parse_component_tag) {
        found.insert(Component { category, name: name.to_owned(), file: String::new() });
    }
    for known in known().filter_map(|short| component(short)) {
        if tags.contains(ALL_TAG) || tags.contains(&component_tag(known.category, "all")) {
            found.insert(known);
        }
    }
    found.into_iter().collect()
}

/// `exporter.debug` as a component.
fn component(short: &str) -> Option<Component> {
    let (category, name) = short.split_once('.')?;
    Some(Component { category: Category::parse(category)?, name: name.to_owned(), file: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tags: &[&str]) -> Vec<String> {
        let tags = TagSet::new(tags.iter().copied());
        components_of_tags(&tags).iter().map(|c| format!("{}.{}", c.category.name(), c.name)).collect()
    }

    #[test]
    fn tags_say_what_is_compiled_in() {
        assert_eq!(names(&[]).len(), 18, "upstream's default");
        let one = names(&[CUSTOM_TAG, "lambdacomponents.exporter.mine"]);
        assert_eq!(one, ["exporter.mine"]);
        let extensions = names(&[CUSTOM_TAG, "lambdacomponents.extension.all"]);
        assert_eq!(extensions, ["extension.basicauth", "extension.sigv4auth"]);
        assert!(names(&[CUSTOM_TAG, ALL_TAG]).len() > 18);
    }

    #[test]
    fn a_configuration_is_held_against_components() {
        let text = "receivers:\n  otlp:\nexporters:\n  debug:\nservice:\n  pipelines:\n    traces: {receivers: [otlp], \
                    exporters: [debug]}\n";
        let all = components_of_tags(&TagSet::new([]));
        assert_eq!(findings("c", text, &all, "v0.145.0").unwrap(), []);
        let found = findings("c", text, &all[..0], "").unwrap();
        assert_eq!(found.iter().map(|finding| finding.mark).collect::<Vec<_>>(), [2, 4]);
        assert!(findings("c", "a: [", &all, "").is_err());
    }
}
