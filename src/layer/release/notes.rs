//! The index as release notes: regions by geography, folded away until a reader opens theirs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::layer::geography::{geography, place};
use crate::layer::release::index::{Index, Version};
use crate::layer::release::table::{code, table};

/// The text of `notes.md`. It shows every version of the index, distribution by distribution, and what is missing.
pub fn notes(index: &Index) -> String {
    let mut text = String::new();
    let mut distributions: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
    for version in index.versions() {
        let geographies = distributions.entry(version.distribution.clone()).or_default();
        geographies.entry(geography(&version.region)).or_default().push(version);
    }
    // Writing to a string cannot fail.
    for (distribution, geographies) in distributions {
        let _ = writeln!(text, "## {distribution}\n");
        for (geography, mut versions) in geographies {
            versions.sort_by(|a, b| order(a).cmp(&order(b)));
            let _ = writeln!(text, "<details>\n<summary>{geography}</summary>\n");
            let header = ["Region", "Architecture", "Collector", "ARN", "Access"];
            table(&mut text, &header, versions.into_iter().map(row));
            text.push_str("\n</details>\n\n");
        }
    }
    if !index.missing().is_empty() {
        text.push_str("## Not published\n\n");
        let rows = index.missing().iter().map(|one| {
            let region = one.region.as_deref().map(named).unwrap_or_default();
            vec![code(&one.node), region, one.reason.clone()]
        });
        table(&mut text, &["Node", "Region", "Reason"], rows);
    }
    text
}

fn order(version: &Version) -> (&str, &str, &str) {
    (&version.region, &version.architecture, &version.layer_name)
}

fn row(version: Version) -> Vec<String> {
    let access = if version.public { "public" } else { "private" };
    vec![named(&version.region), version.architecture, version.collector_version, code(&version.arn), access.to_owned()]
}

/// `Ireland, eu-west-1`.
fn named(region: &str) -> String {
    place(region).map_or_else(|| code(region), |place| format!("{place}, {}", code(region)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::release::testing::{missing, version};

    #[test]
    fn regions_by_geography_and_what_is_missing() {
        let at = |region: &str| version("minimal", "amd64", region, "v0.145.0", 1);
        let index = Index::new("layers", vec![at("us-east-1"), at("eu-west-1")], vec![missing("amd64", "me-south-1")]);
        let head = "| Region | Architecture | Collector | ARN | Access |\n| --- | --- | --- | --- | --- |\n";
        let row = |place: &str, region: &str| {
            let arn = at(region).arn;
            format!("| {place}, `{region}` | amd64 | v0.145.0 | `{arn}` | public |\n\n</details>\n\n")
        };
        assert_eq!(
            notes(&index),
            format!(
                "## minimal\n\n<details>\n<summary>Europe</summary>\n\n{head}{}\
                 <details>\n<summary>North America</summary>\n\n{head}{}\
                 ## Not published\n\n| Node | Region | Reason |\n| --- | --- | --- |\n\
                 | `published[minimal,amd64,me-south-1]` | Bahrain, `me-south-1` | connection<br>refused \\| retry |\n",
                row("Ireland", "eu-west-1"),
                row("N. Virginia", "us-east-1"),
            )
        );
    }
}
