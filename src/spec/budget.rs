//! `budgets:` of the settings: how large a layer may be and how long it may take to start. Pure.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::code;
use crate::base::diag::{Diagnostic, Span};
use crate::base::suggest;
use crate::spec::config::parse_size;
use crate::spec::value::Text;

/// Limits for the layers of all distributions, and of single ones.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BudgetsFile {
    /// Length of the zip, for example `20 MiB`.
    pub zip: Option<Text>,
    /// All files of the layer unpacked, for example `80 MiB`.
    pub unzipped: Option<Text>,
    /// From the start to the first event, as `check` measures it: for example `200 ms`.
    pub init_time: Option<Text>,
    /// Resident set after an invocation, as `check` measures it: for example `64 MiB`.
    pub memory: Option<Text>,
    /// The `index.json` of the release that a layer over budget is compared with: a file of the project.
    pub last_release: Option<Text>,
    /// Other limits for single distributions of `config/distributions.yaml`; what is left out is as for all.
    pub distributions: IndexMap<String, BudgetFile>,
}

/// Limits for one distribution.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BudgetFile {
    /// As for all distributions.
    pub zip: Option<Text>,
    /// As for all distributions.
    pub unzipped: Option<Text>,
    /// As for all distributions.
    pub init_time: Option<Text>,
    /// As for all distributions.
    pub memory: Option<Text>,
}

/// The limits of one layer; none where there is no number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// Bytes of the zip.
    pub zip: Option<u64>,
    /// Bytes of its files, unpacked.
    pub unzipped: Option<u64>,
    /// Milliseconds to the first event.
    pub init_ms: Option<u64>,
    /// Resident bytes.
    pub memory: Option<u64>,
    /// The layers of the last release, by architecture.
    pub last: BTreeMap<String, Released>,
}

/// A layer of the last release: what is over budget is said to be so much more than it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The collector's version, with its `v`.
    pub collector_version: String,
    /// Bytes of its zip, if they are known.
    pub zip: Option<u64>,
    /// Its components, if they are known.
    pub components: BTreeSet<String>,
}

impl BudgetsFile {
    /// The limits of this distribution; what cannot be read counts as no limit, and is told by [`Self::problems`].
    pub fn of(&self, distribution: &str) -> Budgets {
        let size = |text: &Option<Text>| text.as_ref().and_then(|text| parse_size(&text.value));
        let time = |text: &Option<Text>| text.as_ref().and_then(|text| parse_ms(&text.value));
        let own = self.distributions.get(distribution);
        let own = |of: fn(&BudgetFile) -> &Option<Text>| own.map(of).filter(|text| text.is_some());
        Budgets {
            zip: size(own(|own| &own.zip).unwrap_or(&self.zip)),
            unzipped: size(own(|own| &own.unzipped).unwrap_or(&self.unzipped)),
            init_ms: time(own(|own| &own.init_time).unwrap_or(&self.init_time)),
            memory: size(own(|own| &own.memory).unwrap_or(&self.memory)),
            last: BTreeMap::new(),
        }
    }

    /// Everything that is no size and no time.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let own = self.distributions.values();
        let sizes = [&self.zip, &self.unzipped, &self.memory].into_iter();
        let sizes = sizes.chain(own.clone().flat_map(|own| [&own.zip, &own.unzipped, &own.memory])).flatten();
        let times = std::iter::once(&self.init_time).chain(own.map(|own| &own.init_time)).flatten();
        let wrong = |text: &Text, what: &str, example: &str, units: &str| {
            Diagnostic::error(code::BAD_SIZE_OR_TIME, format!("`{}` is not {what}", text.value))
                .label(text.span, format!("expected for example `{example}`"))
                .help(format!("a whole number of {units}"))
        };
        let sizes = sizes.filter(|text| parse_size(&text.value).is_none());
        let mut problems: Vec<Diagnostic> =
            sizes.map(|text| wrong(text, "a size", "20 MiB", "B, KB, MB, GB, KiB, MiB, GiB or TiB")).collect();
        let times = times.filter(|text| parse_ms(&text.value).is_none());
        problems.extend(times.map(|text| wrong(text, "a time", "200 ms", "milliseconds (`ms`) or seconds (`s`)")));
        problems
    }

    /// The first distribution with limits of its own that is none of `known`.
    pub fn unknown<'k>(&self, known: impl Iterator<Item = &'k str> + Clone) -> Option<Diagnostic> {
        let (name, own) = self.distributions.iter().find(|(name, _)| !known.clone().any(|known| known == *name))?;
        let texts = [&own.zip, &own.unzipped, &own.init_time, &own.memory];
        let at = texts.into_iter().flatten().next().map_or_else(Span::default, |text| text.span);
        let problem = Diagnostic::error(
            code::UNKNOWN_DISTRIBUTION,
            format!("`budgets:` names the unknown distribution `{name}`"),
        );
        Some(problem.label(at, "for this distribution").did_you_mean(suggest::closest(name, known)))
    }
}

/// Milliseconds of `200 ms`, `2 s`.
pub fn parse_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::diag::SourceMap;
    use crate::spec::yaml::{Limits, read};

    fn budgets(text: &str) -> BudgetsFile {
        let source = SourceMap::default().add("ocelot.yaml", text);
        let mut problems = Vec::new();
        let file = read(source, text, &Limits::default(), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        file.unwrap()
    }

    #[test]
    fn a_distribution_has_its_own_limits_and_else_those_of_all() {
        let file = budgets("{zip: 20 MiB, init-time: 1 s, distributions: {small: {zip: 5 MB, memory: 64 MiB}}}");
        let all = Budgets { zip: Some(20 << 20), init_ms: Some(1000), ..Budgets::default() };
        assert_eq!(file.of("other"), all);
        assert_eq!(file.of("small"), Budgets { zip: Some(5_000_000), memory: Some(64 << 20), ..all });
        assert_eq!(budgets("{}").of("small"), Budgets::default());
    }

    #[test]
    fn what_is_no_limit_is_told_and_so_is_a_distribution_that_is_not_there() {
        let file = budgets("{zip: big, init-time: 20 MiB, distributions: {smal: {memory: 3 ms, init-time: 2 s}}}");
        let told: Vec<String> = file.problems().into_iter().map(|problem| problem.message).collect();
        assert_eq!(told, ["`big` is not a size", "`3 ms` is not a size", "`20 MiB` is not a time"]);
        let unknown = file.unknown(["small", "other"].into_iter()).unwrap();
        assert_eq!(unknown.message, "`budgets:` names the unknown distribution `smal`");
        assert_eq!(file.unknown(["smal"].into_iter()), None);
        assert_eq!(
            (parse_ms("200 ms"), parse_ms("2s"), parse_ms("2"), parse_ms("ms")),
            (Some(200), Some(2000), None, None)
        );
    }
}
