//! The files of `config/` exactly as written, and the folding of a distribution's bases. Pure.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::diag::{Diagnostic, Span};
use crate::base::suggest;
use crate::spec::value::{Text, Texts};

/// `config/distributions.yaml`: distributions by name, without a wrapper key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(title = "Ocelot distributions")]
pub struct DistributionsFile(pub IndexMap<String, DistributionFile>);

/// One distribution.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DistributionFile {
    /// Shown in reports and release notes; inherited.
    pub description: Option<Text>,
    /// Another distribution whose tags are added, and whose `config-file` is used if none is named here.
    pub base: Option<Text>,
    /// Build tags; `lambdacomponents.` may be left out, and `lambdacomponents.custom` is implied by any other.
    pub buildtags: Texts,
    /// The collector config that is packaged: a file of `config/examples/`, or a path that has a `/`.
    pub config_file: Option<Text>,
}

/// A distribution with its bases folded in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Its own description, or that of its nearest base.
    pub description: String,
    /// The union over all bases: full names, sorted.
    pub tags: Vec<String>,
    /// Its own, or that of its nearest base.
    pub config_file: Option<String>,
}

impl DistributionsFile {
    /// Folds the bases of `name`, which is asked for at `at`.
    ///
    /// # Errors
    /// An unknown distribution, an unknown base, or bases in a cycle.
    pub fn resolve(&self, name: &str, at: Span) -> Result<Distribution, Diagnostic> {
        let mut chain: Vec<&str> = Vec::new();
        let mut folded = Distribution { description: String::new(), tags: Vec::new(), config_file: None };
        let mut next = Some((name, at));
        while let Some((name, at)) = next {
            let Some((name, file)) = self.0.get_key_value(name) else {
                return Err(Diagnostic::error(format!("unknown distribution `{name}`"))
                    .label(at, "not in the distributions file")
                    .did_you_mean(suggest::closest(name, self.0.keys().map(String::as_str))));
            };
            if let Some(start) = chain.iter().position(|seen| *seen == name) {
                let cycle: Vec<&str> = chain[start..].iter().copied().chain([name.as_str()]).collect();
                return Err(Diagnostic::error(format!("the bases go round in a circle: {}", cycle.join(" -> ")))
                    .label(at, "named as base here"));
            }
            chain.push(name);
            if folded.description.is_empty()
                && let Some(description) = &file.description
            {
                folded.description.clone_from(&description.value);
            }
            folded.config_file = folded.config_file.or_else(|| file.config_file.as_ref().map(config_path));
            folded.tags.extend(file.buildtags.items.iter().filter(|tag| !tag.value.is_empty()).map(full_tag));
            next = file.base.as_ref().map(|base| (base.value.as_str(), base.span));
        }
        if !folded.tags.is_empty() {
            folded.tags.push("lambdacomponents.custom".to_owned());
        }
        folded.tags.sort();
        folded.tags.dedup();
        Ok(folded)
    }
}

fn full_tag(tag: &Text) -> String {
    let tag = tag.value.trim();
    if tag.starts_with("lambdacomponents.") { tag.to_owned() } else { format!("lambdacomponents.{tag}") }
}

fn config_path(file: &Text) -> String {
    if file.value.contains('/') { file.value.clone() } else { format!("config/examples/{}", file.value) }
}

/// `config/component_dependencies.yaml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Ocelot component dependencies")]
pub struct DependenciesFile {
    /// Modules by component tag: `module`, or `module@vX.Y.Z`.
    #[serde(default)]
    pub dependencies: IndexMap<String, Texts>,
}

/// `config/regions.yaml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Ocelot regions")]
pub struct RegionsFile {
    /// Facts about partitions.
    #[serde(default)]
    pub partitions: IndexMap<String, PartitionFile>,
    /// Facts about regions.
    #[serde(default)]
    pub regions: IndexMap<String, RegionFile>,
    /// What `--region all` means.
    #[serde(default)]
    pub publish: Vec<Text>,
}

