//! The files of `config/` exactly as written, and the folding of a distribution's bases. Pure.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::aws_id::is_account;
use crate::base::code;
use crate::base::diag::{Diagnostic, Span};
use crate::base::suggest;
use crate::spec::budget::BudgetsFile;
use crate::spec::ci::{Actions, Environments};
use crate::spec::smoke::{SmokeFile, SmokeValues};
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
    /// Another distribution whose tags are added, and whose `config-file` and `smoke` are used if none is named here.
    pub base: Option<Text>,
    /// Build tags; `lambdacomponents.` may be left out, and `lambdacomponents.custom` is implied by any other.
    pub buildtags: Texts,
    /// The collector config that is packaged: a file of `config/examples/`, or a path that has a `/`.
    pub config_file: Option<Text>,
    /// What the layer is given when `check` starts it; inherited as a whole.
    pub smoke: Option<SmokeFile>,
}

/// A distribution with its bases folded in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Its own description, or that of its nearest base.
    pub description: String,
    /// The union over all bases: full names, sorted.
    pub tags: Vec<String>,
    /// Its own, or that of its nearest base.
    pub config_file: Option<String>,
    /// Where that is named.
    pub config_span: Option<Span>,
    /// Its own, or that of its nearest base.
    pub smoke: SmokeValues,
    /// Where each of its examples is named.
    pub examples: Vec<(String, Span)>,
}

impl DistributionsFile {
    /// Folds the bases of `name`, which is asked for at `at`.
    ///
    /// # Errors
    /// An unknown distribution, an unknown base, or bases in a cycle.
    pub fn resolve(&self, name: &str, at: Span) -> Result<Distribution, Diagnostic> {
        let mut chain: Vec<&str> = Vec::new();
        let mut folded = Distribution::default();
        let mut smoke = None;
        let mut next = Some((name, at));
        while let Some((name, at)) = next {
            let Some((name, file)) = self.0.get_key_value(name) else {
                return Err(Diagnostic::error(code::UNKNOWN_DISTRIBUTION, format!("unknown distribution `{name}`"))
                    .label(at, "not in the distributions file")
                    .did_you_mean(suggest::closest(name, self.0.keys().map(String::as_str))));
            };
            if let Some(start) = chain.iter().position(|seen| *seen == name) {
                return Err(self.circle(&chain[start..]));
            }
            chain.push(name);
            if folded.description.is_empty()
                && let Some(description) = &file.description
            {
                folded.description.clone_from(&description.value);
            }
            if folded.config_file.is_none() {
                folded.config_file = file.config_file.as_ref().map(config_path);
                folded.config_span = file.config_file.as_ref().map(|config| config.span);
            }
            smoke = smoke.or(file.smoke.as_ref());
            folded.tags.extend(file.buildtags.items.iter().filter(|tag| !tag.value.is_empty()).map(full_tag));
            next = file.base.as_ref().map(|base| (base.value.as_str(), base.span));
        }
        folded.examples = smoke.map(|smoke| smoke.examples().collect()).unwrap_or_default();
        folded.smoke = smoke.map(SmokeFile::values).unwrap_or_default();
        if !folded.tags.is_empty() {
            folded.tags.push("lambdacomponents.custom".to_owned());
        }
        folded.tags.sort();
        folded.tags.dedup();
        Ok(folded)
    }

    /// Bases that lead back to where they began: told in one way, whichever of them was asked for.
    fn circle(&self, members: &[&str]) -> Diagnostic {
        let first = self.0.keys().position(|name| members.contains(&name.as_str())).unwrap_or_default();
        let (first, _) = self.0.get_index(first).unzip();
        let start = members.iter().position(|name| first.is_some_and(|first| first == name)).unwrap_or_default();
        let mut round: Vec<&str> = members[start..].iter().chain(&members[..start]).copied().collect();
        let last = round.last().and_then(|last| self.0.get(*last)?.base.as_ref());
        let at = last.map_or_else(Span::default, |base| base.span);
        round.extend(members.get(start));
        Diagnostic::error(code::BASE_CYCLE, format!("the bases go round in a circle: {}", round.join(" -> ")))
            .label(at, "named as base here")
            .help("take one `base:` of these away")
    }

