//! The contract of a collector configuration and the layer that carries it.
//!
//! A collector that is asked for a component it does not contain dies at cold start, with little said. So is one
//! whose pipelines name what is not defined. Everything here is decided from names; the reader of the YAML hands them
//! over with a mark for each, and gets findings back with the same marks.

use std::collections::{BTreeMap, BTreeSet};

use crate::layer::component::{Category, Component, component_tag};
use crate::layer::component_type::{SourceTypes, config_types, tag_name};
use crate::layer::tags::closest_tag;

/// Where something stands in the configuration: whatever the caller chooses, for example an index into its spans.
pub type Mark = usize;

/// A name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The id as written, `TYPE` or `TYPE/NAME`.
    pub id: String,
    /// Where.
    pub mark: Mark,
}

/// A component that the configuration defines, in `receivers:`, `processors:` …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigUse {
    /// The section it stands in.
    pub category: Category,
    /// Its id.
    pub named: Named,
}

/// One entry of `service.pipelines`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Its id, `SIGNAL` or `SIGNAL/NAME`.
    pub named: Named,
    /// What comes in: receivers and connectors.
    pub receivers: Vec<Named>,
    /// In order.
    pub processors: Vec<Named>,
    /// What goes out: exporters and connectors.
    pub exporters: Vec<Named>,
}

/// The names in a collector configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigNames {
    /// Everything defined.
    pub defined: Vec<ConfigUse>,
    /// `service.pipelines`.
    pub pipelines: Vec<Pipeline>,
    /// `service.extensions`.
    pub extensions: Vec<Named>,
    /// Where `service` stands, or the start of the file.
    pub service: Mark,
}

/// What the layer is made of.
#[derive(Debug, Clone, Copy)]
pub struct LayerContents<'l> {
    /// The components compiled in.
    pub components: &'l [Component],
    /// Every tag that the sources know, to tell "not selected" from "does not exist".
    pub known_tags: &'l BTreeSet<String>,
    /// Configuration names read from sources.
    pub source_types: &'l SourceTypes,
    /// The collector version with its `v`.
    pub collector_version: &'l str,
}

/// Whether a layer with this finding may ship.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The collector would not start, or not do what the configuration says.
    Error,
    /// It starts, but something is probably not meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Where.
    pub mark: Mark,
    /// What, in one sentence.
    pub message: String,
    /// What to change.
    pub fix: String,
}

/// Checks a configuration against the layer it is packaged with; findings in the order of their marks.
pub fn check_config(config: &ConfigNames, layer: &LayerContents<'_>) -> Vec<Finding> {
    let mut check = Check { config, layer, findings: Vec::new() };
    check.compiled_in();
    check.pipelines();
    check.connectors();
    check.extensions();
    check.unused();
    check.findings.sort_by_key(|finding| (finding.mark, finding.severity));
    check.findings
}

struct Check<'c> {
    config: &'c ConfigNames,
    layer: &'c LayerContents<'c>,
    findings: Vec<Finding>,
}

const SIGNALS: [&str; 4] = ["logs", "metrics", "profiles", "traces"];
const BATCH: &str = "batch";
const DECOUPLE: &str = "decouple";

