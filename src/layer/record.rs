//! The row of a layer version in the metadata table: the key and attributes of the table that the tool Ocelot replaces
//! keeps, so that its readers go on working, and ours beside them.

use crate::base::clock::format_rfc3339;

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text; never empty.
    Text(String),
    /// A whole number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// Texts; never none.
    List(Vec<String>),
}

/// What is known of a layer version in AWS. Empty texts and lists are left out of the row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerRecord {
    /// The ARN with the version's number: the key.
    pub arn: String,
    /// The distribution, by its exact name.
    pub distribution: String,
    /// The number that AWS gave.
    pub version: u64,
    /// For example `eu-west-1`.
    pub region: String,
    /// The whole layer name.
    pub layer_name: String,
    /// `amd64` or `arm64`.
    pub architecture: String,
    /// The version as it stands in the layer's name, for example `0_145_0`.
    pub version_label: String,
    /// The collector version with its `v`.
    pub collector_version: String,
    /// MD5 of the zip as hexadecimal digits; proves nothing, but readers of the table require it.
    pub md5: String,
    /// SHA-256 of the zip as hexadecimal digits.
    pub sha256: String,
    /// When the version was published, in seconds since 1970.
    pub created: Option<u64>,
    /// Whether everybody may use it.
    pub public: bool,
    /// Compatible runtimes.
    pub runtimes: Vec<String>,
    /// The release group.
    pub group: String,
    /// Build tags, separated by commas.
    pub tags: String,
    /// Length of the zip in bytes.
    pub size: u64,
    /// The commit of the sources.
    pub commit: String,
}

impl LayerRecord {
    /// The key's attribute.
    pub const KEY: &'static str = "layer_arn";

    /// The attributes beside the key, by name.
    pub fn attributes(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &str| (!text.is_empty()).then(|| Value::Text(text.to_owned()));
        let list = |texts: &[String]| (!texts.is_empty()).then(|| Value::List(texts.to_vec()));
        [
            ("distribution", text(&self.distribution)),
            ("base_layer_arn", self.arn.rsplit_once(':').and_then(|(layer, _)| text(layer))),
            ("version", Some(Value::Number(self.version))),
            ("region", text(&self.region)),
            ("base_name", text(&self.layer_name)),
            ("architecture", text(&self.architecture)),
            ("layer_version_str", text(&self.version_label)),
            ("collector_version_input", text(&self.collector_version)),
            ("md5_hash", text(&self.md5)),
            ("publish_timestamp", self.created.map(|at| Value::Text(format_rfc3339(at)))),
            ("public", Some(Value::Flag(self.public))),
            ("compatible_runtimes", list(&self.runtimes)),
            ("release_group", text(&self.group)),
            ("build_tags", text(&self.tags)),
            ("size", Some(Value::Number(self.size))),
            ("sha256", text(&self.sha256)),
            ("upstream_commit", text(&self.commit)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_of_the_table_find_what_they_require_and_nothing_is_empty() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:layer:ocel-amd64-minimal-0_145_0-prod:3";
        let record = LayerRecord {
            arn: arn.into(),
            distribution: "minimal".into(),
            version: 3,
            created: Some(951_782_400),
            md5: "d41d8cd98f00b204e9800998ecf8427e".into(),
            ..LayerRecord::default()
        };
        let attributes = record.attributes();
        let of = |name: &str| attributes.iter().find(|(held, _)| *held == name).map(|(_, value)| value.clone());
        assert_eq!(of("base_layer_arn"), Some(Value::Text(arn.strip_suffix(":3").unwrap().into())));
        assert_eq!(of("version"), Some(Value::Number(3)));
        assert_eq!(of("publish_timestamp"), Some(Value::Text("2000-02-29T00:00:00+00:00".into())));
        assert_eq!(of("public"), Some(Value::Flag(false)));
        for absent in ["compatible_runtimes", "release_group", "region", LayerRecord::KEY] {
            assert_eq!(of(absent), None, "{absent}");
        }
    }
}
