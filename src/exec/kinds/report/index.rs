//! `index.json`: what a consumer looks ARNs up in. One entry for each layer, its regions below it.
//!
//! `releases` is what a custom datasource of Renovate reads; the rest is ours.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::exec::kinds::report::{Publication, Shown};

/// Rises when a field changes its meaning.
const FORMAT: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    format: u32,
    pipeline: &'a str,
    releases: Vec<Release<'a>>,
    layers: Vec<Layer<'a>>,
    /// Regions that are wanted and where the layer is not, with the reason.
    missing: Vec<Missing<'a>>,
}

/// A collector version.
#[derive(Serialize)]
struct Release<'a> {
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layer<'a> {
    distribution: &'a str,
    architecture: &'a str,
    collector_version: &'a str,
    layer_name: &'a str,
    code_sha256: &'a str,
    /// The same as hexadecimal digits, if the layer is in the report.
    sha256: Option<&'a str>,
    /// Bytes.
    size: Option<u64>,
    commit: Option<&'a str>,
    components: &'a [&'a str],
    regions: BTreeMap<&'a str, Region<'a>>,
}

#[derive(Serialize)]
struct Region<'a> {
    arn: &'a str,
    version: u64,
    public: bool,
}

#[derive(Serialize)]
struct Missing<'a> {
    node: &'a str,
    region: Option<&'a str>,
    reason: &'a str,
}

/// The index of everything that is shown.
pub(super) fn text(shown: &Shown<'_>) -> String {
    let mut layers: BTreeMap<(&str, &str, &str), Layer<'_>> = BTreeMap::new();
    for one in &shown.publications {
        let key = (one.distribution, one.architecture, one.layer_name);
        let region = Region { arn: one.arn, version: one.version, public: one.public };
        layers.entry(key).or_insert_with(|| layer(shown, one)).regions.insert(one.region, region);
    }
    let mut versions: Vec<&str> = layers.values().map(|layer| layer.collector_version).collect();
    versions.sort_unstable();
    versions.dedup();
    let failed = shown.failed.iter().filter(|failed| failed.kind == "publish");
    let failed = failed.map(|one| Missing {
        node: one.node,
        region: one.axes.get("region").map(String::as_str),
        reason: one.reason,
    });
    let passed = shown.passed_over.iter();
    let passed = passed.map(|one| Missing { node: one.node, region: Some(one.region), reason: one.reason });
    let index = Index {
        format: FORMAT,
        pipeline: shown.pipeline,
        releases: versions.into_iter().map(|version| Release { version: version.trim_start_matches('v') }).collect(),
        layers: layers.into_values().collect(),
        missing: failed.chain(passed).collect(),
    };
    serde_json::to_string_pretty(&index).expect("BUG: text and numbers always encode") + "\n"
}

fn layer<'a>(shown: &'a Shown<'_>, one: &Publication<'a>) -> Layer<'a> {
    let built = shown.layers.iter().find(|layer| layer.code_sha256 == one.code_sha256);
    Layer {
        distribution: one.distribution,
        architecture: one.architecture,
        collector_version: one.collector_version,
        layer_name: one.layer_name,
        code_sha256: one.code_sha256,
        sha256: built.and_then(|layer| layer.sha256),
        size: built.map(|layer| layer.size),
        commit: built.map(|layer| layer.commit),
        components: built.map_or(&[], |layer| layer.components.as_slice()),
        regions: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::kinds::report::tests::publication;
    use crate::exec::kinds::report::{Failed, PassedOver};

    #[test]
    fn a_layer_has_its_regions_and_what_is_missing_is_said() {
        let axes: BTreeMap<String, String> = [("region".to_owned(), "eu-west-2".to_owned())].into();
        let shown = Shown {
            pipeline: "layers",
            publications: vec![
                publication("minimal", "amd64", "us-east-1", "arn:1"),
                publication("minimal", "amd64", "eu-west-1", "arn:2"),
            ],
            passed_over: vec![PassedOver {
                node: "p",
                distribution: "minimal",
                architecture: "amd64",
                region: "ap-east-1",
                reason: "not enabled",
            }],
            failed: vec![
                Failed { node: "published[x]", kind: "publish", axes: &axes, reason: "down" },
                Failed { node: "checked", kind: "check", axes: &axes, reason: "not a region" },
            ],
            ..Shown::default()
        };
        let index: serde_json::Value = serde_json::from_str(&text(&shown)).unwrap();
        assert_eq!(index["releases"], serde_json::json!([{"version": "0.145.0"}]));
        assert_eq!(index["layers"].as_array().unwrap().len(), 1);
        assert_eq!(index["layers"][0]["regions"]["eu-west-1"]["arn"], "arn:2");
        assert_eq!(
            index["missing"][0],
            serde_json::json!({"node": "published[x]", "region": "eu-west-2", "reason": "down"})
        );
        assert_eq!(
            (index["missing"].as_array().unwrap().len(), &index["missing"][1]["region"]),
            (2, &"ap-east-1".into())
        );
    }
}