impl Check<'_> {
    fn error(&mut self, mark: Mark, message: String, fix: String) {
        self.findings.push(Finding { severity: Severity::Error, mark, message, fix });
    }

    fn warning(&mut self, mark: Mark, message: String, fix: String) {
        self.findings.push(Finding { severity: Severity::Warning, mark, message, fix });
    }

    /// Every component that is defined: the collector decodes them all, used or not.
    fn compiled_in(&mut self) {
        let mut seen = BTreeSet::new();
        for ConfigUse { category, named } in &self.config.defined {
            let (kind, name) = split_id(&named.id);
            if kind.is_empty() || name == Some("") {
                let fix = "write TYPE or TYPE/NAME".to_owned();
                self.error(named.mark, format!("`{}` is no component id", named.id), fix);
                continue;
            }
            if !seen.insert((category, &named.id)) {
                let fix = format!("name one of them {kind}/NAME");
                self.error(named.mark, format!("{category} `{}` is defined twice", named.id), fix);
            }
            let types = self.types(*category);
            if !types.contains(kind) {
                let fix = self.how_to_get(*category, kind, &types);
                self.error(named.mark, format!("{category} `{kind}` is not in this layer"), fix);
            }
        }
    }

    /// The configuration names of a category that the layer understands.
    fn types(&self, category: Category) -> BTreeSet<&str> {
        let of_category = self.layer.components.iter().filter(|component| component.category == category);
        let types = of_category
            .flat_map(|component| config_types(component, self.layer.collector_version, self.layer.source_types));
        types.collect()
    }

    fn how_to_get(&self, category: Category, kind: &str, types: &BTreeSet<&str>) -> String {
        let has = if types.is_empty() {
            format!("it has no {category}")
        } else {
            format!("its {} are: {}", category.section(), types.iter().copied().collect::<Vec<_>>().join(", "))
        };
        let name = |config_type| tag_name(category, config_type, self.layer.source_types);
        let tag = component_tag(category, name(kind));
        if self.layer.components.iter().any(|component| component.tag() == tag) {
            // It is there under another name, for example `memory_limiter` for `memorylimiter`.
            let names: Vec<_> = types.iter().copied().filter(|other| name(other) == name(kind)).collect();
            return format!("collector {} calls it {}", self.layer.collector_version, names.join(" or "));
        }
        if self.layer.known_tags.contains(&tag) {
            return format!("add {tag} to the distribution's buildtags, or use another one ({has})");
        }
        match closest_tag(&tag, self.layer.known_tags) {
            Some(close) => format!("no component of the sources has this name; did you mean that of {close}? ({has})"),
            None => format!("no component of the sources has this name ({has})"),
        }
    }

    fn is_defined(&self, categories: &[Category], id: &str) -> bool {
        self.config.defined.iter().any(|defined| categories.contains(&defined.category) && defined.named.id == id)
    }

    fn pipelines(&mut self) {
        if self.config.pipelines.is_empty() {
            let fix = "add service.pipelines with a receiver and an exporter".to_owned();
            self.error(self.config.service, "the configuration has no pipeline".to_owned(), fix);
        }
        for pipeline in &self.config.pipelines {
            let (signal, name) = split_id(&pipeline.named.id);
            if !SIGNALS.contains(&signal) || name == Some("") {
                let message = format!("`{}` is no pipeline id", pipeline.named.id);
                self.error(pipeline.named.mark, message, format!("start it with one of {}", SIGNALS.join(", ")));
            }
            self.references(pipeline, &pipeline.receivers, &[Category::Receiver, Category::Connector]);
            self.references(pipeline, &pipeline.processors, &[Category::Processor]);
            self.references(pipeline, &pipeline.exporters, &[Category::Exporter, Category::Connector]);
            for (list, what) in [(&pipeline.receivers, "receiver"), (&pipeline.exporters, "exporter")] {
                if list.is_empty() {
                    let message = format!("pipeline `{}` has no {what}", pipeline.named.id);
                    self.error(pipeline.named.mark, message, format!("add {what}s: [ID]"));
                }
            }
            self.batch_before_decouple(pipeline);
        }
    }

    fn references(&mut self, pipeline: &Pipeline, list: &[Named], categories: &[Category]) {
        let mut seen = BTreeSet::new();
        let Some(first) = categories.first() else { return };
        for named in list {
            if !self.is_defined(categories, &named.id) {
                let message =
                    format!("pipeline `{}` uses {first} `{}`, which is not defined", pipeline.named.id, named.id);
                self.error(named.mark, message, format!("define it under {}, or take it out", first.section()));
            } else if !seen.insert(&named.id) {
                let message = format!("pipeline `{}` uses {first} `{}` twice", pipeline.named.id, named.id);
                self.error(named.mark, message, "take one out".to_owned());
            }
        }
    }

    /// Lambda freezes the environment as soon as the function has answered; what a batch still holds then can be lost,
    /// unless `decouple` after it holds the freeze.
    fn batch_before_decouple(&mut self, pipeline: &Pipeline) {
        let last = |kind: &str| pipeline.processors.iter().rposition(|named| split_id(&named.id).0 == kind);
        let Some(batch) = last(BATCH) else { return };
        if last(DECOUPLE).is_some_and(|decouple| decouple > batch) {
            return;
        }
        let message = format!(
            "pipeline `{}` has `batch` without `decouple` after it: data can be lost when Lambda freezes the function",
            pipeline.named.id
        );
        let mut fix = "end its processors with decouple".to_owned();
        if !self.types(Category::Processor).contains(DECOUPLE) {
            fix.push_str(&format!(
                " (and add {} to the distribution's buildtags)",
                component_tag(Category::Processor, DECOUPLE)
            ));
        }
        self.warning(pipeline.processors[batch].mark, message, fix);
    }

    /// A connector is an exporter of one pipeline and a receiver of another.
    fn connectors(&mut self) {
        let mut uses: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for pipeline in &self.config.pipelines {
            pipeline.exporters.iter().for_each(|named| uses.entry(&named.id).or_default().0 = true);
            pipeline.receivers.iter().for_each(|named| uses.entry(&named.id).or_default().1 = true);
        }
        let connectors = self.config.defined.iter().filter(|defined| defined.category == Category::Connector);
        for ConfigUse { named, .. } in connectors {
            if self.is_defined(&[Category::Receiver, Category::Exporter], &named.id) {
                let message = format!("`{}` names a connector and a receiver or an exporter at once", named.id);
                self.error(named.mark, message, format!("name one of them {}/NAME", split_id(&named.id).0));
                continue;
            }
            let missing = match uses.get(named.id.as_str()) {
                Some((true, false)) => "receiver",
                Some((false, true)) => "exporter",
                _ => continue,
            };
            let message = format!("connector `{}` is not used as {missing} in any pipeline", named.id);
            self.error(named.mark, message, format!("name it in the {missing}s of the pipeline that it joins"));
        }
    }

    fn extensions(&mut self) {
        for named in &self.config.extensions {
            if !self.is_defined(&[Category::Extension], &named.id) {
                let message = format!("service.extensions uses extension `{}`, which is not defined", named.id);
                self.error(named.mark, message, "define it under extensions, or take it out".to_owned());
            }
        }
    }

    fn unused(&mut self) {
        let mut used: BTreeSet<(Category, &str)> = BTreeSet::new();
        for pipeline in &self.config.pipelines {
            let lists = [
                (&pipeline.receivers, [Category::Receiver, Category::Connector].as_slice()),
                (&pipeline.processors, &[Category::Processor]),
                (&pipeline.exporters, &[Category::Exporter, Category::Connector]),
            ];
            for (list, categories) in lists {
                used.extend(
                    list.iter().flat_map(|named| categories.iter().map(|category| (*category, named.id.as_str()))),
                );
            }
        }
        used.extend(self.config.extensions.iter().map(|named| (Category::Extension, named.id.as_str())));
        for ConfigUse { category, named } in &self.config.defined {
            if !used.contains(&(*category, named.id.as_str())) {
                let place = if *category == Category::Extension { "service.extensions" } else { "a pipeline" };
                let message = format!("{category} `{}` is defined but not used", named.id);
                self.warning(named.mark, message, format!("name it in {place}, or take it out"));
            }
        }
    }
}

