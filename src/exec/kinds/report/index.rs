//! The index of what a run shows.

use crate::exec::kinds::report::{Publication, Shown};
use crate::layer::release::index::{Index, Missing, Version};

/// The index of everything that is shown.
pub(super) fn of(shown: &Shown<'_>) -> Index {
    let failed = shown.failed.iter().filter(|failed| failed.kind == "publish");
    let failed = failed.map(|one| Missing {
        node: one.node.to_owned(),
        distribution: one.axes.get("distribution").cloned(),
        architecture: one.axes.get("arch").cloned(),
        region: one.axes.get("region").cloned(),
        reason: one.reason.to_owned(),
    });
    let passed = shown.passed_over.iter().map(|one| Missing {
        node: one.node.to_owned(),
        distribution: Some(one.distribution.to_owned()),
        architecture: Some(one.architecture.to_owned()),
        region: Some(one.region.to_owned()),
        reason: one.reason.to_owned(),
    });
    let versions = shown.publications.iter().map(|one| version(shown, one)).collect();
    Index::new(shown.pipeline, versions, failed.chain(passed).collect())
}

fn version(shown: &Shown<'_>, one: &Publication<'_>) -> Version {
    let built = shown.layers.iter().find(|layer| layer.code_sha256 == one.code_sha256);
    Version {
        distribution: one.distribution.to_owned(),
        architecture: one.architecture.to_owned(),
        collector_version: one.collector_version.to_owned(),
        layer_name: one.layer_name.to_owned(),
        code_sha256: one.code_sha256.to_owned(),
        sha256: built.and_then(|layer| layer.sha256).map(str::to_owned),
        size: built.map(|layer| layer.size),
        commit: built.map(|layer| layer.commit.to_owned()),
        components: built
            .map(|layer| layer.components.iter().map(|&name| name.to_owned()).collect())
            .unwrap_or_default(),
        region: one.region.to_owned(),
        arn: one.arn.to_owned(),
        number: one.version,
        public: one.public,
        verified_at: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
        let index: serde_json::Value = serde_json::from_str(&of(&shown).text()).unwrap();
        assert_eq!(index["releases"], serde_json::json!([{"version": "0.145.0"}]));
        assert_eq!(index["layers"].as_array().unwrap().len(), 1);
        assert_eq!(index["layers"][0]["regions"]["eu-west-1"]["arn"], "arn:2");
        assert_eq!(
            index["missing"][1],
            serde_json::json!({"node": "published[x]", "distribution": null, "architecture": null,
                "region": "eu-west-2", "reason": "down"})
        );
        assert_eq!(
            (index["missing"].as_array().unwrap().len(), &index["missing"][0]["region"]),
            (2, &"ap-east-1".into())
        );
    }
}