    /// What is wrong with the bases of any distribution, each told once, and with what their layers are given.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for name in self.0.keys() {
            if let Err(problem) = self.resolve(name, Span::default())
                && !problems.contains(&problem)
            {
                problems.push(problem);
            }
        }
        problems.extend(self.0.values().filter_map(|file| file.smoke.as_ref()).flat_map(SmokeFile::problems));
        problems
    }

    /// Where the tag of this full name is listed by a distribution or by one of its bases.
    pub fn tag_span(&self, distribution: &str, tag: &str) -> Option<Span> {
        let mut seen: Vec<&str> = Vec::new();
        let mut next = Some(distribution);
        while let Some((name, file)) = next.filter(|name| !seen.contains(name)).and_then(|n| self.0.get_key_value(n)) {
            seen.push(name);
            let short = |name: &str| name.trim().trim_start_matches("lambdacomponents.").to_owned();
            let lists = |text: &&Text| text.value.split([',', ' ']).any(|part| short(part) == short(tag));
            if let Some(text) = file.buildtags.items.iter().find(lists) {
                return Some(text.span);
            }
            next = file.base.as_ref().map(|base| base.value.as_str());
        }
        None
    }
}

fn full_tag(tag: &Text) -> String {
    let tag = tag.value.trim();
    if tag.starts_with("lambdacomponents.") { tag.to_owned() } else { format!("lambdacomponents.{tag}") }
}

/// The project path of a collector config that is named so.
pub(in crate::spec) fn config_path(file: &Text) -> String {
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

    /// What is wrong between its parts.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let unknown = self.publish.iter().filter(|region| !self.regions.contains_key(&region.value));
        unknown
            .map(|region| {
                Diagnostic::error(code::UNKNOWN_REGION, format!("unknown region `{}`", region.value))
                    .label(region.span, "not under `regions:` of this file")
                    .did_you_mean(suggest::closest(&region.value, self.regions.keys().map(String::as_str)))
            })
            .collect()
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
    /// AWS accounts that may be published to, each as its 12 digits in quotes; any if there are none.
    pub accounts: Texts,
    /// How large the layers may be, and how long they may take to start.
    pub budgets: BudgetsFile,
    /// The environment of GitHub that each release group is published under.
    pub environments: Environments,
    /// Actions of generated workflows, where another commit is wanted than the usual one.
    pub actions: Actions,
}

impl SettingsFile {
    /// Everything that is wrong with the settings.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let mut problems = self.cache.limits().err().unwrap_or_default();
        problems.extend(self.budgets.problems());
        problems.extend(self.environments.problems());
        problems.extend(self.actions.problems());
        for account in self.accounts.items.iter().filter(|account| !is_account(&account.value)) {
            problems.push(
                Diagnostic::error(code::ACCOUNT_ID, format!("`{}` is no AWS account", account.value))
                    .label(account.span, "expected 12 digits")
                    .help("write it in quotes: without them, leading zeros may be lost in other tools"),
            );
        }
        problems
    }
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

impl CacheSettings {
    /// The limits that are set, in bytes and in days.
    ///
    /// # Errors
    /// All that cannot be read.
    pub fn limits(&self) -> Result<(Option<u64>, Option<u32>), Vec<Diagnostic>> {
        let wrong = |text: &Text, what: &str, example: &str| {
            Diagnostic::error(code::BAD_SIZE_OR_TIME, format!("`{}` is not {what}", text.value))
                .label(text.span, format!("expected for example `{example}`"))
        };
        let size = self.max_size.as_ref().map(|text| (text, parse_size(&text.value)));
        let age = self.max_age.as_ref().map(|text| (text, parse_days(&text.value)));
        let mut problems = Vec::new();
        if let Some((text, None)) = size {
            problems
                .push(wrong(text, "a size", "10 GiB").help("a whole number of B, KB, MB, GB, KiB, MiB, GiB or TiB"));
        }
        if let Some((text, None)) = age {
            problems.push(wrong(text, "an age", "30 days").help("a whole number of days (`d`) or weeks (`w`)"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok((size.and_then(|(_, bytes)| bytes), age.and_then(|(_, days)| days)))
    }
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
    fn what_a_layer_is_given_is_that_of_the_nearest_base_that_says() {
        let file = distributions(
            "a: {smoke: {env: {A: 1}, secrets: {name: value}, examples: [x.yaml, ./b/y.yaml, x.yaml]}}\nb: {base: a}\nc: {base: b, smoke: {env: {2C: x}}}\n",
        );
        let given = |name: &str| file.resolve(name, Span::default()).unwrap().smoke;
        let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let examples = vec!["./b/y.yaml".to_owned(), "config/examples/x.yaml".to_owned()];
        assert_eq!(given("b"), SmokeValues { env: pair("A", "1"), secrets: pair("name", "value"), examples });
        assert_eq!(given("c"), SmokeValues { env: pair("2C", "x"), ..SmokeValues::default() });
        let problems = file.problems();
        assert_eq!(
            problems.iter().map(|p| p.message.as_str()).collect::<Vec<_>>(),
            ["`2C` of `smoke: env` cannot be set"]
        );
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
