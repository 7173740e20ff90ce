//! Reads the names out of a collector configuration's YAML, each with its line.
//!
//! The collector puts its configuration together from several places and replaces `${…}` in it: what is no map or list
//! here may become one there, so a section of another shape has no names, and is left to the collector.

use crate::base::diag::{Diagnostic, Severity, SourceMap, Span};
use crate::layer::collector_config::{ConfigNames, ConfigUse, Named, Pipeline};
use crate::layer::component::Category;
use crate::spec::yaml::{self, Limits, Tree};

/// A configuration is read by hand; more is no configuration.
const BYTES: usize = 4 << 20;

/// The names in a configuration; their marks are lines, from 1. `file` is used in messages only.
///
/// # Errors
/// Every problem of the YAML itself, each with file, line and column.
pub fn read_names(file: &str, text: &str) -> Result<ConfigNames, Vec<String>> {
    let mut sources = SourceMap::default();
    let source = sources.add(file, text);
    let mut problems = Vec::new();
    let limits = Limits { bytes: BYTES, ..Limits::default() };
    let tree = yaml::parse(source, text, &limits, &mut problems);
    let errors: Vec<String> = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| in_words(file, &sources, problem))
        .collect();
    let tree = match tree {
        Some(tree) if errors.is_empty() => tree,
        _ if errors.is_empty() => return Err(vec![format!("{file}: it cannot be read as YAML")]),
        _ => return Err(errors),
    };
    Ok(Names { sources: &sources }.read(&tree))
}

/// A problem on one line: the check's findings are a list, in which a picture has no place.
fn in_words(file: &str, sources: &SourceMap, problem: &Diagnostic) -> String {
    let place = problem.span().map_or_else(|| file.to_owned(), |span| sources.place(span));
    let help: String = problem.help.iter().map(|help| format!("; {help}")).collect();
    let also = problem.labels.iter().filter(|label| !label.primary).filter_map(|label| {
        let (written, at) = (sources.slice(label.span)?, sources.line_col(label.span)?);
        Some(format!("; `{written}` of line {}, column {}, is {}", at.line, at.column, label.text))
    });
    let also: String = also.collect();
    format!("{place}: {}{also}{help}", problem.message)
}

struct Names<'s> {
    sources: &'s SourceMap,
}

impl Names<'_> {
    fn line(&self, span: Span) -> usize {
        self.sources.line_col(span).map_or(1, |place| place.line)
    }

    fn read(&self, tree: &Tree<'_>) -> ConfigNames {
        let mut names = ConfigNames { service: 1, ..ConfigNames::default() };
        for category in Category::ALL {
            let defined = tree.get(category.section()).map(|section| self.keys(section)).unwrap_or_default();
            names.defined.extend(defined.into_iter().map(|named| ConfigUse { category, named }));
        }
        let Some(service) = tree.get("service") else { return names };
        names.service = tree.key_span("service").map_or(1, |span| self.line(span));
        names.extensions = self.items(service.get("extensions"));
        let pipelines = service.get("pipelines").map(Tree::entries).unwrap_or_default();
        names.pipelines = pipelines
            .iter()
            .map(|entry| Pipeline {
                named: Named { id: entry.key.as_str().to_owned(), mark: self.line(entry.key.span()) },
                receivers: self.items(entry.value.get("receivers")),
                processors: self.items(entry.value.get("processors")),
                exporters: self.items(entry.value.get("exporters")),
            })
            .collect();
        names
    }

    fn keys(&self, section: &Tree<'_>) -> Vec<Named> {
        let named =
            |entry: &yaml::Entry<'_>| Named { id: entry.key.as_str().to_owned(), mark: self.line(entry.key.span()) };
        section.entries().iter().map(named).collect()
    }

    fn items(&self, list: Option<&Tree<'_>>) -> Vec<Named> {
        let items = list.map(Tree::items).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| Some(Named { id: item.as_str()?.to_owned(), mark: self.line(item.span()) }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
receivers:
  otlp:
    protocols: {grpc: {endpoint: 'localhost:4317'}}
exporters:
  debug:
  otlphttp/a: {endpoint: \"${env:ENDPOINT}\"}
connectors: {}
service:
  extensions: [sigv4auth]
  pipelines:
    traces:
      receivers: [otlp]
      processors: &none []
      exporters:
        - debug
        - otlphttp/a
    metrics: {receivers: [otlp], processors: *none, exporters: [debug]}
  telemetry: ${file:telemetry.yaml}
";

    fn named(id: &str, mark: usize) -> Named {
        Named { id: id.into(), mark }
    }

    #[test]
    fn every_name_has_its_line() {
        let names = read_names("config.yaml", CONFIG).unwrap();
        let defined: Vec<_> =
            names.defined.iter().map(|used| (used.category.name(), used.named.id.as_str(), used.named.mark)).collect();
        assert_eq!(defined, [("exporter", "debug", 5), ("exporter", "otlphttp/a", 6), ("receiver", "otlp", 2)]);
        assert_eq!((names.service, names.extensions), (8, vec![named("sigv4auth", 9)]));
        let [traces, metrics] = &names.pipelines[..] else { panic!() };
        assert_eq!((&traces.named, &traces.receivers), (&named("traces", 11), &vec![named("otlp", 12)]));
        assert_eq!(traces.exporters, [named("debug", 15), named("otlphttp/a", 16)]);
        assert_eq!(metrics.exporters, [named("debug", 17)]);
        assert!(metrics.processors.is_empty());
    }

    #[test]
    fn what_is_no_yaml_is_said_with_its_place() {
        let errors = read_names("config.yaml", "receivers:\n  otlp:\n  otlp:\n").unwrap_err();
        assert!(errors[0].starts_with("config.yaml:3:3: "), "{errors:?}");
        assert!(read_names("config.yaml", "a: [").unwrap_err()[0].starts_with("config.yaml:"));
    }

    #[test]
    fn shapes_that_are_left_to_the_collector_have_no_names() {
        for text in
            ["", "[]", "receivers: ${file:r.yaml}\nservice: x\n", "service: {pipelines: [a], extensions: {b: c}}"]
        {
            let names = read_names("c", text).unwrap();
            assert!(names.defined.is_empty() && names.pipelines.is_empty() && names.extensions.is_empty(), "{text}");
        }
    }
}
