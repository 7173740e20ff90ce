//! `index.json`: what a consumer looks ARNs up in. One entry for each layer, its regions below it.
//!
//! `releases` is what a custom datasource of Renovate reads; the rest is ours.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The form of the file; rises when a field changes its meaning. New fields do not raise it.
const FORMAT: u32 = 1;

/// All layers of a run or of a release, in a fixed order: equal content gives equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    format: u32,
    /// The pipeline that wrote it.
    pipeline: String,
    releases: Vec<Release>,
    layers: Vec<Layer>,
    missing: Vec<Missing>,
}

/// A collector version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Release {
    version: String,
}

/// A layer of one content in one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    distribution: String,
    architecture: String,
    collector_version: String,
    layer_name: String,
    code_sha256: String,
    sha256: Option<String>,
    size: Option<u64>,
    commit: Option<String>,
    components: Vec<String>,
    regions: BTreeMap<String, Region>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    arn: String,
    version: u64,
    public: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified_at: Option<String>,
}

/// A region that is wanted and where a layer is not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Missing {
    /// The node that was to publish it.
    pub node: String,
    /// Its distribution, if the node is one for each.
    #[serde(default)]
    pub distribution: Option<String>,
    /// Its architecture, if the node is one for each.
    #[serde(default)]
    pub architecture: Option<String>,
    /// Its region, if the node is one for each.
    pub region: Option<String>,
    /// Why it is not there.
    pub reason: String,
}

/// One layer version in one region: an index is a list of these, written in groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The distribution, by its exact name.
    pub distribution: String,
    /// `amd64` or `arm64`.
    pub architecture: String,
    /// With its `v`, for example `v0.145.0`.
    pub collector_version: String,
    /// The whole layer name.
    pub layer_name: String,
    /// Base64 of the SHA-256 of the zip, as AWS Lambda shows it.
    pub code_sha256: String,
    /// The same as hexadecimal digits, if it is known.
    pub sha256: Option<String>,
    /// Length of the zip in bytes, if it is known.
    pub size: Option<u64>,
    /// The commit of the sources, if it is known.
    pub commit: Option<String>,
    /// Components of the collector, if they are known.
    pub components: Vec<String>,
    /// For example `eu-west-1`.
    pub region: String,
    /// The version's ARN; `layer:REGION:NAME:NUMBER` in a directory registry.
    pub arn: String,
    /// The number that the registry gave.
    pub number: u64,
    /// Whether everybody may use it.
    pub public: bool,
    /// When a run first had it as it is now (RFC 3339, UTC); set by [`Index::merged`].
    pub verified_at: Option<String>,
}

impl Version {
    /// The account of an ARN; empty for registries without accounts.
    pub fn account(&self) -> &str {
        let mut fields = self.arn.split(':');
        if fields.next() == Some("arn") { fields.nth(3).unwrap_or_default() } else { "" }
    }

    /// Newer is greater. Text that is no version is older than every version.
    fn age(&self) -> (Option<semver::Version>, u64) {
        let version = self.collector_version.strip_prefix('v').unwrap_or(&self.collector_version);
        (semver::Version::parse(version).ok(), self.number)
    }
}

impl Index {
    /// An index of these, grouped and put in order.
    pub fn new(pipeline: &str, versions: Vec<Version>, mut missing: Vec<Missing>) -> Self {
        let mut layers: BTreeMap<_, Layer> = BTreeMap::new();
        for one in versions {
            let key = [&one.distribution, &one.architecture, &one.layer_name, &one.code_sha256].map(Clone::clone);
            let layer = layers.entry((key, one.account().to_owned())).or_insert_with(|| Layer {
                distribution: one.distribution,
                architecture: one.architecture,
                collector_version: one.collector_version,
                layer_name: one.layer_name,
                code_sha256: one.code_sha256,
                sha256: None,
                size: None,
                commit: None,
                components: Vec::new(),
                regions: BTreeMap::new(),
            });
            // The same bytes are the same everywhere: what is known of them in one region holds in all.
            layer.sha256 = layer.sha256.take().or(one.sha256);
            layer.size = layer.size.or(one.size);
            layer.commit = layer.commit.take().or(one.commit);
            if layer.components.is_empty() {
                layer.components = one.components;
            }
            let region = Region { arn: one.arn, version: one.number, public: one.public, verified_at: one.verified_at };
            layer.regions.insert(one.region, region);
        }
        let layers: Vec<_> = layers.into_values().collect();
        let releases: BTreeSet<&str> = layers.iter().map(|layer| layer.collector_version.as_str()).collect();
        let release = |version: &str| Release { version: version.trim_start_matches('v').to_owned() };
        let releases = releases.into_iter().map(release).collect();
        missing.sort();
        missing.dedup();
        Self { format: FORMAT, pipeline: pipeline.to_owned(), releases, layers, missing }
    }