/// A partition.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PartitionFile {
    /// Suffix of its service endpoints.
    pub dns_suffix: String,
    /// A region whose name begins so belongs to it; none: every region without another partition.
    #[serde(default)]
    pub region_prefixes: Vec<String>,
}

/// A region.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegionFile {
    /// The place.
    pub name: String,
    /// The continent or country, for grouping.
    pub geography: String,
}

impl RegionsFile {
    /// The partition of a region: the one whose prefix begins its name, else `aws`.
    pub fn partition(&self, region: &str) -> &str {
        let owns =
            |partition: &PartitionFile| partition.region_prefixes.iter().any(|prefix| region.starts_with(prefix));
        self.partitions.iter().find(|(_, partition)| owns(partition)).map_or("aws", |(name, _)| name.as_str())
    }

    /// The project's own list within one partition.
    pub fn published_in(&self, partition: &str) -> Vec<String> {
        let inside = self.publish.iter().filter(|region| self.partition(&region.value) == partition);
        inside.map(|region| region.value.clone()).collect()
    }
}

/// `config/ocelot.yaml`: settings that change no result.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Ocelot settings")]
pub struct SettingsFile {
    /// The user's cache.
    pub cache: CacheSettings,
}

/// Limits of the cache.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CacheSettings {
    /// For example `10 GiB`.
    pub max_size: Option<Text>,
    /// For example `30 days`.
    pub max_age: Option<Text>,
}

/// Bytes of `10 GiB`, `500MB`, `1024`.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Days of `30 days`, `30d`, `2 weeks`.
pub fn parse_days(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "d" | "day" | "days" => 1,
        "w" | "week" | "weeks" => 7,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::diag::SourceMap;
    use crate::spec::yaml::{Limits, read};

    fn distributions(text: &str) -> DistributionsFile {
        let source = SourceMap::default().add("distributions.yaml", text);
        let mut problems = Vec::new();
        let file = read(source, text, &Limits::default(), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        file.unwrap()
    }

    #[test]
    fn tags_are_a_sorted_union_over_the_bases_and_the_config_is_inherited() {
        let file = distributions(
            "a: {buildtags: [exporter.x, lambdacomponents.custom], config-file: a.yaml, description: A}\n\
             b: {base: a, buildtags: [lambdacomponents.exporter.b, exporter.x]}\n\
             c: {base: b, config-file: config/c.yaml}\n",
        );
        let b = file.resolve("b", Span::default()).unwrap();
        assert_eq!(b.tags, ["lambdacomponents.custom", "lambdacomponents.exporter.b", "lambdacomponents.exporter.x"]);
        assert_eq!((b.description.as_str(), b.config_file.as_deref()), ("A", Some("config/examples/a.yaml")));
        assert_eq!(file.resolve("c", Span::default()).unwrap().config_file.as_deref(), Some("config/c.yaml"));
    }

    #[test]
    fn custom_is_implied_by_any_other_tag_only() {
        let file = distributions("a: {buildtags: [exporter.x]}\nb: {}\n");
        assert_eq!(file.resolve("a", Span::default()).unwrap().tags[0], "lambdacomponents.custom");
        assert!(file.resolve("b", Span::default()).unwrap().tags.is_empty());
    }

    #[test]
    fn bases_in_a_circle_are_shown_as_one() {
        let file = distributions("a: {base: b}\nb: {base: c}\nc: {base: b}\n");
        let error = file.resolve("a", Span::default()).unwrap_err();
        assert_eq!(error.message, "the bases go round in a circle: b -> c -> b");
    }

    #[test]
    fn sizes_and_ages_have_units() {
        assert_eq!(parse_size("10 GiB"), Some(10 << 30));
        assert_eq!(parse_size("5MB"), Some(5_000_000));
        assert_eq!(parse_size("5 parsecs"), None);
        assert_eq!(parse_days("30 days"), Some(30));
        assert_eq!(parse_days("2w"), Some(14));
        assert_eq!(parse_days("30"), None);
    }
}
