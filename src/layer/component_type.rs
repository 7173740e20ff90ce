//! What a component is called in a collector configuration, given its name in tags.
//!
//! Most are called the same. The exceptions are below; names read from a component's own sources
//! (`crate::layer::go_source::component_types`) go before them.

use std::collections::BTreeMap;

use crate::layer::component::{Category, Component};

/// Names read from sources: (category, tag name) → configuration names.
pub type SourceTypes = BTreeMap<(Category, String), Vec<String>>;

/// A configuration name that differs from the tag name.
struct Exception {
    category: Category,
    tag: &'static str,
    config: &'static str,
    /// The collector minor version (0.N) that first has it; 0: all.
    since: u64,
}

/// Source: the components' `metadata.yaml`; the OTLP exporters' new names came with collector 0.144.0, the old ones
/// stay as aliases.
const EXCEPTIONS: &[Exception] = &[
    Exception { category: Category::Processor, tag: "memorylimiter", config: "memory_limiter", since: 0 },
    Exception { category: Category::Processor, tag: "probabilisticsampler", config: "probabilistic_sampler", since: 0 },
    Exception { category: Category::Exporter, tag: "otlp", config: "otlp", since: 0 },
    Exception { category: Category::Exporter, tag: "otlp", config: "otlp_grpc", since: 144 },
    Exception { category: Category::Exporter, tag: "otlphttp", config: "otlphttp", since: 0 },
    Exception { category: Category::Exporter, tag: "otlphttp", config: "otlp_http", since: 144 },
];

/// The configuration names of a component in a collector of this version (`v0.145.0`; an unreadable version counts as
/// the newest).
pub fn config_types<'a>(component: &'a Component, collector_version: &str, sources: &'a SourceTypes) -> Vec<&'a str> {
    let key = (component.category, component.name.clone());
    if let Some(types) = sources.get(&key).filter(|types| !types.is_empty()) {
        return types.iter().map(String::as_str).collect();
    }
    let minor = minor_version(collector_version).unwrap_or(u64::MAX);
    let mut of_tag = exceptions(component.category).filter(|exception| exception.tag == component.name).peekable();
    if of_tag.peek().is_none() {
        return vec![&component.name];
    }
    of_tag.filter(|exception| exception.since <= minor).map(|exception| exception.config).collect()
}

/// The tag name of the component with this configuration name, whether or not it is compiled in. Unknown names are
/// their own tag names.
pub fn tag_name<'a>(category: Category, config_type: &'a str, sources: &'a SourceTypes) -> &'a str {
    let from_sources =
        sources.iter().find(|((held, _), types)| *held == category && types.iter().any(|t| t == config_type));
    if let Some(((_, name), _)) = from_sources {
        return name;
    }
    let exception = exceptions(category).find(|exception| exception.config == config_type);
    exception.map_or(config_type, |exception| exception.tag)
}

fn exceptions(category: Category) -> impl Iterator<Item = &'static Exception> {
    EXCEPTIONS.iter().filter(move |exception| exception.category == category)
}

/// 145 for `v0.145.0`; 1.x and later have every name.
fn minor_version(version: &str) -> Option<u64> {
    let version = semver::Version::parse(version.strip_prefix('v')?).ok()?;
    Some(if version.major == 0 { version.minor } else { u64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(category: Category, name: &str) -> Component {
        Component { category, name: name.to_owned(), file: String::new() }
    }

    #[test]
    fn exceptions_and_the_rule() {
        let none = SourceTypes::new();
        let types = |category, name: &str, version: &str| {
            config_types(&component(category, name), version, &none).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(types(Category::Processor, "memorylimiter", "v0.145.0"), ["memory_limiter"]);
        assert_eq!(types(Category::Exporter, "otlphttp", "v0.145.0"), ["otlphttp", "otlp_http"]);
        assert_eq!(types(Category::Exporter, "otlphttp", "v0.143.1"), ["otlphttp"]);
        assert_eq!(types(Category::Exporter, "otlp", "v1.0.0"), ["otlp", "otlp_grpc"]);
        assert_eq!(types(Category::Receiver, "otlp", "v0.145.0"), ["otlp"], "only the exporter was renamed");
        assert_eq!(types(Category::Extension, "asmauthextension", "v0.145.0"), ["asmauthextension"]);
    }

    #[test]
    fn sources_go_first_both_ways() {
        let key = (Category::Connector, "signaltometrics".to_owned());
        let sources = SourceTypes::from([(key, vec!["signal_to_metrics".to_owned()])]);
        let connector = component(Category::Connector, "signaltometrics");
        assert_eq!(config_types(&connector, "v0.145.0", &sources), ["signal_to_metrics"]);
        assert_eq!(tag_name(Category::Connector, "signal_to_metrics", &sources), "signaltometrics");
        assert_eq!(tag_name(Category::Processor, "memory_limiter", &sources), "memorylimiter");
        assert_eq!(tag_name(Category::Exporter, "otlp_http", &sources), "otlphttp");
        assert_eq!(tag_name(Category::Exporter, "mine", &sources), "mine");
    }
}