fn split_id(id: &str) -> (&str, Option<&str>) {
    match id.split_once('/') {
        Some((kind, name)) => (kind, Some(name)),
        None => (id, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::component::parse_component_tag;

    const MINIMAL: &[&str] = &["exporter.otlphttp", "processor.batch", "processor.decouple", "receiver.otlp"];

    /// Definitions as `section id`, pipelines as `traces: receivers | processors | exporters`, `ext: ids`. Marks are
    /// line numbers.
    fn config(text: &str) -> ConfigNames {
        let mut config = ConfigNames::default();
        for (mark, line) in text.lines().map(str::trim).enumerate() {
            let list = |ids: &str| -> Vec<Named> {
                ids.split_whitespace().map(|id| Named { id: id.to_owned(), mark }).collect()
            };
            match line.split_once(": ") {
                Some(("ext", ids)) => config.extensions = list(ids),
                Some((id, rest)) => {
                    let parts: Vec<_> = rest.split('|').map(list).collect();
                    let [receivers, processors, exporters] = parts.try_into().unwrap();
                    let named = Named { id: id.to_owned(), mark };
                    config.pipelines.push(Pipeline { named, receivers, processors, exporters });
                }
                None => {
                    let (category, id) = line.split_once(' ').unwrap();
                    let category = Category::parse(category).unwrap();
                    config.defined.push(ConfigUse { category, named: Named { id: id.to_owned(), mark } });
                }
            }
        }
        config
    }

    fn findings(text: &str, selected: &[&str]) -> Vec<String> {
        let tag = |tag: &&str| format!("lambdacomponents.{tag}");
        let components: Vec<_> = selected
            .iter()
            .map(|name| {
                let tag = tag(name);
                let (category, name) = parse_component_tag(&tag).unwrap();
                Component { category, name: name.to_owned(), file: String::new() }
            })
            .collect();
        let known =
            ["exporter.debug", "exporter.awss3", "processor.memorylimiter", "connector.count", "extension.basicauth"];
        let known: BTreeSet<_> = known.iter().chain(MINIMAL).map(tag).collect();
        let layer = LayerContents {
            components: &components,
            known_tags: &known,
            source_types: &SourceTypes::new(),
            collector_version: "v0.145.0",
        };
        let findings = check_config(&config(text), &layer);
        findings.iter().map(|f| format!("{} {:?} {}; {}", f.mark, f.severity, f.message, f.fix)).collect()
    }

    #[test]
    fn a_good_configuration_has_no_findings() {
        let text = "receiver otlp\nprocessor batch\nprocessor decouple\nexporter otlp_http\nexporter otlphttp/two\n\
                    traces: otlp | batch decouple | otlp_http\nlogs/x: otlp | decouple | otlphttp/two";
        assert_eq!(findings(text, MINIMAL), Vec::<String>::new());
    }

    #[test]
    fn the_default_configuration_in_a_minimal_layer() {
        assert_eq!(
            findings("receiver otlp\nexporter debug\ntraces: otlp | | debug", MINIMAL),
            [
                "1 Error exporter `debug` is not in this layer; add lambdacomponents.exporter.debug to the distribution's \
              buildtags, or use another one (its exporters are: otlp_http, otlphttp)"
            ]
        );
    }

    #[test]
    fn names_that_do_not_exist_or_differ() {
        let one = |definition: &str, selected: &[&str]| {
            let pipeline = "\nreceiver otlp\nexporter otlphttp\ntraces: otlp | | otlphttp";
            let all = findings(&format!("{definition}{pipeline}"), &[MINIMAL, selected].concat());
            all.into_iter().find(|finding| finding.starts_with("0 Error")).unwrap_or_default()
        };
        assert!(
            one("processor memorylimiter", &["processor.memorylimiter"])
                .ends_with("collector v0.145.0 calls it memory_limiter")
        );
        assert!(one("processor memory_limiter", &[]).contains("add lambdacomponents.processor.memorylimiter"));
        assert!(one("exporter aws_s3", &[]).contains("did you mean that of lambdacomponents.exporter.awss3?"));
        assert!(
            one("extension qqqqqqqqq", &[])
                .ends_with("no component of the sources has this name (it has no extension)")
        );
        assert!(one("exporter otlp/", &[]).contains("`otlp/` is no component id"));
        assert_eq!(one("processor memory_limiter/a", &["processor.memorylimiter"]), "");
    }

    #[test]
    fn pipelines_use_what_is_defined_once() {
        let text = "receiver otlp\nexporter otlphttp\nprocessor decouple\ntraces: otlp | decouple decouple | otlphttp none\n\
                    spans: | | otlphttp\nreceiver otlp";
        assert_eq!(
            findings(text, MINIMAL),
            [
                "3 Error pipeline `traces` uses processor `decouple` twice; take one out",
                "3 Error pipeline `traces` uses exporter `none`, which is not defined; define it under exporters, or take it out",
                "4 Error `spans` is no pipeline id; start it with one of logs, metrics, profiles, traces",
                "4 Error pipeline `spans` has no receiver; add receivers: [ID]",
                "5 Error receiver `otlp` is defined twice; name one of them otlp/NAME",
            ]
        );
        assert!(findings("receiver otlp", MINIMAL)[0].contains("the configuration has no pipeline"));
    }

    #[test]
    fn what_is_defined_should_be_used() {
        let text = "receiver otlp\nexporter otlphttp\nextension basicauth\nprocessor batch\ntraces: otlp | | otlphttp";
        let found = findings(text, &[MINIMAL, &["extension.basicauth"]].concat());
        assert_eq!(
            found,
            [
                "2 Warning extension `basicauth` is defined but not used; name it in service.extensions, or take it out",
                "3 Warning processor `batch` is defined but not used; name it in a pipeline, or take it out",
            ]
        );
        assert!(
            findings("ext: basicauth", MINIMAL)
                .iter()
                .any(|f| f.contains("extension `basicauth`, which is not defined"))
        );
    }

    #[test]
    fn batch_wants_decouple_after_it() {
        let text = |list: &str| {
            format!(
                "receiver otlp\nexporter otlphttp\nprocessor batch\nprocessor decouple\nmetrics: otlp | decouple | otlphttp\ntraces: otlp | {list} | otlphttp"
            )
        };
        assert!(findings(&text("batch decouple"), MINIMAL).is_empty());
        assert!(
            findings(&text("decouple batch"), MINIMAL)[0].contains("5 Warning pipeline `traces` has `batch` without")
        );
        let text = "receiver otlp\nexporter otlphttp\nprocessor batch\ntraces: otlp | batch | otlphttp";
        let without = &["exporter.otlphttp", "processor.batch", "receiver.otlp"];
        assert!(
            findings(text, without)[0]
                .ends_with("(and add lambdacomponents.processor.decouple to the distribution's buildtags)")
        );
    }

    #[test]
    fn connectors_join_two_pipelines() {
        let selected = &[MINIMAL, &["connector.count"]].concat();
        let text = |last: &str| {
            format!(
                "receiver otlp\nexporter otlphttp\nconnector count\ntraces: otlp | | count\nmetrics: {last} | | otlphttp"
            )
        };
        assert!(findings(&text("count"), selected).is_empty());
        assert_eq!(
            findings(&text("otlp"), selected),
            [
                "2 Error connector `count` is not used as receiver in any pipeline; name it in the receivers of the pipeline that it joins"
            ]
        );
        let clash = "receiver otlp\nexporter otlphttp\nconnector otlphttp\ntraces: otlp | | otlphttp";
        let found = findings(clash, &[MINIMAL, &["connector.otlphttp"]].concat());
        assert!(found[0].contains("names a connector and a receiver or an exporter"), "{found:?}");
    }
}
