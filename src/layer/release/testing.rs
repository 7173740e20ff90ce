//! An index for tests.

use crate::layer::release::index::{Index, Missing, Version};

/// A published version.
pub(crate) fn version(distribution: &str, architecture: &str, region: &str, collector: &str, number: u64) -> Version {
    let label = collector.trim_start_matches('v').replace('.', "_");
    let layer_name = format!("ocel-{architecture}-{distribution}-{label}-prod");
    Version {
        distribution: distribution.into(),
        architecture: architecture.into(),
        collector_version: collector.into(),
        code_sha256: format!("sum of {layer_name}"),
        sha256: None,
        size: Some(12_149_999),
        commit: None,
        components: vec!["receiver.otlp".into()],
        region: region.into(),
        arn: format!("arn:aws:lambda:{region}:123456789012:layer:{layer_name}:{number}"),
        number,
        public: true,
        verified_at: None,
        layer_name,
    }
}

/// A region in which a layer is missing.
pub(crate) fn missing(architecture: &str, region: &str) -> Missing {
    Missing {
        node: format!("published[minimal,{architecture},{region}]"),
        distribution: Some("minimal".into()),
        architecture: Some(architecture.into()),
        region: Some(region.into()),
        reason: "connection\nrefused | retry".into(),
    }
}

/// Two architectures in one region, an older version of one of them, another region, and one that failed.
pub(crate) fn index() -> Index {
    let versions = vec![
        version("minimal", "amd64", "eu-west-1", "v0.145.0", 1),
        version("minimal", "arm64", "eu-west-1", "v0.145.0", 1),
        version("minimal", "amd64", "eu-west-1", "v0.99.0", 1),
        version("minimal", "amd64", "us-east-1", "v0.145.0", 1),
    ];
    Index::new("layers", versions, vec![missing("amd64", "me-south-1")])
}