    /// The pipeline that wrote it.
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// Every layer version, by distribution, architecture, layer name and region.
    pub fn versions(&self) -> Vec<Version> {
        let of_layer = |layer: &Layer| {
            let version = |(region, there): (&String, &Region)| Version {
                distribution: layer.distribution.clone(),
                architecture: layer.architecture.clone(),
                collector_version: layer.collector_version.clone(),
                layer_name: layer.layer_name.clone(),
                code_sha256: layer.code_sha256.clone(),
                sha256: layer.sha256.clone(),
                size: layer.size,
                commit: layer.commit.clone(),
                components: layer.components.clone(),
                region: region.clone(),
                arn: there.arn.clone(),
                number: there.version,
                public: there.public,
                verified_at: there.verified_at.clone(),
            };
            layer.regions.iter().map(version).collect::<Vec<_>>()
        };
        self.layers.iter().flat_map(of_layer).collect()
    }

    /// Where layers are missing.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// For maps that have room for one version: the newest of each distribution, architecture and region, by collector
    /// version, then by number.
    pub fn newest(&self) -> Vec<Version> {
        let mut chosen: BTreeMap<_, Version> = BTreeMap::new();
        for one in self.versions() {
            let at = [&one.distribution, &one.architecture, &one.region].map(Clone::clone);
            if chosen.get(&at).is_none_or(|other| one.age() > other.age()) {
                chosen.insert(at, one);
            }
        }
        chosen.into_values().collect()
    }

    /// Reads `index.json`.
    ///
    /// # Errors
    /// Text that is no index, or one of another form; in words. It is never taken for an empty one: that would drop
    /// every earlier release from the next.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let form: Form = serde_json::from_str(text).map_err(|error| format!("no release index: {error}"))?;
        if form.format != FORMAT {
            return Err(format!(
                "the release index has form {}, this version reads {FORMAT}; use the Ocelot that wrote it, or a later one",
                form.format
            ));
        }
        let index: Self = serde_json::from_str(text).map_err(|error| format!("damaged release index: {error}"))?;
        Ok(Self::new(&index.pipeline, index.versions(), index.missing))
    }

    /// The same on one line, for places where each character counts.
    pub fn compact(&self) -> String {
        serde_json::to_string(self).expect("BUG: text and numbers always encode")
    }

    /// The text of `index.json`.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("BUG: text and numbers always encode") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::release::testing::{index, version};

    #[test]
    fn a_layer_has_its_regions_and_what_is_missing_is_said() {
        let text = index().text();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["releases"], serde_json::json!([{"version": "0.145.0"}, {"version": "0.99.0"}]));
        assert_eq!(json["layers"].as_array().unwrap().len(), 3);
        assert_eq!(json["layers"][0]["regions"]["us-east-1"]["version"], 1);
        assert_eq!(json["missing"][0]["region"], "me-south-1");
        assert_eq!(Index::parse(&text).unwrap(), index());
        let more = text.replacen("\"public\"", "\"later\": 1, \"public\"", 1);
        assert_eq!(Index::parse(&more).unwrap(), index(), "a field of a later version is no error");
    }

    #[test]
    fn what_is_no_index_is_never_an_empty_one() {
        for bad in ["", "{}", "[]", "{\"format\": 1}", "{\"format\": 1, \"layers\": [{}]}", "not found"] {
            assert!(Index::parse(bad).is_err(), "{bad}");
        }
        assert!(Index::parse("{\"format\": 2, \"layers\": []}").unwrap_err().contains("form 2"));
    }

    #[test]
    fn other_bytes_and_another_account_are_another_layer() {
        let one = version("minimal", "amd64", "eu-west-1", "v0.145.0", 1);
        let bytes = Version { code_sha256: "other".into(), ..version("minimal", "amd64", "us-east-1", "v0.145.0", 1) };
        let theirs = Version { arn: one.arn.replace("123456789012", "210987654321"), ..one.clone() };
        assert_eq!((one.account(), theirs.account()), ("123456789012", "210987654321"));
        let index = Index::new("layers", vec![one, bytes, theirs], vec![]);
        assert_eq!((index.layers.len(), index.versions().len()), (3, 3));
        let local = version("x", "amd64", "eu-west-1", "v1.0.0", 1);
        assert_eq!(Version { arn: "layer:eu-west-1:x:1".into(), ..local }.account(), "");
    }

    #[test]
    fn the_newest_is_by_version_and_not_by_text() {
        let newest = index().newest();
        assert_eq!(newest.len(), 3);
        assert_eq!(newest[0].collector_version, "v0.145.0", "it is newer than v0.99.0");
        let at = |collector, number| version("minimal", "amd64", "eu-west-1", collector, number);
        let odd = Index::new("layers", vec![at("v0.1.0", 1), at("main", 7)], vec![]);
        assert_eq!(odd.newest()[0].collector_version, "v0.1.0");
    }
}
